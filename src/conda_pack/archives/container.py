"""One file of segments: what a format puts before, between and after them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from isal import isal_zlib

from conda_pack.errors import DamagedArchive
from conda_pack.segments.codecs import CODECS, Compressed, decompress

_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time, of no system in particular
_LARGEST_STORED = 65535
_SKIPPABLE = 0x184D2A5E
_SEEKABLE = 0x8F92EAB1
_SEEK_FOOTER = struct.Struct("<IBI")
_SEEK_ENTRY = struct.Struct("<II")
_SKIPPABLE_HEADER = struct.Struct("<II")


class Container(Protocol):
    """Frames the segments of one archive, in order."""

    def begin(self) -> bytes:
        """What the file starts with."""

    def add(self, segment: Compressed) -> None:
        """Take note of a segment that was written."""

    def end(self, footer: bytes) -> bytes:
        """What follows the last segment: the tar footer, in a form that is found from the file's end."""


class TarContainer:
    """The bytes as they are."""

    def begin(self) -> bytes:
        return b""

    def add(self, segment: Compressed) -> None:
        pass

    def end(self, footer: bytes) -> bytes:
        return footer


class GzipContainer:
    """One gzip member (RFC 1952); several, and streaming readers stop after the first.

    The footer is a stored block, so that it can be read without inflating.
    """

    def __init__(self) -> None:
        self._crc = 0
        self._size = 0

    def begin(self) -> bytes:
        return _GZIP_HEADER

    def add(self, segment: Compressed) -> None:
        self._crc = isal_zlib.crc32_combine(self._crc, segment.crc, segment.size)
        self._size += segment.size

    def end(self, footer: bytes) -> bytes:
        assert len(footer) <= _LARGEST_STORED
        self.add(Compressed(b"", len(footer), zlib.crc32(footer)))
        stored = struct.pack("<BHH", 1, len(footer), len(footer) ^ 0xFFFF) + footer
        return stored + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)


class ZstdContainer:
    """Independent frames and, skippable at the end, the seek table of the zstd seekable format 0.1."""

    def __init__(self) -> None:
        self._frames: list[tuple[int, int]] = []

    def begin(self) -> bytes:
        return b""

    def add(self, segment: Compressed) -> None:
        self._frames.append((len(segment.data), segment.size))

    def end(self, footer: bytes) -> bytes:
        frame = CODECS["zstd"].compress(footer, 1)
        self.add(frame)
        table = b"".join(_SEEK_ENTRY.pack(*sizes) for sizes in self._frames)
        table += _SEEK_FOOTER.pack(len(self._frames), 0, _SEEKABLE)
        return b"".join((frame.data, _SKIPPABLE_HEADER.pack(_SKIPPABLE, len(table)), table))


class StreamsContainer:
    """Whole streams of a compressor whose readers join them; the last one holds the footer alone."""

    def __init__(self, codec_name: str) -> None:
        self._codec = CODECS[codec_name]

    def begin(self) -> bytes:
        return b""

    def add(self, segment: Compressed) -> None:
        pass

    def end(self, footer: bytes) -> bytes:
        return bytes(self._codec.compress(footer, 1).data)


CONTAINERS: dict[str, Callable[[], Container]] = {
    "none": TarContainer,
    "gzip": GzipContainer,
    "zstd": ZstdContainer,
    "bzip2": partial(StreamsContainer, "bzip2"),
    "xz": partial(StreamsContainer, "xz"),
}
#: What a stream begins with, whose end alone does not tell where that is.
_STREAM_MAGIC = {"bzip2": b"BZh1", "xz": b"\xfd7zXZ\0"}


def footer_text(codec_name: str, tail: bytes) -> bytes:
    """The tar bytes that hold the footer, from the last bytes of a file; DamagedArchive if cut off."""
    if codec_name in _STREAM_MAGIC:
        return _last_stream(codec_name, tail)
    if codec_name != "zstd":
        return tail
    try:
        frames, _, magic = _SEEK_FOOTER.unpack(tail[-_SEEK_FOOTER.size :])
        if magic != _SEEKABLE:
            raise DamagedArchive(CUT_OFF)
        table = frames * _SEEK_ENTRY.size + _SEEK_FOOTER.size
        compressed, size = _SEEK_ENTRY.unpack_from(tail, len(tail) - _SEEK_FOOTER.size - _SEEK_ENTRY.size)
    except struct.error:
        raise DamagedArchive(CUT_OFF) from None
    end = len(tail) - table - _SKIPPABLE_HEADER.size
    if end < compressed or size > _LARGEST_STORED:
        raise DamagedArchive(CUT_OFF)
    return decompress(CODECS["zstd"], tail[end - compressed : end], size)


def _last_stream(codec_name: str, tail: bytes) -> bytes:
    """The bytes of the last whole stream."""
    start = len(tail)
    while (start := tail.rfind(_STREAM_MAGIC[codec_name], 0, start)) >= 0:
        text = b""
        with suppress(DamagedArchive):  # what looks like its beginning may be data
            for piece in CODECS[codec_name].pieces(tail[start:]):
                text += piece
                if len(text) > _LARGEST_STORED:
                    break
            else:
                return text
    raise DamagedArchive(CUT_OFF)


def tail_size(codec_name: str, tail: bytes) -> int:
    """How many of a file's last bytes ``footer_text`` needs, told by its last 4096 or so."""
    if codec_name != "zstd" or len(tail) < _SEEK_FOOTER.size:
        return 0
    frames: int
    frames, _, magic = _SEEK_FOOTER.unpack(tail[-_SEEK_FOOTER.size :])
    if magic != _SEEKABLE:
        raise DamagedArchive(CUT_OFF)
    return frames * _SEEK_ENTRY.size + 4096


CUT_OFF = (
    "The archive has no conda-pack index at its end: "
    "it was cut off on its way, or this conda-pack did not make it."
)
