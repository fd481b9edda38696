"""Options that several commands have."""

from __future__ import annotations

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    import argparse


def add_n_threads(parser: argparse.ArgumentParser) -> None:
    """How many work at once."""
    parser.add_argument(
        "--n-threads",
        "-j",
        metavar="N",
        type=int,
        default=-1,
        help="processes or threads to use (default: -1, all cores)",
    )
