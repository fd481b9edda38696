"""Shell scripts and awk programs that are put together from the files in ``shell``, by reason to change."""

from __future__ import annotations

import re
from importlib.resources import files

_PART = re.compile(rb"@([a-z]+\.(?:sh|awk))@\n?")


def template(name: str) -> bytes:
    """A file, with those that it names as ``@part.sh@`` or ``@part.awk@`` in the place of the names."""
    text = files(__package__).joinpath("shell", name).read_bytes()
    return _PART.sub(lambda mark: template(mark[1].decode()), text)
