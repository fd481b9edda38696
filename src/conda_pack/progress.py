"""What a long piece of work tells about itself. Nothing here prints."""

from __future__ import annotations

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


class Silent:
    """The reporter of the Python API unless told otherwise; keeps the warnings for who asks."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def start(self, description: str, total: int) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass

    def finish(self) -> None:
        pass
