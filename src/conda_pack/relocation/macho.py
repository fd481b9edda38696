"""Mach-O files: the macOS that they need, and whether they are signed (mach-o/loader.h, mach-o/fat.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from conda_pack.relocation.elf import Read

#: How a file begins that is for one processor: little-endian, 64 and 32 bits.
THIN = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")
#: How one begins that holds several of those; so does Java's bytecode.
FAT = b"\xca\xfe\xba\xbe"
#: What a damaged file may raise.
ERRORS = (struct.error, LookupError, ValueError)

_HEADER_SIZES = {THIN[0]: 32, THIN[1]: 28}
_LOADED = (2, 6, 8)  # MH_EXECUTE, MH_DYLIB, MH_BUNDLE
_LC_CODE_SIGNATURE, _LC_VERSION_MIN_MACOSX, _LC_BUILD_VERSION = 0x1D, 0x24, 0x32
_PLATFORM_MACOS = 1
_MOST_SLICES = 20  # Java's bytecode has its version, 45 and more, in the same place


class Image(NamedTuple):
    """What is for one processor. ``processor`` is its cputype; ``minimum`` the macOS that it needs, if it
    says so and can be loaded at all.
    """

    processor: int
    minimum: tuple[int, ...] | None
    is_signed: bool


def images(read: Read) -> Iterator[Image]:
    """Those in a Mach-O file; none in any other. Raises ERRORS for a damaged one."""
    magic = read(0, 4)
    if magic in THIN:
        yield _image(read, 0)
    elif magic == FAT:
        (count,) = struct.unpack(">I", read(4, 4))
        if count > _MOST_SLICES:
            return
        for number in range(count):
            _, _, offset, _, _ = struct.unpack(">5I", read(8 + 20 * number, 20))
            yield _image(read, offset)


def is_signed(data: bytes) -> bool:
    """Whether some part of a file has a signature."""
    try:
        return any(image.is_signed for image in images(lambda at, size: data[at : at + size]))
    except ERRORS:
        return False


def _image(read: Read, start: int) -> Image:
    _, processor, _, kind, count, size = struct.unpack("<6I", read(start, 24))
    commands = read(start + _HEADER_SIZES[read(start, 4)], size)
    minimum, is_signed, at = None, False, 0
    for _ in range(count):
        command, length = struct.unpack_from("<2I", commands, at)
        if command == _LC_CODE_SIGNATURE:
            is_signed = True
        elif command == _LC_VERSION_MIN_MACOSX:
            minimum = _version(struct.unpack_from("<I", commands, at + 8)[0])
        elif command == _LC_BUILD_VERSION:
            platform, version = struct.unpack_from("<2I", commands, at + 8)
            if platform == _PLATFORM_MACOS:
                minimum = _version(version)
        if not length:
            raise ValueError("a load command without a size")
        at += length
    return Image(processor, minimum if kind in _LOADED else None, is_signed)


def _version(number: int) -> tuple[int, ...]:
    """xxxx.yy.zz in nibbles, without zeros at the end."""
    major, minor, patch = number >> 16, number >> 8 & 0xFF, number & 0xFF
    return (major, minor, patch) if patch else (major, minor)
