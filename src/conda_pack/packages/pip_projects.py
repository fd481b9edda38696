"""Python projects in an environment that no conda package brought: what pip, uv or setuptools installed.

What tells of them lies in site-packages: a folder ``.dist-info`` with a RECORD of the files, one of
``.egg-info`` with ``installed-files.txt``, a whole ``.egg``, or an ``.egg-link``. conda's packages have such
folders too; theirs are named by conda's own records, and say ``conda`` in INSTALLER.
Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import configparser
import csv
import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from conda_pack.environment.distributions import is_packaged, record_rows
from conda_pack.environment.editable import EGG_LINK
from conda_pack.environment.modules import module_paths, normalised
from conda_pack.environment.places import is_above
from conda_pack.environment.read import read_bytes
from conda_pack.errors import FileChanged
from conda_pack.model import Claim, Platform
from conda_pack.paths import folders_of

#: requests-2.31.0.dist-info, six-1.16.0-py3.11.egg-info, tool-1.0-py3.11.egg. pip begins with a ~ the names
#: of what it is about to remove.
_METADATA = re.compile(r"([^~].*?)-([^-]+?)(?:-py\d.*)?\.(dist-info|egg-info|egg)")
_LIB = re.compile(r"python\d[\d.]*t?")
_SCRIPT_SECTIONS = ("console_scripts", "gui_scripts")
_SCRIPT_SUFFIXES = {"win": (".exe", ".exe.manifest", "-script.py", "-script.pyw")}


@dataclass(frozen=True, slots=True)
class Project:
    """A Python project that is installed, by whatever but conda.

    ``metadata`` is the path of what tells of it, ``paths`` are the files that this lists, ``folders`` those
    in which everything is its own, unless somebody else lists it. All are relative to the prefix. ``url`` is
    where it was installed from, if that was no index.
    """

    name: str
    version: str
    metadata: str
    url: str = ""
    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def read_projects(
    prefix: str, site_packages: str | None, platform: Platform, claimed: Mapping[str, Claim]
) -> tuple[Project, ...]:
    """The projects at ``prefix``, by name; ``claimed`` are the files of conda's packages.

    ``site_packages`` is that of the environment's Python; those of Pythons that are gone are read too. What
    vanishes meanwhile, and lists that are damaged, are as good as absent. Raises FileChanged for what cannot
    be read.
    """
    reader = _Reader(prefix, platform, claimed, folders_of(claimed))
    projects = [project for site in _site_folders(prefix, site_packages) for project in reader.read(site)]
    return tuple(sorted(projects, key=lambda project: (project.name, project.metadata)))


def _site_folders(prefix: str, site_packages: str | None) -> list[str]:
    folders = [site_packages] if site_packages is not None else []
    folders += [f"lib/{name}/site-packages" for name in _children(prefix, "lib") if _LIB.fullmatch(name)]
    return list(dict.fromkeys(folders))


class _Reader:
    """What is known of an environment when its projects are read."""

    def __init__(
        self, prefix: str, platform: Platform, claimed: Mapping[str, Claim], folders: Set[str]
    ) -> None:
        self._prefix, self._platform = prefix, platform
        self._claimed, self._claimed_folders = claimed, folders

    def read(self, site: str) -> Iterator[Project]:
        for name in _children(self._prefix, site):
            path = f"{site}/{name}"
            if match := _METADATA.fullmatch(name):
                if not self._is_packaged(path):
                    yield self._project(normalised(match[1]), match[2], site, path)
            elif name.endswith(EGG_LINK) and path not in self._claimed:
                yield Project(normalised(name[: -len(EGG_LINK)]), "", path, paths=(path,))

    def _is_packaged(self, metadata: str) -> bool:
        installer = f"{metadata}/INSTALLER"
        text = self._bytes(installer)
        return is_packaged(
            self._claimed.get(installer),
            has_claims=metadata in self._claimed or metadata in self._claimed_folders,
            digest=hashlib.sha256(text).hexdigest() if text is not None else None,
            text=lambda: text,
        )

    def _project(self, name: str, version: str, site: str, metadata: str) -> Project:
        listed = self._listed(site, metadata)
        folders: tuple[str, ...] = (metadata,)
        if listed is None:
            listed = [*self._scripts(metadata)]
            for module in self._text(f"{metadata}/top_level.txt").split():
                for full in module_paths(self._full(f"{site}/{posixpath.basename(module)}")):
                    path = f"{site}/{os.path.basename(full)}"
                    if os.path.isdir(full):
                        folders += (path,)
                    else:
                        listed.append(path)
        paths = tuple(sorted({metadata, *listed}))
        return Project(name, version, metadata, self._url(metadata), paths, folders)

    def _listed(self, site: str, metadata: str) -> list[str] | None:
        """The files that the project's own list names, as far as they are in the prefix; None without one."""
        try:
            rows = record_rows(self._text(f"{metadata}/RECORD"))
        except csv.Error:
            rows = []
        if rows:
            return self._inside(site, [row[0] for row in rows])
        lines = self._text(f"{metadata}/installed-files.txt").split("\n")
        return self._inside(metadata, [line for line in lines if line]) or None

    def _inside(self, folder: str, names: Sequence[str]) -> list[str]:
        if self._platform.family == "win":
            names = [name.replace("\\", "/") for name in names]
        paths = [
            posixpath.relpath(name, self._prefix)
            if posixpath.isabs(name)
            else posixpath.normpath(f"{folder}/{name}")
            for name in names
        ]
        return [path for path in paths if not is_above(path) and path != "."]

    def _scripts(self, metadata: str) -> Iterator[str]:
        """The scripts that an installer makes of a project's entry points."""
        parser = configparser.RawConfigParser(delimiters=("=",), strict=False, allow_no_value=True)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # names have their case
        try:
            for folder in (metadata, f"{metadata}/EGG-INFO"):
                parser.read_string(self._text(f"{folder}/entry_points.txt"))
        except configparser.Error:
            return
        for section in _SCRIPT_SECTIONS:
            for name in parser.options(section) if parser.has_section(section) else ():
                if "/" not in name:
                    for suffix in _SCRIPT_SUFFIXES.get(self._platform.family, ("",)):
                        yield f"{self._platform.scripts}/{name}{suffix}"

    def _url(self, metadata: str) -> str:
        """Where it came from, by its direct_url.json (PEP 610)."""
        try:
            document = json.loads(self._bytes(f"{metadata}/direct_url.json") or b"")
            return str(document["url"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""

    def _text(self, path: str) -> str:
        return os.fsdecode(self._bytes(path) or b"")

    def _bytes(self, path: str) -> bytes | None:
        full = self._full(path)
        if not os.path.isfile(full):  # a named pipe would wait for ever
            return None
        try:
            return read_bytes(full)
        except FileChanged:
            if os.path.lexists(full):
                raise
            return None

    def _full(self, path: str) -> str:
        return os.path.join(self._prefix, *path.split("/"))


def _children(prefix: str, folder: str) -> list[str]:
    try:
        return sorted(os.listdir(os.path.join(prefix, *folder.split("/"))))
    except OSError:
        return []
