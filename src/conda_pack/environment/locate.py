"""A name or a folder → the prefix of an environment, without conda.

No process is ever started: whatever says where environments are is a file, a variable or a habit, and all of
them are read here. A prefix keeps the spelling it was found under (no symlink is resolved), because that is
the spelling conda wrote into the files.

Sources: the user guide's search order of condarc files
(https://docs.conda.io/projects/conda/en/stable/user-guide/configuration/use-condarc.html); conda's
``base/constants.py`` (``SEARCH_PATH``), ``base/context.py`` (``envs_dirs``, its alias ``envs_path``, and the
names ``base`` and ``root``) and ``core/envs_manager.py`` (``environments.txt``), read at 24.7; mamba's
``api/configuration.cpp`` (``.mambarc``); pixi's ``.pixi/envs``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from conda_pack.errors import EnvironmentNotFound, UsageError

# Where a name is looked for. ``~`` and ``$VARIABLE`` are filled in; what needs a variable that is not set
# drops out. The order only decides which spelling of one and the same folder is kept.
REGISTRY = "~/.conda/environments.txt"
ENVS_VARIABLES = ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS")
ENVS_FOLDERS = ("~/.conda/envs", "~/.pixi/envs")
ROOTS = ("$CONDA_ROOT", "$MAMBA_ROOT_PREFIX", "$CONDA_EXE/../..", "$MAMBA_EXE/../..")
USUAL_ROOTS = (
    *("~/miniconda3", "~/anaconda3", "~/miniforge3", "~/mambaforge", "~/micromamba"),
    "/opt/conda",
)
CONDARC_FILES = (
    *("$CONDARC", "$MAMBARC", "$CONDA_PREFIX/.condarc", "$CONDA_PREFIX/condarc", "$CONDA_PREFIX/condarc.d"),
    *("~/.condarc", "~/.mambarc"),
)
CONDARC_FOLDERS = (
    *("~/.conda", "~/.config/conda", "$XDG_CONFIG_HOME/conda", "$CONDA_ROOT", "$MAMBA_ROOT_PREFIX"),
    *("/etc/conda", "/var/lib/conda"),
)
CONDARC_NAMES = (".condarc", "condarc", "condarc.d", ".mambarc")  # the third is a folder of YAML files

ROOT_NAMES = ("base", "root")
MOST_SHOWN = 10


def locate(name: str | None, prefix: str | None, *, environ: Mapping[str, str], home: str, cwd: str) -> str:
    """Return the absolute path of the environment meant: by name, by folder, or the active one."""
    here = _Surroundings(environ, home, cwd)
    if name is not None and prefix is not None:
        raise UsageError("Give the environment either by name (-n) or by folder (-p), not by both.")
    if name is not None:
        return _by_name(name, here)
    if prefix is not None:
        return _checked(here.absolute(prefix), "")
    if active := environ.get("CONDA_PREFIX"):
        return _checked(here.absolute(active), " (the active environment, from CONDA_PREFIX)")
    raise EnvironmentNotFound("No environment is active: activate one, or give -n NAME or -p FOLDER.")


def condarc_files(environ: Mapping[str, str], home: str, cwd: str) -> list[str]:
    """The files that may hold conda's settings, those that win first; many do not exist."""
    return list(_condarc_files(_Surroundings(environ, home, cwd)))


def roots(environ: Mapping[str, str], home: str, cwd: str) -> list[str]:
    """The base environments: those that a variable points to, else those in the usual places."""
    return _roots(_Surroundings(environ, home, cwd))


def is_environment(prefix: str) -> bool:
    """Tell whether a folder is an environment. Pixi writes no ``history``, so conda-meta is enough."""
    return os.path.isdir(os.path.join(prefix, "conda-meta"))


@dataclass(frozen=True)
class _Surroundings:
    environ: Mapping[str, str]
    home: str
    cwd: str

    def absolute(self, path: str) -> str:
        if path == "~" or path.startswith(("~/", "~" + os.sep)):
            path = self.home + path[1:]
        return os.path.abspath(os.path.join(self.cwd, path))

    def expand(self, paths: Iterable[str]) -> list[str]:
        """Fill in ``~`` and variables; a path with a variable that is not set means nothing."""
        filled = (
            _VARIABLE.sub(lambda match: self.environ[match[1] or match[2]], path)
            for path in paths
            if path and all(self.environ.get(match[1] or match[2]) for match in _VARIABLE.finditer(path))
        )
        return [self.absolute(path) for path in filled]


_VARIABLE = re.compile(r"\$(?:\{([^}]+)\}|(\w+))")


def _checked(prefix: str, which: str) -> str:
    try:
        os.stat(prefix)
    except (FileNotFoundError, NotADirectoryError):
        raise EnvironmentNotFound(f"There is no environment at {prefix}{which}: it does not exist.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise EnvironmentNotFound(f"The environment at {prefix}{which} cannot be read: {reason}.") from error
    if not os.path.isdir(prefix):
        raise EnvironmentNotFound(f"There is no environment at {prefix}{which}: it is not a folder.")
    if not is_environment(prefix):
        raise EnvironmentNotFound(
            f"The folder {prefix}{which} is not a conda environment: it has no conda-meta folder."
        )
    return prefix


def _by_name(name: str, here: _Surroundings) -> str:
    if name in ("", os.curdir, os.pardir) or "/" in name or "\\" in name:
        raise UsageError(f"{name!r} cannot be the name of an environment: give its folder with -p.")
    candidates = _roots(here) if name in ROOT_NAMES else []
    if not candidates:
        candidates = [path for path in _registered(here) if os.path.basename(path) == name]
        candidates += [os.path.join(folder, name) for folder in _envs_folders(here)]
    found: dict[str, str] = {}
    for path in filter(is_environment, candidates):
        found.setdefault(os.path.realpath(path), path)
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        listed = "".join(f"\n  -p {path}" for path in sorted(found.values()))
        raise EnvironmentNotFound(f"Several environments are named {name!r}. Say which one:{listed}")
    husks = [path for path in candidates if os.path.isdir(path)]
    raise EnvironmentNotFound(_not_found(name, husks, _looked(here), _names(here)))


# --- What is on this machine. A file or folder that cannot be read says nothing.


def _registered(here: _Surroundings) -> list[str]:
    """List the prefixes that conda and mamba have noted down; many may be gone."""
    lines = (line.strip() for path in here.expand([REGISTRY]) for line in _text(path).split("\n"))
    return [os.path.normpath(line) for line in lines if os.path.isabs(line)]


def _roots(here: _Surroundings) -> list[str]:
    """List the base environments: those that a variable points to, else those in the usual places."""
    pointed = [*here.expand(ROOTS), *map(os.path.dirname, _active_envs_folder(here))]
    return list(filter(is_environment, pointed)) or list(filter(is_environment, here.expand(USUAL_ROOTS)))


def _active_envs_folder(here: _Surroundings) -> list[str]:
    return [folder for folder in here.expand(["$CONDA_PREFIX/.."]) if os.path.basename(folder) == "envs"]


def _envs_folders(here: _Surroundings) -> list[str]:
    """List the folders whose children are environments: those that exist, each once."""
    listed = [here.environ.get(variable, "").split(os.pathsep) for variable in ENVS_VARIABLES]
    listed += [parse_envs_dirs(_text(path)) for path in _condarc_files(here)]
    folders = [folder for paths in listed for folder in here.expand(paths)]
    folders += [os.path.join(root, "envs") for root in here.expand(ROOTS)]
    folders += _active_envs_folder(here)
    folders += [os.path.join(folder, ".pixi", "envs") for folder in _upwards(here.cwd)]
    folders += here.expand(ENVS_FOLDERS)
    folders += [os.path.join(root, "envs") for root in here.expand(USUAL_ROOTS)]
    return list(filter(os.path.isdir, dict.fromkeys(folders)))


def _condarc_files(here: _Surroundings) -> Iterator[str]:
    inside = [os.path.join(folder, name) for folder in CONDARC_FOLDERS for name in CONDARC_NAMES]
    for path in here.expand([*CONDARC_FILES, *inside]):
        yield path
        yield from (os.path.join(path, name) for name in _children(path) if name.endswith((".yml", ".yaml")))


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder)) != folder:
        yield parent
        folder = parent


def _names(here: _Surroundings) -> set[str]:
    prefixes = [os.path.join(folder, name) for folder in _envs_folders(here) for name in _children(folder)]
    names = {os.path.basename(path) for path in filter(is_environment, [*_registered(here), *prefixes])}
    return names | {ROOT_NAMES[0]} if _roots(here) else names


def _looked(here: _Surroundings) -> list[str]:
    return [*filter(os.path.isfile, here.expand([REGISTRY])), *_envs_folders(here)]


def _children(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _text(path: str) -> str:
    if not os.path.isfile(path):  # a named pipe would wait for ever
        return ""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


# --- Pure: the message, and the little of YAML that is needed


def _not_found(name: str, husks: list[str], looked: list[str], names: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(names), n=1)
    return " ".join(
        [
            f"No environment is named {name!r}.",
            *(f"Did you mean {near!r}?" for near in close),
            *(f"{path} is there, but has no conda-meta folder." for path in husks[:1]),
            *([f"Looked in {_some(looked)}."] if looked else []),
            *([f"There are: {_some(sorted(names))}."] if names else []),
            "An environment in another place can be given with -p FOLDER.",
        ]
    )


def _some(items: list[str]) -> str:
    rest = f" and {len(items) - MOST_SHOWN} more" if len(items) > MOST_SHOWN else ""
    return ", ".join(items[:MOST_SHOWN]) + rest


# A scalar is quoted, or plain: no mark of YAML's at its start, no "key: value" and no comment inside.
_SCALAR = r"""(?: '(?:[^'\n]|'')*' | "(?:[^"\\\n]|\\["\\/])*"
    | [^\s\[\]{},&*!|>%@`'"#?:-]
      (?: [^\s\[\]{},:] | (?<=\$)\{\w+\} | :(?=\S) | [ \t]+(?=[^\s\[\]{},:#]) )* )"""
_COMMENT = r"(?: (?<=\s)\#[^\n]* )"
_END = rf"[ \t]* {_COMMENT}? \n (?: [ \t]* {_COMMENT}? \n )*"  # of a line, and blank lines after it
_GAP = rf"(?: \s | {_COMMENT} )*"
_BLOCK = rf"{_END} (?P<indent>[ ]*) -[ ]+ {_SCALAR} {_END} (?: (?P=indent) -[ ]+ {_SCALAR} {_END} )*"
_FLOW = rf"[ \t]+ \[ {_GAP} (?: {_SCALAR} {_GAP} (?: ,{_GAP} {_SCALAR} {_GAP} )* (?: ,{_GAP} )? )? \] {_END}"
_LIST = re.compile(
    rf"^ (?:envs_dirs|envs_path) [ \t]*: (?P<items> {_BLOCK} | {_FLOW} ) (?= [^\s-] | \Z )", re.M | re.X
)
_ITEM = re.compile(rf"{_COMMENT} | (?P<item> {_SCALAR} )", re.X)


def parse_envs_dirs(text: str) -> list[str]:
    """Read ``envs_dirs`` (or ``envs_path``) out of a condarc file.

    A block list or a flow list of plain or quoted strings, with comments. Anything else is as good as absent.
    """
    lists = (match["items"] for match in _LIST.finditer(text + "\n"))
    items = (match["item"] for found in lists for match in _ITEM.finditer(found))
    return [_unquoted(item) for item in items if item not in (None, "~", "null")]


def _unquoted(item: str) -> str:
    if item[0] == "'":
        return item[1:-1].replace("''", "'")
    return re.sub(r"\\(.)", r"\1", item[1:-1]) if item[0] == '"' else item
