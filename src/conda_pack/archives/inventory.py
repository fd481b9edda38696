"""What an archive says it holds, checked before anything is believed.

Nothing is written that is not in here, and no path in here leads out of the
destination or through a link.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field

from conda_pack.errors import UnsafeArchive
from conda_pack.model import INDEX_PATH, PACK_FOLDER
from conda_pack.paths import folders_of
from conda_pack.segments.schema import Content, FileEntry, PackRecord

_KINDS = ("file", "link", "directory")
_FILE_MODES = ("text", "binary")
_FIELDS = {"sha256", "sha256_in_prefix", "size_in_bytes"}
#: No system has longer ones (Linux's PATH_MAX), and each of their folders costs memory.
_LONGEST_PATH = 4096
_LARGEST_FILE = 1 << 62
_DEEPEST_INDENT = 64
STATE_PATH = f"{PACK_FOLDER}/state.json"


@dataclass(frozen=True)
class Inventory:
    """Every path of an archive, by its name in the prefix.

    ``carriers`` are the index and the records themselves: their digests are
    checked where they are decoded.
    """

    files: dict[str, FileEntry]
    records: tuple[PackRecord, ...]
    carriers: frozenset[str]
    folders: tuple[str, ...] = field(default=())

    @property
    def conda_meta(self) -> dict[str, PackRecord]:
        """The packages' conda-meta files that relocation changes, and their pack records."""
        return {
            f"conda-meta/{record.dist}.json": record
            for record in self.records
            if record.name and any(file.conda_meta for file in record.files)
        }

    @property
    def size(self) -> int:
        """Bytes of all files as stored."""
        return sum(file.size for file in self.files.values())


def take_inventory(content: Content, records: Iterable[PackRecord]) -> Inventory:
    """The inventory of an archive; UnsafeArchive if any of its paths must not be."""
    records = tuple(records)
    files: dict[str, FileEntry] = {}
    carriers = {INDEX_PATH, content.unmanaged.record, *(package.record for package in content.packages)}
    for entries in (content.runtime, *(record.files for record in records)):
        for entry in entries:
            path = entry.path
            check_path(path)
            if path in files or path == PACK_FOLDER or path.startswith(f"{PACK_FOLDER}/"):
                raise UnsafeArchive(f"The archive holds {path} twice, or in the place of its own records.")
            _check_entry(entry)
            files[path] = entry
    for path in carriers:
        check_path(path)
        if posixpath.dirname(path) != PACK_FOLDER:
            raise UnsafeArchive(f"The archive keeps a record in an impossible place: {path}.")
    folders = folders_of([*files, *carriers])
    for path in folders:
        if path in files and files[path].type != "directory":
            raise UnsafeArchive(f"The archive holds files under {path}, which is none of its folders.")
    inventory = Inventory(files, records, frozenset(carriers), tuple(sorted(folders)))
    for path, record in inventory.conda_meta.items():
        _check_conda_meta(files.get(path), record)
    return inventory


def check_path(path: str) -> None:
    """Refuse a path that is not plainly below the destination."""
    if len(path) > _LONGEST_PATH:
        raise UnsafeArchive(f"The archive holds a path of {len(path)} characters: {path[:60]}…")
    closed = f"/{path}/"
    if "//" in closed or "/./" in closed or "/../" in closed or "\0" in closed:
        raise UnsafeArchive(f"The archive holds the path {path!r}, which leaves the destination.")


def _check_conda_meta(entry: FileEntry | None, record: PackRecord) -> None:
    layout = record.json_layout
    if (
        entry is None
        or entry.type != "file"
        or entry.offsets is not None
        or layout is None
        or not 0 <= layout.indent <= _DEEPEST_INDENT
    ):
        raise UnsafeArchive(f"The archive's record of {record.dist} makes no sense.")


def _check_entry(entry: FileEntry) -> None:
    sound = (
        entry.type in _KINDS
        and (0 <= entry.size < _LARGEST_FILE if entry.type == "file" else entry.size == 0)
        and 0 <= entry.mode <= 0o777
        and (entry.type == "link") == (entry.target is not None)
        and (entry.type == "file") == (entry.sha256 is not None)
    )
    if entry.target is not None and (not entry.target or "\0" in entry.target):
        sound = False
    if entry.offsets is not None:
        needed = (entry.prefix_placeholder, entry.file_mode)
        scripted = (entry.shebang is None) == (entry.shebang_rule is None)
        sound = sound and None not in needed and entry.file_mode in _FILE_MODES and scripted
        sound = sound and entry.type == "file" and all(map(_sound_ranges, _ranges(entry)))
    if entry.conda_meta is not None:
        sound = sound and entry.conda_meta.index >= 0 and set(entry.conda_meta.fields) <= _FIELDS
    if not sound:
        raise UnsafeArchive(f"The archive's record of {entry.path} makes no sense.")


def _ranges(entry: FileEntry) -> list[tuple[str | None, int | list[int]]]:
    return [(entry.file_mode, places) for group in entry.offsets or () for places in group.ranges]


def _sound_ranges(places: tuple[str | None, int | list[int]]) -> bool:
    mode, offsets = places
    if isinstance(offsets, int):
        return mode == "text" and offsets >= 0
    return mode == "binary" and len(offsets) > 1 and min(offsets) >= 0
