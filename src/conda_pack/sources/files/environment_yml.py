"""conda's environment.yml, and environment.json, which has the same keys.

The rules are those of conda 24.7 (conda/env/env.py), with what conda-lock adds: ``platforms``,
``pip-repositories`` and selectors.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence

from conda_pack.errors import UsageError
from conda_pack.sources.files.requirements import Line, read_lines
from conda_pack.sources.files.selectors import select
from conda_pack.sources.files.texts import Text, refuse
from conda_pack.sources.files.yaml_files import load, place_of
from conda_pack.sources.model import PipRequirements, Specs

_READ = ("name", "channels", "dependencies", "variables", "platforms", "pip-repositories")
_NOT_NEEDED = ("prefix",)
_NAME_ENDS = re.compile(r"[<>~!\s=\[]")


def read_environment_yml(text: Text, platforms: Sequence[str]) -> Specs:
    """What an environment.yml asks for; of the lines with selectors those for any of ``platforms``.

    Keys that conda does not know are left out with a warning, as by conda.
    Raises UsageError for another kind of file, SourceProblem with everything that is wrong in it.
    """
    document = load(select(text, platforms))
    if not isinstance(document, dict) or "dependencies" not in document:
        raise UsageError(f"{text.path} is no environment.yml: it has no dependencies section.")
    unknown = [key for key in document if key not in (*_READ, *_NOT_NEEDED)]
    if unknown:
        warnings.warn(
            f"{text.path}: {', '.join(unknown)} left out, as by conda: no such section is known.",
            UserWarning,
            stacklevel=2,
        )
    findings: list[str] = []
    conda, lines = _dependencies(document["dependencies"], findings)
    pip, wrong = read_lines(lines, text.folder)
    findings += wrong
    repositories = _words(document, "pip-repositories", findings)
    extra = [word for url in repositories for word in ("--extra-index-url", os.path.expandvars(url))]
    specs = Specs(
        name=_name(document, findings),
        channels=tuple(
            os.path.expandvars(channel)
            for channel in _words(document, "channels", findings)
            if channel != "nodefaults"
        ),
        conda=tuple(conda),
        pip=PipRequirements(pip.requirements, (*pip.options, *extra), pip.constraints),
        platforms=_words(document, "platforms", findings),
        variables=_variables(document, findings),
    )
    refuse(text.path, findings)
    return specs


def _name(document: dict[str, object], findings: list[str]) -> str | None:
    name = document.get("name")
    if name is None or isinstance(name, str):
        return None if name is None else str(name)
    findings.append(f"{place_of(name)}name must be a word.")
    return None


def _words(document: dict[str, object], key: str, findings: list[str]) -> tuple[str, ...]:
    return tuple(str(word) for word in _items(document, key, findings))


def _items(document: dict[str, object], key: str, findings: list[str]) -> list[str]:
    """A section that is a list of words, which know their lines; one that is left empty has none."""
    value = document.get(key)
    if not isinstance(value, (list, type(None))):
        findings.append(f"{place_of(value)}{key} must be a list (- …).")
        return []
    items = value or []
    findings += [
        f"{place_of(item)}{key} must be words, not {_kind(item)}."
        for item in items
        if not isinstance(item, str)
    ]
    return [item for item in items if isinstance(item, str)]


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping (is there a colon too many?)"
    return "a list" if isinstance(value, list) else "nothing"


def _variables(document: dict[str, object], findings: list[str]) -> dict[str, str]:
    value = document.get("variables")
    if value is None:
        return {}
    if not isinstance(value, dict):
        findings.append(f"{place_of(value)}variables must be a mapping (NAME: value).")
        return {}
    findings += [
        f"{place_of(name)}the variable {name!s} must be a word, not {_kind(content)}."
        for name, content in value.items()
        if isinstance(content, (dict, list))
    ]
    return {str(name): "" if content is None else str(content) for name, content in value.items()}


def _dependencies(value: object, findings: list[str]) -> tuple[list[str], list[Line]]:
    """Match specs, and pip's lines; whoever has these gets pip, as conda adds it where it is not named."""
    conda: list[str] = []
    lines: list[Line] = []
    if not isinstance(value, (list, type(None))):
        findings.append(f"{place_of(value)}dependencies must be a list (- …).")
    for item in value if isinstance(value, list) else ():
        if isinstance(item, str) and item.strip():
            conda.append(item.strip())
        elif isinstance(item, dict) and list(item) == ["pip"]:
            pip = _items(item, "pip", findings)
            lines += [Line(str(line), place_of(line).removesuffix(": ") or "pip") for line in pip]
        elif isinstance(item, dict):
            key = next(iter(item), "")
            findings.append(
                f"{place_of(item)}{key!s} cannot be a section of dependencies, only pip can: "
                f"is it a package, {key!s}=VERSION?"
            )
        else:
            findings.append(f"{place_of(item)}a dependency must be a match spec, not {_kind(item)}.")
    if lines and not any(_package(spec) == "pip" for spec in conda):
        conda.insert(0, "pip")
    return conda, lines


def _package(spec: str) -> str:
    return _NAME_ENDS.split(spec.rpartition("::")[2], maxsplit=1)[0].lower()
