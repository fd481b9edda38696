"""What the scanner of imports finds, before any target platform is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

#: From the strongest to the weakest: fails without it; needed under a condition; done without; never run.
Kind = Literal["required", "conditional", "optional", "type_checking"]
KINDS: tuple[Kind, ...] = ("required", "conditional", "optional", "type_checking")

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: ``cell`` counts a notebook's cells from 1, and ``line`` that one's lines."""

    path: str
    line: int
    cell: int | None = None

    @property
    def text(self) -> str:
        cell = "" if self.cell is None else f"cell {self.cell}:"
        return f"{self.path}:{cell}{self.line}"


@dataclass(frozen=True, slots=True)
class Import:
    """An import of one name, at all the places that have it alike.

    ``import a.b`` has the module ``a.b`` alone, ``from a.b import c`` the name ``c`` too, module or not.
    ``condition`` is what a Python expression says of the target, in names such as ``sys.platform``; what is
    optional or for type checkers may have one, too.
    """

    module: str
    name: str | None
    kind: Kind
    condition: str | None
    places: tuple[Place, ...]

    @property
    def text(self) -> str:
        return self.module if self.name is None else f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Versions:
    """The Pythons from ``lower`` on and below ``below``, each (major, minor)."""

    lower: Version = (3, 0)
    below: Version = (4, 0)

    @property
    def spec(self) -> str:
        """As conda writes it: ``python >=3.8,<3.12``, or ``python`` alone."""
        bounds = []
        if self.lower > (3, 0):
            bounds.append(f">={self.lower[0]}.{self.lower[1]}")
        if self.below < (4, 0):
            bounds.append(f"<{self.below[0]}.{self.below[1]}")
        return f"python {','.join(bounds)}" if bounds else "python"

    @property
    def is_empty(self) -> bool:
        return self.lower >= self.below

    def within(self, bounds: Iterable[Bound]) -> Versions:
        """Those of them that every bound allows."""
        bounds = list(bounds)
        return Versions(
            max([self.lower, *(bound.since for bound in bounds if bound.since)]),
            min([self.below, *(bound.until for bound in bounds if bound.until)]),
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """Something that Python has had since a version, or has had until before one."""

    what: str
    since: Version | None
    until: Version | None
    place: Place

    @property
    def text(self) -> str:
        since = f"since Python {self.since[0]}.{self.since[1]}" if self.since else ""
        until = f"gone in Python {self.until[0]}.{self.until[1]}" if self.until else ""
        return f"{self.what}, {' and '.join(filter(None, (since, until)))} ({self.place.text})"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, or a part of it, that could not be read; ``line`` is None where the whole file could not."""

    path: str
    line: int | None
    cell: int | None
    message: str

    @property
    def text(self) -> str:
        place = self.path if self.line is None else Place(self.path, self.line, self.cell).text
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Scan:
    """What some files and folders import from elsewhere.

    ``standard`` are the modules of the standard library that not every Python 3 has; ``bounds`` is what
    the syntax says of Python; ``files`` are those that were read, ``problems`` tell what could not be.
    """

    files: tuple[str, ...]
    imports: tuple[Import, ...]
    standard: tuple[Import, ...]
    bounds: tuple[Bound, ...]
    problems: tuple[Problem, ...]

    @property
    def python(self) -> Versions:
        """The Pythons that can read the sources; what they import may narrow that (see ``needs``)."""
        return Versions().within(self.bounds)
