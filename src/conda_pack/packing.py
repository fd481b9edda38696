"""Stage after stage: a plan → an archive. Decides nothing of its own."""

from __future__ import annotations

from contextlib import closing

from conda_pack.archives.segmented import Writer
from conda_pack.model import MOST_NAMED, Finding, Note, Plan, Severity
from conda_pack.progress import Reporter
from conda_pack.relocation.store import Relocator
from conda_pack.segments.assemble import Assembler
from conda_pack.segments.reading import FileReader

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
    plan: Plan, writer: Writer, threads: int, reporter: Reporter, most_named: int = MOST_NAMED
) -> Assembler:
    """Have ``writer`` make a plan's archive, and tell what was found on the way.

    A warning names at most ``most_named`` paths. The result knows the archive's content and identity.
    """
    for finding in plan.findings:
        reporter.warn(finding.text(most_named))
    relocator = Relocator(plan.environment.prefixes, plan.environment.platform)
    assembler = Assembler(plan, FileReader(plan, relocator), writer.press, reporter)
    reporter.start("packing", plan.size)
    try:
        with closing(assembler.segments(threads)) as segments:
            writer.write(segments, assembler)
    finally:
        reporter.finish()
    for note, paths in sorted(assembler.notes.items()):
        finding = Finding(Severity.WARNING, f"{len(paths)} {_NOTES[note]}", tuple(sorted(paths)))
        reporter.warn(finding.text(most_named))
    return assembler
