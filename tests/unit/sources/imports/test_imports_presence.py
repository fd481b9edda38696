"""What is missing by an environment's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from conda_pack.sources.imports.presence import absent
from conda_pack.sources.imports.proving import prove

FILES = [
    "numpy/__init__.py",
    "six.py",
    "old.pyc",
    "_yaml.cpython-311-x86_64-linux-gnu.so",
    "_abi.abi3.so",
    "_win.cp311-win_amd64.pyd",
    "_plain.pyd",
    "compiled/__init__.cpython-311-darwin.so",
    "google/protobuf/__init__.py",
    "google/cloud/storage/__init__.py",
    "google/single.py",
    "win32/win32api.pyd",
    "win32/lib/win32con.py",
    "numpy-1.dist-info/METADATA",
]
PRESENT: list[tuple[str, str | None]] = [
    ("numpy", None),
    ("numpy.made_up", "x"),
    ("six.moves", "urllib"),
    ("old", None),
    ("google", None),
    ("google.protobuf", "anything"),
    ("google.cloud", "storage"),
    ("google", "single"),
    ("win32con", None),
    ("argparse", None),
]
ABSENT: list[tuple[str, str | None]] = [
    ("pandas", None),
    ("pandas", "DataFrame"),
    ("google.cloud", "bigquery"),
    ("google.cloud.bigquery", None),
    ("google.auth", None),
    ("google", "auth"),
    ("METADATA", None),
]
UNIX: list[tuple[str, str | None]] = [("_yaml", None), ("_abi", "x"), ("compiled", None)]
WINDOWS: list[tuple[str, str | None]] = [("_win", None), ("_plain", None), ("win32api", None)]


@pytest.mark.parametrize(
    ("site", "own", "others"),
    [("lib/python3.11/site-packages", UNIX, WINDOWS), ("Lib/site-packages", WINDOWS, UNIX)],
)
def test_absent(
    site: str, own: list[tuple[str, str | None]], others: list[tuple[str, str | None]], work: Path
) -> None:
    folder = work / site
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder.parent / "argparse.py").write_text("")
    (folder / "pywin32.pth").write_text("# pywin32\nwin32\nwin32\\lib\nimport pywin32_bootstrap\n/etc\n\n")
    if "compiled" in {module for module, _ in others}:  # a folder may still be a namespace
        others = [each for each in others if each[0] != "compiled"]
    assert [*ABSENT, *others] == absent(str(work), [*PRESENT, *own, *ABSENT, *others])


def test_no_python_at_all(work: Path) -> None:
    assert absent(str(work), [("numpy", None)]) == [("numpy", None)]


def test_what_is_installed_is_there(installed: Path) -> None:
    """The same answer as that of the environment's own Python."""
    modules: list[tuple[str, str | None]] = [
        ("numpy", "array"),
        ("yaml", None),
        ("pip", None),
        ("nothing", "x"),
    ]
    failures = prove(str(installed), modules)
    assert absent(str(installed), modules) == [(failure.module, failure.name) for failure in failures]
    assert ("nothing", "x") in absent(str(installed), modules)
