"""Environments for Windows and macOS, packed and unpacked here: as rattler writes them at the new place."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from conda_pack.model import Platform
from conda_pack.runtime.files import runtime_files
from demo.packages import File, Package, text
from tests.support.archives import index_of, stored_entries
from tests.support.foreign import (
    PACKAGES,
    Install,
    install_foreign,
    made,
    make_channel,
    packed,
    python_of,
    unpack,
)
from tests.support.packs import installation, sha256, start, succeed
from tests.support.trees import diff_trees


@pytest.mark.parametrize("subdir", PACKAGES)
@pytest.mark.parametrize("suffix", ["tar.gz", "tar.zst", "zip"])
def test_as_rattler_installs_it(subdir: str, suffix: str, foreign: Install, work: Path) -> None:
    """Every file and record, at a longer prefix and at a shorter one; and the way back."""
    one = foreign(subdir, work / "env")
    archive = packed(one, work / f"x.{suffix}")
    for name in ("a-much-longer-name/than/before", "e"):
        expected = installation(foreign(subdir, work / name))
        shutil.rmtree(work / name)
        unpack(archive, work / name)
        assert diff_trees(expected, made(work / name, subdir)) == ""
        again = packed(work / name, work / "again.tar.gz")
        shutil.rmtree(one)
        unpack(again, one)
        shutil.rmtree(work / name)
        (work / "again.tar.gz").unlink()
        archive_of_one = packed(one, work / "again.tar.gz")
        unpack(archive_of_one, work / name)
        assert diff_trees(expected, made(work / name, subdir)) == ""
        (work / "again.tar.gz").unlink()


@pytest.mark.parametrize("subdir", PACKAGES)
def test_made_where_paths_are_long(subdir: str, foreign: Install, work: Path) -> None:
    """On Linux, whose shebangs are shorter than those of macOS: it is the same environment all the same."""
    identities = [
        index_of(packed(foreign(subdir, work / name / "env"), work / f"{len(name)}.tar.gz")).identity
        for name in ("e", "long-name" * 20)
    ]
    assert identities[0] == identities[1]


@pytest.mark.parametrize("subdir", PACKAGES)
def test_the_archive_holds_what_the_packages_shipped(subdir: str, foreign: Install, work: Path) -> None:
    """Each file of a package by its sha256, but for scripts, which run before they are relocated."""
    archive = packed(foreign(subdir, work / "env"), work / "x.tar.gz")
    stored = {entry.path: entry for entry in stored_entries(index_of(archive), archive)}
    shipped = {entry.path: entry for package in PACKAGES[subdir] for entry in package.entries}
    compared = 0
    for path, entry in shipped.items():
        if path in stored and stored[path].trampoline is None:
            assert isinstance(entry, File)
            assert hashlib.sha256(entry.content).hexdigest() == stored[path].sha256
            compared += 1
    assert compared >= 6


def test_windows_gets_no_shell_scripts(foreign: Install, work: Path) -> None:
    """No first line for sh, and binaries hold no prefix that could be too short."""
    archive = packed(foreign("win-64", work / "env"), work / "x.tar.gz")
    entries = stored_entries(index_of(archive), archive)
    assert [entry.path for entry in entries if entry.trampoline or entry.shebang] == []
    assert {"forward"} == {entry.slashes for entry in entries if entry.offsets}
    assert index_of(archive).content.longest_prefix is None


# ---------------------------------------------------------------- Windows' runtime


def test_windows_has_its_own_runtime(foreign: Install, work: Path) -> None:
    """It is there, and once only: packed again it is not taken for files of the user."""
    archive = packed(foreign("win-64", work / "env"), work / "x.tar.gz")
    blobs = runtime_files(Platform("win-64"))
    expected = [(blob.path, hashlib.sha256(blob.data).hexdigest()) for blob in blobs]
    assert expected == [(entry.path, entry.sha256) for entry in index_of(archive).content.runtime]
    unpack(archive, work / "dest")
    for path, digest in expected:
        assert digest == sha256(work / "dest" / path)
    (work / "dest" / "Scripts" / "activate.bat").write_text("an older one")
    again = packed(work / "dest", work / "again.tar.gz")
    assert index_of(archive).identity == index_of(again).identity


def test_a_package_with_an_activation_of_its_own(work: Path) -> None:
    """conda has one, which stays."""
    theirs = text("Scripts/activate.bat", "@rem conda's\n")
    packages = [python_of("win-64"), Package("conda-like", platform="win-64", entries=(theirs,))]
    channel = make_channel(work / "channel" / "channel", packages)
    prefix = install_foreign("win-64", channel, work / "env", ["python", "conda-like"])
    archive = packed(prefix, work / "x.tar.gz")
    unpack(archive, work / "dest")
    for path in (archive, packed(work / "dest", work / "again.tar.gz")):
        runtime = [entry.path for entry in index_of(path).content.runtime]
        assert "Scripts/activate.bat" not in runtime
        assert "Scripts/deactivate.bat" in runtime
    assert (work / "dest" / "Scripts" / "activate.bat").read_text() == "@rem conda's\n"


def test_the_unpacker_of_windows(foreign: Install, work: Path) -> None:
    """The zip application finds its environment, relocates and verifies it."""
    archive = packed(foreign("win-64", work / "env"), work / "x.tar.gz")
    expected = made(foreign("win-64", work / "dest"), "win-64")
    shutil.rmtree(work / "dest")
    (work / "dest").mkdir()
    succeed(["tar", "-xf", archive, "-C", work / "dest"])
    unpacker = [sys.executable, "-ISB", str(work / "dest" / "Scripts" / "conda-unpack.pyz")]
    refused = start(unpacker)
    assert refused.code == 14
    assert "it is for win-64, and this machine is" in refused.err
    succeed([*unpacker, "--no-preflight"])
    assert diff_trees(expected, made(work / "dest", "win-64")) == ""
    succeed([*unpacker, "--verify"])
