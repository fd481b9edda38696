"""Segments in pieces: however they come from the decompressor, they are read as the bytes that they are."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.archives.pieces import PieceStream
from conda_pack.errors import DamagedArchive
from conda_pack.segments import codecs
from conda_pack.segments.codecs import CODECS, Data, decompress
from conda_pack.segments.tar import BLOCK, Member, header, members, padding
from tests.support.properties import UNHURRIED

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = codecs._PIECE
some_pieces = st.lists(st.binary(max_size=12), max_size=10)
KINDS = (bytes, bytearray, memoryview)


def of_any_kind(pieces: list[bytes]) -> Iterator[Data]:
    """The pieces as codecs give them: bytes, or a view of them."""
    return (KINDS[number % len(KINDS)](piece) for number, piece in enumerate(pieces))


def stream_of(pieces: list[bytes], wrong: int = 0) -> PieceStream:
    return PieceStream(of_any_kind(pieces), sum(map(len, pieces)) + wrong)


# --------------------------------------------------------------- piece streams


@settings(UNHURRIED, max_examples=300)
@given(some_pieces, st.lists(st.tuples(st.sampled_from(["read", "whole", "take"]), st.integers(0, 30))))
def test_reads_give_the_bytes_in_order(pieces: list[bytes], reads: list[tuple[str, int]]) -> None:
    """Of any sizes from pieces of any sizes; ``read`` alone may be asked for more than there is."""
    data, position = b"".join(pieces), 0
    stream = stream_of(pieces)
    for way, asked in reads:
        size = asked if way == "read" else min(asked, len(data) - position)
        if way == "read":
            found = stream.read(size)
        else:
            found = b"".join(stream.whole(size) if way == "whole" else stream.take(size))
        assert data[position : position + size] == found
        position += len(found)
        assert len(data) - position == stream.left
    assert data[position:] == stream.read(len(data))
    stream.end()


@UNHURRIED
@given(some_pieces)
def test_what_was_read_stays(pieces: list[bytes]) -> None:
    """Views of what was read are good until the end, and whoever reads no piece across copies nothing."""
    stream = stream_of(pieces)
    views = [stream.whole(len(piece)) for piece in pieces]
    stream.end()
    assert pieces == [b"".join(view) for view in views]
    assert all(len(view) <= 1 for view in views)


@UNHURRIED
@given(some_pieces, st.integers(1, 9), st.integers(1, 9))
def test_too_short(pieces: list[bytes], lacking: int, size: int) -> None:
    """Pieces that are fewer bytes than the index says are damaged, however they are read."""
    stream = stream_of(pieces, lacking)
    with pytest.raises(DamagedArchive):
        while stream.read(size):
            pass
    for way in (stream_of(pieces, lacking).whole, stream_of(pieces, lacking).take):
        with pytest.raises(DamagedArchive):
            list(way(sum(map(len, pieces)) + lacking))


@UNHURRIED
@given(some_pieces, st.integers(1, 9))
def test_too_long(pieces: list[bytes], more: int) -> None:
    """Pieces that are more bytes than the index says are damaged, once all that it says were read."""
    size = sum(map(len, pieces)) - more
    if size >= 0:
        stream = stream_of(pieces, -more)
        assert b"".join(pieces)[:size] == stream.read(size + more)
        assert (stream.read(more), stream.left) == (b"", 0)
        with pytest.raises(DamagedArchive):
            stream.end()


@UNHURRIED
@given(some_pieces, st.integers(1, 40))
def test_not_read_to_the_end(pieces: list[bytes], rest: int) -> None:
    """Who has not read all has missed something."""
    size = sum(map(len, pieces))
    stream = stream_of(pieces)
    stream.read(max(0, size - rest))
    if size:
        with pytest.raises(DamagedArchive):
            stream.end()


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b"", b""]], ids=str)
def test_nothing(pieces: list[bytes]) -> None:
    """No bytes are a stream as well."""
    stream = stream_of(pieces)
    assert (stream.read(5), b"".join(stream.whole(0)), stream.left) == (b"", b"", 0)
    stream.padding(5)
    stream.end()


@pytest.mark.parametrize("asked", [6, 100, 1 << 62])
def test_more_than_there_is(asked: int) -> None:
    """Asking for more than the segment has is refused before anything is taken."""
    stream = stream_of([b"abc", b"de"])
    with pytest.raises(DamagedArchive):
        stream.whole(asked)
    with pytest.raises(DamagedArchive):
        list(stream.take(asked))
    assert stream.read(asked) == b"abcde"


@UNHURRIED
@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 40))
def test_padding_is_read_past(sizes: list[int], size: int) -> None:
    """Zeros in pieces of any sizes; at the end there may be fewer."""
    stream = stream_of([bytes(piece) for piece in sizes])
    stream.padding(size)
    assert max(0, sum(sizes) - size) == stream.left


@UNHURRIED
@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 30), st.integers(1, 255))
def test_padding_is_zeros(sizes: list[int], place: int, value: int) -> None:
    """Any other byte there is refused, and only there."""
    data = bytearray(sum(sizes) + 1)
    place = min(place, len(data) - 1)
    data[place] = value
    pieces: list[bytes] = []
    position = 0
    for size in (*sizes, 1):
        pieces.append(bytes(data[position : position + size]))
        position += size
    stream = stream_of(pieces)
    stream.padding(place)
    with pytest.raises(DamagedArchive):
        stream.padding(1)


def test_an_error_of_the_decompressor_is_itself() -> None:
    """What it says of damage is told as it is, also when it comes behind the last byte."""

    def pieces() -> Iterator[Data]:
        yield b"abc"
        raise DamagedArchive("its checksum is wrong")

    stream = PieceStream(pieces(), 3)
    assert stream.read(3) == b"abc"
    with pytest.raises(DamagedArchive, match="its checksum is wrong"):
        stream.end()


@settings(UNHURRIED, max_examples=60)
@given(st.lists(st.binary(max_size=1500), max_size=5), st.lists(st.integers(1, 1200), min_size=1, max_size=9))
def test_members_of_a_stream_in_pieces(contents: list[bytes], sizes: list[int]) -> None:
    """A segment's members are read from it as from a file, wherever pieces end."""
    plain = b"".join(
        header(Member(f"f{n}", "file", 0o644, len(data), 0)) + data + padding(len(data))
        for n, data in enumerate(contents)
    )
    source = io.BytesIO(plain)
    pieces: list[bytes] = []
    while piece := source.read(sizes[len(pieces) % len(sizes)]):
        pieces.append(piece)
    stream = stream_of(pieces)
    found = []
    for member in members(stream):
        found.append((member.name, b"".join(stream.whole(member.size))))
        stream.padding(-member.size % BLOCK)
    stream.end()
    assert [(f"f{n}", data) for n, data in enumerate(contents)] == found


# -------------------------------------------------------------- from the codecs

LEVELS = {"none": 0, "gzip": 4, "zstd": 3, "bzip2": 9, "xz": 4}
SIZES = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5]
WHAT = ["zeros", "noise", "both"]


@cache
def plain_of(what: str, size: int) -> bytes:
    noise = Random(size).randbytes(size)
    return {"zeros": bytes(size), "noise": noise, "both": noise[: size // 2] + bytes(size - size // 2)}[what]


@cache
def compressed_of(name: str, what: str, size: int) -> bytes:
    codec = CODECS[name]
    return bytes(codec.compress(plain_of(what, size), LEVELS[name]).data)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("name", list(CODECS))
def test_a_segment_comes_in_pieces(name: str, what: str, size: int) -> None:
    """Of any size around those of a piece, easy or hard to compress: whole, in pieces, and as a stream."""
    codec, plain, data = CODECS[name], plain_of(what, size), compressed_of(name, what, size)
    pieces = list(codec.pieces(data))
    assert plain == b"".join(pieces)
    assert name == "none" or all(len(piece) <= PIECE for piece in pieces)
    assert plain == decompress(codec, data, size) == decompress(codec, memoryview(bytearray(data)), size)
    stream = PieceStream(codec.pieces(data), size)
    assert plain[:700] == stream.read(700)
    assert plain[700:] == b"".join(stream.take(stream.left))
    stream.end()


def refused(name: str, data: bytes, size: int) -> None:
    """Both who wants it whole and who reads its stream are told that it is damaged."""
    with pytest.raises(DamagedArchive):
        decompress(CODECS[name], data, size)
    stream = PieceStream(CODECS[name].pieces(data), size)
    with pytest.raises(DamagedArchive):
        b"".join(stream.take(size))
        stream.end()


@pytest.mark.parametrize("size", [1, PIECE, PIECE + 1, 3 * PIECE + 5])
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("name", list(CODECS))
def test_a_segment_that_was_cut_off(name: str, what: str, size: int) -> None:
    """Half of it, all but its end, or nothing at all."""
    data = compressed_of(name, what, size)
    # the last bytes of deflate are a flush, with nothing in it
    whole = len(data) - (15 if name == "gzip" else 0)
    for length in {0, whole // 2, whole - 1}:
        refused(name, data[: max(0, length)], size)


@pytest.mark.parametrize("wrong", [-1, 1, PIECE])
@pytest.mark.parametrize("size", [1, PIECE, PIECE + 1])
@pytest.mark.parametrize("name", list(CODECS))
def test_a_segment_of_another_size(name: str, size: int, wrong: int) -> None:
    """It must have exactly as many bytes as the index says."""
    refused(name, compressed_of(name, "both", size), size + wrong)


@pytest.mark.parametrize("what", WHAT)
@settings(UNHURRIED, max_examples=30)
@given(data=st.data())
def test_any_flipped_bit_of_a_frame_is_seen(what: str, data: st.DataObject) -> None:
    """A zstd frame has a checksum."""
    size = PIECE + 1
    frame = bytearray(compressed_of("zstd", what, size))
    place = data.draw(st.integers(0, len(frame) - 1) | st.integers(0, 30).map(lambda n: n % len(frame)))
    frame[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = decompress(CODECS["zstd"], bytes(frame), size)
    except DamagedArchive:
        return
    assert plain_of(what, size) == found  # a bit that nothing depends on


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1])
@pytest.mark.parametrize("more", [b"\0", b"junk", "frame", "skippable"])
def test_bytes_after_a_frame(more: bytes | str, size: int) -> None:
    """A segment is one zstd frame: not two, nor one and something else, even if that makes no bytes."""
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
    tail = {"frame": compressed_of("zstd", "zeros", 0), "skippable": skippable}.get(str(more), more)
    assert isinstance(tail, bytes)
    for what in ("zeros", "noise"):
        refused("zstd", compressed_of("zstd", what, size) + tail, size)


@pytest.mark.parametrize("start", [b"\x07", b"\xff\xff\xff\xff"], ids=bytes.hex)
def test_what_is_no_deflate(start: bytes) -> None:
    """A block of a kind that there is not, at once or behind the first piece."""
    for good, size in [(b"", 10), (compressed_of("gzip", "both", PIECE + 1), PIECE + 1)]:
        refused("gzip", good + start + bytes(9), size + 10)


def test_a_window_that_no_reader_has_room_for() -> None:
    """A frame whose window is larger than 8 MiB is refused, as other readers do (RFC 9659)."""
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {parameter.window_log: 24, parameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    frame = compressor.compress(b"x" * 1000) + compressor.flush()
    refused("zstd", frame, 1000)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_is_not_unpacked(name: str) -> None:
    """Of a few KiB that make many MiB no more are made than the index says, and a piece."""
    codec = CODECS[name]
    data = codec.compress(bytes(40 * PIECE), LEVELS[name]).data
    made = 0

    def counted() -> Iterator[Data]:
        nonlocal made
        for piece in codec.pieces(data):
            made += len(piece)
            yield piece

    stream = PieceStream(counted(), 100)
    assert bytes(100) == stream.read(1000)
    with pytest.raises(DamagedArchive):
        stream.end()
    assert made <= 2 * PIECE


def test_deflate_that_another_made() -> None:
    """A segment in which the stream ends (a final block), as ours never do, is read to there."""
    compressor = zlib.compressobj(wbits=-15)
    plain = plain_of("both", PIECE + 1)
    data = compressor.compress(plain) + compressor.flush()
    assert plain == decompress(CODECS["gzip"], data, len(plain))
