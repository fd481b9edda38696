"""What a long piece of work tells about itself. Nothing here prints."""

from __future__ import annotations

import warnings
from typing import Protocol


class Reporter(Protocol):
    """Receives warnings and progress; the command line shows them, the API may not."""

    def warn(self, message: str) -> None:
        """Tell something the user should know; work goes on."""

    def start(self, description: str, total: int) -> None:
        """Begin a piece of work of ``total`` bytes."""

    def advance(self, amount: int) -> None:
        """``amount`` further bytes are done."""

    def finish(self) -> None:
        """End the piece of work begun last."""


class PythonWarnings:
    """The reporter of the Python API: warnings as Python's own, no progress."""

    def warn(self, message: str) -> None:
        warnings.warn(message, UserWarning, stacklevel=2)

    def start(self, description: str, total: int) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass

    def finish(self) -> None:
        pass
