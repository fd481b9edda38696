"""For any member, name and bytes: what we frame, we and everybody else read back."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.archives.container import (
    Container,
    GzipContainer,
    StreamsContainer,
    TarContainer,
    ZstdContainer,
    footer_text,
    tail_size,
)
from conda_pack.archives.formats import FORMATS
from conda_pack.errors import DamagedArchive, UnsafeArchive
from conda_pack.model import Kind
from conda_pack.segments.codecs import CODECS, decompress
from conda_pack.segments.schema import decode_index, decode_record
from conda_pack.segments.tar import BLOCK, END, Member, comment, header, members, padding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

letters = st.characters(codec="utf-8", exclude_characters="\0/")
parts = st.text(letters, min_size=1, max_size=60).filter(lambda part: part not in (".", ".."))
names = st.one_of(
    st.lists(parts, min_size=1, max_size=4).map("/".join),
    st.sampled_from(
        ["a" * 99, "a" * 100, "a" * 101, "é" * 50, "d/" * 140 + "f", "ü" * 300, "a b/ c", "☃", "\n"]
    ),
)
targets = st.one_of(names, names.map(lambda name: "../../" + name))
modes = st.integers(0, 0o777)
times = st.integers(0, 8**11 - 1)
data = st.one_of(
    st.binary(max_size=2000),
    st.tuples(st.binary(min_size=1, max_size=50), st.integers(1, 5000)).map(lambda pair: pair[0] * pair[1]),
)


@st.composite
def some_members(draw: st.DrawFn) -> tuple[Member, bytes]:
    """A member, and the data that goes with it."""
    kind: Kind = draw(st.sampled_from(["file", "link", "directory"]))
    content = draw(data) if kind == "file" else b""
    target = draw(targets) if kind == "link" else ""
    return Member(draw(names), kind, draw(modes), len(content), draw(times), target), content


def stream_of(pairs: list[tuple[Member, bytes]]) -> bytes:
    return b"".join(header(member) + content + padding(len(content)) for member, content in pairs)


@given(st.lists(some_members(), max_size=5))
def test_members_come_back(pairs: list[tuple[Member, bytes]]) -> None:
    """Header and data of any members, one after the other, are read as they were written."""
    stream = io.BytesIO(stream_of(pairs))
    found = []
    for member in members(stream):
        found.append((member, stream.read(member.size)))
        stream.seek(-member.size % BLOCK, io.SEEK_CUR)
    assert found == pairs


@given(st.lists(some_members(), max_size=5))
def test_python_reads_the_same(pairs: list[tuple[Member, bytes]]) -> None:
    """The standard library's tarfile sees the same members; it takes a trailing slash off names."""
    kinds = {tarfile.REGTYPE: "file", tarfile.SYMTYPE: "link", tarfile.DIRTYPE: "directory"}
    found = []
    with tarfile.open(fileobj=io.BytesIO(stream_of(pairs) + END), mode="r:") as tar:
        for info in tar:
            content = tar.extractfile(info) if info.isreg() else None
            member = Member(info.name, kinds[info.type], info.mode, info.size, int(info.mtime), info.linkname)
            found.append((member, content.read() if content else b""))
            assert (info.uid, info.gid, info.uname, info.gname) == (0, 0, "", "")
    assert found == pairs


@given(st.sampled_from([8**11 - 1, 8**11, 1 << 40, 1 << 62]), names)
def test_sizes_beyond_ustar(size: int, name: str) -> None:
    """A size that its field cannot hold comes back, from tarfile too, without the data of so large a file."""
    member = Member(name, "file", 0o644, size, 0)
    blocks = header(member)
    assert len(blocks) % BLOCK == 0
    assert next(members(io.BytesIO(blocks))) == member
    with tarfile.open(fileobj=io.BytesIO(blocks), mode="r:") as tar:
        info = tar.next()
        assert info is not None
        assert (info.name, info.size) == (name, size)


@given(st.text(letters, max_size=300).map(str.strip), st.integers(600, 700))
def test_comments_make_no_members(text: str, width: int) -> None:
    """A comment is told to us and to nobody else, and fills exactly the width it is given."""
    blocks = comment(text.encode(), width if len(text.encode()) < 500 else None)
    told = list(members(io.BytesIO(blocks)))
    assert [(member.kind, member.target.strip()) for member in told] == [("comment", text)]
    after = header(Member("x", "file", 0o644, 0, 0))
    with tarfile.open(fileobj=io.BytesIO(blocks + after + END), mode="r:") as tar:
        assert tar.getnames() == ["x"]


@given(some_members(), st.integers(0, 511), st.integers(0, 7))
def test_any_flipped_bit_of_a_header_is_seen(pair: tuple[Member, bytes], place: int, bit: int) -> None:
    """One bit of a header block makes it damaged, unless it is one of the checksum's own two last bytes."""
    blocks = bytearray(header(pair[0]))
    start = len(blocks) - BLOCK
    blocks[start + place] ^= 1 << bit
    try:
        found = next(members(io.BytesIO(bytes(blocks))))
    except (DamagedArchive, UnsafeArchive):
        return
    assert 148 <= place < 156  # leading or trailing separators of the checksum
    assert found == pair[0]


@given(st.binary(max_size=3 * BLOCK))
def test_anything_else_is_refused_in_our_words(blocks: bytes) -> None:
    """No bytes whatever make the reader of headers fail otherwise than by its own errors."""
    with suppress(DamagedArchive):
        for member in members(io.BytesIO(blocks)):
            assert member.size >= 0


@given(st.binary(max_size=200), st.booleans())
def test_any_extended_header_is_read_or_refused(records: bytes, whole: bool) -> None:
    """However its records are made, an extended header raises nothing but our errors."""
    block = bytearray(header(Member("x", "file", 0o644, len(records), 0)))
    block[156:157] = b"x"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    after = header(Member("y", "file", 0o644, 0, 0))
    stream = io.BytesIO(bytes(block) + records + padding(len(records)) + after + END)
    with suppress(DamagedArchive):
        for member in members(stream, whole):
            assert member.size >= 0


# ------------------------------------------------------------------- codecs


LEVELS = sorted(
    {(kind.codec_name, level) for kind in FORMATS for level in kind.levels if kind.codec_name != "none"}
    - {("zstd", 20), ("zstd", 21), ("zstd", 22)}
)
DEFAULTS = {"none": 0, **{kind.codec_name: kind.default_level for kind in FORMATS if kind.levels}}


@pytest.mark.parametrize(("name", "level"), LEVELS)
@settings(max_examples=8)
@given(plain=data)
def test_codecs_give_back_what_they_got(name: str, level: int, plain: bytes) -> None:
    """At every level, from any kind of buffer, and the same bytes each time."""
    codec = CODECS[name]
    compressed = codec.compress(plain, level)
    assert decompress(codec, compressed.data, len(plain)) == plain
    assert compressed.size == len(plain)
    assert compressed == codec.compress(memoryview(bytearray(plain)), level)


@pytest.mark.parametrize("name", list(CODECS))
@given(plain=data, wrong=st.integers(-3, 3).filter(bool))
def test_codecs_hold_the_size_to_be_true(name: str, plain: bytes, wrong: int) -> None:
    """A segment of any other size than told is damaged."""
    codec = CODECS[name]
    compressed = codec.compress(plain, DEFAULTS[name])
    if len(plain) + wrong >= 0:
        with pytest.raises(DamagedArchive):
            decompress(codec, compressed.data, len(plain) + wrong)


@pytest.mark.parametrize("name", list(CODECS))
@given(junk=st.binary(max_size=300), size=st.integers(0, 1000))
def test_codecs_refuse_junk_in_our_words(name: str, junk: bytes, size: int) -> None:
    """Whatever bytes come, they decompress to the size told or are damaged."""
    with suppress(DamagedArchive):
        assert len(decompress(CODECS[name], junk, size)) == size


Decompress = Callable[[bytes], bytes]


def one_member(whole: bytes) -> bytes:
    """All that a streaming reader sees, which stops after the first member."""
    decompressor = zlib.decompressobj(31)
    plain = decompressor.decompress(whole)
    assert (decompressor.eof, decompressor.unused_data) == (True, b"")
    return plain


@pytest.mark.parametrize(
    ("name", "container", "readers"),
    [
        ("none", TarContainer, [bytes]),
        ("gzip", GzipContainer, [gzip.decompress, one_member]),
        ("zstd", ZstdContainer, [zstd.decompress]),
        ("bzip2", partial(StreamsContainer, "bzip2"), [bz2.decompress]),
        ("xz", partial(StreamsContainer, "xz"), [lzma.decompress]),
    ],
)
@settings(max_examples=60)
@given(segments=st.lists(data, max_size=8), footer=st.binary(min_size=1, max_size=3000))
def test_containers_are_read_by_all(
    name: str,
    container: Callable[[], Container],
    readers: list[Decompress],
    segments: list[bytes],
    footer: bytes,
) -> None:
    """Segments of any sizes joined are one stream to every reader, and the footer is found from the end."""
    framing, codec = container(), CODECS[name]
    whole = framing.begin()
    for segment in segments:
        compressed = codec.compress(segment, DEFAULTS[name])
        whole += compressed.data
        framing.add(compressed)
    whole += framing.end(footer)
    for read in readers:
        assert read(whole) == b"".join(segments) + footer
    tail = whole[-max(4096, tail_size(name, whole[-4096:])) :]
    assert footer in footer_text(name, tail)


# ----------------------------------------------------------- records and index


@given(st.binary(max_size=100))
def test_records_of_any_bytes(junk: bytes) -> None:
    """What is no record is refused in our words."""
    with pytest.raises(DamagedArchive):
        decode_record(junk, "x")
    with pytest.raises(DamagedArchive):
        decode_index(junk)


@pytest.mark.parametrize("nested", [b"[" * 100_000, b'{"a":' * 100_000])
def test_records_of_any_depth(nested: bytes) -> None:
    """A document nested without end is refused, not followed."""
    with pytest.raises(DamagedArchive):
        decode_record(b'{"more":' + nested, "x")
