"""What makes which format, and where it goes: one table, one writer each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from conda_pack.archives.formats import STDOUT, Format
from conda_pack.archives.output import AtomicFile, AtomicFolder
from conda_pack.archives.segmented import SegmentWriter, Writer
from conda_pack.archives.writing import Folder
from conda_pack.errors import UsageError
from conda_pack.model import Plan


@dataclass(frozen=True, slots=True)
class Target:
    """What to make, and how. ``path`` is absolute, or that of standard output."""

    path: str
    kind: Format
    level: int
    threads: int
    force: bool = False
    zip_64: bool = True
    name: str = ""  # of the environment
    entrypoint: str | None = None  # of a self-extracting file

    @property
    def workers(self) -> int:
        """How many make segments: few for mksquashfs, which compresses them itself on all cores.

        1.4 GB on two cores: with two 22.6 s and 290 MiB of all processes together, with one 21.2 s and 214.
        """
        return max(1, self.threads // 2) if self.kind.writer == "squashfs" else self.threads


def opened(plan: Plan, target: Target) -> AbstractContextManager[Writer]:
    """The writer of a target, which is there under its name when the ``with`` block ends well."""
    return _WRITERS[target.kind.writer](plan, target)


@contextmanager
def _segments(plan: Plan, target: Target) -> Iterator[Writer]:  # noqa: ARG001
    if target.path == STDOUT:
        if sys.stdout.isatty():
            raise UsageError(
                "Standard output is a terminal, which cannot show an archive. Lead it to a file."
            )
        yield SegmentWriter(sys.stdout.buffer, target.kind.codec_name, target.level)
        sys.stdout.buffer.flush()
        return
    with AtomicFile(target.path, force=target.force) as output:
        yield SegmentWriter(output.file, target.kind.codec_name, target.level)


@contextmanager
def _self_extracting(plan: Plan, target: Target) -> Iterator[Writer]:
    from conda_pack.archives.selfextracting import SelfExtractingWriter  # noqa: PLC0415 - most archives are others

    with AtomicFile(target.path, force=target.force) as output:
        yield SelfExtractingWriter(
            plan, output.file, target.kind.codec_name, target.level, target.name, target.entrypoint
        )


@contextmanager
def _zip(plan: Plan, target: Target) -> Iterator[Writer]:  # noqa: ARG001
    from conda_pack.archives.zips import ZipWriter  # noqa: PLC0415 - most archives are others

    with AtomicFile(target.path, force=target.force) as output:
        yield ZipWriter(output.file, target.level, target.zip_64)


@contextmanager
def _squashfs(plan: Plan, target: Target) -> Iterator[Writer]:
    from conda_pack.archives.squashfs import SquashfsWriter, check_mksquashfs  # noqa: PLC0415 - most archives are others

    check_mksquashfs()
    with AtomicFile(target.path, force=target.force) as output:
        yield SquashfsWriter(plan, output.partial, target.level, target.threads)


@contextmanager
def _folder(plan: Plan, target: Target) -> Iterator[Writer]:
    from conda_pack.archives.copying import FolderWriter  # noqa: PLC0415 - most archives are others

    with AtomicFolder(target.path, force=target.force) as output:
        yield FolderWriter(plan, Folder(output.path))


_WRITERS: dict[str, Callable[[Plan, Target], AbstractContextManager[Writer]]] = {
    "segments": _segments,
    "sh": _self_extracting,
    "zip": _zip,
    "squashfs": _squashfs,
    "folder": _folder,
}
