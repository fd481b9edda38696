"""What the command can be told."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import sections
from benchmarks.environments import REPO
from benchmarks.report import BEGIN, END

SECTIONS = ("pack", "unpack", "setup", "start", "growth", "profile")
USUAL = ("pack", "unpack", "start")


def parser() -> argparse.ArgumentParser:
    """The parser of ``python -m benchmarks``."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure conda-pack against what people use instead, on the same work in one run.",
    )
    made.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; by default {', '.join(USUAL)}"
    )
    made.add_argument("--rounds", type=int, default=3, metavar="N", help="timed rounds (default: 3)")
    _add_environment(made.add_argument_group("the environment"))
    _add_outputs(made.add_argument_group("the results"))
    return made


def _add_environment(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--environment", type=Path, metavar="PREFIX", help="measure with this one")
    group.add_argument("--channel", type=Path, metavar="DIR", help="a local channel with its packages")
    group.add_argument(
        "--make",
        type=Path,
        metavar="DIR",
        default=REPO / "build/benchmark",
        help="without --environment: where to find or make the benchmark environment and its channel",
    )
    group.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="where to run; it stays, and its caches too (default: a folder on a RAM disk if there is room)",
    )
    group.add_argument(
        "--incumbent", type=Path, metavar="PATH", help="conda-pack 0.9.2 (default: install it)"
    )
    group.add_argument("--conda", type=Path, metavar="PYTHON", help="one with `python -m conda`, for setup")
    group.add_argument(
        "--files",
        type=int,
        nargs="+",
        default=sections.SIZES,
        metavar="N",
        help="sizes of the synthetic environments, for growth",
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--output", type=Path, metavar="FILE", help=f"a page; goes between {BEGIN} and {END}")
    group.add_argument("--plot", type=Path, metavar="FILE", help="draw an SVG")
    group.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="raw results; those of sections that are in the file and do not run now are kept and shown",
    )
    group.add_argument("--no-run", action="store_true", help="measure nothing: show what --json holds")
