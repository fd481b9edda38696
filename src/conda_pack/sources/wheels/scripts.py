"""What starts a project's commands: scripts with pip's first line, launchers on Windows. Pure."""

from __future__ import annotations

import io
import os
import zipfile
from typing import Literal

from installer.scripts import Script

from conda_pack.sources.wheels.target import Target

Section = Literal["console", "gui"]

#: The longest first line, with its end, that the kernel takes (distlib's rule, which is pip's).
_LONGEST_SHEBANG = {"linux": 127, "osx": 512}
_SCRIPT = """\
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({attribute}())
"""
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def entry_point(
    name: str, module: str, attribute: str, section: Section, prefix: str, target: Target
) -> tuple[str, bytes]:
    """The file name and the contents of what runs ``attribute`` of ``module``."""
    code = _SCRIPT.format(module=module, name=attribute.partition(".")[0], attribute=attribute).encode()
    if target.launcher is None:
        return name, shebang(prefix, target) + code
    # The library has the programs. It would take the zip's time from the clock, and look for the name of the
    # Python in the whole path, so only the program is taken.
    _, made = Script(name, module, attribute, section).generate("python.exe", target.launcher)
    line = b"#!pythonw.exe\n" if section == "gui" else b"#!python.exe\n"
    program = made[: made.rindex(line)]
    python = _windows_python(prefix, "pythonw.exe" if section == "gui" else "python.exe")
    quoted = f'"{python}"' if " " in python else python
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("__main__.py", _EARLIEST), code)
    return f"{name}.exe", program + f"#!{quoted}\n".encode() + archive.getvalue()


def with_shebang(script: bytes, prefix: str, target: Target) -> bytes:
    """A wheel's own script, which calls the environment's Python if its first line asks for any."""
    if not script.startswith(b"#!python"):
        return script
    return shebang(prefix, target) + script.partition(b"\n")[2]


def shebang(prefix: str, target: Target) -> bytes:
    """The first line that calls the Python of ``prefix``; three where the kernel does not take it in one.

    Those are distlib's, as pip has them: a shell reads a command, Python a text.
    """
    if target.family == "win":
        return f"#!{_windows_python(prefix, 'python.exe')}\r\n".encode()
    python = os.fsencode(f"{prefix}/bin/python")
    if b" " not in python and len(python) + 3 <= _LONGEST_SHEBANG[target.family]:
        return b"#!" + python + b"\n"
    quoted = b'"' + python + b'"' if b" " in python else python
    return b"#!/bin/sh\n'''exec' " + quoted + b' "$0" "$@"\n' + b"' '''\n"


def _windows_python(prefix: str, name: str) -> str:
    return f"{prefix}\\{name}".replace("/", "\\")
