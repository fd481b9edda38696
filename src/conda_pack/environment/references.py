"""What in an environment refers to files outside of it: at the destination they may be others, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from conda_pack.environment.editable import PTH, pth_locations, site_files
from conda_pack.environment.findings import leaving_links
from conda_pack.environment.places import is_inside
from conda_pack.model import DiskFile, Environment

#: As much of a first line as any kernel reads: macOS (execve(2) of Linux says 255, before 5.1 127).
_FIRST_LINE = 512
_ELF = b"\x7fELF"
#: What scripts of packages may count on: POSIX has sh, and every system on which conda's packages run (they
#: need glibc or macOS) has the others, whichever of /bin and /usr/bin is a link to the other there.
_EVERYWHERE = frozenset(
    f"{folder}/{name}" for folder in ("/bin", "/usr/bin") for name in ("sh", "bash", "env")
)
#: Where the dynamic linker looks in any case (ld.so(8)).
_SYSTEM_LIBRARIES = frozenset(("/lib", "/lib64", "/usr/lib", "/usr/lib64"))


def references(
    environment: Environment,
    read: Callable[[DiskFile, int], bytes],
    run_paths: Callable[[DiskFile], Iterable[str]],
) -> list[str]:
    """Each as ``path → what it refers to``: links, run paths of libraries, scripts' interpreters, .pth lines.

    Only what there is on this machine counts, links apart: 208 of 208 run paths out of a data-science
    environment name folders of the machines where its libraries were built. ``read`` gives the first bytes of
    a file, up to that many, none where it cannot be read; ``run_paths`` the RPATH and RUNPATH of an ELF file.
    """

    @cache
    def leaves(location: str) -> bool:
        return os.path.isabs(location) and os.path.exists(location) and not is_inside(environment, location)

    return [
        *(text for finding in leaving_links(environment) for text in finding.paths),
        *(
            f"{file.path} → {location} ({kind})"
            for file, location, kind in (
                *_of_programs(environment, read, run_paths),
                *_of_python(environment, read),
            )
            if leaves(location)
        ),
    ]


def _of_programs(
    environment: Environment,
    read: Callable[[DiskFile, int], bytes],
    run_paths: Callable[[DiskFile], Iterable[str]],
) -> Iterator[tuple[DiskFile, str, str]]:
    for file in environment.files.values():
        if file.kind != "file" or not (file.mode & 0o111 or ".so" in file.path.rpartition("/")[2]):
            continue
        start = read(file, _FIRST_LINE)
        if start.startswith(_ELF):
            for location in dict.fromkeys(run_paths(file)):
                if os.path.normpath(location) not in _SYSTEM_LIBRARIES:
                    yield file, location, "RPATH"
        elif file.mode & 0o111 and start.startswith(b"#!"):
            words = start[2:].partition(b"\n")[0].split()
            if words and os.fsdecode(words[0]) not in _EVERYWHERE:
                yield file, os.fsdecode(words[0]), "shebang"


def _of_python(
    environment: Environment, read: Callable[[DiskFile, int], bytes]
) -> Iterator[tuple[DiskFile, str, str]]:
    for name, path in site_files(environment):
        if "/" not in name and name.endswith(PTH):
            file = environment.files[path]
            for location in pth_locations(read(file, file.size).decode("utf-8", "replace")):
                yield file, location, "in a .pth file"
