"""The stages joined: what the command line and the Python API both call."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conda_pack.archives.formats import FORMATS, INFER
from conda_pack.archives.writers import opened
from conda_pack.options import Options, ParcelOptions
from conda_pack.packing import write_archive
from conda_pack.plan.dereference import dereferenced
from conda_pack.plan.select import Filter, check_filters
from conda_pack.plan.slim import SlimReport, slim_report
from conda_pack.preparing import planned
from conda_pack.progress import PythonWarnings, Reporter
from conda_pack.results import Packed, Preview
from conda_pack.selection import Selection, select
from conda_pack.unpacking import unpack

__all__ = ["CondaEnv", "File", "SlimReport", "pack", "unpack"]


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

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._environment = selection.environment
        self._left_out = selection.left_out

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
    ) -> CondaEnv:
        editable = "skip" if ignore_editable_packages else "refuse"
        return selected(
            name, prefix, PythonWarnings(), editable=editable, ignore_missing_files=ignore_missing_files
        )

    @property
    def prefix(self) -> str:
        """Its absolute path."""
        return self._environment.prefix

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._selection.name

    @property
    def files(self) -> list[File]:
        """Its files, without the excluded ones."""
        owners = {claim.path: claim for record in self._environment.records for claim in record.claims}
        files = []
        for path, file in self._environment.files.items():
            if path not in self._left_out:
                claim = owners.get(path)
                files.append(
                    File(
                        source=file.location or os.path.join(self.prefix, path),
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
        return self._with(("exclude", pattern))

    def include(self, pattern: str) -> CondaEnv:
        """With those excluded files again that match ``pattern``."""
        return self._with(("include", pattern))

    def _with(self, *filters: Filter) -> CondaEnv:
        every = self._selection.filters + check_filters(filters)
        return CondaEnv(replace(self._selection, filters=every))

    def slim_report(self) -> SlimReport | None:
        """What the presets that it was asked for with leave out, None without any."""
        presets = self._selection.slim
        return slim_report(self._environment, presets, self._selection.filters) if presets else None

    def pack(
        self,
        output: str | None = None,
        format: str = INFER,
        arcroot: str = "",
        dest_prefix: str | None = None,
        parcel_root: str | None = None,
        parcel_name: str | None = None,
        parcel_version: str | None = None,
        parcel_distro: str | None = None,
        verbose: bool = False,
        force: bool = False,
        compress_level: int | None = None,
        n_threads: int | None = None,
        zip_symlinks: bool = False,
        zip_64: bool = True,
        entrypoint: str | None = None,
        reporter: Reporter | None = None,
    ) -> str:
        """Write the archive and return its path. See ``conda_pack.pack`` for the arguments."""
        options = Options(
            output=output,
            format=format,
            arcroot=arcroot,
            dest_prefix=dest_prefix,
            parcel=ParcelOptions(parcel_root, parcel_name, parcel_version, parcel_distro),
            force=force,
            compress_level=compress_level,
            n_threads=n_threads,
            zip_symlinks=zip_symlinks,
            zip_64=zip_64,
            entrypoint=entrypoint,
        )
        return self.packed(options, reporter or _reporter(verbose)).path

    def preview(self, options: Options, warnings: Sequence[str] = ()) -> Preview:
        """What would be packed, the ``warnings`` there were so far among the rest; writes nothing."""
        from conda_pack.previewing import preview  # noqa: PLC0415 - with codecs and ELF, for this alone

        every = {finding.option for finding in self._environment.findings}
        plan, target = planned(self._selection, options, self._selection.ignore | every)
        files = dereferenced(plan)
        plans = [
            (kind, files if kind.name == "zip" and not options.zip_symlinks else plan) for kind in FORMATS
        ]
        level = options.compress_level
        return preview(
            plan,
            self._selection.ignore,
            plans,
            level,
            target.threads,
            warnings=warnings,
            most_named=options.most_named,
        )

    def packed(self, options: Options, reporter: Reporter) -> Packed:
        """Write the archive and return what it is."""
        plan, target = planned(self._selection, options, self._selection.ignore)
        with opened(plan, target) as writer:
            assembler = write_archive(plan, writer, target.workers, reporter, options.most_named)
        content = assembler.content
        assert content is not None
        is_file = os.path.isfile(target.path)
        return Packed(
            path=target.path,
            format=target.kind.name,
            identity=assembler.identity,
            platform=content.platform,
            packages=len(content.packages),
            files=content.files,
            size=content.size,
            archive_size=os.path.getsize(target.path) if is_file else None,
            prefix=content.prefix,
            longest_prefix=content.longest_prefix,
        )


def pack(
    name: str | None = None,
    prefix: str | None = None,
    output: str | None = None,
    format: str = INFER,
    arcroot: str = "",
    dest_prefix: str | None = None,
    parcel_root: str | None = None,
    parcel_name: str | None = None,
    parcel_version: str | None = None,
    parcel_distro: str | None = None,
    verbose: bool = False,
    force: bool = False,
    compress_level: int | None = None,
    n_threads: int | None = None,
    zip_symlinks: bool = False,
    zip_64: bool = True,
    filters: Sequence[tuple[str, str]] | None = None,
    ignore_editable_packages: bool = False,
    ignore_missing_files: bool = False,
    exclude_from: Sequence[str] = (),
    slim: Sequence[str] = (),
    additions: Sequence[str] = (),
    editable: str = "refuse",
    entrypoint: str | None = None,
    reporter: Reporter | None = None,
) -> str:
    """Pack an environment into one archive; returns the archive's path.

    ``name`` or ``prefix`` tells the environment, neither the active one. ``output``
    is the archive, by default the environment's name with the format's suffix;
    ``format`` is ``infer`` (by suffix) or one of the table in archives/formats.py.
    ``arcroot`` is the environment's folder within the archive. With ``dest_prefix``
    the files are written for that place, and nothing needs unpacking there.
    ``compress_level`` is the codec's, ``n_threads`` all cores unless positive.
    ``filters`` are ``("exclude" | "include", pattern)`` in order, after those of the files
    ``exclude_from`` and of the presets ``slim`` (see docs/slimming.md). ``additions`` are
    ``SRC[:DEST]``, files and folders to be packed too. ``editable`` says what becomes of packages
    installed with -e: ``refuse``, ``skip`` (also ``ignore_editable_packages``) or ``copy``. ``verbose`` shows
    progress on standard error. ``zip_symlinks`` and ``zip_64`` are ignored unless the
    format is zip; the ``parcel_*`` arguments are refused unless it is a parcel, and
    ``entrypoint``, the command that a self-extracting file runs, unless it is ``sh``.

    Raises CondaPackException, in its kinds.
    """
    reporter = reporter or _reporter(verbose)
    env = selected(
        name,
        prefix,
        reporter,
        filters=filters or (),
        exclude_from=exclude_from,
        slim=slim,
        additions=additions,
        editable="skip" if ignore_editable_packages else editable,
        ignore_missing_files=ignore_missing_files,
    )
    return env.pack(
        output=output,
        format=format,
        arcroot=arcroot,
        dest_prefix=dest_prefix,
        parcel_root=parcel_root,
        parcel_name=parcel_name,
        parcel_version=parcel_version,
        parcel_distro=parcel_distro,
        force=force,
        compress_level=compress_level,
        n_threads=n_threads,
        zip_symlinks=zip_symlinks,
        zip_64=zip_64,
        entrypoint=entrypoint,
        reporter=reporter,
    )


def selected(name: str | None, prefix: str | None, reporter: Reporter, **what: Any) -> CondaEnv:
    """The environment that is asked for, and what of it: see selection.py."""
    return CondaEnv(select(name, prefix, reporter, **what))


def _reporter(verbose: bool) -> Reporter:
    if not verbose:
        return PythonWarnings()
    from conda_pack.cli.console import ConsoleReporter  # noqa: PLC0415 - rich, only where it is shown

    return ConsoleReporter()
