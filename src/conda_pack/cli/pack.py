"""``conda-pack``: an environment → an archive."""

from __future__ import annotations

import argparse
import sys

from conda_pack import __version__
from conda_pack.archives.formats import INFER, STDOUT, format_names, levels_help
from conda_pack.cli import creating
from conda_pack.cli.options import add_json, add_n_threads
from conda_pack.errors import EnvironmentFindings, UsageError

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from typing import Any

DESCRIPTION = (
    "Pack an installed conda environment, or one made of specs, locks or imports, into one archive that runs "
    "on any machine of the same platform."
)
EPILOG = """\
examples:
  conda-pack                              pack the active environment into NAME.tar.gz
  conda-pack -n science -o science.tar.zst
  conda-pack -n science --slim --exclude /share/doc/ --dry-run
  conda-pack -n science -o science.sh --entrypoint jupyter-lab
  conda-pack -n science -o - | ssh host tar -xzf - -C /opt/science
  conda-pack --file environment.yml -o science.tar.zst
  conda-pack --imports analysis/ -c conda-forge -o analysis.tar.gz
  conda-pack --file pixi.lock --platform linux-64 --platform win-64

on the other machine:
  conda-pack unpack science.tar.zst /opt/science
or, where there is no conda-pack:
  mkdir science; tar -xf science.tar.gz -C science; science/bin/conda-unpack
"""


class _Filter(argparse.Action):
    """Collects all that leaves out or brings back files, in the order in which it is given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        namespace.filters = [*(namespace.filters or []), (str(self.const), values)]


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"conda-pack {__version__}")
        parser.exit()


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    _environment(parser.add_argument_group("the environment"))
    creating.add_options(parser.add_argument_group("or one that is made, packed and removed"))
    _archive(parser.add_argument_group("the archive"))
    _contents(parser.add_argument_group("what goes in"))
    _formats(parser.add_argument_group("for some formats alone"))
    _messages(parser.add_argument_group("messages"))


def _environment(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--name", "-n", metavar="ENV", help="its name (default: the active one)")
    group.add_argument("--prefix", "-p", metavar="PATH", help="its path")
    group.add_argument(
        "--platform",
        metavar="PLATFORM",
        action="append",
        default=[],
        help="stop unless it is for this platform, as in linux-64; of one that is made: for this platform, "
        "may be repeated, an archive each; all is every platform that the file is for",
    )
    group.add_argument(
        "--arch", metavar="ARCH", help="stop unless it is for this architecture, as in x86_64 or linux-64"
    )


def _archive(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        "-o",
        metavar="PATH",
        help="the archive to write (default: the environment's name with the format's suffix); "
        f"{STDOUT} is standard output, for the tar formats",
    )
    group.add_argument(
        "--format",
        choices=[INFER, *format_names()],
        default=INFER,
        help="its format (default: infer it from the name)",
    )
    group.add_argument(
        "--arcroot", metavar="PATH", default="", help="folder of the environment within it (default: none)"
    )
    group.add_argument(
        "--dest-prefix",
        "--relocate-prefix",
        "-d",
        metavar="PATH",
        help="write the files for this one place, absolute or relative; bin/conda-unpack is then left out",
    )
    group.add_argument(
        "--compress-level",
        metavar="LEVEL",
        type=int,
        help=f"higher is smaller and slower. {levels_help()}. In squashfs 0 compresses nothing, 1 to 8 are "
        "zstd, 9 is xz",
    )
    group.add_argument("--zstd", action="store_true", help="the same as --format tar.zst")
    group.add_argument(
        "--zstd-compression-level",
        metavar="LEVEL",
        type=int,
        help="the same as --format tar.zst --compress-level LEVEL",
    )
    add_n_threads(group)
    group.add_argument(
        "--force",
        "-f",
        action="store_true",
        help="replace it if it exists, and make its folder if that is missing",
    )


def _contents(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--exclude",
        metavar="PATTERN",
        action=_Filter,
        const="exclude",
        dest="filters",
        help="leave out files whose path in the environment matches: '*.pyc', 'share/doc/*' (* is any path), "
        "or with a slash in front or at the end as in .gitignore: '/share/doc/', 'tests/', '/lib/*.a'",
    )
    group.add_argument(
        "--include",
        metavar="PATTERN",
        action=_Filter,
        const="include",
        dest="filters",
        help="bring back excluded files that match; these options apply in the order given",
    )
    group.add_argument(
        "--exclude-from",
        metavar="FILE",
        action="append",
        default=[],
        help="patterns from a file, before those given here: one a line, # begins a comment, ! brings back",
    )
    group.add_argument(
        "--slim",
        metavar="PRESETS",
        nargs="?",
        const="all",
        default="",
        help="leave out what running needs not: bytecode, static, headers, tests, docs, with commas "
        "between them (default: all of these), and tell how much that is",
    )
    group.add_argument(
        "--add",
        metavar="SRC[:DEST]",
        action="append",
        default=[],
        help="put a file or folder of your own into the environment, at DEST (default: at its root)",
    )
    group.add_argument(
        "--editable",
        choices=["refuse", "skip", "copy"],
        default="refuse",
        help="packages installed with pip -e: stop (default), pack without their code, or copy their code in "
        "as if it had been installed without -e",
    )
    group.add_argument("--ignore-editable-packages", action="store_true", help="the same as --editable skip")
    group.add_argument(
        "--ignore-missing-files", action="store_true", help="pack although files of packages are missing"
    )


def _formats(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--entrypoint",
        metavar="COMMAND",
        help="sh: what the file runs, with its own arguments, in the environment that it unpacks once",
    )
    group.add_argument(
        "--zip-symlinks",
        action="store_true",
        help="zip: keep links, which some programs do not extract, instead of copies of their files",
    )
    group.add_argument(
        "--no-zip-64", action="store_true", help="zip: stop rather than need the ZIP64 extensions"
    )
    group.add_argument(
        "--parcel-root",
        metavar="PATH",
        help="parcel: where the cluster has its parcels (default: /opt/cloudera/parcels)",
    )
    group.add_argument(
        "--parcel-name", metavar="NAME", help="parcel: its name (default: the environment's), without dashes"
    )
    group.add_argument(
        "--parcel-version", metavar="VERSION", help="parcel: its version (default: today as YYYY.MM.DD)"
    )
    group.add_argument(
        "--parcel-distro", metavar="DISTRO", help="parcel: the distribution it is for (default: el7)"
    )


def _messages(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--dry-run", action="store_true", help="tell what would be packed, and how large; pack nothing"
    )
    add_json(group)
    group.add_argument("--verbose", "-v", action="store_true", help="name every file that a warning is about")
    group.add_argument("--quiet", "-q", action="store_true", help="show no progress")
    group.add_argument("--help", "-h", action="help", help="show this and exit")
    group.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")


def execute(options: argparse.Namespace) -> int:
    """Pack, and print the archive's path, or tell what would be packed."""
    # imported here, because most of the time of --help would be theirs
    import msgspec  # noqa: PLC0415

    from conda_pack import api  # noqa: PLC0415
    from conda_pack.cli.console import ConsoleReporter, show_json, show_lines  # noqa: PLC0415
    from conda_pack.cli.slim_text import slim_lines  # noqa: PLC0415
    from conda_pack.model import MOST_NAMED  # noqa: PLC0415
    from conda_pack.options import Options, ParcelOptions, zstd_options  # noqa: PLC0415

    format_name, level = zstd_options(
        options.zstd, options.zstd_compression_level, options.format, options.compress_level
    )
    how = Options(
        output=options.output,
        format=format_name,
        arcroot=options.arcroot,
        dest_prefix=options.dest_prefix,
        parcel=ParcelOptions(
            options.parcel_root, options.parcel_name, options.parcel_version, options.parcel_distro
        ),
        force=options.force,
        compress_level=level,
        n_threads=options.n_threads,
        zip_symlinks=options.zip_symlinks,
        zip_64=not options.no_zip_64,
        entrypoint=options.entrypoint,
        most_named=sys.maxsize if options.verbose else MOST_NAMED,
    )
    if options.json and options.output == STDOUT:
        raise UsageError(
            "Standard output cannot have both the archive and --json. Name a file with --output."
        )
    reporter = ConsoleReporter(quiet=options.quiet)
    what = {
        "filters": options.filters or (),
        "exclude_from": options.exclude_from,
        "slim": [name for name in options.slim.split(",") if name],
        "additions": options.add,
        "editable": "skip" if options.ignore_editable_packages else options.editable,
        "ignore_missing_files": options.ignore_missing_files,
        "is_dry": options.dry_run,
    }
    if creating.check(options):
        return creating.execute(options, how, what, reporter)
    platform = options.platform[0] if options.platform else None
    env = api.selected(options.name, options.prefix, reporter, **what, platform=platform, arch=options.arch)
    if (report := env.slim_report()) and not options.quiet:
        show_lines(slim_lines(report), sys.stderr)
    if options.dry_run:
        from conda_pack.cli.preview_text import preview_lines  # noqa: PLC0415

        preview = env.preview(how, reporter.warnings)
        if options.json:
            show_json(preview)
        else:
            show_lines(preview_lines(preview), sys.stdout)
        return EnvironmentFindings.exit_code if preview.errors else 0
    packed = env.packed(how, reporter)
    if options.json:
        show_json(msgspec.structs.replace(packed, warnings=reporter.warnings))
    elif not options.quiet and packed.path != STDOUT:
        print(packed.path)
    return 0
