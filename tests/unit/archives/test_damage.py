"""A damaged archive is refused, in one sentence, and leaves nothing where it would have been unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from conda_pack.archives.reader import ArchiveFile
from conda_pack.errors import CondaPackException, DamagedArchive, UsageError
from tests.support.archives import (
    FORMATS,
    WAYS,
    Forgery,
    Watched,
    index_of,
    pack,
    small_environment,
    unpack_file,
    unpack_stream,
)
from tests.support.trees import Tree, diff_trees, tree
from tests.support.zstd_frames import frames

INCUMBENT = Path("/tmp/lab/venv/bin/conda-pack")
"""The conda-pack that people have, on machines that have it."""

Way = Callable[[Path, Path], None]


@pytest.fixture(scope="session")
def packs(work_root: Path) -> dict[str, Path]:
    """One small environment in every format."""
    folder = work_root / "damage"
    prefix = small_environment(folder / "env")
    return {suffix: pack(prefix, folder / f"small.{suffix}") for suffix in FORMATS}


@pytest.fixture(params=FORMATS)
def archive(request: pytest.FixtureRequest, packs: dict[str, Path]) -> Path:
    return packs[request.param]


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def attempt(way: Way, archive: Path, dest: Path) -> CondaPackException | None:
    """What unpacking raised; nothing is left at or beside ``dest`` then."""
    watched = Watched.start(dest.parent)
    try:
        way(archive, dest)
    except CondaPackException as error:
        assert watched.changes() == []
        return error
    return None


def refusals(way: Way, archive: Path, work: Path, variants: Iterator[tuple[str, bytes]]) -> dict[str, str]:
    """The kind of error for each variant of an archive; ``the same`` where what came out is right."""
    whole = work / "whole"
    unpack_file(archive, whole)
    expected = tree(whole)
    shutil.rmtree(whole)
    results = {}
    damaged = work / archive.name
    for name, data in variants:
        damaged.write_bytes(data)
        error = attempt(way, damaged, whole)
        if error is None:
            actual: Tree = tree(whole)
            shutil.rmtree(whole)
            results[name] = "the same" if diff_trees(expected, actual) == "" else "ANOTHER TREE"
        else:
            assert isinstance(error, DamagedArchive), name
            assert str(error).endswith((".", "with tar")), error
            results[name] = type(error).__name__
    return results


def borders(archive: Path) -> list[tuple[str, int]]:
    """The name and place of each part of the file."""
    index = index_of(archive)
    places = [(f"{item.role} of {item.part or 'all'} +{item.at}", item.offset) for item in index.segments]
    last = index.segments[-1]
    return [*places, ("index", last.offset + last.length)]


def index_end(archive: Path) -> int:
    """Where the index's segment ends: what follows repeats, or tells where things are."""
    with ArchiveFile(str(archive)) as opened:
        data = archive.read_bytes()
        start = opened.index.segments[-1].offset + opened.index.segments[-1].length
        stated = f"index={start},".encode()
        tail = data[start:]
        if archive.name.endswith(".tar.zst"):
            return start + frames(tail)[0][1]
        if archive.name.endswith((".bz2", ".xz")):  # a stream for the index, and one for the footer
            stream = bz2.BZ2Decompressor() if archive.name.endswith(".bz2") else lzma.LZMADecompressor()
            stream.decompress(tail)
            return len(data) - len(stream.unused_data)
        return start + int(tail.split(stated, 1)[1].split(b",", 1)[0])


def test_truncated_archives(archive: Path, way: Way, work: Path) -> None:
    """Cut off anywhere before the end of its index, at every border and between, it is a damaged archive."""
    data, end = archive.read_bytes(), index_end(archive)
    places = [place for _, place in borders(archive)]
    cuts = {0, 1, 5, 9, 10, 11, 100, 511, 512, 513, end - 1, end - 9}
    for start, stop in pairwise([*places, end]):
        cuts |= {start, start + 1, (start + stop) // 2, stop - 1}
    cuts |= {end * step // 17 for step in range(1, 17)}
    results = refusals(way, archive, work, ((str(cut), data[:cut]) for cut in sorted(cuts) if cut < end))
    assert set(results.values()) == {"DamagedArchive"}


def test_truncated_ends(archive: Path, way: Way, work: Path) -> None:
    """Cut off in its last bytes, after the index, it is refused or all of it is there, and as it must be."""
    data, end = archive.read_bytes(), index_end(archive)
    cuts = [end + (len(data) - end) * step // 12 for step in range(12)] + [len(data) - 1]
    results = refusals(way, archive, work, ((str(cut), data[:cut]) for cut in cuts))
    assert set(results.values()) <= {"DamagedArchive", "the same"}


def test_flipped_bytes_in_segments(archive: Path, work: Path) -> None:
    """One bit in any segment, at its start, in it or at its end: unpacking says so, and from where."""
    data = archive.read_bytes()
    places = [place for _, place in borders(archive)] + [index_end(archive)]
    spots = [
        spot
        for start, stop in pairwise(places)
        for spot in {start, start + 7, start + 130, (start + stop) // 2, stop - 2}
        if start <= spot < stop
    ]
    assert set(refusals(unpack_file, archive, work, flipped(data, spots)).values()) == {"DamagedArchive"}


def test_flipped_bytes_in_a_stream(archive: Path, work: Path) -> None:
    """One bit anywhere in what comes through a pipe: refused, unless no file is any different for it."""
    data = archive.read_bytes()
    spots = [len(data) * step // 41 for step in range(41)] + [place for _, place in borders(archive)]
    results = refusals(unpack_stream, archive, work, flipped(data, spots))
    assert set(results.values()) <= {"DamagedArchive", "UnsafeArchive", "the same"}
    if not archive.name.endswith(".tar"):  # a tar has no checksums for its padding
        assert list(results.values()).count("the same") <= 3


def test_flipped_bytes_at_both_ends(archive: Path, way: Way, work: Path) -> None:
    """One bit of the first or the last bytes, those of the container: refused, or harmless."""
    data, end = archive.read_bytes(), index_end(archive)
    tail = range(end, len(data), max(1, (len(data) - end) // 24))
    results = refusals(way, archive, work, flipped(data, [*range(12), *tail]))
    assert set(results.values()) <= {"DamagedArchive", "UnsafeArchive", "the same"}


def flipped(data: bytes, spots: list[int]) -> Iterator[tuple[str, bytes]]:
    for spot in sorted(set(spots)):
        changed = bytearray(data)
        changed[spot] ^= 0x10
        yield str(spot), bytes(changed)


def test_swapped_segments(archive: Path, way: Way, work: Path) -> None:
    """Segments in another order than they were written in are no archive of ours."""
    data = archive.read_bytes()
    first, second, third = [place for _, place in borders(archive)][1:4]
    swapped = data[:first] + data[second:third] + data[first:second] + data[third:]
    damaged = work / archive.name
    damaged.write_bytes(swapped)
    error = attempt(way, damaged, work / "dest")
    assert isinstance(error, DamagedArchive)


def test_spliced_archives(archive: Path, way: Way, work: Path) -> None:
    """The start of one archive with the end of another is neither of them."""
    other = small_environment(work / "other")
    (other / "lib" / "large.bin").write_bytes(b"other")
    theirs = pack(other, work / f"theirs{archive.name}").read_bytes()
    shutil.rmtree(other)
    cut = [place for _, place in borders(archive)][3]  # within the large file, the first that differs
    damaged = work / archive.name
    damaged.write_bytes(archive.read_bytes()[:cut] + theirs[cut:])
    assert isinstance(attempt(way, damaged, work / "dest"), DamagedArchive)


def test_forgeries_without_a_lie_are_taken(archive: Path, way: Way, work: Path) -> None:
    """What the hostile tests change is an archive that unpacks as the original, before they change it."""
    forged = Forgery.of(archive).write(work / archive.name)
    unpack_file(archive, work / "dest")
    expected = tree(work / "dest")
    shutil.rmtree(work / "dest")
    way(forged, work / "dest")
    actual = tree(work / "dest", skip=["conda-meta/conda-pack/index.json"])
    assert diff_trees({path: node for path, node in expected.items() if path in actual}, actual) == ""
    assert expected.keys() - actual.keys() == {"conda-meta/conda-pack/index.json"}


# ------------------------------------------------------- archives not ours


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("somebody/file.txt")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    return buffer.getvalue()


NOT_OURS = {
    "empty": b"",
    "text": b"This is no archive at all.\n" * 100,
    "short text": b"hello\n",
    "tar": _tar(),
    "tar.gz": gzip.compress(_tar()),
    "tar.bz2": bz2.compress(_tar()),
    "zip": b"PK\x03\x04" + bytes(2000),
    "gzip of nothing": gzip.compress(b""),
    "gzip of text": gzip.compress(b"hello\n" * 1000),
    "zeros": bytes(10240),
    "start of gzip": b"\x1f\x8b",
    "start of zstd": b"\x28\xb5\x2f\xfd",
    "zstd seek table": bytes(100) + b"\xff\xff\xff\xff\0\xb1\xea\x92\x8f",
    "zstd with a seek table": b"\x28\xb5\x2f\xfd" + bytes(100) + b"\xff\xff\xff\xff\0\xb1\xea\x92\x8f",
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_files_that_are_no_archives_of_ours(name: str, way: Way, work: Path) -> None:
    """Any other file is refused in a sentence, and nothing is made."""
    (work / "x").write_bytes(NOT_OURS[name])
    error = attempt(way, work / "x", work / "dest")
    if (way, name) == (unpack_stream, "zip"):  # which no pipe can bring, ours or not
        assert isinstance(error, UsageError)
    else:
        assert isinstance(error, DamagedArchive)
        assert error.exit_code in (10, 11)
    assert "\n" not in str(error) and str(error).endswith(".")


def test_an_archive_of_the_incumbent(way: Way, work: Path) -> None:
    """What conda-pack before us made has no index: the error says so and what to do."""
    prefix = small_environment(work / "env")
    old = work / "old.tar.gz"
    if INCUMBENT.exists():
        subprocess.run([INCUMBENT, "-q", "-p", prefix, "-o", old], check=True, capture_output=True)
    else:
        with tarfile.open(old, "w:gz") as tar:
            tar.add(prefix, ".")
    shutil.rmtree(prefix)
    error = attempt(way, old, work / "dest")
    assert isinstance(error, DamagedArchive)
    assert "conda-pack" in str(error)


def test_missing_and_impossible_archives(work: Path) -> None:
    """No file and a folder are told apart from a damaged archive."""
    with pytest.raises(CondaPackException, match="There is no archive"):
        unpack_file(work / "none.tar.gz", work / "dest")
    (work / "folder.tar.gz").mkdir()
    with pytest.raises(CondaPackException, match="is a folder"):
        unpack_file(work / "folder.tar.gz", work / "dest")
