"""What py-rattler could not do → sentences for people."""

from __future__ import annotations

import re
from collections.abc import Sequence


class Unmakeable(Exception):
    """The environment cannot be made: a sentence for each reason."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = tuple(reasons)


_NO_SUBDIR = re.compile(r"could not find subdir '(?P<subdir>[^']+)' in channel '(?P<channel>[^']+)'")
_NO_CACHE = re.compile(r"no usable repodata cache for (?P<url>\S+)")
_URL = re.compile(r"for url \((?P<url>[^)]+)\)")
_SOLVE = "Cannot solve the request because of: "
_CREDENTIALS = re.compile(r"/t/[^/\s]+(?=/)|(?<=://)[^/@\s]+@")
_SECRET = re.compile(r"(?<=/t/)[^/\s]+|(?<=://)[^/@\s]+:[^/@\s]+(?=@)")


def public(url: str) -> str:
    """A URL without a token (``/t/TOKEN``), user and password."""
    return _CREDENTIALS.sub("", url)


def sentence(error: BaseException) -> str:
    """What an error of py-rattler means, in a sentence or two, without the secrets of URLs."""
    return _SECRET.sub("…", _sentence(str(error).strip(), type(error).__name__))


def _sentence(text: str, kind: str) -> str:
    if kind == "SolverError":
        return f"There is no solution: {explanation(text)}"
    if found := _NO_CACHE.search(text):
        return f"The index of {found['url']} has never been fetched: go online once, or leave out --offline."
    if found := _NO_SUBDIR.search(text):
        return (
            f"The channel {found['channel']} has no index of {found['subdir']}: look whether its address is "
            "right; a folder of packages becomes a channel with rattler-index, conda index or "
            "conda-package --index."
        )
    if (found := _URL.search(text)) and ("401 Unauthorized" in text or "403 Forbidden" in text):
        return (
            f"{found['url']} wants other credentials than it was given: log in with pixi auth login, or "
            "write them where docs/sources.md says."
        )
    lines = [line.removeprefix("Caused by: ").strip() for line in text.splitlines() if line.strip()]
    if (found := _URL.search(text)) and len(lines) > 1:
        return f"{found['url']} cannot be reached: {lines[-1].rstrip('.')}."
    return ": ".join(lines).rstrip(".") + "."


def explanation(text: str) -> str:
    """The solver's explanation, which may be a tree of several lines, as it is less its opening."""
    lines = [line.rstrip() for line in text.removeprefix(_SOLVE).strip().splitlines()]
    if len(lines) == 1:
        return lines[0].rstrip(".") + "."
    return "\n".join(lines)
