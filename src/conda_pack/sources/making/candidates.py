"""What the channels have for the specs, so that all that they lack is told at once, not the first of it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from rattler import MatchSpec, RepoDataRecord, Subdir

from conda_pack.sources.making.network import Network
from conda_pack.sources.making.problems import Unmakeable

_CLOSE = 3
_VERSIONS = 5


async def check_names(specs: Sequence[MatchSpec], platform: str, network: Network) -> None:
    """Raise Unmakeable with every spec that no package of the channels fulfils."""
    platforms = [Subdir(platform), Subdir("noarch")]
    # virtual packages are the machine's, and packages of other channels the solver's business
    named = [(str(spec.name.normalized), spec) for spec in specs if spec.name is not None]
    asked = [(name, spec) for name, spec in named if spec.channel is None and not name.startswith("__")]
    found = await network.gateway.query(
        network.channels, platforms, sorted({name for name, _ in asked}), recursive=False
    )
    every = [record for records in found for record in records]
    channels = " or ".join(channel.base_url.rstrip("/") for channel in network.channels)
    reasons = []
    names: list[str] | None = None
    for name, spec in asked:
        records = [record for record in every if record.name.normalized == name]
        if not records:
            if names is None:
                there = await network.gateway.names(network.channels, platforms)
                names = [package.normalized for package in there]
            close = difflib.get_close_matches(name, names, _CLOSE)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            reasons.append(f"There is no package {name} for {platform} in {channels}.{hint}")
        elif not any(record.matches(spec) for record in records):
            reasons.append(f"There is no {spec} for {platform} in {channels}, but {_versions(records)}.")
    if reasons:
        raise Unmakeable(reasons)


def _versions(records: Sequence[RepoDataRecord]) -> str:
    """The newest versions that there are."""
    newest = sorted({record.version for record in records}, reverse=True)
    more = f" and {len(newest) - _VERSIONS} older" if len(newest) > _VERSIONS else ""
    return ", ".join(str(version) for version in newest[:_VERSIONS]) + more
