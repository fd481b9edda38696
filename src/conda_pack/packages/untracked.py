"""The files that no package owns, and what of them may be removed. Pure.

Left out is what conda leaves out (``untracked`` and ``walk_prefix`` in conda/misc.py): what is compiled of
packages' files, editors' backups, the Finder's notes, and what conda keeps for itself; also a link in the
place of a folder of packages, through which their files are found.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from conda_pack.model import DiskFile
from conda_pack.packages.installed import Listed
from conda_pack.packages.owners import Owner, Owners, project_owner
from conda_pack.packages.pip_projects import Project
from conda_pack.plan.select import Filter, excluded

_FINDER_NOTES = ".DS_Store"


@dataclass(frozen=True, slots=True)
class UntrackedProject:
    """A project that no package brought, and its files that lie in the environment and no package owns.

    ``replaces`` are the packages that own others of its files: it was installed over them.
    """

    project: Project
    files: tuple[str, ...]
    replaces: tuple[str, ...] = ()
    is_whole: bool = True  # no exclude has left out a file of it


@dataclass(frozen=True, slots=True)
class Untracked:
    """What no package owns: nobody's files, and projects, both sorted.

    ``kept_folders`` are those that an exclude names, for when nothing is left in them.
    """

    files: tuple[str, ...]
    projects: tuple[UntrackedProject, ...]
    kept_folders: frozenset[str] = frozenset()

    @property
    def all_files(self) -> tuple[str, ...]:
        """Those of projects as well; one that several projects have is there once."""
        return tuple(sorted({*self.files, *(path for each in self.projects for path in each.files)}))


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be removed, in this order: files, then the folders that are empty without them.

    ``kept`` are projects that were to be removed but stay, each with the reason.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    kept: tuple[tuple[str, str], ...] = ()


def find_untracked(
    listing: Mapping[str, Listed],
    owners: Owners,
    projects: Iterable[Project],
    filters: Sequence[Filter] = (),
) -> Untracked:
    """What of a listing no package owns, less what the filters leave out."""
    files: list[str] = []
    folders_of_packages = owners.folders()  # a link may have taken the place of one
    by_project: dict[Owner, list[str]] = {}
    for path, listed in listing.items():
        if listed.kind != "file" or _is_left_out(path) or path in folders_of_packages:
            continue
        whose = owners.of(path)
        if not whose:
            files.append(path)
        elif all(owner.kind == "project" for owner in whose):
            for owner in whose:
                by_project.setdefault(owner, []).append(path)
    out = excluded({path: DiskFile(path, "file", 0, 0, 0) for path in _paths(files, by_project)}, filters)
    found = []
    for project in projects:
        own = by_project.pop(project_owner(project), [])
        kept = tuple(path for path in own if path not in out)
        if kept:
            found.append(UntrackedProject(project, kept, _replaced(project, owners), len(kept) == len(own)))
    folders = {
        path: DiskFile(path, "directory", 0, 0, 0)
        for path, listed in listing.items()
        if filters and listed.kind == "folder"
    }
    return Untracked(
        tuple(path for path in files if path not in out), tuple(found), excluded(folders, filters)
    )


def plan_removal(
    listing: Mapping[str, Listed], owners: Owners, untracked: Untracked, *, with_projects: bool
) -> Removal:
    """What to remove of what is untracked; of projects all files or none.

    A project that was installed over a package stays: without its part of the files the rest would be
    neither. So does one of which a file is excluded.
    """
    kept: list[tuple[str, str]] = []
    going: list[UntrackedProject] = []
    for each in untracked.projects if with_projects else ():
        name = project_owner(each.project).text
        if each.replaces:
            kept.append((name, f"it was installed over {', '.join(each.replaces)}; reinstall that first"))
        elif not each.is_whole:
            kept.append((name, "files of it are excluded"))
        else:
            going.append(each)
    # a file that a project which stays has too stays with it
    leaving = {each.project.metadata for each in going}
    staying = {
        path for each in untracked.projects if each.project.metadata not in leaving for path in each.files
    }
    files = list(untracked.files)
    for each in going:
        # what tells of the project goes last: until then it can be removed again
        own = sorted(set(each.files) - staying, key=lambda path: (_tells_of(each.project, path), path))
        files += own
    files = list(dict.fromkeys(files))
    return Removal(tuple(files), _emptied(listing, owners, untracked, files), tuple(kept))


def _is_left_out(path: str) -> bool:
    return path.endswith("~") or posixpath.basename(path) == _FINDER_NOTES


def _paths(files: Iterable[str], by_project: Mapping[Owner, Iterable[str]]) -> list[str]:
    return [*files, *(path for paths in by_project.values() for path in paths)]


def _replaced(project: Project, owners: Owners) -> tuple[str, ...]:
    found = {owner.text for path in project.paths for owner in owners.packages_of(path)}
    return tuple(sorted(found))


def _tells_of(project: Project, path: str) -> int:
    """0 for a file of a project, 1 for its metadata, 2 for the list of its files."""
    if path == project.metadata:
        return 2
    if not path.startswith(f"{project.metadata}/"):
        return 0
    return 2 if posixpath.basename(path) in ("RECORD", "installed-files.txt") else 1


def _emptied(
    listing: Mapping[str, Listed], owners: Owners, untracked: Untracked, files: Collection[str]
) -> tuple[str, ...]:
    """The folders in which nothing is left, the deepest first; not those of packages."""
    gone = set(files)
    staying = owners.folders()
    for path, listed in listing.items():
        if path in untracked.kept_folders:
            staying.add(path)
        if path not in gone and (listed.kind != "folder" or path in untracked.kept_folders):
            while (path := posixpath.dirname(path)) and path not in staying:
                staying.add(path)
    empty = [path for path, listed in listing.items() if listed.kind == "folder" and path not in staying]
    return tuple(sorted(empty, key=lambda path: (-path.count("/"), path)))
