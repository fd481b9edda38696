"""Parallel work whose results come in any order: by processes where they can be forked, else by threads.

Unpacking makes some five system calls for each of many small files, and at each the threads of one
interpreter pass its lock from one to the other: 35,000 files of 1.4 GB on two cores take 3.0 s (of 4.8 s
processor time) with threads, 2.1 s (of 3.9 s) with processes. Packing keeps threads: most of its time goes
into compressing, without the lock, and each of two threads waits 0.3 s of 3.4 s for it.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from conda_pack.errors import CondaPackException

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")
#: A task gives its results one by one, each of which can be pickled.
Task = Callable[[], Iterable[T]]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def spread(tasks: Sequence[Task[T]], workers: int) -> Iterator[T]:
    """The results of all tasks as they come; the first exception ends it, and all work with it.

    Tasks begin in their order. They must share nothing but what they read, and the disk.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        return (result for task in tasks for result in task())
    return _forked(tasks, workers) if _can_fork() else _threaded(tasks, workers)


def _can_fork() -> bool:
    """Only a process of one thread may fork: a lock that another one holds would be held forever.

    Nor on macOS, whose own libraries start threads.
    """
    return hasattr(os, "fork") and os.uname().sysname != "Darwin" and threading.active_count() == 1


def _threaded(tasks: Sequence[Task[T]], workers: int) -> Iterator[T]:
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(lambda task=task: list(task())) for task in tasks]  # type: ignore[misc]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            for future in futures:
                future.cancel()


# ------------------------------------------------------------------ processes


def _forked(tasks: Sequence[Task[T]], workers: int) -> Iterator[T]:
    from multiprocessing.connection import Pipe, wait  # noqa: PLC0415 - most commands need none

    children: dict[Connection, int] = {}  # and their processes
    numbers = iter(range(len(tasks)))
    try:
        for _ in range(workers):
            ours, theirs = Pipe()
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            try:
                child = os.fork()
                if child == 0:
                    _work(tasks, theirs, [ours, *children])
                children[ours] = child
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        given = dict.fromkeys(children, 0)
        for connection in children:
            given[connection] += _give(connection, numbers, 1, children)
        while busy := [connection for connection, count in given.items() if count]:
            for connection in cast("list[Connection]", wait(busy)):
                kind, value = _received(connection, children)
                if kind == "result":
                    yield value
                elif kind == "error":
                    raise value
                else:
                    # two from now on, so that it has not to wait; not before, or the longest
                    # tasks, which come first, would wait for one another
                    given[connection] -= 1
                    given[connection] += _give(connection, numbers, 2 - given[connection], children)
    finally:
        for connection, child in children.items():  # they hold nothing that they would have to put in order
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            connection.close()


def _give(connection: Connection, numbers: Iterator[int], count: int, children: dict[Connection, int]) -> int:
    """Send the next ``count`` tasks, as far as there are any; returns how many."""
    tasks = list(islice(numbers, count))
    try:
        for number in tasks:
            connection.send(number)
    except OSError:
        raise _killed(children[connection]) from None
    return len(tasks)


def _received(connection: Connection, children: dict[Connection, int]) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = connection.recv()
    except (EOFError, OSError):
        raise _killed(children[connection]) from None
    return message


def _killed(process: int) -> CondaPackException:
    return CondaPackException(
        f"The worker process {process} was killed: by you, or for want of memory. "
        "Nothing was left behind; with fewer threads (-j) less memory is needed."
    )


def _work(tasks: Sequence[Task[T]], connection: Connection, others: Iterable[Connection]) -> NoReturn:
    """What a worker process does: the tasks that it is given the numbers of. Never returns to its caller."""
    try:
        # an interrupt reaches the whole group: who gave the work decides
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        gc.disable()  # it lives too short for garbage, and a collection would copy every page it looks at
        for other in others:
            other.close()
        with suppress(EOFError, OSError):  # whoever gave the work is gone
            while True:
                for message in _messages(tasks[connection.recv()]):
                    connection.send(message)
    finally:
        os._exit(0)


def _messages(task: Task[T]) -> Iterator[tuple[str, Any]]:
    try:
        for result in task():
            yield "result", result
    except Exception as error:
        yield "error", _portable(error)
    else:
        yield "done", None


def _portable(error: Exception) -> Exception:
    """The error itself, if it can be sent; else what it says."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:
        return CondaPackException(f"{type(error).__name__}: {error}")
    return error
