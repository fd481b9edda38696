"""Plan → segments: the pieces of the stream, cut and compressed, in order.

Where a segment ends depends on the stored bytes alone, so the number of
workers and the place of the environment leave no trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import cast

from conda_pack.model import (
    FOOTER,
    FOOTER_WIDTH,
    INDEX_PATH,
    OPENING,
    PACK_FOLDER,
    Blob,
    Needs,
    Note,
    Part,
    Plan,
)
from conda_pack.progress import Reporter
from conda_pack.relocation.needs import joined, of_the_machine
from conda_pack.segments.conda_meta import stored_document
from conda_pack.segments.crews import crew
from conda_pack.segments.cutting import Buffers, Press, Segment
from conda_pack.segments.grouping import SEGMENT_SIZE
from conda_pack.segments.parts import Made, PartWork, Task, start_next
from conda_pack.segments.reading import FileReader
from conda_pack.segments.schema import (
    FORMAT,
    Content,
    FileEntry,
    Index,
    PackageItem,
    PackRecord,
    PartEnd,
    SegmentItem,
    UnmanagedItem,
    encode,
    identity,
)
from conda_pack.segments.tar import END, Member, comment, header, padding
from conda_pack.segments.workers import in_order

#: How many files a message about the longest prefix names.
_MOST_NAMED = 5
#: Segments that wait to be written, besides the one that each worker makes, so that none waits for a slow one
#: before it. On two cores, medians of five: with 1 .tar.gz takes 7.3 s and .tar.zst 4.25 s, with 2 7.1 s and
#: 4.1 s, with 3 and 4 no less; the peak of memory is the same with 1 and 2.
_AHEAD = 2


@dataclass
class Assembler:
    """Makes a plan's segments; afterwards it knows the content and what was noted on the way."""

    plan: Plan
    reader: FileReader
    press: Press
    reporter: Reporter
    notes: dict[Note, list[str]] = field(default_factory=dict)
    content: Content | None = None

    def segments(self, threads: int) -> Generator[Segment]:
        """Every segment but the index's, in order."""
        opening = comment((OPENING + self.plan.arcroot).encode())
        yield self.press.segment(
            "", "runtime", opening + b"".join(self._blob(blob) for blob in self.plan.runtime)
        )
        tasks: list[Task] = []
        buffers = Buffers()
        works = [
            PartWork(part, self.reader, self.press, buffers, tasks, self._finish) for part in self.plan.parts
        ]
        ends: list[PartEnd] = []
        needed: list[Needs] = []
        ahead = threads + _AHEAD
        with crew(tasks, threads, ahead + 1) as hands:
            surveys = (number for work in works for number in work.surveys)
            start_next(surveys, hands)
            jobs = (job for work in works for job in work.jobs(hands, surveys))
            for made in in_order(jobs, ahead * SEGMENT_SIZE):
                for note, path in made.notes:
                    self.notes.setdefault(note, []).append(path)
                if made.end is not None:
                    ends.append(made.end)
                if made.needs:
                    needed.append(made.needs)
                self.reporter.advance(made.size_read)
                yield from made.segments
        self.content = self._content(ends, joined(needed))

    def _finish(self, part: Part, files: list[FileEntry]) -> Made:
        """The end of a part: what tells of its files follows them."""
        stream = b""
        if part.record is not None:
            path = f"conda-meta/{part.record.dist}.json"
            mode = self.plan.environment.files[path].mode
            blob = Blob(path, mode, stored_document(part.record, files))
            files.append(_blob_entry(blob))
            stream = self._blob(blob, part.mtime)
        data = self._record(part, files)
        stream += self._blob(Blob(part.record_path, 0o644, data), part.mtime)
        end = PartEnd(self._item(part, files, data), *_limits(files))
        return Made([self.press.segment(part.dist, "record", stream)], end=end)

    @property
    def identity(self) -> str:
        """The pack's identity, when all segments are made."""
        assert self.content is not None
        return identity(self.content)

    @property
    def glibc(self) -> str:
        """The glibc that the files need, when all segments are made; empty for none."""
        assert self.content is not None
        return self.content.needs.get("glibc", "")

    def last_segments(self, items: list[SegmentItem], offset: int) -> tuple[Segment, bytes]:
        """The index's segment, and the footer and end that follow it at once.

        ``offset`` is where the index's segment will lie in the file.
        """
        assert self.content is not None
        index = Index(FORMAT, self.identity, self.plan.arcroot, self.content, items)
        segment = self.press.segment("", "index", self._blob(Blob(INDEX_PATH, 0o644, encode(index))))
        compressed = segment.compressed
        text = f"{FOOTER} index={offset},{len(compressed.data)},{compressed.size} sha256={segment.sha256}"
        # tarfile wants a member after a comment; the folder is there already
        folder = Member(self._name(PACK_FOLDER), "directory", 0o755, 0, self.plan.mtime)
        return segment, comment(text.encode(), FOOTER_WIDTH) + header(folder) + END

    def _name(self, path: str) -> str:
        return f"{self.plan.arcroot}/{path}" if self.plan.arcroot else path

    def _blob(self, blob: Blob, mtime: int | None = None) -> bytes:
        member = Member(
            self._name(blob.path),
            "file",
            blob.mode,
            len(blob.data),
            self.plan.mtime if mtime is None else mtime,
        )
        return b"".join((header(member), blob.data, padding(len(blob.data))))

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
        prefixes = sum(file.offsets is not None for file in files)
        record = part.record
        if record is None:
            return UnmanagedItem(part.record_path, digest, len(files), prefixes, size)
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
            prefixes=prefixes,
            size=size,
        )

    def _content(self, ends: list[PartEnd], needs: Needs) -> Content:
        records = self.plan.environment.records
        *packages, unmanaged = (end.item for end in ends)
        longest = min((end.longest_prefix for end in ends if end.longest_prefix is not None), default=None)
        limited_by = [path for end in ends if end.longest_prefix == longest for path in end.limited_by]
        versions, needed_by = of_the_machine(needs, self._provided(needs))
        return Content(
            format=FORMAT,
            platform=self.plan.environment.platform.subdir,
            requires=sorted({spec for record in records for spec in record.depends if spec.startswith("__")}),
            needs=versions,
            needed_by=needed_by,
            prefix=self.plan.dest_prefix,
            longest_prefix=longest,
            limited_by=limited_by[:_MOST_NAMED],
            runtime=[_blob_entry(blob) for blob in self.plan.runtime],
            packages=[item for item in packages if isinstance(item, PackageItem)],
            unmanaged=cast(UnmanagedItem, unmanaged),
            files=sum(end.item.files for end in ends) + len(self.plan.runtime),
            size=sum(end.item.size for end in ends),
        )

    def _provided(self, needs: Needs) -> set[str]:
        """Which of the libraries that are needed lie where the environment's programs find them."""
        places = {f"lib/{library}": library for library, _ in needs if library}
        return {
            places[entry.path] for part in self.plan.parts for entry in part.entries if entry.path in places
        }


def _limits(files: list[FileEntry]) -> tuple[int | None, list[str]]:
    """The longest prefix that fits into these files, and some of those that it is limited by."""
    room = {
        file.path: len(file.prefix_placeholder.encode())
        for file in files
        if file.file_mode == "binary" and not file.optional and file.prefix_placeholder is not None
    }
    longest = min(room.values(), default=None)
    return longest, [path for path, length in room.items() if length == longest][:_MOST_NAMED]


def _blob_entry(blob: Blob) -> FileEntry:
    return FileEntry(
        path=blob.path, mode=blob.mode, size=len(blob.data), sha256=hashlib.sha256(blob.data).hexdigest()
    )
