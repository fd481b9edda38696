"""The values that travel between the stages. Nothing here does IO or decides anything.

Those of which there is one for every file are frozen msgspec structs: made 12 times faster than
frozen dataclasses (0.06 µs instead of 0.7), and the garbage collector has not to visit them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import msgspec

Kind = Literal["file", "link", "directory"]
FileMode = Literal["text", "binary"]
#: What packing found out about a file: its owner changed it; its pristine bytes could not be
#: proved; it holds the prefix in data that must not be touched.
Note = Literal["", "modified", "unrestored", "left"]
#: What files need of the machine: by library (empty: the system) and kind (glibc, glibcxx, cxxabi, macos),
#: the newest version, and a file that asks for it.
Needs = Mapping[tuple[str, str], tuple[tuple[int, ...], str]]

#: Where an archive keeps what this tool needs; conda, mamba and rattler ignore the folder.
PACK_FOLDER = "conda-meta/conda-pack"
INDEX_PATH = f"{PACK_FOLDER}/index.json"
UNMANAGED_RECORD = f"{PACK_FOLDER}/unmanaged.json"
#: What the stream begins and ends with, in comments that no reader minds.
OPENING = "conda-pack 1 arcroot="
FOOTER = "conda-pack-footer 1"
FOOTER_WIDTH = 512


@dataclass(frozen=True, slots=True)
class Platform:
    """A conda platform (``linux-64``, ``osx-arm64``, ``win-64``): the environment's, not this machine's."""

    subdir: str

    @property
    def family(self) -> str:
        """``linux``, ``osx`` or ``win``."""
        return self.subdir.split("-")[0]

    @property
    def scripts(self) -> str:
        """The folder that executables lie in."""
        return "Scripts" if self.family == "win" else "bin"


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What one conda-meta record says of one path.

    ``index`` is its place in ``paths_data.paths`` (-1 where only ``files`` names it);
    sizes in bytes; digests in hexadecimal; absent facts are None.
    """

    path: str
    index: int
    path_type: str
    sha256: str | None = None
    sha256_in_prefix: str | None = None
    size: int | None = None
    placeholder: str | None = None
    file_mode: FileMode | None = None


@dataclass(frozen=True, slots=True)
class JsonLayout:
    """How a JSON text was laid out, so that it can be written as its first writer did."""

    indent: int
    ascii: bool
    end: str


@dataclass(frozen=True, slots=True)
class Record:
    """One installed package: a conda-meta file, understood."""

    dist: str
    name: str
    version: str
    build: str
    subdir: str
    channel: str
    url: str
    md5: str | None
    sha256: str | None
    timestamp: int  # seconds since the epoch; 0 where the record has none
    depends: tuple[str, ...]
    installer: Literal["conda", "rattler"]
    linked_from: str | None  # the extracted package, if its files are soft links to there
    claims: tuple[Claim, ...]
    text: bytes
    layout: JsonLayout

    @property
    def document(self) -> dict[str, Any]:
        """Its JSON, parsed anew: 35,000 paths as Python objects weigh five times as much as their text."""
        document: dict[str, Any] = msgspec.json.decode(self.text)
        return document


class DiskFile(msgspec.Struct, frozen=True, gc=False):
    """One path as it lies in the prefix. ``target`` is a link's text.

    ``location`` is where it is to be read, an absolute path on this machine, if that is not its path in the
    prefix; ``data`` are its bytes, if they are read nowhere because they were edited on the way.
    """

    path: str
    kind: Kind
    mode: int
    size: int
    mtime: int
    target: str = ""
    location: str = ""
    data: bytes | None = None


class Severity(Enum):
    """What a finding does to the work."""

    WARNING = "warning"
    ERROR = "error"


#: How many paths a message names, unless somebody wants them all.
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the environment that its owner should know."""

    severity: Severity
    message: str
    paths: tuple[str, ...] = ()
    option: str = ""  # the option that goes on in spite of it

    def text(self, limit: int = MOST_NAMED) -> str:
        """The message and its paths, the count first and at most ``limit`` names."""
        lines = [self.message, *(f"    {path}" for path in self.paths[:limit])]
        if len(self.paths) > limit:
            lines.append(f"    … and {len(self.paths) - limit} more")
        if self.option:
            lines.append(f"    To go on all the same: {self.option}.")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Environment:
    """An installed environment, as it was read: the truth that is packed."""

    prefix: str
    prefixes: tuple[bytes, ...]  # every path its files may name it by; the first is ``prefix``
    platform: Platform
    site_packages: str | None
    records: tuple[Record, ...]
    files: Mapping[str, DiskFile]
    previous: Mapping[str, Mapping[str, Any]]  # path → entry of the pack record it was unpacked with
    excluded_before: frozenset[str]
    runtime_before: frozenset[str]
    findings: tuple[Finding, ...] = ()
    contested: Mapping[str, str] = field(default_factory=dict)  # sha256 of files that several packages own


class Form(Enum):
    """How the bytes on disk become the bytes in the archive."""

    AS_IS = "as is"  # a package's file that no installer changes
    RESTORE = "restore"  # holds the prefix where its package has a placeholder
    SCRIPT = "script"  # an entry point, made by the installer
    PATCHED = "patched"  # holds the prefix, but its record does not say in place of what
    SEARCH = "search"  # anybody's file: look for the prefix
    BYTECODE = "bytecode"  # anybody's .pyc: length-prefixed, so nothing in it is ever replaced


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One path to pack."""

    path: str
    kind: Kind
    mode: int
    size: int
    mtime: int
    form: Form = Form.AS_IS
    target: str = ""
    claim: Claim | None = None
    accepted: tuple[str, ...] = ()  # digests of the other packages that own this path too
    previous: Mapping[str, Any] | None = None
    bytecode: str | None = None  # the .pyc made of this source
    source: DiskFile | None = None  # the source of this .pyc, when a package owns it
    source_mtime: int = 0  # what that source's mtime will be in the archive
    location: str = ""  # as DiskFile's
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that is made, not copied."""

    path: str
    mode: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the archive: a package, or all that no package owns (``record`` is None).

    Its pack record goes to ``record_path``; ``mtime`` (seconds) is its members'.
    """

    dist: str
    record_path: str
    record: Record | None
    entries: tuple[Entry, ...]
    excluded: tuple[str, ...]
    mtime: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that goes in, in its order and form."""

    environment: Environment
    dest_prefix: str | None
    arcroot: str
    runtime: tuple[Blob, ...]
    parts: tuple[Part, ...]
    mtime: int
    findings: tuple[Finding, ...]

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(entry.size for part in self.parts for entry in part.entries)


class Stored(msgspec.Struct, frozen=True, gc=False):
    """The archive's bytes of one file, and what the pack record says of them."""

    data: bytes
    sha256: str
    fields: Mapping[str, Any] = {}
    note: Note = ""
