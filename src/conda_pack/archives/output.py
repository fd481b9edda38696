"""Outputs that appear under their final name only when complete.

A file or a folder is built under a hidden name beside its final place (``.NAME.RANDOM.partial``, so that no
copy between disks is needed) and renamed at the end. An exception takes the unfinished thing away; a kill
leaves it under its hidden name. Nothing is forced to the disk: this is about processes that die, not about
the power failing.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from conda_pack.errors import FolderMissing, OutputExists, WriteFailed
from conda_pack.model import INDEX_PATH

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_Made = TypeVar("_Made")

_BUFFER = 1 << 17
_NAME_KEPT = 48  # characters of the final name in the hidden one: 4 bytes each, within the 255 of a name
_LOST_AND_FOUND = "lost+found"  # an empty ext4 file system has it
_LAST = "conda-meta"  # the folder that makes an environment one

_ELSEWHERE = "free some space there or write to another disk"
_REASONS = {
    errno.ENOSPC: ("the disk is full", _ELSEWHERE),
    errno.EDQUOT: ("your quota on that disk is used up", _ELSEWHERE),
    errno.EFBIG: ("no larger file is allowed there", "write to another disk, or raise the limit (ulimit -f)"),
    errno.EIO: ("the disk reported an error", "look into the system's log, or write to another disk"),
    errno.EROFS: ("that disk is mounted read-only", "write to another one"),
    errno.EACCES: ("you have no permission to write there", "choose another folder"),
    errno.EPERM: ("you have no permission to write there", "choose another folder"),
}
_TRIES, _PAUSE = 100, 0.05  # five seconds in all
# Errors that no reading can cause.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENAMETOOLONG)


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn an OSError from writing the output at ``path`` into a WriteFailed. Do not read inputs inside."""
    try:
        yield
    except OSError as error:
        raise _failure(error, path) from error


def _failure(error: OSError, path: str, written: int | None = None) -> WriteFailed:
    if known := _REASONS.get(error.errno or 0):
        so_far = "" if written is None else f" after {_human(written)}"
        return WriteFailed(f"Could not write {path}: {known[0]}{so_far}. To go on, {known[1]}.")
    name = error.filename if isinstance(error.filename, str) and error.filename != path else ""
    return WriteFailed(f"Could not write {path}: {error.strerror or error}{f' ({name})' if name else ''}.")


def _human(size: int) -> str:
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} bytes"


class AtomicFile:
    """A file that is there when the ``with`` block ends well, and else is as it was before.

    ``force`` replaces a file that is there already, and creates folders that are missing. The file has the
    mode that the umask gives. What can be refused is refused at once, before the ``with`` block.
    """

    path: str
    """The final place, absolute."""
    partial: str
    """The hidden place, for tools that want a name rather than an open file."""
    file: io.BufferedRandom
    """The open file; what goes wrong in writing it is raised as WriteFailed."""

    def __init__(self, path: str, *, force: bool) -> None:
        self.path = os.path.abspath(path)
        self._force = force
        self._folder = os.path.dirname(self.path)
        self._made: list[str] = []
        with writing(self.path):
            self._check()

    def _check(self) -> None:
        if not self._force and not os.path.isdir(self._folder):
            raise FolderMissing(
                f"The folder {self._folder} does not exist: create it, or use --force to have it created."
            )
        if os.path.isdir(self.path):
            raise OutputExists(f"{self.path} is a folder: name a file in it.")
        # Forced, the rename would put a plain file in the place of /dev/null or /dev/stdout.
        special = os.path.exists(self.path) and not os.path.isfile(self.path)
        if special or (self._folder == "/dev" and os.path.lexists(self.path)):
            raise OutputExists(f"{self.path} is a device or a pipe: name an ordinary file.")
        if os.path.lexists(self.path) and not self._force:
            raise _exists(self.path)

    def __enter__(self) -> AtomicFile:
        with writing(self.path):
            try:
                if self._force:
                    self._make_folders()
                self.partial, descriptor = _new(self.path, self._folder, _create)
            except BaseException:
                self._remove_folders()
                raise
        self._raw = _Checked(descriptor, self.path)
        self.file = io.BufferedRandom(self._raw, _BUFFER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        done = False
        try:
            if kind is None:
                with writing(self.path):
                    self.file.close()  # which writes what is left in the buffer
                    self._publish()
                done = True
        finally:
            with suppress(OSError):
                self._raw.close()  # without the buffer, which could fail again
            with suppress(OSError):
                os.unlink(self.partial)  # or the second name of what was published
            if not done:
                self._remove_folders()

    def _publish(self) -> None:
        if self._force:
            os.replace(self.partial, self.path)
            return
        try:
            os.link(self.partial, self.path)  # unlike a rename, never replaces what came there meanwhile
        except FileExistsError:
            raise _exists(self.path) from None
        except OSError:  # a file system without hard links; only there the check can come too early
            if os.path.lexists(self.path):
                raise _exists(self.path) from None
            os.rename(self.partial, self.path)

    def _make_folders(self) -> None:
        folder = self._folder
        while not os.path.isdir(folder):
            self._made.append(folder)
            folder = os.path.dirname(folder)
        os.makedirs(self._folder, exist_ok=True)

    def _remove_folders(self) -> None:
        for folder in self._made:
            with suppress(OSError):
                os.rmdir(folder)


class _Checked(io.FileIO):
    """A file whose failing writes say which output they belong to, and how far it had come."""

    def __init__(self, descriptor: int, path: str) -> None:
        super().__init__(descriptor, "r+b")
        self._path = path

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise _failure(error, self._path, os.fstat(self.fileno()).st_size) from error


class AtomicFolder:
    """A folder that is there when the ``with`` block ends well, and else is as it was before.

    The destination must not exist or be empty; ``force`` replaces an environment that was packed before.
    It is built beside it and renamed over it, which is atomic. That cannot be when the destination exists
    and is a mount point, a folder in a parent that may not be written, or somebody's current folder (who
    would be left in a deleted one): then it is built inside, and its children are moved up one by one at
    the end, ``conda-meta`` last. That is not atomic: a kill amid the moves leaves some of them.
    """

    destination: str
    """The final place, absolute; where a symlink leads to if it was one."""
    path: str
    """The hidden folder to build in."""

    def __init__(self, path: str, *, force: bool = False) -> None:
        path = os.path.abspath(path)
        self._replaces = force and os.path.isfile(os.path.join(path, *INDEX_PATH.split("/")))
        self.destination = os.path.realpath(path) if os.path.islink(path) else path
        self._parent = os.path.dirname(self.destination)
        if not os.path.isdir(self._parent):
            raise FolderMissing(f"The folder {self._parent} does not exist: create it first.")
        with writing(self.destination):
            self._refuse_contents()

    def _refuse_contents(self, ours: str = "") -> None:
        if self._replaces or not os.path.lexists(self.destination):
            return
        if not os.path.isdir(self.destination):
            raise OutputExists(f"{self.destination} exists and is not a folder.")
        contents = sorted(set(os.listdir(self.destination)) - {ours, _LOST_AND_FOUND})
        if contents:
            hint = " A run that was killed left it: remove it." if contents[0].endswith(".partial") else ""
            raise OutputExists(f"{self.destination} is not empty: it holds {contents[0]!r}.{hint}")

    def __enter__(self) -> AtomicFolder:
        with writing(self.destination):
            if self._replaces or not os.path.isdir(self.destination):
                self.path, _ = _new(self.destination, self._parent, os.mkdir)
                return self
            self.path, _ = _new(self.destination, self.destination, os.mkdir)
            beside = os.path.join(self._parent, os.path.basename(self.path))
            if not self._must_stay_inside():
                # If the empty folder can go out, the full one can come back. It took along what new folders
                # inherit from the destination (its group, its access lists).
                with suppress(OSError):
                    os.rename(self.path, beside)
                    self.path = beside
        return self

    def _must_stay_inside(self) -> bool:
        with suppress(OSError):
            if os.path.samefile(os.curdir, self.destination):
                return True
        return os.path.lexists(os.path.join(self.destination, _LOST_AND_FOUND))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with writing(self.destination):
                    self._publish()
            elif isinstance(error, OSError) and error.errno in _OF_WRITING:
                raise _failure(error, self.destination) from error
        finally:
            # Nothing, where it has been renamed. Again, because an interrupt while a worker thread starts
            # loses that thread, and it may still write the file it was given.
            for _ in range(_TRIES):
                remove_tree(self.path)
                if not os.path.lexists(self.path):
                    break
                time.sleep(_PAUSE)

    def _publish(self) -> None:
        if self._replaces:
            self._swap()
            return
        if os.path.dirname(self.path) == self._parent:
            if os.path.isdir(self.destination):  # keep it closed to those the user closed it to
                os.chmod(self.path, stat.S_IMODE(os.stat(self.destination).st_mode))
            try:
                os.rename(self.path, self.destination)
                return
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise OutputExists(f"Something was put at {self.destination} meanwhile.") from None
                if error.errno not in (errno.EBUSY, errno.EXDEV):
                    raise
        self._move_up()

    def _swap(self) -> None:
        """Put the new folder in the place of the old, which is kept until then, and remove that."""
        old, _ = _new(self.destination, self._parent, os.mkdir)
        os.rmdir(old)  # nobody else takes that name, and not every system renames over a folder
        os.rename(self.destination, old)
        try:
            os.rename(self.path, self.destination)
        except BaseException:
            os.rename(old, self.destination)
            raise
        remove_tree(old)

    def _move_up(self) -> None:
        self._refuse_contents(ours=os.path.basename(self.path))
        moved: list[str] = []
        try:
            for name in sorted(os.listdir(self.path), key=lambda name: (name == _LAST, name)):
                target = os.path.join(self.destination, name)
                if os.path.lexists(target):
                    raise OutputExists(f"{target} was put there meanwhile.")
                _move(os.path.join(self.path, name), target)
                moved.append(target)
        except BaseException:
            for path in moved:
                remove_tree(path)
            raise


def remove_tree(path: str) -> None:
    """Remove a file or a whole folder as far as possible: read-only folders too, at any depth, no error."""
    if os.path.islink(path) or not os.path.isdir(path):
        with suppress(OSError):
            os.unlink(path)
        return
    folders = [path]
    for folder in folders:  # which grows meanwhile
        with suppress(OSError):
            os.chmod(folder, stat.S_IRWXU)
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    with suppress(OSError):
                        os.unlink(entry.path)
    for folder in reversed(folders):
        with suppress(OSError):
            os.rmdir(folder)


def _move(source: str, target: str) -> None:
    """Rename; a read-only folder must be made writable to get another parent (its ``..`` changes)."""
    mode = os.lstat(source).st_mode
    closed = stat.S_ISDIR(mode) and not mode & stat.S_IWUSR
    if closed:
        os.chmod(source, stat.S_IMODE(mode) | stat.S_IWUSR)
    os.rename(source, target)
    if closed:
        os.chmod(target, stat.S_IMODE(mode))


def _new(path: str, folder: str, make: Callable[[str], _Made]) -> tuple[str, _Made]:
    """Make a new hidden thing in ``folder`` for the output ``path``."""
    while True:
        name = f".{os.path.basename(path)[:_NAME_KEPT]}.{secrets.token_hex(4)}.partial"
        partial = os.path.join(folder, name)
        try:
            return partial, make(partial)
        except FileExistsError:
            continue
        except BaseException:  # interrupted when it was just made
            remove_tree(partial)
            raise


def _create(path: str) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags, 0o666)


def _exists(path: str) -> OutputExists:
    return OutputExists(f"{path} already exists: choose another name, or use --force to replace it.")
