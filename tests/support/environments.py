"""Real environments to pack: from which channel, by which installer, and how to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from demo.commands import CommandError
from demo.installer import install
from tests.support.channels import LocalChannel, copy_channel, demo_channel
from tests.support.real_conda import CondaUnavailableError, RealConda
from tests.support.trees import Node, Tree, diff_trees, tree

__all__ = [
    "CommandError",
    "CondaUnavailableError",
    "LocalChannel",
    "MakeEnvironment",
    "Node",
    "RealConda",
    "Tree",
    "copy_channel",
    "demo_channel",
    "diff_trees",
    "rattler_install",
    "tree",
]


class MakeEnvironment(Protocol):
    """Installs into a new folder, or at ``prefix``, and says where; without specs, those of the channel."""

    def __call__(
        self, *specs: str, prefix: Path | None = None, channel: LocalChannel | Path = ...
    ) -> Path: ...


def rattler_install(channel: Path, prefix: Path, specs: Sequence[str], cache: Path | None = None) -> None:
    """Install ``specs`` from an indexed channel alone; ``CommandError`` holds what went wrong.

    Environments that share a package cache, by default the one beside the channel, are made faster.
    """
    install(channel, prefix, specs, cache or channel.parent / "rattler-cache")
