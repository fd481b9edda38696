"""What proves a file."""

from __future__ import annotations

import hashlib

_BLOCK = 1 << 20


def file_digest(path: str, kind: str = "sha256") -> str:
    """The digest of a file, in hexadecimal; ``kind`` is one of hashlib's."""
    state = hashlib.new(kind, usedforsecurity=kind == "sha256")
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return state.hexdigest()
