"""Names that meet on Windows and on macOS."""

from __future__ import annotations

from typing import get_args

import pytest

from conda_pack.environment.collisions import find_collisions
from conda_pack.model import DiskFile, Environment, Kind, Platform


def environment(subdir: str, *paths: str) -> Environment:
    """Files, and folders where a path ends with a slash."""
    file, _, folder = get_args(Kind)
    nodes = [
        DiskFile(path.rstrip("/"), folder if path.endswith("/") else file, 0o644, 0, 0) for path in paths
    ]
    return Environment(
        prefix="/env",
        prefixes=(b"/env",),
        platform=Platform(subdir),
        site_packages=None,
        records=(),
        files={node.path: node for node in nodes},
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )


@pytest.mark.parametrize(
    ("paths", "windows", "macos"),
    [
        (["lib/a", "lib/b"], [], []),
        (["lib/A", "lib/a", "lib/b"], ["lib/A", "lib/a"], ["lib/A", "lib/a"]),
        (["Lib/a", "lib/a", "lib/b"], ["Lib/a", "lib/a"], ["Lib/a", "lib/a"]),
        (["Lib/a", "lib/b"], [], []),
        (["LIB", "lib/b"], ["LIB"], ["LIB"]),
        (["Lib/", "lib/"], [], []),  # folders that become one
        (["stra\u00dfe", "strasse"], [], ["strasse", "stra\u00dfe"]),
        (["\u00e9", "e\u0301"], [], ["e\u0301", "\u00e9"]),
        (["\u00e9", "\u00c9"], ["\u00c9", "\u00e9"], ["\u00c9", "\u00e9"]),
    ],
)
def test_names_that_meet(paths: list[str], windows: list[str], macos: list[str]) -> None:
    """By the rules of each system's files; elsewhere all of them are different."""
    for subdir, expected in (("win-64", windows), ("osx-arm64", macos), ("linux-64", [])):
        found = [finding.paths for finding in find_collisions(environment(subdir, *paths))]
        assert ([tuple(expected)] if expected else []) == found, subdir


@pytest.mark.parametrize(
    ("path", "fine"),
    [
        ("lib/console.py", True),
        ("lib/aux.py", False),
        ("share/con/x", False),
        ("lib/COM1", False),
        ("lib/com", True),
        ("lib/x:y", False),
        ("lib/what?", False),
        ("lib/end.", False),
        ("lib/.hidden", True),
        ("lib/a b", True),
        ("lib/end /x", False),
    ],
)
def test_names_that_windows_cannot_have(path: str, fine: bool) -> None:
    (found,) = [[finding.paths for finding in find_collisions(environment("win-64", path))]]
    assert ([] if fine else [(path,)]) == found
    assert list(find_collisions(environment("osx-arm64", path))) == []
