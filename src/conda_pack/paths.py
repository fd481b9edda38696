"""What paths within a prefix have in common: ``/`` between their parts, on every platform."""

from __future__ import annotations

from collections.abc import Iterable


def folders_of(paths: Iterable[str]) -> set[str]:
    """Every folder that some path lies in, at any depth; the prefix itself is none."""
    folders: set[str] = set()
    last = ""
    for path in paths:
        parent = path.rpartition("/")[0]
        if parent == last:  # as most, for they are sorted
            continue
        last = parent
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    return folders
