"""A file of several segments: one task reads all of it, others its stretches, in any order.

The first tells of its digest; what the others read is the same, or their checksums would differ.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from isal import isal_zlib

from conda_pack.model import Entry, Form, Needs, Note, Part, Stored
from conda_pack.relocation.store import note_of
from conda_pack.segments.cutting import Cutter
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.reading import FileReader, changed, read_file, unreadable
from conda_pack.segments.schema import pack_files

#: How much is read at once to be hashed: it stays in the processor's cache.
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Survey:
    """What reading a large file once has told: ``files`` packs the one entry that the record gets.

    ``form`` is where its stretches are to be had: ``plain`` in the file itself, ``restored`` in memory,
    ``other`` only all together. What is read once more must have the same ``checksums``.
    """

    files: bytes
    note: Note
    form: Literal["plain", "restored", "other"]
    checksums: tuple[int, ...] = ()
    needs: Needs = field(default_factory=dict)


class LargeFile:
    """The tasks of one file. What it has of memory is shared by all processes that inherit it."""

    def __init__(self, reader: FileReader, part: Part, entry: Entry) -> None:
        self._reader, self._part = reader, part
        self.entry = entry
        self.path = reader.source(entry)  # on this machine
        #: the stored bytes, where they are not the file's own
        self._restored = None if self.is_plain else mmap.mmap(-1, entry.size)

    @property
    def stretches(self) -> int:
        """How many there are."""
        return -(-self.entry.size // SEGMENT_SIZE)

    def size_of(self, number: int) -> int:
        """How many bytes a stretch has."""
        return min(SEGMENT_SIZE, self.entry.size - number * SEGMENT_SIZE)

    @property
    def is_plain(self) -> bool:
        """Whether the stored bytes are the file's own in any case; else the survey tells."""
        entry = self.entry
        # an edit that keeps the length shows when all is hashed: too late to search it
        may_search = entry.claim is not None and entry.claim.size not in (None, entry.size)
        return entry.form is Form.AS_IS and entry.data is None and not may_search and not self._is_source

    @property
    def _is_source(self) -> bool:
        """Whether its time, and so its header, may depend on what reading it tells."""
        return self.entry.path.endswith(".py")

    def survey(self) -> Survey:
        """Read it once."""
        if self.entry.data is not None:
            return self._restore()
        before = self._status()
        if before.st_size != self.entry.size:
            raise changed(self.path)
        survey = replace(self._read_through() or self._restore(), needs=self._needs())
        if self._status().st_mtime_ns != before.st_mtime_ns:
            raise changed(self.path)
        return survey

    def add(self, number: int, cutter: Cutter) -> int:
        """Make the segment of a stretch; returns the checksum of its bytes in the file."""
        start, size = number * SEGMENT_SIZE, self.size_of(number)
        head = self._head(number)
        data = cutter.room(head, size)
        with self._open() as file:
            file.seek(start)
            if _fill(file, data) != size or os.fstat(file.fileno()).st_size != self.entry.size:
                raise changed(self.path)
        checksum = isal_zlib.crc32(data)
        cutter.keep_stretch(head, size, start, start + size == self.entry.size, self.entry.path)
        return checksum

    def add_restored(self, number: int, cutter: Cutter) -> None:
        """As ``add``, of the bytes that the survey has restored."""
        assert self._restored is not None
        start = number * SEGMENT_SIZE
        with memoryview(self._restored) as data:
            cutter.stretch(self._head(number), data, start, self.entry.path)
        if hasattr(mmap, "MADV_REMOVE"):  # nobody needs it any more
            self._restored.madvise(mmap.MADV_REMOVE, start, self.size_of(number))

    def add_whole(self, cutter: Cutter) -> int:
        """All segments of a file whose stored bytes are more or fewer than its own; as ``add``."""
        stored, checksum = self._stored()
        head = self._reader.head(self._part, self.entry, len(stored.data), stored.note)
        for start in range(0, len(stored.data), SEGMENT_SIZE):
            cutter.stretch(head if start == 0 else b"", stored.data, start, self.entry.path)
        return checksum

    # ------------------------------------------------------------- the survey

    def _read_through(self) -> Survey | None:
        """Hash the file; None if its bytes cannot be stored as they are."""
        entry = self.entry
        searched = entry.previous is None and entry.form in (Form.AS_IS, Form.SEARCH)
        if self._is_source or not (self.is_plain or searched):
            return None
        sought = () if self.is_plain else self._reader.relocator.sought
        overlap = max(map(len, sought), default=0)
        sha256, size, checksums, tail = hashlib.sha256(), 0, [0] * self.stretches, b""
        for piece in self._pieces():
            sha256.update(piece)
            stretch = size // SEGMENT_SIZE
            checksums[stretch] = isal_zlib.crc32(piece, checksums[stretch])
            size += len(piece)
            if sought:
                text = tail + bytes(piece)
                if any(prefix in text for prefix in sought):
                    return None
                tail = text[-overlap:]
        if size != entry.size:
            raise changed(self.path)
        digest = sha256.hexdigest()
        note = note_of(entry, digest)
        file = self._reader.file_entry(self._part, entry, Stored(b"", digest, {}, note), size)
        return Survey(pack_files([file]), note, "plain", tuple(checksums))

    def _pieces(self) -> Iterator[memoryview]:
        """The bytes of the file, no piece of two stretches. Each is gone with the next."""
        room = memoryview(bytearray(min(_PIECE, SEGMENT_SIZE)))
        left = self.entry.size
        with self._open() as file:
            while left and (size := _fill(file, room[: min(left, len(room))])):
                yield room[:size]
                left -= size

    def _needs(self) -> Needs:
        """What its header tells, wherever in the file that points to."""
        with self._open() as file:

            def read(at: int, size: int) -> bytes:
                file.seek(at)
                return file.read(size)

            return self._reader.needs.read(self.entry.path, read)

    def _restore(self) -> Survey:
        stored, checksum = self._stored()
        file = self._reader.file_entry(self._part, self.entry, stored)
        if len(stored.data) != self.entry.size or self._is_source:
            return Survey(pack_files([file]), stored.note, "other", (checksum,))
        assert self._restored is not None
        self._restored[:] = stored.data
        return Survey(pack_files([file]), stored.note, "restored")

    def _stored(self) -> tuple[Stored, int]:
        """What is stored of the file, and the checksum of its bytes as installed."""
        data = read_file(self.path, self.entry.size) if self.entry.data is None else self.entry.data
        return self._reader.stored(self._part, self.entry, data), isal_zlib.crc32(data)

    def _head(self, number: int) -> bytes:
        """What precedes a stretch."""
        return self._reader.head(self._part, self.entry, self.entry.size, "") if number == 0 else b""

    def _status(self) -> os.stat_result:
        try:
            return os.stat(self.path)
        except OSError as error:
            raise unreadable(self.path, error) from error

    @contextmanager
    def _open(self) -> Iterator[io.FileIO]:
        try:
            with open(self.path, "rb", buffering=0) as file:
                yield file
        except OSError as error:
            raise unreadable(self.path, error) from error


def _fill(file: io.FileIO, room: memoryview) -> int:
    """Read until ``room`` is full or the file at its end; returns how many bytes."""
    done = 0
    while done < len(room) and (more := file.readinto(room[done:])):
        done += more
    return done
