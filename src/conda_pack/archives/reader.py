"""An archive that can be sought in: its index and its segments."""

from __future__ import annotations

import hashlib
import io
import os
import re
from types import TracebackType

from conda_pack.archives.container import CUT_OFF, footer_text, tail_size
from conda_pack.archives.formats import by_magic
from conda_pack.archives.pieces import PieceStream
from conda_pack.errors import DamagedArchive
from conda_pack.model import FOOTER, INDEX_PATH
from conda_pack.segments.codecs import decompress
from conda_pack.segments.schema import (
    FORMAT,
    Index,
    PackageItem,
    PackRecord,
    SegmentItem,
    UnmanagedItem,
    decode_index,
    decode_record,
    identity,
)
from conda_pack.segments.tar import BLOCK, members

_TAIL = 1 << 16
_FOOTER = re.compile(
    re.escape(FOOTER).encode() + rb" index=(\d{1,18}),(\d{1,18}),(\d{1,18}) sha256=([0-9a-f]{64})"
)
#: An index of more than this is refused before memory is given to it.
_LARGEST_INDEX = 1 << 30
#: What a record or an index may weigh at most before it is refused unread, where nothing has proved it yet.
LARGEST_CARRIER = 1 << 28


class ArchiveFile:
    """An archive on disk. Every method raises DamagedArchive for what is not as it should be."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            kind = by_magic(self._read(0, min(16, self._size)))
            self._codec_name, self._codec = kind.codec_name, kind.codec
            self.index = self._read_index()
            #: By their packages' dists, empty for the unmanaged files; of several the first, as they come.
            self.records = {
                item.part: item for item in reversed(self.index.segments) if item.role == "record"
            }
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ArchiveFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._file.fileno(), length, offset)
        while len(data) < length:
            more = os.pread(self._file.fileno(), length - len(data), offset + len(data))
            if not more:
                raise DamagedArchive(CUT_OFF)
            data += more
        return data

    def _read_index(self) -> Index:
        tail = self._read(max(0, self._size - _TAIL), min(_TAIL, self._size))
        needed = tail_size(self._codec_name, tail)
        if needed > len(tail):
            needed = min(needed, self._size)
            tail = self._read(self._size - needed, needed)
        found = _FOOTER.findall(footer_text(self._codec_name, tail))
        if not found:
            raise DamagedArchive(CUT_OFF)
        offset, length, size = (int(number) for number in found[-1][:3])
        item = SegmentItem("", "index", offset, length, size, found[-1][3].decode())
        self.index_data = self._member(item, INDEX_PATH)
        return check_index(decode_index(self.index_data))

    def segment(self, item: SegmentItem) -> bytes:
        """A segment's bytes, proved by its digest. Any thread may call it."""
        return decompress(self._codec, self._proved(item), item.size)

    def stream(self, item: SegmentItem) -> PieceStream:
        """A segment's bytes as they come, proved before the first."""
        return PieceStream(self._codec.pieces(self._proved(item)), item.size)

    def _proved(self, item: SegmentItem) -> bytes:
        if item.length < 0 or item.offset < 0 or not 0 <= item.size <= _LARGEST_INDEX:
            raise DamagedArchive("The archive is damaged: its index has a segment of an impossible size.")
        data = self._read(item.offset, item.length) if item.offset + item.length <= self._size else b""
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise DamagedArchive(
                f"The archive is damaged: the segment of {item.part or 'its own files'} "
                f"at byte {item.offset} is not what it was when it was written. Fetch it again."
            )
        return data

    def _member(self, item: SegmentItem, path: str) -> bytes:
        """The data of one member of a segment."""
        stream = io.BytesIO(self.segment(item))
        for member in members(stream):
            if f"/{member.name}".endswith(f"/{path}"):
                return stream.read(member.size)
            stream.seek(member.size + -member.size % BLOCK, io.SEEK_CUR)
        raise DamagedArchive(f"The archive is damaged: it has no {path} where it should be.")

    def record(self, package: PackageItem | UnmanagedItem) -> PackRecord:
        """The pack record of a package or of the unmanaged files."""
        item = self.records.get(package.dist if isinstance(package, PackageItem) else "")
        if item is None:
            raise DamagedArchive(f"The archive is damaged: it has no {package.record}.")
        return check_record(self._member(item, package.record), package)


def check_index(index: Index) -> Index:
    """The index, if this version knows it and it has the identity that it states."""
    if index.conda_pack != FORMAT or index.content.format != FORMAT:
        raise DamagedArchive(
            f"The archive has format {index.conda_pack}, which this version does not know. "
            "Install a newer conda-pack."
        )
    if identity(index.content) != index.identity:
        raise DamagedArchive("The archive is damaged: its index does not have the identity it states.")
    return index


def check_record(data: bytes, package: PackageItem | UnmanagedItem) -> PackRecord:
    """Decode a pack record, if it is the one that the index means."""
    if hashlib.sha256(data).hexdigest() != package.record_sha256:
        raise DamagedArchive(f"The archive is damaged: {package.record} is not the one that its index lists.")
    return decode_record(data, package.record)
