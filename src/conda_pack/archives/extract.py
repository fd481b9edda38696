"""Archive → files: checked, written once, already relocated, in parallel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from conda_pack.archives.inventory import Inventory
from conda_pack.archives.pieces import PieceStream
from conda_pack.archives.reader import ArchiveFile
from conda_pack.archives.settle import Relocated, relocated, relocated_document, settle
from conda_pack.archives.writing import Folder
from conda_pack.errors import DamagedArchive, UnsafeArchive
from conda_pack.model import INDEX_PATH
from conda_pack.progress import Reporter
from conda_pack.runtime.rules import digest
from conda_pack.segments.schema import FileEntry, SegmentItem
from conda_pack.segments.spread import spread
from conda_pack.segments.tar import BLOCK, Member, members


@dataclass
class _Found:
    """What one segment brought."""

    seen: list[str] = field(default_factory=list)
    installed: dict[str, tuple[str, int]] = field(default_factory=dict)
    size: int = 0


class Extraction:
    """Extracts one archive into one new folder.

    ``prefix`` is the path that the environment will have, None to leave its files
    as they are stored.
    """

    def __init__(
        self, archive: ArchiveFile, inventory: Inventory, folder: Folder, prefix: bytes | None, limit: int
    ) -> None:
        self._archive, self._inventory, self._folder = archive, inventory, folder
        self._relocate = Relocated(prefix, limit)
        self._conda_meta = inventory.conda_meta if prefix is not None else {}
        self._installed: dict[str, tuple[str, int]] = {}
        arcroot = archive.index.arcroot
        self._root = f"{arcroot}/" if arcroot else ""

    def run(self, threads: int, reporter: Reporter) -> None:
        """Do it; the folder is complete afterwards. Raises DamagedArchive, UnsafeArchive, OSError."""
        for relative in self._inventory.folders:
            self._folder.make_folder(relative)
        seen: set[str] = set()
        segments = self._archive.index.segments
        # last, where a package's conda-meta file tells what its files have become
        last = {record.dist for record in self._conda_meta.values()}
        for items in (
            [item for item in segments if item.role != "record" or item.part not in last],
            [item for item in segments if item.role == "record" and item.part in last],
        ):
            for found in spread([partial(self._run, run) for run in _runs(items)], threads):
                for path in found.seen:
                    if path in seen:
                        raise UnsafeArchive(f"The archive holds {path} twice.")
                    seen.add(path)
                self._installed.update(found.installed)
                reporter.advance(found.size)
        missing = set(self._inventory.files) - seen
        if missing:
            raise DamagedArchive(f"The archive lacks {len(missing)} of its files, {min(missing)} among them.")
        # the index as it lies in the archive: what conda-unpack reads
        self._folder.write(INDEX_PATH, [self._archive.index_data], 0o644, None)
        settle(self._folder, self._inventory, self._relocate.prefix)

    def _run(self, items: Sequence[SegmentItem]) -> Iterator[_Found]:
        """Segments that belong together, because a large file goes through them."""
        large = _LargeFile()
        for item in items:
            yield self._extracted(item, large)
        if large.entry is not None:
            raise DamagedArchive(f"The archive is damaged: {large.entry.path} breaks off.")

    def _extracted(self, item: SegmentItem, large: _LargeFile) -> _Found:
        found = _Found(size=item.size)
        stream = self._archive.stream(item)
        if item.continues is not None:
            self._continue(item, stream, large, found)
        for member in members(stream):
            if member.kind != "comment":
                self._member(member, stream, item, large, found)
                stream.padding(-member.size % BLOCK)
        stream.end()
        return found

    def _member(
        self, member: Member, stream: PieceStream, item: SegmentItem, large: _LargeFile, found: _Found
    ) -> None:
        if not member.name.startswith(self._root):
            raise UnsafeArchive(f"The archive holds {member.name!r}, which its index does not have.")
        path = member.name[len(self._root) :]
        if path in self._inventory.carriers and item.role == "record":
            self._folder.write(path, stream.take(min(member.size, stream.left)), 0o644, member.mtime)
            return
        entry = self._inventory.files.get(path)
        if entry is None or not _agrees(member, entry):
            raise UnsafeArchive(f"The archive holds {member.name!r} otherwise than its index says.")
        if entry.type != "file":
            found.seen.append(path)
        elif stream.left < entry.size:
            large.begin(entry, member.mtime)
            self._stretch(stream, large, found)
        else:
            self._whole(entry, stream.whole(entry.size), member.mtime, found)

    def _whole(self, entry: FileEntry, data: list[memoryview], mtime: int, found: _Found) -> None:
        if digest(data) != entry.sha256:
            raise not_as_recorded(entry.path)
        found.seen.append(entry.path)
        if entry.path in self._conda_meta:
            document = relocated_document(self._conda_meta[entry.path], b"".join(data), self._installed)
            self._folder.write(entry.path, [document], entry.mode, None)
        elif entry.offsets is not None and self._relocate.prefix is not None:
            new, found.installed[entry.path] = relocated(entry, b"".join(data), self._relocate)
            self._folder.write(entry.path, [new], entry.mode, None)
        else:
            self._folder.write(entry.path, data, entry.mode, mtime)

    def _continue(self, item: SegmentItem, stream: PieceStream, large: _LargeFile, found: _Found) -> None:
        entry = large.entry
        if entry is None or item.continues != entry.path or item.at != large.position:
            raise UnsafeArchive(f"The archive's index continues {item.continues!r} where it does not go on.")
        self._stretch(stream, large, found)
        stream.padding(-entry.size % BLOCK)

    def _stretch(self, stream: PieceStream, large: _LargeFile, found: _Found) -> None:
        """What a segment has of a file that is larger."""
        entry = large.entry
        assert entry is not None
        size = min(stream.left, entry.size - large.position)
        self._folder.write_part(entry.path, large.hashed(stream.take(size)), large.position)
        if large.position < entry.size:
            return
        large.entry = None
        if large.hash.hexdigest() != entry.sha256:
            raise not_as_recorded(entry.path)
        found.seen.append(entry.path)
        if entry.offsets is None or self._relocate.prefix is None:
            self._folder.settle(entry.path, entry.mode, large.mtime)
            return
        with open(self._folder.path(entry.path), "rb") as file:
            stored = file.read()
        new, found.installed[entry.path] = relocated(entry, stored, self._relocate)
        self._folder.replace(entry.path, new, entry.mode)


class _LargeFile:
    """A file that several segments hold parts of, as far as it has come."""

    def __init__(self) -> None:
        self.entry: FileEntry | None = None

    def begin(self, entry: FileEntry, mtime: int) -> None:
        self.entry, self.mtime = entry, mtime
        self.hash = hashlib.sha256()
        self.position = 0

    def hashed(self, pieces: Iterator[memoryview]) -> Iterator[memoryview]:
        """The pieces, as they are taken."""
        for piece in pieces:
            self.hash.update(piece)
            self.position += len(piece)
            yield piece


def _runs(items: Iterable[SegmentItem]) -> list[list[SegmentItem]]:
    """Segments that one task must read: each with those that continue its last file."""
    runs: list[list[SegmentItem]] = []
    for item in items:
        if item.continues is None or not runs:
            runs.append([])
        runs[-1].append(item)
    # the longest first, or all would wait for it at the end
    return sorted(runs, key=lambda run: sum(item.size for item in run), reverse=True)


def not_as_recorded(path: str) -> DamagedArchive:
    """The error for a file whose bytes are not those that were packed."""
    return DamagedArchive(f"The archive is damaged: {path} is not the file that was packed. Fetch it again.")


def _agrees(member: Member, entry: FileEntry) -> bool:
    return (
        member.kind == entry.type
        and member.mode == (entry.mode if entry.type != "link" else member.mode)
        and member.size == entry.size
        and (member.target or None) == entry.target
    )
