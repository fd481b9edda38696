"""What lies in the archive's own JSON, read and written by many threads at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conda_pack.segments.schema import FileEntry, OffsetGroup, with_relocation

#: In each of many processes, threads meet at a barrier and are then the first to need a type.
FIRST = """
import os, sys, threading
from conda_pack.segments import schema

ENTRY = schema.FileEntry("a", size=1, sha256="0")
FIELDS = {"prefix_placeholder": "/x", "file_mode": "text", "offsets": [{"encoding": "utf-8", "ranges": [1]}]}
RECORD = schema.PackRecord(1, "a", "a-1-0", None, [schema.with_relocation(ENTRY, FIELDS)], [])
DATA = schema.encode(RECORD)
THREADS = 4


def child():
    sys.setswitchinterval(1e-6)
    barrier, good = threading.Barrier(THREADS), []

    def work():
        barrier.wait()
        entry = schema.with_relocation(ENTRY, FIELDS)
        good.append(schema.decode_record(DATA, "a") == RECORD and [entry] == RECORD.files)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    os._exit(0 if good == [True] * THREADS else 1)


def run():
    child_id = os.fork()
    return os.waitpid(child_id, 0)[1] if child_id else child()


print({run() for _ in range(40)})
"""


def test_offsets_are_typed() -> None:
    fields = {"file_mode": "binary", "offsets": [{"encoding": "utf-8", "ranges": [1, [2, 3]]}]}
    expected = FileEntry("a", size=3, file_mode="binary", offsets=[OffsetGroup("utf-8", [1, [2, 3]])])
    assert expected == with_relocation(FileEntry("a", size=3), fields)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_threads_may_be_the_first_to_need_a_type() -> None:
    """msgspec.convert, used by two threads at once, crashed one packing in 400."""
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=False)
    expected = ("{0}\n", "")
    assert expected == (done.stdout, done.stderr)
