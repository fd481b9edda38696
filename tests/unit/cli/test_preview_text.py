"""What --dry-run prints."""

from __future__ import annotations

import pytest

from conda_pack.cli.preview_text import preview_lines, size_text
from conda_pack.results import Estimate, Preview

QUIET = Preview(
    environment="/opt/env",
    platform="linux-64",
    packages=1,
    files=1,
    size=999,
    excluded=0,
    excluded_size=0,
    longest_prefix=None,
    limited_by=[],
    leaving=[],
    estimates=[],
    errors=[],
    warnings=[],
)


def test_nothing_to_tell() -> None:
    """The facts alone."""
    assert preview_lines(QUIET) == [
        "environment  /opt/env (linux-64)",
        "packed       1 file, 999 bytes, 1 package",
        "left out     0 files, 0 bytes",
    ]


def test_everything() -> None:
    """In columns, sections for what there is, ten names of a longer list."""
    preview = Preview(
        environment="/opt/env",
        platform="linux-64",
        packages=121,
        files=35450,
        size=1299107505,
        excluded=12,
        excluded_size=3400000,
        longest_prefix=255,
        limited_by=["bin/a", "bin/b", "bin/c"],
        leaving=[f"bin/{number} → /usr/bin/perl (shebang)" for number in range(12)],
        estimates=[Estimate("tar.gz", 4, 389700460), Estimate("no-archive", None, 1305842064)],
        errors=["2 files are missing:\n    a\n    b"],
        warnings=["something"],
    )
    assert [
        "environment     /opt/env (linux-64)",
        "packed          35,450 files, 1.30 GB, 121 packages",
        "left out        12 files, 3.40 MB",
        "longest prefix  255 bytes, for bin/a and 2 more",
        "",
        "archive, about:",
        "  tar.gz       390 MB  level 4",
        "  no-archive  1.31 GB",
        "",
        "refers to what is not packed (12):",
        *(f"  bin/{number} → /usr/bin/perl (shebang)" for number in range(10)),
        "  … and 2 more",
        "",
        "warnings:",
        "  something",
        "",
        "packing would stop at:",
        "  2 files are missing:",
        "      a",
        "      b",
    ] == preview_lines(preview)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (9994, "9.99 kB"),
        (9995, "10.0 kB"),
        (99949, "99.9 kB"),
        (99950, "100 kB"),
        (999499, "999 kB"),
        (999500, "1.00 MB"),
        (1299107505, "1.30 GB"),
        (12 * 10**15, "12000 TB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    """Three figures, decimal."""
    assert text == size_text(size)
