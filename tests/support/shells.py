"""Shells and awks that there are, and a PATH with few programs on it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
    "ksh93": ("ksh93",),
    "mksh": ("mksh",),
    "zsh": ("zsh",),
    "zsh-as-sh": ("zsh", "--emulate", "sh"),
}
AWKS = ("mawk", "gawk", "original-awk", "busybox")
#: What relocation without Python calls.
TOOLS = (
    *("awk", "cat", "chmod", "cp", "dd", "dirname", "find", "flock", "mkdir", "mv", "printf", "readlink"),
    *("rm", "sha256sum", "tr", "wc"),
)


def need(name: str) -> str:
    """Where a program is; without it the test is skipped."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def few_tools(folder: Path, names: Sequence[str] = TOOLS, **others: str) -> str:
    """A PATH with these programs alone; ``others`` are those to take in their place, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).symlink_to(need(others.get(name, name)))
    return str(folder)
