"""What pip says when it fails → sentences for people. Pure.

pip has no other form of its errors than these words; where they are not known, its own are told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from conda_pack.environment.modules import normalised
from conda_pack.sources.wheels.checking import brought
from conda_pack.sources.wheels.projects import Project
from conda_pack.sources.wheels.target import Target

_NOT_FOUND = re.compile(
    r"Could not find a version that satisfies the requirement (?P<what>.+?)"
    r"(?: \(from (?!versions)(?P<who>.+?)\))? \(from versions: (?P<versions>.*)\)"
)
_UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ConnectionResetError|ProxyError|SSLError"
    r"|Could not fetch URL|connection error|Network is unreachable|Max retries exceeded"
)
_HOST = re.compile(r"host='([^']+)'|https?://([^/\s:'\"@]+)")
_CONFLICT = re.compile(r"The conflict is caused by:\n((?:    .*\n?)+)")
_SHOWN = re.compile(r"The user requested \(constraint\) ([\w.-]+).*")
_ASKED = re.compile(r"The user requested (.+)")
_NEEDS = re.compile(r"(\S+) (\S+) depends on ([^;]+).*")
_HASHES = re.compile(
    r"^    (\S.*?) from .*\n\s+Expected (?:sha256 )?(\S+)(?:.*\n)*?\s+Got\s+(\S+)", re.MULTILINE
)
_UNHASHED = re.compile(r"(?:--require-hashes mode|Hashes are required).*\n((?:    .*\n?)+)")
_NO_WHEEL = re.compile(r"ERROR: (.+?) is no wheel")
_MISFIT = re.compile(r"ERROR: (\S+\.whl) is not a supported wheel on this platform")
#: Where a requirement is from: the file that we made of what was asked for.
_OWN_FILES = re.compile(r"(?: \(from |->)-[rc] [^\n]*?\(line \d+\)\)?")
_MOST_VERSIONS = 10


def not_found(text: str) -> str:
    """The requirement that pip found nothing for, in its words; empty if that was not it."""
    match = _NOT_FOUND.search(text)
    return match["what"] if match else ""


def explain(text: str, target: Target, installed: Mapping[str, Project]) -> list[str]:
    """Why pip failed; at least one sentence."""
    text = _OWN_FILES.sub("", text)
    if _UNREACHABLE.search(text):
        return [_unreachable(text)]
    found = [
        *_mismatches(text),
        *_unhashed(text),
        *(
            f"{what} is no wheel: only wheels are packed. Build one of it first."
            for what in _NO_WHEEL.findall(text)
        ),
        *(f"{name} is not for {target}: take a wheel that is." for name in _MISFIT.findall(text)),
        *_conflict(text, installed),
    ]
    match = _NOT_FOUND.search(text)
    if match:
        found.append(_nothing(match["what"], match["who"] or "", match["versions"], target))
    return found or [f"pip could not get the wheels: {_last_words(text)}"]


def _nothing(what: str, who: str, versions: str, target: Target) -> str:
    needed = f" (needed by {who})" if who else ""
    tail = "only wheels are packed."
    others = [version for version in versions.split(", ") if version not in ("none", "")]
    if others:
        tail = f"there are {', '.join(others[-_MOST_VERSIONS:])}; {tail}"
    return f"{what}{needed} has no wheel for {target}: {tail}"


def _unreachable(text: str) -> str:
    line = next(line for line in text.split("\n") if _UNREACHABLE.search(line))
    host = _HOST.search(line) or _HOST.search(text)
    where = f" ({host[1] or host[2]})" if host else ""
    return (
        f"The package index could not be reached{where}: look at the network and at pip config list, "
        "or take wheels of this machine with --find-links and --offline."
    )


def _mismatches(text: str) -> list[str]:
    if "DO NOT MATCH THE HASHES" not in text:
        return []
    return [
        f"{what} does not have the sha256 that is asked for: it should be {expected} and is {got}."
        for what, expected, got in _HASHES.findall(text)
    ]


def _unhashed(text: str) -> list[str]:
    match = _UNHASHED.search(text)
    if match is None:
        return []
    names = ", ".join(
        re.split(r"[\s<>=!~@\[;]", line.strip(), maxsplit=1)[0] for line in match[1].splitlines()
    )
    return [f"Where one requirement has a --hash, all have to, and == one version: {names} does not."]


def _conflict(text: str, installed: Mapping[str, Project]) -> list[str]:
    match = _CONFLICT.search(text)
    if match is None:
        return []
    lines = [line.strip() for line in match[1].splitlines()]
    there = []
    for name in dict.fromkeys(shown[1] for line in lines if (shown := _SHOWN.fullmatch(line))):
        project = installed.get(normalised(name))
        there.append(f"the environment has {brought(project)}" if project else f"{name} is constrained")
    needs = []
    for line in lines:
        if need := _NEEDS.fullmatch(line):
            needs.append(f"{need[1]} {need[2]} needs {need[3]}")
        elif (asked := _ASKED.fullmatch(line)) and not _SHOWN.fullmatch(line):
            needs.append(f"{asked[1]} is asked for")
    said = ", ".join(dict.fromkeys(needs))
    if there:
        return [f"{said}, but {' and '.join(there)}."]
    return [f"No versions fit together: {said}."]


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if not errors or errors == ["Exception:"]:  # whose last line tells it
        errors = lines[-1:]
    return " ".join(errors) or "it said nothing."
