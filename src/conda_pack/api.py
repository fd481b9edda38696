"""The stages joined: what the command line and the Python API both call."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import BinaryIO

from conda_pack.archives.container import CONTAINERS
from conda_pack.archives.extract import Extraction
from conda_pack.archives.formats import DEFAULT, INFER, Format, by_name, by_suffix, level_of
from conda_pack.archives.inventory import take_inventory
from conda_pack.archives.output import AtomicFile, AtomicFolder
from conda_pack.archives.reader import ArchiveFile
from conda_pack.archives.settle import check_prefix
from conda_pack.archives.stream import StreamExtraction
from conda_pack.archives.writing import Folder
from conda_pack.environment.findings import IGNORE_EDITABLE, IGNORE_MISSING
from conda_pack.environment.locate import locate
from conda_pack.environment.read import read_environment
from conda_pack.errors import CondaPackException, DamagedArchive
from conda_pack.model import Environment, Finding, Note, Plan, Severity
from conda_pack.plan.build import build, check_errors
from conda_pack.plan.select import Filter, check_filters, excluded
from conda_pack.progress import Reporter
from conda_pack.relocation.store import Relocator
from conda_pack.runtime.conda_unpack import SHEBANG_LIMITS
from conda_pack.runtime.files import runtime_files
from conda_pack.segments.assemble import Assembler
from conda_pack.segments.reading import FileReader
from conda_pack.segments.schema import Index, SegmentItem
from conda_pack.segments.workers import worker_count

#: What is said of the files that packing noted something about, after their number.
_NOTES: dict[Note, str] = {
    "modified": "files were changed since their package was installed; they are packed as they are.",
    "unrestored": (
        "files could not be put back into their packages' form; "
        "they are packed as installed, and relocated where their room allows."
    ),
    "left": (
        "files hold the environment's prefix in data that cannot be changed safely; they keep it wherever they go."
    ),
}


class PythonWarnings:
    """The reporter of the Python API: warnings as Python's own, no progress."""

    def warn(self, message: str) -> None:
        warnings.warn(message, UserWarning, stacklevel=2)

    def start(self, description: str, total: int) -> None:
        pass

    def advance(self, amount: int) -> None:
        pass

    def finish(self) -> None:
        pass


# ------------------------------------------------------------------------ pack


@dataclass(frozen=True)
class File:
    """One file of an environment, as the incumbent's API shows it.

    ``source`` is where it lies, ``target`` its path within the prefix. ``file_mode``
    is None, ``'text'`` or ``'binary'``; ``prefix_placeholder`` what its package has
    in place of the prefix, where conda-meta says so.
    """

    source: str
    target: str
    is_conda: bool = True
    file_mode: str | None = None
    prefix_placeholder: str | None = None


class CondaEnv:
    """An environment to be packed; ``exclude`` and ``include`` give new ones.

    Made by ``from_prefix``, ``from_name`` or ``from_default``. Iterating over it
    gives its ``File`` objects, ``len`` their number.
    """

    def __init__(
        self, environment: Environment, filters: tuple[Filter, ...] = (), ignore: Iterable[str] = ()
    ):
        self._environment = environment
        self._filters = filters
        self._ignore = frozenset(ignore)
        self._left_out = excluded(environment.files, filters)

    @classmethod
    def from_prefix(
        cls, prefix: str, *, ignore_editable_packages: bool = False, ignore_missing_files: bool = False
    ) -> CondaEnv:
        """The environment at ``prefix``."""
        return cls._found(None, prefix, ignore_editable_packages, ignore_missing_files)

    @classmethod
    def from_name(
        cls, name: str, *, ignore_editable_packages: bool = False, ignore_missing_files: bool = False
    ) -> CondaEnv:
        """The environment called ``name``."""
        return cls._found(name, None, ignore_editable_packages, ignore_missing_files)

    @classmethod
    def from_default(
        cls, *, ignore_editable_packages: bool = False, ignore_missing_files: bool = False
    ) -> CondaEnv:
        """The active environment."""
        return cls._found(None, None, ignore_editable_packages, ignore_missing_files)

    @classmethod
    def _found(
        cls,
        name: str | None,
        prefix: str | None,
        ignore_editable_packages: bool,
        ignore_missing_files: bool,
        reporter: Reporter | None = None,
    ) -> CondaEnv:
        located = locate(name, prefix, environ=os.environ, home=os.path.expanduser("~"), cwd=os.getcwd())
        environment = read_environment(located, (reporter or PythonWarnings()).warn)
        ignore = [IGNORE_EDITABLE] * ignore_editable_packages + [IGNORE_MISSING] * ignore_missing_files
        check_errors(environment.findings, frozenset(ignore))
        return cls(environment, (), ignore)

    @property
    def prefix(self) -> str:
        """Its absolute path."""
        return self._environment.prefix

    @property
    def name(self) -> str:
        """The last part of its path."""
        return os.path.basename(self.prefix.rstrip(os.sep))

    @property
    def files(self) -> list[File]:
        """Its files, without the excluded ones."""
        owners = {claim.path: claim for record in self._environment.records for claim in record.claims}
        files = []
        for path in self._environment.files:
            if path not in self._left_out:
                claim = owners.get(path)
                files.append(
                    File(
                        source=os.path.join(self.prefix, path),
                        target=path,
                        is_conda=claim is not None or path.startswith("conda-meta/"),
                        file_mode=claim.file_mode if claim else None,
                        prefix_placeholder=claim.placeholder if claim else None,
                    )
                )
        return files

    def __len__(self) -> int:
        return len(self._environment.files) - len(self._left_out)

    def __iter__(self) -> Iterator[File]:
        return iter(self.files)

    def __repr__(self) -> str:
        return f"CondaEnv<{self.prefix!r}, {len(self)} files>"

    def exclude(self, pattern: str) -> CondaEnv:
        """Without the files that match ``pattern`` (shell wildcards over the path in the prefix)."""
        return CondaEnv(self._environment, (*self._filters, ("exclude", pattern)), self._ignore)

    def include(self, pattern: str) -> CondaEnv:
        """With those excluded files again that match ``pattern``."""
        return CondaEnv(self._environment, (*self._filters, ("include", pattern)), self._ignore)

    def pack(
        self,
        output: str | None = None,
        format: str = INFER,  # noqa: A002 - the incumbent's name
        arcroot: str = "",
        dest_prefix: str | None = None,
        verbose: bool = False,
        force: bool = False,
        compress_level: int | None = None,
        n_threads: int | None = None,
        reporter: Reporter | None = None,
    ) -> str:
        """Write the archive and return its path. See ``conda_pack.pack`` for the arguments."""
        kind = _format(output, format)
        path = os.path.abspath(output if output is not None else self.name + kind.suffix)
        environment = _without(self._environment, path)
        plan = build(
            environment,
            filters=self._filters,
            dest_prefix=dest_prefix.rstrip("/") or "/" if dest_prefix is not None else None,
            arcroot=arcroot,
            runtime=runtime_files(environment.platform),
            ignore=self._ignore,
        )
        reporter = reporter or _reporter(verbose)
        level = level_of(kind, compress_level)
        with AtomicFile(path, force=force) as output_file:
            write_archive(plan, output_file.file, kind, level, worker_count(n_threads), reporter)
        return path


def pack(
    name: str | None = None,
    prefix: str | None = None,
    output: str | None = None,
    format: str = INFER,  # noqa: A002 - the incumbent's name
    arcroot: str = "",
    dest_prefix: str | None = None,
    verbose: bool = False,
    force: bool = False,
    compress_level: int | None = None,
    n_threads: int | None = None,
    filters: Sequence[tuple[str, str]] | None = None,
    ignore_editable_packages: bool = False,
    ignore_missing_files: bool = False,
    reporter: Reporter | None = None,
) -> str:
    """Pack an environment into one archive; returns the archive's path.

    ``name`` or ``prefix`` tells the environment, neither the active one. ``output``
    is the archive, by default the environment's name with the format's suffix;
    ``format`` is ``infer`` (by suffix) or one of the table in archives/formats.py.
    ``arcroot`` is the environment's folder within the archive. With ``dest_prefix``
    the files are written for that place, and nothing needs unpacking there.
    ``compress_level`` is the codec's, ``n_threads`` all cores unless positive.
    ``filters`` are ``("exclude" | "include", pattern)`` in order. ``verbose`` shows
    progress on standard error.

    Raises CondaPackException, in its kinds.
    """
    reporter = reporter or _reporter(verbose)
    env = CondaEnv._found(name, prefix, ignore_editable_packages, ignore_missing_files, reporter)
    env = CondaEnv(env._environment, check_filters(filters or ()), env._ignore)
    return env.pack(
        output=output,
        format=format,
        arcroot=arcroot,
        dest_prefix=dest_prefix,
        force=force,
        compress_level=compress_level,
        n_threads=n_threads,
        reporter=reporter,
    )


def write_archive(
    plan: Plan, file: BinaryIO, kind: Format, level: int, threads: int, reporter: Reporter
) -> None:
    """Write a plan's archive to ``file``, and tell what was found on the way."""
    for finding in plan.findings:
        reporter.warn(finding.text())
    relocator = Relocator(plan.environment.prefixes, plan.environment.platform)
    assembler = Assembler(plan, FileReader(plan, relocator), kind.codec, level, reporter)
    container = CONTAINERS[kind.codec_name]()
    items: list[SegmentItem] = []
    offset = 0

    def write(data: bytes) -> None:
        nonlocal offset
        view = memoryview(data)
        while view:  # a raw file may take less at once
            view = view[file.write(view) :]
        offset += len(data)

    reporter.start("packing", plan.size)
    try:
        write(container.begin())
        with ThreadPoolExecutor(threads) as pool:
            for segment in assembler.segments(pool, threads):
                cut, compressed = segment.cut, segment.compressed
                items.append(
                    SegmentItem(
                        part=cut.part,
                        role=cut.role,
                        offset=offset,
                        length=len(compressed.data),
                        size=compressed.size,
                        sha256=segment.sha256,
                        continues=cut.continues,
                        at=cut.at,
                    )
                )
                write(compressed.data)
                container.add(compressed)
        index, footer = assembler.last_segments(items, offset)
        write(index.compressed.data)
        container.add(index.compressed)
        write(container.end(footer))
    finally:
        reporter.finish()
    for note, paths in sorted(assembler.notes.items()):
        reporter.warn(Finding(Severity.WARNING, f"{len(paths)} {_NOTES[note]}", tuple(sorted(paths))).text())


def _format(output: str | None, name: str) -> Format:
    if name != INFER:
        return by_name(name)
    return DEFAULT if output is None else by_suffix(output)


def _without(environment: Environment, path: str) -> Environment:
    """The environment less the archive itself, if that is written into it."""
    inside = os.path.relpath(path, environment.prefix)
    if inside not in environment.files:
        return environment
    return replace(environment, files={key: file for key, file in environment.files.items() if key != inside})


def _reporter(verbose: bool) -> Reporter:
    if not verbose:
        return PythonWarnings()
    from conda_pack.cli.console import ConsoleReporter  # noqa: PLC0415 - rich, only where it is shown

    return ConsoleReporter()


# ---------------------------------------------------------------------- unpack


def unpack(archive: str, dest: str, *, n_threads: int | None = None, reporter: Reporter | None = None) -> str:
    """Put the environment of ``archive`` at ``dest``, exactly as if it had been installed there.

    ``archive`` is a path, or ``-`` for standard input. ``dest`` is a new or an empty
    folder; it appears whole or not at all. Returns its absolute path.

    Raises DamagedArchive, UnsafeArchive, PrefixTooLong, OutputExists, FolderMissing
    and WriteFailed.
    """
    reporter = reporter or PythonWarnings()
    dest = os.path.abspath(dest)
    if archive == "-":
        return _unpack_stream(sys.stdin.buffer, dest, reporter)
    try:
        opened = ArchiveFile(archive)
    except FileNotFoundError:
        raise CondaPackException(f"There is no archive {archive}.") from None
    except IsADirectoryError:
        raise CondaPackException(f"{archive} is a folder, not an archive.") from None
    except OSError as error:
        raise DamagedArchive(f"{archive} cannot be read: {error.strerror}.") from error
    with opened as source:
        return _unpack_file(source, dest, worker_count(n_threads), reporter)


def _unpack_file(source: ArchiveFile, dest: str, threads: int, reporter: Reporter) -> str:
    content = source.index.content
    prefix = _relocated_to(source.index, dest, reporter)
    items = [*content.packages, content.unmanaged]
    inventory = take_inventory(content, [source.record(item) for item in items])
    limit = SHEBANG_LIMITS.get(content.platform.split("-")[0], 127)
    with AtomicFolder(dest) as folder, ThreadPoolExecutor(threads) as pool:
        reporter.start("unpacking", sum(item.size for item in source.index.segments))
        try:
            Extraction(source, inventory, Folder(folder.path), prefix, limit).run(pool, threads, reporter)
        finally:
            reporter.finish()
    return dest


def _unpack_stream(source: BinaryIO, dest: str, reporter: Reporter) -> str:
    with AtomicFolder(dest) as folder:
        reporter.start("unpacking", 0)
        try:
            index = StreamExtraction(source, Folder(folder.path), os.fsencode(dest), reporter).run()
        finally:
            reporter.finish()
    _relocated_to(index, dest, reporter)
    return dest


def _relocated_to(index: Index, dest: str, reporter: Reporter) -> bytes | None:
    """The prefix to write into the files, if it is not fixed; refuses one that is too long."""
    fixed = index.content.prefix
    if fixed is None:
        check_prefix(index.content, os.fsencode(dest))
        return os.fsencode(dest)
    if fixed != dest:
        reporter.warn(f"this archive was packed for {fixed} and runs as it should only there.")
    return None
