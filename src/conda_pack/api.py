"""The stages joined: what the command line and the Python API both call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from conda_pack.archives.formats import DEFAULT, INFER, Format, by_name, by_suffix, level_of
from conda_pack.archives.output import AtomicFile
from conda_pack.environment.findings import IGNORE_EDITABLE, IGNORE_MISSING
from conda_pack.environment.locate import locate
from conda_pack.environment.read import read_environment
from conda_pack.errors import UsageError
from conda_pack.model import Environment
from conda_pack.packing import write_archive
from conda_pack.plan.build import build, check_errors
from conda_pack.plan.select import Filter, check_filters, excluded
from conda_pack.progress import PythonWarnings, Reporter
from conda_pack.runtime.files import runtime_files
from conda_pack.segments.workers import worker_count
from conda_pack.unpacking import unpack

__all__ = ["CondaEnv", "File", "pack", "unpack"]


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
    ) -> None:
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
        zip_symlinks: bool = False,  # noqa: ARG002 - as the incumbent has it: for zip alone
        zip_64: bool = True,  # noqa: ARG002
        reporter: Reporter | None = None,
    ) -> str:
        """Write the archive and return its path. See ``conda_pack.pack`` for the arguments."""
        if (parcel_root, parcel_name, parcel_version, parcel_distro) != (None, None, None, None):
            raise UsageError("The parcel_* arguments are for parcels, which cannot be made. Leave them out.")
        kind = _format(output, format)
        path = os.path.abspath(output if output is not None else self.name + kind.suffix)
        environment = _without(self._environment, path)
        plan = build(
            environment,
            filters=self._filters,
            dest_prefix=dest_prefix.rstrip("/") or "/" if dest_prefix else None,
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
    progress on standard error. ``zip_symlinks`` and ``zip_64`` are ignored unless the
    format is zip; the ``parcel_*`` arguments are refused unless it is a parcel.

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
        parcel_root=parcel_root,
        parcel_name=parcel_name,
        parcel_version=parcel_version,
        parcel_distro=parcel_distro,
        force=force,
        compress_level=compress_level,
        n_threads=n_threads,
        zip_symlinks=zip_symlinks,
        zip_64=zip_64,
        reporter=reporter,
    )


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
