"""Whether a path lies within an environment or a folder."""

from __future__ import annotations

import os
import posixpath

from conda_pack.model import Environment


def is_inside(environment: Environment, location: str) -> bool:
    """Whether an absolute path, as it is spelled or as links lead it, lies in the prefix or is it."""
    candidates = (os.path.abspath(location), os.path.realpath(location))
    roots = [os.fsdecode(prefix) for prefix in environment.prefixes]
    return any(path == root or is_below(path, root) for path in candidates for root in roots)


def is_below(path: str, folder: str) -> bool:
    """Whether a normal path lies in a folder at any depth."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def is_above(path: str) -> bool:
    """Whether a path relative to the prefix leaves it."""
    return posixpath.normpath(path).split("/")[0] == ".."
