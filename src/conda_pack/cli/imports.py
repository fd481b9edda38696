"""``conda-pack imports``: what Python sources import → the packages that they need."""

from __future__ import annotations

import argparse
import os
import re
import sys

from conda_pack.cli.options import add_json
from conda_pack.errors import EnvironmentFindings, UsageError

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conda_pack.sources.imports.model import Scan
    from conda_pack.sources.imports.needs import Need, Needs

DESCRIPTION = (
    "Tell which conda packages Python files, notebooks and folders of them need, by what they import. "
    "Nothing is run, and no channel is asked."
)
EPILOG = """\
examples:
  conda-pack imports analysis.py notebooks/
  conda-pack imports . --yaml > environment.yml
  conda-pack imports . --map models=our-models --map settings=
"""
_CHANNEL = "conda-forge"  # whose names the packages have
_MAPPED = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)=([\w.-]*(?:[ ,<>=!~*|\w.-]*))", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[^\w.-]+", re.ASCII)


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a Python file, a notebook, or a folder")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--yaml", action="store_true", help="print an environment.yml")
    add_json(form)
    add_map(parser)
    parser.add_argument(
        "--with-optional",
        action="store_true",
        help="--yaml: have the conditional and optional packages in the environment, too",
    )
    parser.add_argument(
        "--channel",
        "-c",
        metavar="CHANNEL",
        action="append",
        help=f"--yaml: a channel; may be given several times (default: {_CHANNEL})",
    )
    parser.add_argument(
        "--name", "-n", metavar="NAME", help="--yaml: the environment's name (default: PATH's)"
    )
    parser.add_argument(
        "--platform",
        metavar="PLATFORM",
        help="the platform that conditions are about, as in win-64 (default: this machine's)",
    )
    parser.add_argument("--help", "-h", action="help", help="show this and exit")


def add_map(parser: argparse._ActionsContainer) -> None:
    """The user's own packages for imports."""
    parser.add_argument(
        "--map",
        metavar="NAME=PACKAGE",
        action="append",
        help="the conda package that brings the module NAME; may be given several times. NAME= leaves the "
        "module out, as one that comes from elsewhere",
    )


def overrides_of(given: Sequence[str]) -> dict[str, str]:
    """The packages by import name that --map gives. Raises UsageError that names all that are wrong."""
    matches = [(text, _MAPPED.fullmatch(text)) for text in given]
    wrong = [text for text, match in matches if match is None]
    if wrong:
        raise UsageError(f"--map takes NAME=PACKAGE, as in yaml=pyyaml; this is not: {', '.join(wrong)}.")
    return {match[1]: match[2] for _, match in matches if match is not None}


def execute(options: argparse.Namespace) -> int:
    """Scan, and print; returns the exit code."""
    from conda_pack.cli.console import ConsoleReporter, show_json, show_lines  # noqa: PLC0415
    from conda_pack.sources.imports.environment_file import environment_yml  # noqa: PLC0415
    from conda_pack.sources.imports.needs import needs  # noqa: PLC0415
    from conda_pack.sources.imports.results import result_of  # noqa: PLC0415
    from conda_pack.sources.imports.scanning import scan  # noqa: PLC0415
    from conda_pack.sources.targets import check_platforms, this_platform  # noqa: PLC0415

    overrides = overrides_of(options.map or ())
    if options.platform is not None:
        check_platforms((options.platform,))
    scanned = scan(options.paths)
    needed = needs(scanned, overrides, options.platform or this_platform())
    reporter = ConsoleReporter(quiet=True)
    for warning in _warnings(scanned, needed):
        reporter.warn(warning)
    if options.json:
        show_json(result_of(scanned, needed, reporter.warnings))
    elif options.yaml:
        name = options.name if options.name is not None else _name_of(options.paths[0])
        text = environment_yml(
            needed, options.channel or [_CHANNEL], name, with_optional=options.with_optional
        )
        print(text, end="")
    else:
        show_lines(_tables(scanned, needed), sys.stdout)
    return EnvironmentFindings.exit_code if reporter.warnings else 0


def _warnings(scanned: Scan, needed: Needs) -> Iterator[str]:
    for problem in scanned.problems:
        yield problem.text
    if needed.python.is_empty:
        reasons = "; ".join(bound.text for bound in needed.bounds)
        yield f"no Python has all that the sources ask for: {reasons}"


def _name_of(path: str) -> str | None:
    stem = os.path.splitext(os.path.basename(os.path.abspath(path)))[0]
    return _NOT_IN_NAMES.sub("-", stem).strip("-.") or None


def _tables(scanned: Scan, needed: Needs) -> Iterator[str]:
    reasons = "; ".join(bound.text for bound in needed.bounds)
    yield f"{needed.python.spec}  ({reasons})" if reasons else needed.python.spec
    yield from _table("required", needed.required)
    yield from _table("unresolved, taken as they are (--map NAME=PACKAGE says better)", needed.unresolved)
    yield from _table("conditional", needed.conditional)
    yield from _table("optional", needed.optional)
    yield from _table("for type checkers alone", needed.type_checking)
    yield ""
    yield f"{len(scanned.files)} file{'' if len(scanned.files) == 1 else 's'} read, for {needed.platform}"


def _table(title: str, found: Sequence[Need]) -> Iterator[str]:
    from conda_pack.sources.imports.environment_file import modules, reason  # noqa: PLC0415

    if not found:
        return
    yield ""
    yield f"{title}:"
    rows = [
        (
            f"{need.name}{'' if need.is_known or need.kind == 'required' else ' ?'}",
            modules(need),
            reason(need),
        )
        for need in found
    ]
    widths = [min(40, max(len(row[column]) for row in rows)) for column in (0, 1)]
    for package, imported, places in rows:
        yield f"  {package:<{widths[0]}}  {imported:<{widths[1]}}  {places}"
