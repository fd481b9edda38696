"""Work spread over processes, threads or neither: results and errors arrive, and nothing stays behind.

Processes are forked by a script of one thread, as the command line is; pytest has threads of its own. That a
script's output ends is proof too: whoever it left behind would hold its standard output open.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from conda_pack.errors import DamagedArchive, PrefixTooLong, UnsafeArchive
from conda_pack.segments.spread import spread
from tests.support import scripts

_PREAMBLE = """
from conda_pack.errors import *
from conda_pack.segments.spread import spread

def numbers(first, count):
    for number in range(first, first + count):
        yield number, os.getpid()

def pids_and_rest(seconds=600):
    yield os.getpid()
    time.sleep(seconds)
"""


def output_of(body: str) -> list[str]:
    """The lines that a script prints, which spreads work."""
    return scripts.output_of(body, _PREAMBLE)


def numbers(first: int, count: int) -> Iterator[int]:
    yield from range(first, first + count)


@pytest.fixture
def threads_only() -> Iterator[None]:
    """The test runs in this process, which has two threads at least."""
    with scripts.one_more_thread():
        yield


class ForeignError(Exception):
    """An exception that this package does not know."""


ERRORS: list[Exception] = [
    DamagedArchive("The archive is damaged: so and so."),
    UnsafeArchive("The archive names /etc/passwd."),
    PrefixTooLong("Choose a shorter one."),
    PermissionError(13, "Permission denied", "/a/file"),
    OSError(28, "No space left on device"),
    KeyError("x"),
    MemoryError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
]


def raising(error: Exception, before: Sequence[int] = ()) -> Iterator[int]:
    yield from before
    raise error


# ------------------------------------------------------------- in one process


@pytest.mark.parametrize("workers", [-1, 0, 1])
def test_one_worker_does_the_tasks_in_order(workers: int) -> None:
    """Nothing is begun before its result is asked for, and the tasks come one after the other."""
    log: list[str] = []

    def task(number: int) -> Iterator[tuple[int, int]]:
        log.append(f"begin {number}")
        yield number, 0
        yield number, 1
        log.append(f"end {number}")

    results = spread([partial(task, number) for number in range(3)], workers)
    assert log == []
    assert next(results) == (0, 0)
    assert log == ["begin 0"]
    assert list(results) == [(0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert log == ["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"]


def test_one_task_needs_no_second_process(threads_only: None) -> None:
    """However many workers there are, one task is done by who asks for it."""
    threads = threading.active_count()
    seen = list(spread([lambda: iter([(os.getpid(), threading.active_count())])], 8))
    assert [(os.getpid(), threads)] == seen


@pytest.mark.parametrize("workers", [0, 1, 2, 50])
def test_nothing_to_do(workers: int, threads_only: None) -> None:
    """Without tasks there are no results."""
    tasks: list[Callable[[], Iterator[int]]] = []
    assert list(spread(tasks, workers)) == []


@pytest.mark.parametrize(("tasks", "workers"), [(2, 2), (30, 3), (3, 30), (1, 4)])
def test_threads_bring_every_result(tasks: int, workers: int, threads_only: None) -> None:
    """More tasks than threads or fewer, and tasks of no results, one, or several."""
    work = [partial(numbers, 10 * task, task % 4) for task in range(tasks)]
    expected = [number for task in range(tasks) for number in range(10 * task, 10 * task + task % 4)]
    assert expected == sorted(spread(work, workers))


def test_threads_are_of_this_process(threads_only: None) -> None:
    """Where another thread runs, nobody forks: not even with many tasks."""
    assert {os.getpid()} == set(spread([lambda: iter([os.getpid()])] * 8, 4))


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_itself(error: Exception, workers: int, threads_only: None) -> None:
    """Inline and from a thread, what a task raises is what arrives."""
    tasks: list[Callable[[], Iterator[int]]] = [partial(raising, error), *[partial(numbers, 0, 2)] * 3]
    with pytest.raises(type(error)) as caught:
        list(spread(tasks, workers))
    assert error is caught.value


def test_threads_stop_at_an_error(threads_only: None) -> None:
    """What has not begun when one task fails is not done any more, and no thread of it is left."""
    begun = []

    def short(number: int) -> Iterator[int]:
        begun.append(number)
        time.sleep(0.005)
        return iter(())

    before = threading.active_count()
    tasks: list[Callable[[], Iterator[int]]] = [partial(raising, DamagedArchive("no"))]
    tasks += [partial(short, number) for number in range(1000)]
    with pytest.raises(DamagedArchive):
        list(spread(tasks, 2))
    assert before == threading.active_count()
    assert len(begun) < 1000


def test_threads_stop_with_their_consumer(threads_only: None) -> None:
    """A consumer that has enough leaves no threads behind."""
    before = threading.active_count()
    results = iter(spread([partial(numbers, 0, 3)] * 20, 3))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert before == threading.active_count()


# ------------------------------------------------------------------ processes


@pytest.mark.parametrize(
    ("tasks", "workers"),
    [(2, 2), (25, 3), (3, 4), (2, 20)],
    ids=["as many", "more tasks", "one worker more", "more workers"],
)
def test_processes_bring_every_result(tasks: int, workers: int) -> None:
    """From no more processes than there are tasks, none of them this one, and all of them gone afterwards."""
    lines = output_of(f"""
        open_files = os.listdir("/dev/fd")
        found = list(spread([partial(numbers, 10 * n, n % 4) for n in range({tasks})], {workers}))
        print(sorted(number for number, _ in found))
        pids = {{pid for _, pid in found}}
        print(os.getpid() in pids, len(pids) <= min({tasks}, {workers}))
        print(no_children(), len(os.listdir("/dev/fd")) - len(open_files))
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        print(blocked & {{signal.SIGINT, signal.SIGTERM}}, signal.getsignal(signal.SIGINT).__name__)
    """)
    expected = [number for task in range(tasks) for number in range(10 * task, 10 * task + task % 4)]
    assert [str(expected), "False True", "no children 0", "set() default_int_handler"] == lines


def test_processes_are_forked_for_several_tasks() -> None:
    """Two tasks that are under way together are in two processes; none and one are in none."""
    lines = output_of("""
        results = spread([pids_and_rest] * 2, 2)
        pids = {next(results), next(results)}
        print(len(pids), os.getpid() in pids)
        results.close()
        print(list(spread([], 4)), list(spread([lambda: iter([os.getpid()])], 4)) == [os.getpid()])
        print(no_children())
    """)
    assert lines == ["2 False", "[] True", "no children"]


def test_one_process_brings_results_in_order() -> None:
    """Those of one task as it gave them, though there are more of them than a pipe holds."""
    lines = output_of("""
        sizes = [1, 10, 1_000_000, 0, 3_000_000, 5]
        def large(mark):
            for size in sizes:
                yield mark, mark * size
        found = list(spread([partial(large, mark) for mark in (b"a", b"b", b"c")], 2))
        for mark in (b"a", b"b", b"c"):
            print([len(data) for whose, data in found if whose == mark] == sizes)
        print({mark * len(data) == data for mark, data in found}, no_children())
    """)
    assert lines == ["True", "True", "True", "{True} no children"]


def test_processes_begin_tasks_in_order() -> None:
    """Each process is given its tasks in their order."""
    lines = output_of("""
        found = list(spread([partial(numbers, n, 1) for n in range(20)], 3))
        for pid in {pid for _, pid in found}:
            mine = [number for number, whose in found if whose == pid]
            print(mine == sorted(mine))
    """)
    assert {"True"} == set(lines)


def test_nobody_forks_beside_a_thread() -> None:
    """Where another thread runs, threads do the work."""
    lines = output_of("""
        end = threading.Event()
        other = threading.Thread(target=end.wait)
        other.start()
        print({pid for _, pid in spread([partial(numbers, 0, 2)] * 6, 3)} == {os.getpid()})
        end.set()
        other.join()
        print(os.getpid() in {pid for _, pid in spread([partial(numbers, 0, 2)] * 6, 3)})
    """)
    assert lines == ["True", "False"]


def test_an_error_comes_from_a_process_as_it_is() -> None:
    """Its kind, what it was made of and what it says; afterwards no process is left, even at work."""
    lines = output_of("""
        class Own(Exception):
            pass
        errors = [
            DamagedArchive("The archive is damaged: so and so."), UnsafeArchive("ü"),
            PermissionError(13, "Permission denied", "/a/file"), OSError(28, "No space left on device"),
            KeyError("x"), MemoryError(), EOFError("early"), StopIteration, Own(1, "two"),
            UnicodeDecodeError("utf-8", b"\\xff", 0, 1, "invalid start byte"),
        ]
        def failing(error):
            yield "first"
            raise error
        for error in errors[:7] + errors[8:]:
            found = []
            try:
                found += spread([partial(failing, error), pids_and_rest, pids_and_rest], 3)
            except Exception as caught:
                same = (type(caught), caught.args, str(caught)) == (type(error), error.args, str(error))
                print(same and getattr(error, "filename", None) == getattr(caught, "filename", None))
            print(no_children())
    """)
    assert lines == ["True", "no children"] * 9


def test_results_before_an_error_come_before_it() -> None:
    """What a task gave until it failed is not lost."""
    lines = output_of("""
        def failing():
            yield from range(5)
            raise ValueError("five")
        found = []
        try:
            for result in spread([failing, partial(pids_and_rest, 600)], 2):
                found.append(result)
        except ValueError as error:
            print([result for result in found if result < 5], error)
    """)
    assert lines == ["[0, 1, 2, 3, 4] five"]


@pytest.mark.parametrize("which", ["first", "second", "last"])
def test_killed_process(which: str) -> None:
    """A process that was killed, as for want of memory, is told of: which, and what to do."""
    number = ["first", "second", "last"].index(which)
    (line, *rest) = output_of(f"""
        results = spread([pids_and_rest] * 3, 3)
        pid = sorted(next(results) for _ in range(3))[{number}]
        os.kill(pid, signal.SIGKILL)
        try:
            list(results)
        except CondaPackException as error:
            print(str(error).replace(f" {{pid}} ", " PID "), type(error) is CondaPackException)
        print(no_children())
    """)
    assert "The worker process PID was killed" in line
    assert "fewer threads (-j)" in line
    assert line.endswith(" True")
    assert rest == ["no children"]


def test_killed_before_its_first_result() -> None:
    """A process that dies of its very first task is told of."""
    lines = output_of("""
        def dying():
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            list(spread([dying, dying, dying, dying, dying], 2))
        except CondaPackException as error:
            print("was killed" in str(error), no_children())
    """)
    assert lines == ["True no children"]


def test_killed_between_two_tasks() -> None:
    """A process that has told of one task and dies before it gets its next."""
    lines = output_of("""
        def first():
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0.3)  # by then it waits for the next
            yield os.getpid()
        tasks = [first, lambda: iter(time.sleep(600) or ())] + [pids_and_rest] * 4
        results = spread(tasks, 2)
        wait_for_death(next(results))
        try:
            list(results)
        except Exception as error:
            print(type(error).__name__, "was killed" in str(error))
        print(no_children())
    """)
    assert lines == ["CondaPackException True", "no children"]


def test_killed_within_a_result() -> None:
    """A process that dies while it tells of a large result, of which the first half has arrived."""
    lines = output_of("""
        def dying():
            yield os.getpid()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0.3)  # by then it waits for somebody to take the rest
            yield bytes(5_000_000)
        results = spread([dying, partial(time.sleep, 600)], 2)
        wait_for_death(next(results))
        try:
            list(results)
        except Exception as error:
            print(type(error).__name__, "was killed" in str(error))
        print(no_children())
    """)
    assert lines == ["CondaPackException True", "no children"]


def test_an_error_of_a_connection_is_itself() -> None:
    """A task's own ConnectionError (of a network file system) is not taken for the end of its process."""
    lines = output_of("""
        def failing():
            raise ConnectionResetError(104, "Connection reset by peer", "/net/file")
        try:
            list(spread([failing] * 2, 2))
        except Exception as error:
            print(type(error).__name__, error)
    """)
    assert lines == ["ConnectionResetError [Errno 104] Connection reset by peer: '/net/file'"]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("type('Local', (Exception,), {})('nobody can pickle me')", "nobody can pickle me"),
        ("Picky('this', 'that')", "this and that"),
    ],
    ids=["cannot be sent", "cannot be received"],
)
def test_an_error_that_cannot_travel(raised: str, told: str) -> None:
    """It is told of in some way, and not as a process that was killed."""
    (line,) = output_of(f"""
        class Picky(Exception):
            def __init__(self, one, two):
                super().__init__(f"{{one}} and {{two}}")
        def failing():
            raise {raised}
        try:
            list(spread([failing] * 2, 2))
        except Exception as error:
            print(repr(error))
    """)
    assert told in line


# ------------------------------------------------------- when somebody stops it


@pytest.mark.parametrize(
    "how",
    ["results.close()", "del results", "results.throw(KeyboardInterrupt)"],
    ids=["closed", "forgotten", "interrupted"],
)
def test_consumer_has_enough(how: str) -> None:
    """The processes go with the generator of their results, in the middle of their work."""
    lines = output_of(f"""
        results = spread([pids_and_rest] * 9, 3)
        next(results)
        try:
            {how}
        except KeyboardInterrupt:
            print("interrupted")
        print(no_children())
    """)
    assert lines[-1] == "no children"


def test_consumer_is_interrupted() -> None:
    """An interrupt in the midst of the consumer's own work ends the processes before it gets on."""
    lines = output_of("""
        try:
            for _ in spread([pids_and_rest] * 9, 3):
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            print("interrupted", no_children())
    """)
    assert lines == ["interrupted no children"]


_UNTIL_STOPPED = """
        def working():
            yield os.getpid()
            while True:
                time.sleep(0.01)
                yield 0
        try:
            for result in spread([working] * 9, 3):
                if result:
                    print(result, flush=True)
        except BaseException as error:
            print(type(error).__name__, no_children())
"""


def three_pids(process: subprocess.Popen[str]) -> list[int]:
    """Those of the three processes of a script that works until it is stopped, once all are at work."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(3)]


def test_ctrl_c_reaches_the_whole_group() -> None:
    """Nobody has anything to say but the one who gave the work, and all are gone."""
    with scripts.start(_UNTIL_STOPPED, _PREAMBLE) as process:
        assert len(set(three_pids(process))) == 3
        os.killpg(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=scripts.ENOUGH)
    assert (out, errors) == ("KeyboardInterrupt no children\n", "")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_ctrl_c_is_no_matter_of_the_processes() -> None:
    """They go on with their work until who gave it ends them."""
    lines = output_of("""
        def interrupted():
            os.kill(os.getpid(), signal.SIGINT)
            yield "went on"
        print(list(spread([interrupted] * 4, 2)), no_children())
    """)
    assert [f"{['went on'] * 4} no children"] == lines


def test_nobody_works_for_a_dead_process() -> None:
    """Where who gave the work is killed, its processes end by themselves, without a word."""
    with scripts.start(_UNTIL_STOPPED, _PREAMBLE) as process:
        assert len(set(three_pids(process))) == 3
        process.kill()
        out, errors = process.communicate(timeout=scripts.ENOUGH)  # which ends when the last of them does
    assert (process.returncode, out, errors) == (-signal.SIGKILL, "", "")


def test_terminated_processes_are_told_of() -> None:
    """SIGTERM to a process ends it, whatever the one that gave the work makes of that signal."""
    lines = output_of("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        results = spread([pids_and_rest] * 2, 2)
        os.kill(next(results), signal.SIGTERM)
        try:
            list(results)
        except CondaPackException as error:
            print("was killed" in str(error), no_children())
    """)
    assert lines == ["True no children"]


def test_what_was_written_is_written_once() -> None:
    """What the script has not yet flushed to its output is not written again by its processes."""
    lines = output_of("""
        sys.stdout.write("once")
        print(len(list(spread([partial(numbers, 0, 1)] * 6, 3))))
    """)
    assert lines == ["once6"]
