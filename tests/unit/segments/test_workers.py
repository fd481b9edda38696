"""Work whose results come in order: whatever the threads, what fails, and who has enough."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conda_pack.errors import DamagedArchive, UnsafeArchive
from conda_pack.segments.workers import InOrder, Job, ordered, worker_count

#: Properties are never tried by the clock.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

_ENOUGH = 60
"""Seconds after which a wait is given up: a failure, not a measure."""

weights = st.sampled_from([0, 1, 1, 2, 5, 10, 100])


def done(value: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(value)
    return future


def constant(value: int, nap: float = 0) -> int:
    time.sleep(nap)
    return value


def failing() -> int:
    raise DamagedArchive("no")


# -------------------------------------------------------------- worker_count


@pytest.mark.parametrize("requested", [1, 2, 7, 1000])
def test_as_many_workers_as_requested(requested: int) -> None:
    """A number of threads is taken at its word."""
    assert requested == worker_count(requested)


@pytest.mark.parametrize("requested", [None, 0, -1])
def test_all_cores(requested: int | None) -> None:
    """Without a number they are those that this process may use."""
    assert len(os.sched_getaffinity(0)) == worker_count(requested)


# ------------------------------------------------------------------- ordered


@settings(UNHURRIED, max_examples=60)
@given(
    jobs=st.lists(st.tuples(st.booleans(), st.sampled_from([0, 0, 0.001]), weights), max_size=30),
    threads=st.integers(1, 4),
    budget=st.integers(0, 30),
)
def test_results_come_in_order(jobs: list[tuple[bool, float, int]], threads: int, budget: int) -> None:
    """Of functions and of futures, whatever their number and weight, that of the threads, and who is slow."""
    work = [
        Job(done(number) if is_future else partial(constant, number, nap), weight)
        for number, (is_future, nap, weight) in enumerate(jobs)
    ]
    with ThreadPoolExecutor(threads) as pool:
        assert list(range(len(jobs))) == list(ordered(pool, work, budget))


@settings(UNHURRIED, max_examples=60)
@given(
    loads=st.lists(weights.filter(bool), max_size=30), threads=st.integers(1, 4), budget=st.integers(0, 40)
)
def test_no_more_ahead_than_the_budget(loads: list[int], threads: int, budget: int) -> None:
    """Jobs are taken up as results are taken: what waits weighs no more than told, or is one job alone."""
    taken = -1

    class WatchedPool(ThreadPoolExecutor):
        submitted = 0

        def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
            self.submitted += 1
            waiting = loads[taken + 1 : self.submitted]
            assert sum(waiting) <= budget or len(waiting) == 1
            return super().submit(*arguments, **options)

    with WatchedPool(threads) as pool:
        jobs = [Job(partial(constant, number), load) for number, load in enumerate(loads)]
        for result in ordered(pool, jobs, budget):
            taken = result
    assert (len(loads), len(loads) - 1) == (pool.submitted, taken)


def test_small_jobs_go_on_beside_a_large_one() -> None:
    """While one thread is busy with the first, another does all that the budget has room for."""
    small_ones_left = threading.Semaphore(0)

    def large() -> int:
        assert all(small_ones_left.acquire(timeout=_ENOUGH) for _ in range(20))
        return 0

    def small(number: int) -> int:
        small_ones_left.release()
        return number

    jobs = [Job(large, 50), *(Job(partial(small, number), 1) for number in range(1, 40))]
    with ThreadPoolExecutor(2) as pool:
        assert list(range(40)) == list(ordered(pool, jobs, 70))


@pytest.mark.parametrize("budget", [0, 1, 2, 3, 10])
def test_a_future_that_the_jobs_before_it_set(budget: int) -> None:
    """As parts do it: whoever ends last sets the part's end, in parts of any number of jobs."""
    ends: list[Future[int]] = [Future() for _ in range(4)]

    def jobs() -> Iterator[Job[int]]:
        number = 0
        for count, end in enumerate(ends, start=1):
            left = list(range(count))
            for _ in range(count):
                yield Job(partial(one_of, left, end, number), 1)
                number += 1
            yield Job(end)
            number += 1

    def one_of(left: list[int], end: Future[int], number: int) -> int:
        left.pop()
        if not left:
            end.set_result(number + 1)
        return number

    with ThreadPoolExecutor(1) as pool:
        assert list(range(14)) == list(ordered(pool, jobs(), budget))


@pytest.mark.parametrize("kind", ["function", "future"])
@pytest.mark.parametrize("budget", [1, 2, 10])
def test_an_error_comes_in_its_place(kind: str, budget: int) -> None:
    """The results before it are taken first, though it was there before them; those after it are not."""
    wrong: Future[int] = Future()
    wrong.set_exception(DamagedArchive("no"))
    slow = partial(constant, 0, 0.01)
    work = [slow, slow, wrong if kind == "future" else failing, partial(constant, 3)]
    found = []
    with ThreadPoolExecutor(4) as pool, pytest.raises(DamagedArchive, match="no"):
        for result in ordered(pool, [Job(each, 1) for each in work], budget):
            found.append(result)
    assert found == [0, 0]


def test_the_first_error_counts() -> None:
    """Of two errors the one that comes first in order, not in time."""

    def slowly_failing() -> int:
        time.sleep(0.02)
        raise UnsafeArchive("first")

    with ThreadPoolExecutor(2) as pool, pytest.raises(UnsafeArchive, match="first"):
        list(ordered(pool, [Job(slowly_failing), Job(failing)], 4))


@pytest.mark.parametrize("how", ["error", "closed"])
def test_the_rest_is_cancelled(how: str) -> None:
    """Jobs that have not begun when somebody fails, or has enough, are never done."""
    go_on, ran = threading.Event(), []

    def waiting(number: int) -> int:
        ran.append(number)
        go_on.wait(_ENOUGH)
        return number

    work: list[Callable[[], int]] = [failing if how == "error" else partial(constant, 0)]
    work += [partial(waiting, number) for number in range(1, 10)]
    with ThreadPoolExecutor(1) as pool:
        results = ordered(pool, [Job(each, 1) for each in work], 5)
        if how == "error":
            with pytest.raises(DamagedArchive):
                next(results)
        else:
            assert next(results) == 0
            results.close()  # type: ignore[attr-defined]
        go_on.set()
    assert set(ran) <= {1}  # the one that the thread had taken up meanwhile


def test_an_error_of_who_makes_the_jobs() -> None:
    """It comes at once, and cancels what waits."""
    go_on, ran = threading.Event(), []

    def waiting(number: int) -> int:
        ran.append(number)
        go_on.wait(_ENOUGH)
        return number

    def jobs() -> Iterator[Job[int]]:
        for number in range(5):
            yield Job(partial(waiting, number), 1)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyboardInterrupt):
            list(ordered(pool, jobs(), 10))
        go_on.set()
    assert set(ran) <= {0}


# ------------------------------------------------------------------- in order


def stretches_of(random: Random, count: int) -> list[tuple[int, bytes]]:
    """Stretches of a file, with their places."""
    stretches, place = [], 0
    for _ in range(count):
        data = random.randbytes(random.randint(1, 2000))
        stretches.append((place, data))
        place += len(data)
    return stretches


@pytest.mark.parametrize("seed", range(12))
def test_stretches_from_several_threads(seed: int) -> None:
    """In any order, from threads with delays of any length: one digest, and one of them told of the end."""
    random = Random(seed)
    stretches = stretches_of(random, 60)
    whole = b"".join(data for _, data in stretches)
    digest, naps = hashlib.sha256(), Random(seed)

    def take(data: bytes) -> None:
        time.sleep(naps.choice([0, 0, 0.0005]))
        digest.update(data)

    order = InOrder(take)
    shuffled = random.sample(stretches, len(stretches))
    shares = [shuffled[first::6] for first in range(6)]
    together = threading.Barrier(len(shares))

    def add(share: list[tuple[int, bytes]], own: Random) -> list[int]:
        together.wait()
        returned = []
        for place, data in share:
            time.sleep(own.choice([0, 0.0003]))
            returned.append(order.add(place, data))
        return returned

    with ThreadPoolExecutor(len(shares)) as pool:
        lists = list(pool.map(add, shares, map(Random, range(len(shares)))))
    assert [total for returned in lists for total in returned].count(len(whole)) == 1
    assert (hashlib.sha256(whole).digest(), False) == (digest.digest(), order.has_gaps)
    assert all(returned == sorted(returned) for returned in lists)


def test_nobody_waits_for_who_takes() -> None:
    """What comes while another thread takes is left to that thread, and it returns the total."""
    taking, go_on, taken = threading.Event(), threading.Event(), []

    def take(data: bytes) -> None:
        taking.set()
        assert go_on.wait(_ENOUGH)
        taken.append(data)

    order = InOrder(take)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(order.add, 0, b"a")
        assert taking.wait(_ENOUGH)
        assert [order.add(1, b"bc"), order.add(3, b"d")] == [0, 0]
        go_on.set()
        assert first.result() == 4
    assert (taken, order.has_gaps) == ([b"a", b"bc", b"d"], False)


def test_twice_early() -> None:
    """A stretch that waits is refused a second time."""
    order = InOrder(bytes)
    assert order.add(5, b"x") == 0
    with pytest.raises(UnsafeArchive):
        order.add(5, b"y")


def test_twice_taken() -> None:
    """A stretch that was taken is refused a second time, and so is anything within it."""
    taken: list[bytes] = []
    order = InOrder(taken.append)
    assert order.add(0, b"abcde") == 5
    for place in (0, 4):
        with pytest.raises(UnsafeArchive):
            order.add(place, b"z")
    assert (order.add(5, b"f"), taken) == (6, [b"abcde", b"f"])


def test_twice_while_it_is_taken() -> None:
    """A stretch that comes again just when it is taken is refused too, or leaves a gap that shows."""
    refused: list[bool] = []

    def take(data: bytes) -> None:
        if not refused:
            try:
                order.add(0, b"other")
                refused.append(False)
            except UnsafeArchive:
                refused.append(True)

    order = InOrder(take)
    order.add(0, b"first")
    assert refused[0] or order.has_gaps


def test_gaps_show() -> None:
    """What fits nowhere is a gap, until what was missing comes."""
    taken: list[bytes] = []
    order = InOrder(taken.append)
    order.add(1, b"b")
    assert order.has_gaps
    order.add(0, b"a")
    assert (taken, order.has_gaps) == ([b"a", b"b"], False)


def test_an_error_of_who_takes() -> None:
    """It reaches the thread whose turn it was; nothing is taken after it."""
    taken: list[bytes] = []

    def take(data: bytes) -> None:
        if data == b"bad":
            raise DamagedArchive("bad")
        taken.append(data)

    order = InOrder(take)
    order.add(3, b"end")
    with pytest.raises(DamagedArchive):
        order.add(0, b"bad")
    assert order.add(6, b"more") == 0
    assert taken == []
