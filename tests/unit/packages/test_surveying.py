"""What is read of an environment before its package is written."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from conda_pack.environment.scan import scan
from conda_pack.errors import EnvironmentFindings, FileChanged
from conda_pack.model import Platform
from conda_pack.packages.contents import PLACEHOLDER, Transformer
from conda_pack.packages.surveying import Source, survey
from conda_pack.progress import PythonWarnings


def source(prefix: Path, paths: Mapping[str, str] | None = None, latest: int | None = None) -> Source:
    """All files at ``prefix``, or some under other names."""
    files = {path: file for path, file in scan(str(prefix), (), print).items() if file.kind != "directory"}
    transformer = Transformer((os.fsencode(prefix),), Platform("linux-64"))
    return Source(str(prefix), files, paths or {path: path for path in files}, transformer, latest)


def digest(data: bytes) -> tuple[str, int]:
    return hashlib.sha256(data).hexdigest(), len(data)


def test_links_have_the_digest_of_what_they_lead_to(tmp_path: Path) -> None:
    """As the package has it; of another's file as it lies there; of none, of nothing."""
    (tmp_path / "file").write_text(f"{tmp_path}\n")
    (tmp_path / "other").write_text(f"{tmp_path}\n\n")
    (tmp_path / "folder").mkdir()
    links = {
        "a": "file",
        "b": "a",
        "c": "folder",
        "d": "nowhere",
        "e": "other",
        "f": f"{tmp_path}/b",
        "folder/g": "../file",
        "h": "folder/g",
        "i": "i",
    }
    for path, target in links.items():
        (tmp_path / path).symlink_to(target)
    paths = {path: path for path in ("file", *links)}
    found = {path.path: path for path in survey(source(tmp_path, paths), PythonWarnings())}
    own, other = digest(f"{PLACEHOLDER}\n".encode()), digest(f"{tmp_path}\n\n".encode())
    expected = dict.fromkeys(["file", "a", "b", "f", "folder/g", "h"], own) | {"e": other}
    expected |= dict.fromkeys("cdi", digest(b""))
    assert expected == {path: (found[path].sha256, found[path].size) for path in found}
    assert {path: found[path].target for path in links} == links | {"f": "b"}
    assert list(found) == sorted(found)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    """As a noarch package could have them."""
    for path in ("a", "b", "c"):
        (tmp_path / path).write_text(path)
    with pytest.raises(EnvironmentFindings) as caught:
        survey(source(tmp_path, {"a": "x", "b": "x", "c": "y"}), PythonWarnings())
    assert str(caught.value).splitlines() == [
        "1 files cannot be in a package:",
        "    b would be the same file of the package as a: x",
    ]


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    asked = source(tmp_path)
    (tmp_path / "a").unlink()
    with pytest.raises(FileChanged, match=f"{tmp_path}/a cannot be read"):
        survey(asked, PythonWarnings())


def bytecode(flags: int, mtime: int, size: int) -> bytes:
    return b"\xa7\x0d\x0d\x0a" + struct.pack("<III", flags, mtime, size) + b"code"


@pytest.mark.parametrize(
    ("compiled", "expected"),
    [
        (bytecode(0, 2000, 5), bytecode(0, 1000, 5)),
        (bytecode(0, 2001, 5), bytecode(0, 2001, 5)),  # it is stale, and stays so
        (bytecode(0, 2000, 6), bytecode(0, 2000, 6)),
        (bytecode(1, 2000, 5), bytecode(1, 2000, 5)),  # that is a hash
        (b"short", b"short"),
        (b"", b""),
    ],
)
def test_bytecode_stays_in_step_with_its_source(tmp_path: Path, compiled: bytes, expected: bytes) -> None:
    """Where no file is dated later than that."""
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "mod.py").write_text("x = 1")
    (tmp_path / "__pycache__/mod.cpython-311.pyc").write_bytes(compiled)
    (tmp_path / "old").write_text("")
    os.utime(tmp_path / "mod.py", (2000, 2000))
    os.utime(tmp_path / "old", (500, 500))
    found = {path.path: path for path in survey(source(tmp_path, latest=1000), PythonWarnings())}
    (cached,) = (found[path] for path in found if path.endswith(".pyc"))
    assert digest(expected) == (cached.sha256, cached.size)
    assert (found["mod.py"].mtime, cached.mtime, found["old"].mtime) == (1000, 1000, 500)
    as_it_is = {path.path: path for path in survey(source(tmp_path), PythonWarnings())}
    assert digest(compiled) == (as_it_is[cached.path].sha256, as_it_is[cached.path].size)
    assert as_it_is["mod.py"].mtime == 2000
