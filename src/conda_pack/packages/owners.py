"""Whose file a path is. Pure: from records of packages and lists of projects.

Paths are relative to the prefix, with ``/`` between their parts. Several packages may own one path, and a
project that was installed over a package has paths in common with it: then all of them are owners.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from conda_pack.model import PACK_FOLDER, Platform, Record
from conda_pack.packages.pip_projects import Project
from conda_pack.paths import folders_of

#: What Python compiles a module to, and numba what it compiles of one.
_COMPILED = (".pyc", ".pyo", ".nbi", ".nbc")
#: What conda keeps at the top of a prefix besides packages, as its ``walk_prefix`` has it (conda/misc.py),
#: and what rattler does: a mark for programs that make backups, and files that others took the place of.
RESERVED = frozenset(
    {
        *("pkgs", "envs", "conda-bld", "conda-meta", ".conda_lock", "users", "LICENSE.txt", "info"),
        *("conda-recipes", ".index", ".unionfs", ".nonadmin"),
        *("CACHEDIR.TAG", "__clobbers__"),
    }
)
_RESERVED_ON_MACOS = frozenset({"python.app", "Launcher.app"})
_RESERVED_SCRIPTS = frozenset({"bin/conda", "bin/activate", "bin/deactivate"})

_USER = re.compile(r"(?<=://)[^/@]*@")
_TOKEN = re.compile(r"(?<=/)t/[^/]+/")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a file is: a conda package's, a project's that pip installed, or the environment's own.

    The environment's own are the notes of conda and the like, and what conda-pack unpacks with. ``record``
    is the path of what tells of the package or project, ``channel`` has the subdir at its end.
    """

    kind: Literal["package", "project", "environment"]
    name: str = ""
    version: str = ""
    build: str = ""
    channel: str = ""
    record: str = ""

    @property
    def text(self) -> str:
        """``channel/subdir::name-version-build``, ``pip:name==version`` or ``environment``."""
        if self.kind == "package":
            channel = f"{self.channel}::" if self.channel else ""
            return f"{channel}{self.name}-{self.version}-{self.build}"
        if self.kind == "project":
            return f"pip:{self.name}=={self.version}" if self.version else f"pip:{self.name}"
        return "environment"


ENVIRONMENT = Owner("environment")


class Owners:
    """Tells whose a path in one environment is."""

    def __init__(
        self,
        records: Iterable[Record],
        projects: Iterable[Project] = (),
        platform: Platform = Platform("noarch"),  # noqa: B008 - a frozen value
        runtime: Iterable[str] = (),
    ) -> None:
        """``runtime`` are the paths of what an archive brought along to unpack and activate with."""
        self._packages: defaultdict[str, list[Owner]] = defaultdict(list)
        self._projects: defaultdict[str, list[Owner]] = defaultdict(list)
        self._folders: dict[str, Owner] = {}
        self._records: dict[str, Owner] = {}
        self._runtime = frozenset(runtime)
        self._reserved = RESERVED | _RESERVED_ON_MACOS if platform.family == "osx" else RESERVED
        for record in records:
            owner = package(record)
            self._records[owner.record] = owner
            for claim in record.claims:
                self._packages[claim.path].append(owner)
        for project in projects:
            owner = project_owner(project)
            for path in project.paths:
                if not path.startswith("conda-meta/") and path not in self._runtime:
                    self._projects[path].append(owner)
            for folder in project.folders:
                self._folders.setdefault(folder, owner)

    def of(self, path: str) -> tuple[Owner, ...]:
        """The owners of a file: packages first, then projects. Nobody owns what a user made."""
        listed = self.listed(path)
        if listed:
            return listed
        for source in sources(path):
            if owners := self.listed(source):
                return owners
        return self._by_folder(path) or self._of_the_environment(path)

    def packages_of(self, path: str) -> tuple[Owner, ...]:
        """The conda packages whose records name a file."""
        return tuple(self._packages.get(path, ()))

    def below(self, folder: str) -> tuple[Owner, ...]:
        """The owners of all that is known to lie in a folder: packages, then projects, each by name."""
        start = f"{folder}/"
        found = {
            owner: None
            for by_path in (self._packages, self._projects)
            for path, owners in by_path.items()
            if path.startswith(start)
            for owner in owners
        }
        return tuple(sorted(found, key=lambda owner: (owner.kind, owner.name))) or self.of(folder)

    def folders(self) -> set[str]:
        """The folders that packages have something in, or are named by their records as such."""
        return folders_of(self._packages) | self._packages.keys()

    def listed(self, path: str) -> tuple[Owner, ...]:
        """The owners in whose record or list a file is named, whether it is there or not."""
        return tuple(dict.fromkeys([*self._packages.get(path, ()), *self._projects.get(path, ())]))

    def _by_folder(self, path: str) -> tuple[Owner, ...]:
        while path and self._folders:
            if path in self._folders:
                return (self._folders[path],)
            path = posixpath.dirname(path)
        return ()

    def _of_the_environment(self, path: str) -> tuple[Owner, ...]:
        if path in self._records:
            return (self._records[path],)
        name = path.removeprefix(f"{PACK_FOLDER}/")
        if name != path and f"conda-meta/{name}" in self._records:
            return (self._records[f"conda-meta/{name}"],)
        is_own = is_reserved(path, self._reserved) or path in self._runtime
        return (ENVIRONMENT,) if is_own else ()


def is_reserved(path: str, reserved: frozenset[str] = RESERVED) -> bool:
    """Whether a path is the prefix itself, or one that conda keeps for other things than packages' files."""
    return not path or path.split("/", maxsplit=1)[0] in reserved or path in _RESERVED_SCRIPTS


def sources(path: str) -> Iterator[str]:
    """The files of which this one may have been compiled, if its name says that it was compiled at all."""
    folder, name = posixpath.split(path)
    if not name.endswith(_COMPILED):
        return
    parent, last = posixpath.split(folder)
    if last != "__pycache__":
        yield from [path[:-1]] if name.endswith(".py", 0, -1) else []
        return
    stem = name
    while "." in stem:  # mod.cpython-311.opt-1.pyc, and a dot may be in the module's own name
        stem = stem.rpartition(".")[0]
        yield posixpath.join(parent, f"{stem}.py")


def package(record: Record) -> Owner:
    """The owner that a package is."""
    path = f"conda-meta/{record.dist}.json"
    return Owner("package", record.name, record.version, record.build, _channel(record), path)


def project_owner(project: Project) -> Owner:
    """The owner that a project is."""
    return Owner("project", project.name, project.version, record=project.metadata)


def _channel(record: Record) -> str:
    """Where a package came from, less the password or token that its address may hold."""
    channel = (record.channel or posixpath.dirname(record.url)).rstrip("/")
    if channel.startswith(("http:", "https:")):
        channel = _TOKEN.sub("", _USER.sub("", channel))
    channel = channel.removesuffix(f"/{record.subdir}") if record.subdir else channel
    return f"{channel}/{record.subdir}" if channel and record.subdir else channel
