"""Where packages come from on this machine: channels that are asked for, and what conda is set up to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conda_pack.environment.locate import condarc_files, roots
from conda_pack.sources.caches import conda_caches, rattler_homes
from conda_pack.sources.conda_settings import CondaSettings, conda_settings
from conda_pack.sources.making.protocol import Site

#: Where packages come from if nobody says.
_USUAL_CHANNELS = ("conda-forge",)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What this machine's settings say."""

    environ: Mapping[str, str]
    home: str
    cwd: str


def settings_of(here: Surroundings) -> CondaSettings:
    """Conda's settings on this machine. Raises SourceProblem where a file of them is no YAML, ToolMissing."""
    texts = []
    for path in reversed(condarc_files(here.environ, here.home, here.cwd)):
        try:
            texts.append((path, Path(path).read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError):
            continue  # as conda goes on without a file that it cannot read
    return conda_settings(texts, here.environ)


def site(
    channels: Sequence[str], settings: CondaSettings, here: Surroundings, platform: str, *, offline: bool
) -> Site:
    """Where the packages for a platform come from, if ``channels`` are those that are asked for."""
    usual = settings.channels or _USUAL_CHANNELS
    return Site(
        channels=[_address(name, here) for name in settings.expand(channels, platform)],
        usual_channels=[_address(name, here) for name in settings.expand(usual, platform)],
        channel_alias=settings.channel_alias,
        channel_priority="strict" if settings.strict else "disabled",
        settings=settings.as_rattler,
        package_caches=conda_caches(
            here.environ, here.home, settings.pkgs_dirs, roots(here.environ, here.home, here.cwd)
        ),
        rattler_caches=rattler_homes(here.environ, here.home),
        offline=offline or settings.offline,
    )


def _address(channel: str, here: Surroundings) -> str:
    """A channel's name or URL; a folder is one when its path looks like one."""
    if channel.startswith(("/", "./", "../", "~/", ".\\", "..\\")) or channel in (".", ".."):
        return Path(here.cwd, os.path.expanduser(channel)).resolve().as_uri()
    return channel
