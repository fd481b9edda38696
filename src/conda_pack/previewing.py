"""Stage after stage, without an archive at the end: a plan → what packing would make. Writes nothing."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from mmap import ACCESS_READ, mmap

from conda_pack.archives.formats import Format
from conda_pack.environment.references import references
from conda_pack.errors import FileChanged
from conda_pack.estimating import estimates
from conda_pack.model import MOST_NAMED, DiskFile, Entry, Form, Part, Plan, Severity
from conda_pack.relocation.elf import rpaths
from conda_pack.relocation.store import Relocator
from conda_pack.results import Preview
from conda_pack.segments.reading import read_file

_MOST_LIMITING = 5  # as many as an archive's index names
_MIB = 1 << 20


def preview(
    plan: Plan,
    ignore: Collection[str],
    plans: Sequence[tuple[Format, Plan]],
    level: int | None,
    threads: int,
    *,
    warnings: Sequence[str] = (),
    most_named: int = MOST_NAMED,
) -> Preview:
    """What packing ``plan`` would make, but for what shows only when each file is read.

    That is, which files were changed since they were installed. The plan is to be built with the options of
    all error findings as its ``ignore``; here ``ignore`` holds those that the user gave, and the other errors
    are told. ``plans`` are the formats to estimate, each with its plan, for a zip may have files in the place
    of links; ``level`` counts for those that have it. ``warnings`` were given before.
    """
    environment = plan.environment
    entries = [entry for part in plan.parts for entry in part.entries]
    findings = [
        finding
        for finding in environment.findings
        if finding.severity is Severity.ERROR and finding.option not in ignore
    ]
    stopping = {finding.message for finding in findings}
    longest, limited_by, errors = _limits(plan)
    not_packed = _excluded(plan, entries)
    return Preview(
        environment=environment.prefix,
        platform=environment.platform.subdir,
        packages=len(environment.records),
        files=len(entries) + len(environment.records) + len(plan.runtime),
        size=plan.size + sum(len(record.text) for record in environment.records),
        excluded=len(not_packed),
        excluded_size=sum(file.size for file in not_packed),
        longest_prefix=longest,
        limited_by=limited_by,
        leaving=_leaving(plan, entries),
        estimates=estimates(plans, level, threads),
        errors=[
            *(finding.text(most_named) for finding in findings),
            *_unreadable(plan, entries, most_named),
            *errors,
        ],
        warnings=[
            *warnings,
            *(finding.text(most_named) for finding in plan.findings if finding.message not in stopping),
        ],
    )


def _source(plan: Plan, file: Entry | DiskFile) -> str:
    """Where it lies on this machine."""
    return file.location or f"{plan.environment.prefix}/{file.path}"


def _excluded(plan: Plan, entries: Sequence[Entry]) -> list[DiskFile]:
    """What is in the environment and not packed, nor made anew."""
    made = {f"conda-meta/{record.dist}.json" for record in plan.environment.records}
    made |= plan.environment.runtime_before | {blob.path for blob in plan.runtime}
    kept = made | {entry.path for entry in entries}
    return [file for path, file in plan.environment.files.items() if path not in kept]


def _unreadable(plan: Plan, entries: Sequence[Entry], most_named: int) -> list[str]:
    paths = [
        entry.path
        for entry in entries
        if entry.kind == "file" and entry.data is None and not os.access(_source(plan, entry), os.R_OK)
    ]
    if not paths:
        return []
    more = [f"    … and {len(paths) - most_named} more"] if len(paths) > most_named else []
    message = f"{len(paths)} files cannot be read. Make them readable, or leave them out with --exclude."
    return ["\n".join([message, *(f"    {path}" for path in paths[:most_named]), *more])]


# ------------------------------------------------------------ longest prefix


def _limits(plan: Plan) -> tuple[int | None, list[str], list[str]]:
    """The longest prefix that the archive will fit, which files allow no longer one, and what is too long.

    As the archive's index will have it: the few files whose placeholder is the shortest are put into their
    stored form to see that it stays.
    """
    rooms: dict[int, list[tuple[Part, Entry]]] = {}
    for part in plan.parts:
        for entry in part.entries:
            for room in _rooms(entry):
                rooms.setdefault(room, []).append((part, entry))
    for room in sorted(rooms):
        holding = (entry.path for part, entry in rooms[room] if _room(plan, part, entry) == room)
        if limiting := list(islice(holding, _MOST_LIMITING)):
            return _judged(plan.dest_prefix, room, limiting)
    return None, [], []


def _judged(
    dest_prefix: str | None, longest: int, limiting: list[str]
) -> tuple[int | None, list[str], list[str]]:
    if dest_prefix is None:
        return longest, limiting, []
    if len(os.fsencode(dest_prefix)) <= longest:
        return None, [], []
    error = (
        f"The destination {dest_prefix} is longer than the {longest} bytes that {limiting[0]} has room for. "
        "Choose a shorter one."
    )
    return None, [], [error]


def _rooms(entry: Entry) -> set[int]:
    """The lengths that a binary file's placeholder may turn out to have."""
    rooms: set[int] = set()
    before, claim = entry.previous, entry.claim
    if entry.kind != "file":
        return rooms
    if before is not None and before.get("file_mode") == "binary":
        rooms.add(len(before["prefix_placeholder"].encode()))
    if entry.form is Form.RESTORE and claim is not None and claim.file_mode == "binary" and claim.placeholder:
        rooms.add(len(claim.placeholder.encode()))
    return rooms


def _room(plan: Plan, part: Part, entry: Entry) -> int | None:
    """The length of the placeholder in a file's stored form, if it is one that relocation must fill."""
    relocator = Relocator(plan.environment.prefixes, plan.environment.platform)
    try:
        data = entry.data if entry.data is not None else read_file(_source(plan, entry), entry.size)
    except FileChanged:  # told with all that cannot be read
        return None
    fields = relocator.store(entry, data, part.record.installer if part.record else "conda").fields
    if fields.get("file_mode") != "binary" or fields.get("optional"):
        return None
    return len(fields["prefix_placeholder"].encode())


# -------------------------------------------------------- references outside


def _leaving(plan: Plan, entries: Sequence[Entry]) -> list[str]:
    files = {
        entry.path: DiskFile(
            entry.path,
            entry.kind,
            entry.mode,
            entry.size,
            entry.mtime,
            entry.target,
            entry.location,
            entry.data,
        )
        for entry in entries
    }
    packed = replace(plan.environment, files=files)
    return references(packed, partial(_start, plan), partial(_run_paths, plan))


def _start(plan: Plan, file: DiskFile, size: int) -> bytes:
    """The first bytes of a file; none of one that cannot be read."""
    if file.data is not None:
        return file.data[:size]
    try:
        with open(_source(plan, file), "rb", buffering=0) as opened:
            return opened.read(size)
    except OSError:
        return b""


def _run_paths(plan: Plan, file: DiskFile) -> list[str]:
    """The entries of RPATH and RUNPATH; none of a damaged file, nor of one that an edit has brought here."""
    found: list[str] = []
    with (
        suppress(OSError, ValueError, LookupError, OverflowError, struct.error),
        open(_source(plan, file), "rb") as opened,
        mmap(opened.fileno(), 0, access=ACCESS_READ) as image,
    ):
        for _, text in rpaths(image):
            found += os.fsdecode(text).split(":")
    return found
