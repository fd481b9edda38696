"""``conda-pack explicit``: an environment or an archive → the exact list of what is installed in it."""

from __future__ import annotations

import argparse
import sys

from conda_pack.cli.options import add_json
from conda_pack.errors import UsageError

DESCRIPTION = (
    "Print the exact list of the packages in an environment, or in an archive, from which conda, mamba and "
    "pixi make the same environment again."
)
EPILOG = """\
examples:
  conda-pack explicit science.tar.zst > science.txt        conda create -n again --file science.txt
  conda-pack explicit -n science --yaml > science.yml      conda env create -n again -f science.yml
"""


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "where",
        metavar="ARCHIVE|PREFIX",
        nargs="?",
        help="an archive of any format but squashfs, or an environment's folder (default: the active one)",
    )
    parser.add_argument("--name", "-n", metavar="NAME", help="the environment's name")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--yaml", action="store_true", help="an environment.yml, with what pip installed and with variables"
    )
    add_json(forms)
    hashes = parser.add_mutually_exclusive_group()
    hashes.add_argument("--md5", action="store_true", help="digests that every conda reads (default)")
    hashes.add_argument(
        "--sha256", action="store_true", help="stronger digests, for conda 24.9 and later, mamba and pixi"
    )
    parser.add_argument("--help", "-h", action="help", help="show this and exit")


def execute(options: argparse.Namespace) -> int:
    """Print it."""
    _check(options)
    # imported here, because most of the time of --help would be theirs
    import msgspec  # noqa: PLC0415

    from conda_pack.cli.console import ConsoleReporter, show_json  # noqa: PLC0415
    from conda_pack.sources.exports import exporting  # noqa: PLC0415
    from conda_pack.sources.exports.installed import inventory_of  # noqa: PLC0415

    inventory = inventory_of(options.where, options.name)
    warnings = {
        "yaml": exporting.yaml_warnings,
        "json": exporting.private_warnings,
        "list": exporting.explicit_warnings,
    }["yaml" if options.yaml else "json" if options.json else "list"]
    reporter = ConsoleReporter()
    for warning in warnings(inventory):
        reporter.warn(warning)
    if options.json:
        show_json(msgspec.structs.replace(inventory, warnings=reporter.warnings))
    elif options.yaml:
        sys.stdout.write(exporting.yaml_text(inventory, options.name))
    else:
        sys.stdout.write(exporting.explicit_text(inventory, "sha256" if options.sha256 else "md5"))
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raise UsageError for options that do not go together."""
    if options.where is not None and options.name is not None:
        raise UsageError("The environment is given twice: leave out either ARCHIVE|PREFIX or --name.")
    if options.where == "-":
        raise UsageError("An archive is read from its end, which a pipe does not allow: save it as a file.")
    if (options.md5 or options.sha256) and (options.yaml or options.json):
        raise UsageError(
            "--md5 and --sha256 are for the list of URLs: leave them out with --yaml, which has no digests, "
            "and with --json, which has both."
        )
