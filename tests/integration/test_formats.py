"""Every format: to its own tools it is the environment that the tar.gz is, before and after relocation."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import conda_pack
from conda_pack.errors import DamagedArchive, OutputExists, ToolMissing, UsageError, WriteFailed
from tests.support.archives import (
    index_of,
    pack,
    rich_environment,
    rich_pack,
    small_environment,
    write_environment,
)
from tests.support.environments import LocalChannel
from tests.support.packs import BARE, Done, relocate, sha256, start, succeed, unpack, untar
from tests.support.trees import Tree, diff_trees, tree

INDEX = "conda-meta/conda-pack/index.json"
DAY = 1_700_000_000
NO_FILE = {"own/up", "share/bulk/nowhere"}
"""Links that lead to the folder they lie in, and to nothing."""


def unzip(archive: Path, dest: Path) -> None:
    """Info-ZIP's."""
    dest.mkdir(parents=True)
    succeed(["unzip", "-q", archive, "-d", dest])


def bsdtar(archive: Path, dest: Path) -> None:
    """libarchive's."""
    dest.mkdir(parents=True)
    succeed(["bsdtar", "-xpf", archive, "-C", dest])


def unsquash(archive: Path, dest: Path) -> None:
    """squashfs-tools'."""
    succeed(["unsquashfs", "-n", "-q", "-d", dest, archive])


@pytest.fixture
def env(work: Path) -> Path:
    return small_environment(work / "env")


@pytest.fixture(scope="session")
def rich(demo_channel: LocalChannel, work_root: Path) -> Path:
    return rich_environment(demo_channel, work_root)


@pytest.fixture(scope="session")
def plain(demo_channel: LocalChannel, work_root: Path) -> tuple[Tree, Tree]:
    """What the tar.gz has, and the same after conda-unpack at the place of all relocated ones."""
    archive = rich_pack(demo_channel, work_root, "tar.gz")
    place = work_root / "rich" / "relocated"
    untar(archive, place)
    stored = tree(place)
    assert relocate(place) == Done(0, "", "")
    relocated = tree(place)
    shutil.rmtree(place)
    return stored, relocated


def without(*paths: str) -> Callable[[Tree], Tree]:
    return lambda whole: {path: node for path, node in whole.items() if path not in paths}


less_index = without(INDEX)  # whose table of segments belongs to the one file


def check(packed: Path, rich: Path, plain: tuple[Tree, Tree], way: Callable[[Path, Path], None]) -> None:
    """Extracted it is as the tar.gz is, and relocated as well, at the same place."""
    place = rich.parent / "relocated"
    way(packed, place)
    try:
        assert diff_trees(less_index(plain[0]), less_index(tree(place))) == ""
        assert relocate(place) == Done(0, "", "")
        assert diff_trees(less_index(plain[1]), less_index(tree(place))) == ""
    finally:
        shutil.rmtree(place)


def identity_of(prefix: Path) -> str:
    return str(json.loads((prefix / INDEX).read_bytes())["identity"])


# ----------------------------------------------------------------------- zip


@pytest.mark.parametrize("way", [unzip, bsdtar])
def test_zip_with_links(way: Callable[[Path, Path], None], rich: Path, plain: tuple[Tree, Tree]) -> None:
    """With --zip-symlinks it has all that a tar has: links, modes, empty folders."""
    archive = rich.parent / "links.zip"
    if not archive.exists():
        pack(rich, archive, zip_symlinks=True)
    check(archive, rich, plain, way)


@pytest.mark.filterwarnings("default:.*links stay links")
def test_zip_has_files_in_the_place_of_links(rich: Path, plain: tuple[Tree, Tree], work: Path) -> None:
    """By default what a link leads to is there twice, and both are relocated."""
    archive, place = rich.parent / "files.zip", rich.parent / "relocated"
    conda_pack.pack(prefix=str(rich), output=str(archive), force=True)
    unzip(archive, place)
    try:
        assert relocate(place) == Done(0, "", "")
        actual = tree(place)
        links = {path for path, node in plain[1].items() if node.type == "link"}
        followed = {path: tree(place / os.path.dirname(path)).get(os.path.basename(path)) for path in links}
        assert {path for path, node in followed.items() if node and node.type == "link"} == NO_FILE
        for path in links - NO_FILE:
            target = (place / path).parent / plain[1][path].content
            if target.is_file():
                assert (place / path).read_bytes() == target.read_bytes(), path
        records = {path for path in plain[1] if path.startswith("conda-meta/conda-pack/")}
        rest = without(*links, *records)
        assert diff_trees(rest(plain[1]), {path: actual[path] for path in rest(plain[1])}) == ""
        python = "import sys, zlib; print(sys.prefix)"
        assert succeed([place / "bin/python", "-c", python], environ=BARE).out == f"{place}\n"
    finally:
        shutil.rmtree(place)


def test_zip_in_pythons_own_reader(rich: Path) -> None:
    """zipfile proves each checksum, and sees the Unix modes and times."""
    archive = rich.parent / "zipfile.zip"
    pack(rich, archive, zip_symlinks=True)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        infos = {info.filename: info for info in opened.infolist()}
        assert infos["bin/conda-unpack"].external_attr >> 16 == stat.S_IFREG | 0o755
        assert infos["own/closed/"].external_attr >> 16 == stat.S_IFDIR | 0o750
        assert stat.S_ISLNK(infos["own/up"].external_attr >> 16)
        assert opened.read("own/up") == b".."
        assert [info for info in infos.values() if info.create_system != 3] == []


@pytest.mark.parametrize("level", [0, 1, 4, 9])
@pytest.mark.parametrize("threads", [1, 3])
def test_zip_levels(level: int, threads: int, env: Path, work: Path) -> None:
    """Each level holds the same, a file of several segments too; the threads leave no trace."""
    archive = pack(env, work / "x.zip", compress_level=level, n_threads=threads, zip_symlinks=True)
    unzip(archive, work / "out")
    assert (work / "out/lib/large.bin").read_bytes() == (env / "lib/large.bin").read_bytes()
    again = pack(env, work / "y.zip", compress_level=level, n_threads=2, zip_symlinks=True)
    assert sha256(archive) == sha256(again)
    stored = zipfile.ZipFile(archive).getinfo("lib/large.bin").compress_size
    assert (stored >= (env / "lib/large.bin").stat().st_size) == (level == 0)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.filterwarnings("default:.*links stay links")
def test_unpack_takes_zip(links: bool, env: Path, work: Path) -> None:
    """``conda-pack unpack`` proves and relocates a zip too."""
    pack(env, work / "x.zip", zip_symlinks=links)
    unpack(work / "x.zip", work / "dest")
    (work / "expected").mkdir()
    unzip(work / "x.zip", work / "by-hand")
    (work / "by-hand").rename(work / "moved")
    (work / "dest").rename(work / "kept")
    (work / "moved").rename(work / "dest")
    assert start([sys.executable, work / "dest/bin/conda-unpack", "-q"]).code == 0
    skip = without("conda-meta/conda-pack/state.json")
    assert diff_trees(skip(tree(work / "kept")), skip(tree(work / "dest"))) == ""


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.999])
def test_damaged_zips(cut: float, env: Path, work: Path) -> None:
    """Cut off, or with a byte changed in a file, it is refused and nothing is left."""
    archive = pack(env, work / "x.zip", zip_symlinks=True)
    data = bytearray(archive.read_bytes())
    archive.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(DamagedArchive):
        conda_pack.unpack(str(archive), str(work / "dest"))
    with zipfile.ZipFile(pack(env, work / "y.zip", zip_symlinks=True)) as opened:
        place = opened.getinfo("lib/large.bin").header_offset + 200
    data[place] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DamagedArchive):
        conda_pack.unpack(str(archive), str(work / "dest"))
    assert not (work / "dest").exists()


def test_zip64(work: Path) -> None:
    """More files than the old directory can count need ZIP64, which --no-zip-64 forbids."""
    env = write_environment(work / "env", {f"d/{n:05}": b"" for n in range(65_600)})
    archive = pack(env, work / "x.zip")
    with zipfile.ZipFile(archive) as opened:
        assert len([name for name in opened.namelist() if name.startswith("d/")]) == 65_600
    unzip(archive, work / "out")
    assert len(os.listdir(work / "out/d")) == 65_600
    with pytest.raises(UsageError, match="ZIP64"):
        pack(env, work / "y.zip", zip_64=False)
    assert not (work / "y.zip").exists()


def test_zip_without_zip64_where_it_is_not_needed(env: Path, work: Path) -> None:
    """The option changes nothing then."""
    first = pack(env, work / "x.zip", zip_64=False, zip_symlinks=True)
    second = pack(env, work / "y.zip", zip_64=True, zip_symlinks=True)
    assert sha256(first) == sha256(second)


# ------------------------------------------------------------------ squashfs


def test_squashfs(rich: Path, plain: tuple[Tree, Tree]) -> None:
    """The image has what the tar has."""
    archive = pack(rich, rich.parent / "x.squashfs")
    check(archive, rich, plain, unsquash)


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    place.mkdir()
    succeed(["squashfuse", image, place])
    try:
        yield
    finally:
        succeed(["umount", place])


@pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="NO FUSE HERE, squashfs is not mounted!")
def test_squashfs_mounted(rich: Path, work: Path) -> None:
    """Python and a script of the environment run from the image, which nothing is extracted from."""
    image = pack(rich, work / "x.squashfs")
    with mounted(image, work / "mnt"):
        python = "import sys; print(sys.prefix)"
        assert succeed([work / "mnt/bin/python", "-c", python], environ=BARE).out == f"{work / 'mnt'}\n"
        assert succeed([work / "mnt/bin/own-script"], environ=BARE).out == f"{work / 'mnt'}\n"


def test_squashfs_under_an_overlay(rich: Path, plain: tuple[Tree, Tree], work: Path) -> None:
    """As docs/squashfs.md has it: relocated in a writable layer, which holds no more than what changed."""
    image, place = pack(rich, work / "x.squashfs"), rich.parent / "relocated"
    for folder in (place, work / "image", work / "upper", work / "work"):
        folder.mkdir()
    if start(["mount", "-o", "loop,ro", image, work / "image"]).code != 0:
        place.rmdir()
        pytest.skip("NO MOUNTS HERE, the overlay is not tried!")
    layers = f"lowerdir={work}/image,upperdir={work}/upper,workdir={work}/work"
    try:
        succeed(["mount", "-t", "overlay", "overlay", "-o", layers, place])
        try:
            assert relocate(place) == Done(0, "", "")
            assert diff_trees(less_index(plain[1]), less_index(tree(place))) == ""
        finally:
            succeed(["umount", place])
        changed = {path for path, node in tree(work / "upper").items() if node.type == "file"}
        assert changed == {path for path in plain[1] if plain[0].get(path) != plain[1][path]}
    finally:
        succeed(["umount", work / "image"])
        place.rmdir()


@pytest.mark.parametrize(
    ("level", "said"), [(0, "gzip"), (1, "zstd"), (4, "zstd"), (8, "zstd"), (9, "xz"), (None, "zstd")]
)
def test_squashfs_levels(level: int | None, said: str, env: Path, work: Path) -> None:
    """What --compress-level makes of it, by the image's own word; the same bytes from any threads."""
    first = pack(env, work / "x.squashfs", compress_level=level, n_threads=1)
    told = succeed(["unsquashfs", "-s", first]).out
    assert f"Compression {said}" in told
    if level == 0:
        assert "Data is uncompressed" in told
    second = pack(env, work / "y.squashfs", compress_level=level, n_threads=2)
    assert sha256(first) == sha256(second)


def test_squashfs_without_its_tool(env: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing program is named, and how to get it."""
    monkeypatch.setenv("PATH", str(work))
    with pytest.raises(ToolMissing, match="squashfs-tools"):
        pack(env, work / "x.squashfs")
    assert list(work.glob("*squashfs*")) == []


def test_squashfs_whose_tool_fails(env: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is passed on, and nothing is left."""
    tools = work / "tools"
    tools.mkdir()
    (tools / "mksquashfs").write_text(
        '#!/bin/sh\ncase $1 in -version) echo mksquashfs version 4.6;; *) echo "no room" >&2; exit 3;; esac\n'
    )
    (tools / "mksquashfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(WriteFailed, match="mksquashfs ended with 3: no room"):
        pack(env, work / "x.squashfs")
    assert list(work.glob("*squashfs*")) == []


# -------------------------------------------------------------------- folder


def test_folder(rich: Path, plain: tuple[Tree, Tree]) -> None:
    """A folder as an extracted archive is, with packages' files linked to those of the environment."""
    place = rich.parent / "relocated"
    before = tree(rich)
    pack(rich, place, format="no-archive")
    try:
        assert diff_trees(less_index(plain[0]), less_index(tree(place))) == ""
        shared = [
            path
            for path, node in plain[0].items()
            if node.type == "file" and (rich / path).is_file() and (place / path).samefile(rich / path)
        ]
        assert len(shared) > 100
        assert [path for path in shared if path.startswith(("conda-meta/", "own/"))] == []
        assert relocate(place) == Done(0, "", "")
        assert diff_trees(less_index(plain[1]), less_index(tree(place))) == ""
        assert diff_trees(before, tree(rich)) == ""
    finally:
        shutil.rmtree(place)


def test_folder_on_another_disk(env: Path, tmp_path: Path) -> None:
    """Where nothing can be linked it is copied."""
    if os.stat(env).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("ONE DISK ONLY, a folder on another is not tried!")
    pack(env, tmp_path / "copy", format="no-archive")
    assert [path.stat().st_nlink for path in (tmp_path / "copy/lib").iterdir()] == [1, 1]
    assert (tmp_path / "copy/lib/large.bin").read_bytes() == (env / "lib/large.bin").read_bytes()


def test_folder_replaces_only_its_like(env: Path, work: Path) -> None:
    """--force replaces what was packed before, and no other folder."""
    place = work / "x.no-archive"
    pack(env, place)
    with pytest.raises(OutputExists):
        pack(env, place)
    (env / "own/new.txt").write_text("new\n")
    pack(env, place, force=True)
    assert (place / "own/new.txt").read_text() == "new\n"
    assert sorted(path.name for path in work.iterdir()) == ["env", "x.no-archive"]
    (work / "mine").mkdir()
    (work / "mine/thesis.txt").write_text("dear to me\n")
    with pytest.raises(OutputExists):
        pack(env, work / "mine", format="no-archive", force=True)
    assert (work / "mine/thesis.txt").read_text() == "dear to me\n"


def test_folder_fails_loudly(env: Path, work: Path) -> None:
    """A file that cannot be read is an error, and there is no folder (the incumbent's exit code was 0)."""
    large = env / "lib/large.bin"
    large.write_bytes(large.read_bytes())

    class Truncate:
        def warn(self, message: str) -> None: ...
        def start(self, description: str, total: int) -> None:
            large.write_bytes(b"short")

        def advance(self, amount: int) -> None: ...
        def finish(self) -> None: ...

    with pytest.raises(conda_pack.CondaPackException, match="changed"):
        conda_pack.pack(prefix=str(env), output=str(work / "out"), format="no-archive", reporter=Truncate())
    assert sorted(path.name for path in work.iterdir()) == ["env"]


# -------------------------------------------------------------------- parcel


def test_parcel(env: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, laid out and described as Cloudera Manager wants it, for the one place it will lie at."""
    monkeypatch.chdir(work)
    path = conda_pack.pack(prefix=str(env), format="parcel", parcel_version="1.2.3")
    assert path == str(work / "env-1.2.3-el7.parcel")
    with tarfile.open(path, "r:gz") as tar:
        names = [member.name for member in tar if member.isfile()]
        assert {name.split("/")[0] for name in names} == {"env-1.2.3"}
        opened = tar.extractfile("env-1.2.3/meta/parcel.json")
        assert opened is not None
        told = json.load(opened)
        conf = tar.extractfile("env-1.2.3/etc/tool.conf")
        assert conf is not None
        assert conf.read() == b"prefix=/opt/cloudera/parcels/env-1.2.3\n"
    assert told == {
        "schema_version": 1,
        "name": "env",
        "version": "1.2.3",
        "extraVersionInfo": {"baseVersion": "1.2.3", "fullVersion": "1.2.3-el7", "patchCount": "0"},
        "setActiveSymlink": True,
        "scripts": {"defines": "conda_env.sh"},
        "provides": ["spark-plugin"],
        "components": [{"name": "env", "version": "1.2.3", "pkg_version": "1.2.3"}],
        "packages": [{"name": "tiny", "version": "1.0-0"}],
        "users": {},
        "groups": [],
    }
    assert "env-1.2.3/bin/activate" not in names
    assert "env-1.2.3/bin/conda-unpack" not in names


def test_parcel_in_use(rich: Path, work: Path) -> None:
    """At its place its Python runs, and what Cloudera Manager sources sets it and what packages set."""
    root = work / "parcels"
    root.mkdir()
    archive = work / "science.parcel"
    pack(
        rich,
        archive,
        parcel_root=str(root),
        parcel_name="science",
        parcel_version="7",
        parcel_distro="el9",
        compress_level=1,
    )
    succeed(["tar", "-xzf", archive, "-C", root])
    prefix = root / "science-7"
    (prefix / "etc/conda/activate.d").mkdir(parents=True, exist_ok=True)
    (prefix / "etc/conda/activate.d/x.sh").write_text("export FROM_PACKAGE=yes\n")
    script = (
        f"defines() {{ . {prefix}/meta/conda_env.sh; }}; PARCELS_ROOT={root} PARCEL_DIRNAME=science-7; "
        'defines; echo "$CDH_PYTHON $FROM_PACKAGE"; "$CDH_PYTHON" -c "import sys; print(sys.prefix)"'
    )
    done = succeed(["bash", "-euc", script], environ=BARE)
    assert done.out == f"{prefix}/bin/python yes\n{prefix}\n"
    assert succeed([prefix / "bin/own-script"], environ=BARE).out == f"{prefix}\n"


def test_parcel_of_the_day(env: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version is the day, which SOURCE_DATE_EPOCH may say; a suffix alone makes a parcel too."""
    monkeypatch.chdir(work)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(DAY))
    path = conda_pack.pack(prefix=str(env), format="parcel")
    assert path == str(work / "env-2023.11.14-el7.parcel")
    for format_ in ("infer", "tar.gz", "tgz"):
        conda_pack.pack(prefix=str(env), output="other.parcel", format=format_, force=True)
        assert index_of(work / "other.parcel").arcroot == "env-2023.11.14"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parcel_name": "my-env"}, "The parcel name 'my-env' has a dash"),
        ({"parcel_distro": "el-7"}, "The parcel distro 'el-7' has a dash"),
        ({"parcel_version": "1-2"}, "The parcel version '1-2' has a dash"),
        ({"parcel_name": "my env"}, "more than letters"),
        ({"parcel_root": "parcels"}, "no absolute path"),
        ({"dest_prefix": "/opt/x"}, "--parcel-root"),
        ({"arcroot": "x"}, "--parcel-root"),
    ],
)
def test_parcels_that_cannot_be(options: dict[str, str], said: str, env: Path, work: Path) -> None:
    """One sentence each."""
    with pytest.raises(UsageError, match=said):
        pack(env, work / "x.parcel", **options)
    assert not (work / "x.parcel").exists()


# -------------------------------------------------------------- to a pipe


@pytest.mark.parametrize("format_", ["tar", "tar.gz", "tar.zst", "tar.bz2", "tar.xz", "tgz"])
def test_to_standard_output(format_: str, env: Path, work: Path) -> None:
    """``-o -`` writes what a file gets, and says nothing else there."""
    expected = pack(env, work / f"x.{format_}", compress_level=1).read_bytes()
    argv = [sys.executable, "-m", "conda_pack", "-p", str(env), "-o", "-", "--format", format_]
    done = subprocess.run([*argv, "--compress-level", "1"], capture_output=True, check=True)
    assert done.stdout == expected


def test_through_a_pipe(env: Path, work: Path) -> None:
    """Packed and unpacked at once; gzip is the format of a pipe."""
    me = f"{sys.executable} -m conda_pack"
    script = f"{me} -p {env} -o - | {me} unpack - {work}/dest && {me} -p {env} -o - | gzip -t"
    assert succeed(["bash", "-o", "pipefail", "-c", script]).out == f"{work}/dest\n"
    assert (work / "dest/etc/tool.conf").read_text() == f"prefix={work}/dest\n"


def test_a_terminal_is_no_place_for_an_archive(env: Path) -> None:
    """Nothing comes to it but one sentence."""
    ours, theirs = os.openpty()
    argv = [sys.executable, "-m", "conda_pack", "-p", str(env), "-o", "-"]
    done = subprocess.run(argv, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    assert (done.returncode, b"terminal" in done.stderr) == (2, True)
    with pytest.raises(OSError):  # nothing to read, and nobody who writes
        os.read(ours, 10)
    os.close(ours)


def test_nobody_reads_the_pipe(env: Path) -> None:
    """It ends without a traceback."""
    script = (
        f"{sys.executable} -m conda_pack -p {env} -o - --format tar | head -c 10 >&2; exit ${{PIPESTATUS[0]}}"
    )
    done = start(["bash", "-c", script])
    assert done.code == 1
    assert "Traceback" not in done.err


@pytest.mark.parametrize("format_", ["zip", "squashfs", "sh", "no-archive"])
def test_what_cannot_go_to_a_pipe(format_: str, env: Path) -> None:
    """One sentence."""
    with pytest.raises(UsageError, match="standard output"):
        conda_pack.pack(prefix=str(env), output="-", format=format_)


# --------------------------------------------------------------- all formats


def test_one_identity(env: Path, work: Path) -> None:
    """The pack's identity is the same in every format and at every level."""
    identities = {}
    for name in ("tar", "tar.gz", "tar.zst", "tar.bz2", "tar.xz"):
        identities[name] = index_of(pack(env, work / f"x.{name}")).identity
    identities["sh"] = index_of(pack(env, work / "x.sh")).identity
    unzip(pack(env, work / "x.zip", zip_symlinks=True), work / "zip")
    unsquash(pack(env, work / "x.squashfs"), work / "squashfs")
    pack(env, work / "folder", format="no-archive")
    identities |= {name: identity_of(work / name) for name in ("zip", "squashfs", "folder")}
    assert set(identities.values()) == {identities["tar"]}


@pytest.mark.parametrize("name", ["tar.gz", "zip", "squashfs", "sh"])
def test_modes_follow_the_umask(name: str, env: Path, work: Path) -> None:
    """As those of other files; a self-extracting one may be run by who may read it."""
    before = os.umask(0o027)
    try:
        archive = pack(env, work / f"x.{name}", zip_symlinks=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(archive.stat().st_mode) == (0o750 if name == "sh" else 0o640)


def test_unpack_takes_a_self_extracting_file(env: Path, work: Path) -> None:
    """It is an archive like any other, behind its script."""
    pack(env, work / "x.sh")
    pack(env, work / "x.tar.gz")
    unpack(work / "x.sh", work / "dest")
    first = tree(work / "dest")
    shutil.rmtree(work / "dest")
    unpack(work / "x.tar.gz", work / "dest")
    assert diff_trees(less_index(first), less_index(tree(work / "dest"))) == ""


@pytest.mark.parametrize(
    ("name", "level"),
    [("tar.gz", 10), ("tar.zst", 23), ("tar.bz2", 0), ("tar.xz", 10), ("zip", -1), ("squashfs", 10)],
)
def test_levels_out_of_range(name: str, level: int, env: Path, work: Path) -> None:
    """One sentence that says which there are."""
    with pytest.raises(UsageError, match=f"level {level} is out of range: {name} has"):
        pack(env, work / f"x.{name}", compress_level=level)


def test_other_options_of_other_formats(env: Path, work: Path) -> None:
    """What is for parcels and self-extracting files alone is refused elsewhere, all at once."""
    with pytest.raises(UsageError) as refused:
        pack(env, work / "x.tar.gz", parcel_name="x", entrypoint="python")
    assert "--parcel" in str(refused.value)
    assert "--entrypoint" in str(refused.value)


def test_zip_of_what_is_added(env: Path, work: Path) -> None:
    """A link in an added folder gets the file of the environment that it leads to."""
    (work / "app").mkdir()
    (work / "app/conf").symlink_to(env / "etc/tool.conf")
    archive = work / "x.zip"
    conda_pack.pack(prefix=str(env), output=str(archive), additions=[str(work / "app")])
    unzip(archive, work / "dest")
    assert (work / "dest/app/conf").read_bytes() == (work / "dest/etc/tool.conf").read_bytes()
    assert relocate(work / "dest") == Done(0, "", "")
    assert (work / "dest/app/conf").read_text() == f"prefix={work / 'dest'}\n"
