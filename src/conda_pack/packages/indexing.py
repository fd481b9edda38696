"""A folder of packages → a channel that conda, mamba and rattler install from: rattler indexes it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

from conda_pack.errors import ToolMissing, WriteFailed

#: Runs in a process of its own that does not shut down in order: its threads may crash one that does. What
#: lies in the current folder is not what is imported.
_INDEX = """\
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import asyncio, os, traceback
from pathlib import Path
code = 1
try:
    from rattler.index import index_fs
    asyncio.run(index_fs(Path(sys.argv[1]), write_shards=False))
    code = 0
except BaseException:
    traceback.print_exc()
sys.stderr.flush()
os._exit(code)
"""


def check_indexer() -> None:
    """Raise ToolMissing if no channel can be indexed here."""
    if importlib.util.find_spec("rattler") is None:
        raise ToolMissing(
            "Channels are indexed by py-rattler, which is not installed: "
            "pip install 'conda-pack[package]', or conda install py-rattler."
        )


def index_channel(channel: str) -> None:
    """Write the index (repodata.json) of every platform's folder of ``channel``. Raises WriteFailed."""
    try:
        os.makedirs(os.path.join(channel, "noarch"), exist_ok=True)  # a channel without is none
        done = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, "-c", _INDEX, channel],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise WriteFailed(f"The channel {channel} cannot be indexed: {error.strerror}.") from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = told[-1].rstrip(".") if told else f"the indexer ended with {done.returncode}"
        raise WriteFailed(f"The package is made, but the channel {channel} cannot be indexed: {reason}.")
