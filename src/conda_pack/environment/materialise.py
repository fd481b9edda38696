"""Editable installs → ordinary ones: their code as files of site-packages, and nothing that leads elsewhere.

What then tells of them is what pip writes when it installs without ``-e``: a RECORD (for a legacy install,
``installed-files.txt``) that lists the files, and no ``direct_url.json``, whose path is this machine's.
"""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import io
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.parser import HeaderParser

from conda_pack.environment.distributions import record_rows
from conda_pack.environment.editable import (
    EGG_LINK,
    IGNORE_EDITABLE,
    PTH,
    editable_location,
    egg_link_location,
    finder_mapping,
    finders_in,
    is_import,
    pth_locations,
    site_files,
)
from conda_pack.environment.modules import find_modules, module_paths, normalised, read_module
from conda_pack.environment.places import is_inside
from conda_pack.environment.read import read_bytes
from conda_pack.model import DiskFile, Environment, Finding, Severity


def materialise(environment: Environment) -> Environment:
    """The environment as if its editable installs had been made without ``-e``.

    Of each, the packages and modules that it makes importable are copied: those that setuptools' import
    hook names, or in a folder on the path those of top_level.txt, else all that there are. Files that
    site-packages has already stay, as they came first on the path. What cannot be copied, as what an
    import hook of another tool finds, stays as it is, and a finding names it.

    Raises FileChanged for a file of the environment that cannot be read.
    """
    if environment.site_packages is None:
        return environment
    work = _Work(environment, environment.site_packages)
    for info in work.folders(".dist-info"):
        work.add(work.by_record(info))
    for name in work.top:
        if name.endswith(EGG_LINK):
            work.add(work.by_egg_link(name))
    for name in work.top:
        if name.endswith(PTH):
            for location in work.outside(name):
                work.add(_Install(f"{name} ({location})", locations=(location,)))
    return work.result()


@dataclass(frozen=True, slots=True)
class _Install:
    """One editable install: where its code is (``locations`` on the path, ``mapping`` of modules)."""

    name: str
    locations: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()  # its top-level modules, if something tells them
    pointers: frozenset[str] = frozenset()  # files of site-packages that go, with what is compiled of them
    info: str = ""  # its .dist-info folder
    egg_info: str = ""  # its .egg-info folder, on this machine
    problem: str = ""


#: What setuptools' ``develop`` wrote in the place of a script: what runs the project's own, where that lies.
_DEVELOPED = re.compile(
    rb"(#![^\n]*\n)# EASY-INSTALL-(ENTRY|DEV)-SCRIPT: '([\w.-]+)(?:==[^']*)?'.*?(?:^__file__ = ([^\n]*)|\Z)",
    re.DOTALL | re.MULTILINE,
)
_LONGEST_SCRIPT = 1 << 16


class _Work:
    """What becomes of site-packages. Paths are relative to it, but for those of ``DiskFile``."""

    def __init__(self, environment: Environment, site: str) -> None:
        self._environment, self._site = environment, site
        self.files = {name for name, _ in site_files(environment)}
        self.top = sorted(name for name in self.files if "/" not in name)
        self._texts: dict[str, bytes] = {}  # as edited, by path in the prefix
        self._gone: set[str] = set()
        self._copies: dict[str, DiskFile] = {}
        self._problems: list[str] = []
        self._left: set[str] = set()  # folders that something else names as well
        self._kept: list[str] = []

    # ------------------------------------------------------------- what there is

    def read(self, name: str) -> bytes:
        """The text of a file, as edited so far; empty if there is none."""
        path = f"{self._site}/{name}"
        if path in self._texts or name in self._gone or name not in self.files:
            return self._texts.get(path, b"")
        return read_bytes(os.path.join(self._environment.prefix, path))

    def text(self, name: str) -> str:
        return self.read(name).decode("utf-8", "replace")

    def folders(self, suffix: str) -> list[str]:
        """The folders of site-packages with this suffix."""
        return sorted({name.split("/")[0] for name in self.files if name.split("/")[0].endswith(suffix)})

    def outside(self, name: str) -> list[str]:
        """The folders outside of the environment that a .pth file names, and nothing else has failed with."""
        return [
            location
            for location in pth_locations(self.text(name))
            if not is_inside(self._environment, location) and location not in self._left
        ]

    def by_record(self, info: str) -> _Install | None:
        """The editable install whose metadata is in the folder ``info``, if it is one."""
        url = f"{info}/direct_url.json"
        origin = editable_location(self.read(url))
        if origin is not None and is_inside(self._environment, origin):
            return None
        rows = {posixpath.normpath(row[0]) for row in record_rows(self.text(f"{info}/RECORD"))}
        own = [name for name in self.top if name in rows]
        paths = [name for name in own if name.endswith(PTH)]
        finders = [finder for name in paths for finder in finders_in(self.text(name)) if finder in self.files]
        mapping = {
            module: location
            for finder in finders
            for module, location in finder_mapping(self.read(finder)).items()
            if not is_inside(self._environment, location)
        }
        locations = [location for name in paths for location in self.outside(name)]
        if not (mapping or locations or origin):
            return None
        hooks = [name for name in own if name.endswith(".py") and name not in finders]
        return _Install(
            name=f"{info.split('-', maxsplit=1)[0]} ({origin or ', '.join(locations or mapping.values())})",
            locations=tuple(locations),
            mapping=mapping,
            names=frozenset(self.text(f"{info}/top_level.txt").split()),
            pointers=frozenset([*finders, url]),
            info=info,
            problem=""
            if mapping or locations
            else f"it is found by an import hook that is not setuptools' ({', '.join(hooks) or 'unknown'})",
        )

    def by_egg_link(self, link: str) -> _Install | None:
        """The legacy editable install that an .egg-link leads to, if that is outside."""
        location = egg_link_location(self.read(link))
        if is_inside(self._environment, location):
            return None
        project = link[: -len(EGG_LINK)]
        try:
            listed = sorted(name for name in os.listdir(location) if name.endswith(".egg-info"))
        except OSError:
            listed = []
        wanted = [name for name in listed if normalised(name[: -len(".egg-info")]) == normalised(project)]
        egg_info = os.path.join(location, (wanted or [""])[0])
        top_level = os.path.join(egg_info, "top_level.txt")
        return _Install(
            name=f"{project} ({location})",
            locations=(location,),
            names=frozenset(read_bytes(top_level).decode().split() if os.path.isfile(top_level) else ()),
            pointers=frozenset([link]),
            egg_info=egg_info,
            problem="" if wanted else "there is no .egg-info folder of it",
        )

    # ------------------------------------------------------------- what becomes of it

    def add(self, install: _Install | None) -> None:
        """Make one ordinary, or note what is in the way."""
        if install is None:
            return
        try:
            copies = {file.path: file for file in self._code(install)}
            problem = install.problem or ("" if copies else "no code is there")
        except OSError as error:
            problem = f"{error.filename} cannot be read: {error.strerror}"
        if problem:
            self._problems.append(f"{install.name}: {problem}")
            self._left.update(install.locations)
            return
        there = self._environment.files.keys() | self._copies.keys()
        self._kept += sorted(copies.keys() & there)
        new = {path: file for path, file in copies.items() if path not in there}
        self._copies.update(new)
        gone = {name for pointer in install.pointers for name in self._with_bytecode(pointer)}
        for name in self.top:
            if name.endswith(PTH) and name not in self._gone:
                gone |= self._less(name, install)
        self._gone |= gone
        if install.info:
            self._record(f"{install.info}/RECORD", gone, new.values())
        elif install.egg_info:
            scripts = self._legacy_scripts(os.path.basename(install.egg_info)[: -len(".egg-info")])
            self._legacy_metadata(install.egg_info, [*(file.path for file in new.values()), *scripts])

    def _code(self, install: _Install) -> Iterator[DiskFile]:
        for module, location in install.mapping.items():
            yield from self._module(module, module_paths(location))
        for location in install.locations:
            for module, paths in find_modules(location, install.names).items():
                yield from self._module(module, paths)

    def _module(self, module: str, paths: Iterable[str]) -> Iterator[DiskFile]:
        parent, _, name = module.rpartition(".")
        folder = posixpath.join(self._site, *parent.split("."))
        for path in paths:
            own = name if os.path.isdir(path) else os.path.basename(path)
            yield from read_module(path, posixpath.normpath(f"{folder}/{own}"))

    def _with_bytecode(self, name: str) -> Iterator[str]:
        yield name
        if name.endswith(".py"):
            compiled = f"__pycache__/{name[: -len('.py')]}."
            yield from (other for other in self.files if other.startswith(compiled))

    def _less(self, name: str, install: _Install) -> set[str]:
        """Take the lines out of a .pth file that lead to an install; the files that go then."""
        lines = self.text(name).splitlines(keepends=True)
        finders = {pointer[: -len(".py")] for pointer in install.pointers if pointer.endswith(".py")}
        kept = [
            line
            for line in lines
            if line.strip() not in install.locations
            and not (is_import(line) and any(finder in line for finder in finders))
        ]
        if kept == lines:
            return set()
        if any(line.strip() and not line.startswith("#") for line in kept):
            self._texts[f"{self._site}/{name}"] = "".join(kept).encode()
            return set()
        return {name}

    def _record(self, name: str, gone: set[str], copies: Iterable[DiskFile]) -> None:
        rows = [row for row in record_rows(self.text(name)) if posixpath.normpath(row[0]) not in gone]
        rows += [[self._relative(file), *_digest_and_size(file)] for file in copies]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._texts[f"{self._site}/{name}"] = text.getvalue().encode()

    def _legacy_metadata(self, egg_info: str, installed: Iterable[str]) -> None:
        """The .egg-info as pip's legacy installs had it, with its list of files."""
        stem = os.path.basename(egg_info)[: -len(".egg-info")]
        headers = HeaderParser().parsestr(read_bytes(os.path.join(egg_info, "PKG-INFO")).decode())
        folder = f"{self._site}/{stem}-{headers['Version']}.egg-info"
        metadata = {file.path: file for file in read_module(egg_info, folder)}
        self._copies.update(metadata)
        listed = [posixpath.relpath(path, folder) for path in (*installed, *metadata)]
        self._texts[f"{folder}/installed-files.txt"] = "".join(f"{line}\n" for line in listed).encode()

    def _legacy_scripts(self, project: str) -> Iterator[str]:
        """The scripts of a legacy install; those that run one beside the code become that one."""
        folder = f"{self._environment.platform.scripts}/"
        for path, file in self._environment.files.items():
            if not path.startswith(folder) or file.kind != "file" or file.size > _LONGEST_SCRIPT:
                continue
            match = _DEVELOPED.match(read_bytes(os.path.join(self._environment.prefix, path)))
            if match is None or normalised(match[3].decode()) != normalised(project):
                continue
            yield path
            if match[2] == b"DEV" and match[4]:
                code = read_bytes(ast.literal_eval(match[4].decode()))
                if code.startswith(b"#!"):
                    code = code[code.find(b"\n") + 1 :]
                self._texts[path] = match[1] + code

    def _relative(self, file: DiskFile) -> str:
        return file.path[len(self._site) + 1 :]

    def result(self) -> Environment:
        """The environment with all that was done."""
        files = dict(self._environment.files)
        files.update(self._copies)
        for path, data in self._texts.items():
            mode, mtime = (files[path].mode, files[path].mtime) if path in files else (0o644, 0)
            files[path] = DiskFile(path, "file", mode, len(data), mtime, data=data)
        for name in self._gone:
            files.pop(f"{self._site}/{name}", None)
        findings = [each for each in self._environment.findings if each.option != IGNORE_EDITABLE]
        return replace(
            self._environment, files=dict(sorted(files.items())), findings=(*findings, *self._findings())
        )

    def _findings(self) -> Iterator[Finding]:
        if self._problems:
            yield Finding(
                Severity.ERROR,
                f"{len(self._problems)} editable installs cannot be copied: their code would not be in the "
                "archive. Install them without -e.",
                tuple(self._problems),
                IGNORE_EDITABLE,
            )
        if self._kept:
            yield Finding(
                Severity.WARNING,
                f"{len(self._kept)} files of editable installs are not copied, because the environment has "
                "others in their places, which are found first.",
                tuple(self._kept),
            )


def _digest_and_size(file: DiskFile) -> tuple[str, str]:
    """As RECORD has them (the specification of recorded installed projects)."""
    data = read_bytes(file.location)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(data))
