"""The signatures of macOS, by a stand-in for codesign: when a prefix is written, and whenever it changes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conda_pack.errors import WriteFailed
from conda_pack.runtime.folder import STATE, Environment
from conda_pack.runtime.macho import SigningFailed, sign
from conda_pack.runtime.relocating import relocate
from demo.packages import PLACEHOLDER
from tests.support.archives import index_of, stored_entries
from tests.support.foreign import TO_SIGN, Install, packed, unpack
from tests.support.packs import sha256

CODESIGN = """\
#!{python}
# In Apple's place: signs by a last line, and holds its caller to what the real one takes.
import hashlib, os, sys
wanted = ["--force", "--sign", "-", "--preserve-metadata=entitlements,requirements,flags,runtime"]
assert sys.argv[1:5] == wanted, sys.argv
with open({log!r}, "a") as log:
    log.write(" ".join(sorted(map(os.path.basename, sys.argv[5:]))) + "\\n")
for path in sys.argv[5:]:
    data = open(path, "rb").read().partition(b"SIGNED")[0]
    if {refused!r} and path.endswith({refused!r}):
        sys.exit(path + ": internal error in Code Signing subsystem")
    if not os.stat(path).st_mode & 0o200:
        sys.exit(path + ": Permission denied")
    mode = os.stat(path).st_mode
    with open(path + ".cstemp", "wb") as file:
        file.write(data + b"SIGNED" + hashlib.sha256(data).digest())
    os.chmod(path + ".cstemp", mode)
    os.replace(path + ".cstemp", path)
    print(path + ": replacing existing signature", file=sys.stderr)
if {kill!r}:
    os.kill(os.getppid(), 9)
"""


@pytest.fixture
def codesign(work: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a codesign on PATH, which may refuse a file or kill its caller; gives its log: a line a call."""

    def make(refused: str = "", *, kill: bool = False) -> Path:
        (work / "bin").mkdir(exist_ok=True)
        log, script = work / "log", work / "bin" / "codesign"
        python = shutil.which("python3") or "/usr/bin/python3"
        script.write_text(CODESIGN.format(python=python, log=str(log), refused=refused, kill=kill))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(work / "bin"), prepend=os.pathsep)
        return log

    return make


def recorded(prefix: Path) -> dict[str, str]:
    document = json.loads((prefix / "conda-meta" / "tool-1.0-0.json").read_text())
    return {
        path["_path"]: path["sha256_in_prefix"]
        for path in document["paths_data"]["paths"]
        if path["_path"] in TO_SIGN
    }


def test_without_codesign_they_are_named(foreign: Install, work: Path) -> None:
    """They are those that were signed and hold the prefix."""
    archive = packed(foreign("osx-arm64", work / "env"), work / "x.tar.gz")
    (warning,) = unpack(archive, work / "dest")
    assert warning.splitlines()[1:] == [f"    {path}" for path in TO_SIGN]
    assert "2 files hold the prefix and have to be signed before macOS runs them" in warning


@pytest.mark.parametrize("suffix", ["tar.gz", "zip"])
def test_signed_where_that_can_be_done(
    suffix: str, foreign: Install, codesign: Callable[..., Path], work: Path
) -> None:
    """With one call, read-only ones too; conda-meta tells what they have become, and so does the state."""
    one = foreign("osx-arm64", work / "env")
    modes = {path: (one / path).stat().st_mode for path in TO_SIGN}
    archive = packed(one, work / f"x.{suffix}")
    log = codesign()
    assert unpack(archive, work / "dest") == []
    assert log.read_text() == "libread-only.dylib libsigned.dylib\n"
    digests = {path: sha256(work / "dest" / path) for path in TO_SIGN}
    assert digests == recorded(work / "dest")
    assert modes == {path: (work / "dest" / path).stat().st_mode for path in TO_SIGN}
    for path in TO_SIGN:
        assert b"SIGNED" in (work / "dest" / path).read_bytes()
    state = json.loads((work / "dest" / "conda-meta/conda-pack/state.json").read_text())
    assert {"prefix": str(work / "dest"), "signed": sorted(digests.values())} == state


def test_what_was_signed_when_installed_fits_as_long_a_prefix(
    foreign: Install, codesign: Callable[..., Path], work: Path
) -> None:
    """On macOS installers sign what they change, so its package's bytes are gone; its room is not."""
    archive = packed(foreign("osx-arm64", work / "env"), work / "x.tar.gz")
    codesign()
    unpack(archive, work / "dest")
    again = packed(work / "dest", work / "again.tar.gz")
    entries = {entry.path: entry for entry in stored_entries(index_of(again), again)}
    for path in TO_SIGN:
        assert (
            entries[path].prefix_placeholder,
            entries[path].sign,
            entries[path].optional,
        ) == (PLACEHOLDER, True, None)
    place = work / ("l" * 100)
    unpack(again, place)
    for path in TO_SIGN:
        data = (place / path).read_bytes()
        assert data.count(os.fsencode(place)) == 2
        assert os.fsencode(work / "dest") + b"/" not in data
    assert {path: sha256(place / path) for path in TO_SIGN} == recorded(place)


def test_a_refusal_leaves_nothing_behind(foreign: Install, codesign: Callable[..., Path], work: Path) -> None:
    archive = packed(foreign("osx-arm64", work / "env"), work / "x.tar.gz")
    codesign(refused="libsigned.dylib")
    with pytest.raises(WriteFailed, match=r"libsigned\.dylib: internal error in Code Signing subsystem\.$"):
        unpack(archive, work / "dest")
    assert not (work / "dest").exists()


def test_many_files_take_few_calls(codesign: Callable[..., Path], work: Path) -> None:
    """As many as a command line has room for."""
    log, folder = codesign(), work / ("d" * 100)
    folder.mkdir()
    paths = [folder / f"{number}{'n' * 100}" for number in range(500)]
    for path in paths:
        path.write_bytes(b"x")
    sign(map(str, paths))
    calls = log.read_text().splitlines()
    assert 1 < len(calls) < 10
    assert sorted(path.name for path in paths) == sorted(name for call in calls for name in call.split())
    sign([])
    assert log.read_text().splitlines() == calls


def test_no_tool(work: Path) -> None:
    (work / "x").write_bytes(b"x")
    with pytest.raises(SigningFailed, match=r"no-such-tool: No such file or directory"):
        sign([str(work / "x")], "no-such-tool")


# ------------------------------------------------------------------ conda-unpack


def conda_unpack(prefix: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """As on a Mac, which this is not."""
    program = prefix / "bin" / "conda-unpack"
    command = [sys.executable, "-I", "-B", str(program), "--no-preflight", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def check_signed(prefix: Path, at: Path) -> None:
    """Each file is signed for what it holds, and known: to conda-meta, to the state, and to --verify."""
    digests = {}
    for path in TO_SIGN:
        data, _, signature = (prefix / path).read_bytes().partition(b"SIGNED")
        assert data.count(os.fsencode(at) + b"/lib:") == 1
        assert hashlib.sha256(data).digest() == signature
        digests[path] = sha256(prefix / path)
    assert digests == recorded(prefix)
    state = json.loads((prefix / STATE).read_text())
    assert {"prefix": str(at), "signed": sorted(digests.values())} == state
    verified = conda_unpack(prefix, "--verify")
    assert (verified.returncode, verified.stdout) == (0, "")


@pytest.fixture
def extracted(foreign: Install, work: Path) -> Path:
    """An environment for macOS, by tar alone."""
    archive = packed(foreign("osx-arm64", work / "env"), work / "x.tar.gz")
    (work / "dest").mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", work / "dest"], check=True)
    return work / "dest"


def test_conda_unpack_signs_what_it_changes(extracted: Path, codesign: Callable[..., Path]) -> None:
    """All with one call, only when it changes them, and again when the environment is moved."""
    log = codesign()
    assert conda_unpack(extracted).returncode == 0
    check_signed(extracted, extracted)
    again = conda_unpack(extracted)
    assert "conda-unpack: 0 files changed" in again.stderr
    assert log.read_text() == "libread-only.dylib libsigned.dylib\n"
    first = {path: sha256(extracted / path) for path in TO_SIGN}
    moved = extracted.rename(extracted.with_name("moved"))
    assert conda_unpack(moved).returncode == 0
    check_signed(moved, moved)
    assert conda_unpack(moved, "--prefix", str(extracted)).returncode == 0
    check_signed(moved, extracted)
    assert first == {path: sha256(moved / path) for path in TO_SIGN}
    assert len(log.read_text().splitlines()) == 3


def test_conda_unpack_elsewhere_says_what_is_left(extracted: Path, codesign: Callable[..., Path]) -> None:
    """They are relocated, and signed by the next run that can."""
    done = conda_unpack(extracted)
    assert done.returncode == 0
    assert [
        f"conda-unpack: warning: {path} has to be signed before macOS runs it: run conda-unpack there."
        for path in TO_SIGN
    ] == [line for line in done.stderr.splitlines() if "signed" in line]
    codesign()
    assert conda_unpack(extracted).returncode == 0
    check_signed(extracted, extracted)


def test_a_refusal_changes_none(extracted: Path, codesign: Callable[..., Path]) -> None:
    """One sentence; the next run signs them."""
    before = {path: sha256(extracted / path) for path in TO_SIGN}
    codesign(refused="libsigned.dylib")
    done = conda_unpack(extracted, "-q")
    assert done.returncode == 9
    assert "libsigned.dylib: internal error in Code Signing subsystem. Run it again" in done.stderr
    assert before == {path: sha256(extracted / path) for path in TO_SIGN}
    codesign()
    assert conda_unpack(extracted).returncode == 0
    check_signed(extracted, extracted)


def test_killed_by_what_signs(extracted: Path, codesign: Callable[..., Path]) -> None:
    codesign(kill=True)
    assert conda_unpack(extracted).returncode == -9
    codesign()
    assert conda_unpack(extracted).returncode == 0
    check_signed(extracted, extracted)


class _Killed(BaseException):
    """As kill -9 does it: nothing is caught, nothing goes on."""


def test_killed_between_any_two_files(
    extracted: Path, codesign: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved, killed and moved back: each file is found, whichever of both places it was signed for."""
    codesign()
    replace, places = os.replace, [str(extracted), str(extracted) + "-elsewhere"]
    relocate(Environment(str(extracted)), places[0], print)
    for count in range(100):
        left = count

        def replace_some(one: str, other: str) -> None:
            nonlocal left
            if not left:
                raise _Killed
            left -= 1
            replace(one, other)

        monkeypatch.setattr(os, "replace", replace_some)
        try:
            relocate(Environment(str(extracted)), places[1], print)
            finished = True
        except _Killed:
            finished = False
        monkeypatch.setattr(os, "replace", replace)
        assert relocate(Environment(str(extracted)), places[0], print).warnings() == []
        check_signed(extracted, extracted)
        if finished:
            assert count > len(TO_SIGN)
            return
    raise AssertionError("it has never finished")


def test_what_was_changed_since_is_left(extracted: Path, codesign: Callable[..., Path]) -> None:
    """It is told by its digest."""
    codesign()
    assert conda_unpack(extracted).returncode == 0
    with (extracted / TO_SIGN[0]).open("ab") as file:
        (extracted / TO_SIGN[0]).chmod(0o644)
        file.write(b"x")
    verified = conda_unpack(extracted, "--verify")
    assert (10, f"changed: {TO_SIGN[0]}\n") == (verified.returncode, verified.stdout)
    moved = conda_unpack(extracted, "--prefix", "/other")
    assert f"{TO_SIGN[0]} was changed since it was packed and is left as it is" in moved.stderr
    assert b"/other/lib:" in (extracted / TO_SIGN[1]).read_bytes()
