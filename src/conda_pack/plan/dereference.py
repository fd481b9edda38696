"""Links → the files they lead to, for a format that has no links, or whose readers may not know them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from conda_pack.model import Entry, Finding, Part, Plan, Severity
from conda_pack.paths import folders_of

_MOST_STEPS = 40  # of links that lead to links, as Linux has it


def dereferenced(plan: Plan) -> Plan:
    """The plan with files in the place of links: the file that a link leads to, or all that is in the folder.

    Those files hold the prefix where theirs do, so they are relocated alike. Links that lead out of the
    environment, to nothing, or to a folder they lie in stay links, and a finding names them.
    """
    entries = {entry.path: entry for part in plan.parts for entry in part.entries}
    tree = _Tree(entries, plan.environment.prefix)
    parts = tuple(_without_links(part, tree) for part in plan.parts)
    left = sorted(entry.path for part in parts for entry in part.entries if entry.kind == "link")
    findings = plan.findings
    if left:
        message = (
            f"{len(left)} links stay links in the zip, which not every program extracts: "
            "they lead to no file of a package or of yours, or to a folder that they lie in."
        )
        findings += (Finding(Severity.WARNING, message, tuple(left)),)
    return replace(plan, parts=parts, findings=findings)


def _without_links(part: Part, tree: _Tree) -> Part:
    if not any(entry.kind == "link" for entry in part.entries):
        return part
    entries = [made for entry in part.entries for made in tree.files_for(entry, entry.path, ())]
    return replace(part, entries=tuple(sorted(entries, key=lambda entry: entry.path)))


class _Tree:
    """The plan's entries, as a file system has them."""

    def __init__(self, entries: Mapping[str, Entry], prefix: str) -> None:
        self._entries, self._prefix = entries, prefix
        self._folders = folders_of(entries) | {""}
        self._folders |= {entry.path for entry in entries.values() if entry.kind == "directory"}
        self._children: dict[str, list[str]] = {}
        for path in sorted({*entries, *self._folders} - {""}):
            self._children.setdefault(posixpath.dirname(path), []).append(path)

    def files_for(self, entry: Entry, path: str, within: tuple[str, ...]) -> Iterator[Entry]:
        """What lies at ``path`` in the place of ``entry``; ``within`` are the links on the way there."""
        if entry.kind != "link":
            yield self._at(entry, path)
            return
        found = self._resolved(entry.path)
        way = (*within, entry.path)
        if found is None:
            yield self._at(entry, path)
        elif found not in self._folders:
            yield self._at(self._entries[found], path)
        elif not found or any(link.startswith(f"{found}/") for link in way):
            yield self._at(entry, path)
        else:
            yield from self._copies(found, path, way)

    def _copies(self, folder: str, path: str, within: tuple[str, ...]) -> Iterator[Entry]:
        """All that is in ``folder``, at ``path``."""
        if folder in self._entries:  # an empty one
            yield self._at(self._entries[folder], path)
        for child in self._children.get(folder, ()):
            there = f"{path}/{posixpath.basename(child)}"
            if child in self._folders:
                yield from self._copies(child, there, within)
            else:
                yield from self.files_for(self._entries[child], there, within)

    def _resolved(self, path: str) -> str | None:
        """Where a path leads when all links on it are followed; None out of the tree, or to nothing."""
        left, at, steps = path.split("/"), "", 0
        while left:
            if at not in self._folders:
                return None  # nothing is in a file, not even ".."
            name = left.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                if not at:
                    return None
                at = posixpath.dirname(at)
                continue
            at = f"{at}/{name}" if at else name
            entry = self._entries.get(at)
            if entry is not None and entry.kind == "link":
                steps += 1
                if steps > _MOST_STEPS or entry.target.startswith("/"):
                    return None
                left = entry.target.split("/") + left
                at = posixpath.dirname(at)
            elif entry is None and at not in self._folders:
                return None
        return at

    def _at(self, entry: Entry, path: str) -> Entry:
        """The same file at another path, where no package's record tells of it; a link leads where it did."""
        if entry.path == path:
            return entry
        claim, target = entry.claim, entry.target
        if entry.kind == "link" and not target.startswith("/"):
            target = "/".join([*[".."] * path.count("/"), *entry.path.split("/")[:-1], target])
        if claim is not None:
            claim = msgspec.structs.replace(claim, index=-1)
        location = entry.location or f"{self._prefix}/{entry.path}"
        return msgspec.structs.replace(entry, path=path, target=target, claim=claim, location=location)
