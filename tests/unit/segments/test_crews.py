"""Whoever does the tasks of packing: the same results, errors in their place, and nobody stays behind.

All three kinds are tried in scripts of their own, because only a process of one thread may fork.
"""

from __future__ import annotations

import pytest

from tests.support import scripts

KINDS = ["alone", "threads", "forked"]
kinds = pytest.mark.parametrize("kind", KINDS)
others = pytest.mark.parametrize("kind", KINDS[1:])

_PREAMBLE = """
from contextlib import contextmanager, suppress
from random import Random
from conda_pack.segments.codecs import Compressed
from conda_pack.segments.crews import crew
from tests.support.scripts import one_more_thread

@contextmanager
def crew_of(kind, tasks, workers=3, results=4):
    if kind == "threads":
        with one_more_thread(), crew(tasks, workers, results) as hands:
            yield hands
    else:
        with crew(tasks, 1 if kind == "alone" else workers, results) as hands:
            yield hands

def made(size):
    return Compressed(Random(size).randbytes(size), size, 7)

def copied(value):
    return Compressed(bytes(value.data), value.size, value.crc)

def here():
    return os.getpid(), threading.get_ident()

def failing(number):
    raise DamagedArchive(f"task {number}")

def after(pause, task, *arguments):
    time.sleep(pause)
    return task(*arguments)

def told(hands, number):
    try:
        return hands.result(number)
    except DamagedArchive as error:
        return str(error)
"""


def output_of(body: str, **names: object) -> list[str]:
    """The lines that a script prints, to which these names are known."""
    values = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    return scripts.output_of(body, _PREAMBLE + values)


# ------------------------------------------------------------------ who does it


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("alone", "True True"), ("threads", "True False"), ("forked", "False True")],
)
def test_who_does_it(kind: str, expected: str) -> None:
    """This thread, others of this process, or other processes, which have one thread each."""
    lines = output_of(
        """
        with crew_of(kind, [here] * 6) as hands:
            for number in range(6):
                hands.start(number)
            found = {hands.result(number) for number in range(6)}
        print({pid == os.getpid() for pid, _ in found}, {thread == here()[1] for _, thread in found})
        """,
        kind=kind,
    )
    same_process, same_thread = expected.split()
    assert [f"{{{same_process}}} {{{same_thread}}}"] == lines


@pytest.mark.parametrize(("tasks", "workers"), [(0, 4), (1, 4), (5, 1), (5, 0)])
def test_who_needs_nobody(tasks: int, workers: int) -> None:
    """One worker, or one task, or none: nobody is hired, and nothing is shared."""
    lines = output_of(
        """
        before = held()
        with crew([here] * tasks, workers, 4) as hands:
            for number in range(tasks):
                hands.start(number)
            print({hands.result(number) for number in range(tasks)} <= {here()})
            print(no_children(), held() == before)
        """,
        tasks=tasks,
        workers=workers,
    )
    assert lines == ["True", "no children True"]


# --------------------------------------------------------------------- results


@kinds
@pytest.mark.parametrize("results", [0, 1, 40])
def test_the_same_results(kind: str, results: int) -> None:
    """Of any size, asked for in any order, whether or not there are slots for all that wait."""
    lines = output_of(
        """
        sizes = [0, 1, 65535, 65536, 65537, 300_000, 1 << 20, 3 << 20] * 3
        tasks = [partial(made, size) for size in sizes]
        numbers = list(range(len(sizes)))
        orders = [numbers, numbers[::-1], *(Random(n).sample(numbers, len(numbers)) for n in range(3))]
        for order in orders:
            with crew_of(kind, tasks, 3, results) as hands:
                for number in numbers:
                    hands.start(number, is_long=number % 5 == 1)
                found = {number: copied(hands.result(number)) for number in order}
            print(found == {number: made(size) for number, size in enumerate(sizes)})
        print(no_children())
        """,
        kind=kind,
        results=results,
    )
    assert lines == ["True"] * 5 + ["no children"]


@kinds
@pytest.mark.parametrize("ahead", [1, 3, 12])
def test_results_while_others_are_started(kind: str, ahead: int) -> None:
    """As packing does it: so many are under way, and the first of them is asked for. Every buffer is good
    until the next call, though its slot is used by others afterwards.
    """
    lines = output_of(
        """
        tasks = [partial(made, 100_000 + number) for number in range(60)]
        wrong = []
        with crew_of(kind, tasks, 2, 4) as hands:
            for number in range(60 + ahead):
                if number < 60:
                    hands.start(number)
                if number >= ahead:
                    value = hands.result(number - ahead)
                    if value != made(100_000 + number - ahead):
                        wrong.append(number)
        print(wrong, no_children())
        """,
        kind=kind,
        ahead=ahead,
    )
    assert lines == ["[] no children"]


def test_the_shortest_way() -> None:
    """Of so many results that wait, and the one asked for last, none is sent: slots serve again."""
    lines = output_of("""
        tasks = [partial(made, 100_000 + number) for number in range(60)]
        ways = []
        with crew_of("forked", tasks, 2, 5) as hands:
            for number in range(60 + 3):
                if number < 60:
                    hands.start(number)
                if number >= 3:
                    ways.append(type(hands.result(number - 3).data).__name__)
        print(set(ways), len(ways))
    """)
    assert lines == ["{'memoryview'} 60"]


@kinds
def test_any_order_of_starting(kind: str) -> None:
    """Tasks are known by their numbers; those that nobody started are not done."""
    lines = output_of(
        """
        import tempfile
        def marked(folder, number):
            open(f"{folder}/{number}", "x").close()
            return number
        with tempfile.TemporaryDirectory() as folder:
            tasks = [partial(marked, folder, number) for number in range(20)]
            with crew_of(kind, tasks) as hands:
                for number in (11, 2, 17, 5):
                    hands.start(number)
                print([hands.result(number) for number in (5, 11)])
                hands.start(1)
                print([hands.result(number) for number in (1, 17, 2)])
            print(sorted(map(int, os.listdir(folder))))
        """,
        kind=kind,
    )
    assert lines == ["[5, 11]", "[1, 17, 2]", "[1, 2, 5, 11, 17]"]


# ---------------------------------------------------------------------- errors


@kinds
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
def test_an_error_in_its_place(kind: str, order: int) -> None:
    """It is raised where its result is asked for, and all other results are their tasks'."""
    lines = output_of(
        """
        tasks = [partial(failing, n) if n in (2, 3, 7) else partial(after, 0, int, n) for n in range(12)]
        with crew_of(kind, tasks, 2) as hands:
            for number in range(12):
                hands.start(number)
            found = [told(hands, number) for number in range(12)[::order]][::order]
        print(found)
        print(no_children())
        """,
        kind=kind,
        order=order,
    )
    expected = [f"task {n}" if n in (2, 3, 7) else n for n in range(12)]
    assert [str(expected), "no children"] == lines


@kinds
def test_an_error_while_another_result_is_awaited(kind: str) -> None:
    """It waits for its turn: neither does it come early, nor is it taken for the result of a later task."""
    lines = output_of(
        """
        tasks = [partial(after, 0.5, int, 0), partial(int, 1), partial(failing, 2)]
        tasks += [partial(int, number) for number in range(3, 8)]
        with crew_of(kind, tasks, 2) as hands:
            for number in range(8):
                hands.start(number)
            print([told(hands, number) for number in range(8)])
        """,
        kind=kind,
    )
    assert lines == ["[0, 1, 'task 2', 3, 4, 5, 6, 7]"]


@others
def test_an_error_once(kind: str) -> None:
    """Who has been told of an error goes on: the same workers do what is started then."""
    lines = output_of(
        """
        tasks = [partial(failing, 0), partial(failing, 1), *(partial(int, n) for n in range(2, 9))]
        with crew_of(kind, tasks, 2) as hands:
            for number in range(9):
                hands.start(number)
                print(told(hands, number))
        print(no_children())
        """,
        kind=kind,
    )
    assert lines == ["task 0", "task 1", *map(str, range(2, 9)), "no children"]


# ------------------------------------------------------------- nothing is left


@kinds
@pytest.mark.parametrize("asked", ["[]", "[3]", "[5, 0]"])
def test_results_that_nobody_asks_for(kind: str, asked: str) -> None:
    """No process, thread, file or memory is left of them, nor of the errors among them."""
    lines = output_of(
        f"""
        import multiprocessing.connection
        before = held()
        tasks = [partial(failing, n) if n % 4 == 2 else partial(made, n * 100_000) for n in range(9)]
        with crew_of(kind, tasks) as hands:
            for number in range(9):
                hands.start(number)
            for number in {asked}:
                hands.result(number)
        del hands
        print(no_children(), [now - then for now, then in zip(held(), before)])
        """,
        kind=kind,
    )
    assert lines == ["no children [0, 0, 0]"]


@kinds
@pytest.mark.parametrize("error", ["KeyError", "KeyboardInterrupt", "GeneratorExit"])
def test_leaving_early(kind: str, error: str) -> None:
    """An error of who gave the work ends it, and is the one that arrives."""
    lines = output_of(
        f"""
        import multiprocessing.connection
        before = held()
        tasks = [partial(made, number * 100_000) for number in range(9)]
        try:
            with crew_of(kind, tasks) as hands:
                for number in range(9):
                    hands.start(number)
                hands.result(1)
                raise {error}
        except {error}:
            print("arrived")
        del hands
        print(no_children(), [now - then for now, then in zip(held(), before)])
        """,
        kind=kind,
    )
    assert lines == ["arrived", "no children [0, 0, 0]"]


def test_leaving_processes_in_the_midst_of_their_work() -> None:
    """They are not waited for."""
    lines = output_of("""
        with suppress(KeyError):
            with crew_of("forked", [partial(int, 5), *[partial(time.sleep, 600)] * 4]) as hands:
                for number in range(5):
                    hands.start(number)
                print(hands.result(0))
                raise KeyError
        print(no_children())
    """)
    assert lines == ["5", "no children"]


def test_leaving_threads_in_the_midst_of_their_work() -> None:
    """What they are at is ended, and nothing more is begun."""
    lines = output_of("""
        at_work, begun = threading.Semaphore(0), []
        go_on = threading.Event()
        def working(number):
            begun.append(number)
            at_work.release()
            go_on.wait()
        with suppress(KeyError):
            with crew_of("threads", [partial(working, number) for number in range(50)], 2) as hands:
                for number in range(50):
                    hands.start(number)
                at_work.acquire()
                at_work.acquire()
                threading.Timer(0.2, go_on.set).start()
                raise KeyError
        print(sorted(begun), threading.active_count())
    """)
    assert lines == ["[0, 1] 1"]


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_a_killed_worker(when: str) -> None:
    """A process that was killed, as for want of memory, is told of, whose result ever is asked for."""
    lines = output_of(
        """
        def dying():
            os.kill(os.getpid(), signal.SIGKILL)
        tasks = [os.getpid, dying if when == "within" else os.getpid, *[partial(time.sleep, 600)] * 2]
        try:
            with crew_of("forked", tasks, 2) as hands:
                if when == "before":
                    for child in list(hands._processes._children.values()):
                        os.kill(child.process, signal.SIGKILL)
                        wait_for_death(child.process)
                for number in range(4):
                    hands.start(number)
                hands.result(0)
                if when == "after":  # all, because either may have been given the long tasks
                    for child in list(hands._processes._children.values()):
                        os.kill(child.process, signal.SIGKILL)
                hands.result(1)
                hands.result(2)
                hands.result(3)
        except CondaPackException as error:
            print(type(error).__name__, "was killed" in str(error), "fewer threads (-j)" in str(error))
        print(no_children())
        """,
        when=when,
    )
    assert lines == ["CondaPackException True True", "no children"]
