"""The process in which py-rattler solves, fetches and links; ``crew`` starts it.

It reads a Task from standard input and writes Events to standard output, a line each. Worker threads of
py-rattler can crash an interpreter that shuts down, after their work is done: so this one just ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable
from typing import TextIO

import msgspec
from rattler import exceptions

from conda_pack.sources.making.injecting import injected, with_injected
from conda_pack.sources.making.linking import link, runs_scripts
from conda_pack.sources.making.locks import read_lock
from conda_pack.sources.making.network import Network
from conda_pack.sources.making.problems import Unmakeable, sentence
from conda_pack.sources.making.protocol import Event, Failure, Job, Made, Survey, Surveyed, Task
from conda_pack.sources.making.records import described, find

Tell = Callable[[Event], None]


async def _make(job: Job, tell: Tell) -> Made:
    network = Network(job.site)
    tell(Event(phase="solving"))
    found = await find(job, network)
    packages = with_injected(job, found.records, await injected(job))
    unproved = await link(job, packages, network, tell) if job.prefix is not None else []
    return Made(
        packages=[described(record) for record in packages],
        wheels=found.wheels,
        unproved=unproved,
        ran_scripts=runs_scripts(job, network),
    )


def _survey(survey: Survey) -> Surveyed:
    lock = read_lock(survey.lock)
    return Surveyed(
        environments={
            name: sorted(str(platform) for platform in environment.platforms())
            for name, environment in lock.environments()
        }
    )


async def _do(task: Task, tell: Tell) -> Event:
    try:
        if task.survey is not None:
            return Event(surveyed=_survey(task.survey))
        assert task.job is not None
        return Event(made=await _make(task.job, tell))
    except Unmakeable as error:
        return Event(failure=Failure(list(error.reasons)))
    except _RATTLER_ERRORS as error:
        return Event(failure=Failure([sentence(error)]))


_RATTLER_ERRORS = tuple(
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
)


def main() -> None:
    """Do the task that standard input holds, and end."""
    # what packages and libraries print goes to standard error, and events to where standard output was
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code = 1
    try:
        task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
        end = asyncio.run(_do(task, lambda event: _write(events, event)))
        _write(events, end)
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def _write(events: TextIO, event: Event) -> None:
    events.write(msgspec.json.encode(event).decode() + "\n")
    events.flush()
