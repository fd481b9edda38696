"""Editable installs: packages whose code lies outside of the environment, and by what Python finds it there.

An editable install shows by its ``direct_url.json`` (PEP 610), by lines of ``.pth`` files (the ``site``
module), by setuptools' import hook ``__editable___NAME_finder.py``, which holds a dict called MAPPING, and,
where an older setuptools made it, by ``NAME.egg-link``.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

from conda_pack.environment.places import is_below, is_inside
from conda_pack.model import Environment, Finding, Severity

IGNORE_EDITABLE = "--ignore-editable-packages"
EGG_LINK = ".egg-link"
PTH = (".pth", ".egg-pth")

_FINDER = re.compile(r"__editable___\w+_finder")


def find_editable(environment: Environment, read: Callable[[str], bytes]) -> Iterator[Finding]:
    """One finding that names every editable install; ``read`` gives the bytes of one of its files."""
    packages = sorted(set(_names(environment, read)))
    if packages:
        yield Finding(
            Severity.ERROR,
            f"{len(packages)} packages are installed in editable mode: their code lies outside of the "
            "environment and would not be in the archive. Install them without -e.",
            tuple(packages),
            IGNORE_EDITABLE,
        )


def _names(environment: Environment, read: Callable[[str], bytes]) -> Iterator[str]:
    finders = []
    told = []
    for name, path in site_files(environment):
        if name.endswith(".dist-info/direct_url.json"):
            location = editable_location(read(path))
            if location is not None and not is_inside(environment, location):
                told.append(location)
                yield f"{name.split('-')[0]} ({location})"
        elif "/" in name:
            continue
        elif name.endswith(EGG_LINK):
            location = egg_link_location(read(path))
            if not is_inside(environment, location):
                yield f"{name[: -len(EGG_LINK)]} ({location})"
        elif name.endswith(PTH):
            for location in pth_locations(read(path).decode("utf-8", "replace")):
                if not is_inside(environment, location):
                    yield f"{name} ({location})"
        elif is_finder(name):
            finders.append((name, path))
    for name, path in finders:
        for location in finder_mapping(read(path)).values():
            if not (is_inside(environment, location) or any(is_below(location, other) for other in told)):
                yield f"{name} ({location})"


def site_files(environment: Environment) -> Iterator[tuple[str, str]]:
    """The files in site-packages: their paths there and in the prefix. None without Python."""
    if environment.site_packages is not None:
        folder = f"{environment.site_packages}/"
        for path in environment.files:
            if path.startswith(folder):
                yield path[len(folder) :], path


def is_finder(name: str) -> bool:
    """Whether a file in site-packages is setuptools' import hook of an editable install."""
    return _FINDER.fullmatch(name.removesuffix(".py")) is not None and name.endswith(".py")


def finders_in(text: str) -> list[str]:
    """The names of setuptools' import hooks that lines of a .pth file install."""
    return [f"{name}.py" for line in text.splitlines() if is_import(line) for name in _FINDER.findall(line)]


def finder_mapping(text: bytes) -> dict[str, str]:
    """Module → where it lies, of setuptools' import hook; a path may lack its suffix. Nothing is executed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else (node.target,)
            if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
                try:
                    mapping = ast.literal_eval(node.value)
                    return {str(name): str(path) for name, path in mapping.items()}
                except (ValueError, AttributeError):
                    return {}
    return {}


def editable_location(text: bytes) -> str | None:
    """The folder of an editable install, by its direct_url.json (PEP 610)."""
    try:
        document = json.loads(text)
        if not document["dir_info"].get("editable"):
            return None
        return unquote(urlsplit(document["url"]).path)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def egg_link_location(text: bytes) -> str:
    """The folder that holds the .egg-info of a legacy editable install."""
    return text.decode("utf-8", "replace").partition("\n")[0].strip()


def pth_locations(text: str) -> Iterator[str]:
    """The absolute folders that a .pth file puts on the path (the site module's rules)."""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#") and not is_import(line) and posixpath.isabs(stripped):
            yield stripped


def is_import(line: str) -> bool:
    """Whether the ``site`` module executes this line of a .pth file."""
    return line.strip().startswith(("import ", "import\t"))
