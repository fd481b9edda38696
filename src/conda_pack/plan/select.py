"""Which files go in: exclude and include patterns, in the order they were given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from conda_pack.errors import UsageError
from conda_pack.model import DiskFile
from conda_pack.plan.patterns import expression, is_anchored

Filter = tuple[Literal["exclude", "include"], str]

_BYTE_ORDER_MARK = "\ufeff"


def check_filters(filters: Iterable[tuple[str, str]]) -> tuple[Filter, ...]:
    """The filters, typed.

    Raises UsageError for a kind that is neither exclude nor include, and for what can be no pattern.
    """
    checked: list[Filter] = []
    for kind, pattern in filters:
        if kind == "exclude":
            checked.append(("exclude", pattern))
        elif kind == "include":
            checked.append(("include", pattern))
        else:
            raise UsageError(f"Unknown filter {kind!r}: it is 'exclude' or 'include'.")
        expression(pattern)
    return tuple(checked)


def excluded(files: Mapping[str, DiskFile], filters: Sequence[Filter]) -> frozenset[str]:
    """The paths that the filters leave out.

    Each filter applies to what the ones before it left: ``exclude`` takes out, ``include`` brings back, also
    single files of a folder that was taken out. For patterns see patterns.py.
    """
    out: set[str] = set()
    # what an anchored pattern is compared with: of an empty folder it has to show that it is one
    names = {path: path + "/" if file.kind == "directory" else path for path, file in files.items()}
    for kind, pattern in filters:
        matches = re.compile(expression(pattern)).match
        whole = is_anchored(pattern)
        if kind == "exclude":
            out.update(
                path for path, name in names.items() if path not in out and matches(name if whole else path)
            )
        else:
            out -= {path for path in out if matches(names[path] if whole else path)}
    return frozenset(out)


def read_filters(text: str, origin: str) -> tuple[Filter, ...]:
    r"""The filters of a file of patterns; ``origin`` names it in messages.

    One pattern a line, and nothing in blank lines and after a ``#`` that begins one; ``!`` before a pattern
    brings back. A ``\`` keeps these two, and a space at the end of a line, as they are.

    Raises UsageError with every line that can be no pattern.
    """
    filters: list[Filter] = []
    problems = []
    for number, line in enumerate(text.removeprefix(_BYTE_ORDER_MARK).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        kind: Literal["exclude", "include"] = "include" if line.startswith("!") else "exclude"
        body = line.removesuffix("\r").removeprefix("!")
        pattern = _without_trailing_spaces(body[1:] if body.startswith(("\\!", "\\#")) else body)
        try:
            if not pattern or "\0" in pattern:
                raise UsageError(f"{pattern!r} is no pattern.")
            expression(pattern)
        except UsageError as error:
            problems.append(f"{origin}, line {number}: {error}")
        filters.append((kind, pattern))
    if problems:
        raise UsageError("\n".join(problems))
    return tuple(filters)


def _without_trailing_spaces(line: str) -> str:
    r"""A line less the spaces at its end; of those after a ``\`` the first stays."""
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    if len(bare) == len(line) or escapes % 2 == 0:
        return bare
    kept = bare + " "
    return kept if is_anchored(kept) else bare[:-1] + " "
