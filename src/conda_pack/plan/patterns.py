"""One pattern → a regular expression over paths within the prefix.

A pattern that begins with ``/`` is anchored at the prefix and one that ends with ``/`` is a folder at any
depth; both follow gitignore (https://git-scm.com/docs/gitignore#_pattern_format). All others are shell
wildcards over the whole path, ``*`` crossing ``/``: the incumbent's rule (``fnmatch``).
"""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

from conda_pack.errors import UsageError

# POSIX classes as git has them: of ASCII alone
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r" \t\n\x0b\x0c\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


# where a part begins: ``**`` alone, and what no path has there
_ANY_PARTS = re.compile(r"\*{2,}(/|\Z)")
_ANY_NAME = re.compile(r"\*(?=/|\Z)")
_NO_NAME = re.compile(r"\.{0,2}(?:/|\Z)")
_STARS = re.compile(r"\*+")


@lru_cache(maxsize=1024)
def expression(pattern: str) -> str:
    """The regular expression of a pattern, for a match of the whole path.

    To an anchored pattern an empty folder shows itself by a ``/`` at the end of its path. Where git counts
    the bytes of a name, ``?`` and ``[…]`` are characters.

    Raises UsageError for an anchored pattern that could never match.
    """
    if not is_anchored(pattern):
        return fnmatch.translate(pattern)
    body, start = (pattern[1:], "") if pattern.startswith("/") else (pattern, "(?:.*/)?")
    below = "/.*" if body.endswith("/") else "(?:/.*)?"
    return f"(?s:{start}{_glob(body.removesuffix('/'), pattern)}{below})\\Z"


def is_anchored(pattern: str) -> bool:
    """Whether a pattern follows gitignore's rules, by a ``/`` at one of its ends."""
    return pattern.startswith("/") or pattern.endswith("/")


def _glob(body: str, pattern: str) -> str:
    text, place = "", 0
    while True:
        if place == 0 or body[place - 1] == "/":
            if any_parts := _ANY_PARTS.match(body, place):
                text += "(?:.*/)?" if any_parts[1] else ".+"
                place = any_parts.end()
                if any_parts[1]:
                    continue
            elif any_name := _ANY_NAME.match(body, place):
                text += "[^/]+"
                place = any_name.end()
            elif _NO_NAME.match(body, place):
                raise UsageError(
                    f"The pattern {pattern!r} has a part that is empty, '.' or '..', as no path has."
                )
        if place == len(body):
            return text
        character = body[place]
        place += 1
        if character == "*":
            stars = _STARS.match(body, place)
            place = stars.end() if stars else place
            text += "[^/]*"
        elif character == "?":
            text += "[^/]"
        elif character == "[":
            members, place = _class(body, place, pattern)
            text += members
        else:
            if character == "\\":
                character, place = _escaped(body, place, pattern)
            text += re.escape(character)


def _class(body: str, place: int, pattern: str) -> tuple[str, int]:
    """A character class whose ``[`` lies before ``place``: its expression, and where it ends."""
    negated = body[place : place + 1] in ("!", "^")
    start = place = place + negated
    members: list[str] = []
    low = ""  # the last character, if a range may begin with it
    while place == start or body[place : place + 1] != "]":
        named = re.compile(r"\[:([^\]]*):\]").match(body, place)
        if named:
            if named[1] not in _CLASSES:
                raise UsageError(f"The pattern {pattern!r} has the unknown class {named[0]}.")
            members.append(_CLASSES[named[1]])
            low, place = "", named.end()
            continue
        if low and body[place : place + 1] == "-" and body[place + 1 : place + 2] not in ("", "]"):
            high, place = _member(body, place + 1, pattern)
            if low <= high:
                members.append(f"{_quoted(low)}-{_quoted(high)}")
            low = ""
            continue
        low, place = _member(body, place, pattern)
        members.append(_quoted(low))
    inside = "".join(members)
    if negated:
        return f"[^/{inside}]", place + 1
    return (f"(?!/)[{inside}]" if inside else "(?!)"), place + 1


def _member(body: str, place: int, pattern: str) -> tuple[str, int]:
    if place >= len(body):
        raise UsageError(
            f"The pattern {pattern!r} has a '[' without its ']'. A '\\' before it takes it as it is."
        )
    return _escaped(body, place + 1, pattern) if body[place] == "\\" else (body[place], place + 1)


def _escaped(body: str, place: int, pattern: str) -> tuple[str, int]:
    if place >= len(body):
        raise UsageError(
            f"The pattern {pattern!r} ends with a '\\' that escapes nothing. Write '\\\\' for one."
        )
    return body[place], place + 1


def _quoted(character: str) -> str:
    """As it stands in a character class."""
    return re.escape(character) if character in "\\]^-[&~|" else character
