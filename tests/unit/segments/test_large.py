"""Files of several segments: the same bytes in any order and by any crew; and nobody writes meanwhile.

Tried with segments of a few KiB: the borders are the same, and there are many more of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from conda_pack.errors import FileChanged
from conda_pack.model import DiskFile, Entry, Form, Note, Part, Record
from conda_pack.segments.crews import Crew
from conda_pack.segments.cutting import Buffers, Cutter
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.large import LargeFile, Survey
from conda_pack.segments.parts import Result, Task
from conda_pack.segments.schema import FileEntry, unpack_files
from conda_pack.segments.tar import BLOCK
from tests.support import scripts
from tests.support.parts import (
    ENV,
    LONG_AGO,
    PART_TIME,
    PRESS,
    RECORD,
    SMALL,
    Alone,
    CrewOf,
    Folder,
    Packed,
    alone,
    any_order,
    member_of,
    packed,
    part_of,
    real,
    segments_of,
    sha,
)
from tests.support.properties import UNHURRIED

REAL = SEGMENT_SIZE
NEUTRAL = b"/run-conda-unpack-first"
SAME_LENGTH = b"/opt/of-the-same-length"
"""A prefix for which nothing moves when the neutral one takes its place."""
assert len(SAME_LENGTH) == len(NEUTRAL)


@dataclass
class OnDisk:
    """A large file as it was planned."""

    folder: Folder
    entry: Entry
    data: bytes
    record: Record | None = None

    @property
    def part(self) -> Part:
        return part_of(self.entry, record=self.record)

    @property
    def path(self) -> Path:
        return self.folder.prefix / self.entry.path

    def begin(self) -> LargeFile:
        return LargeFile(self.folder.reader, self.part, self.entry)

    def survey(self) -> Survey:
        return self.begin().survey()

    def packed(self, crew_of: CrewOf = alone, budget: int | None = None) -> Packed:
        return packed(self.folder.reader, [self.part], crew_of, budget)


def written(
    folder: Folder, data: bytes, form: Form = Form.AS_IS, path: str = "lib/large", **facts: Any
) -> OnDisk:
    return OnDisk(folder, folder.file(path, data, form, **facts), data)


def one_file(result: Packed) -> FileEntry:
    (file,) = result.files
    return file


def places(size: int, segment: int, path: str = "lib/large") -> list[tuple[str | None, int]]:
    return [(path if at else None, at) for at in range(0, size, segment)]


def check_plain(on_disk: OnDisk, result: Packed, note: Note = "", segment: int = SMALL) -> None:
    """The stream is the file's own member, and the record tells of it as it is."""
    size = len(on_disk.data)
    assert member_of("lib/large", on_disk.data) == result.stream
    assert places(size, segment) == result.places
    assert [FileEntry("lib/large", mode=0o755, size=size, sha256=sha(on_disk.data))] == result.files
    assert ([(note, "lib/large")] if note else []) == result.notes
    assert size == result.size_read


def check_stored(on_disk: OnDisk, crew_of: CrewOf = alone) -> FileEntry:
    """The stream and the record are what a small file's would be."""
    reader, entry = on_disk.folder.reader, on_disk.entry
    part = on_disk.part
    stored = reader.stored(part, entry, on_disk.data)
    result = on_disk.packed(crew_of)
    mtime = reader.mtime(part, entry, stored.note)
    assert member_of(entry.path, stored.data, mtime) == result.stream
    assert places(len(stored.data), SMALL, entry.path) == result.places
    assert [reader.file_entry(part, entry, stored)] == result.files
    assert ([(stored.note, entry.path)] if stored.note else []) == result.notes
    assert len(on_disk.data) == result.size_read
    return one_file(result)


sizes = st.one_of(
    st.sampled_from([SMALL + 1, 2 * SMALL - 1, 2 * SMALL, 2 * SMALL + 1, 3 * SMALL + BLOCK, 9 * SMALL]),
    st.integers(SMALL + 1, 12 * SMALL),
)
forms = pytest.mark.parametrize("form", [Form.AS_IS, Form.SEARCH], ids=lambda form: form.value)


# ---------------------------------------------------------- stored as they are


@settings(UNHURRIED, max_examples=80)
@given(
    size=sizes,
    seed=st.integers(0, 9),
    form=st.sampled_from([Form.AS_IS, Form.SEARCH]),
    budget=st.integers(0, 14 * SMALL),
    random=st.randoms(use_true_random=False),
)
@example(size=2 * SMALL, seed=0, form=Form.AS_IS, budget=9 * SMALL, random=Random(1))
def test_any_order_gives_the_same(
    same_folder: Folder, size: int, seed: int, form: Form, budget: int, random: Random
) -> None:
    """The stream is the file's member, whatever order it was surveyed and its stretches made in."""
    data = Random(seed).randbytes(size)
    with segments_of(SMALL):
        on_disk = written(same_folder, data, form, sha256=sha(data))
        assert len(places(size, SMALL)) == on_disk.begin().stretches
        check_plain(on_disk, on_disk.packed(any_order(random), budget))


@forms
@pytest.mark.parametrize("seed", range(8))
def test_threads_give_the_same(folder: Folder, small_segments: None, seed: int, form: Form) -> None:
    """By several threads that lend each other their buffers: the stream and the digest are the file's."""
    random = Random(seed)
    data = random.randbytes(random.randint(20 * SMALL, 40 * SMALL))
    on_disk = written(folder, data, form, sha256=sha(data))
    with scripts.one_more_thread():
        check_plain(on_disk, on_disk.packed(real(6), 12 * SMALL))


@forms
def test_segments_of_their_real_size(folder: Folder, form: Form) -> None:
    """The same with a file of MiB."""
    data = Random(5).randbytes(2 * REAL + 5)
    on_disk = written(folder, data, form, sha256=sha(data))
    check_plain(on_disk, on_disk.packed(any_order(Random(1))), segment=REAL)


@pytest.mark.parametrize("size", [SMALL + 1, 2 * SMALL - 1, 2 * SMALL, 2 * SMALL + 1, 5 * SMALL])
def test_stretches(folder: Folder, small_segments: None, size: int) -> None:
    """Each but the last has a segment's worth of bytes, and all together the file's."""
    file = written(folder, bytes(size)).begin()
    found = [file.size_of(number) for number in range(file.stretches)]
    assert size == sum(found)
    assert {SMALL} == set(found[:-1])
    assert 0 < found[-1] <= SMALL


@forms
@pytest.mark.parametrize("piece", [BLOCK, SMALL, 1 << 20])
def test_the_survey_and_the_stretches_have_the_same_checksums(folder: Folder, form: Form, piece: int) -> None:
    """By whatever pieces the survey reads: they are how it is seen that both have read the same."""
    with segments_of(SMALL, piece):
        data = Random(1).randbytes(4 * SMALL + 7)
        file = written(folder, data, form).begin()
        survey = file.survey()
        found = []
        for number in (4, 0, 2, 1, 3):
            cutter = Cutter("a", PRESS, Buffers().lend())
            found.append((number, file.add(number, cutter)))
    assert ("plain", list(survey.checksums)) == (survey.form, [checksum for _, checksum in sorted(found)])
    assert len(set(survey.checksums)) == 5
    (entry,) = unpack_files(survey.files)
    assert (sha(data), len(data)) == (entry.sha256, entry.size)


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({}, ""),
        ({"sha256": None}, ""),
        ({"sha256": "same"}, ""),
        ({"sha256": "0" * 64, "sha256_in_prefix": "same"}, ""),
        ({"sha256": "0" * 64}, "modified"),
        ({"sha256": "0" * 64, "sha256_in_prefix": "1" * 64}, "modified"),
    ],
)
@forms
def test_what_its_package_says(
    folder: Folder, small_segments: None, facts: dict[str, Any], note: Note, form: Form
) -> None:
    """A file with another digest than its package tells of is noted, and stored as it is."""
    data = Random(1).randbytes(3 * SMALL)
    told: dict[str, Any] = {key: sha(data) if value == "same" else value for key, value in facts.items()}
    on_disk = written(folder, data, form, **told)
    check_plain(on_disk, on_disk.packed(), note)


def test_a_file_that_another_package_owns_too(folder: Folder, small_segments: None) -> None:
    """It is not modified where its bytes are those of the other."""
    data = Random(1).randbytes(3 * SMALL)
    on_disk = written(folder, data, sha256="0" * 64)
    on_disk.entry = replace(on_disk.entry, accepted=(sha(data),))
    check_plain(on_disk, on_disk.packed())


# ----------------------------------------------------- stored in another form


RANDOM = [any_order(Random(seed)) for seed in range(3)]
crews = pytest.mark.parametrize("crew_of", [alone, *RANDOM, real(4)], ids=["alone", "0", "1", "2", "threads"])


@pytest.fixture
def threads() -> Iterator[None]:
    with scripts.one_more_thread():
        yield


@crews
@pytest.mark.parametrize("count", [1, 30, 600])
def test_anybodys_text_grows(
    folder: Folder, small_segments: None, threads: None, count: int, crew_of: CrewOf
) -> None:
    """A text with the prefix is stored with a longer stand-in; there may be a segment more of it."""
    lines = b"".join(b"see: " + ENV + b"/%d\n" % number for number in range(count))
    data = lines[: 4 * SMALL - 1].ljust(4 * SMALL, b"\n")
    on_disk = written(folder, data, Form.SEARCH)
    assert on_disk.survey().form == "other"
    file = check_stored(on_disk, crew_of)
    assert file.size > len(data)
    assert file.offsets is not None


@crews
@pytest.mark.parametrize("longest", [SMALL - 9, SMALL, SMALL + 1, 3 * SMALL], ids=str)
def test_a_packages_text_shrinks(
    folder: Folder, small_segments: None, threads: None, longest: int, crew_of: CrewOf
) -> None:
    """A text is stored as its package shipped it, which may be fewer segments than it was installed with."""
    reader_prefix = b"/x"
    pristine = (reader_prefix + b"\n") * 9 + b"." * (longest - 27)
    installed = pristine.replace(reader_prefix, ENV).ljust(4 * SMALL, b".")
    pristine += installed[len(pristine.replace(reader_prefix, ENV)) :]
    file = check_stored(package_text(folder, pristine, installed), crew_of)
    assert (sha(pristine), "/x") == (file.sha256, file.prefix_placeholder)


def package_text(folder: Folder, pristine: bytes, installed: bytes, placeholder: str = "/x") -> OnDisk:
    return written(
        folder,
        installed,
        Form.RESTORE,
        sha256=sha(pristine),
        sha256_in_prefix=sha(installed),
        placeholder=placeholder,
        file_mode="text",
    )


@crews
def test_a_package_text_of_one_segment(
    folder: Folder, small_segments: None, threads: None, crew_of: CrewOf
) -> None:
    """Installed with several segments, shipped with less than one."""
    pristine = b"/x\n" * (SMALL // 4)
    installed = pristine.replace(b"/x", ENV)
    assert len(pristine) < SMALL < 3 * SMALL < len(installed)
    assert sha(pristine) == check_stored(package_text(folder, pristine, installed), crew_of).sha256


@crews
@pytest.mark.parametrize("size", [SMALL + 1, 3 * SMALL, 3 * SMALL + 100])
def test_a_text_of_the_same_length(
    tmp_path: Path, small_segments: None, threads: None, size: int, crew_of: CrewOf
) -> None:
    """Where nothing moves, the stretches are made one by one from what the survey has restored."""
    folder = Folder(tmp_path, (SAME_LENGTH,))
    data = (SAME_LENGTH + b"/bin\n") * (size // 20)
    for on_disk in (
        written(folder, data[:size], Form.SEARCH),
        package_text(folder, data[:size].replace(SAME_LENGTH, b"/" * 23), data[:size], "/" * 23),
    ):
        assert on_disk.survey().form == "restored"
        file = check_stored(on_disk, crew_of)
        assert (size, False) == (file.size, file.offsets is None)


@crews
def test_a_package_binary(folder: Folder, small_segments: None, threads: None, crew_of: CrewOf) -> None:
    """Its placeholder is as long as the place that the prefix was given."""
    placeholder = "/placeholder" * 10
    pristine = (b"\0\1" + placeholder.encode() + b"/lib\0").ljust(300, b"\2") * (SMALL // 80)
    installed = pristine.replace(
        placeholder.encode() + b"/lib\0", (ENV + b"/lib\0").ljust(len(placeholder) + 5, b"\0")
    )
    facts = {"sha256": sha(pristine), "placeholder": placeholder, "file_mode": "binary"}
    on_disk = written(folder, installed, Form.RESTORE, **facts)
    assert on_disk.survey().form == "restored"
    assert sha(pristine) == check_stored(on_disk, crew_of).sha256


@crews
def test_a_binary_that_must_not_be_touched(
    folder: Folder, small_segments: None, threads: None, crew_of: CrewOf
) -> None:
    """It holds the prefix in no place that we know of: noted, and stored as it is."""
    data = (b"\0" + ENV).ljust(3 * SMALL + 5, b"\1")
    on_disk = written(folder, data, Form.SEARCH)
    assert on_disk.survey().form == "restored"
    check_stored(on_disk, crew_of)
    check_plain(on_disk, on_disk.packed(crew_of), "left")


@crews
def test_bytecode(folder: Folder, small_segments: None, threads: None, crew_of: CrewOf) -> None:
    """The time of the source in it becomes that which the source has in the archive, in the first stretch."""
    stale = bytes(8) + (5).to_bytes(4, "little") + (9).to_bytes(4, "little")
    on_disk = written(folder, stale + Random(0).randbytes(3 * SMALL), Form.BYTECODE, "lib/large.pyc")
    source = DiskFile("lib/large.py", "file", 0o644, 9, 5)
    on_disk.entry = replace(on_disk.entry, source=source, source_mtime=123456)
    assert on_disk.survey().form == "restored"
    check_stored(on_disk, crew_of)
    assert on_disk.data != on_disk.folder.reader.stored(on_disk.part, on_disk.entry, on_disk.data).data


@pytest.mark.parametrize("shift", [-len(ENV), 1 - len(ENV), -5, -1, 0])
@pytest.mark.parametrize("border", [1, 2])
@pytest.mark.parametrize("piece", [16, BLOCK, SMALL, 1 << 20])
def test_a_prefix_across_a_border_is_found(folder: Folder, border: int, shift: int, piece: int) -> None:
    """Wherever it lies, also where one stretch or piece of the file ends and the next begins."""
    data = bytearray(b" " * (3 * SMALL))
    place = border * SMALL + shift
    data[place : place + len(ENV)] = ENV
    with segments_of(SMALL, piece):
        file = check_stored(written(folder, bytes(data), Form.SEARCH), RANDOM[0])
    assert file.offsets is not None
    assert [place] == [group.ranges[0] for group in file.offsets]


@pytest.mark.parametrize("place", [0, 1, SMALL // 2, 3 * SMALL - len(ENV)])
def test_a_prefix_anywhere_is_found(folder: Folder, small_segments: None, place: int) -> None:
    """At the very beginning and at the very end, too."""
    data = bytearray(b" " * (3 * SMALL))
    data[place : place + len(ENV)] = ENV
    assert written(folder, bytes(data), Form.SEARCH).survey().form == "other"


def test_any_of_the_prefixes_is_found(tmp_path: Path, small_segments: None) -> None:
    """An environment may be known by several names, of different lengths."""
    folder = Folder(tmp_path, (ENV, b"/e", b"/mnt/a/longer/name/of/the/environment"))
    for prefix in folder.prefixes:
        for place in (0, SMALL - 1, 2 * SMALL - len(prefix) + 1):
            data = bytearray(b" " * (3 * SMALL))
            data[place : place + len(prefix)] = prefix
            assert written(folder, bytes(data), Form.SEARCH).survey().form == "other"
    assert written(folder, b" " * 3 * SMALL, Form.SEARCH).survey().form == "plain"


@crews
def test_anybodys_file_without_the_prefix(
    folder: Folder, small_segments: None, threads: None, crew_of: CrewOf
) -> None:
    """Nearly the prefix is not it: the file is stored as it is."""
    on_disk = written(folder, (ENV[:-1] + b"\n") * SMALL, Form.SEARCH)
    assert on_disk.survey().form == "plain"
    assert None is check_stored(on_disk, crew_of).offsets
    check_plain(on_disk, on_disk.packed(crew_of))


@forms
def test_a_modified_file_that_names_the_prefix(folder: Folder, small_segments: None, form: Form) -> None:
    """It is stored in the same form, whether it is larger than a segment or not: its size shows the edit."""
    data = (b"at " + ENV + b"\n").ljust(3 * SMALL, b".")
    modified = written(folder, data, form, sha256="0" * 64, size=3 * SMALL - 1)
    assert None is not check_stored(modified).offsets


def test_a_package_file_that_names_the_prefix(folder: Folder, small_segments: None) -> None:
    """It is none of ours where its package says that it is as it shipped it."""
    data = (b"at " + ENV + b"\n").ljust(3 * SMALL, b".")
    on_disk = written(folder, data, sha256=sha(data), size=len(data))
    check_plain(on_disk, on_disk.packed())


# ------------------------------------------------------------- Python's sources


EDITED = {"sha256": "0" * 64}
SOURCES: dict[str, tuple[Form, bytes, dict[str, Any]]] = {
    "plain": (Form.AS_IS, b"# nothing\n", {}),
    "of a package": (Form.AS_IS, b"# nothing\n", {"sha256": None, "size": 3 * SMALL}),
    "of a package, names the prefix": (Form.AS_IS, ENV, {"sha256": None, "size": 3 * SMALL}),
    "searched": (Form.SEARCH, b"# nothing\n", {}),
    "grows": (Form.SEARCH, ENV + b"\n", {}),
    "same length": (Form.SEARCH, SAME_LENGTH + b"\n", {}),
    "modified, same size": (Form.AS_IS, b"# edited\n", {**EDITED, "size": 3 * SMALL}),
    "modified, other size": (Form.AS_IS, b"# edited\n", {**EDITED, "size": 7}),
    "modified, no known size": (Form.AS_IS, b"# edited\n", EDITED),
    "modified, grows": (Form.AS_IS, ENV + b"\n", {**EDITED, "size": 7}),
    "modified, same length": (Form.AS_IS, SAME_LENGTH + b"\n", {**EDITED, "size": 7}),
}


@pytest.mark.parametrize("owner", ["nobody", "nobody, compiled", "package", "package, compiled"])
@pytest.mark.parametrize("kind", list(SOURCES))
def test_a_source(tmp_path: Path, small_segments: None, threads: None, kind: str, owner: str) -> None:
    """Its time is what a small source's would be: its own if it was modified, or stale bytecode fits it."""
    form, text, facts = SOURCES[kind]
    on_disk = written(
        Folder(tmp_path, (ENV, SAME_LENGTH)), text.ljust(3 * SMALL, b"#"), form, "lib/large.py", **facts
    )
    compiled_for = 54321
    pyc = bytes(8) + compiled_for.to_bytes(4, "little") + (3 * SMALL).to_bytes(4, "little")
    (tmp_path / "lib/large.pyc").write_bytes(pyc)
    if owner.startswith("package"):
        on_disk.record = RECORD
    if owner.endswith("compiled"):
        on_disk.entry = replace(on_disk.entry, bytecode="lib/large.pyc")
    if "modified" in kind or owner == "nobody, compiled":
        mtime = LONG_AGO
    else:
        mtime = compiled_for if owner == "package, compiled" else PART_TIME
    for crew_of in (alone, *RANDOM, real(4)):
        check_stored(on_disk, crew_of)
        stored = on_disk.folder.reader.stored(on_disk.part, on_disk.entry, on_disk.data)
        assert member_of("lib/large.py", stored.data, mtime) == on_disk.packed(crew_of).stream


# ------------------------------------------------------------ somebody writes


def times_kept(change: Callable[[Path], None]) -> Callable[[Path], None]:
    """The change, and the time of the file set back."""

    def secretly(path: Path) -> None:
        before = path.stat()
        change(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    secretly.__name__ = f"{change.__name__}_secretly"
    return secretly


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"other")


def touch(path: Path) -> None:
    os.utime(path, (LONG_AGO + 5, LONG_AGO + 5))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


Change = Callable[[Path], None]
shrink_secretly, grow_secretly, rewrite_secretly = map(times_kept, (shrink, grow, rewrite))
CHANGES: list[Change] = [shrink, grow, rewrite, touch, replaced, remove, make_folder]
SECRET: list[Change] = [shrink_secretly, grow_secretly, rewrite_secretly]
changes = pytest.mark.parametrize("change", CHANGES + SECRET, ids=lambda change: change.__name__)

#: How a file is packed, and what makes it so.
WAYS: dict[str, Callable[[Folder], OnDisk]] = {
    "plain": lambda folder: written(folder, Random(0).randbytes(4 * SMALL)),
    "searched": lambda folder: written(folder, Random(0).randbytes(4 * SMALL), Form.SEARCH),
    "restored": lambda folder: written(folder, (b"\0" + ENV).ljust(4 * SMALL, b"\1"), Form.SEARCH),
    "other": lambda folder: written(folder, ENV.ljust(4 * SMALL, b"\n"), Form.SEARCH),
    "package": lambda folder: package_text(
        folder, b"/x".ljust(4 * SMALL, b"."), ENV.ljust(4 * SMALL + 18, b".")
    ),
}
FORM_OF = {"searched": "plain", "package": "other"}
ways = pytest.mark.parametrize("way", list(WAYS))


class Split(Alone):
    """Does some tasks, has somebody change the file, and does the others."""

    def __init__(self, tasks: Sequence[Task], before: set[int], change: Callable[[], None]) -> None:
        super().__init__(tasks)
        self._early = {number: tasks[number]() for number in sorted(before)}
        change()

    def _done(self, number: int) -> Result:
        return self._early[number] if number in self._early else super()._done(number)


def splitting(before: set[int], change: Change, path: Path) -> CrewOf:
    def crew_of(tasks: Sequence[Task]) -> AbstractContextManager[Crew[Result]]:
        return nullcontext(Split(tasks, before, lambda: change(path)))

    return crew_of


SURVEY, STRETCHES = 0, (1, 2, 3, 4)
"""The numbers of a file's tasks."""


def refused(on_disk: OnDisk, change: Change, crew_of: CrewOf) -> str:
    """That the file is not packed; returns why."""
    with pytest.raises(FileChanged) as caught:
        on_disk.packed(crew_of)
    text = str(caught.value)
    assert text.startswith(f"{on_disk.path} ")
    assert "Nothing was written" in text
    if change is remove:
        assert " vanished while the environment was packed" in text
    elif change is make_folder:
        assert " changed while " in text or " cannot be read: Is a directory" in text
    else:
        assert " changed while the environment was packed" in text
    return text


@ways
def test_nothing_changes(folder: Folder, small_segments: None, way: str) -> None:
    """What the tests below change is packed in the ways that they say."""
    on_disk = WAYS[way](folder)
    assert FORM_OF.get(way, way) == on_disk.survey().form
    assert (way == "plain") == on_disk.begin().is_plain
    check_stored(on_disk)


@ways
@pytest.mark.parametrize(
    "change", [shrink, grow, remove, make_folder, shrink_secretly, grow_secretly], ids=lambda c: c.__name__
)
def test_a_file_changes_before(folder: Folder, small_segments: None, change: Change, way: str) -> None:
    """A file that is not as long any more as it was planned is refused."""
    on_disk = WAYS[way](folder)
    refused(on_disk, change, splitting(set(), change, on_disk.path))


@ways
@pytest.mark.parametrize("when", ["begun", "read"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_changes_while_it_is_surveyed(
    folder: Folder, small_segments: None, change: Change, way: str, when: str
) -> None:
    """Somebody who writes just then is seen by the file's time."""
    on_disk = WAYS[way](folder)

    class Watched(LargeFile):
        def _read_through(self) -> Survey | None:
            if when == "begun":
                change(on_disk.path)
            found = super()._read_through()
            if when == "read" and found is not None:
                change(on_disk.path)
            return found

        def _restore(self) -> Survey:
            found = super()._restore()
            if when == "read":
                change(on_disk.path)
            return found

    file = Watched(on_disk.folder.reader, on_disk.part, on_disk.entry)
    expected = "vanished" if change is remove else "changed|Is a directory"
    with pytest.raises(FileChanged, match=expected):
        file.survey()


@changes
@pytest.mark.parametrize("stretches", [(), (1,), (1, 2), (4,), (1, 2, 3, 4)], ids=str)
def test_a_plain_file_changes_before_its_survey(
    folder: Folder, small_segments: None, change: Change, stretches: tuple[int, ...]
) -> None:
    """After some stretches were made: it is refused, or it is the same bytes that both have seen."""
    on_disk = WAYS["plain"](folder)
    crew_of = splitting({*stretches}, change, on_disk.path)
    if change in (touch, replaced):
        check_plain(on_disk, on_disk.packed(crew_of))
    elif change in (rewrite, rewrite_secretly) and 4 not in stretches:
        result = on_disk.packed(crew_of)  # as it was from then on, in every stretch
        check_plain(OnDisk(folder, on_disk.entry, on_disk.path.read_bytes()), result)
    else:
        refused(on_disk, change, crew_of)


@changes
@pytest.mark.parametrize("way", ["plain", "searched"])
@pytest.mark.parametrize("stretches", [(), (1,), (1, 2, 3), (1, 2, 3, 4)], ids=str)
def test_a_file_changes_after_its_survey(
    folder: Folder, small_segments: None, change: Change, stretches: tuple[int, ...], way: str
) -> None:
    """Before all of its stretches are made: it is refused, or it is what was surveyed that is packed."""
    on_disk = WAYS[way](folder)
    crew_of = splitting({SURVEY, *stretches}, change, on_disk.path)
    if 4 in stretches or change in (touch, replaced):
        check_plain(on_disk, on_disk.packed(crew_of))
    else:
        refused(on_disk, change, crew_of)


@pytest.mark.parametrize(
    "before", [set(some) for n in range(6) for some in combinations(range(5), n)], ids=str
)
def test_a_byte_changes_at_any_time(folder: Folder, small_segments: None, before: set[int]) -> None:
    """With its time set back: the survey and the stretch must both have seen it, or neither, whatever the
    order that they came in.
    """
    on_disk = WAYS["plain"](folder)
    stretch = 2

    def flip(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek((stretch - 1) * SMALL + 77)
            byte = on_disk.data[(stretch - 1) * SMALL + 77]
            file.write(bytes([byte ^ 1]))

    change = times_kept(flip)
    crew_of = splitting(before, change, on_disk.path)
    if (SURVEY in before) != (stretch in before):
        refused(on_disk, change, crew_of)
    else:
        result = on_disk.packed(crew_of)
        seen = on_disk.data if stretch in before else on_disk.path.read_bytes()
        check_plain(OnDisk(folder, on_disk.entry, seen), result)


@changes
def test_a_restored_file_changes_after_its_survey(
    folder: Folder, small_segments: None, change: Change
) -> None:
    """That is no matter: what was surveyed is in memory, and is packed."""
    on_disk = WAYS["restored"](folder)
    check_plain(on_disk, on_disk.packed(splitting({SURVEY}, change, on_disk.path)), "left")


@changes
@pytest.mark.parametrize("way", ["other", "package"])
def test_a_file_of_other_length_changes_after_its_survey(
    folder: Folder, small_segments: None, change: Change, way: str
) -> None:
    """It is read once more, and refused unless its bytes are the same."""
    on_disk = WAYS[way](folder)
    expected = on_disk.packed()
    crew_of = splitting({SURVEY}, change, on_disk.path)
    if change in (touch, replaced):
        try:
            result = on_disk.packed(crew_of)
        except FileChanged:
            return  # as good
        assert expected == result
    else:
        refused(on_disk, change, crew_of)


@ways
@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("change", CHANGES + SECRET, ids=lambda change: change.__name__)
def test_a_file_changes_among_threads(
    folder: Folder, small_segments: None, threads: None, change: Change, workers: int, way: str
) -> None:
    """Whoever comes first: either it is refused, or some state that it was in is packed, whole."""
    on_disk = WAYS[way](folder)
    states = [on_disk.data]
    expected = [on_disk.packed()]

    def changing(tasks: Sequence[Task]) -> AbstractContextManager[Crew[Result]]:
        first, *rest = tasks

        def changed_first() -> Result:
            change(on_disk.path)
            return first()

        return real(workers)([changed_first, *rest])

    try:
        found = on_disk.packed(changing)
    except FileChanged:
        return
    if found not in expected:
        states.append(on_disk.path.read_bytes())
        again = OnDisk(folder, on_disk.entry, states[-1])
        assert again.packed() == found


@pytest.mark.parametrize("way", ["plain", "searched"])
def test_nothing_of_the_buffer_is_packed(folder: Folder, small_segments: None, way: str) -> None:
    """Where a file is shorter now, what lies in the buffer is not taken for its end, even if it fits."""
    form = Form.AS_IS if way == "plain" else Form.SEARCH
    on_disk = written(folder, bytes(4 * SMALL), form)
    refused(on_disk, shrink_secretly, splitting({SURVEY}, shrink_secretly, on_disk.path))


def test_a_file_that_nobody_may_read(folder: Folder, small_segments: None) -> None:
    """What cannot be read is told of as such, by whoever comes to it, and not with a trace."""
    on_disk = WAYS["plain"](folder)
    for before in ({SURVEY}, {SURVEY, 1, 2, 3}):
        text = refused(on_disk, make_folder, splitting(before, make_folder, on_disk.path))
        assert "cannot be read: Is a directory" in text
        on_disk.path.rmdir()
        on_disk = WAYS["plain"](folder)


@ways
def test_a_file_that_leads_nowhere(folder: Folder, small_segments: None, way: str) -> None:
    """Nor can its time be had."""
    on_disk = WAYS[way](folder)
    on_disk.path.unlink()
    on_disk.path.symlink_to(on_disk.path)
    with pytest.raises(FileChanged, match="cannot be read: Too many levels of symbolic links"):
        on_disk.packed()


# ----------------------------------------------------------------- many orders


@settings(UNHURRIED, max_examples=60)
@given(
    way=st.sampled_from(list(WAYS)),
    budget=st.integers(0, 9 * SMALL),
    random=st.randoms(use_true_random=False),
)
def test_any_order_of_every_way(same_folder: Folder, way: str, budget: int, random: Random) -> None:
    """Segments, entries and notes do not depend on the order of tasks, nor on how many are ahead."""
    with segments_of(SMALL):
        on_disk = WAYS[way](same_folder)
        assert on_disk.packed(alone, 0) == on_disk.packed(any_order(random), budget)
