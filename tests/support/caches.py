"""Programs from the package index, each in a virtual environment that later sessions find again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.commands import run

# As they were before any fixture moved HOME: pip needs the user's index, and the cache is the user's.
USERS_ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--retries", "1")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "conda-pack-tests"


def cached_environment(name: str, recipe: object, fill: Callable[[Path, Path], None]) -> Path:
    """The interpreter of a virtual environment, made once for each user, Python and ``recipe``.

    ``fill`` gets its folder and interpreter, and installs into it.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()[:8]
    folder = _CACHE / f"{name}-py{version}-{digest}"
    python, complete = folder / "bin" / "python", folder / "complete"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(_CACHE / f"{folder.name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a session that was killed
            run([Path(sys.base_prefix, "bin", f"python{version}"), "-m", "venv", folder], USERS_ENVIRON)
            fill(folder, python)
            complete.touch()
    return python


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes, such as those of pytest-xdist, wait for."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
