"""Files into a folder that nobody else writes to: whole, under their own names, following no link."""

from __future__ import annotations

import os
from typing import Any

from conda_pack.errors import UnsafeArchive
from conda_pack.segments.schema import FileEntry

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_PART = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


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
        return os.path.join(self.root, *relative.split("/"))

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

    def write(self, relative: str, data: Any, mode: int, mtime: int | None) -> None:
        """A new file of ``data`` (bytes, or a list of them)."""
        pieces = data if isinstance(data, list) else [data]
        try:
            # owner-writable while it is written; the mode follows if the umask or that would change it
            descriptor = os.open(self.path(relative), _NEW, mode | 0o200)
        except FileExistsError:
            raise UnsafeArchive(f"The archive holds {relative} twice.") from None
        try:
            for piece in pieces:
                write_all(descriptor, piece)
            if mode & self._umask or not mode & 0o200:
                os.fchmod(descriptor, mode)
            if mtime is not None:
                os.utime(descriptor, (mtime, mtime))
        finally:
            os.close(descriptor)

    def replace(self, relative: str, data: Any, mode: int) -> None:
        """Another content for a file written before."""
        self.remove(relative)
        self.write(relative, data, mode, None)

    def remove(self, relative: str) -> None:
        """Take a file away that was written before."""
        os.unlink(self.path(relative))

    def write_part(self, relative: str, data: Any, offset: int) -> None:
        """A stretch of a file that others write stretches of."""
        descriptor = os.open(self.path(relative), _PART, 0o600)
        try:
            view = memoryview(data)
            while view:
                written = os.pwrite(descriptor, view, offset)
                view, offset = view[written:], offset + written
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


def write_all(descriptor: int, data: Any) -> None:
    """All of ``data``: write(2) may take less at once."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
