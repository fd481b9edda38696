"""Where a pristine file holds its placeholder, in the schema of conda/ceps#179."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conda_pack.model import FileMode
from conda_pack.runtime.conda_unpack import splice


@dataclass(frozen=True, slots=True)
class SearchRule:
    """What an installer's own search covers; offsets must say exactly that."""

    shebang_rule: str
    encodings: tuple[str, ...]
    terminated: bool  # a C string without its NUL at the end of the file is left alone
    aligned: bool  # wide characters count only at multiples of their size


_ALL = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
#: conda 24.7 portability.py; what rattler 0.28 does; older versions of both know UTF-8 only.
RULES: dict[str, SearchRule] = {
    "conda": SearchRule("conda", _ALL, terminated=True, aligned=False),
    "rattler": SearchRule("rattler", _ALL, terminated=False, aligned=True),
    "conda-utf8": SearchRule("conda", ("utf-8",), terminated=True, aligned=False),
    "rattler-utf8": SearchRule("rattler", ("utf-8",), terminated=False, aligned=True),
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
    Installers replace one encoding after the other, so what the first took is gone
    for the next: Latin text in UTF-16-BE looks like UTF-16-LE from its second byte on.
    """
    length = shebang_length(pristine) if mode == "text" else None
    groups, data = [], pristine
    for encoding in rule.encodings:
        needle, terminator = placeholder.encode(encoding), "\0".encode(encoding)
        step = len(terminator) if rule.aligned else 1
        ranges: Sequence[Any]
        if mode == "text":
            ranges = places = occurrences(data, needle, length or 0, step)
        else:
            ranges = _strings(data, needle, terminator, rule.terminated, step)
            places = [place for string in ranges for place in string[:-1]]
        if ranges:
            groups.append({"encoding": encoding, "ranges": ranges})
            data = b"".join(splice(data, [(place, needle, b"\xff" * len(needle)) for place in places]))
    fields: dict[str, Any] = {"offsets": groups}
    if length is not None:
        fields["shebang_length"] = length
    return fields


def occurrences(data: bytes, needle: bytes, start: int = 0, step: int = 1) -> list[int]:
    """Offsets of ``needle`` from ``start`` on, multiples of ``step``, leftmost and not overlapping."""
    places = []
    position = _find(data, needle, start, step)
    while position != -1:
        places.append(position)
        position = _find(data, needle, position + len(needle), step)
    return places


def _find(data: bytes, needle: bytes, start: int, step: int) -> int:
    position = data.find(needle, start)
    while position != -1 and position % step:
        position = data.find(needle, position + 1)
    return position


def _strings(data: bytes, needle: bytes, terminator: bytes, terminated: bool, step: int) -> list[list[int]]:
    """Per C string: its occurrences, then the offset of its terminator (or the file's size)."""
    strings: list[list[int]] = []
    ends: list[int] = []
    for place in occurrences(data, needle, 0, step):
        if ends and place < ends[-1]:
            strings[-1].insert(-1, place)
            continue
        end = _find(data, terminator, place + len(needle), step)
        if end == -1 and terminated:
            break
        ends.append(len(data) if end == -1 else end)
        strings.append([place, ends[-1]])
    return strings
