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


#: A document as far as it must be understood: its parts stay the text that they are.
_Parts = dict[str, msgspec.Raw]
_DOCUMENT = msgspec.json.Decoder(_Parts)
_PATHS = msgspec.json.Decoder(list[msgspec.Raw])


def stored_document(record: Record, files: Sequence[FileEntry]) -> bytes:
    """The record's JSON in its own layout, with the hashes of the stored ``files``."""
    document: dict[str, Any] = _DOCUMENT.decode(record.text)
    for key in _MACHINE_FIELDS | _ACCIDENTAL_FIELDS[record.installer]:
        document.pop(key, None)
    if bytes(document.get("link", b"null")) not in (b"null", b"{}"):
        document["link"] = _LINK
    stale = _stale(record, {file.path for file in files if file.conda_meta})
    if stale:
        paths_data: dict[str, Any] = _DOCUMENT.decode(document["paths_data"])
        paths: list[Any] = list(_PATHS.decode(paths_data["paths"]))
        for index, sha256 in stale.items():
            path = msgspec.json.decode(paths[index], type=dict)
            paths[index] = {**path, "sha256_in_prefix": sha256}
        document["paths_data"] = {**paths_data, "paths": paths}
    stored = {file.path: (file.sha256 or "", file.size) for file in files}
    return with_hashes(dump(document, record.layout), files, stored, record.layout)


def _stale(record: Record, current: Set[str]) -> dict[int, str]:
    """The hashes that files had at the source prefix and are not brought up to date: place → what to say.

    That is of files that are missing, changed, or in the archive as another package's.
    """
    return {
        claim.index: claim.sha256
        for claim in record.claims
        if claim.path not in current
        and claim.path_type == "hardlink"
        and claim.sha256 is not None
        and claim.sha256_in_prefix not in (None, claim.sha256)
    }


def with_hashes(
    stored: bytes, files: Sequence[FileEntry], installed: Mapping[str, tuple[str, int]], layout: JsonLayout
) -> bytes:
    """A conda-meta file in its layout, with what is true of the ``installed`` files.

    Raises Mismatch, or an error of json's or of looking up, where the records do not fit it.
    """
    touched = [msgspec.to_builtins(file) for file in files if file.conda_meta is not None]
    return update_conda_meta(stored, touched, dict(installed), msgspec.to_builtins(layout))


def dump(document: Mapping[str, Any], layout: JsonLayout) -> bytes:
    """As conda_unpack.dump_json, many times faster."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=layout.indent)
    if layout.ascii and not (text.isascii() and b"\x7f" not in text):
        text = re.sub(r"[^\x00-\x7e]", _escaped, text.decode()).encode()
    return text + layout.end.encode()


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
