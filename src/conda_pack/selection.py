"""What is to be packed: an environment, less what is left out, and what is added."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from conda_pack.environment.additions import Additions, read_additions
from conda_pack.environment.findings import IGNORE_EDITABLE, IGNORE_MISSING
from conda_pack.environment.locate import locate
from conda_pack.environment.read import read_environment
from conda_pack.errors import UsageError
from conda_pack.model import Environment
from conda_pack.options import check_editable, check_platform
from conda_pack.plan.build import check_errors
from conda_pack.plan.select import Filter, check_filters, excluded, read_filters
from conda_pack.plan.slim import slim_filters
from conda_pack.progress import Reporter


@dataclass(frozen=True, slots=True)
class Selection:
    """An environment and what of it. ``ignore`` holds the options that go on in spite of an error finding."""

    environment: Environment
    filters: tuple[Filter, ...] = ()
    slim: tuple[str, ...] = ()
    ignore: frozenset[str] = frozenset()
    additions: Additions = field(default_factory=Additions)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return os.path.basename(self.environment.prefix.rstrip(os.sep))

    @property
    def all_filters(self) -> tuple[Filter, ...]:
        """The presets' first, so that the user's own have the last word."""
        return slim_filters(self.slim) + self.filters

    @property
    def left_out(self) -> frozenset[str]:
        """The paths that are not packed."""
        return excluded(self.environment.files, self.all_filters)


def select(
    name: str | None,
    prefix: str | None,
    reporter: Reporter,
    *,
    filters: Sequence[tuple[str, str]] = (),
    exclude_from: Sequence[str] = (),
    slim: Sequence[str] = (),
    additions: Sequence[str] = (),
    editable: str = "refuse",
    ignore_missing_files: bool = False,
    platform: str | None = None,
    arch: str | None = None,
    is_dry: bool = False,
) -> Selection:
    """Find the environment that is asked for, and read it. See ``conda_pack.pack`` for the arguments.

    The files of patterns ``exclude_from`` come before ``filters``. With ``is_dry`` an environment with
    errors is given all the same: they are among what its preview tells.
    """
    check_editable(editable)
    located = locate(name, prefix, environ=os.environ, home=os.path.expanduser("~"), cwd=os.getcwd())
    environment = read_environment(located, reporter.warn)
    check_platform(environment, platform, arch)
    if editable == "copy":
        from conda_pack.environment.materialise import materialise  # noqa: PLC0415 - parses mail, for this alone

        environment = materialise(environment)
    added = read_additions(environment, additions, os.getcwd(), reporter.warn)
    environment = replace(environment, findings=environment.findings + added.findings)
    ignore = frozenset([IGNORE_EDITABLE] * (editable == "skip") + [IGNORE_MISSING] * ignore_missing_files)
    if not is_dry:
        check_errors(environment.findings, ignore)
    every = [*(filter_ for path in exclude_from for filter_ in _read_filters(path)), *check_filters(filters)]
    return Selection(environment, tuple(every), tuple(slim), ignore, added)


def _read_filters(path: str) -> tuple[Filter, ...]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return read_filters(file.read(), path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"The patterns of {path} cannot be read: {reason}.") from error
