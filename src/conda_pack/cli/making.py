"""``conda-package --pkg-name``: a package of files that no package owns."""

from __future__ import annotations

import argparse
import os

from conda_pack.errors import UsageError

#: The options that are about a package to be made, by what argparse calls them.
OPTIONS = frozenset(
    {
        *("pkg_name", "pkg_version", "pkg_build", "pkg_format", "files", "from_pip", "depends", "summary"),
        *("license", "noarch", "index", "short_prefix"),
    }
)
#: Those of packing that mean something then, too.
FITTING = OPTIONS | {"name", "prefix", "where", "filters", "output", "force", "json", "quiet", "verbose"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that make a package."""
    group = parser.add_argument_group("a package of untracked files, instead of packing")
    group.add_argument("--pkg-name", metavar="NAME", help="make a package called NAME")
    group.add_argument(
        "--pkg-version", metavar="VERSION", help="its version (default: 0.0, or of --from-pip)"
    )
    group.add_argument(
        "--pkg-build",
        metavar="BUILD",
        help="its build number, or its whole build string (default: 0, which makes py311_0 for Python 3.11)",
    )
    group.add_argument(
        "--pkg-format",
        choices=("conda", "tar.bz2"),
        help="its format (default: conda; tar.bz2 is what conda before 4.7 reads)",
    )
    group.add_argument(
        "--files",
        action="append",
        metavar="PATTERN",
        help="only the untracked files that match, with the patterns of --exclude; may be repeated",
    )
    group.add_argument(
        "--from-pip",
        action="append",
        metavar="PROJECT",
        help="only what pip installed as PROJECT, with its dependencies as far as conda brought them; may be "
        "repeated; the first gives the package its name and version",
    )
    group.add_argument(
        "--depends",
        action="append",
        metavar="SPEC",
        help='a dependency, such as "numpy >=1.20"; may be repeated',
    )
    group.add_argument("--summary", metavar="TEXT", help="one line about it")
    group.add_argument("--license", metavar="NAME", help="its licence, an SPDX name such as BSD-3-Clause")
    group.add_argument(
        "--noarch", action="store_true", help="for every platform and Python 3; refused for compiled files"
    )
    group.add_argument(
        "--short-prefix",
        action="store_true",
        help="take programs without room for a long prefix: they install only where the path is no longer "
        "than here",
    )
    group.add_argument(
        "--index",
        metavar="CHANNEL",
        help="put it into this folder, which becomes a channel: conda install -c file:///CHANNEL NAME",
    )


def is_wanted(options: argparse.Namespace) -> bool:
    """Whether a package is to be made, and not an archive."""
    return any(getattr(options, name) for name in OPTIONS)


def execute(options: argparse.Namespace) -> int:
    """Make the package, and print where it is."""
    import msgspec  # noqa: PLC0415 - not needed for --help

    from conda_pack.cli.console import ConsoleReporter, show_json  # noqa: PLC0415
    from conda_pack.packages.making import Wanted, make_package  # noqa: PLC0415
    from conda_pack.packages.recipe import Recipe  # noqa: PLC0415

    projects = tuple(options.from_pip or ())
    if not options.pkg_name and not projects:
        raise UsageError("A package needs a name: give --pkg-name.")
    if options.index is not None and options.output is not None:
        raise UsageError("--index says where the package goes: leave out -o.")
    latest = _source_date()
    reporter = ConsoleReporter(quiet=options.quiet)
    wanted = Wanted(
        recipe=Recipe(
            name=options.pkg_name or "",
            version=options.pkg_version or "",
            build=options.pkg_build or "0",
            depends=tuple(options.depends or ()),
            summary=options.summary or "",
            license=options.license or "",
        ),
        patterns=tuple(options.files or ()),
        projects=projects,
        filters=options.filters or (),
        package_format=options.pkg_format or "conda",
        noarch=options.noarch,
        keep_short=options.short_prefix,
        folder=options.output or ".",
        channel=options.index,
        force=options.force,
        latest=latest,
    )
    made = make_package(options.name, options.prefix, wanted, reporter)
    if options.json:
        show_json(msgspec.structs.replace(made, warnings=reporter.warnings))
    elif not options.quiet:
        print(made.path)
    return 0


def _source_date() -> int | None:
    """What SOURCE_DATE_EPOCH says (reproducible-builds.org): no file is dated later. In seconds."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}: seconds since 1970 are meant.")
    return int(text)
