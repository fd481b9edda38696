"""Warnings and progress on a terminal: the reporter of the command line.

Everything goes to standard error, as standard output may be carrying the archive.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TextIO

import msgspec

from conda_pack.errors import CondaPackException
from conda_pack.results import Failed

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0  # seconds of work before a bar is worth showing
REFRESH = 0.1  # seconds between two drawings of it


class ConsoleReporter:
    """Shows warnings always, and keeps them; a progress bar on a terminal, unless quiet or the work is short.

    ``finish`` may be called at any time and more than once: call it before leaving, so that an interrupted
    bar gives the cursor back.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # A process may have no standard error at all (2>&-): nothing is shown then.
        self._stream = stream if stream is not None else sys.stderr
        self._bars = not quiet and self._stream is not None and self._stream.isatty()
        self._clock = clock
        self.warnings: list[str] = []
        self._bar: _Bar | None = None
        self._work: tuple[str, int] | None = None
        self._done = 0
        self._started = self._drawn = 0.0

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        line = f"warning: {printable(message)}"
        if self._bar is not None:
            self._try(self._bar.print_above, line)
        elif self._stream is not None:
            self._try(self._stream.write, line + "\n")

    def start(self, description: str, total: int) -> None:
        self.finish()
        self._work = (printable(description), total)
        self._done = 0
        self._started = self._drawn = self._clock()

    def advance(self, amount: int) -> None:
        self._done += amount
        if not self._bars or self._work is None or self._stream is None:
            return
        now = self._clock()
        if self._bar is None and now - self._started > PATIENCE:
            self._bar = _Bar(*self._work, self._stream, self._clock, self._started)
        if self._bar is not None and now - self._drawn >= REFRESH:
            self._drawn = now
            self._try(self._bar.draw, self._done)

    def finish(self) -> None:
        bar, self._bar, self._work = self._bar, None, None
        if bar is not None:
            self._try(bar.close)

    def _try(self, show: Callable[..., object], *arguments: object) -> None:
        """Show something, or fall silent: a terminal that is gone is no reason to stop the work."""
        try:
            show(*arguments)
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            self._stream = self._bar = None


def show_lines(lines: Iterable[str], stream: TextIO) -> None:
    """Print lines for people."""
    for line in lines:
        print(printable(line), file=stream)


def show_json(result: msgspec.Struct) -> None:
    """Print a result for programs."""
    print(msgspec.json.format(msgspec.json.encode(result)).decode())


def show_failure(error: CondaPackException) -> None:
    """Print for programs what went wrong."""
    show_json(Failed(type(error).__name__, str(error), error.exit_code))


def printable(message: str) -> str:
    """Make names from a hostile archive harmless to a terminal, and keep further lines indented."""
    text = "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode()
        for char in message
    )
    return text.replace("\n", "\n  ")


class _Bar:
    """A bar that is drawn from this thread only, and vanishes when closed."""

    def __init__(
        self, description: str, total: int, stream: TextIO, clock: Callable[[], float], started: float
    ) -> None:
        # Imported here: most commands end before a bar is due, and the import takes longer than some of them.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        class StandardError(Console):
            def on_broken_pipe(self) -> None:
                # rich would close standard output, where the archive may be going, and exit.
                raise BrokenPipeError

        self._progress: Progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=StandardError(file=stream),
            auto_refresh=False,  # no second thread: worker processes may be forked meanwhile
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_time=clock,
        )
        self._task: TaskID = self._progress.add_task(description, total=total or None)
        self._progress.tasks[0].start_time = started

    def draw(self, done: int) -> None:
        self._progress.update(self._task, completed=done)
        self._progress.start()  # once is enough, again does nothing
        self._progress.refresh()

    def print_above(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()
