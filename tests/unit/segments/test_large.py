"""Files of several segments: the same bytes in any order and by any threads; and nobody writes meanwhile.

Tried with segments of a few KiB: the borders are the same, and there are many more of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conda_pack.errors import FileChanged
from conda_pack.model import Claim, Entry, Environment, Form, Note, Part, Plan, Platform
from conda_pack.relocation.store import Relocator
from conda_pack.segments import cutting, large
from conda_pack.segments.codecs import CODECS
from conda_pack.segments.cutting import Buffers, Cutter, Press, Segment
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.large import LargeFile
from conda_pack.segments.reading import FileReader
from conda_pack.segments.schema import FileEntry
from conda_pack.segments.tar import BLOCK, Member, header, padding

#: Properties are never tried by the clock.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

SMALL = 8 * BLOCK
REAL = SEGMENT_SIZE
PRESS = Press(CODECS["none"], 0)
ENV = b"/opt/the environment"
PLACEHOLDER = "/placeholder" * 10
PART = Part("a-1-0", "conda-meta/conda-pack/a-1-0.json", None, (), (), 777)
LONG_AGO = 1_000_000_000
"""When files were last written to: any change shows, however coarse the clock of the file system."""

#: What one task brings: its segments, and at the end of the file what the record says.
Brought = tuple[list[Segment], tuple[FileEntry, Note] | None]


@contextmanager
def segments_of(size: int) -> Iterator[None]:
    """Segments of another size for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "SEGMENT_SIZE", size)
        patch.setattr(cutting, "SEGMENT_SIZE", size)
        patch.setattr(cutting, "_LONGEST", size + size // 4)
        patch.setattr(cutting, "_ROOM", size + size // 4 + size + 4 * BLOCK)
        yield


@pytest.fixture
def small_segments() -> Iterator[None]:
    with segments_of(SMALL):
        yield


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("large")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reader_of(prefix: Path) -> FileReader:
    environment = Environment(
        prefix=str(prefix),
        prefixes=(ENV,),
        platform=Platform("linux-64"),
        site_packages=None,
        records=(),
        files={},
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )
    plan = Plan(environment, None, "root", (), (PART,), 0, ())
    return FileReader(plan, Relocator((ENV,), environment.platform))


@dataclass
class OnDisk:
    """A large file as it was planned."""

    prefix: Path
    entry: Entry
    data: bytes

    @property
    def path(self) -> Path:
        return self.prefix / self.entry.path

    def begin(self) -> LargeFile:
        return LargeFile(reader_of(self.prefix), PART, self.entry)


def written(prefix: Path, data: bytes, form: Form = Form.AS_IS, **facts: Any) -> OnDisk:
    (prefix / "lib").mkdir(exist_ok=True)
    path = prefix / "lib" / "large"
    path.write_bytes(data)
    os.utime(path, (LONG_AGO, LONG_AGO))
    claim = Claim(path="lib/large", index=0, path_type="hardlink", **facts) if facts else None
    entry = Entry("lib/large", "file", 0o755, len(data), LONG_AGO, form, claim=claim)
    return OnDisk(prefix, entry, data)


def make(file: LargeFile, number: int, buffers: Buffers) -> Brought:
    """One task, as PartWork does it."""
    cutter = Cutter(PART.dist, PRESS, buffers.lend())
    reusable, completed = file.add(number, cutter)
    if reusable:
        buffers.give_back(cutter.buffer)
    return cutter.segments, completed


def made(on_disk: OnDisk, order: Sequence[int] | None = None, threads: int = 0) -> list[Brought]:
    """What all tasks bring, in the order of the stream; they are begun in ``order``."""
    file, buffers = on_disk.begin(), Buffers()
    numbers = range(file.stretches) if order is None else order
    if not threads:
        found = {number: make(file, number, buffers) for number in numbers}
    else:
        with ThreadPoolExecutor(threads) as pool:
            futures = {number: pool.submit(make, file, number, buffers) for number in numbers}
        found = {number: future.result() for number, future in futures.items()}
    return [found[number] for number in sorted(found)]


def stream_of(brought: list[Brought]) -> bytes:
    return b"".join(segment.compressed.data for segments, _ in brought for segment in segments)


def places_of(brought: list[Brought]) -> list[tuple[str | None, int]]:
    return [(segment.continues, segment.at) for segments, _ in brought for segment in segments]


def end_of(brought: list[Brought]) -> tuple[FileEntry, Note]:
    """What the one task said that completed the file."""
    (end,) = [completed for _, completed in brought if completed is not None]
    return end


def member_of(data: bytes) -> bytes:
    head = header(Member("root/lib/large", "file", 0o755, len(data), PART.mtime))
    return head + data + padding(len(data))


def places(size: int, segment: int) -> list[tuple[str | None, int]]:
    return [("lib/large" if at else None, at) for at in range(0, size, segment)]


sizes = st.one_of(
    st.sampled_from([SMALL + 1, 2 * SMALL - 1, 2 * SMALL, 2 * SMALL + 1, 3 * SMALL + BLOCK, 9 * SMALL]),
    st.integers(SMALL + 1, 12 * SMALL),
)


# ---------------------------------------------------------- stored as they are


@settings(UNHURRIED, max_examples=60)
@given(size=sizes, seed=st.integers(0, 9), shuffled=st.randoms(use_true_random=False))
@example(size=2 * SMALL, seed=0, shuffled=Random(1))
def test_any_order_gives_the_same(prefix: Path, size: int, seed: int, shuffled: Random) -> None:
    """The stream is the file's member, whatever order its stretches were made in."""
    data = Random(seed).randbytes(size)
    with segments_of(SMALL):
        on_disk = written(prefix, data, sha256=sha(data))
        order = list(range(on_disk.begin().stretches))
        assert places(size, SMALL) == [("lib/large" if n else None, n * SMALL) for n in order]
        shuffled.shuffle(order)
        brought = made(on_disk, order)
    assert member_of(data) == stream_of(brought)
    assert places(size, SMALL) == places_of(brought)
    assert (FileEntry("lib/large", mode=0o755, size=size, sha256=sha(data)), "") == end_of(brought)


@pytest.mark.parametrize("seed", range(15))
def test_threads_give_the_same(prefix: Path, small_segments: None, seed: int) -> None:
    """By several threads that lend each other their buffers: the stream and the digest are the file's."""
    random = Random(seed)
    data = random.randbytes(random.randint(20 * SMALL, 40 * SMALL))
    on_disk = written(prefix, data, sha256=sha(data))
    order = list(range(on_disk.begin().stretches))
    random.shuffle(order)
    brought = made(on_disk, order, threads=6)
    assert member_of(data) == stream_of(brought)
    assert places(len(data), SMALL) == places_of(brought)
    assert (sha(data), "") == (end_of(brought)[0].sha256, end_of(brought)[1])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]], ids=str)
def test_segments_of_their_real_size(prefix: Path, order: list[int]) -> None:
    """The same with a file of MiB."""
    data = Random(5).randbytes(2 * REAL + 5)
    brought = made(written(prefix, data, sha256=sha(data)), order)
    assert member_of(data) == stream_of(brought)
    assert places(len(data), REAL) == places_of(brought)
    assert (sha(data), "") == (end_of(brought)[0].sha256, end_of(brought)[1])


def test_the_last_to_end_tells_of_it(prefix: Path, small_segments: None) -> None:
    """One task completes the file: the one whose stretch lets all the others be hashed."""
    on_disk = written(prefix, bytes(4 * SMALL))
    ends = [completed is not None for _, completed in made(on_disk, [3, 1, 2, 0])]
    assert ends == [True, False, False, False]
    ends = [completed is not None for _, completed in made(on_disk, [0, 2, 1, 3])]
    assert ends == [False, False, False, True]


def test_a_stretch_that_waits_keeps_its_buffer(prefix: Path, small_segments: None) -> None:
    """Its bytes are still to be hashed, so nobody else may write into it."""
    file, buffers = written(prefix, Random(0).randbytes(3 * SMALL)).begin(), Buffers()
    reusable = []
    for number in (2, 0, 1):
        reusable.append(file.add(number, Cutter(PART.dist, PRESS, buffers.lend()))[0])
    assert reusable == [False, True, True]


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
def test_what_its_package_says(prefix: Path, small_segments: None, facts: dict[str, Any], note: Note) -> None:
    """A file with another digest than its package tells of is noted, and stored as it is."""
    data = Random(1).randbytes(3 * SMALL)
    told: dict[str, Any] = {key: sha(data) if value == "same" else value for key, value in facts.items()}
    brought = made(written(prefix, data, **told))
    assert (sha(data), note) == (end_of(brought)[0].sha256, end_of(brought)[1])
    assert member_of(data) == stream_of(brought)


# ----------------------------------------------------- stored in another form


def check_stored(on_disk: OnDisk, order: Sequence[int] | None, threads: int) -> FileEntry:
    reader = reader_of(on_disk.prefix)
    stored = reader.relocator.store(on_disk.entry, on_disk.data)
    brought = made(on_disk, order, threads)
    assert member_of(stored.data) == stream_of(brought)
    assert places(len(stored.data), SMALL) == places_of(brought)
    file, note = end_of(brought)
    assert (stored.sha256, len(stored.data), stored.note) == (file.sha256, file.size, note)
    return file


@pytest.mark.parametrize("threads", [0, 4])
@pytest.mark.parametrize("count", [1, 30, 600])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]], ids=str)
def test_anybodys_text_grows(
    prefix: Path, small_segments: None, order: list[int], count: int, threads: int
) -> None:
    """A text with the prefix is stored with a longer stand-in; the last stretch takes what is more."""
    lines = b"".join(b"see: " + ENV + b"/%d\n" % number for number in range(count))
    data = lines[: 4 * SMALL - 1].ljust(4 * SMALL, b"\n")
    file = check_stored(written(prefix, data, Form.SEARCH), order, threads)
    assert file.size > len(data)
    assert file.offsets is not None


@pytest.mark.parametrize("threads", [0, 4])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]], ids=str)
@pytest.mark.parametrize("longest", [SMALL - 9, SMALL, SMALL + 1, 3 * SMALL], ids=str)
def test_a_packages_text_shrinks(
    prefix: Path, small_segments: None, order: list[int], longest: int, threads: int
) -> None:
    """A text is stored as its package shipped it, which may be fewer segments than it was installed with."""
    reader_prefix = b"/x"
    pristine = (reader_prefix + b"\n") * 9 + b"." * (longest - 27)
    installed = pristine.replace(reader_prefix, ENV).ljust(4 * SMALL, b".")
    pristine += installed[len(pristine.replace(reader_prefix, ENV)) :]
    on_disk = written(
        prefix,
        installed,
        Form.RESTORE,
        sha256=sha(pristine),
        sha256_in_prefix=sha(installed),
        placeholder="/x",
        file_mode="text",
    )
    file = check_stored(on_disk, order, threads)
    assert (sha(pristine), "/x") == (file.sha256, file.prefix_placeholder)


def test_a_package_text_of_one_segment(prefix: Path, small_segments: None) -> None:
    """Installed with several segments, shipped with less than one: the other tasks have nothing to do."""
    pristine = b"/x\n" * (SMALL // 4)
    installed = pristine.replace(b"/x", ENV)
    assert len(pristine) < SMALL < 3 * SMALL < len(installed)
    on_disk = written(
        prefix,
        installed,
        Form.RESTORE,
        sha256=sha(pristine),
        sha256_in_prefix=sha(installed),
        placeholder="/x",
        file_mode="text",
    )
    for order in (None, list(reversed(range(on_disk.begin().stretches)))):
        assert sha(pristine) == check_stored(on_disk, order, 0).sha256


@pytest.mark.parametrize("shift", [-len(ENV), 1 - len(ENV), -5, -1, 0])
@pytest.mark.parametrize("border", [1, 2])
def test_a_prefix_across_a_border_is_found(
    prefix: Path, small_segments: None, border: int, shift: int
) -> None:
    """Wherever it lies, also where one segment's worth of the file ends and the next begins."""
    data = bytearray(b" " * (3 * SMALL))
    place = border * SMALL + shift
    data[place : place + len(ENV)] = ENV
    file = check_stored(written(prefix, bytes(data), Form.SEARCH), [2, 0, 1], 0)
    assert file.offsets is not None
    assert [place] == [group.ranges[0] for group in file.offsets]


def test_anybodys_file_without_the_prefix(prefix: Path, small_segments: None) -> None:
    """Nearly the prefix is not it: the file is stored as it is."""
    data = (ENV[:-1] + b"\n") * SMALL
    on_disk = written(prefix, data, Form.SEARCH)
    assert None is check_stored(on_disk, None, 3).offsets
    assert member_of(data) == stream_of(made(on_disk))


@pytest.mark.parametrize(
    "form",
    [
        Form.AS_IS,
        Form.SEARCH,
    ],
    ids=lambda form: form.value,
)
def test_a_modified_file_that_names_the_prefix(prefix: Path, small_segments: None, form: Form) -> None:
    """It is stored in the same form, whether it is larger than a segment or not: its size shows the edit."""
    data = (b"at " + ENV + b"\n").ljust(3 * SMALL, b".")
    modified = written(prefix, data, form, sha256="0" * 64, size=3 * SMALL - 1)
    assert None is not check_stored(modified, None, 0).offsets


# ------------------------------------------------------------ somebody writes


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def shrink_secretly(path: Path) -> None:
    before = path.stat()
    shrink(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [shrink, grow, rewrite, replace, remove]
FORMS = [Form.AS_IS, Form.SEARCH, Form.RESTORE]


def with_prefix(prefix: Path, form: Form) -> OnDisk:
    """A file that is stored as it is for ``AS_IS``, otherwise with something in place of the prefix."""
    data = (ENV + b"\n").ljust(4 * SMALL, b"." if form is not Form.AS_IS else b"\0")
    facts: dict[str, Any] = {}
    if form is Form.RESTORE:
        facts = {"sha256": "0" * 64, "placeholder": PLACEHOLDER, "file_mode": "text"}
    return written(prefix, data, form, **facts)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.value)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_changes_meanwhile(
    place: Path, small_segments: None, change: Callable[[Path], None], form: Form, after: int
) -> None:
    """Whatever happens between the first stretch and the last, no file is packed that never was."""
    on_disk, buffers = with_prefix(place, form), Buffers()
    file = on_disk.begin()
    for number in range(after):
        assert None is make(file, number, buffers)[1]
    change(on_disk.path)
    with pytest.raises(FileChanged) as caught:
        for number in range(after, file.stretches):
            assert None is make(file, number, buffers)[1]
    expected = "vanished" if change is remove else "changed"
    assert f"{on_disk.path} {expected} while the environment was packed" in str(caught.value)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.value)
@pytest.mark.parametrize("change", [shrink, grow, remove], ids=lambda change: change.__name__)
def test_a_file_changes_before(
    place: Path, small_segments: None, change: Callable[[Path], None], form: Form
) -> None:
    """A file that is not as long any more as it was planned is refused by each of its tasks."""
    on_disk = with_prefix(place, form)
    change(on_disk.path)
    file = on_disk.begin()
    for number in (1, 0, 3):
        with pytest.raises(FileChanged):
            make(file, number, Buffers())


def test_a_file_shrinks_secretly(place: Path, small_segments: None) -> None:
    """Also where whoever writes sets the time back, nothing of the buffer is packed in place of the file."""
    on_disk = with_prefix(place, Form.AS_IS)
    file = on_disk.begin()
    make(file, 0, Buffers())
    shrink_secretly(on_disk.path)
    with pytest.raises(FileChanged):
        make(file, 3, Buffers())


def test_a_file_becomes_a_folder(place: Path, small_segments: None) -> None:
    """What cannot be read any more is told of as such, and not with a trace."""
    on_disk = with_prefix(place, Form.AS_IS)
    file = on_disk.begin()
    make(file, 0, Buffers())
    make_folder(on_disk.path)
    with pytest.raises(FileChanged, match="cannot be read: Is a directory"):
        make(file, 1, Buffers())


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.value)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_changes_among_threads(
    place: Path, small_segments: None, change: Callable[[Path], None], form: Form
) -> None:
    """Of several threads one at least says so, and none that the file is complete."""
    on_disk, buffers = with_prefix(place, form), Buffers()
    file = on_disk.begin()
    make(file, 2, buffers)
    change(on_disk.path)
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(make, file, number, buffers) for number in (3, 0, 1)]
    errors = [future.exception() for future in futures]
    assert {FileChanged} == {type(error) for error in errors if error is not None}
    ended = [future.result()[1] for future in futures if future.exception() is None]
    assert {None} | set(ended) == {None}
