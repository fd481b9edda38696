"""Where a text names the prefix, and where it merely looks so.

Text of pip and of the user was never made for replacement, so the prefix is
taken for itself only between path boundaries: ``/opt/env`` is neither part of
``/opt/env-data`` nor of ``/mnt/opt/env``.
"""

from __future__ import annotations

import re

_NAME = rb"[A-Za-z0-9_.+~@%\x80-\xff-]"
# a full stop that ends a sentence ends the path too
_RIGHT = re.compile(rb"(?!(?:[A-Za-z0-9_+~@%\x80-\xff-]|\.[A-Za-z0-9_.+~@%\x80-\xff-]))")
_TOKEN_BEFORE = re.compile(_NAME + rb"+\Z")
_ESCAPE_BEFORE = re.compile(rb"\\[abfnrtv]\Z")
_OPTION_BEFORE = re.compile(rb"(?:^|[^A-Za-z0-9_./])-{1,2}[A-Za-z][A-Za-z_-]*\Z")
_LOOK_BEHIND = 64


def is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without a NUL."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def prefix_positions(data: bytes, prefix: bytes) -> list[int]:
    """Offsets of ``prefix`` in ``data`` where it stands as a whole path or the front of one."""
    positions = []
    position = data.find(prefix)
    while position != -1:
        end = position + len(prefix)
        if _RIGHT.match(data, end) and _left_boundary(data, position):
            positions.append(position)
            position = data.find(prefix, end)
        else:
            position = data.find(prefix, position + 1)
    return positions


def _left_boundary(data: bytes, position: int) -> bool:
    before = data[max(0, position - _LOOK_BEHIND) : position]
    if not before:
        return True
    if before.endswith(b"/"):  # file:///opt/env and file:///C:/env, but not /mnt//opt/env
        return before.endswith((b"://", b":///"))
    if not _TOKEN_BEFORE.search(before):
        return True
    # -I/opt/env and "\n/opt/env" name it; mnt/opt/env and ~/opt/env do not
    return bool(_OPTION_BEFORE.search(before) or _ESCAPE_BEFORE.search(before))
