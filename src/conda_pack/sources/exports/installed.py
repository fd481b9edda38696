"""An environment → what is installed in it: conda's packages, pip's projects, its own variables.

pip's projects are those whose ``.dist-info`` no conda package brought, as conda-package tells them
(packages/pip_projects.py), but only those of the Python that is there: no other can be installed again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from conda_pack.environment.distributions import is_packaged
from conda_pack.environment.editable import EGG_LINK, egg_link_location
from conda_pack.environment.locate import locate
from conda_pack.environment.read import platform_of, read_bytes, read_records
from conda_pack.errors import CorruptMetadata, EnvironmentNotFound, UsageError
from conda_pack.model import Claim, Record
from conda_pack.paths import folders_of
from conda_pack.runtime.environ import UNSET
from conda_pack.sources.exports.exporting import in_order
from conda_pack.sources.exports.inventory import Inventory, Project, package_of, project_of

STATE = "conda-meta/state"
#: requests-2.31.0.dist-info, six-1.16.0-py3.11.egg-info, tool-1.0-py3.11.egg. pip begins with a ~ the names
#: of what it is about to remove.
_METADATA = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*?)-(?P<version>[\w.!+]+)(?:-py\d.*)?\.(?:dist-info|egg-info|egg)", re.ASCII
)


class Files(Protocol):
    """The files of an environment, wherever they are. Paths are relative to the prefix."""

    def children(self, folder: str) -> Iterable[str]:
        """The names in a folder, sorted; none where there is no such folder."""

    def digest(self, path: str) -> str | None:
        """The sha256 of a file, None where there is none."""

    def read(self, path: str) -> bytes | None:
        """A small file, None where there is none."""


class _State(msgspec.Struct):
    env_vars: dict[str, str | int | float | bool | None] = {}


def inventory_of(where: str | None, name: str | None) -> Inventory:
    """What is installed in an environment, given by its folder or its name, or packed in an archive.

    Without either it is the active environment. Raises EnvironmentNotFound, UsageError, CorruptMetadata and
    FileChanged; for an archive as ``read_packed``.
    """
    if where is not None and name is None and not os.path.isdir(where):
        if not os.path.exists(where):
            raise EnvironmentNotFound(
                f"There is neither an archive nor an environment at {where}. For an environment's name say "
                "-n NAME."
            )
        if not os.path.isfile(where):
            raise UsageError(f"{where} is no file: archives are read from the end, so save it as one.")
        from conda_pack.sources.exports.packed import read_packed  # noqa: PLC0415 - environments need none of it

        return read_packed(where)
    return read_installed(
        locate(name, where, environ=os.environ, home=os.path.expanduser("~"), cwd=os.getcwd())
    )


def read_installed(prefix: str) -> Inventory:
    """What is installed at ``prefix``, an absolute path.

    Raises EnvironmentNotFound, CorruptMetadata and FileChanged.
    """
    records, site_packages = read_records(prefix)
    return describe(records, site_packages, _Prefix(prefix), prefix)


def describe(records: tuple[Record, ...], site_packages: str | None, files: Files, source: str) -> Inventory:
    """The inventory; ``source`` is the name of the whole, for messages. Raises CorruptMetadata."""
    claims = {claim.path: claim for record in records for claim in record.claims}
    return Inventory(
        platform=platform_of(records).subdir,
        packages=in_order(map(package_of, records)),
        pip=sorted(
            _projects(site_packages, files, claims) if site_packages is not None else (),
            key=lambda project: (project.name, project.version),
        ),
        variables=_variables(files.read(STATE), source),
    )


class _Prefix:
    """The files at a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def children(self, folder: str) -> Iterable[str]:
        try:
            return sorted(os.listdir(self._path(folder)))
        except OSError:
            return []

    def digest(self, path: str) -> str | None:
        data = self.read(path)
        return hashlib.sha256(data).hexdigest() if data is not None else None

    def read(self, path: str) -> bytes | None:
        full = self._path(path)
        return read_bytes(full) if os.path.isfile(full) else None  # a named pipe would wait for ever

    def _path(self, path: str) -> str:
        return os.path.join(self._prefix, *path.split("/"))


def _projects(site: str, files: Files, claims: Mapping[str, Claim]) -> Iterator[Project]:
    claimed_folders = folders_of(claims)
    for name in files.children(site):
        path = f"{site}/{name}"
        if match := _METADATA.fullmatch(name):
            if not _is_packaged(path, files, claims, path in claims or path in claimed_folders):
                yield project_of(match["name"], match["version"], files.read(f"{path}/direct_url.json"))
        elif name.endswith(EGG_LINK) and path not in claims:
            project = project_of(name.removesuffix(EGG_LINK), "", None)
            location = egg_link_location(files.read(path) or b"")
            yield msgspec.structs.replace(project, editable=location)


def _is_packaged(metadata: str, files: Files, claims: Mapping[str, Claim], has_claims: bool) -> bool:
    installer = f"{metadata}/INSTALLER"
    return is_packaged(
        claims.get(installer),
        has_claims=has_claims,
        digest=files.digest(installer),
        text=lambda: files.read(installer),
    )


def _variables(text: bytes | None, source: str) -> dict[str, str]:
    """The variables of conda-meta/state that are set, by name."""
    try:
        values = msgspec.json.decode(text or b"{}", type=_State).env_vars
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptMetadata(
            f"{source}: {STATE} cannot be understood: {error}. Mend it, or remove it and its variables."
        ) from error
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in sorted(values.items())
        if value is not None and value != UNSET
    }
