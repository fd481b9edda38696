"""``conda-pack``: an environment → an archive."""

from __future__ import annotations

import argparse
import sys

from conda_pack import __version__
from conda_pack.archives.formats import INFER, format_names
from conda_pack.cli.options import add_n_threads

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from typing import Any

DESCRIPTION = (
    "Pack an installed conda environment into one archive that runs on any machine of the same platform."
)
EPILOG = """\
examples:
  conda-pack                              pack the active environment into NAME.tar.gz
  conda-pack -n science -o science.tar.zst
  conda-pack -p /envs/science --exclude '*.a' --exclude '*/tests/*'

on the other machine:
  conda-pack unpack science.tar.zst /opt/science
or, where there is no conda-pack:
  mkdir science; tar -xf science.tar.gz -C science; science/bin/conda-unpack
"""


class _Filter(argparse.Action):
    """Collects --exclude and --include in the order in which they are given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        filters = [*(namespace.filters or []), (str(self.const), values)]
        namespace.filters = filters


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--name", "-n", metavar="ENV", help="name of the environment (default: the active one)"
    )
    parser.add_argument("--prefix", "-p", metavar="PATH", help="path of the environment")
    parser.add_argument(
        "--output",
        "-o",
        metavar="PATH",
        help="the archive to write (default: the environment's name .tar.gz)",
    )
    parser.add_argument(
        "--format",
        choices=[INFER, *format_names()],
        default=INFER,
        help="format of the archive (default: infer it from the name)",
    )
    parser.add_argument(
        "--arcroot",
        metavar="PATH",
        default="",
        help="folder of the environment within the archive (default: none)",
    )
    parser.add_argument(
        "--dest-prefix",
        "-d",
        metavar="PATH",
        help="write the files for this one place, absolute or relative; bin/conda-unpack is then left out",
    )
    parser.add_argument(
        "--compress-level",
        metavar="LEVEL",
        type=int,
        help="tar.gz: 0 to 9, default 4; tar.zst: -7 to 22, default 3; higher is smaller and slower",
    )
    add_n_threads(parser)
    parser.add_argument(
        "--exclude",
        metavar="PATTERN",
        action=_Filter,
        const="exclude",
        dest="filters",
        help="leave out files whose path in the environment matches, as in '*.pyc' or 'share/doc/*'",
    )
    parser.add_argument(
        "--include",
        metavar="PATTERN",
        action=_Filter,
        const="include",
        dest="filters",
        help="bring back excluded files that match; filters apply in the order given",
    )
    parser.add_argument(
        "--ignore-editable-packages", action="store_true", help="pack although packages are installed with -e"
    )
    parser.add_argument(
        "--ignore-missing-files", action="store_true", help="pack although files of packages are missing"
    )
    parser.add_argument(
        "--force",
        "-f",
        action="store_true",
        help="replace the archive if it exists, and make its folder if that is missing",
    )
    # The incumbent's: they concern zip alone and are ignored for every other format, as there.
    parser.add_argument("--zip-symlinks", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-zip-64", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quiet", "-q", action="store_true", help="show no progress")
    parser.add_argument("--help", "-h", action="help", help="show this and exit")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"conda-pack {__version__}")
        parser.exit()


def execute(options: argparse.Namespace) -> int:
    """Pack, and print the archive's path."""
    # imported here, because most of the time of --help would be theirs
    from conda_pack import api  # noqa: PLC0415
    from conda_pack.cli.console import ConsoleReporter  # noqa: PLC0415

    path = api.pack(
        name=options.name,
        prefix=options.prefix,
        output=options.output,
        format=options.format,
        arcroot=options.arcroot,
        dest_prefix=options.dest_prefix,
        force=options.force,
        compress_level=options.compress_level,
        n_threads=options.n_threads,
        zip_symlinks=options.zip_symlinks,
        zip_64=not options.no_zip_64,
        filters=options.filters or (),
        ignore_editable_packages=options.ignore_editable_packages,
        ignore_missing_files=options.ignore_missing_files,
        reporter=ConsoleReporter(quiet=options.quiet),
    )
    if not options.quiet:
        print(path, file=sys.stdout)
    return 0
