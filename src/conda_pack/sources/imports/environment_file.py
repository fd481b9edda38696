"""An environment.yml of what sources need, with the reasons as comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from conda_pack.sources.imports.needs import Need, Needs

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*( [<>=!~][\w.*,<>=!|~-]*)*", re.ASCII)
_PLAIN_CHANNEL = re.compile(r"[A-Za-z][\w.+-]*(:?/[\w.+@%~-]+|://?)*", re.ASCII)
#: What YAML 1.1 takes for something else.
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
#: Of more modules and places, these are told.
_MOST = 3


def environment_yml(
    needs: Needs, channels: Sequence[str], name: str | None, *, with_optional: bool = False
) -> str:
    """The text of an environment.yml that conda, mamba and pixi read.

    What is conditional or optional is in comments, unless it is asked for; so is what cannot be a package.
    """
    lines = [] if name is None else [f"name: {_scalar(name)}"]
    if channels:
        lines += ["channels:", *(f"  - {_scalar(channel, _PLAIN_CHANNEL)}" for channel in channels)]
    lines += ["dependencies:", f"  - {needs.python.spec}{_comment(bound.text for bound in needs.bounds)}"]
    lines += [f"  - {_scalar(need.name)}" for need in needs.required if need.package != "python"]
    lines += _section("taken as they are: no package is known to bring these", needs.unresolved)
    is_comment = not with_optional
    lines += _section("needed under a condition", needs.conditional, is_comment=is_comment)
    lines += _section("optional: the sources do without", needs.optional, is_comment=is_comment)
    return "\n".join((*lines, ""))


def modules(need: Need) -> str:
    """What is imported of a package."""
    found = [*dict.fromkeys(each.module for each in need.imports if each.kind == need.kind)]
    return ", ".join((*found[:_MOST], *["…"] * (len(found) > _MOST)))


def reason(need: Need) -> str:
    """Where a package is imported, and under which conditions."""
    found = [each for each in need.imports if each.kind == need.kind]
    conditions = sorted({each.condition for each in found if each.condition})
    places = dict.fromkeys(place.text for each in found for place in each.places)
    shown = [*places][:_MOST]
    more = f" and {len(places) - len(shown)} more" if len(places) > len(shown) else ""
    condition = f", if {' or '.join(conditions)}" if conditions else ""
    return f"{', '.join(shown)}{more}{condition}"


def _section(title: str, found: Sequence[Need], *, is_comment: bool = False) -> Iterator[str]:
    if found:
        yield f"  # {title}"
    for need in found:
        mark = "# - " if is_comment or need.package is None else "- "
        yield f"  {mark}{_scalar(need.name)}{_comment([f'{modules(need)}: {reason(need)}'])}"


def _comment(texts: Iterable[str]) -> str:
    text = "; ".join(texts)
    return f"  # {one_line(text)}" if text else ""


def one_line(text: str) -> str:
    """A text on one line that YAML and terminals take."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def _scalar(text: str, plain: re.Pattern[str] = _PLAIN) -> str:
    if plain.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(one_line(text), ensure_ascii=False)
