"""Packed environments, made once for all tests of a session."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import pytest

from demo.commands import run
from tests.support.environments import LocalChannel, RealConda, rattler_install
from tests.support.foreign import PACKAGES, Install, install_foreign, make_channel
from tests.support.packs import Packed, small_specs

INSTALLERS = ("rattler", "conda")


@pytest.fixture(scope="session")
def packs(
    request: pytest.FixtureRequest, work_root: Path, channel: LocalChannel
) -> Callable[[str, str], Packed]:
    """Gives an environment, packed, by its installer and by whether it has all specs or few."""
    made: dict[tuple[str, str], Packed] = {}

    def by_rattler(place: Path, specs: Sequence[str]) -> None:
        rattler_install(channel.path, place, specs)

    def by_conda(place: Path, specs: Sequence[str]) -> None:
        conda: RealConda = request.getfixturevalue("conda")
        conda.create(place, channel.path, specs)

    def give(installer: str, size: str) -> Packed:
        if (installer, size) not in made:
            install = by_rattler if installer == "rattler" else by_conda
            specs = channel.specs if size == "full" else small_specs(channel)
            folder = work_root / "packed" / f"{installer}-{size}"
            made[installer, size] = Packed.make(folder, installer, install, specs)
        return made[installer, size]

    return give


@pytest.fixture(params=INSTALLERS)
def full(request: pytest.FixtureRequest, packs: Callable[[str, str], Packed]) -> Packed:
    """With everything that the channel has to offer."""
    return packs(request.param, "full")


@pytest.fixture(params=INSTALLERS)
def small(request: pytest.FixtureRequest, packs: Callable[[str, str], Packed]) -> Packed:
    """With a Python, the prefix in every kind of file, and entry points."""
    return packs(request.param, "small")


@pytest.fixture
def small_rattler(packs: Callable[[str, str], Packed]) -> Packed:
    return packs("rattler", "small")


@pytest.fixture(scope="session")
def foreign(work_root: Path) -> Install:
    """Environments for Windows and macOS."""
    channels: dict[str, Path] = {}

    def at(subdir: str, prefix: Path) -> Path:
        if subdir not in channels:
            folder = work_root / "channels" / f"foreign-{subdir}" / "channel"
            channels[subdir] = make_channel(folder, PACKAGES[subdir])
        return install_foreign(subdir, channels[subdir], prefix, ["tool", "noarch-tool"])

    return at


@pytest.fixture(scope="session")
def plugged(conda: RealConda, work_root: Path) -> RealConda:
    """A conda with conda-pack beside it, command and metadata, as pip has installed it for these tests."""
    installed = distribution("conda-pack")
    assert "conda" in {point.group for point in installed.entry_points}, "install conda-pack again"
    folder = work_root / "conda-with-plugin"
    run([conda.python, "-m", "venv", "--without-pip", folder], os.environ)
    own = run([conda.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], os.environ)
    beside = dict.fromkeys([own.strip(), str(installed.locate_file("")), sysconfig.get_path("purelib")])
    (site_packages,) = folder.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})\n" for path in beside]
    (site_packages / "beside.pth").write_text("".join(lines))
    command = folder / "bin" / "conda-pack"
    command.write_text(f"#!{folder}/bin/python\nfrom conda_pack.cli.main import run\nrun()\n")
    command.chmod(0o755)
    return replace(conda, python=folder / "bin" / "python")
