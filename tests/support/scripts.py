"""Scripts of one thread, which may fork as the command line does; pytest has threads of its own.

That a script's output ends is proof too: whoever it left behind would hold its standard output open.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENOUGH = 30
"""Seconds after which a script is given up: a failure, not a measure."""

_ROOT = Path(__file__).parents[2]
_PREAMBLE = """
import os, signal, sys, threading, time
from functools import partial
from conda_pack.errors import CondaPackException, DamagedArchive, UnsafeArchive

def no_children():
    try:
        return f"there are children: {os.waitpid(-1, os.WNOHANG)}"
    except ChildProcessError:
        return "no children"

def wait_for_death(pid):
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

def held():
    "Open files, maps of shared memory, and threads: how many of each this process has."
    with open("/proc/self/maps") as maps:
        shared = [line.split()[1][3] for line in maps].count("s")
    return len(os.listdir("/dev/fd")), shared, threading.active_count()
"""


def script(body: str, preamble: str = "") -> list[str]:
    """The command of a script that may import ``tests.support``, and begins with ``preamble``."""
    return [sys.executable, "-c", "\n".join((_PREAMBLE, textwrap.dedent(preamble), textwrap.dedent(body)))]


def start(body: str, preamble: str = "") -> subprocess.Popen[str]:
    """A script in a process group of its own, as a shell starts a command."""
    return subprocess.Popen(
        script(body, preamble),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads here
    )


def heed_interrupts() -> None:
    """Before a program begins: a shell's background jobs ignore interrupts, and so do their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def output_of(body: str, preamble: str = "") -> list[str]:
    """The lines that a script prints; it fails in no way and has nothing to say on standard error."""
    process = start(body, preamble)
    with process:
        try:
            out, errors = process.communicate(timeout=ENOUGH)
        except subprocess.TimeoutExpired:
            kill_all(process)
            raise
    assert (process.returncode, errors) == (0, "")
    return out.splitlines()


def kill_all(process: subprocess.Popen[str]) -> None:
    """End a script and whoever it has started."""
    os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def one_more_thread() -> Iterator[None]:
    """A thread besides this one for a while, so that nobody may fork."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
