"""Whether wheels fit an environment, and one another. Every problem is found, one sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from conda_pack.errors import SourceProblem
from conda_pack.sources.wheels.archive import read_project, tags_of
from conda_pack.sources.wheels.projects import Project
from conda_pack.sources.wheels.target import Target


def check(
    wheels: Sequence[str],
    target: Target,
    installed: Mapping[str, Project],
    requirements: Iterable[str] = (),
) -> list[str]:
    """What is wrong with ``wheels``, paths, in an environment that has ``installed``; empty if they fit.

    ``requirements`` are what was asked for (PEP 508). Markers are ``target``'s, and extras those that
    something asks for.
    """
    problems: list[str] = []
    projects: dict[str, Project] = {}
    for path in wheels:
        try:
            project = read_project(path)
            problems += _misfits(path, project, target)
        except SourceProblem as error:
            problems.append(str(error))
            continue
        other = projects.get(project.name) or installed.get(project.name)
        if other is not None and not (
            project.name in installed and is_version(other.version, project.version)
        ):
            problems.append(f"{project.source} would replace {brought(other)}: take one of them.")
        projects.setdefault(project.name, project)
    there = {**projects, **installed}
    return list(dict.fromkeys([*problems, *_unsatisfied(projects, there, target, requirements)]))


def brought(project: Project) -> str:
    """A project and what brought it, as messages name them."""
    if project.source.endswith(".whl"):
        return f"{project}, a wheel"
    return f"{project} from conda ({project.source})" if project.source else str(project)


def is_version(one: str, other: str) -> bool:
    """Whether two texts are the same version."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def is_satisfied(specifier: SpecifierSet, version: str) -> bool:
    """Whether a version that is there will do; pre-releases do, as pip has it."""
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return not specifier


def is_wanted(requirement: Requirement, target: Target, extras: Iterable[str] = ()) -> bool:
    """Whether a requirement is one on ``target``, with these extras of the project that has it."""
    if requirement.marker is None:
        return True
    environment = target.environment()
    return any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))


def _misfits(path: str, project: Project, target: Target) -> Iterator[str]:
    tags = tags_of(path)
    if tags.isdisjoint(target.tags()):
        yield f"{project.source} is not for {target}{_oldest(target)}: take a wheel that is."
    try:
        if not is_satisfied(SpecifierSet(project.requires_python), target.python):
            yield f"{project} needs Python {project.requires_python}, but {target.python} is there."
    except InvalidSpecifier:
        yield f"{project} needs a Python {project.requires_python!r}, which is no condition on a version."


def _oldest(target: Target) -> str:
    return {"linux": f" with glibc {target.glibc}", "osx": f" on macOS {target.macos}"}.get(target.family, "")


def _unsatisfied(
    projects: Mapping[str, Project],
    there: Mapping[str, Project],
    target: Target,
    requirements: Iterable[str],
) -> Iterator[str]:
    extras: dict[str, set[str]] = {name: set() for name in there}
    asked = [requirement for text in requirements if (requirement := parse_requirement(text)) is not None]
    for requirement in asked:
        if is_wanted(requirement, target):
            extras.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
            yield from _missing(f"{_words(requirement)} is asked for", requirement, there)
    before: dict[str, set[str]] = {}
    while before != extras:  # extras ask for further extras
        before = {name: set(own) for name, own in extras.items()}
        for project in there.values():
            for requirement in _required(project, target, before[project.name], project.name in projects):
                extras.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
    for project in there.values():
        for line in project.requires if project.name in projects else ():
            if parse_requirement(line) is None:
                yield f"{project} needs {line!r}, which is no requirement (PEP 508)."
        for requirement in _required(project, target, extras[project.name], project.name in projects):
            yield from _missing(f"{project} needs {_words(requirement)}", requirement, there)
        if project.name not in projects:  # what conda's packages need besides is conda's affair, but for this
            for requirement in _required(project, target, (), whole=True):
                if canonicalize_name(requirement.name) in projects:
                    yield from _missing(f"{brought(project)} needs {_words(requirement)}", requirement, there)


def _required(project: Project, target: Target, extras: Iterable[str], whole: bool) -> Iterator[Requirement]:
    """What a project needs with ``extras``; unless ``whole``, what it needs for them alone."""
    for line in project.requires:
        requirement = parse_requirement(line)
        if requirement is None or not is_wanted(requirement, target, extras):
            continue
        if whole or not is_wanted(requirement, target):
            yield requirement


def _missing(need: str, requirement: Requirement, there: Mapping[str, Project]) -> Iterator[str]:
    found = there.get(canonicalize_name(requirement.name))
    if found is None:
        yield f"{need}, which nothing brings: add it to what conda or pip is to bring."
    elif requirement.url is None and not is_satisfied(requirement.specifier, found.version):
        yield f"{need}, but the environment has {brought(found)}."


def _words(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def parse_requirement(line: str) -> Requirement | None:
    """A requirement (PEP 508), or None for what is none."""
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None
