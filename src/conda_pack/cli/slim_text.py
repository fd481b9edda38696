"""What --slim saves, for people."""

from __future__ import annotations

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator

    from conda_pack.api import SlimReport


def slim_lines(report: SlimReport) -> Iterator[str]:
    """A line for each preset, and one for all."""
    for saving in report.presets:
        yield f"--slim {saving.name:<10} {saving.files:>7} files {saving.size / 1e6:>9.1f} MB"
    files, size = report.files_before - report.files_after, report.size_before - report.size_after
    share = 100 * size / max(1, report.size_before)
    yield (
        f"in all {files} of {report.files_before} files are left out, {size / 1e6:.1f} of "
        f"{report.size_before / 1e6:.1f} MB ({share:.0f} %)"
    )
