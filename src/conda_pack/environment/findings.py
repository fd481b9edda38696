"""What about an environment its owner should know before it is packed. All at once."""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from conda_pack.model import Claim, Environment, Finding, Record, Severity
from conda_pack.paths import folders_of

IGNORE_MISSING = "--ignore-missing-files"
IGNORE_EDITABLE = "--ignore-editable-packages"

_DIST_INFO = re.compile(r"(?:^|/)([^/]+?)-([^/-]+)\.(?:dist|egg)-info/")


def find(environment: Environment, read: Callable[[str], bytes]) -> Environment:
    """The environment with its findings; ``read`` gives the bytes of one of its files."""
    findings = [
        *_missing(environment, read),
        *_editable(environment, read),
        *_leaving(environment),
    ]
    return replace(environment, findings=tuple(findings))


# ------------------------------------------------------------- missing files


def _missing(environment: Environment, read: Callable[[str], bytes]) -> Iterator[Finding]:
    replaced_by_pip = None
    folders = folders_of(environment.files)  # the empty ones are among the files
    for record in environment.records:
        missing = [
            claim.path
            for claim in record.claims
            if claim.path not in environment.files and claim.path not in folders and not _is_optional(claim)
        ]
        if not missing:
            continue
        unexplained = [path for path in missing if path not in environment.excluded_before]
        if not unexplained:
            yield Finding(
                Severity.WARNING,
                f"{len(missing)} files of {record.dist} are missing: "
                "they were left out of the archive this environment comes from.",
                tuple(missing),
            )
            continue
        if replaced_by_pip is None:
            replaced_by_pip = _pip_projects(environment, read)
        project = _project(record)
        if project is not None and project in replaced_by_pip:
            yield Finding(
                Severity.WARNING,
                f"{len(missing)} files of {record.dist} are missing: pip replaced that package "
                f"by {project} {replaced_by_pip[project]}, which is packed.",
                tuple(missing),
            )
            continue
        yield Finding(
            Severity.ERROR,
            f"{len(unexplained)} files of {record.dist} are missing from the environment, "
            "and nothing explains it. Reinstall that package to bring them back.",
            tuple(unexplained),
            IGNORE_MISSING,
        )


def _is_optional(claim: Claim) -> bool:
    """Bytecode comes and goes; folders and conda's own notes are no content."""
    return (
        claim.path_type in ("pyc_file", "directory")
        or claim.path.endswith((".pyc", ".pyo"))
        or claim.path.startswith("info/")
        or claim.path == ".nonadmin"
    )


def _normalised(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _project(record: Record) -> str | None:
    """The Python project that a package installs, by its own dist-info folder."""
    for claim in record.claims:
        match = _DIST_INFO.search(claim.path)
        if match:
            return _normalised(match[1])
    return None


def _pip_projects(environment: Environment, read: Callable[[str], bytes]) -> dict[str, str]:
    """Projects installed by other means than a conda package: name → version."""
    owned = {claim.path for record in environment.records for claim in record.claims}
    projects = {}
    for path in environment.files:
        match = _DIST_INFO.search(path)
        if match and path.endswith("/INSTALLER") and (path not in owned or read(path).strip() != b"conda"):
            projects[_normalised(match[1])] = match[2]
    return projects


# --------------------------------------------------------- editable installs


def _editable(environment: Environment, read: Callable[[str], bytes]) -> Iterator[Finding]:
    if environment.site_packages is None:
        return
    packages = sorted(set(_editable_names(environment, read)))
    if packages:
        yield Finding(
            Severity.ERROR,
            f"{len(packages)} packages are installed in editable mode: their code lies outside of the "
            "environment and would not be in the archive. Install them without -e.",
            tuple(packages),
            IGNORE_EDITABLE,
        )


def _editable_names(environment: Environment, read: Callable[[str], bytes]) -> Iterator[str]:
    folder = f"{environment.site_packages}/"
    for path in environment.files:
        if not path.startswith(folder):
            continue
        name = path[len(folder) :]
        if name.endswith(".dist-info/direct_url.json"):
            location = _editable_location(read(path))
            if location is not None and not _inside(environment, location):
                yield f"{name.split('-')[0]} ({location})"
        elif "/" in name:
            continue
        elif name.endswith(".egg-link"):
            location = read(path).decode("utf-8", "replace").partition("\n")[0].strip()
            if not _inside(environment, location):
                yield f"{name[: -len('.egg-link')]} ({location})"
        elif name.endswith((".pth", ".egg-pth")):
            for location in _pth_locations(read(path).decode("utf-8", "replace")):
                if not _inside(environment, location):
                    yield f"{name} ({location})"


def _editable_location(text: bytes) -> str | None:
    """The folder of an editable install, by its direct_url.json (PEP 610)."""
    try:
        document = json.loads(text)
        if not document["dir_info"].get("editable"):
            return None
        return unquote(urlsplit(document["url"]).path)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _pth_locations(text: str) -> Iterator[str]:
    """The absolute folders that a .pth file puts on the path (the site module's rules)."""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith(("#", "import ", "import\t")) and posixpath.isabs(stripped):
            yield stripped


def _inside(environment: Environment, location: str) -> bool:
    candidates = (os.path.abspath(location), os.path.realpath(location))
    roots = [os.fsdecode(prefix) for prefix in environment.prefixes]
    return any(path == root or path.startswith(root + "/") for path in candidates for root in roots)


# ---------------------------------------------------------------------- links


def _leaving(environment: Environment) -> Iterator[Finding]:
    cached = tuple(f"{record.linked_from}/" for record in environment.records if record.linked_from)
    leaving = []
    for file in environment.files.values():
        if file.kind != "link" or (cached and file.target.startswith(cached)):
            continue
        if posixpath.isabs(file.target):
            if not _inside(environment, file.target):
                leaving.append(f"{file.path} → {file.target}")
        elif _is_above(posixpath.join(posixpath.dirname(file.path), file.target)):
            leaving.append(f"{file.path} → {file.target}")
    if leaving:
        yield Finding(
            Severity.WARNING,
            f"{len(leaving)} links point out of the environment; they are packed as they are, "
            "and what they point to is not.",
            tuple(leaving),
        )


def _is_above(path: str) -> bool:
    return posixpath.normpath(path).split("/")[0] == ".."
