"""The members of segments that are not compressed, for archives that are no tar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conda_pack.segments.cutting import Segment
from conda_pack.segments.tar import BLOCK, Member, members


class SegmentStream:
    """The tar bytes of consecutive segments, as something to be read."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._segments = iter(segments)
        self._view = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The next ``size`` bytes, from where they lie; each piece before the next is asked for."""
        while size:
            if not self._view and not self._next():
                return
            piece, self._view = self._view[:size], self._view[size:]
            size -= len(piece)
            yield piece

    def _next(self) -> bool:
        self._view = memoryview(b"")
        for segment in self._segments:
            self._view = memoryview(segment.compressed.data)
            return True
        return False


def each_member(segments: Iterable[Segment]) -> Iterator[tuple[Member, Iterator[memoryview]]]:
    """Each member and its data, which must be taken before the next one; no comments."""
    stream = SegmentStream(segments)
    for member in members(stream):
        if member.kind != "comment":
            yield member, stream.pieces(member.size)
            stream.read(-member.size % BLOCK)
