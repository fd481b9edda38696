"""Which Python a file's syntax asks for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conda_pack.sources.imports.scanning import scan
from conda_pack.sources.imports.syntax import newer_python

OLD = [
    "x = 'a'",
    "with (open(a)) as b: pass",
    "with (a), (b): pass",
    "with open(a) as b, open(c) as d: pass",
    "f(*a, **b)",
    "x = 1, *a",
    "def f(): return (1, *a)",
    "match = 1\nmatch[1]",
    "type = 1",
    "@a.b(c)\ndef f(): pass",
    "'{a=}'",
]
SINCE = [
    ("x = f'{a}'", 6),
    ("x: int = 1", 6),
    ("x = 1_000", 6),
    ("x = 0x_ff", 6),
    ("async def f():\n    return [i async for i in x]", 6),
    ("from __future__ import annotations", 7),
    ("(x := 1)", 8),
    ("def f(a, /, b): pass", 8),
    ("lambda a, /: a", 8),
    ("f'{a=}'", 8),
    ("f'{a = !r:>5}'", 8),
    ("f'{a}={b}'", 6),
    ("f'{a == b}'", 6),
    ("f'{a:=^10}'", 6),
    ("def f():\n    return 1, *a", 8),
    ("def f():\n    yield 1, *a", 8),
    ("@a[0]\ndef f(): pass", 9),
    ("with (open(a) as b, open(c) as d):\n    pass", 9),
    ("with (a as b):\n    pass", 9),
    ("for x in *a, *b: pass", 9),
    ("match a:\n    case 1: pass", 10),
]
SINCE_311 = [
    ("try: pass\nexcept* A: pass", 11),
    ("a[*b]", 11),
    ("a[1, *b]", 11),
    ("def f(*args: *Ts): pass", 11),
]
SINCE_312 = [
    ("type X = int", 12),
    ("def f[T](a): pass", 12),
    ("class A[T]: pass", 12),
    ("f'{a['b']}'", 12),
    ("f'{\"\\n\".join(a)}'", 12),
    ("f'{a # c\n}'", 12),
    ("f'{f'{x}'}'", 12),
    ("f'{f\"{x}\"}'", 6),
    ("f'{a[\"b\"]}'", 6),
    ("f'''{a\n}'''", 6),
    ("(f'a' 'b' f'{c[\"d\"]}')", 6),
]
NEWEST = [("type X[T = int] = T", 13), ("t'{x}'", 14), ("try: pass\nexcept A, B: pass", 14)]
#: What this Python is able to read.
READABLE = [
    *SINCE,
    *(SINCE_311 if sys.version_info >= (3, 11) else []),
    *(SINCE_312 if sys.version_info >= (3, 12) else []),
    *(case for case in NEWEST if sys.version_info >= (3, case[1])),
]
UNREADABLE = [
    case
    for case in (*SINCE_311[:1], *SINCE_312[:5], SINCE_312[6], *NEWEST)
    if sys.version_info < (3, case[1])
]


@pytest.mark.parametrize(("text", "minor"), [*((text, 0) for text in OLD), *READABLE])
def test_since(text: str, minor: int, work: Path) -> None:
    file = work / "a.py"
    file.write_text(text)
    assert ((3, minor), ()) == (scan([str(file)]).python.lower, scan([str(file)]).problems)


@pytest.mark.parametrize(("text", "minor"), READABLE)
def test_vermin_agrees(text: str, minor: int, work: Path) -> None:
    """No less than vermin finds, which knows what modules and functions are new, too."""
    pytest.importorskip("vermin")
    if "async for" in text:
        pytest.skip("vermin says 3.7; Python 3.6 reads it")
    file = work / "a.py"
    file.write_text(text)
    command = [sys.executable, "-m", "vermin", "--no-tips", "--eval-annotations", str(file)]
    code = "import sys, vermin; sys.argv[0] = 'vermin'; vermin.main()"
    command[1:3] = ["-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    version = re.search(r"Minimum required versions:.*\b3\.(\d+)", said)
    assert (int(version[1]) if version else 0) <= minor, said


@pytest.mark.parametrize(("text", "minor"), UNREADABLE)
def test_a_newer_python_is_asked_for(text: str, minor: int, work: Path) -> None:
    """Where ours cannot read a file that a newer one may be able to read."""
    file = work / "a.py"
    file.write_text(f"import numpy\n{text}\n")
    (problem,) = scan([str(file)]).problems
    running = f"runs on Python 3.{sys.version_info[1]}"
    assert running in problem.text
    assert re.search(r"to read syntax of Python 3\.1[1234], run it on that or a newer one", problem.text)


@pytest.mark.parametrize("text", ["import", "x = = 1", "print 'hello'", "def f(:\n pass", "class A pass"])
def test_no_newer_python_helps(text: str, work: Path) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile(text, "a.py", "exec")
    assert None is newer_python(caught.value)


def test_a_check_of_the_version(work: Path) -> None:
    file = work / "a.py"
    file.write_text("import sys\nif sys.version_info < (3, 8):\n    sys.exit('needs 3.8')\nimport numpy\n")
    found = scan([str(file)])
    assert found.python.lower == (3, 8)
    assert [(each.text, each.kind, each.condition) for each in found.imports] == [("numpy", "required", None)]
