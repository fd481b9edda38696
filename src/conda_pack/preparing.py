"""A selection and options → a plan, and where it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import asdict, replace

from conda_pack.archives.formats import STDOUT, level_of
from conda_pack.archives.writers import Target
from conda_pack.model import Environment, Plan
from conda_pack.options import Options, check, format_of
from conda_pack.plan.build import build
from conda_pack.plan.dereference import dereferenced
from conda_pack.plan.parcel import parcel, parcel_files
from conda_pack.runtime.files import runtime_files
from conda_pack.segments.workers import worker_count
from conda_pack.selection import Selection


def planned(selection: Selection, options: Options, ignore: Collection[str]) -> tuple[Plan, Target]:
    """What goes into which archive; ``ignore`` as in plan/build.py."""
    environment = selection.environment
    kind = format_of(options.output, options.format)
    check(options, kind)
    path, arcroot, dest_prefix = options.output, options.arcroot, options.dest_prefix
    runtime = runtime_files(environment.platform)
    if kind.name == "parcel":
        now = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
        made = parcel(selection.name, now, **asdict(options.parcel))
        path, arcroot, dest_prefix = path or made.filename, made.folder, made.dest_prefix
        runtime = parcel_files(made, environment.records)
    if path != STDOUT:
        path = os.path.abspath(path if path is not None else selection.name + kind.suffix)
    plan = build(
        _without(environment, path),
        filters=selection.all_filters,
        additions=selection.additions.files,
        dest_prefix=dest_prefix.rstrip("/") or "/" if dest_prefix else None,
        arcroot=arcroot,
        runtime=runtime,
        ignore=ignore,
    )
    if kind.name == "zip" and not options.zip_symlinks:
        plan = dereferenced(plan)
    target = Target(
        path=path,
        kind=kind,
        level=level_of(kind, options.compress_level),
        threads=worker_count(options.n_threads),
        force=options.force,
        zip_64=options.zip_64,
        name=selection.name,
        entrypoint=options.entrypoint,
    )
    return plan, target


def _without(environment: Environment, path: str) -> Environment:
    """The environment less the archive itself, if that is written into it."""
    inside = os.path.relpath(path, environment.prefix)
    if inside not in environment.files:
        return environment
    return replace(environment, files={key: file for key, file in environment.files.items() if key != inside})
