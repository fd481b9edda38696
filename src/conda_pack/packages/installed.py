"""What is needed to tell whose the files of an environment are: records and lists, and what lies there."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from conda_pack.environment.read import platform_of, read_records, read_runtime
from conda_pack.errors import FileChanged
from conda_pack.model import Claim, Record
from conda_pack.packages.owners import Owners, is_reserved
from conda_pack.packages.pip_projects import Project, read_projects


@dataclass(frozen=True, slots=True)
class Installed:
    """What was installed into the environment at ``prefix``, and by whom."""

    prefix: str
    records: tuple[Record, ...]
    projects: tuple[Project, ...]
    owners: Owners


@dataclass(frozen=True, slots=True)
class Listed:
    """One path as it lies in the prefix.

    ``apart`` is a folder that is none of this environment's: another one within it, or one of conda's own.
    ``inode`` tells whether something else has taken its place since.
    """

    path: str
    kind: Literal["file", "folder", "apart"]
    inode: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All paths in a prefix, by path, and the prefix's own device and inode."""

    prefix: str
    identity: tuple[int, int]
    entries: Mapping[str, Listed]


def read_installed(prefix: str) -> Installed:
    """Read the records and lists of the environment at ``prefix``, an absolute path.

    Raises EnvironmentNotFound, CorruptMetadata and FileChanged.
    """
    records, site_packages = read_records(prefix)
    platform = platform_of(records)
    claims: dict[str, Claim] = {}
    for record in records:
        claims.update((claim.path, claim) for claim in record.claims)
    projects = read_projects(prefix, site_packages, platform, claims)
    return Installed(
        prefix, records, projects, Owners(records, projects, platform, runtime=read_runtime(prefix))
    )


def read_listing(prefix: str) -> Listing:
    """Every path in a prefix, whatever its name, and without following links.

    What conda keeps for itself is not looked into, nor is another environment within this one. Raises
    FileChanged for a folder that cannot be read.
    """
    status = os.stat(prefix)
    found: dict[str, Listed] = {}
    folders = [("", prefix)]
    while folders:
        start, folder = folders.pop()
        for entry in _entries(folder):
            path = f"{start}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                found[path] = Listed(path, "file", entry.inode())
            elif is_reserved(path) or _is_environment(entry.path):
                found[path] = Listed(path, "apart", entry.inode())
            else:
                found[path] = Listed(path, "folder", entry.inode())
                folders.append((f"{path}/", entry.path))
    return Listing(prefix, (status.st_dev, status.st_ino), dict(sorted(found.items())))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return list(listing)
    except FileNotFoundError:  # it vanished meanwhile, with all that was in it
        return []
    except OSError as error:
        raise FileChanged(f"{folder} cannot be read: {error.strerror}. Nothing was changed.") from error


def _is_environment(folder: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(os.path.join(folder, "conda-meta")).st_mode)
    except OSError:
        return False
