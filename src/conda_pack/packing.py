"""Stage after stage: a plan → an archive. Decides nothing of its own."""

from __future__ import annotations

from contextlib import closing
from typing import BinaryIO

from conda_pack.archives.container import CONTAINERS
from conda_pack.archives.formats import Format
from conda_pack.model import Finding, Note, Plan, Severity
from conda_pack.progress import Reporter
from conda_pack.relocation.store import Relocator
from conda_pack.segments.assemble import Assembler
from conda_pack.segments.codecs import Data
from conda_pack.segments.cutting import Press
from conda_pack.segments.reading import FileReader
from conda_pack.segments.schema import SegmentItem

#: What is said of the files that packing noted something about, after their number.
_NOTES: dict[Note, str] = {
    "modified": "files were changed since their package was installed; they are packed as they are.",
    "unrestored": (
        "files could not be put back into their packages' form; "
        "they are packed as installed, and relocated where their room allows."
    ),
    "left": (
        "files hold the environment's prefix in data that cannot be changed safely; "
        "they keep it wherever they go."
    ),
}


def write_archive(
    plan: Plan, file: BinaryIO, kind: Format, level: int, threads: int, reporter: Reporter
) -> None:
    """Write a plan's archive to ``file``, and tell what was found on the way."""
    for finding in plan.findings:
        reporter.warn(finding.text())
    relocator = Relocator(plan.environment.prefixes, plan.environment.platform)
    assembler = Assembler(plan, FileReader(plan, relocator), Press(kind.codec, level), reporter)
    container = CONTAINERS[kind.codec_name]()
    items: list[SegmentItem] = []
    offset = 0

    def write(data: Data) -> None:
        nonlocal offset
        view = memoryview(data)
        while view:  # a raw file may take less at once
            view = view[file.write(view) :]
        offset += len(data)

    reporter.start("packing", plan.size)
    try:
        write(container.begin())
        with closing(assembler.segments(threads)) as segments:
            for segment in segments:
                compressed = segment.compressed
                items.append(
                    SegmentItem(
                        part=segment.part,
                        role=segment.role,
                        offset=offset,
                        length=len(compressed.data),
                        size=compressed.size,
                        sha256=segment.sha256,
                        continues=segment.continues,
                        at=segment.at,
                    )
                )
                write(compressed.data)
                container.add(compressed)
        index, footer = assembler.last_segments(items, offset)
        write(index.compressed.data)
        container.add(index.compressed)
        write(container.end(footer))
    finally:
        reporter.finish()
    for note, paths in sorted(assembler.notes.items()):
        reporter.warn(Finding(Severity.WARNING, f"{len(paths)} {_NOTES[note]}", tuple(sorted(paths))).text())
