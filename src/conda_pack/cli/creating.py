"""``conda-pack --file``, ``--imports``, ``--spec``: an environment made only to be packed."""

from __future__ import annotations

import argparse
import sys

from conda_pack.cli.imports import add_map, overrides_of
from conda_pack.errors import EnvironmentFindings, UsageError

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from conda_pack.cli.console import ConsoleReporter
    from conda_pack.options import Options

#: What says that an environment is to be made, by what argparse calls it.
_SOURCES = {"file": "--file", "imports": "--imports", "spec": "--spec"}
#: What means something only then.
_FOR_SOURCES = {
    "channel": "--channel",
    "environment": "--environment",
    "map": "--map",
    "with_optional": "--with-optional",
    "inject": "--inject",
    "offline": "--offline",
}
#: What says which environment there is.
_FOR_ENVIRONMENTS = {"prefix": "--prefix", "arch": "--arch"}


def add_options(group: argparse._ArgumentGroup) -> None:
    """Declare the options that make an environment."""
    group.add_argument(
        "--file",
        metavar="FILE",
        action="append",
        default=[],
        help="environment.yml, pixi.lock, pixi.toml, pyproject.toml, conda-lock.yml, an @EXPLICIT list or "
        "what conda export writes; several environment.yml are put together (docs/sources.md)",
    )
    group.add_argument(
        "--imports",
        metavar="PATH",
        action="extend",
        nargs="+",
        default=[],
        help="what these Python files, notebooks and folders import; proved by importing it from the archive",
    )
    group.add_argument(
        "--spec", metavar="SPEC", action="append", default=[], help="a match spec, such as 'numpy >=2'"
    )
    group.add_argument(
        "--channel",
        "-c",
        metavar="CHANNEL",
        action="append",
        default=[],
        help="where packages come from: a name, URL or folder; those of files come after "
        "(default: your settings', or conda-forge)",
    )
    group.add_argument(
        "--environment", "-e", metavar="NAME", help="which one of a lock file (default: default)"
    )
    add_map(group)
    group.add_argument(
        "--with-optional",
        action="store_true",
        help="also what is imported in try and if, where the program could do without",
    )
    group.add_argument(
        "--inject",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="put in this .conda, .tar.bz2 or .whl file, if it fits",
    )
    group.add_argument("--offline", action="store_true", help="use what has been fetched before")


def check(options: argparse.Namespace) -> bool:
    """Whether an environment is to be made; raises UsageError where that does not go together."""
    wanted = [flag for name, flag in _SOURCES.items() if getattr(options, name)]
    if not wanted:
        lone = [flag for name, flag in _FOR_SOURCES.items() if getattr(options, name)]
        if lone:
            raise UsageError(
                f"{' and '.join(lone)} {'is' if len(lone) == 1 else 'are'} for an environment that is to be "
                "made: say from what with --file, --imports or --spec."
            )
        if len(options.platform) > 1:
            raise UsageError("An environment is for one platform: give --platform once.")
        return False
    others = [flag for name, flag in _FOR_ENVIRONMENTS.items() if getattr(options, name)]
    if others:
        raise UsageError(
            f"{' and '.join(wanted)} {'makes' if len(wanted) == 1 else 'make'} an environment, and "
            f"{' and '.join(others)} {'is' if len(others) == 1 else 'are'} for one that is there: choose."
        )
    return True


def execute(
    options: argparse.Namespace, how: Options, what: Mapping[str, Any], reporter: ConsoleReporter
) -> int:
    """Make the environments, pack them, and print the archives' paths."""
    import msgspec  # noqa: PLC0415 - not needed for --help

    from conda_pack import creating  # noqa: PLC0415
    from conda_pack.cli.console import show_json, show_lines  # noqa: PLC0415
    from conda_pack.cli.preview_text import preview_lines  # noqa: PLC0415
    from conda_pack.results import Created  # noqa: PLC0415
    from conda_pack.sources.wishes import Wishes  # noqa: PLC0415

    wishes = Wishes(
        files=tuple(options.file),
        environment=options.environment,
        imports=tuple(options.imports),
        import_names=overrides_of(options.map or ()),
        with_optional=options.with_optional,
        specs=tuple(options.spec),
        channels=tuple(options.channel),
        platforms=tuple(options.platform),
        injected=tuple(options.inject),
        offline=options.offline,
        name=options.name,
    )
    if options.dry_run:
        previews = creating.preview(wishes, how, reporter, what)
        if options.json:
            show_json(Created(previews=previews, warnings=reporter.warnings))
        else:
            for preview in previews:
                show_lines(preview_lines(preview), sys.stdout)
        return EnvironmentFindings.exit_code if any(preview.errors for preview in previews) else 0
    created = creating.create(wishes, how, reporter, what)
    created = msgspec.structs.replace(created, warnings=reporter.warnings)
    if options.json:
        show_json(created)
    elif not options.quiet and how.output != "-":
        for pack in created.packs:
            print(pack.path)
        if created.listing is not None:
            print(created.listing)
    return 0
