"""What an environment lacks of what is imported, as far as its files tell: for one that cannot run here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

#: What is there of a module: a file, a package with __init__.py, or a folder that others may add to.
_MODULE, _PACKAGE, _NAMESPACE = "module", "package", "namespace"
_FILE = re.compile(r"([^.]+)\.pyc?|([^.]+)(?:\.[^.]+)?\.(so|pyd)")


def absent(prefix: str, modules: Iterable[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The imports (a module, and a name from it or None) that cannot succeed, by the files that are there.

    A compiled module counts only if it is for the environment's system. What a file or a package makes up
    when it runs cannot be seen: of these only the top is looked for, of namespaces all.
    """
    files = _Files(prefix)
    return [(module, name) for module, name in modules if not files.may_have(module, name)]


class _Files:
    def __init__(self, prefix: str) -> None:
        windows = os.path.join(prefix, "Lib", "site-packages")
        self._suffix = "pyd" if os.path.isdir(windows) else "so"
        self._listings: dict[str, Mapping[str, str]] = {}
        self._folders = [*_search_path([windows, *_unix_folders(os.path.join(prefix, "lib"))])]

    def may_have(self, module: str, name: str | None) -> bool:
        folders = self._folders
        for part in module.split("."):
            found = [(folder, self._listing(folder).get(part)) for folder in folders]
            if any(what in (_MODULE, _PACKAGE) for _, what in found):
                return True
            folders = [os.path.join(folder, part) for folder, what in found if what == _NAMESPACE]
            if not folders:
                return False
        return name is None or any(name in self._listing(folder) for folder in folders)

    def _listing(self, folder: str) -> Mapping[str, str]:
        if folder not in self._listings:
            self._listings[folder] = dict(self._read(folder))
        return self._listings[folder]

    def _read(self, folder: str) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: not entry.is_dir())  # files have the last word
        except OSError:
            return
        for entry in listed:
            match = _FILE.fullmatch(entry.name)
            if entry.is_dir():
                begins = any(_is_init(each, self._suffix) for each in os.listdir(entry.path))
                yield entry.name, _PACKAGE if begins else _NAMESPACE
            elif match is not None and match[3] in (None, self._suffix):
                yield match[1] or match[2], _MODULE


def _is_init(name: str, suffix: str) -> bool:
    match = _FILE.fullmatch(name)
    return match is not None and "__init__" in match.groups() and match[3] in (None, suffix)


def _unix_folders(lib: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(lib))
    except OSError:
        return
    for name in names:
        if re.fullmatch(r"python\d\.\d+t?", name):
            yield os.path.join(lib, name, "site-packages")


def _search_path(sites: Iterable[str]) -> Iterator[str]:
    """Each folder of packages, the standard library around it, and what its .pth files add."""
    for site in filter(os.path.isdir, sites):
        yield site
        yield os.path.dirname(site)
        for name in sorted(os.listdir(site)):
            if name.endswith(".pth"):
                with open(os.path.join(site, name), encoding="utf-8", errors="replace") as stream:
                    lines = [line.strip() for line in stream]
                yield from (
                    os.path.join(site, *re.split(r"[/\\]", line))
                    for line in lines
                    if line and not line.startswith(("#", "import ", "import\t", "/"))
                )
