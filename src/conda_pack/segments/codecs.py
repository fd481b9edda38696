"""How a segment is compressed: one table, one codec each. Segments stand alone."""

from __future__ import annotations

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
class Compressed:
    """One segment as it lies in the archive; ``size`` and ``crc`` are of the uncompressed bytes."""

    data: Data
    size: int
    crc: int

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """From one process to another ``data`` goes on its own, and need not be copied twice (PEP 574)."""
        return Compressed, (PickleBuffer(self.data), self.size, self.crc)


class Codec(Protocol):
    """Compresses and restores whole segments, on any thread, the same bytes each time.

    What is not compressed is the very ``data`` that it was given.
    """

    levels: range
    default_level: int

    def compress(self, data: Data, level: int) -> Compressed:
        """One segment."""

    def pieces(self, data: Data) -> Iterator[Data]:
        """The bytes of a segment, a few at a time; DamagedArchive where it is damaged."""


class Stored:
    """No compression at all."""

    levels = range(1)
    default_level = 0

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

    def isal(level: int) -> Callable[[], Any]:
        return lambda: isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)

    def ng(level: int) -> Callable[[], Any]:
        # memLevel 9: 10 % less time than the default 8, and 0.4 % larger
        return lambda: zlib_ng.compressobj(level, zlib_ng.DEFLATED, -15, 9)

    return {0: ng(0), **{n: isal(n) for n in (1, 2, 3)}, **{n: ng(n) for n in range(5, 10)}}


#: Level 4 is neither of its neighbours, but whichever a segment is worth: level 5 spends most of its time on
#: what hardly shrinks, machine code above all. All segments of the 1.4 GB environment on one core: zlib-ng 4
#: 11.7 s 383.8 MB, 5 13.1 s 376.6 MB, isal 3 4.9 s 410.4 MB; by this choice 10.4 s 384.6 MB, of which the
#: samples take 0.1 s; the best choice there is, made with hindsight, 10.1 s.
_MIXED, _FAST, _THOROUGH = 4, 3, 5
#: From where on a segment hardly shrinks: what isal's level 1 makes of a 32nd of it.
_HARD = 0.42
_SAMPLE, _SAMPLED = 32 << 10, 1 << 20


def _sampled_ratio(data: Data) -> float:
    """About how small a segment becomes: from 0 to 1, more where even samples do not shrink."""
    view = memoryview(data)
    sample = b"".join(view[start : start + _SAMPLE] for start in range(0, len(view), _SAMPLED))
    return len(isal_zlib.compress(sample, 1)) / max(1, len(sample))


class Deflate:
    """Raw deflate ended by a full flush, so that segments join into one stream and part again."""

    levels = range(10)
    default_level = _MIXED
    _compressors = _deflaters()

    def compress(self, data: Data, level: int) -> Compressed:
        if level == _MIXED:
            level = _FAST if _sampled_ratio(data) >= _HARD else _THOROUGH
        compressor = self._compressors[level]()
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


class Zstd:
    """One frame with its size and a checksum, its window as large as a segment.

    The 1.4 GB environment on one core at level 3: windowLog 21 and segments of 4 MiB 3.92 s
    329.4 MB, 22 and 8 MiB 324.9 MB, 23 and 8 MiB 4.7 s 324.3 MB, 23 and 16 MiB 322.9 MB; in one
    frame of the zstd tool 328.2 MB. A chainLog of 15 instead of 16 takes 5 % less time for 0.4 % more
    bytes (14: 5 %, 0.7 %), because the tables stay in the processor's cache.
    """

    levels = range(-7, 23)
    default_level = 3

    def compress(self, data: Data, level: int) -> Compressed:
        parameter = zstd.CompressionParameter
        bounds: dict[int, int] = {
            parameter.compression_level: level,
            parameter.checksum_flag: 1,
            parameter.content_size_flag: 1,
            parameter.window_log: LARGEST_WINDOW_LOG,
        }
        if level == self.default_level:
            bounds[parameter.chain_log] = 15
        return Compressed(zstd.compress(data, options=bounds), len(data), 0)

    def pieces(self, data: Data) -> Iterator[Data]:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG}
        decompressor = zstd.ZstdDecompressor(options=options)
        try:
            yield decompressor.decompress(data, _PIECE)
            while not decompressor.eof and not decompressor.needs_input:
                yield decompressor.decompress(b"", _PIECE)
        except zstd.ZstdError as error:
            raise DamagedArchive(f"The archive is damaged: {error}.") from error
        if not decompressor.eof or decompressor.unused_data:
            raise DamagedArchive("The archive is damaged: a segment is not one whole frame.")


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


CODECS: dict[str, Codec] = {"none": Stored(), "gzip": Deflate(), "zstd": Zstd()}
