"""Stored scripts run wherever they lie, and an installer's own first lines are understood."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conda_pack.relocation.scripts import plain_shebang, trampoline

PREFIX = b"/old/env"
SHELLS = [
    pytest.param(shell, id="-".join(shell), marks=pytest.mark.skipif(not path, reason=f"no {shell[0]}"))
    for shell, path in ((shell, shutil.which(shell[0])) for shell in (["dash"], ["busybox", "sh"], ["bash"]))
]
BODY = b"import sys\nprint(sys.argv[1:], sys.flags.no_user_site, '')\n"


def stored(path: str, line: bytes, body: bytes = BODY) -> bytes:
    lines = trampoline(path, line + body, PREFIX, "bin")
    assert lines is not None
    return lines + body


@pytest.fixture
def env(work: Path) -> Path:
    """An environment that lies elsewhere than its scripts say, in a folder with a space."""
    prefix = work / "new place" / "env"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to(sys.executable)
    (prefix / "bin" / "python3.11").symlink_to(sys.executable)
    return prefix


def put(env: Path, path: str, data: bytes) -> Path:
    script = env / path
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_bytes(data)
    script.chmod(0o755)
    return script


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What a command prints; it must end well and say nothing else."""
    environ = {"PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=cwd, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_hand_over_to_python(env: Path, shell: list[str]) -> None:
    """Every POSIX shell starts the environment's Python with the options and arguments."""
    script = put(env, "bin/tool", stored("bin/tool", b"#!/old/env/bin/python -s\n"))
    assert run(*shell, script, "a b", "$x", "'") == "['a b', '$x', \"'\"] 1 \n"


def test_the_kernel_runs_it(env: Path) -> None:
    """Called by its path, it runs: /bin/sh is all that it needs."""
    script = put(env, "bin/tool", stored("bin/tool", b"#!/old/env/bin/python\n"))
    assert run(script, "x") == "['x'] 0 \n"


def test_through_links(env: Path, work: Path) -> None:
    """Links to the script, relative and absolute and in turn, lead to the interpreter beside the real one."""
    put(env, "bin/tool", stored("bin/tool", b"#!/old/env/bin/python3.11\n"))
    (env / "bin" / "alias").symlink_to("tool")
    (work / "elsewhere").symlink_to(env / "bin" / "alias")
    assert run(work / "elsewhere") == "[] 0 \n"
    assert run("./alias", cwd=env / "bin") == "[] 0 \n"
    assert run("bin/alias", cwd=env) == "[] 0 \n"


def test_a_script_in_another_folder(env: Path) -> None:
    """The way to the interpreter is relative to the script's own folder."""
    script = put(env, "libexec/deep/tool", stored("libexec/deep/tool", b"#!/old/env/bin/python\n"))
    assert run(script) == "[] 0 \n"
    script = put(env, "tool", stored("tool", b"#!/old/env/bin/python\n"))
    assert run(script) == "[] 0 \n"


def test_the_interpreter_is_the_environments(env: Path) -> None:
    """It is the Python beside the script, and none on PATH."""
    (env / "bin" / "python").unlink()
    fake = put(env, "bin/python", b'#!/bin/sh\necho "mine: $*"\n')
    assert os.access(fake, os.X_OK)
    script = put(env, "bin/tool", stored("bin/tool", b"#!/old/env/bin/python -s -E\n"))
    assert f"mine: -s -E {script} x\n" == run(script, "x")


def test_python_reads_the_same_file(env: Path) -> None:
    """To Python the first lines are a string, so the file means what it meant before."""
    script = put(env, "bin/tool", stored("bin/tool", b"#!/old/env/bin/python\n"))
    assert run(sys.executable, script, "y") == "['y'] 0 \n"


def test_future_imports_stay_first(env: Path) -> None:
    """A string before a __future__ import is a docstring and allowed there."""
    body = b"from __future__ import annotations\nprint('future')\n"
    script = put(env, "bin/tool", stored("bin/tool", b"#!/old/env/bin/python\n", body))
    assert run(script) == "future\n"


@pytest.mark.parametrize(
    "cookie", [b"# -*- coding: utf-8 -*-\n", b"# vim: set fileencoding=UTF_8 :\n", b"# coding: utf8\n"]
)
def test_a_utf8_cookie_loses_nothing(env: Path, cookie: bytes) -> None:
    """What Python assumes anyway may slip to the third line."""
    body = cookie + "print('naïve')\n".encode()
    script = put(env, "bin/tool", stored("bin/tool", b"#!/old/env/bin/python\n", body))
    assert (
        "naïve\n".encode()
        == subprocess.run([script], capture_output=True, check=True, env={"PYTHONUTF8": "1"}).stdout
    )


def test_another_cookie_that_matters_keeps_the_script_as_it_is() -> None:
    """Python reads a cookie in the first two lines only: such a script gets no trampoline."""
    text = b"#!/old/env/bin/python\n# -*- coding: latin-1 -*-\nprint('\xe9')\n"
    assert trampoline("bin/tool", text, PREFIX, "bin") is None


def test_another_cookie_that_does_not_matter() -> None:
    """A file of ASCII alone reads the same in every such encoding."""
    text = b"#!/old/env/bin/python\n# -*- coding: latin-1 -*-\nprint('e')\n"
    assert trampoline("bin/tool", text, PREFIX, "bin") is not None


@pytest.mark.parametrize(
    "line",
    [
        b"#!/bin/sh\n",
        b"#!/usr/bin/python\n",
        b"#!/usr/bin/env python\n",
        b"#!/old/env-data/bin/python\n",
        b"#!/old/env/bin/perl\n",
        b"#!/old/env/bin/python-config\n",
        b"#!/old/env/libexec/bin/python\n",
        b"#!/old/env/bin/python $(x)\n",
        b"#!/old/env/bin/python -c 'x'\n",
        b"#!/old/env/bin/python",
        b"print()\n",
    ],
)
def test_no_trampoline(line: bytes) -> None:
    """Only a Python script of the environment gets one, and only with options that mean nothing to sh."""
    assert trampoline("bin/tool", line + b"x\n", PREFIX, "bin") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"#!/bin/sh\n'''exec' \"/e v/bin/python3.11\" \"$0\" \"$@\" #'''\nx", b"#!/e v/bin/python3.11\n"),
        (
            b"#!/bin/sh\n'''exec' \"/e v/bin/python\" -s -E \"$0\" \"$@\" #'''\nx",
            b"#!/e v/bin/python -s -E\n",
        ),
        (b"#!/bin/sh\n'''exec' /env/bin/python3 \"$0\" \"$@\"\n' '''\nx", b"#!/env/bin/python3\n"),
        (b"#!/bin/sh\n'''exec' /env/bin/python3 -I \"$0\" \"$@\"\n' '''\nx", b"#!/env/bin/python3 -I\n"),
        (b"#!/bin/sh\n'''exec' \"/e v/bin/python\"\r \"$0\" \"$@\" #'''\nx", b"#!/e v/bin/python\r\n"),
    ],
)
def test_installers_trampolines_are_understood(text: bytes, expected: bytes) -> None:
    """conda's, rattler's and distlib's ways out of a long line all stand for one shebang."""
    assert (expected, len(text) - 1) == plain_shebang(text)


def test_an_installers_trampoline_at_the_end_of_the_file() -> None:
    """A script of one line has no newline to give back."""
    text = b"#!/bin/sh\n'''exec' \"/e v/bin/python\" \"$0\" \"$@\" #'''"
    assert (b"#!/e v/bin/python", len(text)) == plain_shebang(text)


def test_an_ordinary_script_is_no_trampoline() -> None:
    """A shell script that starts another way stands for itself."""
    assert plain_shebang(b'#!/bin/sh\nexec python "$0" "$@"\n') is None
