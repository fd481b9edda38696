"""Fixtures for every test: a fast work folder, a channel, environments made from it, a real conda."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for `demo` and `tests.support`

from tests.support.environments import (
    CondaUnavailableError,
    LocalChannel,
    MakeEnvironment,
    RealConda,
    copy_channel,
    rattler_install,
)
from tests.support.environments import demo_channel as build_demo_channel

_RAM_DISK = Path("/dev/shm")
_ENOUGH = 4 << 30
"""Bytes that the environments of one session need, with room to spare."""


@pytest.fixture(scope="session")
def work_root() -> Iterator[Path]:
    """A folder for all that a session makes, on a RAM disk where there is a large one."""
    parent = _RAM_DISK if _is_roomy(_RAM_DISK) else None
    with tempfile.TemporaryDirectory(
        prefix="conda-pack-tests-", dir=parent, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="session", autouse=True)
def _own_home(work_root: Path) -> Iterator[None]:
    """No test reads or writes the settings and caches of who runs it."""
    home = work_root / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in list(os.environ):
            if name.startswith(("XDG_", "CONDA_")) and not name.startswith("CONDA_PACK_TESTS_"):
                patch.delenv(name)
        yield


@pytest.fixture
def work(work_root: Path) -> Iterator[Path]:
    """A new folder on the same disk as the environments: for one test, then removed."""
    folder = Path(tempfile.mkdtemp(dir=work_root, prefix="t-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def channel(work_root: Path) -> LocalChannel:
    """The channel to make environments from."""
    return copy_channel(work_root / "channels" / "main")


@pytest.fixture(scope="session")
def demo_channel(work_root: Path) -> LocalChannel:
    """The channel of the demonstration, even where there is a better one."""
    return build_demo_channel(work_root / "channels" / "demo")


@pytest.fixture
def rattler_env(work: Path, channel: LocalChannel) -> MakeEnvironment:
    """Makes environments that the test may change."""

    def make(*specs: str, prefix: Path | None = None, channel: LocalChannel | Path = channel) -> Path:
        target = prefix or Path(tempfile.mkdtemp(dir=work)) / "env"
        if isinstance(channel, LocalChannel):
            rattler_install(channel.path, target, specs or channel.specs)
        else:
            rattler_install(channel, target, specs)
        return target

    return make


@pytest.fixture(scope="session")
def installed(work_root: Path, channel: LocalChannel) -> Path:
    """One environment with all of the channel's specs, for tests that only read it."""
    prefix = work_root / "installed" / "env"
    rattler_install(channel.path, prefix, channel.specs)
    return prefix


@pytest.fixture(scope="session")
def conda(work_root: Path) -> RealConda:
    """A real conda; without a package index to make it from, the test is skipped.

    ``CONDA_PACK_TESTS_NEED_CONDA=1`` makes that an error, for machines that must have one.
    """
    try:
        return RealConda.make(work_root / "conda-home")
    except CondaUnavailableError as unavailable:
        if os.environ.get("CONDA_PACK_TESTS_NEED_CONDA"):
            raise
        pytest.skip(f"NO REAL CONDA, its tests do not run! {unavailable}")


def _is_roomy(folder: Path) -> bool:
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return False
    disk = os.statvfs(folder)
    runs_programs = not disk.f_flag & getattr(os, "ST_NOEXEC", 0)
    return runs_programs and disk.f_bavail * disk.f_frsize >= _ENOUGH
