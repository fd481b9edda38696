"""Prefixes and launchers of Windows, with launchers that distlib makes as pip does on Windows."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pip._vendor import distlib
from pip._vendor.distlib.scripts import ScriptMaker

from conda_pack.model import Entry, Form, Platform, Stored
from conda_pack.relocation.store import NEUTRAL, Relocator
from conda_pack.runtime.rules import inverse, splice, target_edits
from conda_pack.runtime.windows import launcher_line, written

OLD, NEW = r"C:\envs\one", r"D:\Program Files\another environment"
WINDOWS = Platform("win-64")


def launcher(folder: Path, prefix: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What pip writes to Scripts for an entry point."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    folder.mkdir(parents=True)
    maker: Any = ScriptMaker(None, str(folder), add_launchers=True)  # type: ignore[no-untyped-call]
    maker._is_nt = True  # as on Windows, where alone it has the next one, too
    maker._get_launcher = lambda kind: (Path(distlib.__file__).parent / f"{kind}64.exe").read_bytes()
    maker.executable = rf"{prefix}\python.exe"
    maker.variants = {""}
    maker.make("tool = package.module:main")
    return (folder / "tool.exe").read_bytes()


def stored(data: bytes, prefix: str, path: str = "Scripts/tool.exe") -> Stored:
    entry = Entry(path, "file", 0o755, len(data), 0, Form.SEARCH)
    return Relocator((prefix.encode(),), WINDOWS).store(entry, data)


def installed(kept: Stored, prefix: str) -> bytes:
    fields = {"path": "", **kept.fields}
    slashes = fields.pop("slashes")
    return b"".join(splice(kept.data, target_edits(fields, written(prefix.encode(), slashes), 127)))


# --------------------------------------------------------------------- prefixes


@pytest.mark.parametrize(
    ("prefix", "forward", "back", "double"),
    [
        (r"C:\envs\one", "C:/envs/one", r"C:\envs\one", r"C:\\envs\\one"),
        (r"\\?\C:\envs\one", "C:/envs/one", r"C:\envs\one", r"C:\\envs\\one"),
        (r"\\?\UNC\server\share", "//server/share", r"\\server\share", r"\\\\server\\share"),
        ("C:/envs/one", "C:/envs/one", r"C:\envs\one", r"C:\\envs\\one"),
    ],
)
def test_written(prefix: str, forward: str, back: str, double: str) -> None:
    """With each kind of slashes; the verbatim form is nobody's to write."""
    for name, expected in (("forward", forward), ("back", back), ("double", double)):
        assert expected == written(prefix.encode(), name).decode()
    assert prefix.encode() == written(prefix.encode(), None)


# -------------------------------------------------------------------- launchers


def test_a_launcher_is_moved_as_pip_would_make_it(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, with a longer line and a space in it; back again too; and it still is a zip file."""
    old = launcher(work / "old", OLD, monkeypatch)
    kept = stored(old, OLD)
    assert (kept.note, kept.fields["slashes"]) == ("", "back")
    assert OLD.encode() not in kept.data
    moved = launcher(work / "new", r"D:\environments\a-longer-name", monkeypatch)
    assert moved == installed(kept, r"D:\environments\a-longer-name")
    assert old == installed(kept, OLD)
    for data in (moved, kept.data):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            assert archive.testzip() is None
            assert b"from package.module import main" in archive.read("__main__.py")


def test_the_line_of_a_launcher(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = launcher(work / "old", OLD, monkeypatch)
    line = launcher_line(data)
    assert line is not None
    assert rf"#!{OLD}\python.exe".encode() == data[slice(*line)]


def test_no_launcher(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a zip file, nor a program, nor what is cut off."""
    data = launcher(work / "old", OLD, monkeypatch)
    start = data.rindex(b"#!")
    for other in (b"", b"MZ", data[:start], data[start:], data[:-30], b"MZ" + data[data.rindex(b"PK\3\4") :]):
        assert launcher_line(other) is None


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_anything_may_come(body: bytes, comment: bytes) -> None:
    """Hostile bytes give a place within them, or none."""
    data = b"MZ" + body + b"PK\5\6" + comment
    line = launcher_line(data)
    assert line is None or (0 < line[0] < line[1] <= len(data) and data[line[0] :].startswith(b"#!"))


# ------------------------------------------------------------------------ texts


@pytest.mark.parametrize(
    ("template", "slashes"),
    [
        ("home = {}\\python.exe\n", "back"),
        ('{{"url": "file:///{}/src"}}', "forward"),
        ('{{"python": "{}\\\\python.exe", "prefix": "{}"}}', "double"),
        ("#!{}\\python.exe -s\nx = '{}'\n", "back"),
    ],
)
def test_texts_of_the_user(template: str, slashes: str) -> None:
    """In the form that they are written in, a first line like any other."""
    old, new = (written(prefix.encode(), slashes).decode() for prefix in (OLD, NEW))
    data = template.format(old, old).encode()
    kept = stored(data, OLD, "etc/x")
    assert (slashes, "") == (kept.fields["slashes"], kept.note)
    assert template.format(new, new).encode() == installed(kept, NEW)
    neutral = written(NEUTRAL.encode(), slashes).decode()
    assert template.format(neutral, neutral).encode() == kept.data
    fields = {"path": "", **kept.fields}
    del fields["slashes"]
    back = splice(data, inverse(target_edits(fields, old.encode(), 127)))
    assert kept.data == b"".join(back)


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (rb"C:\envs\one-data and C:/envs/one2", ""),
        (b"\0\1C:\\envs\\one\\x\0", "left"),
        (rb"a = C:\envs\one\x; b = C:/envs/one/x", "left"),
    ],
)
def test_what_cannot_be_moved_is_told(data: bytes, note: str) -> None:
    """Binary data, and a second form; what merely looks like the prefix is nothing to tell of."""
    assert note == stored(data, OLD, "etc/x").note
