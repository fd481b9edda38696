"""Lines for some platforms: ``- pywin32  # [win]``, as conda-lock and conda-build read them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conda_pack.sources.files.texts import Text

_COMMENT = re.compile(r"\s#")
_SELECTOR = re.compile(r"[^\[\]]*\[\s*(?P<negated>not\s+)?(?P<name>[a-z0-9_-]+)\s*\]")
_FAMILIES = {"linux": "unix", "osx": "unix", "win": ""}
_NAMES_OF_64 = {"linux-64": "linux64", "osx-64": "osx64", "win-64": "win64", "linux-32": "linux32"}
_KNOWN_ARCHITECTURES = ("aarch64", "arm64", "ppc64le", "s390x", "x86", "x86_64")


def names_of(platform: str) -> frozenset[str]:
    """What selectors call a platform: ``linux-64``, ``linux64``, ``linux``, ``unix``, ``x86_64`` …

    >>> sorted(names_of("osx-arm64"))
    ['arm64', 'osx', 'osx-arm64', 'unix']
    """
    family, _, architecture = platform.partition("-")
    architecture = {"64": "x86_64", "32": "x86"}.get(architecture, architecture)
    names = {platform, family, _FAMILIES.get(family, ""), architecture, _NAMES_OF_64.get(platform, "")}
    return frozenset(names - {""})


_KNOWN = frozenset(
    {"linux", "osx", "win", "unix", "win32", *_KNOWN_ARCHITECTURES, *_NAMES_OF_64, *_NAMES_OF_64.values()}
    | {"linux-aarch64", "linux-ppc64le", "linux-s390x", "osx-arm64", "win-arm64", "win-32"}
)


def select(text: Text, platforms: Sequence[str]) -> Text:
    """The file without the lines that are for other platforms, each left empty, so that numbers stay.

    Kept is what is for any of ``platforms``; without them everything is, as conda reads such files.
    A comment in brackets that names no platform is a comment.
    """
    if not platforms:
        return text
    names = [names_of(platform) for platform in platforms]
    lines = text.content.split("\n")
    return Text(text.path, "\n".join(line if _is_for(line, names) else "" for line in lines))


def _is_for(line: str, platforms: Sequence[frozenset[str]]) -> bool:
    selector = _selector(line)
    return selector is None or any((selector[1] in names) != selector[0] for names in platforms)


def _selector(line: str) -> tuple[bool, str] | None:
    comment = None if line.lstrip().startswith("#") else _COMMENT.search(line)
    found = comment and _SELECTOR.match(line, comment.end())
    if not found or found["name"] not in _KNOWN:
        return None
    return bool(found["negated"]), found["name"]
