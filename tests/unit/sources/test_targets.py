"""What the machine is that an environment is for."""

from __future__ import annotations

import platform

import pytest
import rattler

from conda_pack.errors import UsageError
from conda_pack.runtime.preflight import Machine
from conda_pack.sources.targets import (
    PLATFORMS,
    check_platforms,
    platform_of,
    system_version,
    this_platform,
    virtual_packages,
)


def test_this_platform() -> None:
    """As rattler says."""
    assert this_platform() == str(rattler.Subdir.current())


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("Linux", "x86_64", "linux-64"),
        ("Linux", "i686", "linux-32"),
        ("Linux", "aarch64", "linux-aarch64"),
        ("Linux", "arm64", "linux-aarch64"),
        ("Linux", "armv7l", "linux-armv7l"),
        ("Linux", "ppc64le", "linux-ppc64le"),
        ("Darwin", "x86_64", "osx-64"),
        ("Darwin", "arm64", "osx-arm64"),
        ("Windows", "AMD64", "win-64"),
        ("Windows", "ARM64", "win-arm64"),
        ("FreeBSD", "amd64", "freebsd-amd64"),
    ],
)
def test_platform_of(system: str, machine: str, expected: str) -> None:
    """Its own, not another one whose programs it runs as well."""
    assert platform_of(Machine(system, machine, {})) == expected


def test_platforms() -> None:
    """Those of rattler that have a system; all others are refused at once."""
    families = ("linux-", "osx-", "win-")
    known = [str(each) for each in rattler.Subdir.all() if str(each).startswith(families)]
    assert set(PLATFORMS) - set(known) == set()
    check_platforms(PLATFORMS)
    with pytest.raises(UsageError, match=r"^amiga and beos-5 are no platform: choose of linux-64, "):
        check_platforms(("linux-64", "amiga", "beos-5"))


def test_this_machine_is_asked() -> None:
    """By rattler itself."""
    assert virtual_packages(this_platform(), {}) is None


@pytest.mark.skipif(this_platform() == "osx-arm64", reason="is another platform")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["__unix=0=0", "__osx=13.0=0", "__archspec=1=m1"]),
        ({"CONDA_OVERRIDE_OSX": "14.5"}, ["__unix=0=0", "__osx=14.5=0", "__archspec=1=m1"]),
        ({"CONDA_OVERRIDE_OSX": ""}, ["__unix=0=0", "__archspec=1=m1"]),
        ({"CONDA_OVERRIDE_GLIBC": "2.17"}, ["__unix=0=0", "__osx=13.0=0", "__archspec=1=m1"]),
        ({"CONDA_OVERRIDE_ARCHSPEC": "m2"}, ["__unix=0=0", "__osx=13.0=0", "__archspec=1=m2"]),
    ],
)
def test_another_machine(environ: dict[str, str], expected: list[str]) -> None:
    """What it is taken to offer, and what the user says it offers."""
    assert virtual_packages("osx-arm64", environ) == expected


@pytest.mark.parametrize("name", [name for name in PLATFORMS if name != this_platform()])
def test_rattler_understands_them(name: str) -> None:
    """Every text is a name, a version and a build."""
    for text in virtual_packages(name, {"CONDA_OVERRIDE_CUDA": "12.4"}) or []:
        package, version, build = text.split("=")
        assert rattler.PackageName(package).normalized.startswith("__")
        assert str(rattler.Version(version)) == version
        assert build
    assert "__cuda=12.4=0" in (virtual_packages(name, {"CONDA_OVERRIDE_CUDA": "12.4"}) or [])


def test_system_versions() -> None:
    """What wheels may need."""
    assert system_version("win-64", {}) is None
    assert system_version("linux-aarch64" if this_platform() != "linux-aarch64" else "linux-64", {}) == "2.28"
    assert system_version("osx-64", {"CONDA_OVERRIDE_OSX": "11.0"}) == "11.0"
    if platform.libc_ver()[0] == "glibc":
        assert system_version(this_platform(), {}) == platform.libc_ver()[1]
