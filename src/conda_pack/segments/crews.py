"""Who does the tasks of packing: this thread, others, or processes; asked for results in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from conda_pack.segments.processes import Processes, Told, can_fork

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Crew(Protocol[T_co]):
    """Does tasks by their numbers."""

    def start(self, number: int, *, is_long: bool = False) -> None:
        """Have a task done, some time before its result is asked for; a long one may hold nobody up."""

    def result(self, number: int) -> T_co:
        """What came of it, once, or the exception it raised. Its buffers are good until the next call."""


@contextmanager
def crew(tasks: Sequence[Callable[[], T]], workers: int, results: int) -> Iterator[Crew[T]]:
    """Whoever does these tasks best; no task goes on at the end of ``with``.

    Tasks begin in the order in which they are started, and share nothing but what they read. As many
    ``results`` as are named, under way or not asked for yet, take the shortest way.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        yield _Alone(tasks)
    elif can_fork():
        once = [partial(_once, task) for task in tasks]
        with Processes(once, workers, slots=results) as processes:
            yield _Forked(processes)
    else:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most packing is by processes

        with ThreadPoolExecutor(workers) as pool:
            try:
                yield _Threads(tasks, pool)
            finally:
                pool.shutdown(cancel_futures=True)


def _once(task: Callable[[], T]) -> Iterator[T]:
    yield task()


class _Alone(Generic[T]):
    """Who asks for a result makes it."""

    def __init__(self, tasks: Sequence[Callable[[], T]]) -> None:
        self._tasks = tasks

    def start(self, number: int, *, is_long: bool = False) -> None:
        pass

    def result(self, number: int) -> T:
        return self._tasks[number]()


class _Threads(Generic[T]):
    def __init__(self, tasks: Sequence[Callable[[], T]], pool: ThreadPoolExecutor) -> None:
        self._tasks, self._pool = tasks, pool
        self._futures: dict[int, Future[T]] = {}

    def start(self, number: int, *, is_long: bool = False) -> None:  # noqa: ARG002
        self._futures[number] = self._pool.submit(self._tasks[number])

    def result(self, number: int) -> T:
        return self._futures.pop(number).result()


class _Forked(Generic[T]):
    def __init__(self, processes: Processes[T]) -> None:
        self._processes = processes
        self._told: dict[int, Told] = {}
        self._last: Told | None = None

    def start(self, number: int, *, is_long: bool = False) -> None:
        self._processes.start(number, is_long=is_long)

    def result(self, number: int) -> T:
        if self._last is not None:
            self._processes.release(self._last)
        while number not in self._told:
            messages = self._processes.told()
            if not messages:
                raise KeyError(number)  # nobody has started it
            for told in messages:
                if told.kind != "done":
                    self._told[told.number] = told
        self._last = self._told.pop(number)
        if self._last.kind == "error":
            raise self._last.value
        result: T = self._last.value
        return result
