"""Tasks → helper processes, side by side; what they tell, told on."""

from __future__ import annotations

import importlib.util
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence

import msgspec

from conda_pack.errors import SourceProblem, ToolMissing
from conda_pack.progress import Reporter
from conda_pack.sources.making.protocol import Event, Job, Made, Survey, Surveyed, Task

#: What lies in the current folder is not what is imported.
_START = """\
import sys
sys.path[:] = [folder for folder in sys.path if folder]
from conda_pack.sources.making.helper import main
main()
"""
_PATIENCE = 0.2  # seconds without a word from anybody


def check_rattler() -> None:
    """Raise ToolMissing if nothing here could make an environment."""
    if importlib.util.find_spec("rattler") is None:
        raise ToolMissing(
            "Environments are made by py-rattler, which is not installed: "
            "pip install 'conda-pack[create]', or conda install py-rattler."
        )


def survey(lock: str, reporter: Reporter) -> Surveyed:
    """The environments of a lock file and their platforms. Raises SourceProblem."""
    (end,) = _run([Task(survey=Survey(lock))], reporter)
    if end.failure is not None:
        raise SourceProblem("\n".join(end.failure.reasons))
    assert end.surveyed is not None
    return end.surveyed


def make(jobs: Sequence[Job], reporter: Reporter) -> list[Made]:
    """Do every job, in parallel. Raises SourceProblem with all that is wrong in any of them."""
    ends = _run([Task(job=job) for job in jobs], reporter)
    reasons = [
        f"{job.platform}: {reason}" if len(jobs) > 1 else reason
        for job, end in zip(jobs, ends, strict=True)
        if end.failure is not None
        for reason in end.failure.reasons
    ]
    if reasons:
        raise SourceProblem("\n".join(dict.fromkeys(reasons)))
    return [end.made for end in ends if end.made is not None]


def _run(tasks: Sequence[Task], reporter: Reporter) -> list[Event]:
    """The last event of each task."""
    check_rattler()
    helpers = []
    told: queue.SimpleQueue[tuple[int, Event | None]] = queue.SimpleQueue()
    try:
        for number, task in enumerate(tasks):
            helpers.append(_Helper(number, task, told))
        return _follow(helpers, told, reporter)
    finally:
        for helper in helpers:
            helper.close()
        reporter.finish()


class _Helper:
    """A process with a task, and the threads that listen to it."""

    def __init__(self, number: int, task: Task, told: queue.SimpleQueue[tuple[int, Event | None]]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - this Python
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._listen, args=(number, told), daemon=True),
            threading.Thread(target=self._collect, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        assert self.process.stdin is not None
        try:
            with self.process.stdin as stdin:
                stdin.write(msgspec.json.encode(task))
        except OSError:
            pass  # it ended before: what it said is reported

    def _listen(self, number: int, told: queue.SimpleQueue[tuple[int, Event | None]]) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                told.put((number, msgspec.json.decode(line, type=Event)))
        finally:
            told.put((number, None))

    def _collect(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors.append(line.decode("utf-8", "replace").rstrip())

    def close(self) -> None:
        """End it, if it has not ended, and wait for it."""
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def _follow(
    helpers: Sequence[_Helper], told: queue.SimpleQueue[tuple[int, Event | None]], reporter: Reporter
) -> list[Event]:
    ends: dict[int, Event] = {}
    running, total = len(helpers), 0
    reporter.start("solving", 0)
    while running:
        try:
            number, event = told.get(timeout=_PATIENCE)
        except queue.Empty:
            reporter.advance(0)  # that it is still alive
            continue
        if event is None:
            running -= 1
            if number not in ends:
                raise _died(helpers[number])
        elif event.made or event.surveyed or event.failure:
            ends[number] = event
        elif event.total:
            total += event.total
            reporter.start(str(event.phase), total)
        elif event.advance:
            reporter.advance(event.advance)
    return [ends[number] for number in range(len(helpers))]


def _died(helper: _Helper) -> SourceProblem:
    code = helper.process.wait()
    said = [line for line in helper.errors if line.strip()]
    reason = said[-1].rstrip(".") if said else f"it ended with {code}"
    return SourceProblem(f"py-rattler could not make the environment: {reason}.")
