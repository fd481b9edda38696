"""What conda-package tells programs, with --json: the fields are the documented schema."""

from __future__ import annotations

from typing import Literal

import msgspec


class OwnerOf(msgspec.Struct, frozen=True):
    """An owner of a file.

    ``kind`` is package, project (installed by pip or the like), or environment (what conda and conda-pack
    keep for themselves); ``text`` is how the command prints it; ``record`` is what tells of it, a path in the
    environment.
    """

    kind: str
    text: str
    name: str
    version: str
    build: str
    channel: str
    record: str


class Whose(msgspec.Struct, frozen=True):
    """Whose a file is.

    ``path`` is as it was given, ``prefix`` the environment it lies in (null if in none), and
    ``path_in_prefix`` its path there. ``status`` is owned, untracked, missing (an owner has it, but it is not
    there), absent (it is not there, and nobody has it), or outside (it is in no environment).
    """

    path: str
    status: Literal["owned", "untracked", "missing", "absent", "outside"]
    prefix: str | None
    path_in_prefix: str | None
    owners: list[OwnerOf]


class Which(msgspec.Struct, frozen=True):
    """The answers of --which, in the order of the questions."""

    files: list[Whose]


class ProjectFiles(msgspec.Struct, frozen=True):
    """A project that pip or the like installed: ``files`` are those that no package owns.

    ``url`` is where it came from, if that was no index, ``replaces`` the packages it was installed over.
    """

    name: str
    version: str
    url: str
    record: str
    files: list[str]
    replaces: list[str]


class UntrackedFiles(msgspec.Struct, frozen=True):
    """What no package owns: ``files`` are nobody's, those of ``projects`` theirs."""

    prefix: str
    files: list[str]
    projects: list[ProjectFiles]


class Reset(msgspec.Struct, frozen=True):
    """What --reset removed, or with --dry-run would remove; ``left`` is what could not be removed, and why.

    Neither has what vanished meanwhile.
    """

    prefix: str
    dry_run: bool
    files: list[str]
    folders: list[str]
    left: dict[str, str]
    kept_projects: dict[str, str]


class MadePackage(msgspec.Struct, frozen=True):
    """A conda package that was made.

    ``files`` are its paths; ``size`` is that of the files, ``package_size`` and ``sha256`` are the package's
    own, in bytes.
    """

    path: str
    name: str
    version: str
    build: str
    subdir: str
    depends: list[str]
    files: list[str]
    size: int
    package_size: int
    sha256: str
    warnings: list[str] = []
