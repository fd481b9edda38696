"""Which files go in: exclude and include patterns, in the order they were given."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from conda_pack.errors import UsageError

Filter = tuple[Literal["exclude", "include"], str]


def check_filters(filters: Iterable[tuple[str, str]]) -> tuple[Filter, ...]:
    """The filters, typed; raises UsageError for a kind that is neither exclude nor include."""
    checked: list[Filter] = []
    for kind, pattern in filters:
        if kind == "exclude":
            checked.append(("exclude", pattern))
        elif kind == "include":
            checked.append(("include", pattern))
        else:
            raise UsageError(f"Unknown filter {kind!r}: it is 'exclude' or 'include'.")
    return tuple(checked)


def excluded(paths: Iterable[str], filters: Sequence[Filter]) -> frozenset[str]:
    """The paths that the filters leave out.

    Patterns are shell wildcards over the whole path within the prefix, ``*``
    crossing ``/`` (the incumbent's rule, fnmatch). Each filter applies to what
    the ones before it left: ``exclude`` takes out, ``include`` brings back.
    """
    out: set[str] = set()
    everything = frozenset(paths)
    for kind, pattern in filters:
        matches = re.compile(fnmatch.translate(pattern)).match
        if kind == "exclude":
            out.update(path for path in everything if path not in out and matches(path))
        else:
            out -= {path for path in out if matches(path)}
    return frozenset(out)
