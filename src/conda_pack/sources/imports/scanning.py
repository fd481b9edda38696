"""Files, notebooks and folders → what they import from elsewhere."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from conda_pack.sources.imports.files import NOTEBOOK, SourceFile, source_files
from conda_pack.sources.imports.model import Bound, Import, Kind, Place, Problem, Scan
from conda_pack.sources.imports.naming import is_known
from conda_pack.sources.imports.notebooks import NotANotebook, python_cells
from conda_pack.sources.imports.own_modules import OwnModules
from conda_pack.sources.imports.standard import is_in_every_python, is_standard
from conda_pack.sources.imports.statements import Found, Reader
from conda_pack.sources.imports.syntax import Use, newer_python, uses_of_expressions

#: What reading or taking apart a text can raise that is none of our own making: damaged or hostile files.
_UNREADABLE = (SyntaxError, ValueError, LookupError, RecursionError, MemoryError)


def scan(paths: Sequence[str]) -> Scan:
    """Everything that Python files and notebooks, and those in folders, import from elsewhere.

    A file that cannot be read is a problem, and the others are read all the same. Raises UsageError that
    names all paths that do not exist.
    """
    files, problems = source_files(paths)
    collected = _Collected(OwnModules(is_known), problems)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler, about the files
        for file in files:
            collected.read(file)
    return collected.scan()


@dataclass(slots=True)
class _Collected:
    own: OwnModules
    problems: list[Problem]
    files: list[str] = field(default_factory=list)
    imports: dict[tuple[str, str | None, Kind, str | None], list[Place]] = field(default_factory=dict)
    bounds: dict[tuple[str, tuple[int, int]], Bound] = field(default_factory=dict)

    def read(self, file: SourceFile) -> None:
        try:
            with open(file.path, "rb") as stream:
                data = stream.read()
        except OSError as error:
            self.problems.append(Problem(file.path, None, None, f"cannot be read: {error.strerror}"))
            return
        self.files.append(file.path)
        reader = Reader()
        if not file.path.endswith(NOTEBOOK):
            self._read_text(file, reader, None, data)
            return
        try:
            cells = python_cells(data)
        except NotANotebook as error:
            self.problems.append(Problem(file.path, None, None, str(error)))
            return
        for cell in cells:
            self._read_text(file, reader, cell.number, cell.text.encode("utf-8", "surrogatepass"))

    def _read_text(self, file: SourceFile, reader: Reader, cell: int | None, data: bytes) -> None:
        found, uses = len(reader.found), len(reader.uses)
        try:
            text = _decoded(data) if cell is None else data.decode()
            tree = ast.parse(text)
            reader.read(tree, text)
            known = max((bound.since or (0, 0) for bound in self.bounds.values()), default=(0, 0))
            reader.uses.extend(uses_of_expressions(tree, text, known))
        except _UNREADABLE as error:
            self.problems.append(_problem(file.path, cell, error))
        for each in reader.found[found:]:
            self._add(file, cell, each)
        for use in reader.uses[uses:]:
            self._add_use(file, cell, use)

    def _add(self, file: SourceFile, cell: int | None, found: Found) -> None:
        if not self.own.is_own(file, found.module, found.name):
            places = self.imports.setdefault((found.module, found.name, found.kind, found.condition), [])
            places.append(Place(file.path, found.line, cell))

    def _add_use(self, file: SourceFile, cell: int | None, use: Use) -> None:
        what, since, line = use
        if (what, since) not in self.bounds:
            self.bounds[what, since] = Bound(what, since, None, Place(file.path, line, cell))

    def scan(self) -> Scan:
        found = [Import(*key, tuple(places)) for key, places in sorted(self.imports.items(), key=_order)]
        standard = [each for each in found if is_standard(each.module)]
        return Scan(
            files=tuple(self.files),
            imports=tuple(each for each in found if not is_standard(each.module)),
            standard=tuple(each for each in standard if not is_in_every_python(each.text)),
            bounds=tuple(sorted(self.bounds.values(), key=lambda bound: (bound.since or (0, 0), bound.what))),
            problems=tuple(self.problems),
        )


def _order(item: tuple[tuple[str, str | None, Kind, str | None], list[Place]]) -> tuple[str, ...]:
    module, name, kind, condition = item[0]
    return (module, name or "", kind, condition or "")


def _decoded(data: bytes) -> str:
    """A file's text, in the encoding that it declares, and with line feeds at the end of its lines."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    text = data.decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _problem(path: str, cell: int | None, error: BaseException) -> Problem:
    """What was wrong with a file, and what may help."""
    if isinstance(error, SyntaxError):
        newer = newer_python(error)
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        hint = (
            f" (this conda-pack runs on Python {python}; to read syntax of Python {newer[0]}.{newer[1]}, "
            "run it on that or a newer one)"
            if newer
            else ""
        )
        return Problem(path, error.lineno or 1, cell, f"{error.msg}{hint}")
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return Problem(path, line, cell, f"is not in the encoding {error.encoding}: {error.reason}")
    if isinstance(error, RecursionError | MemoryError):
        return Problem(path, None, cell, "is nested too deeply to be read")
    return Problem(path, None, cell, f"cannot be read: {error}")
