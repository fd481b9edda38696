"""Whatever reads tar, gzip and zstd reads what we write, and all readers agree on what is in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from conda_pack.model import INDEX_PATH, Platform
from conda_pack.runtime.files import runtime_files
from tests.support.archives import (
    FORMATS,
    QUICK_FORMATS,
    conda_pack,
    index_of,
    mtimes,
    pack,
    rich_environment,
    rich_pack,
    small_environment,
    stored_entries,
    unpack_file,
    unpack_stream,
)
from tests.support.environments import LocalChannel
from tests.support.trees import Tree, diff_trees, tree
from tests.support.zstd_frames import MAGIC, SKIPPABLE, frame_header, frames

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UTF8 = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
PYTHONS = sorted(Path(os.environ["HOME"]).glob(".pyenv/versions/3*/bin/python"))
"""Every other Python of this machine (found before a fixture moves HOME)."""
STATE = "conda-meta/conda-pack/state.json"


def sh(command: str, archive: Path, dest: Path) -> None:
    """Run a shell command with the archive as ``$1`` and the destination as ``$2``."""
    script = f"set -e -o pipefail; {command}"
    done = subprocess.run(
        ["/bin/bash", "-c", script, "bash", archive, dest], env=UTF8, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")


EXTRACT = """\
import sys, tarfile
with tarfile.open(sys.argv[1], sys.argv[2]) as tar:
    {} tar.extractall(sys.argv[3])
"""


def python_tarfile(module: object, mode: str) -> Callable[[Path, Path], None]:
    """An extraction by Python's tarfile, or by one with the same interface."""

    def extract(archive: Path, dest: Path) -> None:
        with module.open(archive, mode) as tar:  # type: ignore[attr-defined]
            tar.extractall(dest, filter="fully_trusted")

    return extract


def shell(command: str, *programs: str) -> Callable[[Path, Path], None]:
    def extract(archive: Path, dest: Path) -> None:
        need(*programs)
        sh(command, archive, dest)

    return extract


def zstd_tarfile(archive: Path, dest: Path) -> None:
    if sys.version_info >= (3, 14):
        python_tarfile(tarfile, "r:zst")(archive, dest)
    else:
        from backports.zstd import tarfile as zstd_tar  # noqa: PLC0415

        python_tarfile(zstd_tar, "r:zst")(archive, dest)


READERS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "GNU tar": ("tar", shell('tar -xf "$1" -C "$2"')),
    "GNU tar, gzip": ("tar.gz", shell('tar -xf "$1" -C "$2"')),
    "GNU tar, zstd": ("tar.zst", shell('tar -xf "$1" -C "$2"', "zstd")),
    "bsdtar": ("tar", shell('bsdtar -xf "$1" -C "$2"', "bsdtar")),
    "bsdtar, gzip": ("tar.gz", shell('bsdtar -xf "$1" -C "$2"', "bsdtar")),
    "bsdtar, zstd": ("tar.zst", shell('bsdtar -xf "$1" -C "$2"', "bsdtar")),
    "busybox": ("tar", shell('busybox tar -xf "$1" -C "$2"', "busybox")),
    "busybox, gzip": ("tar.gz", shell('busybox tar -xzf "$1" -C "$2"', "busybox")),
    "gzip | tar": ("tar.gz", shell('gzip -dc "$1" | (cd "$2" && tar -xf -)')),
    "pigz | tar": ("tar.gz", shell('pigz -dc "$1" | tar -xf - -C "$2"', "pigz")),
    "zstd | tar": ("tar.zst", shell('zstd -dc "$1" | tar -xf - -C "$2"', "zstd")),
    "pzstd | tar": ("tar.zst", shell('pzstd -q -dc "$1" | tar -xf - -C "$2"', "pzstd")),
    "tarfile": ("tar", python_tarfile(tarfile, "r:")),
    "tarfile r:gz": ("tar.gz", python_tarfile(tarfile, "r:gz")),
    "tarfile r|gz": ("tar.gz", python_tarfile(tarfile, "r|gz")),
    "tarfile r|*": ("tar.gz", python_tarfile(tarfile, "r|*")),
    "tarfile r:zst": ("tar.zst", zstd_tarfile),
}


@pytest.fixture(scope="session")
def place(work_root: Path) -> Path:
    """Where every reader puts the environment, so that the prefix is the same for all."""
    folder = work_root / "readers"
    folder.mkdir()
    return folder / "environment"


@pytest.fixture(scope="session")
def expected(demo_channel: LocalChannel, work_root: Path, place: Path) -> tuple[Tree, dict[str, int]]:
    """What ``conda-pack unpack`` makes there."""
    unpack_file(rich_pack(demo_channel, work_root, "tar.zst"), place)
    found = tree(place), mtimes(place)
    shutil.rmtree(place)
    return found


@pytest.mark.parametrize("reader", READERS)
def test_readers(
    reader: str,
    expected: tuple[Tree, dict[str, int]],
    place: Path,
    demo_channel: LocalChannel,
    work_root: Path,
) -> None:
    """Any tar, then bin/conda-unpack, gives what ``conda-pack unpack`` gives: bytes, modes, links, times."""
    suffix, extract = READERS[reader]
    archive = rich_pack(demo_channel, work_root, suffix)
    place.mkdir(mode=0o755)
    try:
        extract(archive, place)
        times = mtimes(place)
        subprocess.run([place / "bin" / "conda-unpack", "-q"], check=True, env=UTF8)
        actual = tree(place)
    finally:
        shutil.rmtree(place)
    assert diff_trees(_less_index(expected[0]), _less_index(actual)) == ""
    unrelocated = {
        entry.path
        for entry in stored_entries(index_of(archive), archive)
        if entry.type == "file" and entry.offsets is None and not entry.path.startswith("conda-meta/")
    }
    assert len(unrelocated) > 500
    assert {path: expected[1][path] for path in unrelocated} == {path: times[path] for path in unrelocated}


def test_what_comes_out_is_what_was_there(
    expected: tuple[Tree, dict[str, int]], demo_channel: LocalChannel, work_root: Path, place: Path
) -> None:
    """Every path of the environment but conda's history comes out, with its mode and as what it was."""
    prefix = rich_environment(demo_channel, work_root)
    original = tree(prefix)
    ours = ("conda-meta/conda-pack", "bin/conda-unpack", "bin/activat", "bin/deactivate")
    unpacked = {path: node for path, node in expected[0].items() if not path.startswith(ours)}
    assert original.keys() == unpacked.keys()
    kinds = {path: (node.type, node.mode) for path, node in original.items() if node.type != "folder"}
    assert kinds == {path: (node.type, node.mode) for path, node in unpacked.items() if node.type != "folder"}
    links = {path: node.content for path, node in original.items() if node.type == "link"}
    assert links == {path: node.content for path, node in unpacked.items() if node.type == "link"}
    empty = [path for path in ("own/empty folder", "own/closed") if unpacked[path].type == "folder"]
    assert empty == ["own/empty folder", "own/closed"]
    assert unpacked["own/closed"].mode == original["own/closed"].mode == 0o750


@pytest.mark.parametrize("suffix", QUICK_FORMATS)
def test_the_ways_of_unpacking_agree(
    suffix: str,
    expected: tuple[Tree, dict[str, int]],
    place: Path,
    demo_channel: LocalChannel,
    work_root: Path,
) -> None:
    """Each format, sought in and streamed, comes out the same, to the times of what was not relocated."""
    archive = rich_pack(demo_channel, work_root, suffix)
    relocated = {
        entry.path for entry in stored_entries(index_of(archive), archive) if entry.offsets is not None
    }
    written_last = relocated | {STATE} | {path for path in expected[1] if path.startswith("conda-meta/")}
    for unpack in (unpack_file, unpack_stream):
        unpack(archive, place)
        actual, times = tree(place), mtimes(place)
        shutil.rmtree(place)
        assert diff_trees(_less_index(expected[0]), _less_index(actual)) == ""
        kept = expected[1].keys() - written_last
        assert {path: expected[1][path] for path in kept} == {path: times[path] for path in kept}


def _less_index(full: Tree) -> Tree:
    """Without what tells places in its own archive."""
    return {path: node for path, node in full.items() if path != INDEX_PATH}


def test_a_pipe_that_is_slow(work: Path) -> None:
    """Bytes that come in dribs and drabs through a real pipe make the same environment."""
    archive = pack(small_environment(work / "env"), work / "x.tar.gz")
    dest = work / "dest"
    unpack_file(archive, dest)
    whole = tree(dest)
    shutil.rmtree(dest)
    argv = [sys.executable, "-m", "conda_pack", "unpack", "-", str(dest)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        data = archive.read_bytes()
        assert process.stdin is not None and process.stdout is not None

        def dribble(pipe: IO[bytes]) -> None:
            for start in range(0, len(data), 1009):
                os.write(pipe.fileno(), data[start : start + 1009])
                time.sleep(0.005)
            pipe.close()

        writer = threading.Thread(target=dribble, args=(process.stdin,))
        writer.start()
        said = process.stdout.read()
        writer.join()
    assert (process.returncode, said.decode()) == (0, f"{dest}\n")
    assert diff_trees(whole, tree(dest)) == ""


# --------------------------------------------------------------- old Pythons


@pytest.fixture(scope="session")
def small_packs(work_root: Path) -> dict[str, Path]:
    folder = work_root / "small-packs"
    prefix = small_environment(folder / "env")
    (prefix / "own" / "naïve ☃").write_bytes(b"unicode\n")
    (prefix / "own" / ("n" * 200)).write_bytes(b"long\n")
    (prefix / "own" / "far").symlink_to("../" * 40 + "nowhere" * 10)
    return {suffix: pack(prefix, folder / f"small.{suffix}") for suffix in FORMATS}


@pytest.mark.parametrize("mode", ["r:gz", "r|gz", "r|*", "r:"])
@pytest.mark.parametrize("python", PYTHONS, ids=[path.parent.parent.name for path in PYTHONS])
def test_old_pythons(python: Path, mode: str, small_packs: dict[str, Path], work: Path) -> None:
    """The tarfile of every Python from 3.6 on, stream mode too, gets everything."""
    archive = small_packs["tar" if mode == "r:" else "tar.gz"]
    for folder in ("expected", "actual"):
        (work / folder).mkdir()
    sh('tar -xf "$1" -C "$2"', archive, work / "expected")
    version = tuple(map(int, python.parent.parent.name.split(".")))
    trusted = "tar.extraction_filter = lambda member, path: member;" if version >= (3, 12) else ""
    argv: list[str | Path] = [python, "-c", EXTRACT.format(trusted), archive, mode, work / "actual"]
    subprocess.run(argv, check=True, env=UTF8)
    assert diff_trees(tree(work / "expected"), tree(work / "actual")) == ""


# ------------------------------------------------------------------ containers


def test_gzip_is_one_plain_member(demo_channel: LocalChannel, work_root: Path) -> None:
    """No second member where streaming readers stop, no name, time or extra field; gzip says it is sound."""
    archive = rich_pack(demo_channel, work_root, "tar.gz")
    data = archive.read_bytes()
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    member = zlib.decompressobj(31)
    plain = member.decompress(data)
    assert (member.eof, member.unused_data) == (True, b"")
    assert plain == rich_pack_less_index(demo_channel, work_root, plain)
    assert struct.unpack("<II", data[-8:]) == (zlib.crc32(plain), len(plain))
    subprocess.run(["gzip", "-t", archive], check=True)


def rich_pack_less_index(demo: LocalChannel, work_root: Path, plain: bytes) -> bytes:
    """The plain tar, whose index and footer tell other offsets, with those of another format."""
    other = rich_pack(demo, work_root, "tar")
    end = index_of(other).segments[-1]
    start = end.offset + end.length
    return other.read_bytes()[:start] + plain[start:]


def test_gzip_segments_stand_alone(demo_channel: LocalChannel, work_root: Path) -> None:
    """Each segment inflates from its offset, with nothing before it, to the bytes its digest is of."""
    archive = rich_pack(demo_channel, work_root, "tar.gz")
    data, plain = archive.read_bytes(), zlib.decompress(archive.read_bytes(), 31)
    start = 0
    for item in index_of(archive).segments:
        segment = data[item.offset : item.offset + item.length]
        assert hashlib.sha256(segment).hexdigest() == item.sha256
        assert zlib.decompressobj(-15).decompress(segment) == plain[start : start + item.size]
        assert segment.endswith(b"\0\0\xff\xff")  # a full flush
        start += item.size


def test_zstd_frames_and_seek_table(demo_channel: LocalChannel, work_root: Path) -> None:
    """Ordinary frames, each with its size, a checksum and a window of 8 MiB at most, and a right table."""
    archive = rich_pack(demo_channel, work_root, "tar.zst")
    data = archive.read_bytes()
    assert data[:4] == b"\x28\xb5\x2f\xfd" == struct.pack("<I", MAGIC)
    *ordinary, table = frames(data)
    assert [skippable for _, _, skippable in ordinary] == [False] * len(ordinary)
    for start, length, _ in ordinary:
        found = frame_header(data[start : start + length])
        assert found.has_checksum
        assert found.content_size is not None
        assert found.window <= 1 << 23
    items = index_of(archive).segments
    assert [(item.offset, item.length) for item in items] == [
        (start, length) for start, length, _ in ordinary[: len(items)]
    ]
    assert len(ordinary) == len(items) + 2  # the index and the footer
    start, length, skippable = table
    assert (skippable, start + length) == (True, len(data))
    magic, size = struct.unpack_from("<II", data, start)
    count, flags, seekable = struct.unpack("<IBI", data[-9:])
    assert (magic, size, count, flags, seekable) == (SKIPPABLE, 8 * count + 9, len(ordinary), 0, 0x8F92EAB1)
    entries = [struct.unpack_from("<II", data, start + 8 + 8 * number) for number in range(count)]
    headers = [frame_header(data[start:]).content_size for start, _, _ in ordinary]
    assert entries == [(length, size) for (_, length, _), size in zip(ordinary, headers, strict=True)]
    plain, place = zstd.decompress(data), 0
    for number, (begin, length, _) in enumerate(ordinary):
        frame = zstd.decompress(data[begin : begin + length])
        assert frame == plain[place : place + entries[number][1]]
        place += len(frame)
    subprocess.run(["zstd", "-tq", archive], check=True)


@pytest.mark.parametrize("level", [-7, 1, 19, 20, 22])
def test_zstd_windows_stay_small(level: int, work: Path) -> None:
    """At no level does a reader need more memory than RFC 9659 lets it refuse."""
    archive = pack(small_environment(work / "env"), work / "x.tar.zst", compress_level=level)
    data = archive.read_bytes()
    windows = [frame_header(data[start:]).window for start, _, skippable in frames(data) if not skippable]
    assert max(windows) <= 1 << 23


def test_order_of_members(small_packs: dict[str, Path]) -> None:
    """The runtime, each package with its record last, what nobody owns, the index: as design.md has it."""
    with tarfile.open(small_packs["tar"]) as tar:
        names = tar.getnames()
        owners = {(member.uid, member.gid, member.uname, member.gname) for member in tar}
        comments = tar.pax_headers
    records = [name for name in names if name.startswith("conda-meta/conda-pack/")]
    assert records == [
        "conda-meta/conda-pack/tiny-1.0-0.json",
        "conda-meta/conda-pack/unmanaged.json",
        "conda-meta/conda-pack/index.json",
    ]
    runtime = [blob.path for blob in runtime_files(Platform("linux-64"))]
    assert names[: len(runtime)] == runtime
    assert runtime[-1] == "bin/conda-unpack"
    assert names[-1] == "conda-meta/conda-pack"  # the folder that carries the footer
    assert names[-2] == "conda-meta/conda-pack/index.json"
    assert not any(name.startswith("./") for name in names)
    assert owners == {(0, 0, "", "")}
    assert comments.keys() <= {"comment"}


# ------------------------------------------------------------------- options


@pytest.mark.parametrize("suffix", FORMATS)
def test_arcroot(suffix: str, work: Path) -> None:
    """tar puts the environment below the root; ``unpack`` puts it at its destination itself."""
    prefix = small_environment(work / "env")
    archive = work / f"x.{suffix}"
    conda_pack("-p", prefix, "-o", archive, "--arcroot", "some/root")
    (work / "tar").mkdir()
    sh('tar -xf "$1" -C "$2"', archive, work / "tar")
    assert os.listdir(work / "tar") == ["some"]
    assert os.listdir(work / "tar" / "some") == ["root"]
    for way in (unpack_file, unpack_stream):
        way(archive, work / "dest")
        (work / "tar" / "some" / "root").rename(work / "moved")
        subprocess.run([sys.executable, work / "moved" / "bin" / "conda-unpack", "-q"], check=True)
        assert (work / "moved" / "etc" / "tool.conf").read_text() == f"prefix={work}/moved\n"
        (work / "moved").rename(work / "tar" / "some" / "root")
        assert (work / "dest" / "etc" / "tool.conf").read_text() == f"prefix={work}/dest\n"
        skip = ["etc/tool.conf", "bin/tool", "own/note.txt", "conda-meta/*"]
        expected = tree(work / "tar" / "some" / "root", skip)
        assert diff_trees(expected, tree(work / "dest", skip)) == ""
        shutil.rmtree(work / "dest")


def test_dest_prefix_runs_where_it_was_packed_for(
    demo_channel: LocalChannel, work_root: Path, work: Path
) -> None:
    """Straight after tar, files hold the destination, conda-meta has their hashes, and programs run."""
    prefix = rich_environment(demo_channel, work_root)
    archive, dest = work / "x.tar", work / "dest"
    done = conda_pack("-p", prefix, "-o", archive, "-d", dest)
    assert (done.returncode, done.stderr) == (0, "")
    dest.mkdir()
    sh('tar -xf "$1" -C "$2"', archive, dest)
    assert not (dest / "bin" / "conda-unpack").exists()
    assert (dest / "etc" / "small.conf").read_text() == f"prefix={dest}\n"
    said = subprocess.run([dest / "bin" / "own-script"], check=True, capture_output=True, text=True)
    assert said.stdout == f"{dest}\n"
    said = subprocess.run([dest / "bin" / "demo-lib"], check=True, capture_output=True, text=True)
    assert said.stdout == f"demo-lib runs in {dest}\n"
    assert wrong_hashes(dest) == []
    holding = [
        path for path, node in tree(dest).items() if node.type == "file" and holds(dest / path, prefix)
    ]
    assert [path for path in holding if not path.endswith(".pyc")] == []


def test_dest_prefix_may_be_relative(work: Path) -> None:
    """As Spark wants it: files hold the relative path, which is the one of the archive's unpacked folder."""
    prefix = small_environment(work / "env")
    done = conda_pack("-p", prefix, "-o", work / "x.tar.gz", "--dest-prefix", "./environment")
    assert (done.returncode, done.stderr) == (0, "")
    (work / "environment").mkdir()
    sh('tar -xf "$1" -C "$2"', work / "x.tar.gz", work / "environment")
    assert (work / "environment" / "etc" / "tool.conf").read_text() == "prefix=./environment\n"
    assert (work / "environment" / "own" / "note.txt").read_text() == "./environment\n"
    assert not (work / "environment" / "bin" / "conda-unpack").exists()
    assert wrong_hashes(work / "environment") == []


@pytest.mark.parametrize("way", [unpack_file, unpack_stream])
def test_dest_prefix_unpacked_there_and_elsewhere(way: Callable[[Path, Path], None], work: Path) -> None:
    """``unpack`` leaves the files as they were packed, wherever it puts them."""
    prefix = small_environment(work / "env")
    archive = pack(prefix, work / "x.tar.zst", dest_prefix=str(work / "there"))
    for name in ("there", "elsewhere"):
        way(archive, work / name)
        assert (work / name / "etc" / "tool.conf").read_text() == f"prefix={work}/there\n"
        assert not (work / name / STATE).exists()
    assert diff_trees(tree(work / "there"), tree(work / "elsewhere")) == ""


def holds(path: Path, prefix: Path) -> bool:
    return os.fsencode(prefix) + b"/" in path.read_bytes()


def wrong_hashes(prefix: Path) -> list[str]:
    """The files that are not what conda-meta says they are."""
    wrong = []
    for meta in (prefix / "conda-meta").glob("*.json"):
        document = json.loads(meta.read_text())
        for entry in document["paths_data"]["paths"]:
            digest = entry.get("sha256_in_prefix") or entry.get("sha256")
            path = prefix / entry["_path"]
            if path.is_symlink() or not path.is_file() or digest is None:
                continue
            if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                wrong.append(entry["_path"])
    return wrong
