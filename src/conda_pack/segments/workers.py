"""Ordered parallel work with bounded memory: results come in the order of the tasks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

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
    """Work that is under way: how its result is to be had, and what it may hold meanwhile, in bytes."""

    result: Callable[[], T]
    weight: int = 0


def in_order(jobs: Iterable[Job[T]], budget: int) -> Iterator[T]:
    """The results of ``jobs`` in order; who takes the next one from ``jobs`` begins it.

    Those begun and not taken weigh ``budget`` at most, and one job. By weight, not by number: while
    one worker is busy with a large job, the others go on with many small ones.
    """
    pending: deque[Job[T]] = deque()
    load = 0
    for job in jobs:
        pending.append(job)
        load += job.weight
        while load > budget:
            first = pending.popleft()
            yield first.result()
            load -= first.weight
    while pending:
        yield pending.popleft().result()
