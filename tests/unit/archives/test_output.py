"""Outputs that are complete or not there, on real file systems."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conda_pack.archives.output import AtomicFile, AtomicFolder, remove_tree, writing
from conda_pack.errors import CondaPackException, FolderMissing, OutputExists, WriteFailed

NOBODY = 65534


class TroubleError(Exception):
    """Something goes wrong in the middle of the work."""


def names(folder: Path | str) -> list[str]:
    return sorted(os.listdir(folder))


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def refusal(kind: type[CondaPackException], act: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    return str(caught.value)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def mounted(*arguments: str) -> Iterator[Path]:
    """Mount for a while; skip the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = Path(arguments[-1])
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)):
        yield place


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that any user can reach, unlike pytest's."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Take root's powers away for a while, so that permissions mean something."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def give_away(path: Path) -> None:
    """Let the user of ``as_nobody`` own a folder."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


class TestFile:
    @pytest.mark.parametrize("force", [False, True])
    def test_written(self, tmp_path: Path, force: bool) -> None:
        """What was written is there at the end, and nothing else."""
        with AtomicFile(str(tmp_path / "out.tar"), force=force) as out:
            out.file.write(b"con")
            out.file.write(b"tent")
        assert (tmp_path / "out.tar").read_bytes() == b"content"
        assert names(tmp_path) == ["out.tar"]
        assert out.file.closed

    @pytest.mark.parametrize("force", [False, True])
    def test_hidden_until_complete(self, tmp_path: Path, force: bool) -> None:
        """Before the end there is only the hidden file, in the same folder."""
        with AtomicFile(str(tmp_path / "out.tar"), force=force) as out:
            (hidden,) = names(tmp_path)
            assert out.partial == str(tmp_path / hidden)
            assert hidden.startswith(".out.tar.")
            assert hidden.endswith(".partial")
        assert names(tmp_path) == ["out.tar"]

    def test_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A relative path stays where it was meant, even if the current folder changes."""
        monkeypatch.chdir(tmp_path)
        out = AtomicFile("out.tar", force=False)
        monkeypatch.chdir("/")
        with out:
            pass
        assert out.path == str(tmp_path / "out.tar")
        assert names(tmp_path) == ["out.tar"]

    def test_seek_and_read(self, tmp_path: Path) -> None:
        """The file can be read back and patched, as some formats need."""
        with AtomicFile(str(tmp_path / "out"), force=False) as out:
            out.file.write(b"0" * 300_000)
            out.file.seek(10)
            out.file.write(b"x")
            out.file.seek(9)
            assert out.file.read(3) == b"0x0"
        assert (tmp_path / "out").read_bytes() == b"0" * 10 + b"x" + b"0" * 299_989

    def test_by_name(self, tmp_path: Path) -> None:
        """A tool that only takes a name can write the hidden file."""
        with AtomicFile(str(tmp_path / "out"), force=False) as out:
            subprocess.run(["sh", "-c", f"echo done > {out.partial}"], check=True)
        assert (tmp_path / "out").read_bytes() == b"done\n"

    def test_closed_by_the_writer(self, tmp_path: Path) -> None:
        """A writer that closes the file itself does no harm."""
        with AtomicFile(str(tmp_path / "out"), force=False) as out:
            out.file.write(b"content")
            out.file.close()
        assert (tmp_path / "out").read_bytes() == b"content"

    @pytest.mark.parametrize("length", [49, 200, 255])
    @pytest.mark.parametrize("letter", ["a", "é", "🐍"])
    def test_long_name(self, tmp_path: Path, letter: str, length: int) -> None:
        """A name as long as the file system takes still has room for its hidden form."""
        name = letter * (length // len(letter.encode()))
        with AtomicFile(str(tmp_path / name), force=False):
            pass
        assert names(tmp_path) == [name]

    def test_too_long_name(self, tmp_path: Path) -> None:
        """A longer name is refused, and nothing is left."""
        path = tmp_path / ("a" * 256)
        with pytest.raises(WriteFailed, match="File name too long"), AtomicFile(str(path), force=False):
            pass
        assert names(tmp_path) == []

    @pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
    @pytest.mark.parametrize("force", [False, True])
    def test_umask(self, tmp_path: Path, mask: int, expected: int, force: bool) -> None:
        """The user's umask decides who may read the file."""
        with umask(mask), AtomicFile(str(tmp_path / "out"), force=force):
            pass
        assert mode(tmp_path / "out") == expected

    def test_one_name_only(self, tmp_path: Path) -> None:
        """No second link to the file stays behind."""
        with AtomicFile(str(tmp_path / "out"), force=False):
            pass
        assert (tmp_path / "out").stat().st_nlink == 1


class TestFileRefusals:
    def test_exists(self, tmp_path: Path) -> None:
        """A file that is there is kept, and this is said before any work."""
        path = tmp_path / "out"
        path.write_text("old")
        assert refusal(OutputExists, lambda: AtomicFile(str(path), force=False)) == (
            f"{path} already exists: choose another name, or use --force to replace it."
        )
        assert path.read_text() == "old"

    def test_dangling_link(self, tmp_path: Path) -> None:
        """A link to nothing is in the way too."""
        (tmp_path / "out").symlink_to("gone")
        refusal(OutputExists, lambda: AtomicFile(str(tmp_path / "out"), force=False))

    @pytest.mark.parametrize("force", [False, True])
    def test_folder(self, tmp_path: Path, force: bool) -> None:
        """A folder is never replaced by a file."""
        expected = f"{tmp_path} is a folder: name a file in it."
        assert refusal(OutputExists, lambda: AtomicFile(str(tmp_path), force=force)) == expected

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/fd/{}"])
    def test_device(self, path: str, force: bool) -> None:
        """A device or a pipe is never replaced by a file."""
        reader, writer = os.pipe()
        try:
            path = path.format(writer)
            assert refusal(OutputExists, lambda: AtomicFile(path, force=force)) == (
                f"{path} is a device or a pipe: name an ordinary file."
            )
        finally:
            os.close(reader)
            os.close(writer)

    def test_missing_folder(self, tmp_path: Path) -> None:
        """A folder that does not exist is not made unasked."""
        path = tmp_path / "a/b/out"
        assert refusal(FolderMissing, lambda: AtomicFile(str(path), force=False)) == (
            f"The folder {tmp_path}/a/b does not exist: create it, or use --force to have it created."
        )
        assert names(tmp_path) == []

    def test_missing_folder_forced(self, tmp_path: Path) -> None:
        """Forced, the folders are made."""
        with AtomicFile(str(tmp_path / "a/b/out"), force=True) as out:
            out.file.write(b"new")
        assert (tmp_path / "a/b/out").read_bytes() == b"new"

    def test_made_folders_go_again(self, tmp_path: Path) -> None:
        """Folders made for a file that was not finished go with it; others stay."""
        (tmp_path / "a").mkdir()
        with pytest.raises(TroubleError), AtomicFile(str(tmp_path / "a/b/c/out"), force=True):
            raise TroubleError
        assert names(tmp_path) == ["a"]
        assert names(tmp_path / "a") == []

    def test_folder_below_a_file(self, tmp_path: Path) -> None:
        """No folder can be made below a file, and the file stays."""
        (tmp_path / "file").write_text("old")
        with pytest.raises(WriteFailed), AtomicFile(str(tmp_path / "file/b/out"), force=True):
            pass
        assert (tmp_path / "file").read_text() == "old"

    def test_forced(self, tmp_path: Path) -> None:
        """Forced, a new file takes the place of the old one, and has the umask's mode, not the old one's."""
        path = tmp_path / "out"
        path.write_text("old")
        path.chmod(0o400)
        with umask(0o022), AtomicFile(str(path), force=True) as out:
            out.file.write(b"new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"
        assert mode(path) == 0o644
        assert names(tmp_path) == ["out"]

    def test_forced_over_a_link(self, tmp_path: Path) -> None:
        """Forced, a link is replaced; what it leads to is somebody's older archive."""
        (tmp_path / "v1").write_text("old")
        (tmp_path / "latest").symlink_to("v1")
        with AtomicFile(str(tmp_path / "latest"), force=True) as out:
            out.file.write(b"new")
        assert (tmp_path / "v1").read_text() == "old"
        assert (tmp_path / "latest").read_text() == "new"
        assert not (tmp_path / "latest").is_symlink()


class TestFileFailures:
    @pytest.mark.parametrize("trouble", [TroubleError, KeyboardInterrupt, SystemExit, MemoryError, OSError])
    @pytest.mark.parametrize("old", [None, b"old"])
    def test_exception(self, tmp_path: Path, trouble: type[BaseException], old: bytes | None) -> None:
        """Whatever goes wrong, the old file or none is there, and the error comes through as it was."""
        path = tmp_path / "out"
        if old is not None:
            path.write_bytes(old)
        thrown = trouble("in the middle")
        with pytest.raises(trouble) as caught, AtomicFile(str(path), force=True) as out:
            out.file.write(b"new" * 100_000)
            raise thrown
        assert caught.value is thrown
        assert names(tmp_path) == ([] if old is None else ["out"])
        assert old is None or path.read_bytes() == old
        assert out.file.closed

    def test_killed(self, tmp_path: Path) -> None:
        """A killed process leaves nothing under the final name."""
        script = f"""
            import os, signal
            from conda_pack.archives.output import AtomicFile
            with AtomicFile({str(tmp_path / "out")!r}, force=True) as out:
                out.file.write(b"new" * 100_000)
                os.kill(os.getpid(), signal.SIGKILL)
        """
        (tmp_path / "out").write_text("old")
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert (tmp_path / "out").read_text() == "old"
        assert [name for name in names(tmp_path) if not name.endswith(".partial")] == ["out"]

    def test_race_lost(self, tmp_path: Path) -> None:
        """A file that somebody made meanwhile is theirs."""
        path = tmp_path / "out"
        with pytest.raises(OutputExists), AtomicFile(str(path), force=False) as out:
            out.file.write(b"ours")
            path.write_text("theirs")
        assert path.read_text() == "theirs"
        assert names(tmp_path) == ["out"]

    def test_race_between_two(self, tmp_path: Path) -> None:
        """Of two that write one file, the first to end wins and both are whole."""
        first = AtomicFile(str(tmp_path / "out"), force=False)
        second = AtomicFile(str(tmp_path / "out"), force=False)
        with pytest.raises(OutputExists), first:
            first.file.write(b"first")
            with second:
                second.file.write(b"second")
        assert (tmp_path / "out").read_bytes() == b"second"
        assert names(tmp_path) == ["out"]

    @pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
    def test_without_hard_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        """A file system without hard links (FAT, some network ones) will do."""

        def refuse(*_arguments: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "link", refuse)
        with AtomicFile(str(tmp_path / "out"), force=False) as out:
            out.file.write(b"content")
        assert (tmp_path / "out").read_bytes() == b"content"
        assert names(tmp_path) == ["out"]
        with pytest.raises(OutputExists), AtomicFile(str(tmp_path / "two"), force=False):
            (tmp_path / "two").write_text("theirs")
        assert (tmp_path / "two").read_text() == "theirs"

    def test_became_a_folder(self, tmp_path: Path) -> None:
        """A folder that came there meanwhile is kept, even when forced."""
        with (
            pytest.raises(WriteFailed, match="Is a directory"),
            AtomicFile(str(tmp_path / "out"), force=True),
        ):
            (tmp_path / "out").mkdir()
        assert names(tmp_path) == ["out"]

    @pytest.mark.parametrize("pieces", [1, 1000])
    def test_disk_full(self, small_disk: Path, pieces: int) -> None:
        """A full disk is an error that says how far it came and what to do; the old file is untouched."""
        path = small_disk / "out"
        path.write_text("old")
        block = b"x" * (1_000_000 // pieces)
        with pytest.raises(WriteFailed) as caught, AtomicFile(str(path), force=True) as out:
            for _ in range(pieces):
                out.file.write(block)
        assert re.sub(r"2\d\d\.\d kB", "N kB", str(caught.value)) == (
            f"Could not write {path}: the disk is full after N kB. "
            "To go on, free some space there or write to another disk."
        )
        assert isinstance(caught.value.__cause__, OSError)
        assert names(small_disk) == ["out"]
        assert path.read_text() == "old"

    def test_disk_full_at_the_end(self, small_disk: Path) -> None:
        """What only the last flush finds out counts as well."""
        (small_disk / "filler").write_bytes(b"x" * 245_760)
        with (
            pytest.raises(WriteFailed, match="the disk is full"),
            AtomicFile(str(small_disk / "out"), force=False) as out,
        ):
            out.file.write(b"x" * 100_000)  # less than the buffer
        assert names(small_disk) == ["filler"]

    def test_disk_full_at_the_start(self, tmp_path: Path) -> None:
        """Not even the hidden file fits."""
        place = tmp_path / "tiny"
        place.mkdir()
        with mounted("-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", str(place)):
            with (
                pytest.raises(WriteFailed, match="the disk is full"),
                AtomicFile(str(place / "out"), force=False),
            ):
                pass
            assert names(place) == []

    def test_size_limit(self, tmp_path: Path) -> None:
        """A limit on the size of files is an error like a full disk."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            with (
                pytest.raises(WriteFailed) as caught,
                AtomicFile(str(tmp_path / "out"), force=False) as out,
            ):
                out.file.write(b"x" * 1_000_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert str(caught.value) == (
            f"Could not write {tmp_path}/out: no larger file is allowed there after 200.0 kB. "
            "To go on, write to another disk, or raise the limit (ulimit -f)."
        )
        assert names(tmp_path) == []

    def test_read_only_disk(self, tmp_path: Path) -> None:
        """A disk mounted read-only is said to be one."""
        place = tmp_path / "ro"
        place.mkdir()
        with (
            mounted("-t", "tmpfs", "-o", "ro", "tmpfs", str(place)),
            pytest.raises(WriteFailed, match="that disk is mounted read-only"),
            AtomicFile(str(place / "out"), force=False),
        ):
            pass

    @pytest.mark.parametrize("force", [False, True])
    def test_no_permission(self, open_folder: Path, force: bool) -> None:
        """A folder of somebody else's is refused with a sentence."""
        open_folder.chmod(0o555)
        with (
            as_nobody(),
            pytest.raises(WriteFailed) as caught,
            AtomicFile(str(open_folder / "out"), force=force),
        ):
            pass
        assert str(caught.value) == (
            f"Could not write {open_folder}/out: you have no permission to write there. "
            "To go on, choose another folder."
        )

    def test_close_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where only closing tells of a full disk (NFS), that is an error too."""

        def refuse(_source: str, _target: str) -> None:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        monkeypatch.setattr(os, "replace", refuse)
        with (
            pytest.raises(WriteFailed, match="your quota on that disk is used up"),
            AtomicFile(str(tmp_path / "out"), force=True) as out,
        ):
            out.file.write(b"content")
        assert names(tmp_path) == []


def build(folder: AtomicFolder) -> None:
    """Make a small environment."""
    for name in ("lib/python", "bin", "conda-meta"):
        os.makedirs(os.path.join(folder.path, name))
    for name in ("lib/python/a.py", "bin/python", "conda-meta/history", "top"):
        Path(folder.path, name).write_text(name)


def check(place: Path) -> None:
    """See that the small environment is whole, with nothing beside it."""
    files = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert [name for name in files if not name.startswith("lost+found")] == [
        "bin/python",
        "conda-meta/history",
        "lib/python/a.py",
        "top",
    ]
    assert not [name for name in names(place) if name.endswith(".partial")]
    assert not [name for name in names(place.parent) if name.endswith(".partial")]


class TestFolder:
    @pytest.mark.parametrize("exists", [False, True])
    def test_built(self, tmp_path: Path, exists: bool) -> None:
        """The folder appears whole at the end, whether it did not exist or was empty."""
        place = tmp_path / "env"
        if exists:
            place.mkdir()
        with AtomicFolder(str(place)) as folder:
            assert os.path.dirname(folder.path) == str(tmp_path)
            assert os.path.basename(folder.path).startswith(".env.")
            assert folder.path.endswith(".partial")
            build(folder)
            assert place.exists() == exists
            assert not exists or names(place) == []
        check(place)
        assert folder.destination == str(place)
        assert names(tmp_path) == ["env"]

    @pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
    def test_umask(self, tmp_path: Path, mask: int, expected: int) -> None:
        """The user's umask decides who may enter a new folder."""
        with umask(mask), AtomicFolder(str(tmp_path / "env")):
            pass
        assert mode(tmp_path / "env") == expected

    def test_keeps_the_mode(self, tmp_path: Path) -> None:
        """A folder that the user has closed to others stays closed."""
        (tmp_path / "env").mkdir(mode=0o700)
        with AtomicFolder(str(tmp_path / "env")) as folder:
            build(folder)
        assert mode(tmp_path / "env") == 0o700
        check(tmp_path / "env")

    def test_keeps_the_group(self, tmp_path: Path) -> None:
        """In a folder shared by a group, what is built belongs to the group."""
        if os.geteuid() != 0:
            pytest.skip("giving a folder to another group needs root")
        place = tmp_path / "env"
        place.mkdir()
        os.chown(place, 0, NOBODY)
        place.chmod(0o2775)
        with AtomicFolder(str(place)) as folder:
            build(folder)
        assert mode(place) == 0o2775
        assert {path.stat().st_gid for path in [place, *place.rglob("*")]} == {NOBODY}

    def test_link_to_a_folder(self, tmp_path: Path) -> None:
        """A link to an empty folder stays a link."""
        (tmp_path / "disk").mkdir()
        (tmp_path / "disk/real").mkdir()
        (tmp_path / "env").symlink_to("disk/real")
        with AtomicFolder(str(tmp_path / "env")) as folder:
            build(folder)
        assert (tmp_path / "env").is_symlink()
        assert folder.destination == str(tmp_path / "disk/real")
        check(tmp_path / "disk/real")

    def test_not_empty(self, tmp_path: Path) -> None:
        """A folder with something in it is refused before any work."""
        (tmp_path / "env").mkdir()
        (tmp_path / "env/file").write_text("theirs")
        expected = f"{tmp_path}/env is not empty: it holds 'file'."
        assert refusal(OutputExists, lambda: AtomicFolder(str(tmp_path / "env"))) == expected

    def test_left_by_a_kill(self, tmp_path: Path) -> None:
        """What a killed run left in a folder is pointed out, as it is hidden."""
        (tmp_path / "env/.env.0123.partial").mkdir(parents=True)
        assert refusal(OutputExists, lambda: AtomicFolder(str(tmp_path / "env"))) == (
            f"{tmp_path}/env is not empty: it holds '.env.0123.partial'. "
            "A run that was killed left it: remove it."
        )

    @pytest.mark.parametrize("kind", ["file", "link to a file"])
    def test_file(self, tmp_path: Path, kind: str) -> None:
        """A file in the place of the folder is refused."""
        (tmp_path / "file").write_text("theirs")
        path = tmp_path / "file"
        if kind != "file":
            path = tmp_path / "link"
            path.symlink_to("file")
        assert refusal(OutputExists, lambda: AtomicFolder(str(path))) == (
            f"{tmp_path}/file exists and is not a folder."
        )

    def test_missing_parent(self, tmp_path: Path) -> None:
        """The folder that is to hold the new one must exist."""
        expected = f"The folder {tmp_path}/a does not exist: create it first."
        assert refusal(FolderMissing, lambda: AtomicFolder(str(tmp_path / "a/env"))) == expected

    @pytest.mark.parametrize("trouble", [TroubleError, KeyboardInterrupt, SystemExit, FileNotFoundError])
    @pytest.mark.parametrize("exists", [False, True])
    def test_exception(self, tmp_path: Path, trouble: type[BaseException], exists: bool) -> None:
        """Whatever goes wrong, the destination is as it was, and the error comes through as it was."""
        place = tmp_path / "env"
        if exists:
            place.mkdir(mode=0o750)
        thrown = trouble("in the middle")
        with pytest.raises(trouble) as caught, AtomicFolder(str(place)) as folder:
            build(folder)
            raise thrown
        assert caught.value is thrown
        assert names(tmp_path) == (["env"] if exists else [])
        assert not exists or (names(place), mode(place)) == ([], 0o750)

    def test_exception_with_read_only_folders(self, open_folder: Path) -> None:
        """Folders that nobody may write are removed all the same."""
        give_away(open_folder)
        with as_nobody(), pytest.raises(TroubleError), AtomicFolder(str(open_folder / "env")) as folder:
            build(folder)
            os.symlink("/", os.path.join(folder.path, "lib/python/link"))
            for name in ("lib/python", "lib", "bin", "."):
                os.chmod(os.path.join(folder.path, name), 0o500 if name != "bin" else 0)
            raise TroubleError
        assert names(open_folder) == []

    def test_killed(self, tmp_path: Path) -> None:
        """A killed process leaves nothing under the final name."""
        script = f"""
            import os, signal
            from conda_pack.archives.output import AtomicFolder
            with AtomicFolder({str(tmp_path / "env")!r}) as folder:
                os.mkdir(folder.path + "/bin")
                os.kill(os.getpid(), signal.SIGKILL)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "env").exists()
        with AtomicFolder(str(tmp_path / "env")) as folder:
            build(folder)
        assert (tmp_path / "env/top").read_text() == "top"

    @pytest.mark.parametrize("theirs", ["file", "folder with a file", "link"])
    def test_race_lost(self, tmp_path: Path, theirs: str) -> None:
        """What somebody put there meanwhile is theirs."""
        place = tmp_path / "env"
        with pytest.raises(OutputExists) as caught, AtomicFolder(str(place)) as folder:
            build(folder)
            if theirs == "link":
                place.symlink_to("elsewhere")
            elif theirs == "file":
                place.write_text("theirs")
            else:
                place.mkdir()
                (place / "file").write_text("theirs")
        assert str(caught.value) == f"Something was put at {place} meanwhile."
        assert names(tmp_path) == ["env"]
        assert theirs != "file" or place.read_text() == "theirs"
        assert theirs != "folder with a file" or names(place) == ["file"]
        assert theirs != "link" or place.is_symlink()

    def test_empty_folder_came_meanwhile(self, tmp_path: Path) -> None:
        """An empty folder is nothing to lose."""
        with AtomicFolder(str(tmp_path / "env")) as folder:
            build(folder)
            (tmp_path / "env").mkdir()
        check(tmp_path / "env")

    def test_disk_full(self, small_disk: Path) -> None:
        """A full disk is translated even where the writer did not do it, and everything is taken away."""
        with pytest.raises(WriteFailed) as caught, AtomicFolder(str(small_disk / "env")) as folder:
            build(folder)
            Path(folder.path, "big").write_bytes(b"x" * 1_000_000)
        assert str(caught.value) == (
            f"Could not write {small_disk}/env: the disk is full. "
            "To go on, free some space there or write to another disk."
        )
        assert names(small_disk) == []

    def test_parent_is_not_writable(self, open_folder: Path) -> None:
        """Without leave to write the parent a new folder is refused."""
        open_folder.chmod(0o555)
        with (
            as_nobody(),
            pytest.raises(WriteFailed, match="you have no permission to write there"),
            AtomicFolder(str(open_folder / "env")),
        ):
            pass


@pytest.fixture(params=["mount", "bind mount", "current folder", "parent not writable", "lost+found"])
def fixed(request: pytest.FixtureRequest, open_folder: Path) -> Iterator[Path]:
    """An empty folder that cannot be renamed over, for each reason there is."""
    place = open_folder / "env"
    place.mkdir()
    give_away(place)
    if request.param == "mount":
        with mounted("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)):
            yield place
    elif request.param == "bind mount":
        other = open_folder / "other"
        other.mkdir()
        with mounted("--bind", str(other), str(place)):
            yield place
    elif request.param == "current folder":
        before = os.getcwd()
        os.chdir(place)
        try:
            yield place
        finally:
            os.chdir(before)
    elif request.param == "parent not writable":
        open_folder.chmod(0o555)
        with as_nobody():
            yield place
        open_folder.chmod(0o755)
    else:
        (place / "lost+found").mkdir()
        yield place


def left(place: Path) -> list[str]:
    return [name for name in names(place) if name != "lost+found"]


class TestFolderInside:
    def test_built(self, fixed: Path) -> None:
        """The folder is built inside and filled at the end; it remains the same folder."""
        before = fixed.stat().st_ino
        with AtomicFolder(str(fixed)) as folder:
            assert os.path.dirname(folder.path) == str(fixed)
            build(folder)
            assert left(fixed) == [os.path.basename(folder.path)]
        check(fixed)
        assert fixed.stat().st_ino == before

    @pytest.mark.parametrize("trouble", [TroubleError, KeyboardInterrupt])
    def test_exception(self, fixed: Path, trouble: type[BaseException]) -> None:
        """Whatever goes wrong, the folder is empty again."""
        with pytest.raises(trouble), AtomicFolder(str(fixed)) as folder:
            build(folder)
            raise trouble
        assert left(fixed) == []

    def test_interrupted_while_moving(self, fixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A move that fails takes back those before it; conda-meta, the mark of an environment, is last."""
        moves: list[str] = []
        rename = os.rename

        def interrupt(source: str, target: str) -> None:
            if os.path.dirname(target) == str(fixed):
                moves.append(os.path.basename(target))
                if moves[-1] == "conda-meta":
                    raise KeyboardInterrupt
            rename(source, target)

        monkeypatch.setattr(os, "rename", interrupt)
        with pytest.raises(KeyboardInterrupt), AtomicFolder(str(fixed)) as folder:
            build(folder)
        assert moves == ["bin", "lib", "top", "conda-meta"]
        assert left(fixed) == []

    def test_race_lost(self, fixed: Path) -> None:
        """What somebody put there meanwhile is theirs."""
        with pytest.raises(OutputExists) as caught, AtomicFolder(str(fixed)) as folder:
            build(folder)
            (fixed / "bin").mkdir()
            (fixed / "bin/theirs").write_text("theirs")
        assert str(caught.value) == f"{fixed} is not empty: it holds 'bin'."
        assert left(fixed) == ["bin"]
        assert names(fixed / "bin") == ["theirs"]

    def test_race_lost_while_moving(self, fixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even in the midst of the moves nothing of theirs is overwritten or removed."""
        rename = os.rename

        def intrude(source: str, target: str) -> None:
            rename(source, target)
            if target == str(fixed / "bin"):
                (fixed / "top").write_text("theirs")

        monkeypatch.setattr(os, "rename", intrude)
        with pytest.raises(OutputExists) as caught, AtomicFolder(str(fixed)) as folder:
            build(folder)
        assert str(caught.value) == f"{fixed}/top was put there meanwhile."
        assert left(fixed) == ["top"]
        assert (fixed / "top").read_text() == "theirs"

    def test_read_only_children(self, fixed: Path) -> None:
        """A read-only folder moves up and stays read-only."""
        with AtomicFolder(str(fixed)) as folder:
            build(folder)
            os.chmod(os.path.join(folder.path, "lib"), 0o555)
        check(fixed)
        assert mode(fixed / "lib") == 0o555
        (fixed / "lib").chmod(0o755)

    def test_empty(self, fixed: Path) -> None:
        """Nothing built is nothing moved."""
        with AtomicFolder(str(fixed)):
            pass
        assert left(fixed) == []


class TestRenameRefused:
    @pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV])
    def test_moved_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        """Where the last rename is refused after all, the children are moved one by one."""
        place = tmp_path / "env"
        place.mkdir()
        rename = os.rename

        def refuse(source: str, target: str) -> None:
            if target == str(place):
                raise OSError(code, os.strerror(code))
            rename(source, target)

        monkeypatch.setattr(os, "rename", refuse)
        with AtomicFolder(str(place)) as folder:
            assert os.path.dirname(folder.path) == str(tmp_path)
            build(folder)
        check(place)
        assert names(tmp_path) == ["env"]

    def test_mounted_meanwhile(self, tmp_path: Path) -> None:
        """Where nothing can be moved, the error is plain and nothing is left."""
        place = tmp_path / "env"
        place.mkdir()
        folder = AtomicFolder(str(place))
        folder.__enter__()
        build(folder)
        with mounted("-t", "tmpfs", "tmpfs", str(place)):
            with pytest.raises(WriteFailed, match="Invalid cross-device link"):
                folder.__exit__(None, None, None)
            assert names(place) == []
        assert names(tmp_path) == ["env"]
        assert names(place) == []

    def test_other_refusals(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Any other refusal is an error, and nothing is left."""

        def refuse(_source: str, _target: str) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "rename", refuse)
        with (
            pytest.raises(WriteFailed, match="the disk reported an error"),
            AtomicFolder(str(tmp_path / "env")) as folder,
        ):
            build(folder)
        assert names(tmp_path) == []


class TestWriting:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            (errno.ENOSPC, "the disk is full. To go on, free some space there or write to another disk."),
            (
                errno.EDQUOT,
                "your quota on that disk is used up. "
                "To go on, free some space there or write to another disk.",
            ),
            (
                errno.EIO,
                "the disk reported an error. To go on, look into the system's log, or write to another disk.",
            ),
            (errno.EROFS, "that disk is mounted read-only. To go on, write to another one."),
            (errno.EACCES, "you have no permission to write there. To go on, choose another folder."),
            (errno.ENAMETOOLONG, "File name too long (/out/file)."),
        ],
    )
    def test_sentence(self, code: int, expected: str) -> None:
        """Each kind of failure says what is wrong and what to do."""
        with pytest.raises(WriteFailed) as caught, writing("/out"):
            raise OSError(code, os.strerror(code), "/out/file")
        assert str(caught.value) == f"Could not write /out: {expected}"
        assert isinstance(caught.value.__cause__, OSError)

    def test_path_said_once(self) -> None:
        """The output's own path is not repeated."""
        with pytest.raises(WriteFailed) as caught, writing("/out"):
            raise OSError(errno.ELOOP, "Too many links", "/out")
        assert str(caught.value) == "Could not write /out: Too many links."

    def test_without_number(self) -> None:
        """An error that Python made up itself has a sentence too."""
        with pytest.raises(WriteFailed, match="Could not write /out: odd"), writing("/out"):
            raise OSError("odd")

    @pytest.mark.parametrize("trouble", [TroubleError, KeyboardInterrupt, OutputExists])
    def test_others_pass(self, trouble: type[BaseException]) -> None:
        """What is not an OSError is somebody else's."""
        with pytest.raises(trouble), writing("/out"):
            raise trouble

    def test_fine(self) -> None:
        """Nothing wrong, nothing said."""
        with writing("/out"):
            pass


class TestRemoveTree:
    @pytest.mark.parametrize("kind", ["absent", "file", "link to a folder", "dangling link", "folder"])
    def test_kinds(self, tmp_path: Path, kind: str) -> None:
        """Anything goes, and no link is followed."""
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept/file").write_text("kept")
        path = tmp_path / "path"
        if kind == "file":
            path.write_text("")
        elif kind == "folder":
            (path / "a/b").mkdir(parents=True)
            (path / "a/b/link").symlink_to(tmp_path / "kept")
            (path / "a/file").write_text("")
        elif "link" in kind:
            path.symlink_to("gone" if kind == "dangling link" else "kept")
        remove_tree(str(path))
        assert names(tmp_path) == ["kept"]
        assert names(tmp_path / "kept") == ["file"]

    def test_deep(self, tmp_path: Path) -> None:
        """A hostile archive may nest as deep as a path can be: more than Python's recursion."""
        path = str(tmp_path / "deep")
        os.mkdir(path)
        deep = path
        while len(deep) < 4000:
            deep += "/d"
            os.mkdir(deep)
        remove_tree(path)
        assert names(tmp_path) == []

    def test_as_far_as_possible(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What cannot be removed is left, without an error and without stopping."""
        for name in ("a", "b", "c"):
            (tmp_path / "tree" / name).mkdir(parents=True)
            (tmp_path / "tree" / name / "file").write_text("")
        unlink = os.unlink

        def refuse(path: Any) -> None:
            if str(path).endswith("b/file"):
                raise PermissionError(errno.EPERM, "Operation not permitted")
            unlink(path)

        monkeypatch.setattr(os, "unlink", refuse)
        remove_tree(str(tmp_path / "tree"))
        assert names(tmp_path / "tree") == ["b"]
        assert names(tmp_path / "tree/b") == ["file"]
