"""The bytes of a package follow from what is in it."""

from __future__ import annotations

import io
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from conda_package_streaming.package_streaming import stream_conda_component

from conda_pack.archives.output import AtomicFile
from conda_pack.environment.scan import scan
from conda_pack.errors import OutputExists
from conda_pack.model import Platform
from conda_pack.packages import building
from conda_pack.packages.building import write_package
from conda_pack.packages.contents import Transformer
from conda_pack.packages.recipe import Recipe
from conda_pack.packages.surveying import Source, survey
from conda_pack.progress import PythonWarnings

RECIPE = Recipe("x", "1", "0", subdir="linux-64", timestamp=5)


def write(prefix: Path, output: Path, *, force: bool = False) -> bytes:
    """A package of all files at ``prefix``."""
    files = {path: file for path, file in scan(str(prefix), (), print).items() if file.kind != "directory"}
    transformer = Transformer((os.fsencode(prefix),), Platform("linux-64"))
    source = Source(str(prefix), files, {path: path for path in files}, transformer)
    target = AtomicFile(str(output), force=force)
    write_package(target, RECIPE, survey(source, PythonWarnings()), (), source, PythonWarnings())
    return output.read_bytes()


def members(package: bytes, name: str) -> list[tuple[str, int, int, str, bytes]]:
    """Path, mode, mtime, target and bytes of each member but ``info``."""
    found = []
    for tar, member in stream_conda_component(name, io.BytesIO(package)):
        content = tar.extractfile(member) if member.isreg() else None
        if not member.name.startswith("info/"):
            data = content.read() if content else b""
            found.append((member.name, member.mode, int(member.mtime), member.linkname, data))
    return found


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    (folder / "a").mkdir(parents=True)
    (folder / "a/x").write_text("x")
    (folder / ("n" * 120 + "☃")).write_text("")
    (folder / "a/link").symlink_to("x")
    os.utime(folder / "a/x", (7, 7))
    os.utime(folder / ("n" * 120 + "☃"), (8, 8))
    os.utime(folder / "a/link", (9, 9), follow_symlinks=False)
    (folder / "a/x").chmod(0o4751)
    return folder


@pytest.mark.parametrize("name", ["x-1-0.conda", "x-1-0.tar.bz2"])
def test_members(name: str, prefix: Path, tmp_path: Path) -> None:
    """Nothing but the files, in order; no mode beyond rwx travels."""
    package = write(prefix, tmp_path / name)
    assert members(package, name) == [
        ("a/link", 0o777, 9, "x", b""),
        ("a/x", 0o751, 7, "", b"x"),
        ("n" * 120 + "☃", 0o644, 8, "", b""),
    ]


def test_info_comes_first(prefix: Path, tmp_path: Path) -> None:
    """Of a .tar.bz2: who wants that alone need not read it all."""
    package = write(prefix, tmp_path / "x.tar.bz2")
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        names = tar.getnames()
    is_info = [name.startswith("info/") for name in names]
    assert is_info == sorted(is_info, reverse=True)
    assert sum(is_info) == 4


def test_threads_change_no_byte(prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more data than one of them takes at once."""
    (prefix / "large").write_bytes(random.Random(1).randbytes(24 << 20) + b"end " * (1 << 20))
    monkeypatch.setattr(building, "_LEVEL", 1)
    packages = set()
    for count in (1, 2, 5):
        monkeypatch.setattr(building, "worker_count", lambda _, count=count: count)
        packages.add(write(prefix, tmp_path / f"{count}.conda"))
    assert len(packages) == 1


def test_what_is_replaced(prefix: Path, tmp_path: Path) -> None:
    """Only what is to be; and a package is never empty under its name."""
    first = write(prefix, tmp_path / "x.conda")
    with pytest.raises(OutputExists):
        write(prefix, tmp_path / "x.conda")
    (prefix / "more").write_text("x")
    assert write(prefix, tmp_path / "x.conda", force=True) != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["env", "x.conda"]


def test_the_zip_file_is_stored(prefix: Path, tmp_path: Path) -> None:
    """As the format has it: readers seek in it."""
    write(prefix, tmp_path / "x.conda")
    with zipfile.ZipFile(tmp_path / "x.conda") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("metadata.json") == b'{"conda_pkg_format_version": 2}'
        assert archive.testzip() is None
