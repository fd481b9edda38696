"""Wishes → environments → archives: what needs no environment of the user's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from conda_pack import packs
from conda_pack.api import CondaEnv, selected
from conda_pack.archives.formats import STDOUT, Format
from conda_pack.archives.output import AtomicFile, AtomicFolder
from conda_pack.digests import file_digest
from conda_pack.errors import EnvironmentFindings, UsageError
from conda_pack.options import Options, format_of
from conda_pack.progress import Reporter
from conda_pack.results import Created, Packed, Preview
from conda_pack.sources.environments import Environment, environments
from conda_pack.sources.imports.presence import absent
from conda_pack.sources.imports.proving import Failure, prove
from conda_pack.sources.orders import Order, orders
from conda_pack.sources.sites import Surroundings
from conda_pack.sources.targets import this_platform
from conda_pack.sources.wishes import Wishes
from conda_pack.unpacking import unpacked


def create(
    wishes: Wishes, options: Options, reporter: Reporter, what: Mapping[str, Any] | None = None
) -> Created:
    """Make what is asked for, and an archive of it for each platform.

    ``what`` is as of ``selection.select``. With several platforms the archives are called
    ``NAME-PLATFORM.SUFFIX``, and a ``packs.json`` beside them says which is which. All of them appear, or
    none. Every import that was found is tried in the unpacked archive, if that can run here.

    Raises SourceProblem where it cannot be made, EnvironmentFindings where an import fails, and what
    packing raises.
    """
    with _environments(wishes, options, reporter) as made, ExitStack() as publishing:
        several = len(made) > 1
        listing = publishing.enter_context(_listing(made[0].order, options)) if several else None
        archives: dict[str, packs.Pack] = {}
        packed = []
        for environment in made:
            env = selected(None, environment.prefix, reporter, **(what or {}))
            output = _output(environment.order, options, several)
            result = _pack(environment.order, env, replace(options, output=output), publishing, reporter)
            packed.append(result.packed)
            if listing is not None:
                archives[environment.order.platform] = _listed(result)
        if listing is not None:
            listing.file.write(packs.write_packs(made[0].order.name, archives))
    return Created(packs=packed, listing=listing.path if listing is not None else None)


def preview(
    wishes: Wishes, options: Options, reporter: Reporter, what: Mapping[str, Any] | None = None
) -> list[Preview]:
    """What ``create`` would pack, for each platform; writes nothing."""
    with _environments(wishes, options, reporter) as made:
        return [
            selected(None, environment.prefix, reporter, **(what or {})).preview(options)
            for environment in made
        ]


@contextmanager
def _environments(wishes: Wishes, options: Options, reporter: Reporter) -> Iterator[list[Environment]]:
    here = Surroundings(os.environ, os.path.expanduser("~"), os.getcwd())
    wanted = orders(wishes, here, reporter)
    _check_outputs(wanted, options)
    with environments(wanted, here, reporter) as made:
        yield made


def _listing(order: Order, options: Options) -> AtomicFile:
    folder = os.path.dirname(os.path.abspath(_output(order, options, True)))
    return AtomicFile(os.path.join(folder, packs.NAME), force=options.force)


def _kind(options: Options) -> Format:
    return format_of(options.output, options.format)


def _check_outputs(wanted: Sequence[Order], options: Options) -> None:
    """Refuse at once what could not be written after minutes of work."""
    kind = _kind(options)
    if len(wanted) > 1 and (options.output == STDOUT or kind.writer == "folder" or kind.name == "parcel"):
        raise UsageError(
            "Several platforms become several archives with a packs.json: choose a format that is one file "
            "and does not go to standard output."
        )
    for order in wanted:
        path = _output(order, options, len(wanted) > 1)
        if path != STDOUT and kind.name != "parcel":
            place = AtomicFolder if kind.writer == "folder" else AtomicFile
            place(path, force=options.force)
    if len(wanted) > 1:
        _listing(wanted[0], options)


def _output(order: Order, options: Options, several: bool) -> str:
    kind = _kind(options)
    if options.output is None:
        return f"{order.name}-{order.platform}{kind.suffix}" if several else order.name + kind.suffix
    if not several:
        return options.output
    stem = options.output.removesuffix(kind.suffix)
    return f"{stem}-{order.platform}{options.output[len(stem) :]}"


@dataclass(frozen=True, slots=True)
class _Result:
    packed: Packed
    partial: str  # where the archive is until it gets its own name


def _pack(
    order: Order, env: CondaEnv, options: Options, publishing: ExitStack, reporter: Reporter
) -> _Result:
    """An archive under its hidden name, proved; it gets its own when ``publishing`` ends well."""
    kind = _kind(options)
    assert options.output is not None
    if options.output == STDOUT or kind.writer == "folder" or kind.name == "parcel":
        _prove(order, env.prefix, reporter)  # before it is packed: nothing unpacks these
        packed = env.packed(options, reporter)
        return _Result(packed, packed.path)
    output = publishing.enter_context(AtomicFile(options.output, force=options.force))
    packed = env.packed(replace(options, output=output.partial, format=kind.name, force=True), reporter)
    if kind.writer == "squashfs" or options.dest_prefix:
        _prove(order, env.prefix, reporter)
    elif order.modules:
        # on the disk that had room for the environment
        beside = os.path.dirname(env.prefix)
        with tempfile.TemporaryDirectory(prefix="proof-", dir=beside, ignore_cleanup_errors=True) as folder:
            place = os.path.join(folder, order.name)
            unpacked(output.partial, place, options.n_threads, reporter, preflight=False)
            _prove(order, place, reporter)
    return _Result(msgspec.structs.replace(packed, path=output.path), output.partial)


def _listed(result: _Result) -> packs.Pack:
    """What packs.json says of an archive."""
    return packs.Pack(
        file=os.path.basename(result.packed.path),
        size=os.path.getsize(result.partial),
        sha256=file_digest(result.partial),
        identity=result.packed.identity,
    )


def _prove(order: Order, prefix: str, reporter: Reporter) -> None:
    """Import what is to be imported, or, for another platform, look whether it is there."""
    if not order.modules:
        return
    reporter.start("trying the imports", 0)
    can_run = order.platform == this_platform()
    if can_run:
        failures = prove(prefix, order.modules)
    else:
        failures = [Failure(module, name, "is not there") for module, name in absent(prefix, order.modules)]
    reporter.finish()
    if failures:
        raise EnvironmentFindings(
            "\n".join(
                [
                    f"{len(failures)} of {len(order.modules)} imports fail in the environment, which was "
                    "therefore not packed; name the packages that bring them with --map or --spec:",
                    *(f"  {failure.text}" for failure in failures),
                ]
            )
        )
    if not can_run:
        reporter.warn(f"{order.platform}: the imports were looked for, not tried: they run there only.")
