"""Segments → one file of them: every kind of tar, and what only adds something around one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Protocol

from conda_pack.archives.container import CONTAINERS
from conda_pack.segments.codecs import CODECS, Data
from conda_pack.segments.cutting import Press, Segment
from conda_pack.segments.schema import SegmentItem


class Ending(Protocol):
    """What follows the last segment of a plan, when all others are made."""

    @property
    def identity(self) -> str:
        """The pack's identity: 64 hexadecimal digits."""

    @property
    def glibc(self) -> str:
        """The glibc that the files need, empty for none."""

    def last_segments(self, items: list[SegmentItem], offset: int) -> tuple[Segment, bytes]:
        """The index's segment, which will lie at ``offset``, and the footer and end that follow at once."""


class Writer(Protocol):
    """Makes one archive of a plan's segments, which its ``press`` has compressed."""

    @property
    def press(self) -> Press:
        """What compresses the segments."""

    def write(self, segments: Iterator[Segment], ending: Ending) -> None:
        """Take all segments but the index's, and then what ends them."""


class SegmentWriter:
    """Writes segments one after the other, and a table of where they lie; it never goes back.

    ``start`` comes before the archive proper.
    """

    def __init__(self, file: IO[bytes], codec_name: str, level: int, start: bytes = b"") -> None:
        self.press = Press(CODECS[codec_name], level)
        self._file = file
        self._container = CONTAINERS[codec_name]()
        self._start = start
        self._items: list[SegmentItem] = []
        self._offset = 0

    def write(self, segments: Iterator[Segment], ending: Ending) -> None:
        self._put(self._start + self._container.begin())
        for segment in segments:
            compressed = segment.compressed
            self._items.append(
                SegmentItem(
                    part=segment.part,
                    role=segment.role,
                    offset=self._offset,
                    length=len(compressed.data),
                    size=compressed.size,
                    sha256=segment.sha256,
                    continues=segment.continues,
                    at=segment.at,
                )
            )
            self._put(compressed.data)
            self._container.add(compressed)
        index, footer = ending.last_segments(self._items, self._offset)
        self._put(index.compressed.data)
        self._container.add(index.compressed)
        self._put(self._container.end(footer))

    def _put(self, data: Data) -> None:
        view = memoryview(data)
        while view:  # a raw file may take less at once
            view = view[self._file.write(view) :]
        self._offset += len(data)
