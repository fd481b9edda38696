"""What lies in a prefix: every path once, sorted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from conda_pack.errors import FileChanged
from conda_pack.model import PACK_FOLDER, DiskFile

#: conda's and mamba's own litter: renamed files it could not delete, locks, package caches' marks
_LITTER = (".c~", ".conda_trash", ".conda-unpack~")
_LOCKS = (".mamba", ".conda_lock")
#: What a base environment keeps beside itself: other environments, caches and builds
BASE_FOLDERS = ("pkgs", "envs", "conda-bld")


def scan(prefix: str, skip: tuple[str, ...], warn: Callable[[str], None]) -> dict[str, DiskFile]:
    """Every file, link and empty folder under ``prefix``, by path with ``/`` between its parts.

    ``skip`` names top-level folders to leave out. Sockets, pipes and devices are
    left out with a warning. Raises FileChanged for a folder that cannot be read
    and for a name that is no UTF-8, which no record could hold.
    """
    found: list[DiskFile] = []
    folders = [("", prefix)]
    while folders:
        relative, folder = folders.pop()
        empty = True
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError as error:
            raise FileChanged(f"{folder} cannot be read: {error.strerror}. Nothing was written.") from error
        for entry in entries:
            name = entry.name
            path = f"{relative}{name}"
            if _is_litter(name) or path == PACK_FOLDER or (not relative and name in skip):
                continue
            empty = False
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((path + "/", entry.path))
                    continue
                _check_name(path)
                file = _disk_file(path, entry.path, entry.stat(follow_symlinks=False))
                if file is not None and not _is_utf8(file.target):
                    raise FileChanged(
                        f"{entry.path} is a link to {os.fsencode(file.target)!r}, which is not valid UTF-8, "
                        "and no archive index can hold that. Remove the link."
                    )
            except OSError as error:
                raise FileChanged(
                    f"{entry.path} vanished while it was looked at ({error.strerror})."
                ) from error
            if file is None:
                warn(f"{path} is neither a file, a link nor a folder, and is left out.")
            else:
                found.append(file)
        if empty and relative and relative != f"{PACK_FOLDER}/":
            path = relative.rstrip("/")
            _check_name(path)
            mode = stat.S_IMODE(os.lstat(folder).st_mode) & 0o777
            found.append(DiskFile(path, "directory", mode, 0, 0))
    found.sort(key=lambda file: file.path)
    return {file.path: file for file in found}


def _is_litter(name: str) -> bool:
    return name.endswith(_LITTER) or (name.startswith(_LOCKS) and name.endswith((".lock", "lock")))


def _check_name(path: str) -> None:
    if not _is_utf8(path):
        raise FileChanged(
            f"the file name {os.fsencode(path)!r} is not valid UTF-8, and no archive index can hold it. "
            "Rename or remove the file."
        )


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _disk_file(path: str, full: str, status: os.stat_result) -> DiskFile | None:
    mode = status.st_mode
    mtime = status.st_mtime_ns // 1_000_000_000
    if stat.S_ISREG(mode):  # neither setuid nor sticky bits travel
        return DiskFile(path, "file", mode & 0o777, status.st_size, mtime)
    if stat.S_ISLNK(mode):
        return DiskFile(path, "link", 0o777, 0, mtime, os.readlink(full))
    return None
