"""Where a pristine file holds its placeholder, in the schema of conda/ceps#179."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conda_pack.model import FileMode
from conda_pack.runtime.rules import splice


@dataclass(frozen=True, slots=True)
class SearchRule:
    """What an installer's own search covers; offsets must say exactly that.

    ``passes`` are the encodings in the order they are replaced, and whether only at
    multiples of a character's size. Unless ``terminated``, a C string may lack its
    NUL at the end of the file, and the NUL of a wide one is a whole character. Without ``shebangs``, as for
    Windows, a first line is text like any other; and no binary is ever changed there.
    """

    shebang_rule: str
    passes: tuple[tuple[str, bool], ...]
    terminated: bool
    shebangs: bool = True


_UTF8 = (("utf-8", False),)
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_CONDA_PASSES = (*_UTF8, *((encoding, False) for encoding in _WIDE))
_RATTLER_PASSES = (
    *_UTF8,
    *((encoding, True) for encoding in _WIDE),
    *((encoding, False) for encoding in reversed(_WIDE)),
)
#: conda 24.7 portability.py; what rattler 0.28 was seen to do; older versions of both know UTF-8 only.
RULES: dict[str, SearchRule] = {
    "conda": SearchRule("conda", _CONDA_PASSES, terminated=True),
    "rattler": SearchRule("rattler", _RATTLER_PASSES, terminated=False),
    "conda-utf8": SearchRule("conda", _UTF8, terminated=True),
    "rattler-utf8": SearchRule("rattler", _UTF8, terminated=False),
    "conda-windows": SearchRule("conda", _CONDA_PASSES, terminated=True, shebangs=False),
    "rattler-windows": SearchRule("rattler", _UTF8, terminated=False, shebangs=False),
}


def shebang_length(pristine: bytes) -> int | None:
    """Length of the first line with its newline, if that is a shebang."""
    if not pristine.startswith(b"#!"):
        return None
    newline = pristine.find(b"\n")
    return len(pristine) if newline == -1 else newline + 1


def find_offsets(pristine: bytes, placeholder: str, mode: FileMode, rule: SearchRule) -> dict[str, Any]:
    """The ``offsets`` and, for a script, the ``shebang_length`` of a pristine file.

    Occurrences are leftmost and do not overlap; text occurrences in the shebang
    region are left out, because what becomes of them is the shebang's rule.
    What one pass took is gone for the next: Latin text in UTF-16-BE looks like
    UTF-16-LE from its second byte on.
    """
    length = shebang_length(pristine) if mode == "text" and rule.shebangs else None
    found: dict[str, list[Any]] = {}
    data = pristine
    for encoding, aligned in rule.passes:
        needle, terminator = placeholder.encode(encoding), "\0".encode(encoding)
        places = occurrences(data, needle, length or 0, len(terminator) if aligned else 1)
        if not places:
            continue
        ranges: Sequence[Any] = places
        if mode == "binary":
            ranges = _strings(data, needle, terminator, rule.terminated, places)
            places = [place for string in ranges for place in string[:-1]]
        found.setdefault(encoding, []).extend(ranges)
        data = b"".join(splice(data, [(place, needle, b"\xff" * len(needle)) for place in places]))
    groups = [
        {"encoding": encoding, "ranges": sorted(ranges)} for encoding, ranges in found.items() if ranges
    ]
    fields: dict[str, Any] = {"offsets": groups}
    if length is not None:
        fields["shebang_length"] = length
    return fields


def occurrences(data: bytes, needle: bytes, start: int = 0, step: int = 1) -> list[int]:
    """Offsets of ``needle`` from ``start`` on, multiples of ``step``, leftmost and not overlapping."""
    places = []
    position = _find(data, needle, start, step, 0)
    while position != -1:
        places.append(position)
        position = _find(data, needle, position + len(needle), step, 0)
    return places


def _find(data: bytes, needle: bytes, start: int, step: int, origin: int) -> int:
    """The first ``needle`` from ``start`` on that is a multiple of ``step`` away from ``origin``."""
    position = data.find(needle, start)
    while position != -1 and (position - origin) % step:
        position = data.find(needle, position + 1)
    return position


def _strings(
    data: bytes, needle: bytes, terminator: bytes, terminated: bool, places: Sequence[int]
) -> list[list[int]]:
    """Per C string: its occurrences, then the offset of its terminator (or the file's size)."""
    strings: list[list[int]] = []
    step = 1 if terminated else len(terminator)
    for place in places:
        if strings and place < strings[-1][-1]:
            strings[-1].insert(-1, place)
            continue
        end = _find(data, terminator, place + len(needle), step, place)
        if end == -1:
            if terminated:
                break
            end = len(data)
        strings.append([place, end])
    return strings
