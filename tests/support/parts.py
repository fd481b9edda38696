"""Parts of files on disk, made into segments by whatever crew.

Tried with segments of a few KiB: the borders are the same, and there are many more of them.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from conda_pack.model import Claim, Entry, Environment, Form, JsonLayout, Note, Part, Plan, Platform, Record
from conda_pack.relocation.store import Relocator
from conda_pack.segments import cutting, grouping, large, parts
from conda_pack.segments.codecs import CODECS
from conda_pack.segments.crews import Crew, crew
from conda_pack.segments.cutting import Buffers, Press, Segment
from conda_pack.segments.parts import Made, PartWork, Result, Task, start_next
from conda_pack.segments.reading import FileReader
from conda_pack.segments.schema import FileEntry, PartEnd, UnmanagedItem, pack_files, unpack_files
from conda_pack.segments.tar import BLOCK, Member, header, padding
from conda_pack.segments.workers import in_order
from tests.support.records import record

SMALL = max(8 * BLOCK, mmap.PAGESIZE)
"""A segment's size where it is not the real one. Memory is given back by pages."""
PRESS = Press(CODECS["none"], 0)
ENV = b"/opt/the environment"
LONG_AGO = 1_000_000_000
"""When files were last written to: any change shows, however coarse the clock of the file system."""
PART_TIME = 777


@contextmanager
def segments_of(size: int, piece: int = large._PIECE) -> Iterator[None]:
    """Segments of another size for a while, and files that are hashed by such pieces."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (cutting, grouping, large, parts):
            patch.setattr(module, "SEGMENT_SIZE", size)
        patch.setattr(grouping, "_UNKNOWN", size // 512)
        patch.setattr(grouping, "_COARSE", size // 32)
        patch.setattr(large, "_PIECE", piece)
        patch.setattr(cutting, "_LONGEST", size + size // 4)
        patch.setattr(cutting, "_ROOM", size + size // 4 + size + 4 * BLOCK)
        yield


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Folder:
    """Files as they were planned, and who reads them."""

    prefix: Path
    prefixes: tuple[bytes, ...] = (ENV,)

    @property
    def reader(self) -> FileReader:
        environment = Environment(
            prefix=str(self.prefix),
            prefixes=self.prefixes,
            platform=Platform("linux-64"),
            site_packages=None,
            records=(),
            files={},
            previous={},
            excluded_before=frozenset(),
            runtime_before=frozenset(),
        )
        plan = Plan(environment, None, "root", (), (), 0, ())
        return FileReader(plan, Relocator(self.prefixes, environment.platform))

    def file(self, path: str, data: bytes, form: Form = Form.AS_IS, **facts: Any) -> Entry:
        """Write a file; ``facts`` are what its package says of it."""
        target = self.prefix / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        os.utime(target, (LONG_AGO, LONG_AGO))
        claim = Claim(path=path, index=0, path_type="hardlink", **facts) if facts else None
        return Entry(path, "file", 0o755, len(data), LONG_AGO, form, claim=claim)


RECORD = record("a", timestamp=PART_TIME, layout=JsonLayout(2, False, ""))


def part_of(*entries: Entry, record: Record | None = None) -> Part:
    """A package's files, or nobody's."""
    return Part("a-1-0", "conda-meta/conda-pack/a-1-0.json", record, entries, (), PART_TIME)


def member_of(path: str, data: bytes, mtime: int = PART_TIME) -> bytes:
    """A file as it lies in the stream."""
    return header(Member(f"root/{path}", "file", 0o755, len(data), mtime)) + data + padding(len(data))


# ------------------------------------------------------------------------ crews


CrewOf = Callable[[Sequence[Task]], AbstractContextManager[Crew[Result]]]


class Alone:
    """This thread, as the real one; it also holds us to what a crew may be asked, and logs it."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self.log: list[tuple[str, int]] = []
        self.long: set[int] = set()
        self._open: set[int] = set()

    def start(self, number: int, *, is_long: bool = False) -> None:
        assert number not in {each for _, each in self.log}
        self.log.append(("start", number))
        self._open.add(number)
        if is_long:
            self.long.add(number)

    def result(self, number: int) -> Result:
        self._open.remove(number)  # started before, and asked for once
        self.log.append(("result", number))
        return self._done(number)

    def _done(self, number: int) -> Result:
        return self._tasks[number]()

    @property
    def unasked(self) -> set[int]:
        """What was begun for nothing."""
        return self._open


class AnyOrder(Alone):
    """Does what is started in any order: sooner or later, at the latest when it is asked for."""

    def __init__(self, tasks: Sequence[Task], random: Random) -> None:
        super().__init__(tasks)
        self._random = random
        self._results: dict[int, Result] = {}

    def start(self, number: int, *, is_long: bool = False) -> None:
        super().start(number, is_long=is_long)
        self._some(self._random.randrange(3))

    def _done(self, number: int) -> Result:
        while number not in self._results:
            self._some(1, {number})
        return self._results.pop(number)

    def _some(self, count: int, also: Iterable[int] = ()) -> None:
        left = sorted((self._open | set(also)) - self._results.keys())
        for number in self._random.sample(left, min(count, len(left))):
            self._results[number] = self._tasks[number]()


def alone(tasks: Sequence[Task]) -> AbstractContextManager[Crew[Result]]:
    return nullcontext(Alone(tasks))


def any_order(random: Random) -> CrewOf:
    return lambda tasks: nullcontext(AnyOrder(tasks, random))


def real(workers: int, results: int = 6) -> CrewOf:
    """Threads, or processes where they can be forked."""
    return lambda tasks: crew(tasks, workers, results)


# ----------------------------------------------------------------------- packed


@dataclass
class Packed:
    """What became of a part."""

    segments: list[Segment] = field(default_factory=list)
    files: list[FileEntry] = field(default_factory=list)
    notes: list[tuple[Note, str]] = field(default_factory=list)
    size_read: int = 0
    ends: list[PartEnd] = field(default_factory=list)

    @property
    def stream(self) -> bytes:
        """All but the record."""
        return b"".join(bytes(segment.compressed.data) for segment in self.segments)

    @property
    def places(self) -> list[tuple[str | None, int]]:
        """In which file each segment begins, and where."""
        return [(segment.continues, segment.at) for segment in self.segments]

    def add(self, made: Made) -> None:
        for segment in made.segments:
            data = bytes(segment.compressed.data)  # good until the next result only
            if segment.role == "record":
                self.files += unpack_files(data)
            else:
                self.segments.append(replace(segment, compressed=replace(segment.compressed, data=data)))
        self.notes += made.notes
        self.size_read += made.size_read
        self.ends += [made.end] if made.end is not None else []


def finish(part: Part, files: list[FileEntry]) -> Made:
    """A record that holds the files and nothing else."""
    item = UnmanagedItem(part.record_path, part.dist, len(files), 0, sum(file.size for file in files))
    record = PRESS.segment(part.dist, "record", pack_files(files))
    return Made([record], end=PartEnd(item, None, []))


def packed(reader: FileReader, given: Sequence[Part], crew_of: CrewOf, budget: int | None = None) -> Packed:
    """All parts one after the other, as Assembler does it."""
    tasks: list[Task] = []
    buffers = Buffers()
    works = [PartWork(part, reader, PRESS, buffers, tasks, finish) for part in given]
    result = Packed()
    with crew_of(tasks) as hands:
        surveys = (number for work in works for number in work.surveys)
        start_next(surveys, hands)
        jobs = (job for work in works for job in work.jobs(hands, surveys))
        for made in in_order(jobs, 4 * grouping.SEGMENT_SIZE if budget is None else budget):
            result.add(made)
    return result
