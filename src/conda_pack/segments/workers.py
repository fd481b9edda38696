"""Ordered parallel work with bounded memory: results come in the order of the tasks."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from conda_pack.errors import UnsafeArchive

T = TypeVar("T")


def worker_count(requested: int | None) -> int:
    """How many threads: those asked for; all cores this process may use for None, 0 and -1."""
    if requested is not None and requested > 0:
        return requested
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Work for a thread, or the future of what another job makes; ``weight`` (bytes) is what it may hold."""

    work: Callable[[], T] | Future[T]
    weight: int = 0


def ordered(pool: ThreadPoolExecutor, jobs: Iterable[Job[T]], budget: int) -> Iterator[T]:
    """The results of ``jobs`` in order, those under way or waiting weighing ``budget`` at most.

    By weight, not by number: while one thread is busy with a large job, the others go on with many
    small ones. The first exception is raised where its result would have been; jobs not yet begun
    are then cancelled, because nobody will take their results.
    """
    pending: deque[tuple[Future[T], int]] = deque()
    load = 0
    try:
        for job in jobs:
            while pending and load + job.weight > budget:
                future, weight = pending.popleft()
                load -= weight
                yield future.result()
            future = job.work if isinstance(job.work, Future) else pool.submit(job.work)
            pending.append((future, job.weight))
            load += job.weight
        while pending:
            yield pending.popleft()[0].result()
    finally:
        for future, _ in reversed(pending):  # a job may wait for an earlier one, never for a later one
            future.cancel()


class InOrder:
    """Hands the stretches of one file to ``take`` in their order, whatever order they come in.

    Nobody waits: a stretch that is early is kept until those before it are there, and what comes
    while one thread takes is left to that thread.
    """

    def __init__(self, take: Callable[[Any], object]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._early: dict[int, Any] = {}
        self._position = 0
        self._taking = False

    def add(self, offset: int, data: Any) -> int:
        """Take note of ``data`` at ``offset``; returns how many bytes have been taken in order so far.

        The total is returned once, to the thread that took the last byte.
        """
        with self._lock:
            if offset < self._position or offset in self._early:
                raise UnsafeArchive("The archive holds a part of a large file twice.")
            self._early[offset] = data
            if self._taking:
                return self._position
            self._taking = True
        while True:
            with self._lock:
                stretch = self._early.pop(self._position, None)
                if stretch is None:
                    self._taking = False
                    return self._position
            self._take(stretch)
            with self._lock:
                self._position += len(stretch)

    @property
    def position(self) -> int:
        """How many bytes have been taken in order so far."""
        return self._position

    @property
    def has_gaps(self) -> bool:
        """Whether stretches were taken note of that fit nowhere."""
        return bool(self._early)
