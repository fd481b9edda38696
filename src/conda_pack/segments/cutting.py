"""Members → segments: one buffer, filled in place and compressed from there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from mmap import mmap

from conda_pack.segments.codecs import Codec, Compressed, Data
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.tar import BLOCK, padding

#: A segment ends in any case at the first member after this many bytes. A group is a little longer than
#: planned where headers need more than a block; that must not leave a crumb behind.
_LONGEST = SEGMENT_SIZE + SEGMENT_SIZE // 4
#: Room for a segment, its last file, and a byte to see whether that has grown.
_ROOM = _LONGEST + SEGMENT_SIZE + 4 * BLOCK


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment ready to be written, and what the index will say of it.

    ``sha256`` is of its compressed bytes, ``part`` a dist, ``continues`` the file in whose data
    it begins, ``at`` the offset there.
    """

    part: str
    role: str
    compressed: Compressed
    sha256: str
    continues: str | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Press:
    """Compresses segments: a codec at a level."""

    codec: Codec
    level: int

    def segment(
        self,
        part: str,
        role: str,
        data: Data,
        continues: str | None = None,
        at: int = 0,
        after: int | None = None,
    ) -> Segment:
        """One segment; ``after`` is what follows the end of the file it ``continues``, if that is in it."""
        compressed = self.compress(data, continues is not None, after)
        digest = hashlib.sha256(compressed.data).hexdigest()
        return Segment(part, role, compressed, digest, continues, at)

    def compress(self, data: Data, continues: bool, after: int | None) -> Compressed:  # noqa: ARG002
        """The bytes of one segment as they lie in the archive."""
        return self.codec.compress(data, self.level)


class Buffers:
    """The workers' buffers, lent and given back: fresh memory costs a page fault every 4 KiB.

    They are maps, because of those no more than is used takes memory.
    """

    def __init__(self) -> None:
        self._free: list[mmap] = []  # its pop and append are atomic

    def lend(self) -> mmap:
        try:
            return self._free.pop()
        except IndexError:
            return mmap(-1, _ROOM)

    def give_back(self, buffer: mmap) -> None:
        if len(buffer) == _ROOM:
            self._free.append(buffer)


class Cutter:
    """Collects members of one part and cuts segments of them."""

    def __init__(self, part: str, press: Press, buffer: mmap) -> None:
        self._use(buffer)
        self.segments: list[Segment] = []
        self._part, self._press = part, press
        self._size = 0

    def _use(self, buffer: mmap) -> None:
        self.buffer, self._view = buffer, memoryview(buffer)

    def room(self, head: bytes, size: int) -> memoryview:
        """Where the ``size`` bytes of a file go that has the header ``head``; ``keep`` keeps them."""
        start = self._size + len(head)
        self._make_room(start + size + BLOCK)
        return self._view[start : start + size]

    def holds(self, text: bytes, head: bytes, size: int) -> bool:
        """Whether ``text`` occurs in the data that lies in its room."""
        start = self._size + len(head)
        return self.buffer.find(text, start, start + size) >= 0

    def keep(self, head: bytes, size: int) -> None:
        """A member of which the ``size`` bytes of data are in their room already."""
        start = self._size + len(head)
        self._view[self._size : start] = head
        end = start + size
        fill = -size % BLOCK
        self._view[end : end + fill] = padding(size)
        self._size = end + fill
        if self._size >= _LONGEST:
            self.cut()

    def member(self, head: bytes, data: bytes, path: str) -> None:
        """A member of ``data``; where that is more than a segment, it has segments of its own."""
        if len(data) <= SEGMENT_SIZE:
            self.room(head, len(data))[:] = data
            self.keep(head, len(data))
            return
        self.cut()
        for start in range(0, len(data), SEGMENT_SIZE):
            self.stretch(head if start == 0 else b"", data, start, path)

    def stretch(self, head: bytes, data: Data, start: int, path: str) -> None:
        """The segment of a large file's data that begins at ``start`` there; an end gets its padding."""
        piece = memoryview(data)[start : start + SEGMENT_SIZE]
        self.room(head, len(piece))[:] = piece
        self.keep_stretch(head, len(piece), start, start + len(piece) == len(data), path)

    def keep_stretch(self, head: bytes, size: int, start: int, last: bool, path: str) -> None:
        """As ``stretch``, of data that is in its room already."""
        end = len(head) + size
        self._view[: len(head)] = head
        fill = padding(start + size) if last else b""
        self._view[end : end + len(fill)] = fill
        self._size = end + len(fill)
        self.cut(path if start else None, start, len(fill) if last else None)

    def cut(self, continues: str | None = None, at: int = 0, after: int | None = None) -> None:
        """End the segment, if there is anything in it."""
        if self._size:
            data = self._view[: self._size]
            segment = self._press.segment(self._part, "files", data, continues, at, after)
            self.segments.append(segment)
            self._size = 0
            if isinstance(segment.compressed.data, memoryview):  # not compressed, it goes with its buffer
                self._use(mmap(-1, _ROOM))

    def _make_room(self, size: int) -> None:
        if size > len(self.buffer):
            larger = mmap(-1, size)
            larger[: self._size] = self._view[: self._size]
            self._use(larger)
