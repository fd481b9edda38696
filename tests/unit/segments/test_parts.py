"""A part on its way: groups and large files become one stream, in one order, whoever makes them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.errors import FileChanged
from conda_pack.model import Entry, Form, Part
from conda_pack.segments.cutting import Buffers
from conda_pack.segments.parts import PartWork, Task
from conda_pack.segments.tar import Member, header
from tests.support import scripts
from tests.support.parts import (
    ENV,
    PART_TIME,
    PRESS,
    SMALL,
    Alone,
    AnyOrder,
    Folder,
    Packed,
    alone,
    any_order,
    finish,
    member_of,
    packed,
    part_of,
    real,
    segments_of,
)
from tests.support.properties import UNHURRIED

NEUTRAL = b"/run-conda-unpack-first"


def text(size: int, seed: int) -> bytes:
    """Printable, without the prefix."""
    return Random(seed).randbytes(size).hex().encode()[:size]


def with_prefix(size: int, seed: int) -> bytes:
    """A text that holds the prefix twice, and so is stored longer than it is."""
    return (ENV + b"\n" + ENV + b"\n" + text(size, seed))[:size]


def binary_with_prefix(size: int, seed: int) -> bytes:
    """Nothing that can be relocated: stored as it is, and noted."""
    return (b"\0" + ENV + b"\0" + Random(seed).randbytes(size))[:size]


#: What a file is: how it is packed, and what makes its content.
KINDS = {
    "plain": (Form.AS_IS, text),
    "searched": (Form.SEARCH, text),
    "text": (Form.SEARCH, with_prefix),
    "left": (Form.SEARCH, binary_with_prefix),
}


def stored(kind: str, data: bytes) -> bytes:
    return data.replace(ENV, NEUTRAL) if kind == "text" else data


Files = Sequence[tuple[str, int]]
"""Their kinds and sizes."""


def entries_of(folder: Folder, files: Files) -> list[tuple[Entry, bytes]]:
    """Files on disk, and the stored bytes that are to come of them."""
    found = []
    for number, (kind, size) in enumerate(files):
        form, content = KINDS[kind]
        data = content(size, number)
        found.append((folder.file(f"lib/{number}-{kind}", data, form), stored(kind, data)))
    return found


def check(result: Packed, files: Sequence[tuple[Entry, bytes]], parts: int = 1) -> None:
    """The stream is that of the members, and everything is told once, in their order."""
    assert b"".join(member_of(entry.path, data) for entry, data in files) == result.stream
    expected = [(entry.path, len(data)) for entry, data in files]
    assert expected == [(file.path, file.size) for file in result.files]
    assert sum(entry.size for entry, _ in files) == result.size_read
    assert [("left", entry.path) for entry, _ in files if entry.path.endswith("left")] == result.notes
    assert parts == len(result.ends)
    assert len(files) == sum(end.item.files for end in result.ends)


L, M, S = 3 * SMALL + 100, SMALL, SMALL // 3

SHAPES: dict[str, Files] = {
    "none": [],
    "one group": [("plain", S), ("searched", S // 2)],
    "one group with all kinds": [(kind, 200) for kind in KINDS],
    "several groups": [("plain", M), ("text", M), ("searched", M), ("left", S)],
    "one large": [("plain", L)],
    "one large, searched": [("searched", L)],
    "one large, of another length": [("text", L)],
    "one large, restored": [("left", L)],
    "groups around large ones": [
        *[("plain", S), ("plain", L), ("text", S)],
        *[("searched", L), ("text", L), ("left", L), ("left", 99)],
    ],
    "large ones alone": [
        ("left", L),
        ("left", L + 1),
        ("plain", SMALL + 1),
        ("plain", 2 * SMALL),
        ("text", L),
    ],
}

shapes = pytest.mark.parametrize("shape", list(SHAPES))


# ---------------------------------------------------------------------- shapes


@shapes
def test_shapes_of_parts(folder: Folder, small_segments: None, shape: str) -> None:
    """Of no group, one, several, and of groups around large files."""
    files = entries_of(folder, SHAPES[shape])
    part = part_of(*(entry for entry, _ in files))
    result = packed(folder.reader, [part], alone)
    check(result, files)
    assert {part.dist} >= {segment.part for segment in result.segments}
    assert {"files"} >= {segment.role for segment in result.segments}


def test_links_and_folders(folder: Folder, small_segments: None) -> None:
    """They have a member and an entry, and nothing to read."""
    link = Entry("lib/link", "link", 0o777, 0, 0, target="../x")
    directory = Entry("share", "directory", 0o755, 0, 0)
    result = packed(folder.reader, [part_of(link, directory)], alone)
    heads = [
        Member("root/lib/link", "link", 0o777, 0, PART_TIME, "../x"),
        Member("root/share", "directory", 0o755, 0, PART_TIME),
    ]
    assert b"".join(map(header, heads)) == result.stream
    assert [(file.path, file.type, file.target) for file in result.files] == [
        ("lib/link", "link", "../x"),
        ("share", "directory", None),
    ]
    assert result.size_read == 0


def test_a_part_of_one_group_is_one_task(folder: Folder, small_segments: None) -> None:
    """Whoever makes the group makes the part's end too: most packages are small."""
    files = entries_of(folder, SHAPES["one group"])
    tasks: list[Task] = []
    work = PartWork(part_of(*(e for e, _ in files)), folder.reader, PRESS, Buffers(), tasks, finish)
    hands = Alone(tasks)
    made = [job.result() for job in work.jobs(hands, iter(()))]
    assert (len(tasks), hands.log) == (1, [("start", 0), ("result", 0)])
    assert [segment.role for segment in made[0].segments] == ["files", "record"]
    assert (len(made), made[0].end is not None) == (1, True)


@settings(UNHURRIED, max_examples=60)
@given(
    shape=st.lists(
        st.tuples(
            st.sampled_from(list(KINDS)),
            st.sampled_from([100, S, M, SMALL + 1, 2 * SMALL, L]),
            st.booleans(),
        ),
        max_size=12,
    ),
    budget=st.integers(0, 9 * SMALL),
    random=st.randoms(use_true_random=False),
)
def test_parts_of_any_shape_in_any_order(
    same_folder: Folder, shape: list[tuple[str, int, bool]], budget: int, random: Random
) -> None:
    """Whatever the tasks' order, and however many are ahead: one stream, one record for each part."""
    with segments_of(SMALL):
        files = entries_of(same_folder, [(kind, size) for kind, size, _ in shape])
        parts: list[Part] = []
        entries: list[Entry] = []
        for (entry, _), (_, _, ends) in zip(files, shape, strict=True):
            entries.append(entry)
            if ends:
                parts.append(part_of(*entries))
                entries = []
        parts.append(part_of(*entries))
        result = packed(same_folder.reader, parts, any_order(random), budget)
        check(result, files, len(parts))
        assert result == packed(same_folder.reader, parts, alone)


def test_jobs_weigh_what_they_hold(folder: Folder, small_segments: None) -> None:
    """A group its files, at least a little; each stretch a segment; what this thread does, nothing."""
    files = entries_of(folder, [("plain", M), ("plain", M), ("plain", L), ("plain", 5)])
    tasks: list[Task] = []
    work = PartWork(part_of(*(e for e, _ in files)), folder.reader, PRESS, Buffers(), tasks, finish)
    least = 1 << 16
    expected = [least, least, *[SMALL] * 4, 0, least, 0]
    assert expected == [job.weight for job in work.jobs(Alone(tasks), iter(()))]
    with segments_of(4 * least):
        large = entries_of(folder, [("plain", 2 * least), ("plain", 3 * least)])
        work = PartWork(part_of(*(e for e, _ in large)), folder.reader, PRESS, Buffers(), [], finish)
        weights = [job.weight for job in work.jobs(Alone([]), iter(()))]
    assert sum(entry.size for entry, _ in large) == sum(weights)


# --------------------------------------------------------------------- surveys


def parts_with_surveys(folder: Folder) -> list[Part]:
    """Three parts of files that have to be looked through before anything can be done for them."""
    shape = [("left", L), ("plain", S), ("text", L), ("plain", L), ("searched", L), ("left", L)]
    files = [entry for entry, _ in entries_of(folder, shape)]
    return [part_of(*files[:3]), part_of(files[3]), part_of(*files[4:])]


@pytest.mark.parametrize("budget", [0, SMALL, 3 * SMALL, 100 * SMALL])
def test_surveys_are_started_one_ahead(folder: Folder, small_segments: None, budget: int) -> None:
    """The first at once, each other when the one before it is needed: one waits, and never two."""
    crews: list[Alone] = []
    surveys: list[int] = []
    reader = folder.reader
    parts = parts_with_surveys(folder)

    def watched(tasks: Sequence[Task]) -> nullcontext[Alone]:
        surveys.extend(n for n, task in enumerate(tasks) if getattr(task, "__name__", "") == "survey")
        crews.append(Alone(tasks))
        return nullcontext(crews[0])

    packed(reader, parts, watched, budget)
    assert set(surveys) == crews[0].long  # they read a file of any size
    plain = surveys.pop(2)  # which is part of the work like any other
    assert len(surveys) == 4
    log = [(what, number) for what, number in crews[0].log if number in surveys]
    first, second, third, fourth = surveys
    expected = [
        *[("start", first), ("result", first), ("start", second), ("result", second), ("start", third)],
        *[("result", third), ("start", fourth), ("result", fourth)],
    ]
    assert expected == log
    whole = crews[0].log
    assert whole[0] == ("start", first)
    for before, after in pairwise(surveys):
        assert whole.index(("start", after)) == whole.index(("result", before)) + 1
    assert whole.index(("result", plain)) > whole.index(("start", plain + 4))
    assert crews[0].unasked == set()


@shapes
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_begun_for_nothing(folder: Folder, small_segments: None, shape: str, seed: int) -> None:
    """Each task that is started is asked for its result, once, and no buffer is lost."""
    files = entries_of(folder, SHAPES[shape])
    crews: list[AnyOrder] = []

    def watched(tasks: Sequence[Task]) -> nullcontext[AnyOrder]:
        crews.append(AnyOrder(tasks, Random(seed)))
        return nullcontext(crews[0])

    check(packed(folder.reader, [part_of(*(entry for entry, _ in files))], watched), files)
    assert crews[0].unasked == set()


# ----------------------------------------------------------------------- crews


@shapes
@pytest.mark.parametrize("workers", [1, 4])
def test_threads_make_the_same(folder: Folder, small_segments: None, shape: str, workers: int) -> None:
    """Segments, entries, notes and sizes do not depend on who made them."""
    files = entries_of(folder, SHAPES[shape])
    parts = [part_of(*(entry for entry, _ in files))] * 3
    with scripts.one_more_thread():
        result = packed(folder.reader, parts, real(workers))
    check(result, files * 3, 3)
    assert result == packed(folder.reader, parts, alone)


@shapes
@pytest.mark.parametrize("workers", [2, 5])
def test_processes_make_the_same(folder: Folder, small_segments: None, shape: str, workers: int) -> None:
    """As ``test_threads_make_the_same``."""
    files = entries_of(folder, SHAPES[shape])
    parts = [part_of(*(entry for entry, _ in files))] * 3
    expected = packed(folder.reader, parts, alone)
    lines = scripts.output_of(f"""
        from tests.support.parts import *
        from tests.unit.segments.test_parts import *
        with segments_of(SMALL):
            folder = Folder(Path({str(folder.prefix)!r}))
            files = entries_of(folder, SHAPES[{shape!r}])
            parts = [part_of(*(entry for entry, _ in files))] * 3
            print(summary(packed(folder.reader, parts, real({workers}))), no_children())
    """)
    assert [f"{summary(expected)} no children"] == lines


def summary(result: Packed) -> str:
    """All that there is to compare, on one line."""
    segments = [replace(segment, compressed=segment.compressed.size) for segment in result.segments]  # type: ignore[arg-type]
    ends = [msgspec.json.encode(end) for end in result.ends]
    return repr((segments, result.stream, result.files, result.notes, result.size_read, ends))


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize("shape", [name for name, files in SHAPES.items() if files])
@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_a_file_that_is_gone(
    folder: Folder, small_segments: None, shape: str, which: int, workers: int
) -> None:
    """Wherever it lies in a part, whoever finds out: that is the error, and nothing comes after it."""
    files = entries_of(folder, SHAPES[shape])
    gone = folder.prefix / files[which][0].path
    gone.unlink()
    part = part_of(*(entry for entry, _ in files))
    with scripts.one_more_thread(), pytest.raises(FileChanged, match="vanished") as caught:
        packed(folder.reader, [part], real(workers) if workers else any_order(Random(0)))
    assert str(gone) in str(caught.value)


@pytest.mark.parametrize("shape", ["several groups", "groups around large ones", "large ones alone"])
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_file_that_is_gone_from_processes(
    folder: Folder, small_segments: None, shape: str, which: int
) -> None:
    """As ``test_a_file_that_is_gone``."""
    lines = scripts.output_of(f"""
        from tests.support.parts import *
        from tests.unit.segments.test_parts import *
        with segments_of(SMALL):
            folder = Folder(Path({str(folder.prefix)!r}))
            files = entries_of(folder, SHAPES[{shape!r}])
            gone = folder.prefix / files[{which}][0].path
            gone.unlink()
            try:
                packed(folder.reader, [part_of(*(entry for entry, _ in files))], real(3))
            except FileChanged as error:
                print(str(error).startswith(f"{{gone}} vanished"), no_children())
    """)
    assert lines == ["True no children"]
