"""The Python in notebooks' cells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conda_pack.sources.imports.notebooks import NotANotebook, python_cells, python_text
from conda_pack.sources.imports.scanning import scan


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import a\n", "import a\n"),
        ("%matplotlib inline\nimport a", "import matplotlib\nimport a"),
        ("%pylab", "import matplotlib, numpy"),
        ("%load_ext cython\n%load_ext autoreload", "__import__('cython')\npass"),
        ("%time import a\n%timeit -n 10 -r3 b = 1\n%time %cd x", "import a\nb = 1\npass"),
        ("!pip install 'a\nimport b", "pass\nimport b"),
        ("!ls (\nimport b", "pass\nimport b"),
        ("!a \\\n  b\nimport c", "pass\n\nimport c"),
        ("files = !ls *.py\nx.y[0] = %who\nimport z", "files = None\nx.y[0] = None\nimport z"),
        ("a?\n?b\nc.d??\n%e?", "pass\npass\npass\npass"),
        ("def f():\n    %cd x\n    !ls", "def f():\n    pass\n    pass"),
        ("x = (1\n%  y)", "x = (1\n%  y)"),
        ("x = 1 \\\n % y", "x = 1 \\\n % y"),
        ('s = """\n%not\n\\"""\n!not\n"""\n%cd', 's = """\n%not\n\\"""\n!not\n"""\npass'),
        ("s = 'it\\'s'  # don't (\n%cd", "s = 'it\\'s'  # don't (\npass"),
        ("{'a': [\n!x\n]}\n!x", "{'a': [\n!x\n]}\npass"),
        ("a %= 3\nb = c % d", "a %= 3\nb = c % d"),
        ("\n%%time\nimport a", "\n\nimport a"),
        ("%%bash\nimport a", ""),
        ("%%html\n<a>", ""),
        ("%%cython\ncimport a", ""),
        ("import a\r\n%cd\r\n", "import a\npass\n"),
        ("", ""),
    ],
)
def test_python_of_a_cell(source: str, text: str) -> None:
    assert text == python_text(source)


def notebook(*cells: object, **metadata: object) -> bytes:
    found = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": found}).encode()


def test_cells() -> None:
    data = json.loads(notebook("import a", ["import b\n", "import c"]))
    data["cells"].insert(0, {"cell_type": "markdown", "source": "import x"})
    cells = python_cells(json.dumps(data).encode())
    assert [(cell.number, cell.text) for cell in cells] == [(2, "import a"), (3, "import b\nimport c")]


def test_nbformat_3() -> None:
    data = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["import a"]}]}], "metadata": {}}
    assert [cell.text for cell in python_cells(json.dumps(data).encode())] == ["import a"]


@pytest.mark.parametrize(
    ("metadata", "count"),
    [
        ({"kernelspec": {"language": "R"}}, 0),
        ({"language_info": {"name": "julia"}}, 0),
        ({"kernelspec": {"language": "python"}, "language_info": {"name": "python"}}, 1),
        ({"kernelspec": 3}, 1),
    ],
)
def test_languages(metadata: dict[str, object], count: int) -> None:
    assert count == len(python_cells(notebook("import a", **metadata)))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"cells": 3}', b'{"worksheets": [3]}', b"[" * 100_000, b"\xff"]
)
def test_no_notebook(data: bytes) -> None:
    with pytest.raises(NotANotebook, match="is no notebook"):
        python_cells(data)


def test_places_are_cells_and_their_lines(work: Path) -> None:
    file = work / "a.ipynb"
    file.write_bytes(notebook("%cd\nimport numpy", "x = (", "import numpy\nimport scipy"))
    found = scan([str(file)])
    assert {
        "numpy": [f"{file}:cell 1:2", f"{file}:cell 3:1"],
        "scipy": [f"{file}:cell 3:2"],
    } == {each.text: [place.text for place in each.places] for each in found.imports}
    assert [f"{file}:cell 2:1: '(' was never closed"] == [problem.text for problem in found.problems]
