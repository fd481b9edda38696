"""How a segment is compressed: one table, one codec each. Segments stand alone."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pickle import PickleBuffer
from typing import Any, Protocol, SupportsIndex

from isal import isal_zlib
from zlib_ng import zlib_ng

from conda_pack.errors import DamagedArchive

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: isal's stubs take this class for an instance
DEFLATE_ERROR: type[Exception] = vars(isal_zlib)["IsalError"]
#: Readers with little memory refuse larger windows (RFC 9659): 8 MiB.
LARGEST_WINDOW_LOG = 23
#: How many bytes are decompressed at once. They are still in the processor's cache when they are hashed and
#: written, and in memory that is used again: zstd 1020 MB/s, where a whole segment at once comes at 730.
#: Unpacking 1.4 GB on one core: 128 KiB 3.9 s, 256 KiB 3.9 s, 512 KiB 3.8 s, 1 MiB 4.0 s, 2 MiB 4.3 s.
_PIECE = 1 << 19
#: Bytes, or a part of a buffer.
Data = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file's entry in a segment of a zip archive, or a further stretch of one, which has no name.

    ``offset`` is that of its header in the segment, ``length`` and ``size`` are of the bytes there,
    compressed and not; ``whole`` is the size of the whole file, ``mode`` has its type too.
    """

    name: str
    offset: int
    length: int
    size: int
    whole: int
    crc: int
    method: int
    mode: int = 0
    mtime: int = 0


@dataclass(frozen=True, slots=True)
class Compressed:
    """One segment as it lies in the archive; ``size`` and ``crc`` are of the uncompressed bytes."""

    data: Data
    size: int
    crc: int
    entries: tuple[ZipEntry, ...] = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """From one process to another ``data`` goes on its own, and need not be copied twice (PEP 574)."""
        return Compressed, (PickleBuffer(self.data), self.size, self.crc, self.entries)


class Codec(Protocol):
    """Compresses and restores whole segments, on any thread, the same bytes each time.

    What is not compressed is the very ``data`` that it was given. Which levels there are, archives/formats.py
    tells.
    """

    def compress(self, data: Data, level: int) -> Compressed:
        """One segment."""

    def pieces(self, data: Data) -> Iterator[Data]:
        """The bytes of a segment, a few at a time; DamagedArchive where it is damaged."""


class Stored:
    """No compression at all."""

    def compress(self, data: Data, level: int) -> Compressed:  # noqa: ARG002
        return Compressed(data, len(data), 0)

    def pieces(self, data: Data) -> Iterator[Data]:
        yield data


def _deflaters() -> dict[int, Callable[[], Any]]:
    """Level → a raw deflate compressor.

    300 MB of a data-science environment on one core: isal 1 0.70 s 108.6 MB, 2 0.72 s
    107.3 MB, 3 1.62 s 104.8 MB; zlib-ng 4 3.39 s 97.7 MB, 6 4.74 s 95.8 MB; zlib 1
    3.29 s 107.4 MB, 4 5.22 s 98.2 MB. So isal has the fast levels, zlib-ng the others.
    """

    def isal(level: int, memory: int) -> Callable[[], Any]:
        return lambda: isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15, memory)

    def ng(level: int) -> Callable[[], Any]:
        return lambda: zlib_ng.compressobj(level, zlib_ng.DEFLATED, -15)

    # isal with less memory makes shorter blocks, each with a code that fits it better. 345 MB: level 3 with
    # its default (8) 1.17 s 106.3 MB, with 2 1.20 s 105.2 MB; level 1 0.60 s 110.8 MB and 0.66 s 109.6 MB
    return {0: ng(0), 1: isal(1, 8), 2: isal(2, 2), 3: isal(3, 2), **{n: ng(n) for n in range(5, 10)}}


_DEFLATERS = _deflaters()
#: Level 4 is neither of its neighbours, but whichever a segment is worth: level 5 spends most of its time on
#: what hardly shrinks, machine code above all. All segments of the 1.4 GB environment on one core: zlib-ng 4
#: 11.1 s 382.3 MB, 5 12.4 s 375.1 MB, isal 3 4.7 s 406.5 MB; by this choice 9.2 s 385.1 MB, of which the
#: samples take 0.1 s; the best choice there is, made with hindsight, 9.0 s. libdeflate takes 7.5 s for as
#: many bytes, but it always ends its stream, and conda-forge has it for C alone.
_MIXED, _FAST, _THOROUGH = 4, 3, 5
#: From where on a segment hardly shrinks: what isal's level 1 makes of a 32nd of it.
_HARD = 0.4
_SAMPLE, _SAMPLED = 32 << 10, 1 << 20


def _sampled_ratio(data: Data) -> float:
    """About how small a segment becomes: from 0 to 1, more where even samples do not shrink."""
    view = memoryview(data)
    sample = b"".join(view[start : start + _SAMPLE] for start in range(0, len(view), _SAMPLED))
    return len(isal_zlib.compress(sample, 1)) / max(1, len(sample))


def deflate_level(data: Data, level: int) -> int:
    """The level of one compressor that a level means for ``data``."""
    if level != _MIXED:
        return level
    return _FAST if _sampled_ratio(data) >= _HARD else _THOROUGH


def deflater(level: int) -> Any:
    """A compressor of raw deflate at the level of ``deflate_level``."""
    return _DEFLATERS[level]()


class Deflate:
    """Raw deflate ended by a full flush, so that segments join into one stream and part again."""

    def compress(self, data: Data, level: int) -> Compressed:
        compressor = deflater(deflate_level(data, level))
        compressed = compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)
        return Compressed(compressed, len(data), isal_zlib.crc32(data))

    def pieces(self, data: Data) -> Iterator[Data]:
        decompressor = isal_zlib.decompressobj(-15)
        view = memoryview(data)
        try:
            # fed in stretches, because what it has not consumed it copies each time
            for start in range(0, len(view), _PIECE):
                stretch: Data = view[start : start + _PIECE]
                while stretch and not decompressor.eof:
                    yield decompressor.decompress(stretch, _PIECE)
                    stretch = decompressor.unconsumed_tail
            while piece := decompressor.decompress(b"", _PIECE):
                yield piece
        except DEFLATE_ERROR as error:
            raise DamagedArchive(f"The archive is damaged: {error}.") from error


_TUNED = 3


class Zstd:
    """One frame with its size and a checksum, its window as large as a segment.

    The 1.4 GB environment on one core at level 3: windowLog 21 and segments of 4 MiB 3.92 s
    329.4 MB, 22 and 8 MiB 324.9 MB, 23 and 8 MiB 4.7 s 324.3 MB, 23 and 16 MiB 322.9 MB; in one
    frame of the zstd tool 328.2 MB. A chainLog of 15 instead of 16 takes 5 % less time for 0.4 % more
    bytes (14: 5 %, 0.7 %), because the tables stay in the processor's cache.
    """

    def compress(self, data: Data, level: int) -> Compressed:
        parameter = zstd.CompressionParameter
        bounds: dict[int, int] = {
            parameter.compression_level: level,
            parameter.checksum_flag: 1,
            parameter.content_size_flag: 1,
            parameter.window_log: LARGEST_WINDOW_LOG,
        }
        if level == _TUNED:
            bounds[parameter.chain_log] = 15
        return Compressed(zstd.compress(data, options=bounds), len(data), 0)

    def pieces(self, data: Data) -> Iterator[Data]:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG}
        return _pieces(zstd.ZstdDecompressor(options=options), data)


class Bzip2:
    """One bzip2 stream; many of them are one file to every reader."""

    def compress(self, data: Data, level: int) -> Compressed:
        return Compressed(bz2.compress(data, level), len(data), 0)

    def pieces(self, data: Data) -> Iterator[Data]:
        return _pieces(bz2.BZ2Decompressor(), data)


class Xz:
    """One xz stream with a CRC-64; many of them are one file to every reader."""

    def compress(self, data: Data, level: int) -> Compressed:
        return Compressed(lzma.compress(data, preset=level), len(data), 0)

    def pieces(self, data: Data) -> Iterator[Data]:
        return _pieces(xz_decompressor(), data)


_XZ_MEMORY = 128 << 20


def xz_decompressor() -> lzma.LZMADecompressor:
    """Of one stream. Level 9 needs 65 MiB to be decompressed; a hostile stream may ask for 4 GiB."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


#: What decompressors raise for what is damaged; bz2 has no error of its own.
STREAM_ERRORS = (zstd.ZstdError, lzma.LZMAError, OSError, ValueError, EOFError)  # bz2 has none of its own


def _pieces(decompressor: Any, data: Data) -> Iterator[Data]:
    """The bytes of one whole stream by a decompressor as the standard library has them."""
    try:
        yield decompressor.decompress(data, _PIECE)
        while not decompressor.eof and not decompressor.needs_input:
            yield decompressor.decompress(b"", _PIECE)
    except STREAM_ERRORS as error:
        raise DamagedArchive(f"The archive is damaged: {error}.") from error
    if not decompressor.eof or decompressor.unused_data:
        raise DamagedArchive("The archive is damaged: a segment is not one whole stream.")


def decompress(codec: Codec, data: Data, size: int) -> bytes:
    """The ``size`` bytes of a segment, exactly; DamagedArchive if they are not that."""
    pieces, left = [], size
    for piece in codec.pieces(data):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            break
    if left:
        raise DamagedArchive("The archive is damaged: a segment is not as long as the index says.")
    return b"".join(pieces)


CODECS: dict[str, Codec] = {
    "none": Stored(),
    "gzip": Deflate(),
    "zstd": Zstd(),
    "bzip2": Bzip2(),
    "xz": Xz(),
}
