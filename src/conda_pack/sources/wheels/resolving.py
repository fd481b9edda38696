"""Requirements → wheels: pip's own resolver finds them, for another platform and beside what conda brought.

pip knows nothing of a prefix that no Python here runs. So what conda brought is shown to it as wheels that
hold only metadata, and constrained to their versions: it takes them into account, looks for another version
of the rest where they conflict, and never replaces one.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from conda_pack.digests import file_digest
from conda_pack.errors import SourceProblem
from conda_pack.progress import Reporter
from conda_pack.sources.model import PipRequirements
from conda_pack.sources.wheels.archive import Chosen, file_name, read_project
from conda_pack.sources.wheels.checking import check, is_satisfied, is_wanted, parse_requirement
from conda_pack.sources.wheels.explaining import explain, not_found
from conda_pack.sources.wheels.projects import Project
from conda_pack.sources.wheels.running import download
from conda_pack.sources.wheels.target import Target

#: A requirement, and its hashes; the place of something, and extras of it.
_HASHED = re.compile(r"(.*?)((?:\s+--hash[= ]\S+)*)", re.DOTALL)
_PLACE = re.compile(r"((?:https?:|ftp:|file:).*?|.*\.whl)(\[[^]]*\])?", re.DOTALL | re.IGNORECASE)
#: pip takes the wheel with the best tag, and of those with the same, the one with the highest build number.
_HIGHEST_BUILD = 10**12
_REMOTE = re.compile(r"(?:https?|ftp)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Root:
    """A requirement as it was asked for, and as it is to be put to pip. ``name`` is normalised."""

    line: str
    name: str
    requirement: Requirement
    hashes: bool = False

    @property
    def url(self) -> str:
        """Where it is, if it says so."""
        return self.requirement.url or ""


def resolve(
    wanted: PipRequirements,
    target: Target,
    installed: Mapping[str, Project],
    folder: str,
    *,
    offline: bool,
    reporter: Reporter,
) -> list[Chosen]:
    """The wheels that ``wanted`` comes to, in a new folder in ``folder``, by name.

    ``installed`` is what is there already (``read_installed``). ``offline``: of files of this machine alone,
    as ``--find-links`` and paths name them. Raises SourceProblem with all that is wrong, and ToolMissing.
    """
    roots = _roots(wanted, offline)
    wheels = tempfile.mkdtemp(dir=folder)
    reporter.start("Finding wheels", 0)
    try:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            _find(roots, wanted, target, installed, wheels, work, offline=offline)
    finally:
        reporter.finish()
    found = {
        read_project(path).name: path for path in (os.path.join(wheels, name) for name in os.listdir(wheels))
    }
    found = {name: path for name, path in sorted(found.items()) if name not in installed}
    problems = check(list(found.values()), target, installed, [str(root.requirement) for root in roots])
    if problems:
        raise SourceProblem("\n".join(problems))
    urls = {root.name: root.url for root in roots}
    return [Chosen(path, name in urls, urls.get(name, "")) for name, path in found.items()]


def _roots(wanted: PipRequirements, offline: bool) -> list[_Root]:
    """What is asked for, understood. Raises SourceProblem."""
    roots, problems = [], []
    for line in wanted.requirements:
        try:
            root = _root(line)
        except InvalidRequirement as error:
            first = str(error).split("\n")[0]
            problems.append(f"{line!r} is neither a requirement (PEP 508: {first}) nor the place of a wheel.")
            continue
        if root.url and not file_name(root.url).endswith(".whl"):
            problems.append(f"{line!r} leads to no wheel: only wheels are packed. Build a wheel of it first.")
        elif offline and _REMOTE.match(root.url):
            problems.append(f"{line!r} is not on this machine: go online, or give the path of its wheel.")
        else:
            roots.append(root)
    if problems:
        raise SourceProblem("\n".join(problems))
    return roots


def _root(line: str) -> _Root:
    """One line of requirements, its hashes apart. Raises InvalidRequirement."""
    text, hashes = _HASHED.fullmatch(line.strip()).groups()  # type: ignore[union-attr]  # it takes any line
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        place = _PLACE.fullmatch(text)
        if place is None:
            raise
        url, extras = place.groups("")
        if "://" not in url and not url.startswith(
            "file:"
        ):  # a path, of which pip might read an end as options
            url = Path(url).absolute().as_uri()
        line = f"{file_name(url).partition('-')[0]}{extras} @ {url}"
        requirement, line = Requirement(line), f"{line}{hashes}"
    name = canonicalize_name(requirement.name)
    return _Root(line, name, requirement, hashes=bool(hashes))


def _find(
    roots: list[_Root],
    wanted: PipRequirements,
    target: Target,
    installed: Mapping[str, Project],
    wheels: str,
    work: str,
    *,
    offline: bool,
) -> None:
    """Have pip put wheels into ``wheels``; those of ``installed`` may be among them. Raises SourceProblem."""
    shown = _shown(installed, target, work)
    lines, constraints = [], [*wanted.constraints, *shown.conditions]
    if any(root.hashes for root in roots):  # then pip wants one of all that it takes
        lines = [f"{words} --hash=sha256:{digest}" for words, digest in shown.versions.items()]
    else:
        constraints += shown.versions
    arguments = [*wanted.options, "--find-links", work, *(["--no-index"] if offline else [])]
    arguments += ["-c", _written(work, "constraints.txt", constraints)]
    roots = [root for root in roots if not _is_there(root, installed)]
    problems: list[str] = []
    while roots:
        requirements = _written(work, "requirements.txt", [*lines, *(root.line for root in roots)])
        answer = download([*arguments, "-r", requirements], target, wheels)
        if answer.succeeded:
            break
        missing = not_found(answer.text)
        others = [root for root in roots if not _is_meant(root, missing)]
        if others == roots:  # nothing that could be left out to find what else is wrong
            problems += explain(answer.text, target, installed)
            break
        problems += explain(answer.text, target, installed)
        roots = others
    if problems:
        raise SourceProblem("\n".join(dict.fromkeys(problems)))


def _is_meant(root: _Root, missing: str) -> bool:
    """Whether pip's words ``missing`` are this requirement."""
    try:
        requirement = Requirement(missing)
    except InvalidRequirement:
        return False
    name = canonicalize_name(requirement.name)
    return (name, requirement.specifier) == (root.name, root.requirement.specifier)


def _is_there(root: _Root, installed: Mapping[str, Project]) -> bool:
    """Whether conda brought just this; its hashes are not those of a wheel then."""
    there, requirement = installed.get(root.name), root.requirement
    if there is None or requirement.url or requirement.extras:
        return False
    return is_satisfied(requirement.specifier, there.version)


def _written(folder: str, name: str, lines: list[str]) -> str:
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


# --------------------------------------------------------------- what pip is shown


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is there, for pip: ``versions`` with the digests of their wheels, and ``conditions`` on others."""

    versions: Mapping[str, str]
    conditions: tuple[str, ...]


def _shown(installed: Mapping[str, Project], target: Target, folder: str) -> _Shown:
    """Show pip what is there, by wheels in ``folder``.

    What conda's packages need is conda's affair, but for what they need for an extra, which a wheel may ask
    for; their conditions on what conda did not bring hold.
    """
    versions, conditions = {}, []
    for project in installed.values():
        extras = []
        for requirement in filter(None, map(parse_requirement, project.requires)):
            there = installed.get(canonicalize_name(requirement.name))
            if is_wanted(requirement, target):
                if there is None and requirement.specifier:
                    conditions.append(f"{requirement.name}{requirement.specifier}")
            elif requirement.url is None:
                extras.append(requirement)
        try:
            Requirement(project.name)
            wheel = _metadata_wheel(project, extras, target, folder)
        except (InvalidRequirement, InvalidVersion):
            continue  # pip cannot take it; the check afterwards still sees it
        # not ==, which would let an index have a build of the same version, with a local part
        versions[f"{project.name}==={Version(project.version)}"] = file_digest(wheel)
    return _Shown(versions, tuple(conditions))


def _metadata_wheel(project: Project, requirements: list[Requirement], target: Target, folder: str) -> str:
    """Write a wheel of metadata alone, which pip prefers to any other of that version; its path.

    Raises InvalidVersion.
    """
    stem = f"{project.name.replace('-', '_')}-{Version(project.version)}"
    extras = {name for each in requirements for name in re.findall(r'extra == "([^"]*)"', str(each.marker))}
    lines = ["Metadata-Version: 2.1", f"Name: {project.name}", f"Version: {project.version}"]
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    tag = target.tags()[0]
    path = os.path.join(folder, f"{stem}-{_HIGHEST_BUILD}-{tag}.whl")
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
        wheel.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return path
