"""Segments → a squashfs image, by mksquashfs: it reads the tar stream from a pipe, so nothing is staged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

from conda_pack.archives.segmented import Ending
from conda_pack.errors import ToolMissing, WriteFailed
from conda_pack.model import Plan
from conda_pack.paths import folders_of
from conda_pack.segments.codecs import CODECS, Data
from conda_pack.segments.cutting import Press, Segment
from conda_pack.segments.tar import END, Member, header

_TOOL = "mksquashfs"
_OLDEST = (4, 5)  # reads tar
_XZ_LEVEL = 9
#: MiB of memory for each thread, and for two more. It takes a quarter of the machine's by itself: 1427 MiB of
#: all processes together on one of 24 GiB, as long as with 32, and the image has the same bytes.
_MEMORY = 8


def squashfs_options(level: int) -> list[str]:
    """What a compression level means: 0 nothing, 1 to 8 zstd at level 2 to 20, 9 xz (the incumbent's rule).

    Blocks of 256 KiB make the image smaller than mksquashfs's 128 KiB.
    """
    if level == 0:
        return ["-noI", "-noD", "-noF", "-noX"]
    if level == _XZ_LEVEL:
        return ["-comp", "xz"]
    return ["-comp", "zstd", "-Xcompression-level", str(int(level / 8 * 20)), "-b", str(256 << 10)]


def check_mksquashfs() -> None:
    """Raise ToolMissing where there is no mksquashfs, or one that is too old to read tar."""
    if shutil.which(_TOOL) is None:
        raise ToolMissing(
            "There is no mksquashfs on PATH, which makes squashfs images. Install squashfs-tools "
            "(conda install -c conda-forge squashfs-tools), or choose another format."
        )
    told = subprocess.run([_TOOL, "-version"], capture_output=True, check=False, text=True).stdout
    found = re.search(r"version (\d+)\.(\d+)", told)
    if found and (int(found[1]), int(found[2])) < _OLDEST:
        raise ToolMissing(
            f"The mksquashfs on PATH has version {found[1]}.{found[2]}, and reading tar needs 4.5. "
            "Install a newer squashfs-tools, or choose another format."
        )


def latest_time(plan: Plan) -> int:
    """The latest time of a member: the plan's, but for sources of nobody's that keep theirs."""
    own = [
        entry.mtime for part in plan.parts if part.record is None for entry in part.entries if entry.bytecode
    ]
    return max([plan.mtime, *own])


class _Tool:
    """A running program that reads from us; it has ended well when the ``with`` block has."""

    def __init__(self, command: list[str], path: str, latest: int) -> None:
        self._command, self._path = command, path
        # no time in the image is later than this: not its own and its root's, else the clock's
        self._environ = {**os.environ, "SOURCE_DATE_EPOCH": str(latest)}

    def __enter__(self) -> _Tool:
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )
        return self

    def put(self, data: Data) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            raise self._failed() from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                assert self._process.stdin is not None
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
                if self._process.wait() != 0:
                    raise self._failed()
        finally:
            self._process.kill()  # which an ended one does not mind
            self._process.wait()
            with suppress(BrokenPipeError):
                self._process.communicate()
            self._said.close()

    def _failed(self) -> WriteFailed:
        self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").strip()
        return WriteFailed(
            f"Could not write {self._path}: {_TOOL} ended with {self._process.returncode}"
            f"{': ' if said else ''}{' '.join(said.split())}. Free some space there or write to another disk."
        )


class SquashfsWriter:
    """Feeds mksquashfs. ``path`` is the image to make, which may exist already."""

    def __init__(self, plan: Plan, path: str, level: int, threads: int) -> None:
        self.press = Press(CODECS["none"], 0)
        self._plan, self._path = plan, path
        self._command = [
            *(_TOOL, "-", path, "-tar", "-noappend", "-quiet", "-no-progress", "-processors", str(threads)),
            *("-mem", f"{_MEMORY * (threads + 2)}M"),
            *("-root-mode", "0755", "-root-uid", "0", "-root-gid", "0"),
            *squashfs_options(level),
        ]

    def write(self, segments: Iterator[Segment], ending: Ending) -> None:
        with _Tool(self._command, self._path, latest_time(self._plan)) as tool:
            tool.put(self._folders())
            for segment in segments:
                tool.put(segment.compressed.data)
            index, _ = ending.last_segments([], 0)
            tool.put(index.compressed.data)
            tool.put(END)

    def _folders(self) -> bytes:
        plan = self._plan
        root = f"{plan.arcroot}/" if plan.arcroot else ""
        paths = [root + entry.path for part in plan.parts for entry in part.entries]
        paths += [root + blob.path for blob in plan.runtime]
        paths += [root + part.record_path for part in plan.parts]
        return b"".join(
            header(Member(folder, "directory", 0o755, 0, plan.mtime)) for folder in sorted(folders_of(paths))
        )
