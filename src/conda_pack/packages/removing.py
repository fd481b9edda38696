"""Removing files of an environment: what was listed, and nothing else, whatever happens to it meanwhile.

Each folder on the way to a file is opened by its name in the one before, never through a link, and what is
removed is what lay there when it was listed, by its inode. So a folder that was replaced by a link leads
nowhere, and a file that somebody has written anew, or installed, stays.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from conda_pack.errors import FileChanged, ToolMissing
from conda_pack.packages.installed import Listing
from conda_pack.packages.untracked import Removal

_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)
_REPLACED = "something else is there now"


@dataclass(slots=True)
class Removed:
    """What was removed, in that order, and what could not be, each with the reason."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


def remove(listing: Listing, removal: Removal) -> Removed:
    """Remove files, then folders if they are empty; what has vanished meanwhile needs nothing.

    Raises FileChanged if the prefix itself is another folder now, and ToolMissing on a system that cannot
    open a file relative to a folder.
    """
    if not {os.open, os.stat, os.unlink, os.rmdir} <= os.supports_dir_fd:
        raise ToolMissing(
            "On this system files cannot be removed without the risk of following a link. "
            "Remove those that --untracked lists with other means."
        )
    removed = Removed()
    root = os.open(listing.prefix, os.O_RDONLY | os.O_DIRECTORY)
    try:
        status = os.fstat(root)
        if (status.st_dev, status.st_ino) != listing.identity:
            raise FileChanged(f"{listing.prefix} is another folder than it was. Nothing was removed.")
        remover = _Remover(root, listing, removed)
        for path in removal.files:
            remover.file(path)
        for path in removal.folders:
            remover.folder(path)
    finally:
        os.close(root)
    return removed


class _Changed(Exception):
    """Something else lies there than what was listed."""


class _Remover:
    def __init__(self, root: int, listing: Listing, removed: Removed) -> None:
        self._root, self._listing, self._removed = root, listing, removed

    def file(self, path: str) -> None:
        with self._what_happens(path), self._parent(path) as (parent, name):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) or status.st_ino != self._listing.entries[path].inode:
                raise _Changed
            os.unlink(name, dir_fd=parent)
            self._removed.files.append(path)

    def folder(self, path: str) -> None:
        with self._what_happens(path), self._parent(path) as (parent, name):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if status.st_ino != self._listing.entries[path].inode:
                raise _Changed
            os.rmdir(name, dir_fd=parent)
            self._removed.folders.append(path)

    @contextmanager
    def _what_happens(self, path: str) -> Iterator[None]:
        try:
            with suppress(FileNotFoundError):
                yield
        except (NotADirectoryError, _Changed):
            self._removed.left.append((path, _REPLACED))
        except OSError as error:
            if error.errno not in _NOT_EMPTY:  # what is in a folder is told, or came after it was listed
                self._removed.left.append((path, error.strerror or str(error)))

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The open folder that a path lies in, and its name there."""
        folder, name = posixpath.split(path)
        parent = os.dup(self._root)
        try:
            for part in folder.split("/") if folder else ():
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                inner = os.open(part, flags, dir_fd=parent)
                # in this order: an interrupt in between must not have it closed twice, which would hide it
                parent, outer = inner, parent
                os.close(outer)
            yield parent, name
        finally:
            os.close(parent)
