"""A prefix → the Environment: records, files, and what an earlier archive knew of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from conda_pack.environment.findings import find
from conda_pack.environment.records import parse_record, parse_site_packages
from conda_pack.environment.scan import BASE_FOLDERS, scan
from conda_pack.errors import CorruptMetadata, EnvironmentNotFound, FileChanged
from conda_pack.model import INDEX_PATH, PACK_FOLDER, Claim, DiskFile, Environment, Platform, Record

#: An entry point's interpreter, in the short form and in the installers' long one.
_INTERPRETER = re.compile(rb"(?:#!|#!/bin/sh\n'''exec' \"?)(/[^\n]*?)/bin/python[0-9.]*[\" \n]")


def read_environment(prefix: str, warn: Callable[[str], None] = lambda _: None) -> Environment:
    """Read the environment at ``prefix``, an absolute path.

    Raises EnvironmentNotFound, CorruptMetadata and FileChanged.
    """
    records, site_packages = read_records(prefix)
    is_base = any(record.name == "conda" for record in records)
    files = scan(prefix, BASE_FOLDERS if is_base else (), warn)
    index, entries, excluded = _read_earlier(prefix)
    names = _names_of(prefix)
    moved_from = _interpreter_prefix(prefix, records) if not index else None
    if moved_from is not None and moved_from not in names:
        names = (*names, moved_from)
        warn(
            f"this environment was moved here from {os.fsdecode(moved_from)}, and its files still say so; "
            "it is packed as it was there."
        )
    environment = Environment(
        prefix=prefix,
        prefixes=names,
        platform=platform_of(records),
        site_packages=site_packages,
        records=records,
        files=_dereferenced(prefix, files, records),
        previous=entries,
        excluded_before=excluded,
        runtime_before=_runtime(index),
        contested=_contested(prefix, files, records),
    )
    return find(environment, lambda path: read_bytes(os.path.join(prefix, path)))


def read_bytes(path: str) -> bytes:
    """All of a file. Raises FileChanged."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise FileChanged(f"{path} cannot be read: {error.strerror}.") from error


def read_records(prefix: str) -> tuple[tuple[Record, ...], str | None]:
    """The packages of an environment by name, and where its Python has its packages; None without Python.

    Raises EnvironmentNotFound, FileChanged, and CorruptMetadata with every record that is damaged.
    """
    meta = os.path.join(prefix, "conda-meta")
    if not os.path.isdir(meta):
        raise EnvironmentNotFound(f"{prefix} is not a conda environment: it has no folder conda-meta.")
    texts = {}
    for name in sorted(os.listdir(meta)):
        path = os.path.join(meta, name)
        if name.endswith(".json") and os.path.isfile(path):
            texts[name[: -len(".json")]] = read_bytes(path)
    site_packages = None
    for dist, text in texts.items():
        if dist.rsplit("-", 2)[0] == "python":
            with suppress(CorruptMetadata):  # told below, with all others
                site_packages = parse_site_packages(text, os.path.join(meta, f"{dist}.json"))
    records, problems = [], []
    for dist, text in texts.items():
        try:
            records.append(parse_record(text, dist, os.path.join(meta, f"{dist}.json"), site_packages))
        except CorruptMetadata as error:
            problems.append(str(error))
    if problems:
        raise CorruptMetadata("\n".join(problems))
    return tuple(sorted(records, key=lambda record: (record.name, record.dist))), site_packages


def _dereferenced(
    prefix: str, files: dict[str, DiskFile], records: tuple[Record, ...]
) -> dict[str, DiskFile]:
    """The files, where a package was linked softly, instead of the links into the package cache."""
    for record in records:
        for claim in record.claims if record.linked_from else ():
            link = files.get(claim.path)
            if link is not None and link.kind == "link" and link.target.startswith(f"{record.linked_from}/"):
                path = os.path.join(prefix, claim.path)
                try:
                    status = os.stat(path)
                except OSError as error:
                    raise FileChanged(
                        f"{path} is a link into a package cache that is gone ({error.strerror}). "
                        f"Reinstall {record.dist}."
                    ) from error
                mode = stat.S_IMODE(status.st_mode) & 0o777
                files[claim.path] = DiskFile(claim.path, "file", mode, status.st_size, int(status.st_mtime))
    return files


def _contested(prefix: str, files: dict[str, DiskFile], records: tuple[Record, ...]) -> dict[str, str]:
    """The digests of files that several packages own in different versions: only they tell whose it is."""
    first: dict[str, Claim] = {}
    contested = set()
    for record in records:
        for claim in record.claims:
            other = first.setdefault(claim.path, claim)
            if other is not claim and (other.sha256, other.sha256_in_prefix) != (
                claim.sha256,
                claim.sha256_in_prefix,
            ):
                contested.add(claim.path)
    return {
        path: hashlib.sha256(read_bytes(os.path.join(prefix, path))).hexdigest()
        for path in sorted(contested)
        if path in files and files[path].kind == "file"
    }


def platform_of(records: tuple[Record, ...]) -> Platform:
    """The platform of the packages, whichever machine they lie on."""
    subdirs = sorted({record.subdir for record in records} - {"", "noarch"})
    return Platform(subdirs[0] if subdirs else "noarch")


def _names_of(prefix: str) -> tuple[bytes, ...]:
    """The paths that an installer may have written for this prefix: as given, and without links."""
    names = [prefix, os.path.realpath(prefix)]
    state = os.path.join(prefix, *PACK_FOLDER.split("/"), "state.json")
    if os.path.exists(state):  # it was unpacked, and perhaps moved since, or its relocation was killed
        document = _load(state)
        unfinished = document.get("unfinished")
        known = [document.get("prefix"), *(unfinished if isinstance(unfinished, list) else ())]
        names += [name for name in known if isinstance(name, str)]
    return tuple(os.fsencode(name) for name in dict.fromkeys(names))


def _interpreter_prefix(prefix: str, records: tuple[Record, ...]) -> bytes | None:
    """The prefix by which a script that an installer made calls its Python: where it was installed."""
    for record in records:
        for claim in record.claims:
            path = os.path.join(prefix, claim.path)
            if claim.path_type == "unix_python_entry_point" and os.path.isfile(path):
                shebang = _INTERPRETER.match(read_bytes(path))
                return shebang[1] if shebang else None
    return None


def _load(path: str) -> dict[str, Any]:
    try:
        document = json.loads(read_bytes(path))
    except ValueError as error:
        raise CorruptMetadata(
            f"{path} is damaged ({error}). Remove it (it only helps packing again), or unpack anew."
        ) from error
    if not isinstance(document, dict):
        raise CorruptMetadata(f"{path} holds no JSON object. Remove it, or unpack the archive anew.")
    return document


def read_runtime(prefix: str) -> frozenset[str]:
    """The paths of what an archive brought along to unpack and activate with. Raises CorruptMetadata."""
    return _runtime(_read_index(prefix))


def _runtime(index: dict[str, Any]) -> frozenset[str]:
    return frozenset(item["path"] for item in index.get("runtime", ()))


def _read_index(prefix: str) -> dict[str, Any]:
    """The content part of the index of the archive that an environment was unpacked from; empty if none."""
    path = os.path.join(prefix, *INDEX_PATH.split("/"))
    content: dict[str, Any] = _load(path)["content"] if os.path.exists(path) else {}
    return content


def _read_earlier(prefix: str) -> tuple[dict[str, Any], dict[str, Any], frozenset[str]]:
    """What the archive recorded that this environment was unpacked from, if it was."""
    content = _read_index(prefix)
    if not content:
        return {}, {}, frozenset()
    entries: dict[str, Any] = {}
    excluded: set[str] = set()
    for record_path in [package["record"] for package in content["packages"]] + [
        content["unmanaged"]["record"]
    ]:
        path = os.path.join(prefix, *record_path.split("/"))
        if os.path.exists(path):
            record = _load(path)
            entries.update((entry["path"], entry) for entry in record["files"] if "offsets" in entry)
            excluded.update(record["excluded"])
    return content, entries, frozenset(excluded)
