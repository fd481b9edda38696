"""Files into a folder that nobody else writes to: whole, under their own names, following no link."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from conda_pack.errors import UnsafeArchive
from conda_pack.segments.codecs import Data
from conda_pack.segments.schema import FileEntry

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_PART = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Folder:
    """The destination while it is made.

    Links come last, so no path written before leads through one.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._made: set[str] = set()

    def path(self, relative: str) -> str:
        """Where ``relative`` lies."""
        return f"{self.root}/{relative}"  # Windows takes it too

    def make_folder(self, relative: str) -> None:
        """A folder, its parents first."""
        missing = []
        while relative and relative not in self._made:
            missing.append(relative)
            relative = relative.rpartition("/")[0]
        for folder in reversed(missing):
            try:
                os.mkdir(self.path(folder))
            except FileExistsError:
                if not os.path.isdir(self.path(folder)):
                    raise UnsafeArchive(f"The archive holds {folder} twice.") from None
            self._made.add(folder)

    def write(self, relative: str, pieces: Iterable[Data], mode: int, mtime: int | None) -> None:
        """A new file."""

        def fill(descriptor: int) -> None:
            for piece in pieces:
                write_all(descriptor, piece)

        self.make(relative, fill, mode, mtime)

    def make(self, relative: str, fill: Callable[[int], None], mode: int, mtime: int | None) -> None:
        """A new file, to whose descriptor ``fill`` gives its content."""
        try:
            # owner-writable while it is written; the mode follows if the umask or that would change it
            descriptor = os.open(self.path(relative), _NEW, mode | 0o200)
        except FileExistsError:
            raise UnsafeArchive(f"The archive holds {relative} twice.") from None
        try:
            fill(descriptor)
            if mode & self._umask or not mode & 0o200:
                os.fchmod(descriptor, mode)
            if mtime is not None:
                os.utime(descriptor, (mtime, mtime))
        finally:
            os.close(descriptor)

    def hard_link(self, relative: str, source: str) -> None:
        """The file at ``source`` under another name."""
        os.link(source, self.path(relative), follow_symlinks=False)

    def remove(self, relative: str) -> None:
        """A file that was not made whole."""
        os.unlink(self.path(relative))

    def replace(self, relative: str, data: Data, mode: int) -> None:
        """Another content for a file written before."""
        self.remove(relative)
        self.write(relative, [data], mode, None)

    def write_part(self, relative: str, pieces: Iterable[Data], offset: int) -> None:
        """A stretch of a file that others write stretches of."""
        try:
            descriptor = os.open(self.path(relative), _NEW if offset == 0 else _PART, 0o600)
        except FileExistsError:
            raise UnsafeArchive(f"The archive holds {relative} twice.") from None
        try:
            os.lseek(descriptor, offset, os.SEEK_SET)
            for piece in pieces:
                write_all(descriptor, piece)
        finally:
            os.close(descriptor)

    def settle(self, relative: str, mode: int, mtime: int) -> None:
        """Give a file written in stretches its mode and time."""
        descriptor = os.open(self.path(relative), _PART)
        try:
            os.fchmod(descriptor, mode)
            os.utime(descriptor, (mtime, mtime))
        finally:
            os.close(descriptor)

    def link(self, entry: FileEntry) -> None:
        """A symbolic link; its text is the archive's, and nobody follows it here."""
        assert entry.target is not None
        os.symlink(entry.target, self.path(entry.path))


def write_all(descriptor: int, data: Data) -> None:
    """All of ``data``: write(2) may take less at once."""
    written = os.write(descriptor, data) if data else 0
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])
