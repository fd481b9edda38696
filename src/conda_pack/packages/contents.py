"""Files of an environment → files of a package: the prefix gives way to a placeholder. Pure.

Source: CEP 34 (paths.json) and conda-build, which writes the same: text files with a placeholder of 255
bytes, programs too where their strings have the room.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from conda_pack.model import DiskFile, FileMode, Platform
from conda_pack.relocation.boundaries import is_text, prefix_positions
from conda_pack.relocation.restore import describe, invert_binary, renders
from conda_pack.runtime.rules import shebang_limit, splice
from conda_pack.runtime.windows import SEPARATORS, written

#: As long as conda-build makes it, so that no prefix is too long.
PLACEHOLDER = ("/opt/conda-package/_h_env" + "_placehold" * 25)[:255]

_MARKER = PLACEHOLDER.encode()
BYTECODE = (".pyc", ".pyo")


class Unfit(Exception):
    """The file cannot be in a package; says why, in words that follow its name."""


class NoRoom(Unfit):
    """The file holds the prefix where a longer one does not fit; ``keep_short`` goes on."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a package has of a file; ``placeholder`` is what stands for the prefix in its ``data``, if any."""

    data: bytes
    placeholder: str | None = None
    file_mode: FileMode | None = None


@dataclass(frozen=True, slots=True)
class Transformer:
    """Makes files of the environment at ``prefixes`` (the first is its own) fit for a package.

    With ``keep_short`` programs without room for the placeholder keep the prefix in its place: such a package
    installs only where the path is no longer.
    """

    prefixes: Sequence[bytes]
    platform: Platform
    keep_short: bool = False

    @property
    def sought(self) -> list[bytes]:
        """What makes a file one that cannot go in as it is: the prefix, however it is written."""
        if self.platform.family != "win":
            return [_MARKER, *self.prefixes]
        return [_MARKER, *(written(prefix, slashes) for prefix in self.prefixes for slashes in SEPARATORS)]

    def content(self, path: str, data: bytes) -> Content:
        """What a package has of the file at ``path``. Raises Unfit."""
        if not any(name in data for name in self.sought):
            return Content(data)
        if _MARKER in data:
            raise Unfit("holds the placeholder that is to stand for the prefix")
        if path.endswith(BYTECODE):  # which says where its source lay, and nobody reads that
            return Content(data)
        if is_text(data):
            return self._text(data)
        if self.platform.family == "win":
            raise Unfit("is a program that holds the prefix, which no installer changes on Windows")
        return self._binary(data)

    def _text(self, data: bytes) -> Content:
        prefix = self.prefixes[0]
        if self.platform.family == "win":
            prefix = written(prefix, "forward")
            if any(prefix_positions(data, form) for form in self.sought if form != prefix):
                raise Unfit("holds the prefix with backslashes, which no installer writes")
        for other in self.prefixes[1:] if self.platform.family != "win" else ():
            if other not in prefix and prefix_positions(data, other):
                raise Unfit(f"holds the prefix as {_shown(other)}: name the environment by that path")
        places = prefix_positions(data, prefix)
        if not places:
            return Content(data)
        new = b"".join(splice(data, [(place, prefix, _MARKER) for place in places]))
        # installers replace shebangs in a way of their own where they are long, or hold a space
        if self.platform.family != "win" and not self._comes_back(new, "text", data):
            raise Unfit("has a first line that no installer writes so for this prefix")
        return Content(new, PLACEHOLDER, "text")

    def _binary(self, data: bytes) -> Content:
        prefix = self.prefixes[0]
        for other in self.prefixes[1:]:
            if other not in prefix and other in data:
                raise Unfit(f"holds the prefix as {_shown(other)}: name the environment by that path")
        new = invert_binary(data, prefix, _MARKER)
        if prefix not in new and self._comes_back(new, "binary", data):
            return Content(new, PLACEHOLDER, "binary")
        if self.keep_short and is_text(prefix):
            return Content(data, prefix.decode(), "binary")
        raise NoRoom(f"holds the prefix where there is no room for a longer one than {len(prefix)} bytes")

    def _comes_back(self, new: bytes, mode: FileMode, data: bytes) -> bool:
        """Whether installers make the same file of it at the same prefix."""
        limit = shebang_limit(self.platform.subdir)
        for installer in ("conda", "rattler"):
            fields = describe(new, PLACEHOLDER, mode, installer, limit)
            if fields is None or not renders(new, fields, self.prefixes[0], limit, data):
                return False
        return True


def link_target(link: DiskFile, prefixes: Sequence[bytes]) -> str:
    """Where a link of a package points to: within the environment relative to itself. Raises Unfit."""
    target, folder = link.target, posixpath.dirname(link.path)
    if posixpath.isabs(target):
        for prefix in map(_shown, prefixes):
            if target == prefix or target.startswith(f"{prefix}/"):
                return posixpath.relpath(target[len(prefix) + 1 :] or ".", folder or ".")
    else:
        end = posixpath.normpath(posixpath.join(folder, target))
        if end != ".." and not end.startswith("../"):
            return target
    raise Unfit(f"is a link out of the environment, to {target}")


def _shown(prefix: bytes) -> str:
    return prefix.decode("utf-8", "surrogateescape")
