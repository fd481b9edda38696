"""Zstandard frames taken apart by the format's own rules (RFC 8878), for checks of what we write."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = 0xFD2FB528
SKIPPABLE = 0x184D2A5E


@dataclass(frozen=True)
class FrameHeader:
    """What a frame's first bytes say."""

    content_size: int | None
    has_checksum: bool
    window: int


def frame_header(data: bytes) -> FrameHeader:
    """The header of the frame that ``data`` begins with."""
    assert struct.unpack_from("<I", data)[0] == MAGIC
    descriptor = data[4]
    single = bool(descriptor & 0x20)
    place = 5
    window = 0
    if not single:
        exponent, mantissa = data[place] >> 3, data[place] & 7
        window = (1 << (10 + exponent)) + ((1 << (10 + exponent)) // 8) * mantissa
        place += 1
    place += (0, 1, 2, 4)[descriptor & 3]
    length = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    size = int.from_bytes(data[place : place + length], "little") if length else None
    if length == 2:
        assert size is not None
        size += 256
    return FrameHeader(size, bool(descriptor & 4), size if single and size is not None else window)


def frames(data: bytes) -> list[tuple[int, int, bool]]:
    """The start and length of each frame, and whether it is a skippable one."""
    found = []
    place = 0
    while place < len(data):
        (magic,) = struct.unpack_from("<I", data, place)
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            length = 8 + struct.unpack_from("<I", data, place + 4)[0]
            found.append((place, length, True))
        else:
            length = _frame_length(data, place)
            found.append((place, length, False))
        place += length
    return found


def _frame_length(data: bytes, start: int) -> int:
    descriptor = data[start + 4]
    single = bool(descriptor & 0x20)
    place = start + 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    place += (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    last = False
    while not last:
        block = int.from_bytes(data[place : place + 3], "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        place += 3 + (1 if kind == 1 else size)
    return place + (4 if descriptor & 4 else 0) - start
