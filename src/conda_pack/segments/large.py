"""A file of several segments: stretches are read and compressed in parallel, and hashed in order."""

from __future__ import annotations

import hashlib
import os
import threading

from conda_pack.model import Entry, Form, Note, Part, Stored
from conda_pack.relocation.store import note_of
from conda_pack.segments.cutting import Cutter
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.reading import FileReader, changed, read_file, unreadable
from conda_pack.segments.schema import FileEntry
from conda_pack.segments.workers import InOrder


class LargeFile:
    """What the tasks of one file share."""

    def __init__(self, reader: FileReader, part: Part, entry: Entry) -> None:
        self._reader, self._part, self._entry = reader, part, entry
        self._path = reader.path(entry.path)
        self._lock = threading.Lock()
        self._mtime: int | None = None  # nanoseconds, once it is begun
        self._stored: Stored | None = None  # set where the bytes are not simply the file's
        self._hash = hashlib.sha256()
        self._order = InOrder(self._hash.update)
        self._left = self.stretches

    @property
    def stretches(self) -> int:
        """How many tasks there are."""
        return -(-self._entry.size // SEGMENT_SIZE)

    def add(self, number: int, cutter: Cutter) -> tuple[bool, tuple[FileEntry, Note] | None]:
        """Make the segments of a stretch.

        Returns whether the cutter's buffer may be used again, and, to the task that completes the
        file, what the pack record says of it.
        """
        self._begin()
        if self._stored is not None:
            self._add_stored(number, self._stored, cutter)
            with self._lock:
                self._left -= 1
                done = self._left == 0
            return True, (self._finish(self._stored) if done else None)
        start = number * SEGMENT_SIZE
        size = min(SEGMENT_SIZE, self._entry.size - start)
        head = self._head(self._entry.size, "") if number == 0 else b""
        data = cutter.room(head, size)
        self._read(data, start)
        # hashed before it is compressed, so that it has been taken when its buffer is needed again
        taken = self._order.add(start, data)
        cutter.keep_stretch(head, size, start, start + size == self._entry.size, self._entry.path)
        completed = self._end() if taken == self._entry.size else None
        return self._order.position >= start + size, completed

    def _begin(self) -> None:
        """Decide, in the first task that comes here, whether the stored bytes are the file's own."""
        entry, reader = self._entry, self._reader
        with self._lock:
            if self._mtime is not None:
                return
            status = self._status()
            if status.st_size != entry.size:
                raise changed(self._path)
            if not self._is_plain():
                self._stored = reader.stored(self._part, entry, read_file(self._path, entry.size))
            self._mtime = status.st_mtime_ns

    def _is_plain(self) -> bool:
        entry = self._entry
        if entry.form is Form.AS_IS and (entry.claim is None or entry.claim.size in (None, entry.size)):
            return True  # an edit that keeps the length shows when all is hashed: too late to search it
        searched = entry.previous is None and entry.form in (Form.AS_IS, Form.SEARCH)
        return searched and not self._holds_prefix()

    def _holds_prefix(self) -> bool:
        prefixes = self._reader.relocator.prefixes
        overlap = max(map(len, prefixes))
        tail = b""
        for start in range(0, self._entry.size, SEGMENT_SIZE):
            data = bytearray(min(SEGMENT_SIZE, self._entry.size - start))
            self._read(memoryview(data), start)
            data[:0] = tail
            if any(prefix in data for prefix in prefixes):
                return True
            tail = bytes(data[-overlap:])
        return False

    def _add_stored(self, number: int, stored: Stored, cutter: Cutter) -> None:
        """A stretch of bytes that may be more or fewer than the file's: the last task takes the rest."""
        start = number * SEGMENT_SIZE
        last = number == self.stretches - 1
        end = len(stored.data) if last else min(len(stored.data), start + SEGMENT_SIZE)
        head = self._head(len(stored.data), stored.note) if number == 0 else b""
        for place in range(start, end, SEGMENT_SIZE):
            cutter.stretch(head, stored.data, place, self._entry.path)

    def _head(self, size: int, note: Note) -> bytes:
        return self._reader.head(self._part, self._entry, size, note)

    def _status(self) -> os.stat_result:
        try:
            return os.stat(self._path)
        except OSError as error:
            raise unreadable(self._path, error) from error

    def _read(self, room: memoryview, start: int) -> None:
        try:
            with open(self._path, "rb", buffering=0) as file:
                file.seek(start)
                done = 0
                while done < len(room) and (more := file.readinto(room[done:])):
                    done += more
        except OSError as error:
            raise unreadable(self._path, error) from error
        if done != len(room):
            raise changed(self._path)

    # -------------------------------------------------------------- at the end

    def _finish(self, stored: Stored) -> tuple[FileEntry, Note]:
        self._check_unchanged()
        return self._reader.file_entry(self._part, self._entry, stored), stored.note

    def _end(self) -> tuple[FileEntry, Note]:
        self._check_unchanged()
        entry, digest = self._entry, self._hash.hexdigest()
        note = note_of(entry, digest)
        return self._reader.file_entry(self._part, entry, Stored(b"", digest, {}, note), entry.size), note

    def _check_unchanged(self) -> None:
        if self._status().st_mtime_ns != self._mtime:
            raise changed(self._path)
