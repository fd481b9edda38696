"""Where a pristine file holds its placeholder, in the schema of conda/ceps#179."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conda_pack.model import FileMode


@dataclass(frozen=True, slots=True)
class SearchRule:
    """What an installer's own search covers; offsets must say exactly that."""

    shebang_rule: str
    encodings: tuple[str, ...]
    terminated: bool  # a C string without its NUL at the end of the file is left alone


_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
#: conda 24.7 portability.py; rattler 0.28 link.rs; older versions of both know UTF-8 only.
RULES: dict[str, SearchRule] = {
    "conda": SearchRule("conda", _ENCODINGS, terminated=True),
    "rattler": SearchRule("rattler", _ENCODINGS, terminated=False),
    "conda-utf8": SearchRule("conda", ("utf-8",), terminated=True),
    "rattler-utf8": SearchRule("rattler", ("utf-8",), terminated=False),
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
    """
    length = shebang_length(pristine) if mode == "text" else None
    groups = []
    for encoding in rule.encodings:
        needle = placeholder.encode(encoding)
        ranges: Sequence[Any]
        if mode == "text":
            ranges = occurrences(pristine, needle, length or 0)
        else:
            ranges = _strings(pristine, needle, "\0".encode(encoding), rule.terminated)
        if ranges:
            groups.append({"encoding": encoding, "ranges": ranges})
    fields: dict[str, Any] = {"offsets": groups}
    if length is not None:
        fields["shebang_length"] = length
    return fields


def occurrences(data: bytes, needle: bytes, start: int = 0) -> list[int]:
    """Offsets of ``needle`` from ``start`` on, leftmost and not overlapping."""
    return [match.start() for match in re.compile(re.escape(needle)).finditer(data, start)]


def _strings(data: bytes, needle: bytes, terminator: bytes, terminated: bool) -> list[list[int]]:
    """Per C string: its occurrences, then the offset of its terminator (or the file's size)."""
    strings: list[list[int]] = []
    position = data.find(needle)
    while position != -1:
        end = data.find(terminator, position + len(needle))
        if end == -1:
            if terminated:
                break
            end = len(data)
        places = [position]
        following = data.find(needle, position + len(needle), end)
        while following != -1:
            places.append(following)
            following = data.find(needle, following + len(needle), end)
        strings.append([*places, end])
        position = data.find(needle, end)
    return strings
