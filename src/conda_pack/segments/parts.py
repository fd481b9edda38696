"""One part of the archive on its way: groups in any order, its record by whoever ends the last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from conda_pack.model import Entry, Note, Part
from conda_pack.segments.cutting import Buffers, Cutter, Press, Segment
from conda_pack.segments.grouping import SEGMENT_SIZE, groups
from conda_pack.segments.large import LargeFile
from conda_pack.segments.reading import FileReader
from conda_pack.segments.schema import FileEntry, PartEnd
from conda_pack.segments.workers import Job

#: What the smallest group weighs: its objects, and the work to hand it over.
_LEAST = 1 << 16


@dataclass(frozen=True, slots=True)
class Made:
    """What one task brings: segments, what was noted of which files, and how many bytes it read.

    With the last of a part comes what the index says of it.
    """

    segments: Sequence[Segment]
    notes: Sequence[tuple[Note, str]] = ()
    size_read: int = 0
    end: PartEnd | None = None


class PartWork:
    """The tasks of one part, and the future of its end, which ``finish`` makes of all its files."""

    def __init__(
        self,
        part: Part,
        reader: FileReader,
        press: Press,
        buffers: Buffers,
        finish: Callable[[Part, list[FileEntry]], Made],
    ) -> None:
        self._part, self._reader = part, reader
        self._press, self._buffers = press, buffers
        self._finish = finish
        self._groups = list(groups(part)) or [()]
        self._files: list[Sequence[FileEntry]] = [()] * len(self._groups)
        self._left = len(self._groups)
        self._lock = threading.Lock()
        self._end: Future[Made] = Future()

    def jobs(self) -> Iterator[Job[Made]]:
        """Everything there is to do, in the order of the stream."""
        for number, group in enumerate(self._groups):
            if len(group) == 1 and group[0].size > SEGMENT_SIZE:
                file = LargeFile(self._reader, self._part, group[0])
                for stretch in range(file.stretches):
                    yield Job(partial(self._make_stretch, number, file, stretch, group[0]), SEGMENT_SIZE)
            else:
                weight = sum(entry.size for entry in group)
                yield Job(partial(self._make_group, number, group), max(_LEAST, weight))
        yield Job(self._end)

    def _make_group(self, number: int, group: Sequence[Entry]) -> Made:
        part, add = self._part, self._reader.add
        cutter = Cutter(part.dist, self._press, self._buffers.lend())
        files, notes, size = [], [], 0
        for entry in group:
            file, note = add(part, entry, cutter)
            files.append(file)
            size += entry.size
            if note:
                notes.append((note, entry.path))
        cutter.cut()
        self._buffers.give_back(cutter.buffer)
        self._take(number, files)
        return Made(cutter.segments, notes, size)

    def _make_stretch(self, number: int, file: LargeFile, stretch: int, entry: Entry) -> Made:
        cutter = Cutter(self._part.dist, self._press, self._buffers.lend())
        reusable, completed = file.add(stretch, cutter)
        if reusable:
            self._buffers.give_back(cutter.buffer)
        notes: list[tuple[Note, str]] = []
        if completed is not None:
            self._take(number, [completed[0]])
            if completed[1]:
                notes.append((completed[1], entry.path))
        size = min(SEGMENT_SIZE, entry.size - stretch * SEGMENT_SIZE)
        return Made(cutter.segments, notes, size)

    def _take(self, number: int, files: Sequence[FileEntry]) -> None:
        """Take a group's files; the last ones bring the part to its end."""
        with self._lock:
            self._files[number] = files
            self._left -= 1
            if self._left:
                return
        try:
            self._end.set_result(self._finish(self._part, [file for group in self._files for file in group]))
        except BaseException as error:  # raised where the result would have been
            self._end.set_exception(error)
