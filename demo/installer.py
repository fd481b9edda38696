"""Index a channel and install from it with py-rattler, offline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from demo.commands import clean_environ, run

_ROOT = Path(__file__).resolve().parent.parent


def index_channel(channel: Path) -> None:
    """Write the ``repodata.json`` of every folder of ``channel``."""
    _help(channel.parent, "index", channel)


def install(channel: Path, prefix: Path, specs: Sequence[str], cache: Path) -> None:
    """Solve ``specs`` from the indexed ``channel`` alone and link the packages into ``prefix``."""
    _help(cache, "install", channel, prefix, cache, *specs)


def _help(home: Path, *arguments: str | Path) -> None:
    words = [str(word.absolute()) if isinstance(word, Path) else word for word in arguments]
    home.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "demo.rattler_helper", *words], clean_environ(home), cwd=_ROOT)
