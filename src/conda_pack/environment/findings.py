"""What about an environment its owner should know before it is packed. All at once."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import replace

from conda_pack.environment.collisions import find_collisions
from conda_pack.environment.distributions import METADATA_FILE
from conda_pack.environment.editable import IGNORE_EDITABLE, find_editable
from conda_pack.environment.modules import normalised
from conda_pack.environment.places import is_above, is_inside
from conda_pack.model import Claim, Environment, Finding, Record, Severity
from conda_pack.paths import folders_of

__all__ = ["IGNORE_EDITABLE", "IGNORE_MISSING", "find"]

IGNORE_MISSING = "--ignore-missing-files"


def find(environment: Environment, read: Callable[[str], bytes]) -> Environment:
    """The environment with its findings; ``read`` gives the bytes of one of its files."""
    findings = [
        *_missing(environment, read),
        *find_editable(environment, read),
        *leaving_links(environment),
        *find_collisions(environment),
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


def _project(record: Record) -> str | None:
    """The Python project that a package installs, by its own dist-info folder: the topmost one.

    Below it are those of what the package brings along, as setuptools' _vendor.
    """
    found = [match for claim in record.claims if (match := METADATA_FILE.search(claim.path))]
    if not found:
        return None
    return normalised(min(found, key=lambda match: match.string[: match.start()].count("/"))[1])


def _pip_projects(environment: Environment, read: Callable[[str], bytes]) -> dict[str, str]:
    """Projects installed by other means than a conda package: name → version."""
    owned = {claim.path for record in environment.records for claim in record.claims}
    projects = {}
    for path in environment.files:
        match = METADATA_FILE.search(path)
        if match and path.endswith("/INSTALLER") and (path not in owned or read(path).strip() != b"conda"):
            projects[normalised(match[1])] = match[2]
    return projects


# ---------------------------------------------------------------------- links


def leaving_links(environment: Environment) -> Iterator[Finding]:
    """The links that point out of the environment, in one finding."""
    cached = tuple(f"{record.linked_from}/" for record in environment.records if record.linked_from)
    leaving = []
    for file in environment.files.values():
        if file.kind != "link" or (cached and file.target.startswith(cached)):
            continue
        if posixpath.isabs(file.target):
            if not is_inside(environment, file.target):
                leaving.append(f"{file.path} → {file.target}")
        elif is_above(posixpath.join(posixpath.dirname(file.path), file.target)):
            leaving.append(f"{file.path} → {file.target}")
    if leaving:
        yield Finding(
            Severity.WARNING,
            f"{len(leaving)} links point out of the environment; they are packed as they are, "
            "and what they point to is not.",
            tuple(leaving),
        )
