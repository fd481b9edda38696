"""Stage after stage: an archive → a folder."""

from __future__ import annotations

import io
import os
import sys
from typing import IO

from conda_pack.archives.extract import Extraction
from conda_pack.archives.formats import Format, by_magic
from conda_pack.archives.inventory import take_inventory
from conda_pack.archives.output import AtomicFolder
from conda_pack.archives.reader import ArchiveFile
from conda_pack.archives.settle import check_prefix, warn_of_kept
from conda_pack.archives.signing import sign_files
from conda_pack.archives.writing import Folder
from conda_pack.errors import CondaPackException, DamagedArchive, NotForThisMachine
from conda_pack.progress import PythonWarnings, Reporter
from conda_pack.results import Unpacked
from conda_pack.runtime.preflight import HINT, judge, this_machine
from conda_pack.runtime.rules import shebang_limit
from conda_pack.segments.schema import Content, Index, PackageItem, UnmanagedItem
from conda_pack.segments.workers import worker_count

_MAGIC = 16  # bytes that tell a format


def unpack(
    archive: str,
    dest: str,
    *,
    n_threads: int | None = None,
    preflight: bool = True,
    reporter: Reporter | None = None,
) -> str:
    """Put the environment of ``archive`` at ``dest``, exactly as if it had been installed there.

    ``archive`` is a path, or ``-`` for standard input, of any format but squashfs. ``dest``
    is a new or an empty folder; it appears whole or not at all. An environment
    that could not start on this machine is refused, or without ``preflight`` warned of.
    Returns its absolute path.

    Raises DamagedArchive, UnsafeArchive, NotForThisMachine, PrefixTooLong, OutputExists,
    FolderMissing and WriteFailed.
    """
    return unpacked(archive, dest, n_threads, reporter or PythonWarnings(), preflight=preflight).prefix


def unpacked(
    archive: str, dest: str, n_threads: int | None, reporter: Reporter, *, preflight: bool = True
) -> Unpacked:
    """As ``unpack``; returns what was unpacked."""
    dest = os.path.abspath(dest)
    index = _unpack(archive, dest, n_threads, reporter, preflight)
    content = index.content
    return Unpacked(
        prefix=dest,
        identity=index.identity,
        platform=content.platform,
        packages=len(content.packages),
        files=content.files,
        size=content.size,
    )


def _unpack(archive: str, dest: str, n_threads: int | None, reporter: Reporter, preflight: bool) -> Index:
    start = _Start(dest, preflight, reporter)
    try:
        if archive == "-":
            return _unpack_stream(sys.stdin.buffer, start)
        if (kind := _kind_of(archive)).writer == "zip":
            from conda_pack.archives.unzipping import ZipAsTar  # noqa: PLC0415 - most are no zip

            with ZipAsTar(archive) as tar:
                start.look_at(tar.index())
                return _unpack_stream(io.BufferedReader(tar), start)
        if kind.writer == "squashfs":
            raise CondaPackException(
                f"{archive} is a squashfs image: mount it, or extract it with unsquashfs and run "
                "bin/conda-unpack there."
            )
        with ArchiveFile(archive) as source:
            return _unpack_file(source, start, worker_count(n_threads))
    except DamagedArchive as error:
        raise type(error)(f"{'standard input' if archive == '-' else archive}: {error}") from error


def _kind_of(archive: str) -> Format:
    try:
        with open(archive, "rb") as file:
            return by_magic(file.read(_MAGIC))
    except FileNotFoundError:
        raise CondaPackException(f"There is no archive {archive}.") from None
    except IsADirectoryError:
        raise CondaPackException(f"{archive} is a folder, not an archive.") from None
    except OSError as error:
        raise DamagedArchive(f"It cannot be read: {error.strerror}.") from error


class _Start:
    """Where an environment goes, and whether it may: asked once, as soon as the index is known."""

    def __init__(self, dest: str, preflight: bool, reporter: Reporter) -> None:
        self.dest, self.reporter = dest, reporter
        self._preflight = preflight
        self._is_clear = False

    def look_at(self, index: Index) -> None:
        """Refuse what could not start on this machine or does not fit there; raises NotForThisMachine and
        PrefixTooLong.
        """
        if not self._is_clear:
            self._check_machine(index.content)
            if index.content.prefix is None:
                check_prefix(index.content, os.fsencode(self.dest))
            elif index.content.prefix != self.dest:
                self.reporter.warn(
                    f"this archive was packed for {index.content.prefix} and runs as it should only there."
                )
        self._is_clear = True

    def _check_machine(self, content: Content) -> None:
        fields = {
            "platform": content.platform,
            "requires": content.requires,
            "needs": content.needs,
            "needed_by": content.needed_by,
        }
        judgement = judge(fields, this_machine(fields))
        if judgement.refusal is not None:
            if self._preflight:
                raise NotForThisMachine(f"{judgement.refusal} {HINT}")
            self.reporter.warn(judgement.refusal)
        for warning in judgement.warnings:
            self.reporter.warn(warning)


def _unpack_file(source: ArchiveFile, start: _Start, threads: int) -> Index:
    content, reporter = source.index.content, start.reporter
    start.look_at(source.index)
    prefix = os.fsencode(start.dest) if content.prefix is None else None
    items: list[PackageItem | UnmanagedItem] = [*content.packages, content.unmanaged]
    inventory = take_inventory(content, [source.record(item) for item in items])
    limit = shebang_limit(content.platform)
    if prefix is not None:
        warn_of_kept(inventory, prefix, reporter)
    with AtomicFolder(start.dest) as folder:
        reporter.start("unpacking", sum(item.size for item in source.index.segments))
        try:
            Extraction(source, inventory, Folder(folder.path), prefix, limit).run(threads, reporter)
        finally:
            reporter.finish()
        if prefix is not None:
            sign_files(Folder(folder.path), content, start.dest, reporter)
    return source.index


def _unpack_stream(source: IO[bytes], start: _Start) -> Index:
    from conda_pack.archives.stream import StreamExtraction  # noqa: PLC0415 - few archives come that way

    with AtomicFolder(start.dest) as folder:
        start.reporter.start("unpacking", 0)
        try:
            extraction = StreamExtraction(
                source, Folder(folder.path), os.fsencode(start.dest), start.reporter
            )
            index = extraction.run()
        finally:
            start.reporter.finish()
        start.look_at(index)  # which came last
        if index.content.prefix is None:
            sign_files(Folder(folder.path), index.content, start.dest, start.reporter)
    return index
