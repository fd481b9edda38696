"""What ships in archives, by the platform."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from conda_pack.model import Platform
from conda_pack.runtime.files import runtime_files

WINDOWS = ("win-64", "win-32", "win-arm64")
SCRIPTS = (
    *("activate.bat", "activate.ps1", "activation-vars.ps1", "deactivate.bat", "deactivate.ps1"),
    *("conda-unpack.bat", "conda-unpack.pyz"),
)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str) -> None:
    blobs = runtime_files(Platform(name))
    expected = [(f"Scripts/{script}", 0o644) for script in SCRIPTS]
    assert expected == [(blob.path, blob.mode) for blob in blobs]


@pytest.mark.parametrize("name", ["linux-64", "osx-arm64"])
def test_unix(name: str) -> None:
    """Only the unpacker is executable; what cmd.exe reads is not there."""
    modes = {blob.path: blob.mode for blob in runtime_files(Platform(name))}
    assert {path.partition("/")[0] for path in modes} == {"bin"}
    assert [path for path, mode in modes.items() if mode == 0o755] == ["bin/conda-unpack"]
    assert [path for path in modes if path.endswith(".bat")] == []


def test_scripts_of_windows_are_text_in_every_code_page() -> None:
    """ASCII, since PowerShell 5 and cmd.exe read the letters of their country; lines end with CR LF."""
    for blob in runtime_files(Platform("win-64"))[:-1]:
        text = blob.data.decode("ascii")
        assert text.endswith("\r\n")
        assert text.count("\n") == text.count("\r") == text.count("\r\n")
        assert "\0" not in text


def test_labels_are_all_there() -> None:
    """cmd.exe ends a script where it finds none."""
    for blob in runtime_files(Platform("win-64")):
        if not blob.path.endswith(".bat"):
            continue
        lines = blob.data.decode("ascii").splitlines()
        labels = [line[1:] for line in lines if line.startswith(":")]
        code = "\n".join(line for line in lines if line.startswith("@") and not line.startswith("@rem"))
        assert len(labels) == len(set(labels))
        assert set(labels) == set(re.findall(r"\b(?:goto |call :)(\w+)", code))


def test_one_unpacker_for_all_platforms() -> None:
    """The same modules, whatever finds a Python for them."""
    unix = {blob.path: blob.data for blob in runtime_files(Platform("linux-64"))}["bin/conda-unpack"]
    windows = {blob.path: blob.data for blob in runtime_files(Platform("win-64"))}["Scripts/conda-unpack.pyz"]
    assert members(unix) == members(windows)
    assert windows.startswith(b"PK")
