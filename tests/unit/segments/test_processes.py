"""Forked processes: what they tell comes back whole, by shared memory or not, and nothing stays behind.

They are forked by scripts, as in test_spread.py, where errors, interrupts and killed processes are tried.
"""

from __future__ import annotations

import mmap
from pickle import PickleBuffer

import pytest

from conda_pack.segments.processes import Arena
from tests.support import scripts

LEAST, SLOT = Arena._LEAST, Arena._SLOT

_PREAMBLE = """
from functools import lru_cache
from random import Random
from conda_pack.segments.codecs import Compressed
from conda_pack.segments.processes import Arena, Processes

LEAST, SLOT = Arena._LEAST, Arena._SLOT

@lru_cache
def content(size):
    return Random(size).randbytes(size)

def made(size, kind=bytes):
    return Compressed(kind(content(size)), size, 7)

def results(*values):
    "A task of these results."
    return lambda: iter(values)

def all_told(processes):
    while some := processes.told():
        yield from some

def started(tasks, processes):
    for number in range(len(tasks)):
        processes.start(number)
    return all_told(processes)

def results_of(tasks, processes):
    return [told for told in started(tasks, processes) if told.kind == "result"]
"""


def output_of(body: str) -> list[str]:
    return scripts.output_of(body, _PREAMBLE)


# ------------------------------------------------------------- shared memory


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "memoryview"])
def test_buffers_come_back(kind: str) -> None:
    """Of any size and kind: in a slot where they fit and are worth it, else sent."""
    sizes = [0, 1, LEAST - 1, LEAST, LEAST + 1, 1 << 20, SLOT - 1, SLOT, SLOT + 1, SLOT + SLOT // 2]
    lines = output_of(f"""
        tasks = [results(made(size, {kind})) for size in {sizes}]
        with Processes(tasks, 2, slots=4) as processes:
            for told in started(tasks, processes):
                if told.kind == "result":
                    value = told.value
                    same = (value.data, value.crc) == (content({sizes}[told.number]), 7)
                    print(value.size, same, told.slot is not None)
                    processes.release(told)
    """)
    expected = [f"{size} True {LEAST <= size <= SLOT}" for size in sizes]
    assert sorted(expected) == sorted(lines)


@pytest.mark.skipif(not hasattr(mmap, "MADV_REMOVE"), reason="NOT LINUX, which alone takes memory back!")
def test_slots_give_memory_back() -> None:
    """What a result took beyond what slots keep is free when it is released; its neighbours stay."""
    arena = Arena(3)
    content = b"x" * (SLOT - 1)
    taken = [arena.pickled(PickleBuffer(content), slot) for slot in range(3)]
    arena.trim(1)
    values = [bytes(arena.value(pickled, slot, sizes)) for slot, (pickled, sizes) in enumerate(taken)]
    kept = Arena._KEPT
    assert values == [content, content[:kept] + bytes(len(content) - kept), content]
    Arena(0).trim(0)  # nothing to give


def test_without_slots_all_is_sent() -> None:
    """As for those whose results are small: no memory is shared, and large results come all the same."""
    lines = output_of("""
        before = held()
        tasks = [results(made(size)) for size in (5, LEAST, SLOT, SLOT + 1)]
        with Processes(tasks, 2) as processes:
            print(held()[1] - before[1])
            found = results_of(tasks, processes)
            print([(told.value.data == content(told.value.size), told.slot) for told in found])
    """)
    assert lines == ["0", str([(True, None)] * 4)]


@pytest.mark.parametrize(
    ("sizes", "in_a_slot"),
    [
        ([SLOT // 2, SLOT // 2], True),
        ([SLOT // 2, SLOT // 2, LEAST], True),
        ([LEAST, SLOT, LEAST + 1], True),
        ([5, LEAST, 6, LEAST + 1, 0, SLOT, 7], True),
        ([SLOT + 1, LEAST, SLOT + 1], True),
        ([SLOT + 1, 5], False),
        ([LEAST - 1] * 9, False),
        ([LEAST + 13] * 40, True),
        ([], False),
    ],
    ids=lambda value: "-".join(map(str, value))[:30] if isinstance(value, list) else None,
)
def test_buffers_of_one_result(sizes: list[int], in_a_slot: bool) -> None:
    """Several share a slot as far as they fit, others are sent between them; each is itself in the end."""
    lines = output_of(f"""
        tasks = [results([made(size) for size in {sizes}])] * 3
        with Processes(tasks, 1, slots=2) as processes:
            for told in started(tasks, processes):
                if told.kind == "result":
                    print([each.data for each in told.value] == [content(size) for size in {sizes}])
                    print(told.slot is not None)
                    processes.release(told)
    """)
    assert ["True", str(in_a_slot)] * 3 == lines


@pytest.mark.parametrize(("count", "slots"), [(5, 5), (6, 5), (20, 5), (3, 1), (2, 7)])
def test_more_results_than_slots(count: int, slots: int) -> None:
    """Those that wait keep their slots; for those after them there is none, so they are sent whole."""
    lines = output_of(f"""
        tasks = [results(made((n + 1) * LEAST)) for n in range({count})]
        with Processes(tasks, 1, slots={slots}) as processes:
            found = results_of(tasks, processes)
            print([told.slot for told in found])
            print([told.value.data == content((n + 1) * LEAST) for n, told in enumerate(found)])
    """)
    numbers = [number if number < slots else None for number in range(count)]
    assert [str(numbers), str([True] * count)] == lines


def test_several_results_of_one_task() -> None:
    """It has one slot, which its first large result lies in: none that follows is written over it."""
    lines = output_of("""
        sizes = [5, LEAST, LEAST + 1, 6, 3 * LEAST]
        tasks = [results(*map(made, sizes))] * 4
        with Processes(tasks, 2, slots=9) as processes:
            found = results_of(tasks, processes)
        for number in range(4):
            mine = [told for told in found if told.number == number]
            print([told.slot is not None for told in mine])
            print([told.value.data for told in mine] == list(map(content, sizes)))
        print(len({told.slot for told in found if told.slot is not None}))
    """)
    assert lines == ["[False, True, False, False, False]", "True"] * 4 + ["4"]


@pytest.mark.parametrize("workers", [1, 3])
def test_slots_are_used_again(workers: int) -> None:
    """Once released, they serve any number of results, whole each; one that is kept is never written to."""
    lines = output_of(f"""
        sizes = [LEAST + n * 1000 for n in range(60)]
        tasks = [results(made(size)) for size in sizes]
        kept, whole, slots = [], [], []
        with Processes(tasks, {workers}, slots=2 * {workers} + 4) as processes:
            for told in started(tasks, processes):
                if told.kind == "result":
                    whole.append(told.value.data == content(sizes[told.number]))
                    slots.append(told.slot)
                    if len(kept) < 3:
                        kept.append(told)
                    else:
                        processes.release(told)
            print(set(whole), None in slots, len(whole))
            print({{told.value.data == content(sizes[told.number]) for told in kept}})
        print({{told.value.data == content(sizes[told.number]) for told in kept}}, no_children())
    """)
    assert lines == ["{True} False 60", "{True}", "{True} no children"]


@pytest.mark.parametrize("first", ["results(1)", "results()", "results(made(LEAST - 1))", "failing"])
def test_a_slot_that_a_task_does_not_need(first: str) -> None:
    """It is free again when the task is done, however that ends."""
    lines = output_of(f"""
        def failing():
            raise ValueError
        tasks = [*[{first}] * 5, results(made(LEAST))]
        with Processes(tasks, 1, slots=2) as processes:
            found = list(started(tasks, processes))
            print([(told.number, told.slot is not None) for told in found if told.kind == "result"][-1])
    """)
    assert lines == ["(5, True)"]


def test_slots_are_free_again_after_a_shortage() -> None:
    """Results that were sent for want of slots are no reason to send those after them."""
    lines = output_of("""
        tasks = [results(made(LEAST + n)) for n in range(14)]
        with Processes(tasks, 1, slots=4) as processes:
            first = results_of(tasks[:6], processes)
            for told in first:
                processes.release(told)
            later = []
            for number in range(6, 14):
                processes.start(number)
                for told in all_told(processes):
                    if told.kind == "result":
                        later.append((told.value.data == content(LEAST + number), told.slot is not None))
                        processes.release(told)
        print([told.slot for told in first].count(None), set(later), len(later))
    """)
    assert lines == ["2 {(True, True)} 8"]


# -------------------------------------------------------------------- numbers


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_who_told_what(workers: int) -> None:
    """Every result comes with the number of its task, after each task's last one that it is done."""
    lines = output_of(f"""
        tasks = [results(*[(n, k) for k in range(n % 4)]) for n in range(20)]
        log = {{n: [] for n in range(20)}}
        with Processes(tasks, {workers}) as processes:
            for told in started(tasks, processes):
                log[told.number].append((told.kind, told.value))
        for n in log:
            print(log[n] == [*(("result", (n, k)) for k in range(n % 4)), ("done", None)])
    """)
    assert lines == ["True"] * 20


@pytest.mark.parametrize("workers", [1, 2])
def test_who_told_what_after_an_error(workers: int) -> None:
    """A task that fails ends with its error; what its process tells next belongs to the next task."""
    lines = output_of(f"""
        def failing(n):
            yield n
            raise ValueError(n)
        tasks = [partial(failing, n) if n in (1, 4, 5) else results(n) for n in range(9)]
        log = {{n: [] for n in range(9)}}
        with Processes(tasks, {workers}) as processes:
            for told in started(tasks, processes):
                log[told.number].append((told.kind, str(told.value)))
        for n in log:
            end = ("error", str(n)) if n in (1, 4, 5) else ("done", "None")
            print(log[n] == [("result", str(n)), end])
    """)
    assert lines == ["True"] * 9


def test_tasks_are_started_at_any_time() -> None:
    """In any order, while others work or nobody does; those never started are not done."""
    lines = output_of("""
        tasks = [results(n) for n in range(8)]
        found = []
        with Processes(tasks, 2) as processes:
            print(processes.told())
            processes.start(5)
            processes.start(0)
            for told in all_told(processes):
                found += [told.value] if told.kind == "result" else []
                if told.value == 0:
                    processes.start(7)
                    processes.start(1)
            print(sorted(found), processes.told())
            processes.start(3)
            print([told.value for told in all_told(processes) if told.kind == "result"], processes.told())
    """)
    assert lines == ["[]", "[0, 1, 5, 7] []", "[3] []"]


@pytest.mark.parametrize("before", [0, 1, 2])
def test_nothing_waits_behind_a_long_task(before: int) -> None:
    """While one process is at it, the others do all the rest, wherever it comes among them."""
    lines = output_of(f"""
        import tempfile
        def wait_for(*names):
            while not all(map(os.path.exists, names)):
                time.sleep(0.01)
        def task(name, *others):
            def does():
                open(name + "-begun", "x").close()
                wait_for(*others)
                open(name, "x").close()
                yield name
            return does
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            short = [f"{{n}}" for n in range(6)]
            # of the first two, one process is at the second until the other has taken up the long one
            first = [task("first"), task("second", "long-begun")][:{before}]
            tasks = [*first, task("long", *short), *map(task, short)]
            with Processes(tasks, 2) as processes:
                for number in range(len(tasks)):
                    processes.start(number, is_long=number == {before})
                found = [told.value for told in all_told(processes) if told.kind == "result"]
            print(len(found), found[-1], no_children())
            os.chdir("/")
    """)
    assert [f"{before + 7} long no children"] == lines


# ------------------------------------------------------------ nothing is left


@pytest.mark.parametrize(
    "body",
    [
        "list(started(tasks, processes))",
        "next(started(tasks, processes))",
        "pass",
        "raise KeyError",
        "next(started(tasks, processes)); raise KeyError",
        "os.kill(next(iter(processes._children.values())).process, signal.SIGKILL); processes.start(0); "
        "list(started(tasks, processes))",
    ],
    ids=["all done", "one taken", "nothing done", "raised", "one taken and raised", "killed"],
)
def test_nothing_is_left(body: str) -> None:
    """However it ends: no process, no open file, no shared memory, and the mask of signals as it was."""
    lines = output_of(f"""
        import multiprocessing.connection
        tasks = [results(*[made(n * LEAST)] * 3) for n in range(12)]
        before = held()
        try:
            with Processes(tasks, 3, slots=5) as processes:
                {body}
        except (KeyError, CondaPackException):
            pass
        del processes
        print(no_children(), [now - then for now, then in zip(held(), before)])
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []) & {{signal.SIGINT, signal.SIGTERM}})
    """)
    assert lines == ["no children [0, 0, 0]", "set()"]


def test_nothing_is_left_of_a_fork_that_fails() -> None:
    """Where there may be no more processes, those made before it end too, and the error is told."""
    lines = output_of("""
        import multiprocessing.connection
        before, forks, fork = held(), [], os.fork
        def twice():
            forks.append(1)
            if len(forks) > 2:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return fork()
        os.fork = twice
        try:
            with Processes([results(1)] * 4, 4, slots=2):
                print("entered")
        except BlockingIOError as error:
            print(error.strerror)
        print(no_children(), [now - then for now, then in zip(held(), before)])
    """)
    assert lines == ["Resource temporarily unavailable", "no children [0, 0, 0]"]


def test_a_slot_is_no_copy() -> None:
    """What lies in a slot is read from there: that is what slots are for."""
    lines = output_of("""
        tasks = [results(made(LEAST)), results(made(LEAST - 1))]
        with Processes(tasks, 1, slots=2) as processes:
            for told in started(tasks, processes):
                if told.kind == "result":
                    print(type(told.value.data).__name__)
    """)
    assert lines == ["memoryview", "bytes"]
