"""Options that several commands have."""

from __future__ import annotations

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    import argparse


def add_json(parser: argparse._ActionsContainer) -> None:
    """The result for a program."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON (docs/json.md)")


def add_n_threads(parser: argparse._ActionsContainer) -> None:
    """How many work at once."""
    parser.add_argument(
        "--n-threads",
        "-j",
        metavar="N",
        type=int,
        default=-1,
        help="processes or threads to use (default: -1, all cores)",
    )
