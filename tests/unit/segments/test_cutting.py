"""Members into segments: what comes out is one tar stream, byte for byte, wherever it was cut.

Most is tried with segments of a few KiB: the borders are the same, and there are many more of them.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.segments import cutting
from conda_pack.segments.codecs import CODECS, decompress
from conda_pack.segments.cutting import Buffers, Cutter, Press, Segment
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.tar import BLOCK, END, Member, header, padding
from tests.support.properties import UNHURRIED

SMALL = 8 * BLOCK
"""A segment's size where it is not the real one."""
REAL = SEGMENT_SIZE
PRESSES = [Press(CODECS["none"], 0), Press(CODECS["gzip"], 1), Press(CODECS["zstd"], 1)]


@contextmanager
def segments_of(size: int) -> Iterator[None]:
    """Segments of another size for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "SEGMENT_SIZE", size)
        patch.setattr(cutting, "_LONGEST", size + size // 4)
        patch.setattr(cutting, "_ROOM", size + size // 4 + size + 4 * BLOCK)
        yield


def dirty_buffer() -> Any:
    """One that has held other files."""
    buffer = Buffers().lend()
    buffer[:] = b"\xff" * len(buffer)
    return buffer


@dataclass
class Given:
    """A member to put in: by which way, and with what data."""

    member: Member
    data: bytes
    way: str

    @property
    def head(self) -> bytes:
        return header(self.member)

    def put_into(self, cutter: Cutter) -> None:
        size = len(self.data)
        if self.way == "data":
            cutter.member(self.head, self.data, self.member.name)
        elif self.way == "room":
            room = cutter.room(self.head, size)
            assert size == len(room)
            room[:] = self.data
            cutter.keep(self.head, size)
        elif self.way == "changed mind":  # as a file in which the prefix was found: read, then made anew
            room = cutter.room(self.head, size + 300)
            room[:] = b"\xee" * len(room)
            room.release()
            cutter.member(self.head, self.data, self.member.name)
        else:
            cutter.keep(self.head, 0)


def sizes_around(segment: int) -> st.SearchStrategy[int]:
    borders = [0, BLOCK, segment - 2 * BLOCK, segment - BLOCK, segment, segment + segment // 4, 2 * segment]
    return st.one_of(
        st.sampled_from(borders).flatmap(lambda size: st.integers(max(0, size - 2), size + 2)),
        st.integers(0, 3 * segment + 5),
    )


@st.composite
def things(draw: st.DrawFn, segment: int) -> list[Given]:
    """Members of all kinds, with data of any size, headers of one block and of several."""
    found = []
    for number in range(draw(st.integers(0, 12))):
        name = draw(st.sampled_from(["f", "d/" * 60 + "f", "é"])) + str(number)
        way = draw(st.sampled_from(["data", "data", "room", "room", "changed mind", "no data"]))
        size = draw(sizes_around(segment)) if way != "no data" else 0
        if way == "room":
            size = min(size, segment)
        kind = draw(st.sampled_from(["link", "directory"])) if way == "no data" else "file"
        target = "t" * draw(st.sampled_from([1, 150])) if kind == "link" else ""
        data = Random(draw(st.integers(0, 99))).randbytes(size)
        found.append(Given(Member(name, kind, 0o644, size, 12345, target), data, way))
    return found


def cut_of(given_members: list[Given], press: Press, buffer: Any) -> list[Segment]:
    cutter = Cutter("a-1-0", press, buffer)
    for each in given_members:
        each.put_into(cutter)
    cutter.cut()
    return cutter.segments


def check(given_members: list[Given], press: Press, segments: list[Segment], segment_size: int) -> None:
    plain = []
    for segment in segments:
        assert (segment.part, segment.role) == ("a-1-0", "files")
        assert hashlib.sha256(segment.compressed.data).hexdigest() == segment.sha256
        plain.append(decompress(press.codec, segment.compressed.data, segment.compressed.size))
    stream = b"".join(plain)

    # what was put in, and nothing else: not what the buffer held before
    assert b"".join(each.head + each.data + padding(len(each.data)) for each in given_members) == stream
    kinds = {tarfile.REGTYPE: "file", tarfile.SYMTYPE: "link", tarfile.DIRTYPE: "directory"}
    found = []
    with tarfile.open(fileobj=io.BytesIO(stream + END), mode="r:") as tar:
        for info in tar:
            content = tar.extractfile(info) if info.isreg() else None
            member = Member(info.name, kinds[info.type], info.mode, info.size, int(info.mtime), info.linkname)
            found.append((member, content.read() if content else b""))
    assert [(each.member, each.data) for each in given_members] == found

    # each segment begins with a header, or says within which file
    begins: dict[int, tuple[str | None, int]] = {}
    position = 0
    for each in given_members:
        begins[position] = (None, 0)
        position += len(each.head)
        for at in range(segment_size, len(each.data), segment_size):
            begins[position + at] = (each.member.name, at)
        position += len(each.data) + len(padding(len(each.data)))
    position = 0
    for segment, data in zip(segments, plain, strict=True):
        assert begins[position] == (segment.continues, segment.at)
        assert 0 < len(data) <= segment_size + segment_size // 4 + segment_size + 8 * BLOCK
        position += len(data)


@settings(UNHURRIED, max_examples=150)
@given(members=things(SMALL), press=st.sampled_from(PRESSES))
def test_segments_are_the_stream(members: list[Given], press: Press) -> None:
    """Members of any sizes, put in by any way: Python's tarfile reads them from the segments joined."""
    with segments_of(SMALL):
        check(members, press, cut_of(members, press, dirty_buffer()), SMALL)


@pytest.mark.parametrize(
    "sizes", [[REAL - 1, REAL, REAL + 1], [2 * REAL, 1, 2 * REAL + 513], [REAL // 2] * 3], ids=str
)
def test_segments_of_their_real_size(sizes: list[int]) -> None:
    """The same with files of MiB."""
    contents = Random(0).randbytes(2 * REAL + 513)
    members = [
        Given(Member(f"f{n}", "file", 0o644, size, 0), contents[:size], "data")
        for n, size in enumerate(sizes)
    ]
    check(members, PRESSES[0], cut_of(members, PRESSES[0], dirty_buffer()), REAL)


@UNHURRIED
@given(sizes=st.lists(st.integers(0, SMALL), min_size=1, max_size=40))
def test_no_crumbs(sizes: list[int]) -> None:
    """A segment is not cut before it is longer than planned, and a member of one is never parted."""
    members = [
        Given(Member(f"f{n}", "file", 0o644, size, 0), bytes(size), "room") for n, size in enumerate(sizes)
    ]
    with segments_of(SMALL):
        segments = cut_of(members, PRESSES[0], dirty_buffer())
    assert all(segment.compressed.size >= SMALL + SMALL // 4 for segment in segments[:-1])
    assert {None} == {segment.continues for segment in segments}


def test_nothing_makes_no_segment() -> None:
    """A cut where nothing is, once or again, makes no segment."""
    cutter = Cutter("a-1-0", PRESSES[0], dirty_buffer())
    cutter.cut()
    cutter.keep(header(Member("f", "file", 0o644, 0, 0)), 0)
    cutter.cut()
    cutter.cut()
    assert [segment.compressed.size for segment in cutter.segments] == [BLOCK]


def test_a_segment_keeps_nothing_of_the_buffer() -> None:
    """What the cutter's buffer holds later changes no segment, even one that is not compressed at all."""
    for press in PRESSES:
        buffer = dirty_buffer()
        cutter = Cutter("a-1-0", press, buffer)
        Given(Member("f", "file", 0o644, 700, 0), b"x" * 700, "data").put_into(cutter)
        cutter.cut()
        cutter.buffer[:5000] = b"\xaa" * 5000
        compressed = cutter.segments[0].compressed
        assert (press is PRESSES[0]) == (buffer is not cutter.buffer)
        assert decompress(press.codec, compressed.data, compressed.size)[BLOCK : BLOCK + 700] == b"x" * 700


# --------------------------------------------------------------------- holds


def texts(shortest: int, longest: int) -> st.SearchStrategy[bytes]:
    """Texts of two letters, so that one occurs in another often."""
    return st.text("ab", min_size=shortest, max_size=longest).map(str.encode)


@settings(UNHURRIED, max_examples=300)
@given(
    before=texts(0, 3),
    data=texts(0, 12),
    after=texts(0, 3),
    text=texts(1, 4),
    earlier=st.integers(0, 2),
)
def test_holds_what_is_there(before: bytes, data: bytes, after: bytes, text: bytes, earlier: int) -> None:
    """It is found in the data, and neither in what lies around it nor across its ends."""
    with segments_of(SMALL):
        buffer = Buffers().lend()
    cutter = Cutter("a-1-0", PRESSES[0], buffer)
    for _ in range(earlier):
        cutter.keep(before, 0)  # stands for a header: it is not looked into
    cutter.room(before, len(data))[:] = data
    end = (earlier + 1) * len(before) + len(data)
    buffer[end : end + len(after)] = after
    assert (text in data) == cutter.holds(text, before, len(data))


def test_holds_at_both_ends() -> None:
    """A file may begin or end with it, or be nothing else."""
    for data, expected in [(b"/env", True), (b"/env/bin", True), (b"in /env", True), (b"/en", False)]:
        cutter = Cutter("a-1-0", PRESSES[0], dirty_buffer())
        head = header(Member("/env", "file", 0o644, len(data), 0))
        cutter.room(head, len(data))[:] = data
        assert expected == cutter.holds(b"/env", head, len(data))


# ------------------------------------------------------------------- buffers


def test_a_buffer_is_lent_again() -> None:
    """A buffer that was given back is the next to be lent; until then each is another."""
    buffers = Buffers()
    first, second = buffers.lend(), buffers.lend()
    assert first is not second
    buffers.give_back(first)
    assert first is buffers.lend()
    third = buffers.lend()
    assert third is not first and third is not second


def test_a_buffer_has_room_for_every_file_of_a_segment() -> None:
    """Whatever lies in it already, as large a file as goes with others, and a byte more, needs no growing."""
    with segments_of(SMALL):
        buffer = dirty_buffer()
        length = len(buffer)
        cutter = Cutter("a-1-0", PRESSES[0], buffer)
        head = header(Member("f", "file", 0o644, SMALL, 0))
        cutter.room(head, SMALL)
        cutter.keep(head, SMALL)
        cutter.room(head, SMALL + 1)
        assert length == len(cutter.buffer)


def test_a_buffer_grows_and_is_not_kept() -> None:
    """A file that is larger than the buffer gets its room, what was there stays, and others get a new one."""
    with segments_of(SMALL):
        buffers = Buffers()
        lent = buffers.lend()
        small = Given(Member("small", "file", 0o644, 5, 0), b"small", "data")
        large = Given(Member("large", "file", 0o644, len(lent), 0), b"L" * len(lent), "room")
        press = PRESSES[1]
        cutter = Cutter("a-1-0", press, lent)
        for each in (small, large, small):
            each.put_into(cutter)
        cutter.cut()
        made = [segment.compressed for segment in cutter.segments]
        stream = b"".join(decompress(press.codec, each.data, each.size) for each in made)
        assert b"".join(m.head + m.data + padding(len(m.data)) for m in (small, large, small)) == stream
        length = len(Buffers().lend())
        assert length < len(cutter.buffer)
        buffers.give_back(cutter.buffer)
        assert length == len(buffers.lend())


def test_a_buffer_that_was_given_back_can_grow() -> None:
    """Whoever is lent it next may need more room, while who gave it back is about to end its work."""
    with segments_of(SMALL):
        buffers = Buffers()
        earlier = Cutter("a-1-0", PRESSES[0], buffers.lend())
        Given(Member("f", "file", 0o644, 5, 0), b"12345", "data").put_into(earlier)
        earlier.cut()
        buffers.give_back(earlier.buffer)  # as PartWork does, which may then make the part's record
        later = Cutter("a-1-0", PRESSES[0], buffers.lend())
        assert later.buffer is earlier.buffer
        size = len(later.buffer)
        assert size == len(later.room(b"", size))


# --------------------------------------------------------------------- press


@pytest.mark.parametrize("press", PRESSES, ids=["none", "gzip", "zstd"])
@settings(UNHURRIED, max_examples=30)
@given(data=st.binary(max_size=3000), at=st.integers(0, 1 << 40))
def test_press(press: Press, data: bytes, at: int) -> None:
    """What it says of a segment is true, whatever kind of buffer the bytes are in."""
    segment = press.segment("p", "files", memoryview(bytearray(data)), "a/file", at)
    assert press.segment("p", "files", data, "a/file", at) == segment
    assert ("p", "files", "a/file", at) == (segment.part, segment.role, segment.continues, segment.at)
    assert hashlib.sha256(segment.compressed.data).hexdigest() == segment.sha256
    assert len(data) == segment.compressed.size
    assert data == decompress(press.codec, segment.compressed.data, segment.compressed.size)
