"""What wheels must fit: a conda platform and a Python, as tags and markers tell of them.

Sources: platform compatibility tags (PEP 425, 600), dependency specifiers (PEP 508), both at
https://packaging.python.org/en/latest/specifications/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from conda_pack.environment.pythons import SYSTEMS, machine_of
from conda_pack.environment.read import read_records
from conda_pack.errors import SourceProblem

_WINDOWS_TAGS = {"win-64": "win_amd64", "win-32": "win32", "win-arm64": "win_arm64"}
#: The glibc of the manylinux that had a name before they were numbered (PEP 600).
_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
#: The oldest glibc 2 that manylinux knows: on Intel's processors, and on all others.
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_OLDEST_GLIBC_ELSEWHERE = 17

Launcher = Literal["win-amd64", "win-ia32", "win-arm64"]
_LAUNCHERS: dict[str, Launcher] = {
    "win-64": "win-amd64",
    "win-32": "win-ia32",
    "win-arm64": "win-arm64",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A conda platform, and the version of the CPython there.

    ``glibc`` and ``macos`` are the oldest that the environment is meant for, where the platform has one;
    ``python_site_packages_path`` is what Python's record says, relative to the prefix, if it does.
    """

    platform: str
    python: str
    free_threaded: bool = False
    glibc: str = "2.17"
    macos: str = "11.0"
    python_site_packages_path: str | None = None

    @property
    def family(self) -> str:
        """``linux``, ``osx`` or ``win``."""
        return self.platform.partition("-")[0]

    @property
    def python_version(self) -> str:
        """Major and minor alone."""
        return ".".join(self.python.split(".")[:2])

    @property
    def machine(self) -> str:
        """What markers call ``platform_machine``."""
        return machine_of(self.platform)

    @property
    def site_packages(self) -> str:
        """Where modules go, relative to the prefix."""
        if self.python_site_packages_path is not None:
            return self.python_site_packages_path
        if self.family == "win":
            return "Lib/site-packages"
        return f"lib/{self._python_folder}/site-packages"

    @property
    def scripts(self) -> str:
        """Where scripts go, relative to the prefix."""
        return "Scripts" if self.family == "win" else "bin"

    @property
    def headers(self) -> str:
        """Where the folders of projects' headers go, relative to the prefix."""
        return "Include" if self.family == "win" else f"include/{self._python_folder}"

    @property
    def launcher(self) -> Launcher | None:
        """Which program starts scripts, on Windows."""
        return _LAUNCHERS.get(self.platform)

    @property
    def abi(self) -> str:
        """``cp313``; ``cp313t`` if free-threaded."""
        return f"cp{self.python_version.replace('.', '')}{'t' if self.free_threaded else ''}"

    @property
    def _python_folder(self) -> str:
        return f"python{self.python_version}{'t' if self.free_threaded else ''}"

    def platform_tags(self) -> list[str]:
        """The platforms whose wheels run here, the best first."""
        if self.family == "osx":
            return list(mac_platforms(_two(self.macos), self.machine))
        if self.family == "win":
            return [_WINDOWS_TAGS[self.platform]]
        return [f"linux_{self.machine}", *_manylinux(_two(self.glibc), self.machine)]

    def tags(self) -> list[Tag]:
        """The tags of the wheels that run here, the best first."""
        version, platforms = _two(self.python_version), self.platform_tags()
        interpreter = f"cp{self.python_version.replace('.', '')}"
        return [
            *cpython_tags(version, [self.abi], platforms),
            *compatible_tags(version, interpreter, platforms),
        ]

    def environment(self) -> dict[str, str]:
        """What markers ask for. The release and version of a system that nobody has seen are empty."""
        sys_platform, os_name, system = SYSTEMS[self.family]
        return {
            "sys_platform": sys_platform,
            "platform_system": system,
            "os_name": os_name,
            "platform_machine": self.machine,
            "platform_release": "",
            "platform_version": "",
            "python_version": self.python_version,
            "python_full_version": self.python,
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "platform_python_implementation": "CPython",
        }

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.platform} and Python {self.python_version}{'t' if self.free_threaded else ''}"


def read_target(prefix: str, *, glibc: str | None = None, macos: str | None = None) -> Target:
    """What wheels must fit that go into the environment at ``prefix``.

    ``glibc`` and ``macos`` are the virtual packages' versions. Raises SourceProblem where there is no
    CPython, EnvironmentNotFound, FileChanged and CorruptMetadata.
    """
    records, site_packages = read_records(prefix)
    pythons = [record for record in records if record.name == "python"]
    if not pythons:
        raise SourceProblem(
            "The environment has no Python to put wheels in: add python to what conda is to bring."
        )
    python = pythons[0]
    if re.search("pypy|graalpy", python.build):
        raise SourceProblem(f"{python.dist} is no CPython: wheels are put into CPython's environments only.")
    threads = re.search(r"_cp\d+t$", python.build) or re.search(r"python[\d.]+t/", site_packages or "")
    if python.subdir.partition("-")[0] not in SYSTEMS:
        raise SourceProblem(f"No wheels are known to fit {python.subdir}, the platform of {python.dist}.")
    given = {"glibc": glibc, "macos": macos}
    return Target(
        platform=python.subdir,
        python=python.version,
        free_threaded=threads is not None,
        python_site_packages_path=site_packages,
        **{name: version for name, version in given.items() if version is not None},
    )


def _manylinux(glibc: tuple[int, int], machine: str) -> Iterator[str]:
    oldest = _OLDEST_GLIBC.get(machine, _OLDEST_GLIBC_ELSEWHERE)
    for minor in range(glibc[1], oldest - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY_MANYLINUX:
            yield f"{_LEGACY_MANYLINUX[minor]}_{machine}"


def _two(version: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    return numbers[0], [*numbers, 0][1]
