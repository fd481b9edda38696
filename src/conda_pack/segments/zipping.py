"""Members → entries of a zip file (PKWARE's APPNOTE 6.3), made by the workers as other segments are.

A segment of a zip is the entries of its members, each with its local header. A large file has a segment for
each of its stretches: raw deflate goes on after a full flush, and who joins them completes its header.
"""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass

from isal import isal_zlib

from conda_pack.segments.codecs import Compressed, Data, ZipEntry, deflate_level, deflater
from conda_pack.segments.cutting import Press
from conda_pack.segments.tar import BLOCK, members

STORED, DEFLATED = 0, 8
#: From here on a size or an offset needs the ZIP64 extension.
LARGE = 0xFFFFFFFF
_LOCAL = struct.Struct("<4s5H3I2H")
_SUMS = 14  # where a local header has the checksum and both sizes
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
_MOST = 0xFFFF  # entries without ZIP64
_UNIX, _PLAIN, _ZIP64 = 3 << 8, 20, 45
_UTF8 = 0x800
_TYPES = {"file": 0o100000, "link": 0o120000, "directory": 0o040000}
_DIRECTORY = 0x10  # MS-DOS has that type too
_EARLIEST = 315532800  # 1980


@dataclass(frozen=True, slots=True)
class ZipPress(Press):
    """Makes segments of zip entries. ``level`` is that of deflate, 0 to store."""

    def compress(self, data: Data, continues: bool, after: int | None) -> Compressed:
        view = memoryview(data)
        deflate = _Deflate(deflate_level(data, self.level))
        if not continues:
            return _entries(view, deflate)
        stretch = view[: len(view) - (after or 0)]
        compressed = deflate(stretch, after is not None)
        entry = ZipEntry("", 0, len(compressed), len(stretch), 0, isal_zlib.crc32(stretch), deflate.method)
        return Compressed(compressed, len(view), 0, (entry,))


@dataclass(frozen=True, slots=True)
class _Deflate:
    level: int

    @property
    def method(self) -> int:
        return DEFLATED if self.level else STORED

    def __call__(self, data: Data, last: bool) -> Data:
        if not self.level:
            return data
        compressor = deflater(self.level)
        compressed: bytes = compressor.compress(data)
        compressed += compressor.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)
        return compressed


def _entries(view: memoryview, deflate: _Deflate) -> Compressed:
    """The entries of whole members, and of the last one the beginning."""
    out, entries = bytearray(), []
    stream = _View(view)
    for member in members(stream):
        if member.kind == "comment":
            continue
        is_link = member.kind == "link"
        data: Data = member.target.encode() if is_link else stream.take(member.size)
        last = is_link or len(data) == member.size
        compressed, method = deflate(data, last), deflate.method
        if last and len(compressed) >= len(data):
            compressed, method = data, STORED
        entry = ZipEntry(
            name=f"{member.name}/" if member.kind == "directory" else member.name,
            offset=len(out),
            length=len(compressed),
            size=len(data),
            whole=len(data) if is_link else member.size,
            crc=isal_zlib.crc32(data),
            method=method,
            mode=_TYPES[member.kind] | (0o777 if is_link else member.mode),
            mtime=member.mtime,
        )
        out += local_header(entry)
        out += compressed
        entries.append(entry)
        stream.take(-member.size % BLOCK)
    return Compressed(out, len(view), 0, tuple(entries))


class _View:
    """The bytes of a segment, taken from where they lie."""

    def __init__(self, view: memoryview) -> None:
        self._view, self._at = view, 0

    def read(self, size: int, /) -> bytes:
        return bytes(self.take(size))

    def take(self, size: int) -> memoryview:
        """The next ``size`` bytes, fewer only at the end."""
        start = self._at
        self._at = min(start + size, len(self._view))
        return self._view[start : self._at]


# -------------------------------------------------------------------- headers


def needs_zip64(entry: ZipEntry) -> bool:
    """Whether a file is too large for the old fields; what does not shrink may grow a little."""
    return entry.whole + entry.whole // 1000 + (1 << 20) >= LARGE


def local_header(entry: ZipEntry) -> bytes:
    """What comes before the data of an entry."""
    name, large = entry.name.encode(), needs_zip64(entry)
    extra = _time(entry)
    sizes = (entry.length, entry.size)
    if large:
        extra += struct.pack("<2H2Q", 1, 16, entry.size, entry.length)
        sizes = (LARGE, LARGE)
    return (
        _LOCAL.pack(
            b"PK\3\4",
            _ZIP64 if large else _PLAIN,
            _flags(entry),
            entry.method,
            *_dos_time(entry.mtime),
            entry.crc,
            *sizes,
            len(name),
            len(extra),
        )
        + name
        + extra
    )


def central_header(entry: ZipEntry, offset: int) -> bytes:
    """What the directory at the end says of an entry whose header lies at ``offset``."""
    name, extra = entry.name.encode(), _time(entry)
    large = needs_zip64(entry)
    far = offset >= LARGE
    if large or far:
        fields = [entry.size, entry.length] * large + [offset] * far
        extra += struct.pack(f"<2H{len(fields)}Q", 1, 8 * len(fields), *fields)
    return (
        _CENTRAL.pack(
            b"PK\1\2",
            _UNIX | _ZIP64,
            _ZIP64 if large or far else _PLAIN,
            _flags(entry),
            entry.method,
            *_dos_time(entry.mtime),
            entry.crc,
            *((LARGE, LARGE) if large else (entry.length, entry.size)),
            len(name),
            len(extra),
            0,
            0,
            0,
            entry.mode << 16 | (_DIRECTORY if entry.mode & 0o170000 == _TYPES["directory"] else 0),
            LARGE if far else offset,
        )
        + name
        + extra
    )


def directory_end(count: int, length: int, offset: int) -> bytes:
    """What ends a zip whose directory of ``count`` entries, ``length`` bytes long, lies at ``offset``."""
    end = b""
    if is_zip64(count, length, offset):
        end = _END64.pack(b"PK\6\6", 44, _UNIX | _ZIP64, _ZIP64, 0, 0, count, count, length, offset)
        end += _LOCATOR64.pack(b"PK\6\7", 0, offset + length, 1)
    some, length, offset = min(count, _MOST), min(length, LARGE), min(offset, LARGE)
    return end + _END.pack(b"PK\5\6", 0, 0, some, some, length, offset, 0)


def is_zip64(count: int, length: int, offset: int) -> bool:
    """Whether a directory needs the ZIP64 extension."""
    return count >= _MOST or length >= LARGE or offset >= LARGE


def _flags(entry: ZipEntry) -> int:
    return 0 if entry.name.isascii() else _UTF8


def _time(entry: ZipEntry) -> bytes:
    """Info-ZIP's extra field with the time in UTC: the plain one is local, and of two seconds."""
    return struct.pack("<2HBI", 0x5455, 5, 1, entry.mtime & 0xFFFFFFFF)


def _dos_time(mtime: int) -> tuple[int, int]:
    year, month, day, hour, minute, second = time.gmtime(max(mtime, _EARLIEST))[:6]
    return hour << 11 | minute << 5 | second // 2, (min(year, 2107) - 1980) << 9 | month << 5 | day


def sums(entry: ZipEntry) -> list[tuple[int, bytes]]:
    """What a local header has that is known at a file's end: where, from the header's start, and what."""
    if not needs_zip64(entry):
        return [(_SUMS, struct.pack("<3I", entry.crc, entry.length, entry.size))]
    extra = _LOCAL.size + len(entry.name.encode()) + len(_time(entry)) + 4
    return [
        (_SUMS, struct.pack("<I", entry.crc)),
        (extra, struct.pack("<2Q", entry.size, entry.length)),
    ]
