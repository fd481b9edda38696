"""One part of the archive on its way: what a crew does for it, and what this thread makes of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from conda_pack.model import Entry, Needs, Note, Part
from conda_pack.relocation.needs import joined
from conda_pack.segments.crews import Crew
from conda_pack.segments.cutting import Buffers, Cutter, Press, Segment
from conda_pack.segments.grouping import SEGMENT_SIZE, groups, is_large
from conda_pack.segments.large import LargeFile, Survey
from conda_pack.segments.reading import FileReader, changed
from conda_pack.segments.schema import NO_FILES, FileEntry, PartEnd, pack_files, unpack_files
from conda_pack.segments.workers import Job

#: What the smallest group weighs: its objects, and the work to hand it over.
_LEAST = 1 << 16


@dataclass(frozen=True, slots=True)
class Made:
    """What one task brings: segments, what was noted of which files and what they need, and how many bytes
    it read.

    ``files`` packs the entries that the record gets. With a stretch of a large file comes the
    ``checksum`` of the bytes read, with the last of a part what the index says of it.
    """

    segments: Sequence[Segment] = ()
    files: bytes = NO_FILES
    notes: Sequence[tuple[Note, str]] = ()
    needs: Needs = field(default_factory=dict)
    size_read: int = 0
    checksum: int | None = None
    end: PartEnd | None = None


#: What a crew is given, and what it tells.
Task = Callable[[], Made | Survey]
Result = Made | Survey


@dataclass(frozen=True, slots=True)
class _Group:
    """The task that makes a group."""

    number: int
    weight: int


@dataclass(frozen=True, slots=True)
class _Large:
    """The tasks of a large file; which of them are done, the survey may have to tell first."""

    file: LargeFile
    survey: int
    stretches: Sequence[int]
    restored: Sequence[int]
    whole: int


def _survey(crew: Crew[Result], large: _Large) -> Survey:
    survey = crew.result(large.survey)
    assert isinstance(survey, Survey)
    return survey


def start_next(surveys: Iterator[int], crew: Crew[Result]) -> None:
    """Start one survey, if there is another."""
    for number in islice(surveys, 1):
        crew.start(number, is_long=True)


class PartWork:
    """Adds the tasks of one part to those of all, and makes its end when they are done: ``finish``."""

    def __init__(
        self,
        part: Part,
        reader: FileReader,
        press: Press,
        buffers: Buffers,
        tasks: list[Task],
        finish: Callable[[Part, list[FileEntry]], Made],
    ) -> None:
        self._part, self._reader = part, reader
        self._press, self._buffers = press, buffers
        self._tasks, self._finish = tasks, finish
        self._files: list[FileEntry] = []
        made_of = list(groups(part))
        self._is_one_task = len(made_of) == 1 and not is_large(made_of[0])
        self._steps = [self._large(group[0]) if is_large(group) else self._group(group) for group in made_of]

    @property
    def surveys(self) -> list[int]:
        """The tasks whose results tell what else there is to do."""
        return [step.survey for step in self._steps if isinstance(step, _Large) and not step.file.is_plain]

    def jobs(self, crew: Crew[Result], surveys: Iterator[int]) -> Iterator[Job[Made]]:
        """Start each task in the order of the stream, and tell how its result is to be had.

        The first of all ``surveys`` must be started already; with each that is needed, the next one
        is, so that nobody waits for it: one only, because it may keep a large file in memory.
        """
        for step in self._steps:
            if isinstance(step, _Group):
                crew.start(step.number)
                yield Job(partial(self._made, crew, step.number, []), step.weight)
            else:
                yield from self._large_jobs(step, crew, surveys)
        if not self._is_one_task:
            yield Job(lambda: self._finish(self._part, self._files))

    # --------------------------------------------------- this thread's side

    def _large_jobs(self, large: _Large, crew: Crew[Result], surveys: Iterator[int]) -> Iterator[Job[Made]]:
        if large.file.is_plain:
            crew.start(large.survey, is_long=True)
            numbers, survey = large.stretches, None  # which is needed at the end
        else:
            survey = _survey(crew, large)
            start_next(surveys, crew)
            numbers = {"plain": large.stretches, "restored": large.restored, "other": [large.whole]}[
                survey.form
            ]
        checksums: list[int | None] = []
        for number in numbers:
            crew.start(number)
            yield Job(partial(self._made, crew, number, checksums), SEGMENT_SIZE)
        yield Job(lambda: self._large_end(large, survey or _survey(crew, large), checksums))

    def _made(self, crew: Crew[Result], number: int, checksums: list[int | None]) -> Made:
        made = crew.result(number)
        assert isinstance(made, Made)
        self._files += unpack_files(made.files)
        checksums.append(made.checksum)
        return made

    def _large_end(self, large: _Large, survey: Survey, checksums: list[int | None]) -> Made:
        if survey.form != "restored" and list(survey.checksums) != checksums:
            raise changed(large.file.path)
        self._files += unpack_files(survey.files)
        notes = [(survey.note, large.file.entry.path)] if survey.note else ()
        return Made(notes=notes, needs=survey.needs)

    # ------------------------------------------------------ the crew's side

    def _add(self, task: Task) -> int:
        self._tasks.append(task)
        return len(self._tasks) - 1

    def _group(self, group: Sequence[Entry]) -> _Group:
        weight = sum(entry.size for entry in group)
        return _Group(self._add(partial(self._make_group, group)), max(_LEAST, weight))

    def _large(self, entry: Entry) -> _Large:
        file = LargeFile(self._reader, self._part, entry)
        survey = self._add(file.survey)
        stretches = [self._add(partial(self._make_stretch, file, n)) for n in range(file.stretches)]
        if file.is_plain:
            return _Large(file, survey, stretches, [], -1)
        restored = [self._add(partial(self._make_restored, file, n)) for n in range(file.stretches)]
        return _Large(file, survey, stretches, restored, self._add(partial(self._make_whole, file)))

    def _make_group(self, group: Sequence[Entry]) -> Made:
        part, add = self._part, self._reader.add
        cutter = Cutter(part.dist, self._press, self._buffers.lend())
        files, notes, needed, size = [], [], [], 0
        for entry in group:
            file, note, needs = add(part, entry, cutter)
            files.append(file)
            size += entry.size
            if needs:
                needed.append(needs)
            if note:
                notes.append((note, entry.path))
        segments = self._cut(cutter)
        if not self._is_one_task:
            return Made(segments, pack_files(files), notes, joined(needed), size)
        end = self._finish(part, files)
        return Made([*segments, *end.segments], NO_FILES, notes, joined(needed), size, end=end.end)

    def _make_stretch(self, file: LargeFile, number: int) -> Made:
        cutter = Cutter(self._part.dist, self._press, self._buffers.lend())
        checksum = file.add(number, cutter)
        return Made(self._cut(cutter), size_read=file.size_of(number), checksum=checksum)

    def _make_restored(self, file: LargeFile, number: int) -> Made:
        cutter = Cutter(self._part.dist, self._press, self._buffers.lend())
        file.add_restored(number, cutter)
        return Made(self._cut(cutter), size_read=file.size_of(number))

    def _make_whole(self, file: LargeFile) -> Made:
        cutter = Cutter(self._part.dist, self._press, self._buffers.lend())
        checksum = file.add_whole(cutter)
        return Made(self._cut(cutter), size_read=file.entry.size, checksum=checksum)

    def _cut(self, cutter: Cutter) -> list[Segment]:
        cutter.cut()
        self._buffers.give_back(cutter.buffer)
        return cutter.segments
