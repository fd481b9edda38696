"""Files of one environment as those of a package for any platform, or any Python."""

from __future__ import annotations

import pytest

from conda_pack.packages.noarch import NoarchFiles, is_entry_points, to_noarch

SITE = "lib/python3.11/site-packages"
ENTRY_POINTS = """\
[console_scripts]
tool = tool.cli:main
Other = tool:Main.run [extra]
no-function = tool

[gui_scripts]
window = tool:show
"""


def test_python() -> None:
    """Installers make entry points and bytecode; other scripts are copied."""
    paths = [
        *(f"{SITE}/tool/cli.py", f"{SITE}/tool/__pycache__/cli.cpython-311.pyc", f"{SITE}/x.pyo"),
        *(
            "bin/tool",
            "bin/Other",
            "bin/other",
            "bin/no-function",
            "bin/window",
            "bin/sub/tool",
            "share/tool/data",
        ),
    ]
    files, problems = to_noarch("python", dict.fromkeys(paths, b"#!/x"), SITE, "bin", [ENTRY_POINTS])
    assert problems == []
    assert files == NoarchFiles(
        {
            f"{SITE}/tool/cli.py": "site-packages/tool/cli.py",
            "bin/other": "python-scripts/other",
            "bin/no-function": "python-scripts/no-function",
            "bin/window": "python-scripts/window",
            "bin/sub/tool": "bin/sub/tool",
            "share/tool/data": "share/tool/data",
        },
        ("Other = tool:Main.run", "tool = tool.cli:main"),
    )


def test_windows() -> None:
    """Launchers and their scripts are of the entry point."""
    paths = ["Scripts/tool.exe", "Scripts/tool-script.py", "Scripts/x.bat", "Lib/site-packages/tool.py"]
    heads = dict.fromkeys(paths, b"") | {"Scripts/tool.exe": b"MZ\x90\0"}
    files, problems = to_noarch("python", heads, "Lib/site-packages", "Scripts", [ENTRY_POINTS])
    assert problems == []
    assert files.paths == {
        "Scripts/x.bat": "python-scripts/x.bat",
        "Lib/site-packages/tool.py": "site-packages/tool.py",
    }
    assert files.entry_points == ("tool = tool.cli:main",)


@pytest.mark.parametrize(
    ("path", "head", "is_compiled"),
    [
        (f"{SITE}/x.cpython-311-x86_64-linux-gnu.so", b"", True),
        ("lib/libx.so.1.2", b"", True),
        ("x.dll", b"", True),
        ("share/tool", b"\x7fELF\2\1\1\0", True),
        ("share/tool", b"MZ\x90\0\3\0\0\0", True),
        ("share/tool", b"\xcf\xfa\xed\xfe\x0c\0\0\1", True),
        ("share/tool", b"\xca\xfe\xba\xbe\0\0\0\2", True),
        ("share/tool", b"!<arch>\n", True),
        ("share/Tool.class", b"\xca\xfe\xba\xbe\0\0\0\x34", False),
        ("share/MZ.txt", b"MZ is the", False),
        ("share/also", b"", False),
        ("share/x.sock", b"", False),
    ],
)
def test_compiled(path: str, head: bytes, is_compiled: bool) -> None:
    _, problems = to_noarch("python", {path: head}, SITE, "bin", [])
    assert problems == ([f"{path} is compiled for one platform"] if is_compiled else [])


def test_what_belongs_to_one_python() -> None:
    """Outside of its site-packages; without a Python, all of it."""
    paths = {
        "include/python3.11/x.h": b"",
        f"{SITE}/x.py": b"",
        "share/python3/y": b"",
        "share/pythonic/z": b"",
    }
    _, problems = to_noarch("python", paths, SITE, "bin", [])
    assert problems == [
        "include/python3.11/x.h belongs to one Python",
        "share/python3/y belongs to one Python",
    ]
    _, problems = to_noarch("generic", paths, None, "bin", [])
    assert [problem.split()[0] for problem in problems] == list(paths)[:3]


def test_generic_files_stay_where_they_are() -> None:
    paths = {"bin/tool": b"#!/bin/sh", "share/x.pyc": b"", "y": b""}
    files, problems = to_noarch("generic", paths, None, "bin", [ENTRY_POINTS])
    assert (files, problems) == (NoarchFiles({path: path for path in paths}, ()), [])


@pytest.mark.parametrize("text", ["", "[", "no section", "[other]\nx = y:z", "[console_scripts]", "\0"])
def test_damaged_entry_points(text: str) -> None:
    files, problems = to_noarch("python", {"bin/x": b""}, SITE, "bin", [text])
    assert (files.paths, problems) == ({"bin/x": "python-scripts/x"}, [])


def test_where_entry_points_are_told() -> None:
    assert is_entry_points(f"{SITE}/x-1.dist-info/entry_points.txt")
    assert is_entry_points(f"{SITE}/x-1.egg-info/entry_points.txt")
    assert not is_entry_points(f"{SITE}/x/entry_points.txt")
