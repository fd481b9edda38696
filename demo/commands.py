"""Run a program away from the caller's own settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_FOREIGN = ("CONDA", "_CONDA", "_CE_", "MAMBA", "PIXI", "RATTLER", "PYTHON", "VIRTUAL_ENV", "XDG_")


class CommandError(Exception):
    """A program that did not start, or ended with an error; the message holds all it said."""


def clean_environ(home: Path, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables in ``base`` without those that steer Python or conda, and with ``home`` as HOME."""
    kept = {name: value for name, value in base.items() if not name.startswith(_FOREIGN)}
    return kept | {"HOME": str(home)}


def run(argv: Sequence[str | Path], environ: Mapping[str, str], cwd: Path | None = None) -> str:
    """What the program printed; raises ``CommandError`` with it, unless it ended well."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            env=environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
            check=False,
        )
    except OSError as error:  # no such program, or none for the interpreter that its first line names
        raise CommandError(f"{' '.join(words)}\ndid not start: {error}") from error
    if done.returncode:
        raise CommandError(f"{' '.join(words)}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout
