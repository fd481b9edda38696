"""Where packages come from: channels, credentials and caches, as rattler, pixi and conda are set up here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

from rattler import Channel, ChannelConfig, ChannelPriority, Client, Config, Gateway, SourceConfig

from conda_pack.sources.making.protocol import Site

_PRIORITIES = {"strict": ChannelPriority.Strict, "disabled": ChannelPriority.Disabled}
#: What is asked of a channel when nothing may be fetched: what was fetched before, however old.
_OFFLINE = SourceConfig(cache_action="force-cache-only")


class Network:
    """A site, understood by py-rattler. Folders (``file://``) are read also when offline."""

    def __init__(self, site: Site) -> None:
        self.offline = site.offline
        self.package_caches, self.rattler_caches = site.package_caches, site.rattler_caches
        self.config = _config(site.settings)
        self.client = Client.from_config(self.config)
        if site.offline:
            self.gateway = Gateway(default_config=_OFFLINE, client=self.client)
        else:
            self.gateway = Gateway.from_config(self.config, client=self.client)
        self.priority = _PRIORITIES[site.channel_priority]
        self._names = ChannelConfig(*([site.channel_alias] if site.channel_alias else []))
        self.channels = self._named(site.channels or self.config.default_channels or site.usual_channels)
        self.runs_scripts = self.config.run_post_link_scripts == "insecure"

    def _named(self, names: Sequence[str]) -> list[Channel]:
        return [Channel(name, self._names) for name in names]


def _config(settings: str) -> Config:
    """What rattler's and pixi's files say, over ``settings``."""
    locations = [(path, shared) for path, shared in Config.config_search_paths("pixi") if path.is_file()]
    if not settings:
        return Config.load_from_locations(list(locations))
    handle, path = tempfile.mkstemp(prefix="conda-pack-", suffix=".toml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(settings)
        return Config.load_from_locations([(path, False), *locations])
    finally:
        os.unlink(path)
