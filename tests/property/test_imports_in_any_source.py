"""What holds for any source: what was put in is found, and nothing that is read can stop the scanner."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from conda_pack.sources.imports.conditions import Target, holds
from conda_pack.sources.imports.model import KINDS, Kind, Versions
from conda_pack.sources.imports.needs import needs
from conda_pack.sources.imports.notebooks import python_text
from conda_pack.sources.imports.scanning import scan
from tests.support.properties import UNHURRIED

PLATFORM = "win-64"

#: An import, the kind that it is meant to have on PLATFORM (None: left out), and the lines that make it so.
Case = tuple[Kind | None, list[str]]


def _wrapped(before: list[str], kind: Kind | None, after: list[str]) -> st.SearchStrategy[Case]:
    def wrap(inner: Case) -> Case:
        found, lines = inner
        weaker = None if found is None or kind is None else max(found, kind, key=KINDS.index)
        return weaker, [*before, *(f"    {line}" for line in lines), *after]

    return st.builds(wrap, st.deferred(lambda: cases))


plain: st.SearchStrategy[Case] = st.sampled_from(
    [["import MODULE"], ["import MODULE.sub as x"], ["from MODULE import x, y"], ["from MODULE.sub import *"]]
).map(lambda lines: ("required", lines))
wrappers: list[st.SearchStrategy[Case]] = [
    _wrapped(["def f():"], "required", []),
    _wrapped(["class A:"], "required", []),
    _wrapped(["for x in y:"], "required", ["else:", "    pass"]),
    _wrapped(["with x as y:"], "required", []),
    _wrapped(["try:"], "optional", ["except ImportError:", "    pass"]),
    _wrapped(["try:", "    pass", "except Exception:"], "optional", []),
    _wrapped(["try:"], "required", ["except OSError:", "    pass"]),
    _wrapped(["with contextlib.suppress(ImportError):"], "optional", []),
    _wrapped(["if TYPE_CHECKING:"], "type_checking", []),
    _wrapped(["if TYPE_CHECKING:", "    pass", "else:"], "required", []),
    _wrapped(["if sys.platform == 'win32':"], "required", ["else:", "    pass"]),
    _wrapped(["if sys.platform == 'win32':", "    pass", "elif x:"], None, []),
    _wrapped(["if os.name == 'posix':"], None, []),
    _wrapped(["if os.name == 'posix':", "    pass", "else:"], "required", []),
    _wrapped(["if x:"], "conditional", []),
    _wrapped(["if x:", "    pass", "else:"], "conditional", []),
    _wrapped(["match x:", "    case 1:"], "conditional", []).map(
        lambda case: (case[0], [*case[1][:2], *(f"    {line}" for line in case[1][2:])])
    ),
]
cases: st.SearchStrategy[Case] = st.one_of(plain, plain, *wrappers)


@UNHURRIED
@given(generated=st.lists(cases, max_size=6), as_notebook=st.booleans())
def test_what_is_put_in_is_found(generated: list[Case], as_notebook: bool) -> None:
    """However imports are nested, each has the kind that its surroundings give it."""
    text = "import contextlib, sys, os\n" + "\n".join(
        line.replace("MODULE", f"module{number}")
        for number, (_, lines) in enumerate(generated)
        for line in lines
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ("a.ipynb" if as_notebook else "a.py")
        cell = {"cell_type": "code", "source": text}
        file.write_text(json.dumps({"cells": [cell]}) if as_notebook else text)
        found = scan([str(file)])
    assert found.problems == ()
    result = needs(found, {}, PLATFORM)
    every = (*result.unresolved, *result.conditional, *result.optional, *result.type_checking)
    expected = {f"module{number}": kind for number, (kind, _) in enumerate(generated) if kind is not None}
    assert {need.name: need.kind for need in every} == expected


@UNHURRIED
@given(
    data=st.one_of(
        st.binary(max_size=400),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.text("import fromtyexcl :=()[]{}'\"\n\\#fb\t%!?*/@", max_size=200).map(str.encode),
        st.sampled_from(
            ["utf-16", "rot13", "hex", "utf-7", "nothing", "latin-1", "utf-8-sig", "idna", "punycode"]
        ).map(lambda name: f"# coding: {name}\nimport numpy\n\xe9\n".encode("latin-1")),
    ),
    suffix=st.sampled_from([".py", ".pyw", ".ipynb"]),
)
def test_nothing_stops_the_scanner(data: bytes, suffix: str) -> None:
    """A file is read, or it is a problem that names it; the file beside it is read."""
    with tempfile.TemporaryDirectory() as folder:
        file, other = Path(folder) / f"a{suffix}", Path(folder) / "b.py"
        file.write_bytes(data)
        other.write_text("import pandas")
        found = scan([folder])
        assert [str(file), str(other)] == list(found.files)
        assert "pandas" in [each.module for each in found.imports]
        assert {str(file)} >= {problem.path for problem in found.problems}
        needs(found, {}, PLATFORM)


@UNHURRIED
@given(text=st.text("ab =(['\"#\\\n%!?;)])x/,:", max_size=80))
def test_cells_keep_their_lines(text: str) -> None:
    """And Python that IPython has nothing to do with stays as it is."""
    try:
        compile(text, "cell", "exec", dont_inherit=True)
        is_python = "?" not in text and "%%" not in text
    except (SyntaxError, SyntaxWarning, ValueError):
        is_python = False
    result = python_text(text)
    assert result == text if is_python else result.count("\n") in (text.count("\n"), 0)


@UNHURRIED
@given(condition=st.text(max_size=60))
def test_any_text_is_a_condition(condition: str) -> None:
    assert holds(condition, Target(PLATFORM, Versions())) in (True, False, None)


def test_deep_nesting_is_a_problem(tmp_path: Path) -> None:
    for name, text in {
        "brackets": "(" * 10_000,
        "sum": "+".join(["x"] * 50_000) + "\nimport a",
        "not": "if " + "not " * 20_000 + "x:\n    import a",
        "elif": "if x: pass\n" + "elif x: import a\n" * 3000,
        "attribute": "x" + ".a" * 50_000,
        "blocks": "".join(f"{' ' * n}if x:\n" for n in range(200)) + " " * 200 + "import a",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "z.py").write_text("import pandas")
    found = scan([str(tmp_path)])
    assert (len(found.files), "pandas" in [each.module for each in found.imports]) == (7, True)
    assert {str(tmp_path / f"{name}.py") for name in ("brackets", "blocks")} <= {
        problem.path for problem in found.problems
    }
