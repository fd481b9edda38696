"""Imports in an environment's own Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from conda_pack.errors import SourceProblem
from conda_pack.sources.imports.proving import Failure, prove

MODULES = {
    "fine": "",
    "noisy": "import sys\nprint('no line of ours')\nsys.stderr.write('x' * 100000)",
    "broken": "raise ValueError('first line\\nlast line')",
    "leaving": "import sys\nsys.exit(3)",
    "crashing": "import os\nos.kill(os.getpid(), 11)",
    "vanishing": "import os\nos.write(2, b'so long\\n')\nos._exit(7)",
    "hanging": "import time\ntime.sleep(1000)",
    "threads": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "children": "import subprocess\nsubprocess.Popen(['sleep', '20'])",
    "writing": "import os\nopen('left', 'w')\nopen(os.path.expanduser('~/left'), 'w')",
    "curious": "import os\nassert os.listdir('.') == []\nassert 'PYTHONPATH' not in os.environ",
    "attributes": "here = 1\nimport sys\nsys.modules['attributes.made'] = sys",
    "first": "import builtins\nbuiltins.first = True",
    "second": "import builtins\nassert not hasattr(builtins, 'first')",
}


@pytest.fixture
def prefix(work: Path) -> Path:
    """A virtual environment, which has the layout, with these modules."""
    target = work / "env"
    site = target / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    site.mkdir(parents=True)
    (target / "bin").mkdir()
    (target / "bin" / "python").symlink_to(sys.executable)
    (target / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    for name, text in MODULES.items():
        (site / f"{name}.py").write_text(text)
    (site / "package").mkdir()
    (site / "package" / "__init__.py").write_text("")
    (site / "package" / "sub.py").write_text("")
    (site / "package" / "bad.py").write_text("import missing_thing")
    return target


def test_failures(prefix: Path) -> None:
    modules = [
        ("fine", None),
        ("noisy", None),
        ("broken", None),
        ("package", "sub"),
        ("package", "bad"),
        ("package.sub", None),
        ("leaving", None),
        ("crashing", None),
        ("attributes", "here"),
        ("attributes", "gone"),
        ("vanishing", None),
        ("missing", "x"),
        ("fine", None),
    ]
    assert [
        Failure("broken", None, "ValueError: last line"),
        Failure("package", "bad", "ModuleNotFoundError: No module named 'missing_thing'"),
        Failure("leaving", None, "SystemExit: 3"),
        Failure("crashing", None, "was ended by SIGSEGV"),
        Failure(
            "attributes",
            "gone",
            "ModuleNotFoundError: No module named 'attributes.gone'; 'attributes' is not a package",
        ),
        Failure("vanishing", None, "ended with exit code 7: so long"),
        Failure("missing", "x", "ModuleNotFoundError: No module named 'missing'"),
    ] == prove(str(prefix), modules)


def test_time_is_limited(prefix: Path) -> None:
    """For each import; the others go on."""
    assert [Failure("hanging", None, "took more than 1 seconds")] == prove(
        str(prefix), [("hanging", None), ("fine", None), ("threads", None), ("children", None)], 1
    )


def test_only_what_fails_alone_has_failed(prefix: Path) -> None:
    assert prove(str(prefix), [("first", None), ("second", None)]) == []


def test_nothing_is_seen_and_nothing_is_left(
    prefix: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the user's PYTHONPATH, folder and home; not a file of the modules', nor bytecode."""
    (work / "own").mkdir()
    (work / "own" / "missing.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(work / "own"))
    monkeypatch.chdir(work / "own")
    monkeypatch.setenv("TMPDIR", str(work / "tmp"))
    (work / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(work / "tmp"))
    before = sorted(prefix.rglob("*"))
    modules = [("curious", None), ("writing", None), ("missing", None)]
    assert [failure.module for failure in prove(str(prefix), modules)] == ["missing"]
    assert (before, []) == (sorted(prefix.rglob("*")), os.listdir(work / "tmp"))
    assert not (Path.home() / "left").exists()


def test_more_than_a_command_line_takes(prefix: Path) -> None:
    modules = [(f"missing_{number}_{'x' * 400}", None) for number in range(60)] + [("fine", None)] * 5000
    assert len(prove(str(prefix), modules)) == 60


def test_nothing_to_prove(prefix: Path) -> None:
    assert prove(str(prefix), []) == []


def test_no_python(work: Path) -> None:
    with pytest.raises(SourceProblem, match="has no Python"):
        prove(str(work), [("fine", None)])


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("#!/bin/sh\necho no luck >&2\nexit 3\n", 0o755, "does not run: it ended with exit code 3: no luck"),
        ("#!/nowhere/python\n", 0o755, "cannot be started: No such file"),
        ("#!/bin/sh\n", 0o644, "cannot be started: Permission denied"),
    ],
)
def test_a_python_that_does_not_run(text: str, mode: int, message: str, work: Path) -> None:
    (work / "bin").mkdir()
    (work / "bin" / "python").write_text(text)
    (work / "bin" / "python").chmod(mode)
    with pytest.raises(SourceProblem, match=message):
        prove(str(work), [("fine", None)])
