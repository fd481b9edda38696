"""What lies under a folder, as a value that two tests can compare."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple


class Node(NamedTuple):
    """One path. A folder has no content, a link no mode of its own."""

    type: str
    mode: int
    content: str
    """A file's sha256, or where a link leads to."""


Tree = dict[str, Node]


def tree(prefix: str | os.PathLike[str], skip: Sequence[str] = ()) -> Tree:
    """Everything under ``prefix``, empty folders too, except paths that match a pattern in ``skip``.

    ``*`` in a pattern matches ``/`` as well; a skipped folder is skipped with all it holds.
    """
    return dict(sorted(_walk(os.fspath(prefix), "", skip)))


def diff_trees(expected: Tree, actual: Tree) -> str:
    """One line for each path that differs: empty if none does."""
    lines = []
    for path in sorted(expected.keys() | actual.keys()):
        before, after = expected.get(path), actual.get(path)
        if before is None and after is not None:
            lines.append(f"+ {path}: unexpected {after.type}")
        elif after is None and before is not None:
            lines.append(f"- {path}: missing {before.type}")
        elif before is not None and after is not None and before != after:
            lines.append(f"~ {path}: {', '.join(_changes(before, after))}")
    return "\n".join(lines)


def _walk(prefix: str, folder: str, skip: Sequence[str]) -> Iterator[tuple[str, Node]]:
    with os.scandir(os.path.join(prefix, folder)) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if any(fnmatchcase(path, pattern) for pattern in skip):
                continue
            yield path, _node(entry)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(prefix, path, skip)


def _node(entry: os.DirEntry[str]) -> Node:
    if entry.is_symlink():
        return Node("link", 0, os.readlink(entry.path))
    mode = stat.S_IMODE(entry.stat().st_mode)
    if entry.is_dir():
        return Node("folder", mode, "")
    if entry.is_file():
        with open(entry.path, "rb") as file:
            return Node("file", mode, hashlib.sha256(file.read()).hexdigest())
    return Node("special", mode, "")


def _changes(before: Node, after: Node) -> Iterator[str]:
    if before.type != after.type:
        yield f"{before.type} became {after.type}"
        return
    if before.mode != after.mode:
        yield f"mode {before.mode:04o} became {after.mode:04o}"
    if before.content != after.content:
        yield (
            f"{before.content[:16]} became {after.content[:16]}"
            if before.type == "file"
            else (f"{before.content} became {after.content}")
        )
