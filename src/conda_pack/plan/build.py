"""Environment → Plan: what goes in, in which order, in which form. Decides, touches nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from conda_pack.errors import EnvironmentFindings, UsageError
from conda_pack.model import (
    PACK_FOLDER,
    UNMANAGED_RECORD,
    Blob,
    Claim,
    DiskFile,
    Entry,
    Environment,
    Finding,
    Form,
    Part,
    Plan,
    Record,
    Severity,
)
from conda_pack.plan.select import Filter, excluded

#: The earliest time that every archive format can hold (zip begins in 1980).
EARLIEST = 315532800

_ENTRY_POINTS = ("unix_python_entry_point", "windows_python_entry_point_script")
#: A path's record, its claim there, and the digests by which other packages own it too.
Owner = tuple[Record, Claim, tuple[str, ...]]

_UNPACKER = re.compile(r"/conda-unpack(?:\.bat|\.pyz)?\Z")
_BYTECODE = re.compile(r"(?:(.*)/)?__pycache__/([^/]+?)\.[^./]+(?:\.opt-\d)?\.pyc$")


def build(
    environment: Environment,
    *,
    filters: Sequence[Filter] = (),
    dest_prefix: str | None = None,
    arcroot: str = "",
    runtime: Sequence[Blob] = (),
    ignore: Iterable[str] = (),
    additions: Sequence[DiskFile] = (),
) -> Plan:
    """Decide the whole archive.

    ``ignore`` holds the options that make an error finding a warning. ``additions``
    are files of no package that are not in the environment; no filter applies to
    them. Raises EnvironmentFindings with every remaining error finding, UsageError
    for an ``arcroot`` that leaves the archive, and for an addition in the place of
    the ``runtime``.
    """
    findings = check_errors(environment.findings, frozenset(ignore))
    times = [record.timestamp for record in environment.records if record.timestamp > 0]
    latest = max(times, default=EARLIEST)
    left_out = excluded(environment.files, filters)
    runtime = _runtime(environment, runtime, dest_prefix)
    ours = environment.runtime_before | {blob.path for blob in runtime}
    records_paths = {f"conda-meta/{record.dist}.json" for record in environment.records}
    packed = {
        path: file
        for path, file in environment.files.items()
        if path not in left_out and path not in ours and path not in records_paths
    }
    if additions:
        _check_additions(additions, runtime)
        packed.update((file.path, file) for file in additions)
        packed = dict(sorted(packed.items()))
    claims = _owners(environment, packed)
    bytecode = _bytecode_of(packed)
    entries: dict[str | None, list[Entry]] = {record.dist: [] for record in environment.records}
    entries[None] = []
    for file in packed.values():
        owner, entry = _entry(environment, file, claims, packed, bytecode)
        entries[owner].append(entry)
    parts = [_part(record, entries[record.dist], packed) for record in environment.records]
    mtimes = {
        entry.path: part.mtime
        for part in parts
        for entry in part.entries
        if entry.form is Form.AS_IS and entry.bytecode is None
    }
    unmanaged = [_with_source_mtime(entry, mtimes) for entry in entries[None]]
    owned = {claim.path for record in environment.records for claim in record.claims}
    parts.append(
        Part(
            dist="",
            record_path=UNMANAGED_RECORD,
            record=None,
            entries=tuple(unmanaged),
            excluded=tuple(sorted(left_out - owned)),
            mtime=latest,
        )
    )
    return Plan(
        environment=environment,
        dest_prefix=dest_prefix,
        arcroot=check_arcroot(arcroot),
        runtime=tuple(runtime),
        parts=tuple(parts),
        mtime=latest,
        findings=findings,
    )


def check_arcroot(arcroot: str) -> str:
    """The normal form of the folder that the environment gets inside the archive."""
    normal = posixpath.normpath(arcroot.replace("\\", "/")).strip("/") if arcroot else ""
    if normal.split("/")[0] == ".." or "\n" in normal:
        raise UsageError(f"The arcroot {arcroot!r} leaves the archive. Give a relative path without '..'.")
    return "" if normal == "." else normal


def check_errors(findings: tuple[Finding, ...], ignore: frozenset[str]) -> tuple[Finding, ...]:
    """The findings, those to be ignored as warnings; raises EnvironmentFindings for all other errors."""
    judged = tuple(
        replace(finding, severity=Severity.WARNING, option="") if finding.option in ignore else finding
        for finding in findings
    )
    errors = [finding.text() for finding in judged if finding.severity is Severity.ERROR]
    if errors:
        raise EnvironmentFindings("\n".join(errors))
    return judged


def _runtime(environment: Environment, runtime: Sequence[Blob], dest_prefix: str | None) -> list[Blob]:
    """The runtime, less what the environment has of its own (conda's own bin/activate)."""
    theirs = set(environment.files) - environment.runtime_before
    theirs |= {claim.path for record in environment.records for claim in record.claims}
    return [
        blob
        for blob in runtime
        if blob.path not in theirs and not (dest_prefix and _UNPACKER.search(blob.path))
    ]


def _check_additions(additions: Sequence[DiskFile], runtime: Sequence[Blob]) -> None:
    ours = {blob.path for blob in runtime}
    if taken := [file.path for file in additions if file.path in ours]:
        raise UsageError(
            f"What is added cannot take the place of what is needed to unpack and to activate: "
            f"{', '.join(taken)}. Give it another DEST."
        )


# -------------------------------------------------------------------- owners


def _owners(environment: Environment, packed: Mapping[str, DiskFile]) -> dict[str, Owner]:
    """For each owned path: its record, its claim, and the digests by which others own it too.

    Of several owners the one counts whose file it is by its digest, or else by its
    size; any of their digests is accepted.
    """
    owners: dict[str, Owner] = {}
    for record in environment.records:
        for claim in record.claims:
            file = packed.get(claim.path)
            if file is None:
                continue
            known = owners.get(claim.path)
            if known is None:
                owners[claim.path] = (record, claim, ())
                continue
            first, second = (known[0], known[1]), (record, claim)
            if _fit(claim, file, environment) > _fit(known[1], file, environment):
                first, second = second, first
            digests = {second[1].sha256, second[1].sha256_in_prefix} - {None}
            owners[claim.path] = (*first, (*known[2], *sorted(str(digest) for digest in digests)))
    return owners


def _fit(claim: Claim, file: DiskFile, environment: Environment) -> int:
    """How well a claim describes the file on disk: by its digest, by its size, not at all."""
    digest = environment.contested.get(file.path)
    if digest is not None and digest in (claim.sha256_in_prefix, claim.sha256):
        return 2
    return 1 if claim.size == file.size else 0


# ------------------------------------------------------------------- entries


def _entry(
    environment: Environment,
    file: DiskFile,
    owners: Mapping[str, Owner],
    packed: Mapping[str, DiskFile],
    bytecode: Mapping[str, str],
) -> tuple[str | None, Entry]:
    """The entry of one path, and the dist that it goes with (None: unmanaged)."""
    dist, claim, form, source, compiled = None, None, Form.AS_IS, None, None
    accepted: tuple[str, ...] = ()
    owner = owners.get(file.path)
    if owner is not None:
        record, claim, accepted = owner
        dist, form = record.dist, _form(claim)
        compiled = _own_bytecode(file, record, owners, bytecode) if form is Form.AS_IS else None
        if claim.path_type == "pyc_file" and _source_holds_prefix(file, owners):
            # not the package's alone, so not in its part
            dist, claim, form = None, None, Form.BYTECODE
    elif file.path.endswith(".pyc"):
        form, source = Form.BYTECODE, packed.get(_source(file.path))
    elif file.kind == "file":
        form, compiled = Form.SEARCH, bytecode.get(file.path)
    return dist, Entry(
        path=file.path,
        kind=file.kind,
        mode=file.mode,
        size=file.size,
        mtime=file.mtime,
        form=form,
        target=_target(environment, file),
        claim=claim,
        accepted=accepted,
        previous=environment.previous.get(file.path),
        bytecode=compiled,
        source=source,
        location=file.location,
        data=file.data,
    )


def _own_bytecode(
    file: DiskFile, record: Record, owners: Mapping[str, Owner], bytecode: Mapping[str, str]
) -> str | None:
    """The bytecode of a package's source, if it is the same package's."""
    compiled = bytecode.get(file.path)
    if compiled is None or compiled not in owners or owners[compiled][0] is not record:
        return None
    return compiled


def _source_holds_prefix(file: DiskFile, owners: Mapping[str, Owner]) -> bool:
    source = owners.get(_source(file.path))
    return source is not None and source[1].placeholder is not None


def _form(claim: Claim) -> Form:
    if claim.path_type in _ENTRY_POINTS:
        return Form.SCRIPT
    if claim.placeholder is not None:
        return Form.RESTORE
    if claim.sha256 is None:
        return Form.AS_IS if claim.path_type == "pyc_file" else Form.SEARCH
    if claim.sha256_in_prefix not in (None, claim.sha256):
        return Form.PATCHED
    return Form.AS_IS


def _target(environment: Environment, file: DiskFile) -> str:
    """A link's text: what points into the prefix absolutely becomes relative, or it would stay behind."""
    if file.kind != "link":
        return ""
    for prefix in environment.prefixes:
        root = prefix.decode("utf-8", "surrogateescape")
        if file.target == root or file.target.startswith(root + "/"):
            inside = file.target[len(root) + 1 :] or "."
            return posixpath.relpath(inside, posixpath.dirname(file.path) or ".")
    return file.target


# ------------------------------------------------------------------ bytecode


def _source(path: str) -> str:
    """The source file that the bytecode at ``path`` was compiled from (PEP 3147)."""
    match = _BYTECODE.match(path)
    if match is None:
        return path[:-1]
    return f"{match[1]}/{match[2]}.py" if match[1] else f"{match[2]}.py"


def _bytecode_of(packed: Mapping[str, DiskFile]) -> dict[str, str]:
    """Source → its bytecode, the first of several."""
    pairs: dict[str, str] = {}
    for path in packed:
        if path.endswith(".pyc"):
            pairs.setdefault(_source(path), path)
    return pairs


def _with_source_mtime(entry: Entry, mtimes: Mapping[str, int]) -> Entry:
    """Bytecode of a package's source: tell it the mtime that source gets."""
    if entry.source is None:
        return entry
    mtime = mtimes.get(entry.source.path)
    if mtime is None:  # the source keeps its own time, or nobody's package has it
        return msgspec.structs.replace(entry, source=None)
    return msgspec.structs.replace(entry, source_mtime=mtime)


# --------------------------------------------------------------------- parts


def _part(record: Record, entries: list[Entry], packed: Mapping[str, DiskFile]) -> Part:
    # what is excluded or missing now must not surprise who packs the unpacked environment
    gone = [
        claim.path
        for claim in record.claims
        if claim.path not in packed and claim.path_type not in ("directory", "pyc_file")
    ]
    return Part(
        dist=record.dist,
        record_path=f"{PACK_FOLDER}/{record.dist}.json",
        record=record,
        entries=tuple(entries),
        excluded=tuple(sorted(gone)),
        mtime=record.timestamp if record.timestamp > 0 else EARLIEST,
    )
