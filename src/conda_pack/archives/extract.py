"""Archive → files: checked, written once, already relocated, in parallel."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from conda_pack.archives.inventory import Inventory
from conda_pack.archives.reader import ArchiveFile
from conda_pack.archives.settle import Relocated, relocated, settle
from conda_pack.archives.writing import Folder
from conda_pack.errors import DamagedArchive, UnsafeArchive
from conda_pack.model import INDEX_PATH
from conda_pack.progress import Reporter
from conda_pack.segments.schema import FileEntry, SegmentItem
from conda_pack.segments.tar import BLOCK, Member, members
from conda_pack.segments.workers import InOrder, ordered


@dataclass
class _Found:
    """What one segment brought."""

    seen: list[str] = field(default_factory=list)
    installed: dict[str, tuple[str, int]] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
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
        self._large: dict[str, _LargeFile] = {}
        arcroot = archive.index.arcroot
        self._root = f"{arcroot}/" if arcroot else ""

    def run(self, pool: ThreadPoolExecutor, threads: int, reporter: Reporter) -> None:
        """Do it; the folder is complete afterwards. Raises DamagedArchive, UnsafeArchive, OSError."""
        for relative in self._inventory.folders:
            self._folder.make_folder(relative)
        seen: set[str] = set()
        found = _Found()
        for result in ordered(pool, self._tasks(), 2 * threads + 2):
            for path in result.seen:
                if path in seen:
                    raise UnsafeArchive(f"The archive holds {path} twice.")
                seen.add(path)
            found.installed.update(result.installed)
            found.documents.update(result.documents)
            reporter.advance(result.size)
        missing = set(self._inventory.files) - seen
        if missing:
            raise DamagedArchive(f"The archive lacks {len(missing)} of its files, {min(missing)} among them.")
        self._write_index()
        settle(self._folder, self._inventory, found.installed, found.documents, self._relocate.prefix)

    def _tasks(self) -> Iterator[Callable[[], _Found]]:
        for item in self._archive.index.segments:
            yield partial(self._segment, item)

    def _write_index(self) -> None:
        """The index as it lies in the archive: what conda-unpack reads."""
        self._folder.write(INDEX_PATH, self._archive.index_data, 0o644, None)

    def _segment(self, item: SegmentItem) -> _Found:
        data = self._archive.segment(item)
        view = memoryview(data)
        found = _Found(size=len(data))
        stream = io.BytesIO(data)
        if item.continues is not None:
            self._continue(item, stream, view, found)
        for member in members(stream):
            if member.kind != "comment":
                start = stream.tell()
                self._member(member, view[start : start + member.size], item, found)
                stream.seek(start + member.size + -member.size % BLOCK)
        return found

    def _member(self, member: Member, data: Any, item: SegmentItem, found: _Found) -> None:
        if not member.name.startswith(self._root):
            raise UnsafeArchive(f"The archive holds {member.name!r}, which its index does not have.")
        path = member.name[len(self._root) :]
        if path in self._inventory.carriers and item.role == "record":
            self._folder.write(path, data, 0o644, member.mtime)
            return
        entry = self._inventory.files.get(path)
        if entry is None or not _agrees(member, entry):
            raise UnsafeArchive(f"The archive holds {member.name!r} otherwise than its index says.")
        if entry.type != "file":
            found.seen.append(path)
        elif len(data) < entry.size:
            self._stretch(entry, data, 0, member.mtime, found)
        else:
            self._whole(entry, data, member.mtime, found)

    def _whole(self, entry: FileEntry, data: Any, mtime: int, found: _Found) -> None:
        digest = hashlib.sha256(data).hexdigest()
        if digest != entry.sha256:
            raise not_as_recorded(entry.path)
        found.seen.append(entry.path)
        if entry.path in self._conda_meta:
            found.documents[entry.path] = bytes(data)
        elif entry.offsets is not None and self._relocate.prefix is not None:
            new, found.installed[entry.path] = relocated(entry, bytes(data), self._relocate)
            self._folder.write(entry.path, new, entry.mode, None)
        else:
            self._folder.write(entry.path, data, entry.mode, mtime)

    def _continue(self, item: SegmentItem, stream: io.BytesIO, view: memoryview, found: _Found) -> None:
        entry = self._inventory.files.get(item.continues or "")
        if entry is None or entry.type != "file" or not 0 < item.at < entry.size:
            raise UnsafeArchive(f"The archive's index continues {item.continues!r}, which it does not have.")
        length = min(len(view), entry.size - item.at)
        self._stretch(entry, view[:length], item.at, None, found)
        end = item.at + length
        stream.seek(length + (-end % BLOCK if end == entry.size else 0))

    def _stretch(self, entry: FileEntry, data: Any, offset: int, mtime: int | None, found: _Found) -> None:
        large = self._large.setdefault(entry.path, _LargeFile())
        if mtime is not None:
            large.mtime = mtime
        self._folder.write_part(entry.path, data, offset)
        if large.order.add(offset, data) != entry.size or large.done:
            return
        large.done = True
        if large.order.has_gaps or large.hash.hexdigest() != entry.sha256:
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
    """A file that several segments hold parts of."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.order = InOrder(self.hash.update)
        self.mtime = 0
        self.done = False


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
