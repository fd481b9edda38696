"""ELF files: the RPATHs of those that no package manager relocates, pip's and the user's; and what they need.

An RPATH into the prefix becomes relative to the file ($ORIGIN, ld.so(8)) where
that fits, and keeps its length: the slashes that fill it up mean nothing in a
path, and a string that shares its tail (linkers merge them) is not disturbed.

What a file needs of other libraries is in its version table (.gnu.version_r, Linux Standard
Base 5.0, Core, section 10.7): the names of the symbol versions that ld.so insists on.
"""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import NamedTuple

#: Gives some bytes of a file: from an offset, so many, or less at its end.
Read = Callable[[int, int], bytes]

MAGIC = b"\x7fELF"
#: What a damaged file may raise.
ERRORS = (struct.error, LookupError, OverflowError, ValueError)

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 5, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_VER_FLG_WEAK = 2  # ld.so goes on without it
_MACHINE_AT = 18
_HEADER_SIZE = 64  # the larger one
_NEED, _NEED_VERSION = "HHIII", "IHHII"  # the same in 32 and 64 bits
_LONGEST_NAME = 256


class _Layout(NamedTuple):
    header: str  # of the file: e_phoff, e_phentsize and e_phnum are its fields 4, 8 and 9
    segment: str
    dynamic: str
    fields: tuple[int, int, int, int]  # where a segment has p_type, p_offset, p_vaddr, p_filesz


_LAYOUTS = {  # by EI_CLASS: 32 and 64 bits, elf(5)
    1: _Layout("16x2HI3II3H", "8I", "2i", (0, 1, 2, 4)),
    2: _Layout("16x2HI3QI3H", "2I6Q", "2q", (0, 2, 3, 5)),
}
_ORDERS = {1: "<", 2: ">"}  # by EI_DATA


class _Dynamic(NamedTuple):
    """What the dynamic linker reads: the segments, and the dynamic section's tags and values."""

    order: str
    segments: list[tuple[int, ...]]
    tags: list[tuple[int, int]]

    def offset(self, address: int) -> int:
        """Where in the file lies what is loaded at ``address``."""
        for kind, offset, virtual, size in self.segments:
            if kind == _PT_LOAD and virtual <= address < virtual + size:
                return address - virtual + offset
        raise ValueError("address outside of every segment")


def relative_rpaths(data: bytes, path: str, prefix: bytes) -> list[tuple[int, bytes, bytes]]:
    """Edits ``(offset, old, new)`` that make the RPATHs of the ELF file at ``path`` relative.

    Empty for a file that is no ELF, is damaged, or names no prefix there.
    """
    try:
        strings = list(rpaths(data))
    except ERRORS:
        return []
    edits = []
    for offset, old in sorted(set(strings)):
        new = b":".join(_relative(item, path, prefix) for item in old.split(b":"))
        if new != old:
            edits.append((offset, old, new))
    return edits


def _relative(item: bytes, path: str, prefix: bytes) -> bytes:
    if item != prefix and not item.startswith(prefix + b"/"):
        return item
    folder = item[len(prefix) + 1 :].decode("utf-8", "surrogateescape").rstrip("/") or "."
    steps = posixpath.relpath(folder, posixpath.dirname(path) or ".").encode("utf-8", "surrogateescape")
    fill = len(item) - len(b"$ORIGIN") - len(steps)
    return b"$ORIGIN" + b"/" * fill + steps if fill >= 1 else item


def rpaths(data: bytes | mmap) -> Iterator[tuple[int, bytes]]:
    """Each RPATH and RUNPATH of an ELF file, and where it lies; raises ERRORS for a damaged one."""
    for dynamic in _dynamics(lambda at, size: data[at : at + size]):
        for tag, value in dynamic.tags:
            if tag in (_DT_RPATH, _DT_RUNPATH):
                at = dynamic.offset(dict(dynamic.tags)[_DT_STRTAB]) + value
                end = data.find(b"\0", at)  # which a mapped file has, and index it has not
                if end < 0:
                    raise ValueError("text without an end")
                yield at, data[at:end]


def machine(read: Read) -> int:
    """The processor that an ELF file is for: its e_machine."""
    number: int = struct.unpack(_ORDERS[read(5, 1)[0]] + "H", read(_MACHINE_AT, 2))[0]
    return number


def needed_versions(read: Read) -> Iterator[tuple[str, str]]:
    """Each library and the name of a version that an ELF file needs of it, such as libc.so.6 and GLIBC_2.34.

    Raises ERRORS for a damaged file.
    """
    for dynamic in _dynamics(read):
        tags = dict(dynamic.tags)
        if _DT_VERNEED not in tags:
            continue
        names = dynamic.offset(tags[_DT_STRTAB])
        need, version = struct.Struct(dynamic.order + _NEED), struct.Struct(dynamic.order + _NEED_VERSION)
        at = dynamic.offset(tags[_DT_VERNEED])
        for _ in range(tags[_DT_VERNEEDNUM]):
            _, count, library, first, following = need.unpack(read(at, need.size))
            place = at + first
            for _ in range(count):
                _, flags, _, name, step = version.unpack(read(place, version.size))
                if not flags & _VER_FLG_WEAK:
                    yield _text(read, names + library), _text(read, names + name)
                place += step
            if not following:
                break
            at += following


def _dynamics(read: Read) -> Iterator[_Dynamic]:
    """The dynamic section, which a static program and what is no ELF do not have."""
    head = read(0, _HEADER_SIZE)
    if head[:4] != MAGIC:
        return
    layout, order = _LAYOUTS[head[4]], _ORDERS[head[5]]
    header = struct.unpack_from(order + layout.header, head)
    segment = struct.Struct(order + layout.segment)
    table = read(header[4], header[8] * header[9])
    segments = []
    for number in range(header[9]):
        values = segment.unpack_from(table, number * header[8])
        segments.append(tuple(values[index] for index in layout.fields))
    for kind, start, _, size in segments:
        if kind == _PT_DYNAMIC:
            entry = struct.Struct(order + layout.dynamic)
            section = read(start, size)
            tags = [entry.unpack_from(section, at) for at in range(0, size, entry.size)]
            yield _Dynamic(order, segments, tags)


def _text(read: Read, at: int) -> str:
    data = read(at, _LONGEST_NAME)
    return data[: data.index(b"\0")].decode("ascii", "surrogateescape")
