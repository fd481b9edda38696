"""The pristine file from the installed one: invert what the installer did, and prove it.

Two proofs: the sha256 of the package's own file, where conda-meta has it, and
that rendering the restored file at the environment's prefix gives the installed
bytes again, which needs no recorded hash.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from typing import Any

from conda_pack.model import FileMode
from conda_pack.relocation.offsets import RULES, find_offsets, occurrences
from conda_pack.relocation.scripts import plain_shebang
from conda_pack.runtime.rules import Mismatch, TooLong, shebang_limit, splice, target_edits

_ENV_SHEBANG = re.compile(rb"#!/usr/bin/env ([^ \n]+[^\n]*\n?)")
# Beyond these a search for the occurrences that the package had natively is not worth its time.
_MOST_NATIVE = 10
_LARGEST_NATIVE = 1 << 18

RULE_ORDER = {
    "conda": ("conda", "conda-utf8", "rattler", "rattler-utf8"),
    "rattler": ("rattler", "rattler-utf8", "conda", "conda-utf8"),
    "conda-windows": ("conda-windows", "rattler-windows"),
    "rattler-windows": ("rattler-windows", "conda-windows"),
}

#: The longest shebang on Linux, where environments of other platforms are made, too.
_LIMIT_OF_MAKERS = shebang_limit("linux-64")


def restore(
    data: bytes,
    prefixes: tuple[bytes, ...],
    placeholder: str,
    mode: FileMode,
    sha256: str | None,
    installer: str,
    limit: int,
) -> tuple[bytes, dict[str, Any]] | None:
    """The pristine bytes and their relocation fields; None where neither proof succeeds.

    ``sha256`` is the package's (conda-meta ``sha256``); ``limit`` the longest
    shebang of the platform in bytes; ``installer`` the one to be tried first.
    """
    for prefix in prefixes:
        for pristine in _candidates(data, prefix, placeholder, mode):
            if sha256 is not None and hashlib.sha256(pristine).hexdigest() != sha256:
                continue
            for name in RULE_ORDER[installer]:
                fields = describe(pristine, placeholder, mode, name, limit)
                if fields is not None and renders(pristine, fields, prefix, limit, data):
                    return pristine, fields
    return None


def describe(
    pristine: bytes, placeholder: str, mode: FileMode, rule_name: str, limit: int
) -> dict[str, Any] | None:
    """The relocation fields of a pristine file; None where its first line is no UTF-8."""
    rule = RULES[rule_name]
    fields = {
        "prefix_placeholder": placeholder,
        "file_mode": mode,
        **find_offsets(pristine, placeholder, mode, rule),
    }
    length = fields.get("shebang_length")
    if length is not None:
        line = pristine[:length]
        if placeholder.encode() in line or len(line.rstrip(b"\n")) > limit:
            try:
                fields["shebang"] = line.decode()
            except UnicodeDecodeError:
                return None
            fields["shebang_rule"] = rule.shebang_rule
    return fields


def renders(pristine: bytes, fields: dict[str, Any], prefix: bytes, limit: int, installed: bytes) -> bool:
    """Whether the fields make ``pristine`` into ``installed`` at ``prefix``, there or where it was made."""
    try:
        rendered = (target_edits({"path": "", **fields}, prefix, each) for each in {limit, _LIMIT_OF_MAKERS})
        return any(b"".join(splice(pristine, edits)) == installed for edits in rendered)
    except (Mismatch, TooLong, UnicodeDecodeError):
        return False


def _candidates(data: bytes, prefix: bytes, placeholder: str, mode: FileMode) -> Iterator[bytes]:
    if mode == "binary":
        for name in ("conda-utf8", "conda"):  # UTF-8 alone first: hardly any file has more
            candidate = data
            for encoding, _ in reversed(RULES[name].passes):
                candidate = invert_binary(
                    candidate,
                    _encoded(prefix, encoding),
                    placeholder.encode(encoding),
                    "\0".encode(encoding),
                )
            yield candidate
        return
    marker = placeholder.encode()
    for first, rest in _first_lines(data, prefix, marker):
        yield first + rest.replace(prefix, marker)
    wide = data
    for encoding, _ in reversed(RULES["conda"].passes):
        wide = wide.replace(_encoded(prefix, encoding), placeholder.encode(encoding))
    yield wide
    if len(data) <= _LARGEST_NATIVE:
        for first, rest in _first_lines(data, prefix, marker):
            for replaced in _some_replaced(rest, prefix, marker):
                yield first + replaced


def _encoded(prefix: bytes, encoding: str) -> bytes:
    return prefix if encoding == "utf-8" else prefix.decode("utf-8", "replace").encode(encoding)


def _first_lines(data: bytes, prefix: bytes, marker: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What the package's shebang line may have been (empty if it has none), with the rest of the file."""
    end = data.find(b"\n") + 1 if data.startswith(b"#!") else 0
    yield data[:end].replace(prefix, marker), data[end:]
    lines: list[bytes] = []
    plain, through_env = plain_shebang(data), _ENV_SHEBANG.match(data)
    if plain is not None:
        lines, end = [plain[0]], plain[1]
    elif through_env is not None:
        folders = (marker + b"/bin/", b"/bin/", b"/usr/bin/")
        lines, end = [b"#!" + folder + through_env[1] for folder in folders], through_env.end()
    for line in lines:
        pristine = line.replace(prefix, marker)
        yield pristine, data[end:]
        yield b"#! " + pristine[2:], data[end:]


def _some_replaced(data: bytes, prefix: bytes, marker: bytes) -> Iterator[bytes]:
    """``data`` with some of the prefixes replaced: the package had the others natively."""
    places = occurrences(data, prefix)
    if not 0 < len(places) <= _MOST_NATIVE:
        return
    for count in range(len(places) - 1, -1, -1):
        for chosen in itertools.combinations(places, count):
            edits = [(place, prefix, marker) for place in chosen]
            yield b"".join(splice(data, edits))


def invert_binary(data: bytes, prefix: bytes, marker: bytes, terminator: bytes = b"\0") -> bytes:
    """Put ``marker`` back into the C strings of ``data`` and take the NULs away that made up for it.

    A string that is not followed by the NULs of a replacement holds the prefix
    natively and stays.
    """
    gap = len(marker) - len(prefix)
    if gap < 0:
        return data
    pieces, copied = [], 0
    position = data.find(prefix)
    while position != -1:
        end = data.find(terminator, position + len(prefix))
        end = len(data) if end == -1 else end
        string = data[position:end]
        padding = gap * string.count(prefix)
        if data[end : end + padding] == b"\0" * padding:
            pieces += [data[copied:position], string.replace(prefix, marker)]
            copied = end = end + padding
        position = data.find(prefix, end)
    pieces.append(data[copied:])
    return b"".join(pieces)


def string_room(data: bytes, prefix: bytes) -> int:
    """Length in bytes of the longest prefix that the C strings of ``data`` leave room for.

    Each string may use the NULs behind it, but for its terminator: where an
    installer padded a longer placeholder, they tell its length.
    """
    room = None
    position = data.find(prefix)
    while position != -1:
        end = data.find(b"\0", position)
        end = len(data) if end == -1 else end
        following = end
        while following < len(data) and data[following] == 0:
            following += 1
        spare = max(0, following - end - 1) // data.count(prefix, position, end)
        room = spare if room is None else min(room, spare)
        position = data.find(prefix, end)
    return len(prefix) + (room or 0)
