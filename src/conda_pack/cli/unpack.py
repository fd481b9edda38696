"""``conda-pack unpack``: an archive → an environment."""

from __future__ import annotations

import argparse

from conda_pack.cli.options import add_json, add_n_threads

DESCRIPTION = (
    "Put a packed environment at DEST, checked and exactly as if conda had installed it there. "
    "DEST appears whole or not at all."
)
EPILOG = """\
examples:
  conda-pack unpack science.tar.zst /opt/science
  ssh build cat science.tar.zst | conda-pack unpack - /opt/science
  conda-pack unpack packs.json /opt/science       the archive of several that is for this machine
"""


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "archive", metavar="ARCHIVE", help="the archive, a packs.json, or - for standard input"
    )
    parser.add_argument("dest", metavar="DEST", help="a new or empty folder; its path becomes the prefix")
    add_n_threads(parser)
    parser.add_argument(
        "--no-preflight",
        dest="preflight",
        action="store_false",
        help="unpack even what cannot start on this machine: made for another platform, or a newer glibc",
    )
    add_json(parser)
    parser.add_argument("--quiet", "-q", action="store_true", help="show no progress")
    parser.add_argument("--help", "-h", action="help", help="show this and exit")


def execute(options: argparse.Namespace) -> int:
    """Unpack, and print where the environment is."""
    # imported here, because most of the time of --help would be theirs
    import msgspec  # noqa: PLC0415

    from conda_pack import packs  # noqa: PLC0415
    from conda_pack.cli.console import ConsoleReporter, show_json  # noqa: PLC0415
    from conda_pack.unpacking import unpacked  # noqa: PLC0415

    reporter = ConsoleReporter(quiet=options.quiet)
    archive = packs.chosen(options.archive) if packs.is_packs(options.archive) else options.archive
    result = unpacked(archive, options.dest, options.n_threads, reporter, preflight=options.preflight)
    if options.json:
        show_json(msgspec.structs.replace(result, warnings=reporter.warnings))
    elif not options.quiet:
        print(result.prefix)
    return 0
