"""The files that say what an environment is made of, as text; and what is wrong with them, in one message."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from dataclasses import dataclass

from conda_pack.errors import SourceProblem, UsageError


@dataclass(frozen=True, slots=True)
class Text:
    """A file and what it says, its lines ended as on Unix."""

    path: str
    content: str

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def folder(self) -> str:
        return os.path.dirname(os.path.abspath(self.path))


def read_text(path: str) -> Text:
    """Read a file as conda does: UTF-8, or UTF-16 with its mark, which PowerShell's ``>`` writes.

    Raises UsageError if there is no such file, SourceProblem if it cannot be read, is no text or is empty.
    """
    if not os.path.exists(path):
        fetch = ": fetch it first, only files can be read" if "://" in path else ""
        raise UsageError(f"{path} does not exist{fetch}.")
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise SourceProblem(f"{path} cannot be read: {error.strerror}.") from error
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        content = data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceProblem(
            f"{path} is not UTF-8 (byte {error.start + 1}): is it a text file? Save it as UTF-8."
        ) from error
    if "\0" in content:
        raise SourceProblem(f"{path} is not text: it holds zero bytes.")
    if not content.strip():
        raise SourceProblem(f"{path} is empty.")
    return Text(path, content.replace("\r\n", "\n").replace("\r", "\n"))


def refuse(path: str, findings: Sequence[str]) -> None:
    """Raise SourceProblem with all ``findings``, if there are any."""
    if len(findings) == 1:
        raise SourceProblem(f"{path}: {findings[0]}")
    if findings:
        raise SourceProblem(f"{path} cannot be used:" + "".join(f"\n  {finding}" for finding in findings))
