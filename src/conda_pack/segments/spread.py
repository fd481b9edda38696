"""Parallel work whose results come in any order: by processes where they can be forked, else by threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from conda_pack.segments.processes import Processes, Task, can_fork

T = TypeVar("T")


def spread(tasks: Sequence[Task[T]], workers: int) -> Iterator[T]:
    """The results of all tasks as they come; the first exception ends it, and all work with it.

    Tasks begin in their order. They must share nothing but what they read, and the disk.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        return (result for task in tasks for result in task())
    return _forked(tasks, workers) if can_fork() else _threaded(tasks, workers)


def _threaded(tasks: Sequence[Task[T]], workers: int) -> Iterator[T]:
    from concurrent.futures import ThreadPoolExecutor, as_completed  # noqa: PLC0415 - most is by processes

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(lambda task=task: list(task())) for task in tasks]  # type: ignore[misc]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            for future in futures:
                future.cancel()


def _forked(tasks: Sequence[Task[T]], workers: int) -> Iterator[T]:
    with Processes(tasks, workers) as processes:
        for number in range(len(tasks)):
            processes.start(number)
        while messages := processes.told():
            for told in messages:
                if told.kind == "error":
                    raise told.value
                if told.kind == "result":
                    yield told.value
                    processes.release(told)
