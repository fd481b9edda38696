"""``--which`` and ``--untracked``: questions → environments → answers. Joins what this folder has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conda_pack.environment.locate import is_environment, locate
from conda_pack.packages.installed import Installed, Listing, read_installed, read_listing
from conda_pack.packages.owners import Owner, Owners
from conda_pack.packages.results import OwnerOf, ProjectFiles, UntrackedFiles, Which, Whose
from conda_pack.packages.untracked import Removal, Untracked, find_untracked, plan_removal
from conda_pack.plan.select import check_filters

_MOST_LINKS = 40  # as Linux follows (path_resolution(7))


def which(paths: Sequence[str]) -> Which:
    """Whose the files at ``paths`` are, each in the environment that it lies in.

    The folders of a path may be links; where the path itself is a link that lies in an environment, it is
    the link's owner, else that of what it leads to. A folder has the owners of all that lies in it. Raises
    CorruptMetadata and FileChanged.
    """
    asked = _Asked({})
    return Which([asked.whose(path) for path in paths])


@dataclass(frozen=True, slots=True)
class _Asked:
    """The environments that were read already, by prefix."""

    installed: dict[str, Installed]

    def whose(self, path: str) -> Whose:
        """The answer for one path, as it was given."""
        place = path
        for _ in range(_MOST_LINKS):
            found = list(self._places(place))
            if found or not os.path.islink(place):
                break
            place = os.path.join(os.path.realpath(os.path.dirname(place)), os.readlink(place))
        exists = os.path.lexists(place)
        for prefix, within, owners in found:
            if owners:
                told = [_owner_of(owner) for owner in owners]
                return Whose(path, "owned" if exists else "missing", prefix, within, told)
        if not found:
            return Whose(path, "outside" if exists else "absent", None, None, [])
        prefix, within, _ = found[0]
        return Whose(path, "untracked" if exists else "absent", prefix, within, [])

    def _places(self, path: str) -> Iterator[tuple[str, str, tuple[Owner, ...]]]:
        """Where a path may lie in an environment: as it is spelled, and as the links of its folders lead."""
        for full in _spellings(path):
            prefix = _prefix_of(full)
            if prefix is None:
                continue
            within = os.path.relpath(full, prefix).replace(os.sep, "/")
            within = "" if within == "." else within
            if prefix not in self.installed:
                self.installed[prefix] = read_installed(prefix)
            yield prefix, within, _owners(self.installed[prefix].owners, full, within)


def untracked(name: str | None, prefix: str | None, filters: Sequence[tuple[str, str]]) -> Tracked:
    """What no package owns in an environment, given as for ``conda_pack.pack``.

    Raises EnvironmentNotFound, UsageError, CorruptMetadata, and FileChanged for a folder that cannot be read.
    """
    checked = check_filters(filters)
    located = locate(name, prefix, environ=os.environ, home=os.path.expanduser("~"), cwd=os.getcwd())
    # first the listing: what is installed meanwhile is then owned, or not listed
    listing = read_listing(located)
    installed = read_installed(located)
    found = find_untracked(listing.entries, installed.owners, installed.projects, checked)
    return Tracked(installed, listing, found)


@dataclass(frozen=True, slots=True)
class Tracked:
    """An environment, all that lies in it, and what of that no package owns."""

    installed: Installed
    listing: Listing
    untracked: Untracked

    def removal(self, *, with_projects: bool) -> Removal:
        """What --reset removes."""
        return plan_removal(
            self.listing.entries, self.installed.owners, self.untracked, with_projects=with_projects
        )

    def result(self) -> UntrackedFiles:
        """For programs."""
        projects = [
            ProjectFiles(
                each.project.name,
                each.project.version,
                each.project.url,
                each.project.metadata,
                list(each.files),
                list(each.replaces),
            )
            for each in self.untracked.projects
        ]
        return UntrackedFiles(self.listing.prefix, list(self.untracked.files), projects)


def _owners(owners: Owners, full: str, path: str) -> tuple[Owner, ...]:
    """The owners of the file or folder at ``full``; of what is not there only those who have it in a list."""
    if not os.path.lexists(full):
        return owners.listed(path)
    if path and os.path.isdir(full):
        return owners.below(path)
    return owners.of(path) or owners.below(path)


def _owner_of(owner: Owner) -> OwnerOf:
    return OwnerOf(
        owner.kind, owner.text, owner.name, owner.version, owner.build, owner.channel, owner.record
    )


def _spellings(path: str) -> list[str]:
    """The absolute paths to look for: without ``..``, which a link before it would lead elsewhere."""
    folder, name = os.path.split(path.rstrip(os.sep) or os.sep)
    if name in ("", os.curdir, os.pardir):
        resolved = os.path.realpath(path)
    else:
        resolved = os.path.join(os.path.realpath(folder), name)
    if os.pardir in path.split(os.sep):
        return [resolved]
    return list(dict.fromkeys([os.path.abspath(path), resolved]))


def _prefix_of(path: str) -> str | None:
    """The environment that a path lies in: the nearest one."""
    while not is_environment(path):
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent
    return path
