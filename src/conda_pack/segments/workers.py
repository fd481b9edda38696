"""Ordered parallel work with bounded memory: results come in the order of the tasks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def worker_count(requested: int | None) -> int:
    """How many threads: those asked for; all cores this process may use for None, 0 and -1."""
    if requested is not None and requested > 0:
        return requested
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def ordered(pool: ThreadPoolExecutor, tasks: Iterable[Callable[[], T]], ahead: int) -> Iterator[T]:
    """The results of ``tasks`` in order, at most ``ahead`` of them under way or waiting.

    The first exception is raised where its result would have been; tasks not yet
    begun are then cancelled, because nobody will take their results.
    """
    pending: deque[Future[T]] = deque()
    try:
        for task in tasks:
            pending.append(pool.submit(task))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in reversed(pending):  # a task may wait for an earlier one, never for a later one
            future.cancel()
