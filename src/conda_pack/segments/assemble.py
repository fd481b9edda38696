"""Plan → segments: the pieces of the stream, cut and compressed, in order.

Where a segment ends depends on the stored bytes alone, so the number of
workers and the place of the environment leave no trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from conda_pack.model import INDEX_PATH, PACK_FOLDER, Blob, Note, Part, Plan, Record
from conda_pack.progress import Reporter
from conda_pack.segments.codecs import Codec, Compressed
from conda_pack.segments.conda_meta import stored_document
from conda_pack.segments.reading import SEGMENT_SIZE, FileReader, Piece, Task
from conda_pack.segments.schema import (
    FORMAT,
    Content,
    FileEntry,
    Index,
    PackageItem,
    PackRecord,
    SegmentItem,
    UnmanagedItem,
    encode,
    identity,
)
from conda_pack.segments.tar import END, Member, comment, header, padding
from conda_pack.segments.workers import ordered

#: What the stream begins and ends with, in comments that no reader minds.
OPENING = "conda-pack 1 arcroot="
FOOTER = "conda-pack-footer 1"
FOOTER_WIDTH = 512
#: How many files a message about the longest prefix names.
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Cut:
    """A segment's bytes before compression, and what the index will say of it."""

    part: str
    role: str
    buffers: tuple[bytes, ...]
    continues: str | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment ready to be written."""

    cut: Cut
    compressed: Compressed
    sha256: str


@dataclass
class Assembler:
    """Makes a plan's segments; afterwards it knows the content and what was noted on the way."""

    plan: Plan
    reader: FileReader
    codec: Codec
    level: int
    reporter: Reporter
    notes: dict[Note, list[str]] = field(default_factory=dict)
    content: Content | None = None

    def segments(self, pool: ThreadPoolExecutor, threads: int) -> Iterator[Segment]:
        """Every segment but the index's, in order."""
        # enough for every worker to find the next task ready, and no more memory than that
        return ordered(pool, (self._compress(cut) for cut in self._cuts(pool, threads)), threads + 2)

    def _compress(self, cut: Cut) -> Callable[[], Segment]:
        def work() -> Segment:
            compressed = self.codec.compress(cut.buffers, self.level)
            return Segment(cut, compressed, hashlib.sha256(compressed.data).hexdigest())

        return work

    def last_segments(self, items: list[SegmentItem], offset: int) -> tuple[Segment, bytes]:
        """The index's segment, and the footer and end that follow it at once.

        ``offset`` is where the index's segment will lie in the file.
        """
        assert self.content is not None
        index = Index(FORMAT, identity(self.content), self.plan.arcroot, self.content, items)
        data = encode(index)
        segment = self._compress(Cut("", "index", self._blob(Blob(INDEX_PATH, 0o644, data))))()
        compressed = segment.compressed
        text = f"{FOOTER} index={offset},{len(compressed.data)},{compressed.size} sha256={segment.sha256}"
        # tarfile wants a member after a comment; the folder is there already
        folder = Member(self._name(PACK_FOLDER), "directory", 0o755, 0, self.plan.mtime)
        return segment, comment(text.encode(), FOOTER_WIDTH) + header(folder) + END

    # ------------------------------------------------------------------ cuts

    def _cuts(self, pool: ThreadPoolExecutor, threads: int) -> Iterator[Cut]:
        opening = comment((OPENING + self.plan.arcroot).encode())
        yield Cut(
            "", "runtime", (opening, *(piece for blob in self.plan.runtime for piece in self._blob(blob)))
        )
        packages, limits = [], _Limits()
        unmanaged = None
        stretch = None
        for part, pieces in ordered(pool, self._tasks(), 2 * threads + 2):
            if stretch is None:
                stretch = _Stretch(part.dist)
            for piece in pieces or ():
                stretch.add(piece)
                if piece.note and piece.entry is not None:
                    self.notes.setdefault(piece.note, []).append(piece.entry.path)
                self.reporter.advance(piece.size_read)
                if stretch.size >= SEGMENT_SIZE:
                    yield stretch.cut()
            if pieces is not None:
                continue
            # the end of a part: what tells of its files follows them
            files = stretch.files
            if part.record is not None:
                blob = self._conda_meta(part.record, files)
                stretch.add(Piece(self._blob(blob, part.mtime), _blob_entry(blob)))
            if stretch.buffers:
                yield stretch.cut()
            data = self._record(part, files)
            yield Cut(part.dist, "record", self._blob(Blob(part.record_path, 0o644, data), part.mtime))
            limits.add(files)
            item = self._item(part, files, data)
            if isinstance(item, PackageItem):
                packages.append(item)
            else:
                unmanaged = item
            stretch = None
        assert unmanaged is not None
        self.content = self._content(packages, unmanaged, limits)

    def _tasks(self) -> Iterator[Callable[[], tuple[Part, list[Piece] | None]]]:
        """Every part's reading, None marking its end: one queue, so that no worker waits between parts."""
        for part in self.plan.parts:
            for task in self.reader.tasks(part):
                yield partial(_run, part, task)
            yield partial(_run, part, None)

    def _conda_meta(self, record: Record, files: list[FileEntry]) -> Blob:
        path = f"conda-meta/{record.dist}.json"
        return Blob(path, self.plan.environment.files[path].mode, stored_document(record, files))

    def _name(self, path: str) -> str:
        return f"{self.plan.arcroot}/{path}" if self.plan.arcroot else path

    def _blob(self, blob: Blob, mtime: int | None = None) -> tuple[bytes, ...]:
        member = Member(
            self._name(blob.path),
            "file",
            blob.mode,
            len(blob.data),
            self.plan.mtime if mtime is None else mtime,
        )
        return header(member), blob.data, padding(len(blob.data))

    def _record(self, part: Part, files: list[FileEntry]) -> bytes:
        record = part.record
        return encode(
            PackRecord(
                pack_record=FORMAT,
                name=record.name if record else "",
                dist=part.dist,
                json_layout=record.layout if record else None,
                files=files,
                excluded=list(part.excluded),
            )
        )

    def _item(self, part: Part, files: list[FileEntry], data: bytes) -> PackageItem | UnmanagedItem:
        digest, size = hashlib.sha256(data).hexdigest(), sum(file.size for file in files)
        record = part.record
        if record is None:
            return UnmanagedItem(part.record_path, digest, len(files), size)
        return PackageItem(
            dist=part.dist,
            name=record.name,
            version=record.version,
            build=record.build,
            subdir=record.subdir,
            url=record.url,
            sha256=record.sha256,
            md5=record.md5,
            record=part.record_path,
            record_sha256=digest,
            files=len(files),
            size=size,
        )

    def _content(self, packages: list[PackageItem], unmanaged: UnmanagedItem, limits: _Limits) -> Content:
        records = self.plan.environment.records
        return Content(
            format=FORMAT,
            platform=self.plan.environment.platform.subdir,
            requires=sorted({spec for record in records for spec in record.depends if spec.startswith("__")}),
            prefix=self.plan.dest_prefix,
            longest_prefix=limits.longest,
            limited_by=limits.names,
            runtime=[_blob_entry(blob) for blob in self.plan.runtime],
            packages=packages,
            unmanaged=unmanaged,
            files=sum(item.files for item in packages) + unmanaged.files + len(self.plan.runtime),
            size=sum(item.size for item in packages) + unmanaged.size,
        )


class _Stretch:
    """Pieces of one part that wait for their segment to be long enough."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.files: list[FileEntry] = []
        self._first = Piece(())
        self.buffers: list[bytes] = []
        self.size = 0

    def add(self, piece: Piece) -> None:
        if not self.buffers:
            self._first = piece
        self.buffers += piece.buffers
        self.size += sum(map(len, piece.buffers))
        if piece.entry is not None:
            self.files.append(piece.entry)

    def cut(self) -> Cut:
        cut = Cut(self.part, "files", tuple(self.buffers), self._first.continues, self._first.at)
        self.buffers, self.size = [], 0
        return cut


def _run(part: Part, task: Task | None) -> tuple[Part, list[Piece] | None]:
    return part, task() if task is not None else None


class _Limits:
    """The longest prefix that fits, and some of the files that it is limited by."""

    def __init__(self) -> None:
        self.longest: int | None = None
        self.names: list[str] = []

    def add(self, files: list[FileEntry]) -> None:
        for file in files:
            if file.file_mode != "binary" or file.optional or file.prefix_placeholder is None:
                continue
            room = len(file.prefix_placeholder.encode())
            if self.longest is None or room < self.longest:
                self.longest, self.names = room, []
            if room == self.longest and len(self.names) < _MOST_NAMED:
                self.names.append(file.path)


def _blob_entry(blob: Blob) -> FileEntry:
    return FileEntry(
        path=blob.path, mode=blob.mode, size=len(blob.data), sha256=hashlib.sha256(blob.data).hexdigest()
    )
