"""The Python in a Jupyter notebook: its code cells, with what IPython alone understands taken out.

The form of notebooks is nbformat's (3 and 4), that of magics IPython's: a statement that begins with ``%``,
``!``, ``?``, or one of ``,;/``; one that ends in ``?``; the values ``%magic`` and ``!command`` of an
assignment; and cells whose first line begins with ``%%``.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: ``%%magics`` whose cell is Python in the notebook's own environment.
_PYTHON_CELLS = frozenset({"capture", "prun", "python", "python3", "time", "timeit"})
#: ``%magics`` after whose options there is a statement.
_BEFORE_STATEMENTS = frozenset({"prun", "time", "timeit"})
#: What ``%load_ext`` loads of IPython's own.
_OWN_EXTENSIONS = frozenset({"autoreload", "storemagic"})

_MAGIC = re.compile(r"(\s*)([%!?,;/])")
_HELP = re.compile(r"""\s*[%\w.*\[\]'"]+\?{1,2}\s*$""")
_ASSIGNED = re.compile(r"(\s*[\w\[(*][\w\[\]()., *]*=\s*)[!%]\s*\S")
_LINE_MAGIC = re.compile(r"\s*%\s*(\w+)\s*(.*)", re.DOTALL)
_OPTION = re.compile(r"-(?:[nrlsT]\s*\S+|\w+)\s+")
_TOKENS = re.compile(r"""'{3}|"{3}|['"]|\#[^\n]*|\\(?:\n|.)|[()\[\]{}]|\n""")
_OPENING, _CLOSING = "([{", ")]}"
_END_OF_LINE = re.compile(r"(?:\\\n|[^\n])*")
#: How a string ends; one within a line ends with that, whatever it lacks.
_ENDS = {
    quote: re.compile(rf"\\(?:\n|.)|{quote}" + ("" if len(quote) == 3 else r"|(?=\n)"), re.DOTALL)
    for quote in ("'", '"', "'" * 3, '"' * 3)
}


class NotANotebook(ValueError):
    """The text is no notebook: says why."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell: its number among all cells, from 1, and its Python, line by line as it was."""

    number: int
    text: str


def python_cells(data: bytes) -> list[Cell]:
    """The Python of a notebook; none if it is one in another language. Raises NotANotebook."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotANotebook(f"is no notebook: {error}") from None
    if not isinstance(notebook, dict):
        raise NotANotebook("is no notebook: it is not an object")
    sheets = notebook.get("worksheets", [notebook])  # one more level, in nbformat 3
    if not (isinstance(sheets, list) and all(isinstance(sheet, dict) for sheet in sheets)):
        raise NotANotebook("is no notebook: worksheets are not objects")
    cells = [cell for sheet in sheets for cell in _list(sheet.get("cells", []))]
    if not _is_python(notebook.get("metadata")):
        return []
    return [
        Cell(number, python_text(source))
        for number, cell in enumerate(cells, 1)
        if (source := _source(cell)) is not None
    ]


def python_text(source: str) -> str:
    """A cell's Python: what is IPython's becomes Python that imports the same, in as many lines."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    cell_magic = re.match(r"%%\s*(\w*)", lines[first])
    if cell_magic is not None:
        if cell_magic[1] not in _PYTHON_CELLS:
            return ""
        lines[first] = ""
    return "".join(_replaced("\n".join(lines)))


def _replaced(text: str) -> Iterator[str]:
    """The parts of a text, with Python in the place of each statement of IPython's."""
    position = 0
    is_start = True  # of a statement: not in brackets, nor in a string, nor after a backslash
    depth = 0
    while position < len(text):
        if is_start:
            end = _END_OF_LINE.search(text, position).end()  # type: ignore[union-attr]  # matches anywhere
            line = text[position:end]
            if _is_ipython(line):
                yield _as_python(line.replace("\\\n", " ")) + "\n" * line.count("\n")
                position = end
        token = _TOKENS.search(text, position)
        end = len(text) if token is None else _end_of_string(text, token)
        found = "" if token is None else token[0]
        depth = max(0, depth + (found in _OPENING) - (found in _CLOSING)) if found else 0
        is_start = found == "\n" and depth == 0
        yield text[position:end]
        position = end


def _end_of_string(text: str, opening: re.Match[str]) -> int:
    """Where a string ends, if a token begins one, else where the token ends."""
    end = opening.end()
    pattern = _ENDS.get(opening[0])
    while pattern is not None:
        closing = pattern.search(text, end)
        if closing is None:
            return len(text)
        end = closing.end()
        if not closing[0].startswith("\\"):
            break
    return end


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NotANotebook("is no notebook: cells are no list")
    return value


def _is_python(metadata: Any) -> bool:
    """Whether the notebook says that it is in Python, or says nothing."""
    metadata = metadata if isinstance(metadata, dict) else {}
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        said = metadata.get(part)
        language = said.get(key) if isinstance(said, dict) else None
        if isinstance(language, str) and language.lower() not in ("python", "ipython", ""):
            return False
    return True


def _source(cell: Any) -> str | None:
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _is_ipython(line: str) -> bool:
    return any(pattern.match(line) for pattern in (_MAGIC, _HELP, _ASSIGNED))


def _as_python(line: str) -> str:
    """A statement of IPython's as one of Python's."""
    assigned = _ASSIGNED.match(line)
    if assigned is not None and _MAGIC.match(line) is None:
        return f"{assigned[1]}None"
    indent = line[: len(line) - len(line.lstrip())]
    magic = _LINE_MAGIC.match(line)
    return indent + (_of_magic(magic[1], magic[2]) if magic is not None else "pass")


def _of_magic(name: str, rest: str) -> str:
    if name == "matplotlib":
        return "import matplotlib"
    if name == "pylab":
        return "import matplotlib, numpy"
    if name == "load_ext" and re.fullmatch(r"[^\W\d][\w.]*\s*", rest) and rest.strip() not in _OWN_EXTENSIONS:
        return f"__import__({rest.strip()!r})"
    if name in _BEFORE_STATEMENTS:
        while option := _OPTION.match(rest):
            rest = rest[option.end() :]
        try:
            ast.parse(rest)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return "pass"
        return rest.strip() or "pass"
    return "pass"
