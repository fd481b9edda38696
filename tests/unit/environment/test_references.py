"""What refers to files outside of an environment: links, run paths, interpreters, .pth lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conda_pack.environment.references import references
from conda_pack.model import DiskFile, Environment, Platform

SITE = "lib/python3.11/site-packages"
PREFIX = "/opt/no-such-env"


def told(
    *files: tuple[str, int, bytes | str], run_paths: dict[str, list[str]] | None = None
) -> tuple[list[str], list[str]]:
    """References of an environment with these files (a link's value is a str), and what was read to tell."""
    contents = dict[str, bytes]()
    on_disk = dict[str, DiskFile]()
    for path, mode, value in files:
        if isinstance(value, str):
            on_disk[path] = DiskFile(path, "link", mode, 0, 0, value)
        else:
            on_disk[path] = DiskFile(path, "file", mode, len(value), 0)
            contents[path] = value
    environment = Environment(
        prefix=PREFIX,
        prefixes=(PREFIX.encode(),),
        platform=Platform("linux-64"),
        site_packages=SITE,
        records=(),
        files=on_disk,
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )
    reads = []

    def read(file: DiskFile, size: int) -> bytes:
        reads.append(file.path)
        return contents[file.path][:size]

    return references(environment, read, lambda file: (run_paths or {})[file.path]), reads


def test_links() -> None:
    """Those that lead out, whether there is something or not; not those within."""
    found, reads = told(
        ("a", 0o777, "/no/such/file"),
        ("b", 0o777, "../../elsewhere"),
        ("c", 0o777, f"{PREFIX}/lib"),
        ("lib/d", 0o777, "../bin/e"),
    )
    assert found == ["a → /no/such/file", "b → ../../elsewhere"]
    assert reads == []


@pytest.mark.parametrize(
    ("line", "interpreter"),
    [
        (b"#!/bin/sh\n", None),
        (b"#! /bin/bash -e\n", None),
        (b"#!/usr/bin/env perl\n", None),
        (b"#!/bin/no-such-interpreter -x\n", None),
        (f"#!{PREFIX}/bin/python\n".encode(), None),
        (b"#!\n", None),
        (b"#!", None),
        (b"#!relative/python\n", None),
        (b"text\n", None),
        (b"", None),
        (b"#!INTERPRETER\n", "INTERPRETER"),
        (b"#! \tINTERPRETER -u x\nrest", "INTERPRETER"),
        (b"#!INTERPRETER", "INTERPRETER"),
    ],
)
def test_interpreters(tmp_path: Path, line: bytes, interpreter: str | None) -> None:
    """Those outside that this machine has, but for what every machine has."""
    place = tmp_path / "python"
    place.touch()
    found, _ = told(("bin/tool", 0o755, line.replace(b"INTERPRETER", os.fsencode(place))))
    assert ([f"bin/tool → {place} (shebang)"] if interpreter else []) == found


def test_only_what_can_run_or_be_loaded_is_read(tmp_path: Path) -> None:
    """A script that is not executable is data, and a library need not be executable."""
    place = tmp_path / "python"
    place.touch()
    script = b"#!" + os.fsencode(place)
    found, reads = told(
        ("bin/data", 0o644, script),
        ("lib/x.so.1", 0o644, script),
        ("lib/y.so", 0o644, b"\x7fELF"),
        ("share/z.sofa/data", 0o644, b"\x7fELF"),
        run_paths={"lib/y.so": [str(tmp_path)]},
    )
    assert [f"lib/y.so → {tmp_path} (RPATH)"] == found
    assert reads == ["lib/x.so.1", "lib/y.so"]


def test_run_paths(tmp_path: Path) -> None:
    """Absolute ones that exist, once each; where every loader looks anyway is not told."""
    paths = [
        *("$ORIGIN/../lib", "", f"{PREFIX}/lib", "/no/such/folder", "/usr/lib", "/lib64/"),
        *(str(tmp_path), str(tmp_path), "lib"),
    ]
    found, _ = told(("bin/tool", 0o755, b"\x7fELF..."), run_paths={"bin/tool": paths})
    assert [f"bin/tool → {tmp_path} (RPATH)"] == found


def test_pth_lines(tmp_path: Path) -> None:
    """Folders that Python would look in: as the site module reads the files, of site-packages itself."""
    text = f"# {tmp_path}\nimport os; {tmp_path}\n{tmp_path}\n/no/such/folder\nrelative\n{PREFIX}/lib\n"
    found, reads = told(
        (f"{SITE}/a.pth", 0o644, text.encode()),
        (f"{SITE}/package/b.pth", 0o644, text.encode()),
        ("c.pth", 0o644, text.encode()),
    )
    assert [f"{SITE}/a.pth → {tmp_path} (in a .pth file)"] == found
    assert [f"{SITE}/a.pth"] == reads
