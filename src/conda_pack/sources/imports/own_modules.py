"""Which imported modules are the project's own.

Modules are looked for where Python would: in the folders that may be on ``sys.path`` when a file runs. What
lies there for sure is its own, before anything installed. Some things are, unless a package is known by the
name: a folder without ``__init__.py`` (which Python takes only if nothing else has the name), and a
file's neighbours within a package (which are found only when it is run as a script).
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from conda_pack.sources.imports.files import SourceFile

#: module: a file, or a package with __init__.py; namespace: a folder with modules, but without one.
_What = Literal["module", "namespace"]

_MODULE = re.compile(r"([^.]+)(?:\.py|\.pyw|\.pyx|(?:\.[^.]+)?\.(?:so|pyd))")
_PROJECT = ("pyproject.toml", "setup.py", "setup.cfg")
#: Where projects have their code, besides their own folder.
_SOURCES = ("src", "lib", "python")


class OwnModules:
    """Answers for one scan; folders are read once."""

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        """``is_known`` tells whether a package is known to bring a module."""
        self._is_known = is_known
        self._listings: dict[str, Mapping[str, _What]] = {}
        self._paths: dict[tuple[str, str | None], tuple[list[str], str | None]] = {}
        self._projects: dict[str, tuple[list[str], frozenset[str]]] = {}
        self._has_modules: dict[str, bool] = {}

    def is_own(self, file: SourceFile, module: str, name: str | None) -> bool:
        """Whether ``import module``, or ``from module import name``, in a file is of the project itself."""
        folders, neighbours = self._search_path(file)
        project, declared = self._project(folders[0])
        top = module.partition(".")[0]
        if top in declared and not self._is_known(top):
            return True
        if any(self._is_in(folder, module, name) for folder in dict.fromkeys([*folders, *project])):
            return True
        return neighbours is not None and not self._is_known(top) and self._is_in(neighbours, module, name)

    def _is_in(self, folder: str, module: str, name: str | None) -> bool:
        """Whether a folder has a module for sure, and not a namespace that others share."""
        parts = module.split(".")
        for number, part in enumerate(parts):
            what = self._listing(folder).get(part)
            if what != "namespace":
                return what == "module"
            folder = os.path.join(folder, part)
            if not self._holds_modules(folder):
                return False
            if number == len(parts) - 1:
                if name is not None and name in self._listing(folder):
                    return True
                return not self._is_known(module) and (name is None or not self._is_known(f"{module}.{name}"))
        return False

    def _listing(self, folder: str) -> Mapping[str, _What]:
        if folder not in self._listings:
            self._listings[folder] = dict(self._read(folder))
        return self._listings[folder]

    def _read(self, folder: str) -> Iterator[tuple[str, _What]]:
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            return
        for entry in listed:
            match = _MODULE.fullmatch(entry.name)
            if match and entry.is_file():
                yield match[1], "module"
            elif entry.name.isidentifier() and entry.is_dir():
                is_package = os.path.isfile(os.path.join(entry.path, "__init__.py"))
                yield entry.name, "module" if is_package else "namespace"

    def _holds_modules(self, folder: str) -> bool:
        if folder not in self._has_modules:
            self._has_modules[folder] = any(
                _MODULE.fullmatch(name) for _, _, names in os.walk(folder) for name in names
            )
        return self._has_modules[folder]

    def _search_path(self, file: SourceFile) -> tuple[list[str], str | None]:
        """The folders that a file's imports are looked for in, and its own if that is within a package."""
        here = os.path.abspath(os.path.dirname(file.path))
        key = (here, file.root)
        if key not in self._paths:
            folder = here
            while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder) != folder:
                folder = os.path.dirname(folder)
            folders = [folder]
            root = os.path.abspath(file.root) if file.root is not None else folder
            while folder.startswith(root.rstrip(os.sep) + os.sep):
                folder = os.path.dirname(folder)
                folders.append(folder)
            folders.extend(os.path.join(root, name) for name in _SOURCES)
            self._paths[key] = (folders, None if folders[0] == here else here)
        return self._paths[key]

    def _project(self, folder: str) -> tuple[list[str], frozenset[str]]:
        """The folders of the project that a folder lies in, and the modules that it declares."""
        if folder not in self._projects:
            if any(os.path.isfile(os.path.join(folder, name)) for name in _PROJECT):
                declared, folders = _declared(folder)
                places = [os.path.join(folder, name) for name in (*_SOURCES, *folders)]
                self._projects[folder] = ([folder, *places], declared)
            else:
                parent = os.path.dirname(folder)
                self._projects[folder] = self._project(parent) if parent != folder else ([], frozenset())
        return self._projects[folder]


# ----------------------------------------------------------------- pyproject.toml


def _declared(folder: str) -> tuple[frozenset[str], list[str]]:
    """The modules that a pyproject.toml declares, and the folders that it says to find them in."""
    try:
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError:
        return frozenset(), []  # Python 3.10 without the extra `create`
    try:
        with open(os.path.join(folder, "pyproject.toml"), "rb") as stream:
            data = toml.load(stream)
    except (OSError, ValueError, RecursionError):
        return frozenset(), []  # who builds the project is told; who looks for imports need not be
    tool = _table(data, "tool")
    setuptools, poetry = _table(tool, "setuptools"), _table(tool, "poetry")
    wheel = _table(tool, "hatch", "build", "targets", "wheel")
    packages = [
        *_texts(setuptools.get("packages")),
        *_texts(setuptools.get("py-modules")),
        *_texts(wheel.get("packages")),
        *(_text(each.get("include")) for each in _tables(poetry.get("packages"))),
        _text(_table(tool, "flit", "module").get("name")),
        *_texts(_table(tool, "uv", "build-backend").get("module-name")),
        _text(_table(tool, "uv", "build-backend").get("module-name")),
        _text(_table(tool, "maturin").get("module-name")),
        _text(_table(data, "project").get("name")).replace("-", "_"),
        _text(poetry.get("name")).replace("-", "_"),
    ]
    folders = [
        *_texts(_table(setuptools, "packages", "find").get("where")),
        *(value for value in _table(setuptools, "package-dir").values() if isinstance(value, str)),
        *(_text(each.get("from")) for each in _tables(poetry.get("packages"))),
        _text(_table(tool, "pdm", "build").get("package-dir")),
        _text(_table(tool, "uv", "build-backend").get("module-root")),
        _text(_table(tool, "maturin").get("python-source")),
    ]
    modules = frozenset(each.rstrip("/").rpartition("/")[2].split(".")[0] for each in packages)
    return modules - {"", "*"}, [each for each in folders if each]


def _table(data: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _tables(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
