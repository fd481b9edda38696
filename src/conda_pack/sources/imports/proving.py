"""The proof that an environment brings what is imported: its own Python imports it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from conda_pack.errors import SourceProblem
from conda_pack.runtime.environ import executable_folders

#: Seconds for one import. The largest take tens of them where nothing is in the disk cache.
PATIENCE = 300.0

#: Variables that would bring code from outside of the environment, by how they begin.
_FOREIGN = ("PYTHON", "LD_", "DYLD_", "CONDA", "VIRTUAL_ENV", "XDG_")
#: Runs in the environment's Python, whichever that is. Tells the number of each import when it begins and,
#: with None or the error, when it has ended, on what was standard output; modules print to standard error.
_IMPORTER = """\
import importlib, json, os, sys
told = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
def tell(number, *error):
    told.write(json.dumps([number] + list(error)) + "\\n")
    told.flush()
for number, module, name in json.loads(sys.argv.pop()):
    tell(number)
    try:
        found = importlib.import_module(module)
        if name is not None and not hasattr(found, name):
            try:
                importlib.import_module(module + "." + name)
            except ImportError:
                if not hasattr(found, name):
                    raise
    except BaseException as error:
        text = str(error).strip().split("\\n")[-1]
        tell(number, type(error).__name__ + (": " + text if text else ""))
    else:
        tell(number, None)
told.flush()
os._exit(0)
"""
#: Characters of an argument that every system takes.
_LONGEST = 16_000
#: An environment's Python; on Windows the last.
_PYTHONS = (os.path.join("bin", "python"), "python.exe")


class Failure(NamedTuple):
    """An import that failed, and the last line of its error."""

    module: str
    name: str | None
    error: str

    @property
    def text(self) -> str:
        return f"{self.module if self.name is None else f'{self.module}.{self.name}'}: {self.error}"


def prove(
    prefix: str, modules: Sequence[tuple[str, str | None]], patience: float = PATIENCE
) -> list[Failure]:
    """Import each module, and each name from its module, with the environment's Python; returns what failed.

    All are imported in one process, as a program would; what fails, crashes or takes more than ``patience``
    seconds there is tried once more in a process of its own, and the others go on in a new one. Nothing of
    the user's is seen but the environment, and nothing is left behind. Raises SourceProblem if the
    environment has no Python that can be started.
    """
    items = [(number, module, name) for number, (module, name) in enumerate(modules)]
    failures = []
    with tempfile.TemporaryDirectory(prefix="conda-pack-", ignore_cleanup_errors=True) as scratch:
        importer = _Importer(os.path.abspath(prefix), scratch, patience)
        failed = [number for number, error in importer.run(items) if error is not None]
        for number in failed:
            for _, error in importer.run([items[number]]):
                if error is not None:
                    failures.append(Failure(*modules[number], error))
    return failures


_Item = tuple[int, str, "str | None"]


class _Importer:
    """Runs imports in an environment's Python, away from everything else."""

    def __init__(self, prefix: str, scratch: str, patience: float) -> None:
        self._patience = patience
        pythons = [os.path.join(prefix, name) for name in _PYTHONS]
        self._python = next(filter(os.path.isfile, pythons), None)
        if self._python is None:
            raise SourceProblem(f"{prefix} has no Python to import anything with: have python in it.")
        self._empty = os.path.join(scratch, "empty")
        self._said = os.path.join(scratch, "said")
        home = os.path.join(scratch, "home")
        os.mkdir(self._empty)
        os.mkdir(home)
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
        path = os.pathsep.join((*executable_folders(prefix), os.environ.get("PATH", os.defpath)))
        self._environ = {**kept, "PATH": path, **dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), home)}

    def run(self, items: Sequence[_Item]) -> Iterator[tuple[int, str | None]]:
        """How each import ended, in their order: its number, and the error if any."""
        left = list(items)
        while left:  # an import that ends the process ends no other
            for ended in self._one_process(_first(left)):
                del left[0]
                yield ended

    def _one_process(self, items: Sequence[_Item]) -> Iterator[tuple[int, str | None]]:
        """How imports ended, up to the first that took the process with it."""
        words = [str(self._python), "-s", "-B", "-c", _IMPORTER, json.dumps(items)]
        with open(self._said, "w+b") as said:
            try:
                child = subprocess.Popen(  # noqa: S603  # the environment's own Python
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    cwd=self._empty,
                    env=self._environ,
                )
            except OSError as error:
                raise SourceProblem(f"{self._python} cannot be started: {error.strerror}.") from None
            begun: int | None = None
            count = 0
            try:
                for number, *result in self._told(child):
                    begun = None if result else number
                    if result:
                        count += 1
                        yield number, result[0]
                end = _end(child.wait(self._patience), said)
            except (queue.Empty, subprocess.TimeoutExpired):
                end = f"took more than {self._patience:g} seconds"
            finally:
                child.kill()
                child.wait()
        if begun is not None:
            yield begun, end
        elif not count:
            raise SourceProblem(f"{self._python} does not run: it {end}.")

    def _told(self, child: subprocess.Popen[bytes]) -> Iterator[list[Any]]:
        """What a process tells. Raises queue.Empty if it has been silent for too long."""
        lines: queue.Queue[bytes] = queue.Queue()

        def read(stream: IO[bytes]) -> None:
            with stream:
                for line in stream:
                    lines.put(line)
            lines.put(b"")

        assert child.stdout is not None
        threading.Thread(target=read, args=(child.stdout,), daemon=True).start()
        while line := lines.get(timeout=self._patience):
            yield json.loads(line)


def _first(items: Sequence[_Item]) -> list[_Item]:
    """As many as one command line takes, at least one."""
    first: list[_Item] = []
    length = 0
    for item in items:
        length += len(json.dumps(item)) + 2
        if first and length > _LONGEST:
            break
        first.append(item)
    return first


def _end(code: int, said: IO[bytes]) -> str:
    """How a process ended, and the last that it said."""
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    last = f": {lines[-1].strip()}" if lines else ""
    if code >= 0:
        return f"ended with exit code {code}{last}"
    try:
        return f"was ended by {signal.Signals(-code).name}{last}"
    except ValueError:
        return f"was ended by signal {-code}{last}"
