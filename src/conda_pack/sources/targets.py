"""The platform that an environment is for: which one this machine is, and what another one offers."""

from __future__ import annotations

from collections.abc import Mapping

from conda_pack.errors import UsageError
from conda_pack.runtime.preflight import MACHINES, SYSTEMS, Machine, fits, glibc, macos, this_machine

#: Platforms that conda has packages for (rattler_conda_types' list, less those without a system).
PLATFORMS = (
    *("linux-64", "linux-32", "linux-aarch64", "linux-armv6l", "linux-armv7l", "linux-loongarch64"),
    *("linux-ppc64le", "linux-ppc64", "linux-ppc", "linux-riscv32", "linux-riscv64", "linux-s390x"),
    *("osx-64", "osx-arm64", "win-32", "win-64", "win-arm64"),
)
#: What a machine is taken to offer that is not this one: as pixi does, so that what it locks and what we
#: solve are for the same machines. CONDA_OVERRIDE_* say otherwise.
_OFFERED = {
    "linux": {"__unix": "0", "__linux": "4.18", "__glibc": "2.28"},
    "osx": {"__unix": "0", "__osx": "13.0"},
    "win": {"__win": "0"},
}
_ARCHITECTURES = {
    "linux-64": "x86_64",
    "linux-32": "x86",
    "osx-64": "x86_64",
    "osx-arm64": "m1",
    "win-64": "x86_64",
    "win-32": "x86",
    "win-arm64": "aarch64",
}
_OVERRIDABLE = ("__glibc", "__osx", "__linux", "__win", "__cuda", "__archspec")


def this_platform() -> str:
    """The conda platform of this machine."""
    return platform_of(this_machine({}))


def platform_of(machine: Machine) -> str:
    """The conda platform of a machine: its own, where it runs programs of others, too."""
    families = {system: family for family, system in SYSTEMS.items()}
    named = f"{families.get(machine.system, machine.system.lower())}-{machine.machine}"
    if named in PLATFORMS:  # as osx-arm64, where Rosetta runs osx-64
        return named
    runs = [name for name in MACHINES if fits(name, machine)]
    return min(runs, key=lambda name: MACHINES[name].index(machine.machine), default=named)


def check_platforms(platforms: tuple[str, ...]) -> None:
    """Raise UsageError for what is no platform of conda's."""
    wrong = [name for name in platforms if name not in PLATFORMS]
    if wrong:
        raise UsageError(
            f"{' and '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} no platform: "
            f"choose of {', '.join(PLATFORMS)}."
        )


def virtual_packages(platform: str, environ: Mapping[str, str]) -> list[str] | None:
    """The virtual packages (CEP 30) of a target as ``NAME=VERSION=BUILD``; None asks this machine itself."""
    if platform == this_platform():
        return None
    family, _, architecture = platform.partition("-")
    offered = dict(_OFFERED[family])
    builds = {"__archspec": _ARCHITECTURES.get(platform, architecture)}
    offered["__archspec"] = "1"
    for name in _OVERRIDABLE:
        value = environ.get("CONDA_OVERRIDE_" + name[2:].upper())
        if value is None:
            continue
        if not value.strip():
            offered.pop(name, None)
        elif name == "__archspec":
            builds[name] = value.strip()
        elif name == "__cuda" or name in offered:
            offered[name] = value.strip()
    return [f"{name}={version}={builds.get(name, '0')}" for name, version in offered.items()]


def system_version(platform: str, environ: Mapping[str, str]) -> str | None:
    """The version of glibc or macOS that wheels may need at most; None where neither is there."""
    family = platform.partition("-")[0]
    if family == "win":
        return None
    name, find = ("__glibc", glibc) if family == "linux" else ("__osx", macos)
    if override := environ.get("CONDA_OVERRIDE_" + name[2:].upper(), "").strip():
        return override
    if platform == this_platform() and (found := find()):
        return found
    return _OFFERED[family][name]
