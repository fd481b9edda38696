"""Segments of zip entries → one zip file, with its directory at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from isal import isal_zlib

from conda_pack.archives.segmented import Ending
from conda_pack.errors import UsageError
from conda_pack.segments.codecs import CODECS, ZipEntry
from conda_pack.segments.cutting import Segment
from conda_pack.segments.zipping import ZipPress, central_header, directory_end, is_zip64, needs_zip64, sums


class ZipWriter:
    """Writes a zip to ``file``, which must be one that it can go back in: large files' headers come late."""

    def __init__(self, file: IO[bytes], level: int, zip_64: bool) -> None:
        self.press = ZipPress(CODECS["gzip"], level)
        self._file, self._zip_64 = file, zip_64
        self._offset = 0
        self._directory: list[bytes] = []
        self._open: tuple[int, ZipEntry] | None = None  # a file of which more comes, and where it began

    def write(self, segments: Iterator[Segment], ending: Ending) -> None:
        for segment in segments:
            self._add(segment)
        index, _ = ending.last_segments([], 0)
        self._add(index)
        assert self._open is None
        directory = b"".join(self._directory)
        count = len(self._directory)
        self._check(is_zip64(count, len(directory), self._offset), f"its {count} files or its size need")
        self._file.write(directory + directory_end(count, len(directory), self._offset))

    def _add(self, segment: Segment) -> None:
        for entry in segment.compressed.entries:
            if not entry.name:
                self._continue(entry)
            elif entry.size == entry.whole:
                self._finish(self._offset + entry.offset, entry)
            else:
                self._open = self._offset + entry.offset, entry
        self._file.write(segment.compressed.data)
        self._offset += len(segment.compressed.data)

    def _continue(self, stretch: ZipEntry) -> None:
        assert self._open is not None
        offset, begun = self._open
        entry = replace(
            begun,
            crc=isal_zlib.crc32_combine(begun.crc, stretch.crc, stretch.size),
            length=begun.length + stretch.length,
            size=begun.size + stretch.size,
        )
        self._open = offset, entry
        if entry.size == entry.whole:
            self._open = None
            for place, value in sums(entry):
                self._file.seek(offset + place)
                self._file.write(value)
            self._file.seek(self._offset)
            self._finish(offset, entry)

    def _finish(self, offset: int, entry: ZipEntry) -> None:
        self._check(needs_zip64(entry), f"{entry.name} needs")
        self._directory.append(central_header(entry, offset))

    def _check(self, is_needed: bool, what: str) -> None:
        if is_needed and not self._zip_64:
            raise UsageError(
                f"The archive cannot be made without ZIP64 extensions: {what} them. Leave out --no-zip-64, "
                "exclude files, or choose tar.gz."
            )
