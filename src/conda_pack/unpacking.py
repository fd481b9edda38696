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
from conda_pack.archives.writing import Folder
from conda_pack.errors import CondaPackException, DamagedArchive
from conda_pack.progress import PythonWarnings, Reporter
from conda_pack.results import Unpacked
from conda_pack.runtime.rules import shebang_limit
from conda_pack.segments.schema import Index, PackageItem, UnmanagedItem
from conda_pack.segments.workers import worker_count

_MAGIC = 16  # bytes that tell a format


def unpack(archive: str, dest: str, *, n_threads: int | None = None, reporter: Reporter | None = None) -> str:
    """Put the environment of ``archive`` at ``dest``, exactly as if it had been installed there.

    ``archive`` is a path, or ``-`` for standard input, of any format but squashfs. ``dest``
    is a new or an empty folder; it appears whole or not at all. Returns its absolute path.

    Raises DamagedArchive, UnsafeArchive, PrefixTooLong, OutputExists, FolderMissing
    and WriteFailed.
    """
    return unpacked(archive, dest, n_threads, reporter or PythonWarnings()).prefix


def unpacked(archive: str, dest: str, n_threads: int | None, reporter: Reporter) -> Unpacked:
    """As ``unpack``; returns what was unpacked."""
    dest = os.path.abspath(dest)
    index = _unpack(archive, dest, n_threads, reporter)
    content = index.content
    return Unpacked(
        prefix=dest,
        identity=index.identity,
        platform=content.platform,
        packages=len(content.packages),
        files=content.files,
        size=content.size,
    )


def _unpack(archive: str, dest: str, n_threads: int | None, reporter: Reporter) -> Index:
    try:
        if archive == "-":
            return _unpack_stream(sys.stdin.buffer, dest, reporter)
        if (kind := _kind_of(archive)).writer == "zip":
            from conda_pack.archives.unzipping import ZipAsTar  # noqa: PLC0415 - most are no zip

            with ZipAsTar(archive) as tar:
                return _unpack_stream(io.BufferedReader(tar), dest, reporter)
        if kind.writer == "squashfs":
            raise CondaPackException(
                f"{archive} is a squashfs image: mount it, or extract it with unsquashfs and run "
                "bin/conda-unpack there."
            )
        with ArchiveFile(archive) as source:
            return _unpack_file(source, dest, worker_count(n_threads), reporter)
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


def _unpack_file(source: ArchiveFile, dest: str, threads: int, reporter: Reporter) -> Index:
    content = source.index.content
    prefix = _relocated_to(source.index, dest, reporter)
    items: list[PackageItem | UnmanagedItem] = [*content.packages, content.unmanaged]
    inventory = take_inventory(content, [source.record(item) for item in items])
    limit = shebang_limit(content.platform)
    if prefix is not None:
        warn_of_kept(inventory, prefix, reporter)
    with AtomicFolder(dest) as folder:
        reporter.start("unpacking", sum(item.size for item in source.index.segments))
        try:
            Extraction(source, inventory, Folder(folder.path), prefix, limit).run(threads, reporter)
        finally:
            reporter.finish()
    return source.index


def _unpack_stream(source: IO[bytes], dest: str, reporter: Reporter) -> Index:
    from conda_pack.archives.stream import StreamExtraction  # noqa: PLC0415 - few archives come that way

    with AtomicFolder(dest) as folder:
        reporter.start("unpacking", 0)
        try:
            index = StreamExtraction(source, Folder(folder.path), os.fsencode(dest), reporter).run()
        finally:
            reporter.finish()
    _relocated_to(index, dest, reporter)
    return index


def _relocated_to(index: Index, dest: str, reporter: Reporter) -> bytes | None:
    """The prefix to write into the files, if it is not fixed; refuses one that is too long."""
    fixed = index.content.prefix
    if fixed is None:
        check_prefix(index.content, os.fsencode(dest))
        return os.fsencode(dest)
    if fixed != dest:
        reporter.warn(f"this archive was packed for {fixed} and runs as it should only there.")
    return None
