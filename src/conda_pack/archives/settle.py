"""The last steps of unpacking, however the archive was read: relocated bytes, links, conda-meta, state."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from conda_pack.archives.inventory import STATE_PATH, Inventory
from conda_pack.archives.writing import Folder
from conda_pack.errors import DamagedArchive, PrefixTooLong
from conda_pack.model import Finding, Severity
from conda_pack.progress import Reporter
from conda_pack.runtime.folder import UnpackError, state_text
from conda_pack.runtime.relocating import check_length
from conda_pack.runtime.rules import Mismatch, TooLong, inverse, splice, stored_edits, target_edits
from conda_pack.segments.conda_meta import with_hashes
from conda_pack.segments.schema import Content, FileEntry, PackRecord, relocation


@dataclass(frozen=True, slots=True)
class Relocated:
    """Where to: the prefix (None: nowhere) and the longest shebang of the platform."""

    prefix: bytes | None
    limit: int


def check_prefix(content: Content, prefix: bytes) -> None:
    """Refuse a prefix that does not fit, before anything is written; raises PrefixTooLong."""
    try:
        check_length(msgspec.to_builtins(content), prefix)
    except UnpackError as error:
        raise PrefixTooLong(str(error)[0].upper() + str(error)[1:]) from None


def warn_of_kept(inventory: Inventory, prefix: bytes, reporter: Reporter) -> None:
    """Tell which files have no room for the prefix and may do without: they keep the old one."""
    kept = [
        entry.path
        for entry in inventory.files.values()
        if entry.optional and len(prefix) > len((entry.prefix_placeholder or "").encode())
    ]
    if kept:
        message = (
            f"{len(kept)} files hold a prefix too short for {os.fsdecode(prefix)} and keep the old one, "
            "because no package says how to change them. A shorter destination would fit."
        )
        reporter.warn(Finding(Severity.WARNING, message, tuple(sorted(kept))).text())


def relocated(entry: FileEntry, stored: bytes, to: Relocated) -> tuple[bytes, tuple[str, int]]:
    """The installed bytes of a stored file, with their sha256 and size."""
    assert to.prefix is not None
    fields = relocation(entry)
    try:
        pristine = b"".join(splice(stored, inverse(stored_edits(fields))))
        try:
            edits = target_edits(fields, to.prefix, to.limit)
        except TooLong:
            edits = stored_edits(fields)  # optional: it keeps the prefix that it was packed with
        new = b"".join(splice(pristine, edits))
    except (Mismatch, LookupError, ValueError) as error:
        raise DamagedArchive(
            f"The archive is damaged: its record of {entry.path} does not fit that file."
        ) from error
    return new, (hashlib.sha256(new).hexdigest(), len(new))


def relocated_document(record: PackRecord, stored: bytes, installed: Mapping[str, tuple[str, int]]) -> bytes:
    """The conda-meta file of a package, with the hashes of its ``installed`` files."""
    assert record.json_layout is not None
    try:
        return with_hashes(stored, record.files, installed, record.json_layout)
    except (Mismatch, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedArchive(
            f"The archive is damaged: its record does not fit the conda-meta file of {record.dist}."
        ) from error


def settle(folder: Folder, inventory: Inventory, prefix: bytes | None) -> None:
    """Finish a folder that has all its files: empty folders, links, and the state."""
    for entry in inventory.files.values():
        if entry.type == "directory":
            folder.make_folder(entry.path)
            os.chmod(folder.path(entry.path), entry.mode)
    for entry in inventory.files.values():
        if entry.type == "link":
            folder.link(entry)
    if prefix is not None:
        folder.write(STATE_PATH, [state_text({"prefix": os.fsdecode(prefix)})], 0o644, None)
