"""What Python says of itself on conda's platforms."""

from __future__ import annotations

from typing import NamedTuple


class System(NamedTuple):
    """``sys.platform``, ``os.name`` and ``platform.system()`` (docs.python.org, sys.platform)."""

    sys_platform: str
    os_name: str
    platform_system: str


SYSTEMS = {
    "linux": System("linux", "posix", "Linux"),
    "osx": System("darwin", "posix", "Darwin"),
    "win": System("win32", "nt", "Windows"),
}
#: By the second word of a platform, but for those of Windows.
_MACHINES = {"64": "x86_64", "32": "i686", "win-64": "AMD64", "win-32": "x86", "win-arm64": "ARM64"}


def machine_of(platform: str) -> str:
    """``platform.machine()`` on a platform of conda's: mostly the word that is its second part."""
    second = platform.partition("-")[2]
    return _MACHINES.get(platform, _MACHINES.get(second, second))
