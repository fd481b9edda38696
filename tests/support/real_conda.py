"""A real conda, for tests of what conda thinks of our work.

conda is in no Python package index, but the wheel of conda-lock carries all of conda 24.7.1. It is unpacked
into a virtual environment of its own, once for each user and Python version.
"""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.commands import CommandError, clean_environ, run
from tests.support.caches import PIP, USERS_ENVIRON, cached_environment

VERSION = "24.7.1"
_WHEEL = "conda-lock==4.0.3"
_VENDOR = "conda_lock/_vendor/"
_REQUIREMENTS = (
    "archspec",
    "boltons",
    "charset-normalizer",
    "conda-package-handling",
    "distro",
    "frozendict",
    "jsonpatch",
    "packaging",
    "platformdirs",
    "pluggy",
    "pycosat",
    "requests",
    "ruamel.yaml<0.20",
    "setuptools",
    "tqdm",
    "truststore",
)
_REPLACEMENTS = {
    b"conda_lock._vendor.": b"",
    b"logging._acquireLock()": b"logging._lock.acquire()",  # gone since Python 3.13
    b"logging._releaseLock()": b"logging._lock.release()",
}

_SETTINGS = {
    "CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY": "false",  # the classic solver would see a conflict
    "CONDA_NOTIFY_OUTDATED_CONDA": "false",
    "CONDA_REPORT_ERRORS": "false",
}


class CondaUnavailableError(Exception):
    """No real conda could be made: no package index was reachable, most likely."""


@dataclass(frozen=True)
class RealConda:
    """conda with settings and a package cache of its own, below ``home``."""

    python: Path
    home: Path

    @classmethod
    def make(cls, home: Path) -> RealConda:
        """Make conda, unless an earlier session has; may take half a minute."""
        try:
            return cls(_cached_conda(), home)
        except (CommandError, OSError, subprocess.SubprocessError) as error:
            raise CondaUnavailableError(f"cannot make a real conda {VERSION}: {error}") from error

    @property
    def environ(self) -> dict[str, str]:
        own = {"CONDA_PKGS_DIRS": str(self.home / "pkgs"), "CONDA_ENVS_DIRS": str(self.home / "envs")}
        return clean_environ(self.home, USERS_ENVIRON) | own | _SETTINGS

    def run(self, *args: str | Path) -> str:
        """``conda ARGS``: what it printed; ``CommandError`` if it ended with an error."""
        self.home.mkdir(parents=True, exist_ok=True)
        return run([self.python, "-m", "conda", *args], self.environ, cwd=self.home)

    def create(self, prefix: Path, channel: Path, specs: Sequence[str]) -> str:
        return self._solve("create", prefix, channel, specs)

    def install(self, prefix: Path, channel: Path, specs: Sequence[str]) -> str:
        return self._solve("install", prefix, channel, specs)

    def remove(self, prefix: Path, channel: Path, names: Sequence[str]) -> str:
        return self._solve("remove", prefix, channel, names)

    def doctor(self, prefix: Path) -> str:
        """What ``conda doctor`` has to say about an environment."""
        return self.run("doctor", "-p", prefix)

    def _solve(self, command: str, prefix: Path, channel: Path, specs: Sequence[str]) -> str:
        source = ("--offline", "--override-channels", "-c", channel.as_uri())
        return self.run(command, "--yes", "--quiet", "--solver", "classic", *source, "-p", prefix, *specs)


def _cached_conda() -> Path:
    """The interpreter of a virtual environment in which ``python -m conda`` works."""
    recipe = (_WHEEL, _REQUIREMENTS, _REPLACEMENTS)
    return cached_environment(f"conda-{VERSION}", recipe, _make_conda)


def _make_conda(folder: Path, python: Path) -> None:
    run([python, *PIP, "install", *_REQUIREMENTS], USERS_ENVIRON)
    with TemporaryDirectory() as downloads:
        run([python, *PIP, "download", "--no-deps", "--dest", downloads, _WHEEL], USERS_ENVIRON)
        (wheel,) = Path(downloads).glob("*.whl")
        (site_packages,) = folder.glob("lib/python*/site-packages")
        _unpack_vendored_conda(wheel, site_packages)
    run([python, "-m", "conda", "info"], clean_environ(folder / "home"))


def _unpack_vendored_conda(wheel: Path, site_packages: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.startswith(f"{_VENDOR}conda/") or name.endswith("/"):
                continue
            content = archive.read(name)
            if name.endswith(".py"):
                for old, new in _REPLACEMENTS.items():
                    content = content.replace(old, new)
            target = site_packages / name.removeprefix(_VENDOR)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
