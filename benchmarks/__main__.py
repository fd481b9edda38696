"""The command: arguments → sections → a report on standard output, and into files."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks import environments, sections
from benchmarks.facts import facts
from benchmarks.options import SECTIONS, USUAL, parser
from benchmarks.plot import svg
from benchmarks.report import BEGIN, END, insert, markdown
from benchmarks.results import Report, merge
from benchmarks.rounds import Track, clear
from benchmarks.works import INCUMBENT, MAKERS, PACK, START, UNPACK
from demo.commands import CommandError

START_ROUNDS = 20  # of a few hundredths of a second each
PER_SYNTHETIC_FILE = 20_000  # bytes in the work folder: itself, its archive, and what comes out of that

HINTS = {
    INCUMBENT: f"{INCUMBENT} could not be installed (--incumbent PATH)",
    "conda": "conda is not installed (--conda PYTHON)",
    "rattler-install": "no channel with the packages is known (--channel DIR)",
}
"""How to get the programs that are not simply installed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    names = [] if options.no_run else options.sections or list(USUAL)
    try:
        if unknown := set(names) - set(SECTIONS):
            raise ValueError(f"no such section: {', '.join(sorted(unknown))}")
        for given in filter(None, (options.environment, options.channel, options.incumbent, options.conda)):
            if not given.exists():
                raise ValueError(f"there is no {given}")
        page, report = _page(options.output), _saved(options.json)  # first: nothing is measured in vain
        if names:
            report = _measure(options, names, report)
    except (CommandError, OSError, ValueError) as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; --json has the sections that were finished", file=sys.stderr)
        return 130
    print(markdown(report))
    if options.plot:
        drawn = [comparison for some in report.comparisons.values() for comparison in some]
        options.plot.write_text(svg(drawn), encoding="utf-8")
    if options.output:
        plot = os.path.relpath(options.plot, options.output.parent) if options.plot else ""
        options.output.write_text(insert(page, markdown(report, plot)), encoding="utf-8")
    return 0


def _page(output: Path | None) -> str:
    """The page to write into."""
    if output is None or not output.exists():
        return f"# Performance\n\n{BEGIN}\n{END}\n"
    page = output.read_text(encoding="utf-8")
    try:
        insert(page, "")
    except ValueError as error:
        raise ValueError(f"{output}: {error}") from error
    return page


def _saved(path: Path | None) -> Report:
    return msgspec.json.decode(path.read_bytes(), type=Report) if path and path.exists() else Report()


def _measure(options: argparse.Namespace, names: Sequence[str], report: Report) -> Report:
    source = environments.find(options.environment, options.channel, options.make, _echo)
    growing = max(options.files) * PER_SYNTHETIC_FILE if "growth" in names else 0
    with _work(options.work, environments.size_of(source.prefix)[1], growing) as work:
        site = environments.place(source, work, _echo)
        environments.add_incumbent(work, options.incumbent, _echo)
        if options.conda:
            environments.add_conda(work, options.conda)
        clear(work, list(MAKERS))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        track = Track(site, cores, _echo, HINTS)
        report = merge(report, Report(facts=facts(site, cores)))
        for name in filter(names.__contains__, SECTIONS):
            _echo(f"--- {name}")
            report = merge(report, _section(name, track, options))
            if options.json:  # after each of them: a later one may be interrupted
                options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return report


def _section(name: str, track: Track, options: argparse.Namespace) -> Report:
    rounds: int = options.rounds
    match name:
        case "pack":
            return Report(comparisons={name: track.compare(PACK, rounds)})
        case "unpack":
            return Report(comparisons={name: track.compare(UNPACK, rounds)})
        case "start":
            return Report(comparisons={name: track.compare(START, START_ROUNDS)})
        case "setup":
            return Report(setups=sections.setup(track, rounds))
        case "growth":
            return Report(growth=sections.growth(track, rounds, options.files))
        case _:
            return Report(scaling=sections.scaling(track, rounds))


@contextmanager
def _work(given: Path | None, size: int, growing: int) -> Iterator[Path]:
    """The folder in which everything runs."""
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    parent = environments.ram_disk(size, growing)
    if parent is None:
        _echo(f"no room on {environments.RAM_DISK}: measuring on a disk")
    folder = Path(tempfile.mkdtemp(prefix="conda-pack-benchmarks-", dir=parent)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _echo(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
