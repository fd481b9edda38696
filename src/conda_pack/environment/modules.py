"""Python code that lies in a folder: what can be imported from there, and the files it consists of."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator

from conda_pack.model import DiskFile

_EXTENSION = (".so", ".pyd")
_PROJECT = ("pyproject.toml", "setup.py", "setup.cfg")
#: No part of the code: what Python, version control and tools leave in its folders.
_LITTER = frozenset(
    {
        "__pycache__",
        ".git",
        ".hg",
        ".svn",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
    }
)
#: What lies beside the code in a project's folder; setuptools too leaves these out of what it finds itself.
_BESIDE = frozenset(
    {
        *("benchmark", "benchmarks", "bin", "build", "ci", "conftest", "debian", "dist", "doc", "docs"),
        *("documentation", "example", "examples", "exercise", "exercises", "fabfile", "htmlcov", "manage"),
        *("noxfile", "scripts", "setup", "tasks", "test", "tests", "tools", "toxfile", "utils", "venv"),
    }
)


def find_modules(folder: str, names: Collection[str] = ()) -> dict[str, list[str]]:
    """Top-level modules and packages in ``folder`` → the paths of each.

    All of those in ``names``, if any is there; else all that can be imported, but of a project's own folder
    not what usually lies beside its code. Raises OSError if the folder cannot be read.
    """
    found: dict[str, list[str]] = {}
    is_project = any(os.path.exists(os.path.join(folder, name)) for name in _PROJECT)
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        module = entry.name if entry.is_dir() else _module(entry.name)
        if not module.isidentifier() or entry.name in _LITTER:
            continue
        if entry.is_dir() and not (module in names or _is_package(entry.path, is_project)):
            continue
        found.setdefault(module, []).append(entry.path)
    named = {module: paths for module, paths in found.items() if module in names}
    if named or not is_project:
        return named or found
    return {module: paths for module, paths in found.items() if module not in _BESIDE}


def module_paths(location: str) -> list[str]:
    """The package's folder or the module's files at a path that may lack its suffix, as setuptools has it."""
    if os.path.isdir(location) or os.path.isfile(location):
        return [location]
    folder, name = os.path.split(location)
    try:
        listed = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, each) for each in listed if _module(each) == name]


def read_module(path: str, target: str) -> Iterator[DiskFile]:
    """The files of a package's folder or of a module, as they go to ``target``, a path within the prefix.

    As in a wheel, a link becomes what it leads to, and a link to a folder it lies in is left out. Raises
    OSError for what cannot be read.
    """
    yield from _read(path, target, ())


def _read(path: str, target: str, within: tuple[str, ...]) -> Iterator[DiskFile]:
    status = os.stat(path)
    if stat.S_ISREG(status.st_mode):
        mtime = status.st_mtime_ns // 1_000_000_000
        yield DiskFile(target, "file", stat.S_IMODE(status.st_mode) & 0o777, status.st_size, mtime, "", path)
    elif stat.S_ISDIR(status.st_mode):
        real = os.path.realpath(path)
        for name in sorted(os.listdir(path)) if real not in within else ():
            if name not in _LITTER and not name.endswith(".egg-info"):
                yield from _read(os.path.join(path, name), f"{target}/{name}", (*within, real))


def _module(name: str) -> str:
    """The module that a file holds, by its name; empty if none."""
    if name.endswith(".py"):
        return name[: -len(".py")]
    if not name.endswith(_EXTENSION):
        return ""
    # mod.cpython-311-x86_64-linux-gnu.so, mod.abi3.so, mod.so
    match = re.fullmatch(r"([^.]+)(?:\.[^.]+)?", name[: name.rfind(".")])
    return match[1] if match else ""


def _is_package(folder: str, is_project: bool) -> bool:
    """Whether a folder holds code. In a project's own folder only what says so; else namespaces too."""
    if os.path.exists(os.path.join(folder, "__init__.py")):
        return True
    return not is_project and any(_module(name) for _, _, names in os.walk(folder) for name in names)


def normalised(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
