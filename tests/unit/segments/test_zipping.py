"""Entries of zip files: Python's zipfile and Info-ZIP's unzip read back what was put in, of any size."""

from __future__ import annotations

import calendar
import io
import stat
import struct
import subprocess
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.archives.zips import ZipWriter
from conda_pack.errors import UsageError
from conda_pack.model import Kind
from conda_pack.segments.codecs import CODECS, ZipEntry
from conda_pack.segments.cutting import Buffers, Cutter, Press, Segment
from conda_pack.segments.schema import SegmentItem
from conda_pack.segments.tar import Member, comment, header
from conda_pack.segments.zipping import (
    DEFLATED,
    LARGE,
    STORED,
    ZipPress,
    central_header,
    directory_end,
    is_zip64,
    local_header,
    needs_zip64,
    sums,
)
from tests.support.archives import noise
from tests.support.parts import SMALL, segments_of
from tests.support.properties import UNHURRIED

EARLIEST = 315532800
GIB = 1 << 30
SIZES = [0, 1, 100, SMALL - 1, SMALL, SMALL + 1, 2 * SMALL, 2 * SMALL + 1, 3 * SMALL + 77]


@dataclass(frozen=True)
class Put:
    """What goes into a zip."""

    name: str
    kind: Kind = "file"
    mode: int = 0o644
    mtime: int = EARLIEST
    data: bytes = b""
    target: str = ""


class Ended:
    """The end of a plan of which nothing is known."""

    identity = "0" * 64
    glibc = ""

    def __init__(self, press: Press) -> None:
        self._press = press

    def last_segments(self, items: list[SegmentItem], offset: int) -> tuple[Segment, bytes]:
        data = header(Member("last", "file", 0o644, 0, EARLIEST))
        return self._press.segment("", "index", data), b"not for a zip"


def cut(press: Press, puts: list[Put]) -> list[Segment]:
    """All of one part, by one cutter, as a worker does."""
    cutter = Cutter("part", press, Buffers().lend())
    for put in puts:
        member = Member(put.name, put.kind, put.mode, len(put.data), put.mtime, put.target)
        cutter.member(header(member), put.data, put.name)
    cutter.cut()
    return cutter.segments


def written(puts: list[Put], level: int, zip_64: bool = True) -> bytes:
    """The whole zip."""
    file = io.BytesIO()
    writer = ZipWriter(file, level, zip_64)
    opening = writer.press.segment("", "runtime", comment(b"hello"))
    writer.write(iter([opening, *cut(writer.press, puts)]), Ended(writer.press))
    return file.getvalue()


def utc(info: zipfile.ZipInfo) -> int:
    """The time in Info-ZIP's extra field, which comes first."""
    kind, size, flags, mtime = struct.unpack("<2HBI", info.extra[:9])
    assert (kind, size, flags) == (0x5455, 5, 1)
    return int(mtime)


def read(data: bytes) -> list[Put]:
    """What Python's zipfile finds, which proves each checksum; local headers say what the directory does."""
    found = []
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        for info in opened.infolist():
            local = struct.unpack("<4s5H3I2H", data[info.header_offset :][:30])
            assert local[6:9] == (info.CRC, info.compress_size, info.file_size)
            assert (local[1], local[2], local[3]) == (
                info.extract_version,
                info.flag_bits,
                info.compress_type,
            )
            mode = info.external_attr >> 16
            kinds: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "directory"}
            kind, content = kinds[stat.S_IFMT(mode)], opened.read(info)
            assert info.is_dir() == (kind == "directory") == bool(info.external_attr & 0x10)
            is_link = kind == "link"
            found.append(
                Put(
                    name=info.filename.rstrip("/"),
                    kind=kind,
                    mode=stat.S_IMODE(mode),
                    mtime=utc(info),
                    data=b"" if is_link else content,
                    target=content.decode() if is_link else "",
                )
            )
            assert abs(calendar.timegm(info.date_time) - max(EARLIEST, utc(info))) <= 1
    return found


letters = st.characters(codec="utf-8", exclude_characters="\0/\\")
part = st.text(letters, min_size=1, max_size=20).filter(lambda name: name not in (".", ".."))
some_names = st.lists(part, min_size=1, max_size=3).map("/".join)
contents = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(SIZES).map(bytes),
    st.sampled_from(SIZES).map(lambda size: noise(size, size)),
    st.sampled_from(SIZES).map(lambda size: (b"some text \n" * size)[:size]),
)
files = st.builds(
    Put, some_names, st.just("file"), st.integers(0, 0o777), st.integers(0, 2**32 - 1), contents
)
links = st.builds(
    lambda name, mtime, target: Put(name, "link", 0o777, mtime, target=target),
    some_names,
    st.integers(0, 2**32 - 1),
    some_names,
)
folders = st.builds(Put, some_names, st.just("directory"), st.integers(0, 0o777))
any_puts = st.lists(
    st.one_of(files, files, links, folders), max_size=6, unique_by=lambda put: put.name.casefold()
)
LAST = Put("last")


@given(any_puts, st.integers(0, 9))
@settings(UNHURRIED, max_examples=150)
def test_zipfile_reads_all(puts: list[Put], level: int) -> None:
    """Names, kinds, modes, times and bytes, in their order, of files of many stretches too."""
    with segments_of(SMALL):
        assert [*puts, LAST] == read(written(puts, level))


@given(any_puts, st.sampled_from([0, 1, 4, 9]))
@settings(UNHURRIED, max_examples=15)
def test_unzip_reads_all(puts: list[Put], level: int) -> None:
    """Info-ZIP has nothing to complain of, and proves as many as there are."""
    with segments_of(SMALL), tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(written(puts, level))
        file.flush()
        done = subprocess.run(["unzip", "-t", file.name], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.count(b"  OK\n") == len(puts) + 1


@pytest.mark.parametrize("level", range(10))
def test_stretches_of_one_cutter(level: int) -> None:
    """Not compressed they lie in the buffer that was filled, which the next stretch must leave alone."""
    data = noise(3 * SMALL + 5, 4)
    with segments_of(SMALL):
        segments = cut(ZipPress(CODECS["gzip"], level), [Put("f", data=data)])
        assert [segment.continues for segment in segments] == [None, "f", "f", "f"]
        assert [segment.at for segment in segments] == [0, SMALL, 2 * SMALL, 3 * SMALL]
        assert [Put("f", data=data), LAST] == read(written([Put("f", data=data)], level))


@pytest.mark.parametrize(
    ("data", "level", "method"),
    [
        (b"", 9, STORED),
        (b"a", 9, STORED),
        (noise(1000, 1), 4, STORED),
        (bytes(1000), 0, STORED),
        (bytes(1000), 1, DEFLATED),
        (bytes(1000), 4, DEFLATED),
    ],
)
def test_what_does_not_shrink_is_stored(data: bytes, level: int, method: int) -> None:
    """Nothing gets larger by compression; links are stored or not as files are."""
    for put in (Put("f", data=data), Put("l", "link", target="x" * 1000)):
        with zipfile.ZipFile(io.BytesIO(written([put], level))) as opened:
            info = opened.infolist()[0]
        expected = method if put.kind == "file" else DEFLATED if level else STORED
        assert info.compress_type == expected
        assert info.compress_size <= info.file_size


def test_times_after_the_last() -> None:
    """The old field ends in 2107; a time that is later is that year's."""
    with zipfile.ZipFile(io.BytesIO(written([Put("f", mtime=8**11 - 1)], 1))) as opened:
        assert opened.infolist()[0].date_time[0] == 2107


def test_levels_differ() -> None:
    """Each does something of its own, for stretches as well as for whole files."""
    text = b"".join(b"%d squared is %d\n" % (n, n * n) for n in range(3000))
    for size in (128 << 10, SMALL):
        with segments_of(size):
            sizes = [len(written([Put("f", data=text)], level)) for level in (0, 1, 4, 9)]
        assert sizes[0] > max(sizes[1:])
        assert len(set(sizes)) == 4


# ----------------------------------------------------------------------- ZIP64

ENTRY = ZipEntry("läuft/☃", 0, 9 * GIB, 12 * GIB, 12 * GIB, 0xDEADBEEF, DEFLATED, 0o100755, 1_700_000_000)
FACTS = [
    (length, size, offset)
    for length, size in [(5, 7), (9 * GIB, 12 * GIB), (100, 6 * GIB), (LARGE, LARGE), (3, 4 * GIB - 1)]
    for offset in [0, LARGE - 1, LARGE, LARGE + 1, 7 * GIB]
]


@pytest.mark.parametrize(("length", "size", "offset"), FACTS)
def test_huge_numbers(length: int, size: int, offset: int, work: Path) -> None:
    """Sizes and places over 4 GiB, in a file that is mostly a hole, as zipfile and zipinfo read them."""
    entry = replace(ENTRY, length=length, size=size, whole=size)
    far = offset + 2 * GIB  # where the directory lies
    with (work / "x.zip").open("wb") as file:
        file.seek(offset)
        file.write(local_header(entry))
        file.seek(far)
        directory = central_header(entry, offset)
        file.write(directory + directory_end(1, len(directory), far))
    with zipfile.ZipFile(work / "x.zip") as opened:
        (info,) = opened.infolist()
    assert (info.compress_size, info.file_size, info.header_offset) == (length, size, offset)
    assert (info.filename, info.CRC, info.compress_type) == (entry.name, entry.crc, entry.method)
    assert utc(info) == entry.mtime
    assert info.extract_version == (45 if size >= LARGE - (8 << 20) or offset >= LARGE else 20)
    told = subprocess.run(["zipinfo", "-v", work / "x.zip"], capture_output=True, check=False).stdout.decode()
    assert f"compressed size:                                {length} bytes" in told
    assert f"uncompressed size:                              {size} bytes" in told


@pytest.mark.parametrize("count", [1, 0xFFFE, 0xFFFF, 0x10000, 70_000])
def test_many_entries(count: int) -> None:
    """The old directory counts to 65,534; zipfile reads any number, and all of them."""
    entry = replace(ENTRY, length=0, size=0, whole=0, crc=0, method=STORED)
    start = local_header(entry)
    directory = central_header(entry, 0) * count
    data = start + directory + directory_end(count, len(directory), len(start))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert len(opened.infolist()) == count
    assert is_zip64(count, len(directory), len(start)) == (count > 65_534)
    old = min(count, 0xFFFF)
    assert data[-22:] == struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, old, old, len(directory), len(start), 0)
    assert (b"PK\6\6" in data) == (count > 65_534)


def test_a_directory_that_is_far_or_long() -> None:
    """Either needs ZIP64 as well."""
    assert [is_zip64(1, 1, offset) for offset in (LARGE - 1, LARGE)] == [False, True]
    assert [is_zip64(1, length, 1) for length in (LARGE - 1, LARGE)] == [False, True]
    end = directory_end(3, LARGE + 5, LARGE + 9)
    assert struct.unpack("<4sQ2H2I4Q", end[:56])[6:] == (3, 3, LARGE + 5, LARGE + 9)
    assert struct.unpack("<4sIQI", end[56:76]) == (b"PK\6\7", 0, 2 * LARGE + 14, 1)
    assert end[76:] == struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 3, 3, LARGE, LARGE, 0)


@pytest.mark.parametrize("whole", [1 * GIB, 5 * GIB])
def test_what_comes_late(whole: int) -> None:
    """The header that is completed at a file's end is the one that would have been written then."""
    begun = replace(ENTRY, length=10, size=20, crc=1, whole=whole)
    done = replace(ENTRY, length=whole - 3, size=whole, crc=2, whole=whole)
    data = bytearray(local_header(begun))
    for place, value in sums(done):
        data[place : place + len(value)] = value
    assert bytes(data) == local_header(done)
    assert needs_zip64(done) == (whole > 4 * GIB)


def test_what_may_grow_over_the_limit() -> None:
    """Deflate may make a file a little larger, which is known only when its header is written."""
    worst = len(zlib.compress(noise(1 << 20, 3), 9)) - (1 << 20)
    size = LARGE - 4096 * worst - 1
    assert needs_zip64(replace(ENTRY, whole=size))
    assert not needs_zip64(replace(ENTRY, whole=4 * GIB - (8 << 20)))


def test_no_zip_64_names_the_file() -> None:
    """A file that is too large is refused by its name."""
    writer = ZipWriter(io.BytesIO(), 1, zip_64=False)
    segment = writer.press.segment("", "files", b"")
    huge = replace(ENTRY, name="huge", size=5 * GIB, whole=5 * GIB)
    segment = replace(segment, compressed=replace(segment.compressed, entries=(huge,)))
    with pytest.raises(UsageError, match="huge needs them"):
        writer.write(iter([segment]), Ended(writer.press))
