"""Python scripts: what their first line says, and a first line that runs anywhere.

A relative path is no interpreter to the kernel, so a stored script starts with
/bin/sh, which finds Python beside the script and hands over. The two lines are
a string to Python (the idiom of distlib, conda and rattler for long paths).
"""

from __future__ import annotations

import posixpath
import re

_SHEBANG = re.compile(rb"#! *(/[^\n]*?/bin/python[0-9.]*)((?:[ \t][^\n]*)?)\n")
# what installers write when the path is too long or holds a space
_EXEC = re.compile(
    rb"#!/bin/sh\n'''exec' (\"?)(/[^\n\"]*?)\1((?:[ \t\r][^\n\"]*?)?) \"\$0\" \"\$@\"(?: #'''|\n' ''')(\n|\Z)"
)
_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def plain_shebang(data: bytes) -> tuple[bytes, int] | None:
    """The ``#!`` line that an installer's trampoline stands for, and the trampoline's length."""
    match = _EXEC.match(data)
    if match is None:
        return None
    return b"#!" + match[2] + match[3] + match[4], match.end()


def trampoline(path: str, pristine: bytes, placeholder: bytes, scripts_folder: str) -> bytes | None:
    """The first lines of the stored form of ``pristine``, a script at ``path`` in the prefix.

    None unless it is a Python script whose interpreter lies in the prefix. None
    also where the second line declares an encoding other than UTF-8 that the
    file makes use of: Python reads such a line only among the first two.
    """
    match = _SHEBANG.match(pristine)
    if match is None or not match[1].startswith(placeholder + b"/"):
        return None
    interpreter = match[1][len(placeholder) + 1 :].decode("utf-8", "surrogateescape")
    if posixpath.dirname(interpreter) != scripts_folder:
        return None
    cookie = _COOKIE.match(pristine, match.end())
    if cookie is not None and cookie[1].lower().replace(b"_", b"-") not in (b"utf-8", b"utf8"):
        try:
            pristine.decode("ascii")
        except UnicodeDecodeError:
            return None
    options = match[2].strip()
    if re.search(rb"[^-\w=./, ]", options):
        return None
    relative = posixpath.relpath(interpreter, posixpath.dirname(path) or ".").encode()
    here = b'"$(dirname -- "$(readlink -f -- "$0" 2>/dev/null || echo "$0")")"'
    exec_line = b"'''exec' " + here + b"/" + relative + (b" " + options if options else b"")
    return b"#!/bin/sh\n" + exec_line + b' "$0" "$@" #\'\'\'\n'
