"""Results → text: Markdown whose tables are aligned, so that a terminal shows them as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.amdahl import Amdahl, fit
from benchmarks.results import (
    Comparison,
    Growth,
    GrowthPoint,
    Report,
    Result,
    Scaling,
    SetupResult,
    exponent,
    speed,
)

BEGIN, END = "<!-- benchmark -->", "<!-- /benchmark -->"
CORES = (16, 64)
"""What would bound us with that many is worked out."""

_NOTHING = "–"
_SUBTITLES = {
    "pack": "Packing",
    "unpack": "Unpacking",
    "start": "Starting",
}


_LEGEND = (
    "Seconds are medians of wall time; all contenders take turns, round after round. Memory is the peak of "
    "all processes together, watched in a round of its own, with the pages of files they map; largest is "
    "the peak of the largest process, as the system tells it."
)
_BUSY = 0.05
"""Cores: if others use more during the runs, the page says so."""


def markdown(report: Report, plot: str = "") -> str:
    """Everything that was measured. ``plot`` is the path of the plot as the page names it."""
    blocks = [_facts(report), _LEGEND]
    if plot:
        blocks.append(f"![Seconds of wall time, ours and the peers’]({plot})")
    for section, comparisons in report.comparisons.items():
        blocks.append(f"## {_SUBTITLES.get(section, section)}")
        blocks += [block for comparison in comparisons for block in _comparison(comparison)]
        results = [one for comparison in comparisons for one in (comparison.ours, *comparison.peers)]
        blocks += _conditions(results)
    if report.setups:
        blocks += _setups(report.setups)
    if report.growth:
        blocks += ["## Growth", *(block for growth in report.growth for block in _growth(growth))]
    if report.scaling:
        blocks += ["## More cores", *_scaling(report.scaling)]
    return "\n\n".join(blocks) + "\n"


def insert(page: str, text: str) -> str:
    """The page with ``text`` between its markers; ``ValueError`` if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END} in it")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first and those of code are aligned to the right."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    left = [not n or any(row[n].startswith("`") for row in cells[1:]) for n in range(len(header))]
    lines = [
        "| "
        + " | ".join(
            _padded(cell, width, is_left) for cell, width, is_left in zip(row, widths, left, strict=True)
        )
        for row in cells
    ]
    rule = "|".join(
        f" {'-' * width} " if is_left else f" {'-' * (width - 1)}: "
        for width, is_left in zip(widths, left, strict=True)
    )
    return "\n".join([f"{lines[0]} |", f"|{rule}|", *(f"{line} |" for line in lines[1:])])


def _padded(cell: str, width: int, is_left: bool) -> str:
    return cell.ljust(width) if is_left else cell.rjust(width)


def _facts(report: Report) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in report.facts.items())


# ----------------------------------------------------------------- comparisons


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield f"### {comparison.title}"
    ours = comparison.ours if comparison.ours.runs else None
    results = [comparison.ours, *comparison.peers]
    sized = any(result.size for result in results)
    header = [
        "",
        "seconds",
        "conda-pack is",
        "CPU seconds",
        "memory, MiB",
        "largest, MiB",
        *(["MB"] if sized else []),
        "command",
    ]
    yield table(header, [_row(result, ours, sized) for result in results])
    yield from _problems(results)


def _row(result: Result, ours: Result | None, sized: bool) -> list[str]:
    is_ours = result is ours
    title = f"**{result.title}**" if is_ours else result.title
    command = f"`{result.command}`"
    if not result.runs:
        why = result.problem.partition(":")[0]
        return [title, why, *[_NOTHING] * (5 if sized else 4), command]
    how = _NOTHING if is_ours or ours is None else speed(ours.wall, result.wall)
    memory = [mebibytes(result.memory), mebibytes(result.largest)]
    size = [_size(result, None if is_ours else ours)] if sized else []
    return [title, seconds(result.wall), how, seconds(result.cpu), *memory, *size, command]


def _size(result: Result, ours: Result | None) -> str:
    size = f"{result.size / 1e6:.1f}"
    if ours is None or not ours.size:
        return size
    return f"{size} (ours {ours.size / result.size - 1:+.1%})"


def _conditions(results: Sequence[Result]) -> Iterator[str]:
    """How many runs there were, and whether the machine was ours alone."""
    runs = [run for result in results for run in result.runs]
    if runs:
        others = sum(run.others for run in runs) / sum(run.wall for run in runs)
        disturbed = f" Others kept {others:.2f} cores busy meanwhile." if others > _BUSY else ""
        yield f"Runs of each: {max(len(result.runs) for result in results)}.{disturbed}"


def _problems(results: Sequence[Result]) -> Iterator[str]:
    """Why contenders have no figures."""
    lines = [f"- {result.title}: {result.problem}" for result in results if not result.runs]
    if lines:
        yield "\n".join(lines)


def mebibytes(size: int) -> str:
    """Memory, if it is known."""
    return f"{size / 2**20:.0f}" if size else _NOTHING


def seconds(value: float) -> str:
    """With three digits that mean something."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


# --------------------------------------------------------------- setting it up


def _setups(rows: Sequence[SetupResult]) -> Iterator[str]:
    yield "## Setting up an environment"
    yield (
        "Cold: no package is in a cache, and the system has read no file yet (on a RAM disk: none of the "
        "programs'). Warm: once more after that. Beside: the archive or the package cache that is kept."
    )
    header = ["", "cold, s", "warm, s", "environment, MB", "beside, MB", "network", "command"]
    yield table(header, [_setup_row(row) for row in rows])
    results = [result for row in rows for result in (row.cold, row.warm)]
    yield from _problems(results)
    yield from _conditions(results)


def _setup_row(row: SetupResult) -> list[str]:
    times = [seconds(r.wall) if r.runs else r.problem.partition(":")[0] for r in (row.cold, row.warm)]
    known = next((result for result in (row.warm, row.cold) if result.runs), None)
    sizes = [f"{size / 1e6:.0f}" for size in (known.size, known.beside)] if known else [_NOTHING] * 2
    return [row.title, *times, *sizes, row.network, f"`{row.warm.command}`"]


# ---------------------------------------------------------------------- growth


def _growth(growth: Growth) -> Iterator[str]:
    yield f"### {growth.title}"
    header = ["files", "MB"]
    for what in ("pack", "unpack"):
        header += [f"{what}, s", "s per 1,000 files", "s per 100 MB", "MiB"]
    yield table(header, [_growth_row(point) for point in growth.points])
    results = [result for point in growth.points for result in (point.pack, point.unpack)]
    yield from _problems(results)
    yield from _conditions(results)
    if len(growth.points) > 1 and all(result.runs for result in results):
        yield _law(growth)


def _growth_row(point: GrowthPoint) -> list[str]:
    row = [f"{point.files:,}", f"{point.size / 1e6:,.0f}"]
    for result in (point.pack, point.unpack):
        if result.runs:
            row.append(seconds(result.wall))
            row.append(f"{result.wall / point.files * 1000:.3f}")
            row.append(f"{result.wall / point.size * 1e8:.2f}")
            row.append(mebibytes(result.memory))
        else:
            row += [result.problem.partition(":")[0], *[_NOTHING] * 3]
    return row


def _law(growth: Growth) -> str:
    pack = exponent([(point.size, point.pack.wall) for point in growth.points])
    unpack = exponent([(point.size, point.unpack.wall) for point in growth.points])
    return (
        f"Time grows with size to the power of {pack:.2f} (pack) and {unpack:.2f} (unpack): "
        "1 is linear, less is a constant part that matters less and less."
    )


# --------------------------------------------------------------------- scaling


def _scaling(works: Sequence[Scaling]) -> Iterator[str]:
    good = [work for work in works if all(result.runs for result in work.results)]
    header = ["", "threads", "seconds", "CPU seconds", "MiB"]
    rows = [
        [work.title, str(threads), seconds(result.wall), seconds(result.cpu), mebibytes(result.memory)]
        for work in good
        for threads, result in zip(work.threads, work.results, strict=True)
    ]
    if rows:
        yield table(header, rows)
    results = [result for work in works for result in work.results]
    yield from _problems(results)
    yield from _conditions(results)
    laws = {work.title: _amdahl(work) for work in good if len(work.threads) > 1}
    if laws:
        yield (
            "By Amdahl's law, with the CPU time of one thread as all the work there is. What looks serial "
            "also holds what cores share: memory, the disk and, in a virtual machine, each other."
        )
        header = [
            "",
            "serial, s",
            "parallel, s",
            "serial",
            *(f"s at {cores} cores" for cores in CORES),
            "at most",
        ]
        yield table(header, [_law_row(title, law) for title, law in laws.items()])
    for work in good:
        if work.main_thread:
            yield f"### {work.title}: the main thread"
            yield "Own seconds under the profiler, which slows calls down; waiting for threads included."
            yield table(
                ["function", "seconds"], [[f"`{name}`", f"{own:.2f}"] for own, name in work.main_thread]
            )


def _amdahl(work: Scaling) -> Amdahl:
    points = list(zip(work.threads, work.results, strict=True))
    return fit(points[0][1].cpu, [(threads, result.wall) for threads, result in points[1:]])


def _law_row(title: str, law: Amdahl) -> list[str]:
    ahead = [f"{seconds(law.wall(cores))} ({law.speed_up(cores):.1f}×)" for cores in CORES]
    most = f"{law.limit:.0f}×" if law.serial else "no limit seen"
    return [title, seconds(law.serial), seconds(law.parallel), f"{law.share:.0%}", *ahead, most]
