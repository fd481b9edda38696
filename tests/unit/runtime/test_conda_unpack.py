"""The shipped unpacker: its rules; it runs under every Python, again and again, and may be killed."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conda_pack.runtime import conda_unpack, folder, relocating, rules, verifying
from conda_pack.runtime.rules import render_shebang
from tests.support.trees import diff_trees, tree
from tests.support.unpacked import DIST, FILES, LIMIT, PH, USERS, installed_at, put, unpacked

# ------------------------------------------------------------------ shebang rules


def of_length(total: int, line: str) -> bytes:
    """The prefix with which ``line`` (``{}`` for it) is ``total`` bytes long."""
    return b"/" + b"p" * (total - len(line.format("")) - 1)


EXEC = "#!/bin/sh\n'''exec' \"{}/bin/python\"{} \"$0\" \"$@\" #'''"
QUOTED = "#!/bin/sh\n'''exec' \"{}/bin/python\"{} \"$0\" \"$@\"\n' '''"
BARE = "#!/bin/sh\n'''exec' {}/bin/python{} \"$0\" \"$@\"\n' '''"
PYTHON, OPTION, PERL = "#!{}/bin/python", "#!{}/bin/python -s", "#!{}/bin/perl -w"


@pytest.mark.parametrize(
    ("rule", "line", "fits", "long"),
    [
        # what conda 24.7 and rattler 0.28 wrote, installed at prefixes of these lengths
        ("conda", PYTHON, 127, "#!/usr/bin/env python"),
        ("conda", OPTION, 127, "#!/usr/bin/env python -s"),
        ("conda", PERL, 127, "#!/usr/bin/env perl -w"),
        ("rattler", PYTHON, 127, EXEC.format("{}", "")),
        ("rattler", OPTION, 127, EXEC.format("{}", " -s")),
        ("rattler", PERL, 127, "#!/usr/bin/env perl -w"),
        ("conda-entry", PYTHON, 126, EXEC.format("{}", "")),  # it counts the newline
        ("distlib", PYTHON, 126, BARE.format("{}", "")),  # so does pip
        ("distlib", OPTION, 126, BARE.format("{}", " -s")),
        ("distlib", PERL, 126, "#!/usr/bin/env perl -w"),
    ],
)
@pytest.mark.parametrize("length", [125, 126, 127, 128, 129])
def test_the_length_of_a_shebang(rule: str, line: str, fits: int, long: str, length: int) -> None:
    """Up to its limit each installer keeps the line; beyond, it writes its own."""
    prefix = of_length(length, line)
    expected = (line if length <= fits else long).format(prefix.decode()) + "\n"
    pristine = (line.format(PH.decode()) + "\n").encode()
    assert expected.encode() == render_shebang(pristine, PH, prefix, rule, LIMIT)


@pytest.mark.parametrize(
    ("rule", "line", "expected"),
    [
        ("conda", PYTHON + "\n", "#!/usr/bin/env python\n"),
        ("conda", PERL + "\n", "#!/usr/bin/env perl -w\n"),
        ("conda", "#! {}/bin/python -s\n", "#! {}/bin/python -s\n"),  # it only looks right behind the #!
        ("conda", PYTHON, PYTHON),  # and at whole lines
        ("conda", "#!/bin/sh {}/x\n", "#!/bin/sh {}/x\n"),
        ("rattler", PYTHON + "\n", EXEC.format("{}", "") + "\n"),
        ("rattler", PYTHON, EXEC.format("{}", "")),
        ("rattler", "#! {}/bin/python -s\n", EXEC.format("{}", " -s") + "\n"),
        ("rattler", "#!{}/bin/python3.11d\n", "#!/usr/bin/env python3.11d\n"),
        ("rattler", "#!/bin/sh {}/x\n", "#!/usr/bin/env sh {}/x\n"),
        ("rattler", "#!/usr/bin/env {}/bin/python\n", "#!/usr/bin/env env {}/bin/python\n"),
        ("rattler", f"#!/{'y' * 130}/sh\n", f"#!/{'y' * 130}/sh\n"),  # not the prefix's fault
        ("conda-entry", PYTHON + "\n", EXEC.format("{}", "") + "\n"),
        ("distlib", PYTHON + "\n", QUOTED.format("{}", "") + "\n"),
        ("distlib", OPTION + "\n", QUOTED.format("{}", " -s") + "\n"),
        ("distlib", PERL + "\n", "#!/usr/bin/env perl -w\n"),
    ],
)
def test_a_space_in_the_prefix(rule: str, line: str, expected: str) -> None:
    """No kernel takes a space in an interpreter's path; each installer has its own way out, or none."""
    prefix = "/my env"
    actual = render_shebang(line.format(PH.decode()).encode(), PH, prefix.encode(), rule, LIMIT)
    assert expected.format(prefix).encode() == actual


@pytest.mark.parametrize(
    ("rule", "rewritten"), [("conda", True), ("rattler", True), ("distlib", True), ("conda-entry", False)]
)
def test_bytes_or_characters(rule: str, rewritten: bool) -> None:
    """The kernel counts bytes, and so do all but conda's entry points."""
    prefix = "/" + "é" * 57
    actual = render_shebang(b"#!%b/bin/python\n" % PH, PH, prefix.encode(), rule, LIMIT)
    assert rewritten == (f"#!{prefix}/bin/python\n".encode() != actual)


@pytest.mark.parametrize("rule", ["conda", "rattler", "conda-entry", "distlib"])
def test_the_limit_of_macos(rule: str) -> None:
    """macOS reads 512 bytes, so the same line stays there."""
    prefix = of_length(300, PYTHON)
    actual = render_shebang(b"#!%b/bin/python\n" % PH, PH, prefix, rule, rules.SHEBANG_LIMITS["osx"])
    assert b"#!%b/bin/python\n" % prefix == actual


@pytest.mark.parametrize("line", [b"#!\n", b"#!bin/python %b\n", b"#!\r\n"])
@pytest.mark.parametrize("rule", ["conda", "rattler", "conda-entry", "distlib"])
def test_no_interpreter(rule: str, line: bytes) -> None:
    """A first line without an absolute path is spliced and no more."""
    assert line.replace(b"%b", b"/e v") == render_shebang(line.replace(b"%b", PH), PH, b"/e v", rule, LIMIT)


# ------------------------------------------------------------------ running it


def run(
    prefix: Path, *arguments: str, python: str | Path = sys.executable
) -> subprocess.CompletedProcess[str]:
    command = [python, "-I", "-B", prefix / "bin" / "conda-unpack", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})


def check_relocated(prefix: Path, *, but: tuple[str, ...] = ()) -> None:
    for path in (FILES | USERS).keys() - set(but):
        assert installed_at(prefix, path) == (prefix / path).read_bytes(), path
        assert (FILES | USERS)[path][2] == (prefix / path).stat().st_mode & 0o777
    document = json.loads((prefix / f"conda-meta/{DIST}.json").read_text())
    for item in document["paths_data"]["paths"]:
        if item["_path"] not in but:
            digest = hashlib.sha256((prefix / item["_path"]).read_bytes()).hexdigest()
            assert digest == item["sha256_in_prefix"]
    assert [str(path) for path in prefix.rglob("*" + folder.TEMPORARY)] == []


# ------------------------------------------------------------------ every Python


def pythons() -> list[Any]:
    """Each Python from 3.6 on that this machine has, under ~/.pyenv or on PATH."""
    found: dict[str, str] = {}
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # not the tests' own HOME
    for path in sorted(home.glob(".pyenv/versions/3.*/bin/python")):
        version = re.match(r"3\.\d+", path.parent.parent.name)
        if version:
            found.setdefault(version[0], str(path))
    for minor in range(6, 20):
        which = shutil.which(f"python3.{minor}", path=os.defpath)
        if which:
            found.setdefault(f"3.{minor}", which)
    found.setdefault(f"3.{sys.version_info.minor}", sys.executable)
    return [
        pytest.param(path, id=name) for name, path in sorted(found.items(), key=lambda item: int(item[0][2:]))
    ]


@pytest.mark.parametrize("python", pythons())
def test_every_python_relocates(work: Path, python: str) -> None:
    """The very file that is shipped says its help and relocates, under each Python there is."""
    prefix = unpacked(work / "env")
    helped = run(prefix, "--help", python=python)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "exactly as if conda had installed it" in " ".join(helped.stdout.split())
    result = run(prefix, python=python)
    assert f"conda-unpack: 5 files changed; the environment is at {prefix}.\n" == result.stderr
    assert result.returncode == 0
    check_relocated(prefix)


def test_nothing_newer_than_python_3_6() -> None:
    """vermin finds no spelling or module in the shipped source that Python 3.6 lacks."""
    vermin = Path(sys.executable).with_name("vermin")
    if not vermin.exists():
        pytest.skip("NO VERMIN, the oldest Python is not checked!")
    command: list[str | Path] = [
        vermin,
        "--no-tips",
        "--eval-annotations",
        "--target=3.6-",
        *(str(module.__file__) for module in (rules, folder, relocating, verifying, conda_unpack)),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_environments_own_python_runs_it(work: Path) -> None:
    """Called by its path it needs nothing but /bin/sh and the Python beside it."""
    prefix = unpacked(work / "my env")
    (prefix / "bin" / "python").symlink_to(sys.executable)
    command: list[str | Path] = [prefix / "bin" / "conda-unpack", "--quiet"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    check_relocated(prefix)


def test_called_through_a_link(work: Path) -> None:
    """A link to the script from elsewhere relocates the environment, not the place of the link."""
    prefix = unpacked(work / "env")
    (work / "link").symlink_to(prefix / "bin" / "conda-unpack")
    assert conda_unpack.main(str(work / "link"), ["-q"]) == 0
    check_relocated(prefix)


# ------------------------------------------------------------------ again and again


def test_again_changes_nothing(work: Path) -> None:
    """The second run finds nothing to do and leaves every file, to its inode, alone."""
    prefix = unpacked(work / "env")
    assert run(prefix).returncode == 0
    before = {path: path.stat().st_ino for path in prefix.rglob("*") if path.name != "state.json"}
    again = run(prefix)
    assert f"conda-unpack: 0 files changed; the environment is at {prefix}.\n" == again.stderr
    assert before == {path: path.stat().st_ino for path in prefix.rglob("*") if path.name != "state.json"}


def test_moved_and_moved_back(work: Path) -> None:
    """Relocated at P1, moved to P2, relocated, and back again: the same tree as before."""
    first, second = unpacked(work / "one"), work / "another place"
    run(first)
    expected = tree(first)
    first.rename(second)
    assert run(second).returncode == 0
    check_relocated(second)
    second.rename(first)
    assert run(first).returncode == 0
    assert diff_trees(expected, tree(first)) == ""


def test_never_in_place(work: Path) -> None:
    """A program that has a file open, or a hard link to it, goes on with the old content."""
    prefix = unpacked(work / "env")
    os.link(prefix / "bin" / "tool", work / "copy")
    before = (work / "copy").read_bytes()
    run(prefix)
    assert before == (work / "copy").read_bytes()
    check_relocated(prefix)


def test_changed_and_missing_files_are_left(work: Path) -> None:
    """What is not as it was packed is named in a warning, and all the rest is relocated."""
    prefix = unpacked(work / "env")
    put(prefix / "etc/tool.conf", b"edited\n", 0o640)
    (prefix / "etc/user.conf").unlink()
    (prefix / "bin/run").unlink()
    (prefix / "bin/run").symlink_to("tool")
    result = run(prefix)
    assert result.returncode == 0
    assert [
        "conda-unpack: warning: bin/run was changed since it was packed and is left as it is.",
        "conda-unpack: warning: etc/tool.conf was changed since it was packed and is left as it is.",
        "conda-unpack: warning: etc/user.conf is gone since it was packed.",
        f"conda-unpack: 2 files changed; the environment is at {prefix}.",
    ] == result.stderr.splitlines()
    assert (prefix / "etc/tool.conf").read_bytes() == b"edited\n"
    assert os.readlink(prefix / "bin/run") == "tool"
    check_relocated(prefix, but=("etc/tool.conf", "etc/user.conf", "bin/run"))


def test_a_package_that_was_removed(work: Path) -> None:
    """A package that conda has removed since is none of its business."""
    prefix = unpacked(work / "env")
    (prefix / f"conda-meta/{DIST}.json").unlink()
    result = run(prefix)
    assert (0, f"conda-unpack: 1 files changed; the environment is at {prefix}.\n") == (
        result.returncode,
        result.stderr,
    )


def test_a_package_that_was_installed_anew(work: Path) -> None:
    """A conda-meta file that another installer wrote since, in its own order, is left and named."""
    prefix = unpacked(work / "env")
    path = prefix / f"conda-meta/{DIST}.json"
    document = json.loads(path.read_bytes())
    document["paths_data"]["paths"].reverse()
    path.write_text(json.dumps(document))
    before = path.read_bytes()
    result = run(prefix)
    assert result.returncode == 0
    warning = f"conda-meta/{DIST}.json was written anew since it was packed and is left as it is."
    assert result.stderr.splitlines()[0] == f"conda-unpack: warning: {warning}"
    assert before == path.read_bytes()


def test_too_long_a_prefix_touches_nothing(work: Path) -> None:
    """A prefix that does not fit is refused first, by the names of the files that it does not fit into."""
    prefix = unpacked(work / ("l" * 120) / ("l" * 120))
    before = tree(prefix)
    result = run(prefix)
    assert result.returncode == 12
    assert f"fits into {len(PH)} at most, because of lib/libtool.so" in result.stderr
    assert diff_trees(before, tree(prefix)) == ""


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda prefix: (prefix / folder.INDEX).write_text("{"), 10),
        (lambda prefix: (prefix / folder.INDEX).unlink(), 3),
        (lambda prefix: (prefix / f"conda-meta/conda-pack/{DIST}.json").unlink(), 10),
    ],
)
def test_clear_errors(work: Path, damage: Callable[[Path], object], code: int) -> None:
    """What is not an unpacked environment, or no whole one, is an error in one line and no traceback."""
    prefix = unpacked(work / "env")
    damage(prefix)
    result = run(prefix)
    assert (code, "") == (result.returncode, result.stdout)
    assert result.stderr.startswith("conda-unpack: error: ")
    assert len(result.stderr.splitlines()) == 1


# ------------------------------------------------------------------ for another place


@pytest.mark.parametrize("python", pythons())
def test_every_python_relocates_for_another_place(work: Path, python: str) -> None:
    """Written for where it will be moved, it is there what it would have become there."""
    wanted = unpacked(work / "the final")
    run(wanted, python=python)
    expected = tree(wanted)
    shutil.rmtree(wanted)
    prefix = unpacked(work / "hidden")
    result = run(prefix, "--prefix", str(wanted), python=python)
    said = f"conda-unpack: 5 files changed; move the environment to {wanted} now.\n"
    assert (0, "", said) == (result.returncode, result.stdout, result.stderr)
    prefix.rename(wanted)
    assert diff_trees(expected, tree(wanted)) == ""
    state = json.loads((wanted / folder.STATE).read_text())
    assert {"prefix": str(wanted)} == state
    inodes = {path: path.stat().st_ino for path in wanted.rglob("*") if path.name != "state.json"}
    again = run(wanted, python=python)
    assert "conda-unpack: 0 files changed; " in again.stderr
    assert inodes == {path: path.stat().st_ino for path in wanted.rglob("*") if path.name != "state.json"}


def test_the_other_place_is_made_absolute(work: Path) -> None:
    """Relative to the current folder, as every path on a command line."""
    prefix = unpacked(work / "hidden")
    command: list[str | Path] = [
        sys.executable,
        prefix / "bin/conda-unpack",
        "-q",
        "--prefix=../there/./env/",
    ]
    subprocess.run(command, check=True, cwd=prefix)
    assert {"prefix": str(work / "there/env")} == json.loads((prefix / folder.STATE).read_text())


@pytest.mark.parametrize(("place", "code"), [("", 2), ("/" + "l" * 300, 12)])
def test_an_impossible_other_place_touches_nothing(work: Path, place: str, code: int) -> None:
    """None at all, or one that does not fit: told in one line."""
    prefix = unpacked(work / "env")
    before = tree(prefix)
    result = run(prefix, "--prefix", place)
    assert (result.returncode, len(result.stderr.splitlines())) == (code, 1)
    assert diff_trees(before, tree(prefix)) == ""


def test_not_moved_after_all(work: Path) -> None:
    """Relocated for another place and left where it is, it is relocated back."""
    prefix = unpacked(work / "env")
    run(prefix)
    expected = tree(prefix)
    run(prefix, "--prefix", str(work / "elsewhere"))
    assert diff_trees(expected, tree(prefix)) != ""
    assert run(prefix).returncode == 0
    assert diff_trees(expected, tree(prefix)) == ""


# ------------------------------------------------------------------ killed


_DIE = """
import os, sys
from conda_pack.runtime import conda_unpack
script, number, before = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "before"
calls, real = 0, os.replace
def replace(source, target):
    global calls
    calls += 1
    if calls == number and before:
        os._exit(99)
    real(source, target)
    if calls == number:
        os._exit(99)
os.replace = replace
sys.exit(conda_unpack.main(script, ["-q"]))
"""


def _die_at(prefix: Path, number: int, before: bool) -> int:
    """Relocate in a process that ends at once at its ``number``-th renaming; its exit status."""
    script = prefix / "bin" / "conda-unpack"
    words: list[str | Path] = [script, str(number), "before" if before else "after"]
    return subprocess.run([sys.executable, "-c", _DIE, *words], check=False).returncode


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_renaming(work: Path, before: bool) -> None:
    """Wherever it dies, on the way to P1 or from there to P2, the next run ends as if nothing had been."""
    wanted = unpacked(work / "env")
    run(wanted)
    expected = tree(wanted)
    wanted.rename(work / "wanted")
    number, deaths = 0, 0
    while True:
        number += 1
        prefix = unpacked(work / "env")
        died = _die_at(prefix, number, before)
        prefix.rename(work / "env2")  # half of it relocated to the first place
        died2 = _die_at(work / "env2", number, before)
        (work / "env2").rename(prefix)
        assert {died, died2} <= {0, 99}
        assert conda_unpack.main(str(prefix / "bin" / "conda-unpack"), ["-q"]) == 0
        assert diff_trees(expected, tree(prefix)) == ""
        shutil.rmtree(prefix)
        deaths += died == 99
        if died == died2 == 0:
            break
    assert deaths >= 6  # five files, conda-meta and the state


def test_killed_at_any_moment(work: Path) -> None:
    """SIGKILL after ever longer delays: the run after the last one ends with the same tree."""
    wanted = unpacked(work / "env")
    run(wanted)
    expected = tree(wanted)
    wanted.rename(work / "wanted")
    prefix = unpacked(work / "env")
    for delay in range(0, 120, 6):
        command: list[str | Path] = [sys.executable, "-I", "-S", prefix / "bin" / "conda-unpack", "-q"]
        with subprocess.Popen(command) as process:
            time.sleep(delay / 1000)
            process.send_signal(signal.SIGKILL)
    assert run(prefix).returncode == 0
    assert diff_trees(expected, tree(prefix)) == ""
