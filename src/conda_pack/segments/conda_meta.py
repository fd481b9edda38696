"""A package's conda-meta file in the archive: true of what is stored, silent on the source machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec

from conda_pack.model import JsonLayout, Record
from conda_pack.runtime.rules import update_conda_meta
from conda_pack.segments.schema import FileEntry

#: Where the package lay unpacked on the source machine; nobody has it at the destination.
_MACHINE_FIELDS = {"extracted_package_dir", "package_tarball_full_path"}
#: conda writes these only when the package was in its cache already; subdir says the same.
_ACCIDENTAL_FIELDS = {"conda": {"arch", "platform"}, "rattler": set[str]()}
#: Whether files were linked or copied depended on the source machine's disks: LinkType.hardlink.
_LINK = {"source": "", "type": 1}


def stored_document(record: Record, files: Sequence[FileEntry]) -> bytes:
    """The record's JSON in its own layout, with the hashes of the stored ``files``."""
    dropped = _MACHINE_FIELDS | _ACCIDENTAL_FIELDS[record.installer]
    document = {key: value for key, value in record.document.items() if key not in dropped}
    if document.get("link"):
        document["link"] = _LINK
    document = _without_source_hashes(document, record, {file.path for file in files if file.conda_meta})
    return with_hashes(
        document, files, {file.path: (file.sha256 or "", file.size) for file in files}, record.layout
    )


def _without_source_hashes(document: dict[str, Any], record: Record, current: Set[str]) -> dict[str, Any]:
    """Without the hashes that files had at the source prefix, where they are not brought up to date.

    That is of files that are missing, changed, or in the archive as another package's.
    """
    stale = [
        claim
        for claim in record.claims
        if claim.path not in current
        and claim.path_type == "hardlink"
        and claim.sha256 is not None
        and claim.sha256_in_prefix not in (None, claim.sha256)
    ]
    if not stale:
        return document
    paths = list(document["paths_data"]["paths"])
    for claim in stale:
        paths[claim.index] = {**paths[claim.index], "sha256_in_prefix": claim.sha256}
    return {**document, "paths_data": {**document["paths_data"], "paths": paths}}


def with_hashes(
    document: Mapping[str, Any],
    files: Sequence[FileEntry],
    installed: Mapping[str, tuple[str, int]],
    layout: JsonLayout,
) -> bytes:
    """A conda-meta document in its layout, with what is true of the ``installed`` files."""
    touched = [file for file in files if file.conda_meta is not None]
    if touched:
        paths_data = dict(document["paths_data"])
        paths = list(paths_data["paths"])
        for file in touched:
            assert file.conda_meta is not None
            paths[file.conda_meta.index] = dict(paths[file.conda_meta.index])
        document = {**document, "paths_data": {**paths_data, "paths": paths}}
        update_conda_meta(document, [msgspec.to_builtins(file) for file in touched], dict(installed))
    return dump(document, layout)


def dump(document: Mapping[str, Any], layout: JsonLayout) -> bytes:
    """As conda_unpack.dump_json, many times faster."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=layout.indent)
    if layout.ascii and not (text.isascii() and b"\x7f" not in text):
        text = re.sub(r"[^\x00-\x7e]", _escaped, text.decode()).encode()
    return text + layout.end.encode()


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
