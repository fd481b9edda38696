"""RPATHs of ELF files that no package manager relocates: pip's and the user's.

An RPATH into the prefix becomes relative to the file ($ORIGIN, ld.so(8)) where
that fits, and keeps its length: the slashes that fill it up mean nothing in a
path, and a string that shares its tail (linkers merge them) is not disturbed.
"""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 5, 15, 29


class _Layout(NamedTuple):
    header: str  # of the file: e_phoff, e_phentsize and e_phnum are its fields 4, 8 and 9
    segment: str
    dynamic: str
    fields: tuple[int, int, int, int]  # where a segment has p_type, p_offset, p_vaddr, p_filesz


_LAYOUTS = {  # by EI_CLASS: 32 and 64 bits, elf(5)
    1: _Layout("16x2HI3II3H", "8I", "2i", (0, 1, 2, 4)),
    2: _Layout("16x2HI3QI3H", "2I6Q", "2q", (0, 2, 3, 5)),
}


def relative_rpaths(data: bytes, path: str, prefix: bytes) -> list[tuple[int, bytes, bytes]]:
    """Edits ``(offset, old, new)`` that make the RPATHs of the ELF file at ``path`` relative.

    Empty for a file that is no ELF, is damaged, or names no prefix there.
    """
    try:
        strings = list(rpaths(data))
    except (struct.error, LookupError, OverflowError, ValueError):
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
    """Each RPATH and RUNPATH of an ELF file, and where it lies; raises what comes for a damaged one.

    That is struct.error, LookupError, OverflowError or ValueError.
    """
    if data[:4] != b"\x7fELF":
        return
    layout = _LAYOUTS[data[4]]
    order = {1: "<", 2: ">"}[data[5]]
    header = struct.unpack_from(order + layout.header, data)
    segments = []
    for number in range(header[9]):
        values = struct.unpack_from(order + layout.segment, data, header[4] + number * header[8])
        segments.append(tuple(values[index] for index in layout.fields))
    for kind, start, _, size in segments:
        if kind != _PT_DYNAMIC:
            continue
        entry = struct.Struct(order + layout.dynamic)
        tags = [entry.unpack_from(data, at) for at in range(start, start + size, entry.size)]
        table = dict(tags)[_DT_STRTAB]
        for tag, value in tags:
            if tag in (_DT_RPATH, _DT_RUNPATH):
                at = _file_offset(segments, table) + value
                end = data.find(b"\0", at)  # which a mapped file has, and index it has not
                if end < 0:
                    raise ValueError("text without an end")
                yield at, data[at:end]


def _file_offset(segments: list[tuple[int, ...]], address: int) -> int:
    for kind, offset, virtual, size in segments:
        if kind == _PT_LOAD and virtual <= address < virtual + size:
            return address - virtual + offset
    raise ValueError("address outside of every segment")
