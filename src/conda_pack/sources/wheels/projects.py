"""What Python projects say of themselves: those of wheels, and those that conda packages brought.

Source: https://packaging.python.org/en/latest/specifications/core-metadata/
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser

from conda_pack.environment.modules import normalised
from conda_pack.environment.read import read_bytes, read_records

_METADATA = re.compile(r"[^~].*\.(?:dist|egg)-info")
_NAMES = ("METADATA", "PKG-INFO")


@dataclass(frozen=True, slots=True)
class Project:
    """A project of a certain version; ``name`` is normalised (PEP 503).

    ``requires`` are its Requires-Dist as they are written. ``source`` is what brought it: a wheel's file
    name, or conda's of a package, such as ``numpy-2.4.6-py311h1234567_0``; empty if nobody knows.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def parse_project(text: str, source: str) -> Project:
    """A METADATA or PKG-INFO, understood."""
    headers = HeaderParser().parsestr(text)
    return Project(
        name=normalised(str(headers.get("Name", "")).strip()),
        version=str(headers.get("Version", "")).strip(),
        requires=tuple(str(line).strip() for line in headers.get_all("Requires-Dist") or ()),
        requires_python=str(headers.get("Requires-Python", "")).strip(),
        source=source,
    )


def read_installed(prefix: str, site_packages: str) -> Mapping[str, Project]:
    """The projects in the environment at ``prefix``, by name.

    Raises EnvironmentNotFound, FileChanged and CorruptMetadata.
    """
    folder = os.path.join(prefix, *site_packages.split("/"))
    if not os.path.isdir(folder):
        return {}
    records, _ = read_records(prefix)
    owners = {claim.path: record.dist for record in records for claim in record.claims}
    projects = {}
    for name in sorted(os.listdir(folder)):
        if not _METADATA.fullmatch(name):
            continue
        candidates = [f"{name}/{each}" for each in _NAMES] if os.path.isdir(f"{folder}/{name}") else [name]
        for path in candidates:
            full = os.path.join(folder, *path.split("/"))
            if os.path.isfile(full):
                text = read_bytes(full).decode("utf-8", "replace")
                project = parse_project(text, owners.get(f"{site_packages}/{path}", ""))
                projects[project.name] = project
                break
    return projects
