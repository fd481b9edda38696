"""Run one command: its wall time, CPU time and peak memory, those of its descendants included."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.results import Run

INTERVAL = 0.02  # seconds between two samples of memory
LIMIT = 3600  # seconds after which a command is taken to hang
_SHELL_SYNTAX = frozenset("|&;<>$`*?()")


class CommandFailed(Exception):
    """A command that did not start or did not end well; the message is its last words."""


def run(command: str, folder: Path, environ: Mapping[str, str], *, sample: bool = False) -> Run:
    """Run a command line in ``folder``. Sampling its memory disturbs its time: ask for one of them."""
    with tempfile.TemporaryFile() as errors:
        busy = _busy()
        started = time.perf_counter()
        try:
            process = subprocess.Popen(
                _words(command),
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # all of its descendants are then known by their session
            )
        except OSError as error:
            raise CommandFailed(f"did not start: {error}") from error
        guard = threading.Timer(LIMIT, _kill, [process.pid])
        guard.start()
        sampler = _Sampler(process.pid) if sample else None
        try:
            # wait4 and not wait: it also tells what the process and all it has waited for have used
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            busy = _busy() - busy
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            _kill(process.pid)
            process.wait()
            raise
        finally:
            guard.cancel()
            peak, anonymous = sampler.finish() if sampler else (0, 0)
        if process.returncode:
            errors.seek(0)
            lines = errors.read().decode(errors="backslashreplace").splitlines()
            said = [line.strip() for line in lines if line.strip(" ^~")]  # no marks of a traceback
            raise CommandFailed(f"ended with {process.returncode}: {' '.join(said[-2:])[-300:]}")
    # A child begins with the peak of the process it was forked from, and less than that cannot be told.
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest = usage.ru_maxrss * 1024 if usage.ru_maxrss > ours else 0
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, largest, peak, anonymous, max(busy - cpu, 0.0))


def drop_page_cache() -> bool:
    """Make the system forget the files it has read; False where that is not permitted."""
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
    except OSError:
        return False
    return True


def _words(command: str) -> list[str]:
    if _SHELL_SYNTAX.isdisjoint(command):
        return shlex.split(command)  # no shell, whose own start would be measured too
    return ["bash", "-o", "pipefail", "-c", command]


def _kill(session: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def _busy() -> float:
    """CPU seconds that the whole machine has used, those stolen by its host included."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, *interrupts_and_stolen = map(int, file.readline().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")


class _Sampler:
    """Adds up the memory of all processes of a session, again and again."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._peak = (0, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def finish(self) -> tuple[int, int]:
        """The peak in bytes: all memory, and what of it is anonymous (no pages of files) at that moment."""
        self._stop.set()
        self._thread.join()
        return self._peak

    def _work(self) -> None:
        while not self._stop.is_set():
            sizes = [_proportional(pid) for pid in _members(self._session)]
            self._peak = max(self._peak, (sum(size for size, _ in sizes), sum(size for _, size in sizes)))
            self._stop.wait(INTERVAL)


def _members(session: int) -> Iterator[str]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()  # a name may hold blanks and brackets
            except OSError:  # it has ended
                continue
            if int(fields[3]) == session:
                yield entry.name


def _proportional(pid: str) -> tuple[int, int]:
    """Bytes in memory, shared pages divided among their users; and the anonymous part."""
    sizes = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file.read().splitlines()[1:]:
                name, value, *_ = line.split()
                sizes[name] = int(value) * 1024
    except OSError:
        return 0, 0
    return sizes.get(b"Pss:", 0), sizes.get(b"Pss_Anon:", 0)
