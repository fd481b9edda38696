"""``conda pack``: the command as a plugin of conda, 22.11 and later.

conda imports this at each of its starts, whatever it is asked to do; so it imports nothing but what conda has
imported already, and leaves the options to our own parser: conda hands over the words as they are. (A parser
of conda's would have to be filled in at every start too, and its options would pass for settings of conda.)

There is no ``conda unpack``: conda takes that for the executable ``conda-unpack`` on the PATH, which every
unpacked environment has, and which relocates it.
Source: https://docs.conda.io/projects/conda/en/stable/dev-guide/plugins/subcommands.html
"""

from __future__ import annotations

from conda.plugins import hookimpl  # type: ignore[import-not-found]
from conda.plugins.types import CondaSubcommand  # type: ignore[import-not-found]

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUMMARY = "Pack an installed environment into one archive that runs on any machine of the same platform."


@hookimpl  # type: ignore[untyped-decorator]
def conda_subcommands() -> Iterator[CondaSubcommand]:
    """Offer ``conda pack``."""
    yield CondaSubcommand(name="pack", summary=SUMMARY, action=pack)


def pack(words: Sequence[str]) -> int:
    """Run ``conda pack WORDS``; returns the exit code, and raises SystemExit as argparse does."""
    from conda_pack.cli.main import main  # noqa: PLC0415

    return main(["pack", *words], prog="conda")
