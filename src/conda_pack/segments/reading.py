"""Files → the pieces of the tar stream, in parallel: each file is opened once, read once, hashed once."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from conda_pack.errors import FileChanged, PrefixTooLong
from conda_pack.model import Entry, Form, Note, Part, Plan, Stored
from conda_pack.relocation.store import Relocator
from conda_pack.runtime.rules import TooLong, inverse, splice, stored_edits, target_edits
from conda_pack.segments.schema import CondaMetaFields, FileEntry
from conda_pack.segments.tar import Member, header, padding

#: A segment ends at the first member after this many bytes. zstd -3 looks 2 MiB back and deflate
#: 32 KiB, so longer ones compress no better; a worker holds a few of them.
SEGMENT_SIZE = 4 << 20
#: Files of one task: enough work to make the hand-over cheap.
_BATCH_BYTES = 1 << 20
_BATCH_FILES = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive bytes of the stream. ``entry`` comes with the piece that completes a file.

    ``continues`` is set where the piece begins within a file's data, at offset ``at``.
    """

    buffers: tuple[bytes, ...]
    entry: FileEntry | None = None
    note: Note = ""
    size_read: int = 0
    continues: str | None = None
    at: int = 0


Task = Callable[[], list[Piece]]


@dataclass(frozen=True)
class FileReader:
    """Makes the pieces of a plan's entries."""

    plan: Plan
    relocator: Relocator
    _large: threading.Lock = field(default_factory=threading.Lock)

    def tasks(self, part: Part) -> Iterator[Task]:
        """The tasks whose pieces, in order, are the members of ``part``."""
        batch: list[Entry] = []
        size = 0
        for entry in part.entries:
            if entry.size > SEGMENT_SIZE:
                if batch:
                    yield self._batch(part, batch)
                    batch, size = [], 0
                yield from _LargeFile(self, part, entry).tasks()
                continue
            batch.append(entry)
            size += entry.size
            if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
                yield self._batch(part, batch)
                batch, size = [], 0
        if batch:
            yield self._batch(part, batch)

    def _batch(self, part: Part, entries: list[Entry]) -> Task:
        return lambda: [self._whole(part, entry) for entry in entries]

    def _whole(self, part: Part, entry: Entry) -> Piece:
        if entry.kind != "file":
            file = FileEntry(path=entry.path, type=entry.kind, mode=entry.mode, target=entry.target or None)
            return Piece((header(self._member(entry, 0, part.mtime)),), file)
        stored = self.stored(part, entry, read_file(self.path(entry.path), entry.size))
        size = len(stored.data)
        head = self.head(part, entry, size, stored.note)
        return Piece(
            (head, stored.data, padding(size)), self.file_entry(part, entry, stored), stored.note, entry.size
        )

    # -------------------------------------------------- shared with large files

    def path(self, relative: str) -> str:
        """Where it lies on this machine."""
        return os.path.join(self.plan.environment.prefix, *relative.split("/"))

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
            with open(self.path(entry.bytecode), "rb", buffering=0) as file:
                flags, mtime, size = struct.unpack("<4xIII", file.read(16))
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
            file = msgspec.convert({**msgspec.to_builtins(file), **stored.fields}, FileEntry)
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


def read_file(path: str, size: int) -> bytes:
    """The ``size`` bytes of a file; FileChanged if it is gone, unreadable, or not that long any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            data = os.read(descriptor, size + 1)
            while len(data) < size:  # a signal, or a file system that gives less at once
                more = os.read(descriptor, size + 1 - len(data))
                if not more:
                    break
                data += more
        finally:
            os.close(descriptor)
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


class _LargeFile:
    """A file of several segments: a task per stretch, the hash handed on from each to the next.

    Tasks start in order, so the one waited for is always under way or done.
    """

    def __init__(self, reader: FileReader, part: Part, entry: Entry) -> None:
        self._reader, self._part, self._entry = reader, part, entry
        self._turn = threading.Condition()
        self._begun = False
        self._hashed = 0  # stretches that the hash has seen
        self._failed = False
        self._hash = hashlib.sha256()
        self._stored: Stored | None = None  # set where the bytes are not simply the file's
        self._mtime = 0

    def tasks(self) -> Iterator[Task]:
        count = -(-self._entry.size // SEGMENT_SIZE)
        for number in range(count):
            yield lambda number=number: [self._piece(number, last=number == count - 1)]  # type: ignore[misc]

    def _piece(self, number: int, last: bool) -> Piece:
        try:
            return self._read(number, last)
        except BaseException:
            with self._turn:
                self._failed = True
                self._turn.notify_all()
            raise

    def _read(self, number: int, last: bool) -> Piece:
        start = number * SEGMENT_SIZE
        if number == 0:
            self._begin()
        else:
            self._wait(lambda: self._begun)
        data = self._data(start, last)
        self._wait(lambda: self._hashed == number)
        if self._stored is None:
            self._hash.update(data)
        buffers = [data]
        entry, note = None, self._stored.note if self._stored is not None else ""
        if number == 0:
            buffers.insert(0, self._head())
        if last:
            entry, note, fill = self._end()
            buffers.append(fill)
        with self._turn:
            self._hashed += 1
            self._turn.notify_all()
        size_read = min(SEGMENT_SIZE, self._entry.size - start)
        return Piece(tuple(buffers), entry, note, size_read, self._entry.path if number else None, start)

    def _wait(self, ready: Callable[[], bool]) -> None:
        with self._turn:
            self._turn.wait_for(lambda: ready() or self._failed)
            if self._failed:
                raise changed(self._reader.path(self._entry.path))

    def _begin(self) -> None:
        """Decide whether the stored bytes are the file's own: then no more than a stretch is held."""
        entry, reader = self._entry, self._reader
        status = self._status()
        self._mtime = status.st_mtime_ns
        if status.st_size != entry.size:
            raise changed(reader.path(entry.path))
        plain = entry.form is Form.AS_IS or (
            entry.form is not Form.RESTORE and entry.previous is None and not self._holds_prefix()
        )
        if not plain:
            self._stored = reader.stored(self._part, entry, read_file(reader.path(entry.path), entry.size))
        with self._turn:
            self._begun = True
            self._turn.notify_all()

    def _status(self) -> os.stat_result:
        path = self._reader.path(self._entry.path)
        try:
            return os.stat(path)
        except OSError as error:
            raise unreadable(path, error) from error

    def _holds_prefix(self) -> bool:
        overlap = max(len(prefix) for prefix in self._reader.relocator.prefixes)
        tail = b""
        for start in range(0, self._entry.size, SEGMENT_SIZE):
            data = tail + self._stretch(start, SEGMENT_SIZE)
            if self._reader.relocator.holds_prefix(data):
                return True
            tail = data[-overlap:]
        return False

    def _data(self, start: int, last: bool) -> bytes:
        if self._stored is not None:
            # the last stretch takes what restoring added
            return self._stored.data[start : None if last else start + SEGMENT_SIZE]
        return self._stretch(start, min(SEGMENT_SIZE, self._entry.size - start))

    def _stretch(self, start: int, size: int) -> bytes:
        path = self._reader.path(self._entry.path)
        try:
            with open(path, "rb", buffering=0) as file:
                data = os.pread(file.fileno(), size, start)
        except OSError as error:
            raise unreadable(path, error) from error
        if len(data) != min(size, self._entry.size - start):
            raise changed(path)
        return data

    def _head(self) -> bytes:
        if self._stored is not None:
            return self._reader.head(self._part, self._entry, len(self._stored.data), self._stored.note)
        return self._reader.head(self._part, self._entry, self._entry.size, "")

    def _end(self) -> tuple[FileEntry, Note, bytes]:
        entry, stored = self._entry, self._stored
        if self._status().st_mtime_ns != self._mtime:
            raise changed(self._reader.path(entry.path))
        if stored is not None:
            return (
                self._reader.file_entry(self._part, entry, stored),
                stored.note,
                padding(len(stored.data)),
            )
        digest = self._hash.hexdigest()
        claim = entry.claim
        expected = {None} if claim is None else {claim.sha256, claim.sha256_in_prefix, *entry.accepted}
        known = claim is None or claim.sha256 is None or digest in expected
        note: Note = "" if known else "modified"
        bare = Stored(b"", digest, {}, note)
        return self._reader.file_entry(self._part, entry, bare, entry.size), note, padding(entry.size)
