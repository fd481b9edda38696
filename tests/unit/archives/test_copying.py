"""A folder in the place of an archive: cloned, linked or copied, it has what an archive would have."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import conda_pack
from conda_pack.archives.copying import _clone
from demo.packages import PLACEHOLDER
from tests.support.archives import SEGMENT, Silent, noise, pack, small_environment, write_environment
from tests.support.environments import LocalChannel, MakeEnvironment
from tests.support.packs import BARE, Done, relocate, small_specs, stale_bytecode, succeed, untar
from tests.support.trees import Tree, diff_trees, tree

INDEX = "conda-meta/conda-pack/index.json"
LONG_AGO = 1_500_000_000


def folder(prefix: Path, dest: Path, **options: object) -> Path:
    return pack(prefix, dest, format="no-archive", **options)


def without_index(nodes: Tree) -> Tree:
    """What tells of segments belongs to one archive."""
    return {path: node for path, node in nodes.items() if not path.endswith(INDEX)}


def check(prefix: Path, work: Path, **options: object) -> Path:
    """Pack a folder that is what the tar has."""
    made = folder(prefix, work / "folder", **options)
    untar(pack(prefix, work / "x.tar", **options), work / "untarred")
    assert diff_trees(without_index(tree(work / "untarred")), without_index(tree(made))) == ""
    return made


def linked(made: Path, prefix: Path, root: str = "") -> set[str]:
    """The paths that are hard links to the environment's own files."""
    return {
        path
        for path, node in tree(prefix).items()
        if node.type == "file"
        and (made / root / path).exists()
        and (made / root / path).samefile(prefix / path)
    }


@pytest.fixture
def env(work: Path) -> Path:
    return small_environment(work / "env")


@contextmanager
def another_umask(umask: int) -> Iterator[None]:
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


# --------------------------------------------------------- the environment's own


def test_packages_files_are_linked(env: Path, work: Path) -> None:
    """Those that are as they were packed: not what holds the prefix, nor what is nobody's or conda's."""
    (env / "own/large.bin").write_bytes(noise(SEGMENT + 5))
    if reflinks_on(work):
        pytest.skip("NO HARD LINKS HERE, where there are reflinks!")
    assert linked(check(env, work), env) == {"lib/large.bin", "lib/plain.txt"}


@pytest.mark.parametrize("arcroot", ["root", "some/where"])
def test_in_its_own_root(arcroot: str, env: Path, work: Path) -> None:
    """The environment's files are found there too."""
    made = check(env, work, arcroot=arcroot)
    assert [path.name for path in made.iterdir()] == [Path(arcroot).parts[0]]
    if not reflinks_on(work):
        assert linked(made, env, arcroot) == {"lib/large.bin", "lib/plain.txt"}
    assert relocate(made / arcroot) == Done(0, "", "")
    assert (made / arcroot / "etc/tool.conf").read_text() == f"prefix={made / arcroot}\n"
    assert (env / "etc/tool.conf").read_text() == f"prefix={env}\n"


@pytest.mark.parametrize("before", [0, 1, 1 << 20, SEGMENT - 300, SEGMENT, 2 * SEGMENT + 5])
def test_other_bytes_of_the_same_size(before: int, work: Path) -> None:
    """What is written for another place, as long, is not the environment's file, wherever they differ."""
    env = write_environment(work / "env", {"lib/plain": b"plain"})
    text = b"x" * before + b"\n" + os.fsencode(env) + b"/lib\n" + b"y" * 1000
    (env / "own.txt").write_bytes(text)
    place = work / "new"
    made = folder(env, work / "folder", dest_prefix=str(place))
    expected = text.replace(os.fsencode(env), os.fsencode(place))
    assert len(expected) == len(text)
    assert (made / "own.txt").read_bytes() == expected
    assert (env / "own.txt").read_bytes() == text


def test_the_beginning_of_the_environments_file(work: Path) -> None:
    """What is stored may be that, and is no more."""
    env = write_environment(work / "env", {"etc/where": PLACEHOLDER.encode()})
    made = folder(env, work / "folder", dest_prefix=str(work))
    assert (made / "etc/where").read_text() == str(work)
    assert (env / "etc/where").read_text() == str(env)


@pytest.mark.parametrize("text", ["added\n", "other\n"])
def test_what_is_added_is_nobodys(text: str, env: Path, work: Path) -> None:
    """It is never a link to where it lay."""
    (work / "added").write_text(text)
    made = work / "folder"
    options = {"format": "no-archive", "additions": [f"{work}/added:lib/"], "reporter": Silent()}
    conda_pack.pack(prefix=str(env), output=str(made), **options)  # type: ignore[arg-type]
    assert (made / "lib/added").read_text() == text
    assert (work / "added").stat().st_nlink == 1


# --------------------------------------------------------------- modes and times


def test_modes(env: Path, work: Path) -> None:
    """As an archive has them, whatever the umask; a set-user-ID bit goes nowhere, by no link either."""
    (env / "lib/plain.txt").chmod(0o4755)
    (env / "lib/large.bin").chmod(0o444)
    (env / "own/note.txt").chmod(0o600)
    (env / "own/empty").chmod(0o750)
    with another_umask(0o077):
        made = folder(env, work / "folder")
    modes = {path: stat.S_IMODE((made / path).lstat().st_mode) for path in tree(made)}
    assert modes["lib/plain.txt"] == 0o755
    assert modes["lib/large.bin"] == 0o444
    assert modes["own/note.txt"] == 0o600
    assert modes["own/empty"] == 0o750
    assert modes[INDEX] == 0o644
    assert linked(made, env) <= {"lib/large.bin"}
    assert stat.S_IMODE((env / "lib/plain.txt").stat().st_mode) == 0o4755


def test_times_of_sources(work: Path) -> None:
    """A source whose time an archive would not keep is no link, for Python compares it; others may be."""
    env = write_environment(work / "env", {"lib/a.py": b"a = 1\n", "lib/b.py": b"b = 1\n", "lib/c": b"c\n"})
    for name in ("a.py", "c"):
        os.utime(env / "lib" / name, (LONG_AGO, LONG_AGO))
    os.utime(env / "lib/b.py", ns=(1_700_000_000_500_000_000, 1_700_000_000_500_000_000))
    made = folder(env, work / "folder")
    times = {name: int((made / "lib" / name).stat().st_mtime) for name in ("a.py", "b.py")}
    assert times == {"a.py": 1_700_000_000, "b.py": 1_700_000_000}
    if not reflinks_on(work):
        assert linked(made, env) == {"lib/b.py", "lib/c"}
    assert int((env / "lib/a.py").stat().st_mtime) == LONG_AGO


def test_bytecode_stays_valid(rattler_env: MakeEnvironment, channel: LocalChannel, work: Path) -> None:
    """Python compiles nothing in the folder that it would not in the environment."""
    env = rattler_env(*small_specs(channel))
    (env / "own").mkdir()
    (env / "own/own.py").write_text("1\n")
    packages = [path.parent for path in env.glob("lib/python3.*/json/__init__.py")]
    succeed([env / "bin/python", "-m", "compileall", "-q", *packages, env / "own"], environ=BARE)
    made = folder(env, work / "folder")
    assert stale_bytecode(made) == stale_bytecode(env) == []
    assert len(list(made.rglob("*.pyc"))) > 2
    assert (made / "own/own.py").stat().st_nlink == 1


def test_as_an_archive_of_a_real_environment(
    rattler_env: MakeEnvironment, channel: LocalChannel, work: Path
) -> None:
    """And once more, of one that was packed and unpacked before."""
    env = rattler_env(*small_specs(channel))
    made = check(env, work)
    assert relocate(made) == Done(0, "", "")
    (work / "again").mkdir()
    again = check(made, work / "again")
    for path in ("bin/conda-unpack", "bin/activate"):
        assert not (again / path).samefile(made / path)


# ---------------------------------------------------------- where links are refused


def test_on_another_disk(env: Path, tmp_path: Path) -> None:
    """Nothing can be linked there (EXDEV), so everything is copied."""
    if os.stat(env).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("ONE DISK ONLY, a folder on another is not tried!")
    made = check(env, tmp_path)
    assert linked(made, env) == set()


@pytest.fixture
def unlinkable(env: Path) -> Iterator[Path]:
    """A package's file that no link may be made to (EPERM)."""
    path = env / "lib/large.bin"
    done = subprocess.run(["chattr", "+i", path], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"NO IMMUTABLE FILES HERE, EPERM is not tried! {done.stderr.decode().strip()}")
    yield path
    subprocess.run(["chattr", "-i", path], check=True)


def test_links_are_not_permitted(unlinkable: Path, env: Path, work: Path) -> None:
    """It is copied, and the rest is not tried any more."""
    if reflinks_on(work):
        pytest.skip("NO HARD LINKS HERE, where there are reflinks!")
    made = check(env, work)
    assert (made / "lib/large.bin").read_bytes() == unlinkable.read_bytes()
    assert linked(made, env) == set()


def test_too_many_links(tmp_path: Path) -> None:
    """A file that has as many links as it can is copied, and others are still linked (EMLINK)."""
    env = write_environment(tmp_path / "env", {"lib/a": b"a", "lib/b": b"b"})
    (tmp_path / "links").mkdir()
    try:
        for number in range(65_100):
            os.link(env / "lib/a", tmp_path / "links" / str(number))
    except OSError as error:
        assert error.errno == errno.EMLINK
    else:
        pytest.skip("ANY NUMBER OF LINKS HERE, too many are not tried!")
    finally:
        made = folder(env, tmp_path / "folder")
        shutil.rmtree(tmp_path / "links")
    assert linked(made, env) == {"lib/b"}
    assert (made / "lib/a").read_bytes() == b"a"


# -------------------------------------------------------------------- reflinks


def reflinks_on(place: Path) -> bool:
    """Whether files can be cloned there."""
    source, target = place / ".source", place / ".target"
    source.write_bytes(bytes(8192))
    try:
        with source.open("rb") as first, target.open("wb") as second:
            _clone(first.fileno(), second.fileno())
    except OSError:
        return False
    finally:
        for path in (source, target):
            path.unlink(missing_ok=True)
    return True


@pytest.fixture
def reflinks(work: Path) -> Iterator[Path]:
    """A place where there are reflinks: here, or on a disk image."""
    if reflinks_on(work):
        yield work
        return
    with (work / "image").open("wb") as image:
        image.truncate(512 << 20)
    (work / "mnt").mkdir()
    for make in (["mkfs.xfs", "-q", "-m", "reflink=1"], ["mkfs.btrfs", "-q"]):
        if shutil.which(make[0]) and not subprocess.run([*make, work / "image"], check=False).returncode:
            mount = ["mount", "-o", "loop", str(work / "image"), str(work / "mnt")]
            if not subprocess.run(mount, capture_output=True, check=False).returncode:
                try:
                    yield work / "mnt"
                finally:
                    subprocess.run(["umount", work / "mnt"], check=True)
                return
    pytest.skip("NO REFLINKS HERE, nothing is cloned! It takes root, and mkfs.xfs or mkfs.btrfs.")


def test_clones(reflinks: Path) -> None:
    """All that is as it was packed takes no room, whoever's it is, and may be changed on its own."""
    env = small_environment(reflinks / "env")
    for number in range(4):
        (env / f"own/{number}.bin").write_bytes(noise(8 << 20, number))
    (env / "own/0.bin").chmod(0o640)
    (env / "own/none").write_bytes(b"")
    os.sync()
    before = os.statvfs(reflinks)
    made = folder(env, reflinks / "folder")
    os.sync()
    after = os.statvfs(reflinks)
    assert (before.f_bfree - after.f_bfree) * before.f_frsize < 8 << 20
    assert linked(made, env) == set()
    assert stat.S_IMODE((made / "own/0.bin").stat().st_mode) == 0o640
    for path in ("lib/large.bin", "own/3.bin", "own/none"):
        assert (made / path).read_bytes() == (env / path).read_bytes()
        assert (made / path).stat().st_mtime == (made / "lib/plain.txt").stat().st_mtime
    with (made / "lib/large.bin").open("r+b") as file:
        file.write(b"changed")
    assert (env / "lib/large.bin").read_bytes()[:7] == bytes(7)


def test_cloned_to_another_disk(reflinks: Path, work: Path) -> None:
    """From a disk that has reflinks to one that has none, and back, it is copied."""
    if reflinks == work:
        pytest.skip("ONE DISK ONLY, a folder on another is not tried!")
    env = small_environment(reflinks / "env")
    there = folder(env, work / "folder")
    (work / "env").mkdir()
    back = folder(small_environment(work / "env"), reflinks / "folder")
    for made in (there, back):
        assert (made / "lib/large.bin").read_bytes() == (env / "lib/large.bin").read_bytes()
        assert [path.stat().st_nlink for path in sorted((made / "lib").iterdir())] == [1, 1]
