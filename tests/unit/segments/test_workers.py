"""Work whose results come in order: how much is ahead, what fails, and who has enough."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.errors import DamagedArchive
from conda_pack.segments.workers import Job, in_order, worker_count
from tests.support.properties import UNHURRIED

weights = st.lists(st.sampled_from([0, 1, 1, 2, 5, 10, 100]), max_size=30)
budgets = st.integers(0, 40)


@dataclass
class Work:
    """Jobs of these weights, and what is done with them: the numbers of those begun, and of those taken."""

    weights: list[int]
    fails: int = -1
    begun: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)

    def jobs(self) -> Iterator[Job[int]]:
        for number, weight in enumerate(self.weights):
            self.begun.append(number)
            yield Job(lambda number=number: self.result(number), weight)  # type: ignore[misc]

    def result(self, number: int) -> int:
        self.taken.append(number)
        if number == self.fails:
            raise DamagedArchive(f"number {number}")
        return number

    @property
    def ahead(self) -> list[int]:
        """The weights of those begun whose results nobody has taken."""
        return self.weights[len(self.taken) : len(self.begun)]


# -------------------------------------------------------------- worker_count


@pytest.mark.parametrize("requested", [1, 2, 7, 1000])
def test_as_many_workers_as_requested(requested: int) -> None:
    """A number of threads is taken at its word."""
    assert requested == worker_count(requested)


@pytest.mark.parametrize("requested", [None, 0, -1])
def test_all_cores(requested: int | None) -> None:
    """Without a number they are those that this process may use."""
    assert len(os.sched_getaffinity(0)) == worker_count(requested)


# ------------------------------------------------------------------- in_order


@settings(UNHURRIED, max_examples=200)
@given(weights=weights, budget=budgets)
def test_results_come_in_order(weights: list[int], budget: int) -> None:
    """Each job is begun once and taken once, in its turn, whatever it weighs."""
    work = Work(weights)
    numbers = list(range(len(weights)))
    assert numbers == list(in_order(work.jobs(), budget))
    assert numbers == work.begun
    assert numbers == work.taken


@settings(UNHURRIED, max_examples=200)
@given(weights=weights, budget=budgets)
def test_no_more_ahead_than_the_budget(weights: list[int], budget: int) -> None:
    """What is begun and not taken, or taken and still looked at, weighs the budget at most, and one job."""
    work = Work(weights)
    for number in in_order(work.jobs(), budget):
        looked_at = weights[number]
        *before, _last = [looked_at, *work.ahead]
        assert sum(before) <= budget


@settings(UNHURRIED, max_examples=200)
@given(weights=weights, budget=budgets)
def test_no_less_ahead_than_the_budget(weights: list[int], budget: int) -> None:
    """Nobody waits for a result while there is room for another job to go on meanwhile."""
    work = Work(weights)

    def watched() -> Iterator[Job[int]]:
        for number, job in enumerate(work.jobs()):

            def result(number: int = number) -> int:
                assert sum(work.ahead) > budget or len(work.begun) == len(weights)
                return work.result(number)

            yield Job(result, job.weight)

    assert len(weights) == len(list(in_order(watched(), budget)))


def test_small_jobs_go_on_beside_a_large_one() -> None:
    """By weight, not by number: behind a large job all that the budget has room for is begun."""
    work = Work([50] + [1] * 39)
    assert next(in_order(work.jobs(), 70)) == 0
    assert [50, *[1] * 21] == work.weights[: len(work.begun)]


def test_a_job_weighs_nothing_by_itself() -> None:
    """What this thread does itself holds nothing up: it neither fills the budget nor is held back."""
    assert Job(int) == Job(int, 0)
    work = Work([0] * 9 + [1] + [0] * 9 + [1] + [0] * 9)
    assert next(in_order(work.jobs(), 1)) == 0
    assert len(work.begun) == 20


def test_nothing_is_begun_before_somebody_asks() -> None:
    """Nor is a result taken before its turn."""
    work = Work([1] * 9)
    results = in_order(work.jobs(), 3)
    assert (work.begun, work.taken) == ([], [])
    assert next(results) == 0
    assert (work.begun, work.taken) == ([0, 1, 2, 3], [0])
    assert next(results) == 1
    assert (work.begun, work.taken) == ([0, 1, 2, 3, 4], [0, 1])


def test_jobs_without_end() -> None:
    """They are begun as they are needed."""
    jobs = (Job(lambda number=number: number, 1) for number in count())  # type: ignore[misc]
    assert list(range(50)) == list(islice(in_order(jobs, 7), 50))


def test_jobs_that_need_the_results_before_them() -> None:
    """As a part's end does: when a job is taken, all before it have been."""
    found: list[int] = []

    def jobs() -> Iterator[Job[int]]:
        for number in range(12):
            yield Job(lambda number=number: number, 1)  # type: ignore[misc]
            if number % 4 == 3:
                yield Job(lambda: sum(found))

    for number in in_order(jobs(), 2):
        found.append(number)
    first, second = sum(range(4)), sum(range(4)) * 2 + sum(range(4, 8))
    expected = [*range(4), first, *range(4, 8), second, *range(8, 12)]
    assert [*expected, sum(expected)] == found


@settings(UNHURRIED, max_examples=100)
@given(weights=weights.filter(bool), budget=budgets, data=st.data())
def test_an_error_comes_in_its_place(weights: list[int], budget: int, data: st.DataObject) -> None:
    """The results before it are taken first; nothing is taken after it, nor begun beyond the budget."""
    work = Work(weights, fails=data.draw(st.integers(0, len(weights) - 1)))
    found = []
    with pytest.raises(DamagedArchive, match=f"number {work.fails}$"):
        for number in in_order(work.jobs(), budget):
            found.append(number)
    assert list(range(work.fails)) == found
    assert list(range(work.fails + 1)) == work.taken
    *before, _last = weights[work.fails : len(work.begun)]
    assert sum(before) <= budget


@pytest.mark.parametrize(("budget", "taken"), [(0, 4), (2, 2), (10, 0)])
def test_an_error_of_who_makes_the_jobs(budget: int, taken: int) -> None:
    """It comes at once, before the results of what was begun."""
    work = Work([1] * 4)

    def jobs() -> Iterator[Job[int]]:
        yield from work.jobs()
        raise KeyboardInterrupt

    found = []
    with pytest.raises(KeyboardInterrupt):
        for number in in_order(jobs(), budget):
            found.append(number)
    assert list(range(taken)) == found
    assert found == work.taken


@settings(UNHURRIED, max_examples=100)
@given(weights=weights.filter(bool), budget=budgets, data=st.data())
def test_who_has_enough(weights: list[int], budget: int, data: st.DataObject) -> None:
    """Nothing more is begun or taken, and who makes the jobs ends too."""
    work, ended = Work(weights), []

    def jobs() -> Iterator[Job[int]]:
        try:
            yield from work.jobs()
        finally:
            ended.append(True)

    results = in_order(jobs(), budget)
    taken = data.draw(st.integers(1, len(weights)))
    assert list(range(taken)) == list(islice(results, taken))
    begun = list(work.begun)
    results.close()  # type: ignore[attr-defined]
    assert (begun, list(range(taken))) == (work.begun, work.taken)
    del results
    assert ended == [True]
