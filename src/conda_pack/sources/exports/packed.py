"""An archive → what is installed in the environment that it holds, without extracting it.

The index and the records tell nearly all; of the files only those are read that tell more: direct_url.json,
and the environment's own variables. What is read is proved as it is when the archive is unpacked.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Protocol

from conda_pack.archives.formats import by_magic
from conda_pack.archives.inventory import take_inventory
from conda_pack.archives.reader import LARGEST_CARRIER, ArchiveFile, check_record
from conda_pack.archives.unzipping import ZipAsTar
from conda_pack.environment.records import parse_record, parse_site_packages
from conda_pack.errors import CorruptMetadata, DamagedArchive, UnsafeArchive, UsageError
from conda_pack.segments.schema import FileEntry, Index, PackageItem, PackRecord, SegmentItem, UnmanagedItem
from conda_pack.segments.tar import BLOCK, Member, header, members
from conda_pack.sources.exports.installed import describe
from conda_pack.sources.exports.inventory import Inventory

_MAGIC = 16  # bytes that tell a format
#: What a file may weigh that tells of a project or of variables.
_LARGEST = 1 << 20


def read_packed(path: str) -> Inventory:
    """What is installed in the environment that the archive at ``path`` holds.

    Raises DamagedArchive, UnsafeArchive, UsageError for a squashfs image, and CorruptMetadata.
    """
    try:
        with _opened(path) as archive:
            return _read(archive, path)
    except DamagedArchive as error:
        raise type(error)(f"{path}: {error}") from error


class _Archive(Protocol):
    """An archive that is open."""

    index: Index

    def carried(self, item: PackageItem | UnmanagedItem) -> Mapping[str, bytes]:
        """What tells of a part: its record, and of a package the conda-meta file, by their paths."""

    def file(self, path: str, part: PackRecord) -> bytes:
        """One file of a part, as it is stored and not proved yet."""


@contextmanager
def _opened(path: str) -> Iterator[_Archive]:
    try:
        with open(path, "rb") as file:
            kind = by_magic(file.read(_MAGIC))
    except OSError as error:
        raise DamagedArchive(f"It cannot be read: {error.strerror}.") from error
    if kind.writer == "squashfs":
        raise UsageError(f"{path} is a squashfs image: mount it, and give the folder that it is mounted at.")
    if kind.writer == "zip":
        with ZipAsTar(path) as tar, zipfile.ZipFile(path) as file:
            yield _Zip(tar.index(), file)
    else:
        with ArchiveFile(path) as source:
            yield _Segments(source)


def _read(archive: _Archive, path: str) -> Inventory:
    content = archive.index.content
    texts: dict[str, bytes] = {}
    parts: list[PackRecord] = []
    items: list[PackageItem | UnmanagedItem] = [*content.packages, content.unmanaged]
    for item in items:
        carried = archive.carried(item)
        parts.append(check_record(_there(carried, item.record), item))
        if isinstance(item, PackageItem):
            texts[item.dist] = _there(carried, f"conda-meta/{item.dist}.json")
    inventory = take_inventory(content, parts)
    for dist, text in texts.items():
        _prove(inventory.files.get(f"conda-meta/{dist}.json"), text)
    site_packages = None
    for dist, text in texts.items():
        if dist.rsplit("-", 2)[0] == "python":
            with suppress(CorruptMetadata):  # told below
                site_packages = parse_site_packages(text, dist)
    records = [
        parse_record(text, dist, f"{path}: conda-meta/{dist}.json", site_packages)
        for dist, text in texts.items()
    ]
    records.sort(key=lambda record: (record.name, record.dist))
    return describe(tuple(records), site_packages, _Files(archive, inventory.files, parts), path)


def _there(carried: Mapping[str, bytes], path: str) -> bytes:
    if path not in carried:
        raise DamagedArchive(f"The archive is damaged: it has no {path} where it should be.")
    return carried[path]


def _prove(entry: FileEntry | None, data: bytes) -> None:
    if entry is None or hashlib.sha256(data).hexdigest() != entry.sha256:
        name = entry.path if entry is not None else "A package's conda-meta file"
        raise DamagedArchive(f"The archive is damaged: {name} is not what its index says. Fetch it again.")


class _Files:
    """The files of an archive."""

    def __init__(
        self, archive: _Archive, files: Mapping[str, FileEntry], parts: Iterable[PackRecord]
    ) -> None:
        self._archive, self._files = archive, files
        self._parts = {file.path: part for part in parts for file in part.files}

    def children(self, folder: str) -> Iterable[str]:
        start = f"{folder}/"
        return sorted({path[len(start) :].split("/")[0] for path in self._files if path.startswith(start)})

    def digest(self, path: str) -> str | None:
        entry = self._files.get(path)
        return entry.sha256 if entry is not None else None

    def read(self, path: str) -> bytes | None:
        entry = self._files.get(path)
        if entry is None or entry.type != "file":
            return None
        if entry.size > _LARGEST:
            raise UnsafeArchive(f"The archive holds {path} of {entry.size} bytes, which is no such file.")
        data = self._archive.file(path, self._parts[path])
        _prove(entry, data)
        return data


class _Segments:
    """An archive of segments, in which a file is found by counting: members come as their record has them."""

    def __init__(self, source: ArchiveFile) -> None:
        self._source = source
        self.index = source.index
        self._root = f"{source.index.arcroot}/" if source.index.arcroot else ""
        self._segments: dict[str, list[SegmentItem]] = {}
        for item in self.index.segments:
            if item.role == "files":
                self._segments.setdefault(item.part, []).append(item)
        self._places: dict[str, dict[str, tuple[int, int]]] = {}

    def carried(self, item: PackageItem | UnmanagedItem) -> Mapping[str, bytes]:
        segment = self._source.records.get(item.dist if isinstance(item, PackageItem) else "")
        if segment is None:
            return {}
        stream = BytesIO(self._source.segment(segment))
        found = {}
        for member in members(stream):
            found[member.name.removeprefix(self._root)] = stream.read(member.size)
            stream.seek(-member.size % BLOCK, 1)
        return found

    def file(self, path: str, part: PackRecord) -> bytes:
        if part.dist not in self._places:
            self._places[part.dist] = dict(self._counted(part))
        start, end = self._places[part.dist][path]
        stream = BytesIO(self._stretch(part.dist, start, end))
        found = next(members(stream), None)
        if found is None or found.name != self._root + path:
            raise DamagedArchive(f"The archive is damaged: it has no {path} where its index says.")
        return stream.read(found.size)

    def _counted(self, part: PackRecord) -> Iterator[tuple[str, tuple[int, int]]]:
        """Where in the stream of its part each file begins and ends, with its header and without padding."""
        start = 0
        for entry in part.files:
            name, target = self._root + entry.path, entry.target or ""
            head = header(Member(name, entry.type, entry.mode, entry.size, 0, target))
            end = start + len(head) + entry.size
            yield entry.path, (start, end)
            start = end + -entry.size % BLOCK

    def _stretch(self, part: str, start: int, end: int) -> bytes:
        """Bytes of the stream that a part's segments make up; no segment ends within a small file."""
        begins = 0
        for item in self._segments.get(part, ()):
            if begins <= start < begins + item.size:
                return self._source.segment(item)[start - begins : end - begins]
            begins += item.size
        return b""


class _Zip:
    """A zip."""

    def __init__(self, index: Index, file: zipfile.ZipFile) -> None:
        self.index, self._zip = index, file

    def carried(self, item: PackageItem | UnmanagedItem) -> Mapping[str, bytes]:
        paths = [item.record]
        if isinstance(item, PackageItem):
            paths.append(f"conda-meta/{item.dist}.json")
        return {path: self._bytes(path, LARGEST_CARRIER) for path in paths}

    def file(self, path: str, part: PackRecord) -> bytes:  # noqa: ARG002 - entries have names here
        return self._bytes(path, _LARGEST)

    def _bytes(self, path: str, limit: int) -> bytes:
        root = self.index.arcroot
        try:
            with self._zip.open(f"{root}/{path}" if root else path) as file:
                return file.read(limit)
        except KeyError:
            raise DamagedArchive(f"The archive is damaged: it has no {path} where it should be.") from None
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError, OSError) as error:
            raise DamagedArchive(f"The archive is damaged: {error}.") from error
