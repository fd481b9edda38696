"""pixi.toml, and pyproject.toml with [tool.pixi]: the lock file beside it, and what it must satisfy.

The rules are those of pixi's manual ("Pixi manifest", "pyproject.toml in pixi") and its crate pixi_manifest.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conda_pack.errors import SourceProblem, ToolMissing, UsageError
from conda_pack.sources.files.lock_files import read_lock
from conda_pack.sources.files.manifest_specs import (
    Table,
    conda_specs,
    listed,
    normal_name,
    platform_names,
    pypi_requirements,
    table,
)
from conda_pack.sources.files.texts import Text, read_text, refuse
from conda_pack.sources.model import Lock, PipRequirements, Specs

_TOOL_PIXI = re.compile(r"^[ \t]*\[+[ \t]*tool[ \t]*\.[ \t]*pixi\b", re.MULTILINE)
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class _Platform:
    """An entry of ``platforms``: a subdir alone, or one with a name and virtual packages of its own."""

    name: str
    subdir: str


@dataclass(frozen=True, slots=True)
class _Feature:
    """A feature: its table, and what a pyproject.toml asks pip for under its name."""

    table: Table
    requirements: tuple[str, ...] = ()


def is_manifest(text: Text) -> bool:
    return text.name.endswith(".toml")


def has_pixi(text: Text) -> bool:
    """Whether a pyproject.toml is one of pixi as well."""
    return _TOOL_PIXI.search(text.content) is not None


def read_manifest(text: Text, environment: str | None, platforms: Sequence[str]) -> Lock:
    """The lock file beside a manifest, with what the manifest wants of ``environment`` on each platform.

    Raises UsageError for an environment or platform that the manifest does not have, SourceProblem for all
    that is wrong in it or cannot be packed, and where there is no lock file; ToolMissing before Python 3.11
    without tomli.
    """
    findings: list[str] = []
    document = _load(text)
    pyproject = document if text.name == "pyproject.toml" or has_pixi(text) else {}
    pixi = table(table(document, "tool", findings), "pixi", findings) if pyproject else document
    workspace = pixi.get("workspace", pixi.get("project"))
    if not isinstance(workspace, dict):
        missing = "[tool.pixi.workspace]" if pyproject else "[workspace]"
        raise SourceProblem(
            f"{text.path} is no manifest of pixi, for it has no {missing}: "
            "name a pixi.toml, a lock file or an environment.yml."
        )
    features = _features(pixi, pyproject, findings)
    chosen = _chosen(text, pixi, features, environment or _DEFAULT, findings)
    wanted = {
        key: _wanted(workspace, chosen, platform, text.folder, findings)
        for key, platform in _platforms(text, workspace, chosen, platforms, findings).items()
    }
    refuse(text.path, list(dict.fromkeys(findings)))
    lock = os.path.join(text.folder, "pixi.lock")
    if not os.path.isfile(lock):
        raise SourceProblem(f"{text.path} has no pixi.lock beside it: write it with pixi lock.")
    name = workspace.get("name", table(pyproject, "project", []).get("name"))
    read = read_lock(read_text(lock), environment or _DEFAULT)
    return Lock(name if isinstance(name, str) else None, read.path, read.environment, wanted)


def _load(text: Text) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        try:
            import tomli as tomllib  # noqa: PLC0415
        except ImportError as error:
            raise ToolMissing(
                f"Reading {text.path} needs tomli: pip install 'conda-pack[create]', or conda install tomli."
            ) from error
    try:
        return tomllib.loads(text.content)
    except tomllib.TOMLDecodeError as error:
        raise SourceProblem(f"{text.path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise SourceProblem(f"{text.path} is nested too deep to be read.") from error


def _features(pixi: Table, pyproject: Table, findings: list[str]) -> dict[str, _Feature]:
    """All features by name; the default one is the manifest itself."""
    project = table(pyproject, "project", findings)
    own = normal_name(str(project.get("name", "")))
    extras = table(project, "optional-dependencies", findings)
    groups = {name: listed(extras, name, findings) for name in extras}
    of_groups = table(pyproject, "dependency-groups", findings)
    for name in of_groups:
        groups[name] = [*groups.get(name, ()), *_group(of_groups, name, findings)]
    default = dict(pixi)
    dependencies = table(pixi, "dependencies", findings)
    if pyproject and "python" not in dependencies:
        default["dependencies"] = {"python": project.get("requires-python", "*"), **dependencies}
    tables = {
        name: value for name, value in table(pixi, "feature", findings).items() if isinstance(value, dict)
    }
    named = {
        name: _Feature(
            tables.get(name, {}),
            tuple(one for one in map(str, groups.get(name, ())) if normal_name(one) != own),  # as for pixi
        )
        for name in [*tables, *groups]
    }
    return {**named, _DEFAULT: _Feature(default, tuple(map(str, listed(project, "dependencies", findings))))}


def _group(groups: Table, name: str, findings: list[str], within: tuple[str, ...] = ()) -> Iterator[str]:
    """A dependency group with those that it includes (PEP 735)."""
    if name in within or name not in groups:
        findings.append(
            f"[dependency-groups] {name} {'includes itself' if name in within else 'is not there'}."
        )
        return
    for item in listed(groups, name, findings):
        if isinstance(item, dict):
            yield from _group(groups, str(item.get("include-group")), findings, (*within, name))
        else:
            yield str(item)


def _chosen(
    text: Text, pixi: Table, features: Mapping[str, _Feature], environment: str, findings: list[str]
) -> list[_Feature]:
    """The features of an environment, the default one last, as channels have it."""
    environments = {_DEFAULT: [], **table(pixi, "environments", findings)}
    if environment not in environments:
        raise UsageError(f"{text.path} has no environment {environment}, but {', '.join(environments)}.")
    value = environments[environment]
    value = value if isinstance(value, dict) else {"features": value}
    named = listed(value, "features", findings)
    alone = value.get("no-default-feature") is True
    for name in named:
        if name not in features:
            findings.append(f"the environment {environment} has a feature {name} that is not there.")
    names = [name for name in named if name in features and name != _DEFAULT]
    return [features[name] for name in [*names, *([] if alone else [_DEFAULT])]]


def _platforms(
    text: Text, workspace: Table, features: Sequence[_Feature], asked: Sequence[str], findings: list[str]
) -> dict[str, _Platform]:
    """The platforms of an environment, or those of them that are asked for, by name or by subdir."""
    there = [_platform(entry) for entry in listed(workspace, "platforms", findings)]
    for feature in features:
        if "platforms" in feature.table:
            only = {_platform(entry).name for entry in listed(feature.table, "platforms", findings)}
            there = [platform for platform in there if {platform.name, platform.subdir} & only]
    by_key: dict[str, _Platform] = {}
    for platform in there:
        by_key.setdefault(platform.subdir, platform)
    by_key |= {platform.name: platform for platform in there if platform not in by_key.values()}
    known = {platform.name: platform for platform in there} | by_key
    missing = [platform for platform in asked if platform not in known]
    if missing:
        names = ", ".join(by_key) or "none"
        raise UsageError(f"{text.path} is not for {' and '.join(missing)}: its platforms are {names}.")
    return {platform: known[platform] for platform in asked} if asked else by_key


def _platform(entry: Any) -> _Platform:
    if not isinstance(entry, dict):
        return _Platform(str(entry), str(entry))
    name, subdir = entry.get("name"), entry.get("platform")
    return _Platform(str(name or subdir), str(subdir or name))


def _wanted(
    workspace: Table, features: Sequence[_Feature], platform: _Platform, folder: str, findings: list[str]
) -> Specs:
    names = platform_names(platform.name, platform.subdir)
    conda = [spec for feature in features for spec in conda_specs(feature.table, names, findings)]
    pypi = [
        requirement
        for feature in features
        for requirement in (
            *feature.requirements,
            *pypi_requirements(feature.table, names, folder, findings),
        )
    ]
    by_conda = {normal_name(spec) for spec in conda}
    return Specs(
        channels=_channels(workspace, features, findings),
        conda=tuple(dict.fromkeys(conda)),
        pip=PipRequirements(tuple(dict.fromkeys(one for one in pypi if normal_name(one) not in by_conda))),
        platforms=(platform.subdir,),
    )


def _channels(workspace: Table, features: Sequence[_Feature], findings: list[str]) -> tuple[str, ...]:
    """Those of the features in their order, higher priorities first; without its own, the workspace's."""
    entries = [
        entry if isinstance(entry, dict) else {"channel": entry}
        for feature in features
        for entry in listed(feature.table if "channels" in feature.table else workspace, "channels", findings)
    ]
    entries.sort(key=_priority, reverse=True)
    return tuple(dict.fromkeys(str(entry.get("channel")) for entry in entries))


def _priority(entry: Table) -> int:
    priority = entry.get("priority", 0)
    return priority if isinstance(priority, int) else 0
