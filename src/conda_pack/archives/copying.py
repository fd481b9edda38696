"""Segments → a folder. What the environment has as it is to be packed is cloned or linked, not written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain

from conda_pack.archives.members import each_member
from conda_pack.archives.segmented import Ending
from conda_pack.archives.writing import Folder
from conda_pack.model import Plan
from conda_pack.segments.codecs import CODECS, Data
from conda_pack.segments.cutting import Press, Segment
from conda_pack.segments.schema import FileEntry
from conda_pack.segments.tar import Member

try:
    from fcntl import ioctl
except ImportError:  # Windows has no reflinks that could be asked for so
    ioctl = None  # type: ignore[assignment]

_FICLONE = 0x40049409  # ioctl_ficlone(2)
#: What file systems answer that cannot: no reflinks, or none between those two.
_NO_REFLINK = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM)
#: Another file system, none of such links on it, another's file, or too many of one.
_NO_HARD_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES)
_PIECE = 1 << 20


class FolderWriter:
    """Makes the files of a plan in a new folder: by reflink, else hard link, else copy.

    Only packages' files are linked, as an installer links them to its cache.
    """

    def __init__(self, plan: Plan, folder: Folder) -> None:
        self.press = Press(CODECS["none"], 0)
        self._plan, self._folder = plan, folder
        # what is nobody's may be written to in place, as conda does with its history
        self._shared = {entry.path for part in plan.parts if part.record for entry in part.entries}
        self._reflinks = ioctl is not None
        self._hard_links = True

    def write(self, segments: Iterator[Segment], ending: Ending) -> None:
        links, folders = [], []
        for member, data in each_member(segments):
            if member.kind == "link":
                links.append(member)  # last, so that no path leads through one
            elif member.kind == "directory":
                self._folder.make_folder(member.name)
                folders.append(member)
            else:
                self._add(member, data)
        for member in links:
            self._make_parent(member.name)
            self._folder.link(FileEntry(member.name, "link", target=member.target))
        index, _ = ending.last_segments([], 0)
        for member, data in each_member([index]):
            self._add(member, data)
        for member in folders:  # which may be closed to us
            os.chmod(self._folder.path(member.name), member.mode)

    def _add(self, member: Member, data: Iterator[memoryview]) -> None:
        self._make_parent(member.name)
        root = self._plan.arcroot
        inside = member.name[len(root) + 1 :] if root else member.name
        with _opened(f"{self._plan.environment.prefix}/{inside}", member.size) as source:
            if source is None:
                self._folder.write(member.name, data, member.mode, member.mtime)
                return
            same = 0
            for piece in data:
                if os.pread(source, len(piece), same) != bytes(piece):
                    pieces: Iterator[Data] = chain(_pieces(source, same), [piece], data)
                    self._folder.write(member.name, pieces, member.mode, member.mtime)
                    return
                same += len(piece)
            self._take(source, inside, member)

    def _take(self, source: int, inside: str, member: Member) -> None:
        """Have the environment's own file in the folder, in the cheapest way that there is."""
        if self._reflinks:
            try:
                self._folder.make(member.name, partial(_clone, source), member.mode, member.mtime)
                return
            except OSError as error:
                if error.errno not in _NO_REFLINK:
                    raise
                self._folder.remove(member.name)
                self._reflinks = False
        if self._hard_links and inside in self._shared and _may_share(os.fstat(source), member):
            try:
                self._folder.hard_link(member.name, f"{self._plan.environment.prefix}/{inside}")
                return
            except OSError as error:
                if error.errno not in _NO_HARD_LINK:
                    raise
                self._hard_links = error.errno == errno.EMLINK
        self._folder.write(member.name, _pieces(source, member.size), member.mode, member.mtime)

    def _make_parent(self, name: str) -> None:
        self._folder.make_folder(name.rpartition("/")[0])


def _may_share(source: os.stat_result, member: Member) -> bool:
    """Whether the file's own mode and time will do, for a hard link has no others.

    Python compares the time of a source with that in its bytecode.
    """
    same_time = int(source.st_mtime) == member.mtime or not member.name.endswith(".py")
    return stat.S_IMODE(source.st_mode) == member.mode and same_time


@contextmanager
def _opened(path: str, size: int) -> Iterator[int | None]:
    """A plain file of that size, None if there is none at ``path``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        yield None
        return
    try:
        status = os.fstat(descriptor)
        yield descriptor if stat.S_ISREG(status.st_mode) and status.st_size == size else None
    finally:
        os.close(descriptor)


def _pieces(source: int, size: int) -> Iterator[bytes]:
    """The first ``size`` bytes of a file."""
    for offset in range(0, size, _PIECE):
        yield os.pread(source, min(_PIECE, size - offset), offset)


def _clone(source: int, descriptor: int) -> None:
    ioctl(descriptor, _FICLONE, source)
