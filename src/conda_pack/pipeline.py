"""Stage after stage: a plan → an archive, an archive → a folder. Decides nothing of its own."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from conda_pack.archives.container import CONTAINERS
from conda_pack.archives.extract import Extraction
from conda_pack.archives.formats import Format
from conda_pack.archives.inventory import take_inventory
from conda_pack.archives.output import AtomicFolder
from conda_pack.archives.reader import ArchiveFile
from conda_pack.archives.settle import check_prefix
from conda_pack.archives.stream import StreamExtraction
from conda_pack.archives.writing import Folder
from conda_pack.model import Finding, Note, Plan, Severity
from conda_pack.progress import Reporter
from conda_pack.relocation.store import Relocator
from conda_pack.runtime.rules import shebang_limit
from conda_pack.segments.assemble import Assembler
from conda_pack.segments.cutting import Press
from conda_pack.segments.reading import FileReader
from conda_pack.segments.schema import Index, PackageItem, SegmentItem, UnmanagedItem

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

    def write(data: bytes) -> None:
        nonlocal offset
        view = memoryview(data)
        while view:  # a raw file may take less at once
            view = view[file.write(view) :]
        offset += len(data)

    reporter.start("packing", plan.size)
    try:
        write(container.begin())
        with ThreadPoolExecutor(threads) as pool:
            for segment in assembler.segments(pool, threads):
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


def unpack_file(source: ArchiveFile, dest: str, threads: int, reporter: Reporter) -> str:
    content = source.index.content
    prefix = _relocated_to(source.index, dest, reporter)
    items: list[PackageItem | UnmanagedItem] = [*content.packages, content.unmanaged]
    inventory = take_inventory(content, [source.record(item) for item in items])
    limit = shebang_limit(content.platform)
    with AtomicFolder(dest) as folder, ThreadPoolExecutor(threads) as pool:
        reporter.start("unpacking", sum(item.size for item in source.index.segments))
        try:
            Extraction(source, inventory, Folder(folder.path), prefix, limit).run(pool, threads, reporter)
        finally:
            reporter.finish()
    return dest


def unpack_stream(source: BinaryIO, dest: str, reporter: Reporter) -> str:
    with AtomicFolder(dest) as folder:
        reporter.start("unpacking", 0)
        try:
            index = StreamExtraction(source, Folder(folder.path), os.fsencode(dest), reporter).run()
        finally:
            reporter.finish()
    _relocated_to(index, dest, reporter)
    return dest


def _relocated_to(index: Index, dest: str, reporter: Reporter) -> bytes | None:
    """The prefix to write into the files, if it is not fixed; refuses one that is too long."""
    fixed = index.content.prefix
    if fixed is None:
        check_prefix(index.content, os.fsencode(dest))
        return os.fsencode(dest)
    if fixed != dest:
        reporter.warn(f"this archive was packed for {fixed} and runs as it should only there.")
    return None
