"""Segments behind a shell script: one file that unpacks itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from typing import IO

from conda_pack.archives.segmented import Ending, SegmentWriter
from conda_pack.errors import UsageError
from conda_pack.model import Plan
from conda_pack.runtime.selfextract import stub
from conda_pack.segments.cutting import Segment

_DECOMPRESS = {"gzip": "gzip -dc"}
_UNKNOWN = "0" * 64  # until the last segment is made


class SelfExtractingWriter:
    """Writes the script, the archive, and the script again, which then knows the pack's identity."""

    def __init__(
        self, plan: Plan, file: IO[bytes], codec_name: str, level: int, name: str, entrypoint: str | None
    ) -> None:
        self._file = file
        self._stub = partial(
            stub,
            name=name,
            decompress=_DECOMPRESS[codec_name],
            arcroot=plan.arcroot,
            entrypoint=entrypoint,
            size=plan.size,
            platform=plan.environment.platform.subdir,
            prefix=plan.dest_prefix,
        )
        try:
            start = self._stub(identity=_UNKNOWN)
        except ValueError as error:
            raise UsageError(f"The self-extracting file cannot be made: {error}.") from error
        self._start = len(start)
        self._segments = SegmentWriter(file, codec_name, level, start)
        self.press = self._segments.press

    def write(self, segments: Iterator[Segment], ending: Ending) -> None:
        self._segments.write(segments, ending)
        packed = self._file.tell() - self._start
        self._file.seek(0)
        self._file.write(self._stub(identity=ending.identity, packed=packed, glibc=ending.glibc))
        mode = os.fstat(self._file.fileno()).st_mode
        # who may read it may run it
        os.fchmod(self._file.fileno(), stat.S_IMODE(mode) | (mode & 0o444) >> 2)
