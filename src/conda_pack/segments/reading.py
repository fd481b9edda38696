"""Files → members of the stream: each is opened once, read once, hashed once; large ones, see large.py."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from conda_pack.errors import FileChanged, PrefixTooLong
from conda_pack.model import Entry, Form, Needs, Note, Part, Plan, Stored
from conda_pack.relocation.needs import NONE, NeedsReader
from conda_pack.relocation.store import Relocator, note_of
from conda_pack.runtime.rules import TooLong, inverse, splice, stored_edits, target_edits
from conda_pack.segments.cutting import Cutter
from conda_pack.segments.schema import CondaMetaFields, FileEntry, with_relocation
from conda_pack.segments.tar import Member, header

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_BYTECODE_HEADER = 16  # PEP 552


@dataclass(frozen=True)
class FileReader:
    """Makes the members of a plan's entries."""

    plan: Plan
    relocator: Relocator

    @cached_property
    def needs(self) -> NeedsReader:
        """Tells what a file needs of the machine that it runs on."""
        return NeedsReader(self.plan.environment.platform)

    def add(self, part: Part, entry: Entry, cutter: Cutter) -> tuple[FileEntry, Note, Needs]:
        """Add the member of an entry; returns what the pack record says of it, and what the file needs."""
        if entry.kind != "file":
            cutter.keep(header(self._member(entry, 0, part.mtime)), 0)
            return (
                FileEntry(path=entry.path, type=entry.kind, mode=entry.mode, target=entry.target or None),
                "",
                NONE,
            )
        size = entry.size
        head = self.head(part, entry, size, "")
        room = cutter.room(head, size + 1)
        if entry.data is None:
            read_into(self.source(entry), room)
        else:
            room[:size] = entry.data
        with room[:size] as data:
            digest = hashlib.sha256(data).hexdigest()
            needs = self.needs.read(entry.path, lambda at, length: bytes(data[at : at + length]))
        note = note_of(entry, digest)
        if _is_plain(entry, note) and not any(
            cutter.holds(prefix, head, size) for prefix in self.relocator.prefixes_in(entry)
        ):
            cutter.keep(head, size)
            return FileEntry(path=entry.path, mode=entry.mode, size=size, sha256=digest), note, needs
        installed = bytes(room[:size])
        stored = self.stored(part, entry, installed)
        cutter.member(self.head(part, entry, len(stored.data), stored.note), stored.data, entry.path)
        return self.file_entry(part, entry, stored), stored.note, needs

    # -------------------------------------------------- shared with large files

    def source(self, entry: Entry) -> str:
        """Where it lies on this machine."""
        return entry.location or f"{self.plan.environment.prefix}/{entry.path}"

    def stored(self, part: Part, entry: Entry, data: bytes) -> Stored:
        """The archive's form of an entry's bytes, already at its place if the plan has a fixed one."""
        installer = part.record.installer if part.record is not None else "conda"
        stored = self.relocator.store(entry, data, installer)
        if self.plan.dest_prefix is None or not stored.fields:
            return stored
        fields: dict[str, Any] = {"path": entry.path, **stored.fields}
        pristine = b"".join(splice(stored.data, inverse(stored_edits(fields))))
        try:
            edits = target_edits(fields, os.fsencode(self.plan.dest_prefix), self.relocator.limit)
        except TooLong:
            if stored.fields.get("optional"):
                return Stored(stored.data, stored.sha256, {}, "left")
            raise PrefixTooLong(
                f"The destination {self.plan.dest_prefix} is longer than the "
                f"{len(fields['prefix_placeholder'])} bytes that {entry.path} has room for. "
                "Choose a shorter one."
            ) from None
        fixed = b"".join(splice(pristine, edits))
        return Stored(fixed, hashlib.sha256(fixed).hexdigest(), {}, stored.note)

    def _member(self, entry: Entry, size: int, mtime: int) -> Member:
        name = f"{self.plan.arcroot}/{entry.path}" if self.plan.arcroot else entry.path
        return Member(name, entry.kind, entry.mode, size, mtime, entry.target)

    def head(self, part: Part, entry: Entry, size: int, note: Note) -> bytes:
        """The header of an entry of ``size`` stored bytes."""
        return header(self._member(entry, size, self.mtime(part, entry, note)))

    def mtime(self, part: Part, entry: Entry, note: Note) -> int:
        """A member's time: its package's, unless Python compares it (PEP 552).

        A source with bytecode of the same package gets the time in the bytecode's
        header; one that was changed keeps its own, or stale bytecode might fit it.
        """
        if not entry.path.endswith(".py"):
            return part.mtime
        if note == "modified" or (part.record is None and entry.bytecode):
            return max(0, entry.mtime)
        if entry.bytecode is None:
            return part.mtime
        try:
            # a package's, like its source, so it lies in the prefix
            descriptor = os.open(f"{self.plan.environment.prefix}/{entry.bytecode}", _READ)
            try:
                flags, mtime, size = struct.unpack("<4xIII", os.read(descriptor, _BYTECODE_HEADER))
            finally:
                os.close(descriptor)
        except (OSError, struct.error):
            return part.mtime
        return mtime if flags == 0 and size == entry.size else part.mtime

    def file_entry(self, part: Part, entry: Entry, stored: Stored, size: int | None = None) -> FileEntry:
        """What the pack record says of a file."""
        file = FileEntry(
            path=entry.path,
            mode=entry.mode,
            size=len(stored.data) if size is None else size,
            sha256=stored.sha256,
        )
        if stored.fields:
            file = with_relocation(file, stored.fields)
        file.conda_meta = _conda_meta_fields(part, entry, stored)
        return file


def _conda_meta_fields(part: Part, entry: Entry, stored: Stored) -> CondaMetaFields | None:
    """The fields of conda-meta that follow the prefix, by who wrote them."""
    claim = entry.claim
    if part.record is None or claim is None or claim.index < 0 or stored.note == "modified":
        return None
    if entry.form not in (Form.RESTORE, Form.SCRIPT, Form.PATCHED):
        return None
    fields = []
    if entry.form is Form.SCRIPT and claim.sha256 is not None:
        fields.append("sha256")
    if claim.sha256_in_prefix is not None:
        fields.append("sha256_in_prefix")
    if part.record.installer == "rattler" and claim.size is not None and claim.file_mode != "binary":
        fields.append("size_in_bytes")  # rattler records the installed size, conda the pristine one
    return CondaMetaFields(claim.index, fields) if fields else None


def _is_plain(entry: Entry, note: Note) -> bool:
    """Whether the stored bytes are the installed ones, if the prefix does not occur in them."""
    return entry.previous is None and not note and entry.form in (Form.AS_IS, Form.SEARCH)


def read_into(path: str, room: memoryview) -> None:
    """Fill ``room`` with a file that is one byte shorter, so that it shows if it has grown.

    Raises FileChanged for one that is gone, unreadable, or not that long any more.
    """
    done, size = 0, len(room) - 1
    try:
        descriptor = os.open(path, _READ)
        try:
            while more := read_some(descriptor, room[done:]):
                done += more
                if done >= size:
                    break
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unreadable(path, error) from error
    if done != size:
        raise changed(path)


def read_some(descriptor: int, room: memoryview) -> int:
    """What the next read(2) puts into ``room``; returns how many bytes."""
    if hasattr(os, "readv"):
        return os.readv(descriptor, (room,))
    data = os.read(descriptor, len(room))  # Windows
    room[: len(data)] = data
    return len(data)


def read_file(path: str, size: int) -> bytes:
    """The ``size`` bytes of a file, as ``read_into``, in memory once."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read(size + 1)
            while len(data) < size and (more := file.read(size + 1 - len(data))):
                data += more  # it was interrupted, or has more than one read gives: 2 GiB
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) != size:
        raise changed(path)
    return data


def unreadable(path: str, error: OSError) -> FileChanged:
    """The error for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return FileChanged(
            f"{path} vanished while the environment was packed. Nothing was written; try again."
        )
    return FileChanged(
        f"{path} cannot be read: {error.strerror}. Nothing was written; make it readable, or leave it out "
        "with --exclude."
    )


def changed(path: str) -> FileChanged:
    """The error for a file that somebody writes to."""
    return FileChanged(f"{path} changed while the environment was packed. Nothing was written; try again.")
