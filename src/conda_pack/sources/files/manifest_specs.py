"""What the tables of a pixi manifest ask for, as match specs and requirements (PEP 508)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conda_pack.environment.modules import normalised
from conda_pack.sources.files.selectors import names_of

Table = Mapping[str, Any]

#: Later ones win over earlier ones, as in pixi (crates/pixi_manifest/src/target.rs).
_CONDA_TABLES = ("dependencies", "host-dependencies", "build-dependencies")
#: Fields of a match spec that go into brackets, by pixi's names for them.
_BRACKETS = {
    "channel": "channel",
    "subdir": "subdir",
    "build-number": "build_number",
    "file-name": "fn",
    "license": "license",
    "url": "url",
    "md5": "md5",
    "sha256": "sha256",
}
_SOURCES = ("git", "path", "url")
_PACKAGE_FILES = (".conda", ".tar.bz2")
_SPACES = re.compile(r"\s+")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9._-].*", re.DOTALL)


def normal_name(requirement: str) -> str:
    """A project's name as PEP 503 writes it, from a requirement.

    >>> normal_name("Zope.Interface[test] >=5")
    'zope-interface'
    """
    return normalised(_NOT_A_NAME.sub("", requirement.strip()))


def conda_specs(feature: Table, names: frozenset[str], findings: list[str]) -> list[str]:
    """What a feature asks conda for on the platform with these ``names``."""
    wanted: dict[str, Any] = {}
    for target in targets(feature, names):
        for key in _CONDA_TABLES:
            wanted |= {name.lower(): value for name, value in table(target, key, findings).items()}
    findings += [f"[dev] {name}: {_from_source('dev')}" for name in table(feature, "dev", findings)]
    specs = (_conda_spec(name, value, findings) for name, value in wanted.items())
    return [spec for spec in specs if spec]


def pypi_requirements(feature: Table, names: frozenset[str], folder: str, findings: list[str]) -> list[str]:
    """What a feature asks the package index for; paths are relative to ``folder``."""
    wanted: dict[str, tuple[str, Any]] = {}
    for target in targets(feature, names):
        found = table(target, "pypi-dependencies", findings)
        wanted |= {normal_name(name): (name, value) for name, value in found.items()}
    requirements = (_requirement(name, value, folder, findings) for name, value in wanted.values())
    return [requirement for requirement in requirements if requirement]


def targets(feature: Table, names: frozenset[str]) -> Iterator[Table]:
    """The feature itself, and its tables for the platform in the order of the file: later ones win."""
    yield feature
    specific = feature.get("target")
    for selector, target in specific.items() if isinstance(specific, dict) else ():
        if isinstance(target, dict) and any(fnmatchcase(name, selector) for name in names):
            yield target


def platform_names(name: str, subdir: str) -> frozenset[str]:
    return names_of(subdir) | {name}


def table(parent: Table, key: str, findings: list[str]) -> dict[str, Any]:
    value = parent.get(key, {})
    if isinstance(value, dict):
        return value
    findings.append(f"{key} must be a table ([{key}]).")
    return {}


def listed(parent: Table, key: str, findings: list[str]) -> list[Any]:
    value = parent.get(key, [])
    if isinstance(value, list):
        return value
    findings.append(f"{key} must be a list ([…]).")
    return []


def _conda_spec(name: str, value: Any, findings: list[str]) -> str | None:
    if isinstance(value, str):
        value = {"version": value}
    if not isinstance(value, dict):
        findings.append(f"[dependencies] {name}: {value!r} is neither a version nor a table.")
        return None
    source = next((key for key in _SOURCES if key in value), None)
    if source and not (source != "git" and str(value[source]).endswith(_PACKAGE_FILES)):
        findings.append(f"[dependencies] {name}: {_from_source(f'{source} {value[source]}')}")
        return None
    words = [name, _SPACES.sub("", str(value.get("version", "*"))), str(value.get("build", "*"))]
    while words[-1] == "*":
        words.pop()
    brackets = [f"{key}='{value[field]}'" for field, key in _BRACKETS.items() if field in value]
    return " ".join(words) + (f"[{', '.join(brackets)}]" if brackets else "")


def _requirement(name: str, value: Any, folder: str, findings: list[str]) -> str | None:
    if isinstance(value, str):
        value = {"version": value}
    if not isinstance(value, dict):
        findings.append(f"[pypi-dependencies] {name}: {value!r} is neither a version nor a table.")
        return None
    named = ",".join(map(str, listed(value, "extras", findings)))
    extras = f"[{named}]" if named else ""
    marker = f" ; {value['env-markers']}" if value.get("env-markers") else ""
    source = next((key for key in _SOURCES if key in value), None)
    if source:
        location = _wheel(source, str(value[source]), folder)
        if location is None:
            findings.append(f"[pypi-dependencies] {name}: {_from_source(f'{source} {value[source]}')}")
            return None
        return f"{name}{extras} @ {location}{marker}"
    version = str(value.get("version", "*"))
    version = "" if version == "*" else f"=={version}" if version[:1].isdigit() else version
    return f"{name}{extras}{version}{marker}"


def _wheel(source: str, location: str, folder: str) -> str | None:
    if source == "url" and urlsplit(location).path.endswith(".whl"):
        return location
    if source == "path" and location.endswith(".whl"):
        return Path(os.path.normpath(os.path.join(folder, location))).as_uri()
    return None


def _from_source(what: str) -> str:
    return (
        f"is built from source ({what}), and only built packages are packed: build it, give the package or "
        "wheel with --inject, and choose an environment without it."
    )
