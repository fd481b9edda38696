"""Ordered parallel work with bounded memory: results come in the order of the tasks."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from conda_pack.errors import UnsafeArchive

T = TypeVar("T")


def worker_count(requested: int | None) -> int:
    """How many threads: those asked for; all cores this process may use for None, 0 and -1."""
    if requested is not None and requested > 0:
        return requested
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def ordered(
    pool: ThreadPoolExecutor, tasks: Iterable[Callable[[], T] | Future[T]], ahead: int
) -> Iterator[T]:
    """The results of ``tasks`` in order, at most ``ahead`` of them under way or waiting.

    A task may be the future of what another one makes. The first exception is raised where its
    result would have been; tasks not yet begun are then cancelled, because nobody will take their results.
    """
    pending: deque[Future[T]] = deque()
    try:
        for task in tasks:
            if isinstance(task, Future):
                pending.append(task)
                continue
            pending.append(pool.submit(task))
            while len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in reversed(pending):  # a task may wait for an earlier one, never for a later one
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
    def has_gaps(self) -> bool:
        """Whether stretches were taken note of that fit nowhere."""
        return bool(self._early)
