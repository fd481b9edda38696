"""What a compiled file needs of the machine that it runs on: read from its header while it is packed.

Of a Linux program, that is the newest version of glibc, libstdc++ and its ABI that ld.so insists on; of
a macOS one, the system that it was built for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conda_pack.model import Needs, Platform
from conda_pack.relocation import elf, macho
from conda_pack.relocation.elf import Read

#: e_machine of what a platform runs, elf(5).
_ELF_MACHINES = {
    "linux-64": 62,
    "linux-32": 3,
    "linux-aarch64": 183,
    "linux-armv6l": 40,
    "linux-armv7l": 40,
    "linux-ppc64": 21,
    "linux-ppc64le": 21,
    "linux-riscv32": 243,
    "linux-riscv64": 243,
    "linux-s390x": 22,
}
#: cputype, <mach/machine.h>.
_MACHO_PROCESSORS = {"osx-64": 0x01000007, "osx-arm64": 0x0100000C}

_VERSION = re.compile(r"(GLIBC|GLIBCXX|CXXABI)_(\d+(?:\.\d+)*)\Z")
#: Versions that stand for a feature of ld.so, and the glibc that first has it.
_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
#: A cross compiler's system, which its programs run on some other machine.
_SYSROOT = "/sysroot/"
_MAGIC = (elf.MAGIC, *macho.THIN, macho.FAT)
NONE: Needs = {}


@dataclass(frozen=True, slots=True)
class NeedsReader:
    """Reads what files need that run on a platform."""

    platform: Platform

    def read(self, path: str, read: Read) -> Needs:
        """What the file at ``path`` in the prefix needs, whose bytes ``read`` gives.

        Nothing if it is for another processor, part of a cross compiler's system, damaged, or no program.
        """
        head = read(0, 4)
        if head not in _MAGIC or _SYSROOT in f"/{path}":
            return NONE
        try:
            return self._of_elf(path, read) if head == elf.MAGIC else self._of_macho(path, read)
        except elf.ERRORS:  # which are those of macho, too
            return NONE

    def _of_elf(self, path: str, read: Read) -> Needs:
        expected = _ELF_MACHINES.get(self.platform.subdir)
        if expected is not None and elf.machine(read) != expected:
            return NONE
        needs: dict[tuple[str, str], tuple[tuple[int, ...], str]] = {}
        for library, name in elf.needed_versions(read):
            found = _VERSION.match(name)
            if found is not None:
                kind, version = found[1].lower(), tuple(map(int, found[2].split(".")))
            elif name in _FEATURES:
                kind, version = "glibc", _FEATURES[name]
            else:
                continue
            if needs.get((library, kind), ((), ""))[0] < version:
                needs[library, kind] = version, path
        return needs

    def _of_macho(self, path: str, read: Read) -> Needs:
        expected = _MACHO_PROCESSORS.get(self.platform.subdir)
        versions = [
            image.minimum
            for image in macho.images(read)
            if image.minimum is not None and expected in (None, image.processor)
        ]
        return {("", "macos"): (max(versions), path)} if versions else NONE


def joined(all_needs: Iterable[Needs]) -> Needs:
    """What several files need together: the newest of each, and which file it is that needs it.

    Of several the first by its path, whatever the order that they come in.
    """
    most: dict[tuple[str, str], tuple[tuple[int, ...], str]] = {}
    for needs in all_needs:
        for key, (version, path) in needs.items():
            known = most.get(key)
            if known is None or version > known[0] or (version == known[0] and path < known[1]):
                most[key] = version, path
    return most


def of_the_machine(needs: Needs, provided: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """By kind (glibc, glibcxx, cxxabi, macos) the version that the machine must have, and a file that asks.

    ``provided`` are libraries that the environment brings along.
    """
    brought = frozenset(provided)
    left: Mapping[tuple[str, str], tuple[tuple[int, ...], str]] = joined(
        {("", kind): need} for (library, kind), need in needs.items() if library not in brought
    )
    versions = {kind: ".".join(map(str, version)) for (_, kind), (version, _) in sorted(left.items())}
    return versions, {kind: path for (_, kind), (_, path) in sorted(left.items())}
