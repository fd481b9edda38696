"""What conda's settings (``.condarc``) say of where packages come from.

Those of rattler and pixi are read by py-rattler itself, and win over these (making/network.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conda_pack.errors import SourceProblem
from conda_pack.sources.files.texts import Text
from conda_pack.sources.files.yaml_files import load

#: conda's own ``defaults`` where no settings say what it means.
_DEFAULTS = ("main", "r")
_DEFAULTS_WINDOWS = (*_DEFAULTS, "msys2")


@dataclass(frozen=True, slots=True)
class CondaSettings:
    """The settings that matter here; see conda's ``conda config --describe``."""

    channels: tuple[str, ...] = ()
    default_channels: tuple[str, ...] = ()
    channel_alias: str | None = None
    custom_channels: Mapping[str, str] = field(default_factory=dict)
    custom_multichannels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strict: bool = True
    offline: bool = False
    pkgs_dirs: tuple[str, ...] = ()
    ssl_verify: str = "true"
    proxies: Mapping[str, str] = field(default_factory=dict)

    def expand(self, channels: Iterable[str], platform: str) -> tuple[str, ...]:
        """Names of channels → names and URLs that say where they are; ``nodefaults`` says nothing."""
        found: list[str] = []
        for name in channels:
            if name in self.custom_multichannels:
                found.extend(self.expand(self.custom_multichannels[name], platform))
            elif name == "defaults":
                usual = _DEFAULTS_WINDOWS if platform.startswith("win-") else _DEFAULTS
                found.extend(self.expand(self.default_channels or usual, platform))
            elif name != "nodefaults":
                found.append(self._placed(name))
        return tuple(dict.fromkeys(found))

    def _placed(self, name: str) -> str:
        if "://" in name:
            return name
        parts = name.split("/")
        for length in range(len(parts), 0, -1):  # the longest custom channel that begins the name
            if base := self.custom_channels.get("/".join(parts[:length])):
                return f"{base.rstrip('/')}/{name}"
        return name

    @property
    def as_rattler(self) -> str:
        """The part that is rattler's business, too, as its config.toml has it."""
        lines = []
        if self.ssl_verify.lower() in ("false", "no", "off"):
            lines.append("tls-no-verify = true")
        proxies = {kind: url for kind, url in self.proxies.items() if kind in ("http", "https")}
        if proxies:
            lines.append("[proxy-config]")
            lines += [f"{kind} = {json.dumps(url)}" for kind, url in sorted(proxies.items())]
        return "\n".join(lines)


def conda_settings(texts: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> CondaSettings:
    """The settings of some files (path and text, the last one wins) and of ``CONDA_*`` variables.

    Raises SourceProblem naming every file that is no YAML.
    """
    together: dict[str, Any] = {}
    wrong = []
    for path, text in texts:
        try:
            found = load(Text(path, text))
        except SourceProblem as error:
            wrong.append(str(error))
            continue
        for key, value in _mapping(found).items():
            before: Any = together.get(key)
            is_map = isinstance(value, dict) and isinstance(before, dict)
            together[_ALIASES.get(key, key)] = {**before, **value} if is_map else value
    if wrong:
        raise SourceProblem("\n".join(wrong))
    for name in (
        "channels",
        "default_channels",
        "channel_alias",
        "channel_priority",
        "offline",
        "ssl_verify",
    ):
        if setting := environ.get(f"CONDA_{name.upper()}"):
            together[name] = setting
    return CondaSettings(
        channels=_names(together.get("channels")),
        default_channels=_names(together.get("default_channels")),
        channel_alias=_texts(together).get("channel_alias"),
        custom_channels=_texts(together.get("custom_channels")),
        custom_multichannels={
            name: _names(value) for name, value in _mapping(together.get("custom_multichannels")).items()
        },
        strict=str(together.get("channel_priority", "strict")).lower() not in ("disabled", "false", "no"),
        offline=str(together.get("offline", "false")).lower() in ("true", "yes", "on", "1"),
        pkgs_dirs=_names(together.get("pkgs_dirs")),
        ssl_verify=str(together.get("ssl_verify", "true")),
        proxies=_texts(together.get("proxy_servers")),
    )


_ALIASES = {"channel": "channels", "verify_ssl": "ssl_verify"}


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    return tuple(str(name).strip() for name in value or () if str(name).strip())


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in _mapping(value).items() if text}
