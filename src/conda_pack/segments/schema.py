"""What lies in ``conda-meta/conda-pack/``: pack records and the index, typed.

Both are read back from archives that anybody may have made, so whatever is not
as declared here is refused when it is decoded. See docs/format.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from conda_pack.errors import DamagedArchive
from conda_pack.model import JsonLayout

FORMAT = 1


class OffsetGroup(msgspec.Struct):
    """The places of one encoding, as in conda/ceps#179."""

    encoding: str
    ranges: list[int | list[int]]


class CondaMetaFields(msgspec.Struct):
    """Which fields of ``paths_data.paths[index]`` depend on the prefix."""

    index: int
    fields: list[str]


class FileEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """One path. ``size`` (bytes) and ``sha256`` are those of the stored bytes."""

    path: str
    type: str = "file"
    mode: int = 0o644
    size: int = 0
    sha256: str | None = None
    target: str | None = None
    prefix_placeholder: str | None = None
    file_mode: str | None = None
    offsets: list[OffsetGroup] | None = None
    shebang_length: int | None = None
    shebang: str | None = None
    shebang_rule: str | None = None
    trampoline: str | None = None
    optional: bool | None = None
    sign: bool | None = None
    slashes: str | None = None
    conda_meta: CondaMetaFields | None = None


class PackRecord(msgspec.Struct):
    """One package's (or, with an empty name, nobody's) files."""

    pack_record: int
    name: str
    dist: str
    json_layout: JsonLayout | None
    files: list[FileEntry]
    excluded: list[str]


class PackageItem(msgspec.Struct):
    """A package in the index: ``prefixes`` of its ``files`` hold the prefix, and ``record_sha256`` is
    its pack record's digest.
    """

    dist: str
    name: str
    version: str
    build: str
    subdir: str
    url: str
    sha256: str | None
    md5: str | None
    record: str
    record_sha256: str
    files: int
    prefixes: int
    size: int


class UnmanagedItem(msgspec.Struct):
    """The record of the files that no package owns."""

    record: str
    record_sha256: str
    files: int
    prefixes: int
    size: int


class PartEnd(msgspec.Struct):
    """What the index takes from one part: its item, and the files that limit the prefix, in bytes."""

    item: PackageItem | UnmanagedItem
    longest_prefix: int | None
    limited_by: list[str]


class Content(msgspec.Struct):
    """What the archive holds: its digest is the pack's identity, the same in every format.

    ``requires`` are virtual packages that its packages depend on; ``needs`` the newest version of glibc,
    glibcxx, cxxabi or macos that its files were linked with, ``needed_by`` a file that was.
    """

    format: int
    platform: str
    requires: list[str]
    needs: dict[str, str]
    needed_by: dict[str, str]
    prefix: str | None  # the only one it runs at (--dest-prefix), else None
    longest_prefix: int | None
    limited_by: list[str]
    runtime: list[FileEntry]
    packages: list[PackageItem]
    unmanaged: UnmanagedItem
    files: int
    size: int


class SegmentItem(msgspec.Struct, omit_defaults=True):
    """Where a segment lies in this file; ``sha256`` is of its compressed bytes.

    ``part`` is a dist, empty for unmanaged files; ``role`` is runtime, files or
    record. ``continues`` is the path of the file in whose data it begins, and
    ``at`` the offset there.
    """

    part: str
    role: str
    offset: int
    length: int
    size: int
    sha256: str
    continues: str | None = None
    at: int = 0


class Index(msgspec.Struct):
    """The last member of the archive."""

    conda_pack: int
    identity: str
    arcroot: str
    content: Content
    segments: list[SegmentItem]


# Made here, because msgspec crashes where two threads are the first to read the same type.
_FILES = msgspec.msgpack.Decoder(list[FileEntry])
_INDEX = msgspec.json.Decoder(Index)
_RECORD = msgspec.json.Decoder(PackRecord)


def identity(content: Content) -> str:
    """The pack's identity: the digest of its content, whatever the container."""
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def encode(value: PackRecord | Index) -> bytes:
    """JSON, always the same for the same value."""
    return msgspec.json.encode(value) + b"\n"


def pack_files(files: Sequence[FileEntry]) -> bytes:
    """Entries on their way from one process to another.

    Pickled they would be ten times slower, and their defaults copies, which ``omit_defaults`` does
    not omit: it goes by what a default is, not by what it equals.
    """
    return msgspec.msgpack.encode(files)


NO_FILES = pack_files([])


def unpack_files(data: bytes) -> list[FileEntry]:
    """The entries of ``pack_files``."""
    return _FILES.decode(data)


def decode_index(data: bytes) -> Index:
    """The index; raises DamagedArchive."""
    index: Index = _decode(data, _INDEX, "index")
    return index


def decode_record(data: bytes, name: str) -> PackRecord:
    """A pack record; raises DamagedArchive."""
    record: PackRecord = _decode(data, _RECORD, name)
    return record


def _decode(data: bytes, decoder: msgspec.json.Decoder[Any], name: str) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedArchive(
            f"The archive is damaged, or made by a newer version: its {name}: {error}."
        ) from error


def with_relocation(entry: FileEntry, fields: Mapping[str, Any]) -> FileEntry:
    """The entry with what the relocation rules say of its file."""
    typed = dict(fields)
    if "offsets" in typed:
        typed["offsets"] = [OffsetGroup(**group) for group in typed["offsets"]]
    return msgspec.structs.replace(entry, **typed)


def relocation(entry: FileEntry) -> dict[str, Any]:
    """The entry as the relocation rules read it."""
    builtin: dict[str, Any] = msgspec.to_builtins(entry)
    return builtin
