"""A wheel file, read: what it is and holds. Nothing in it is trusted.

Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from installer.exceptions import InstallerError
from installer.sources import WheelFile
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from conda_pack.errors import CondaPackException, SourceProblem, UnsafeArchive
from conda_pack.sources.wheels.projects import Project, parse_project

#: Bytes that are read at a time.
PIECE = 1 << 20
#: What reading a damaged or hostile zip file raises: encrypted members are RuntimeError, unknown
#: compression NotImplementedError, names that are missing KeyError.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, KeyError),
    *(ValueError, InstallerError, AssertionError),
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A wheel to put in: a path on this machine.

    ``requested`` tells that it was asked for, and not only needed; ``url`` is where it comes from if that was
    asked for, as ``name @ URL`` does.
    """

    path: str
    requested: bool = False
    url: str = ""


def file_name(place: str) -> str:
    """The name that a path or URL ends in."""
    path = urlsplit(place).path if "://" in place or place.startswith("file:") else place
    return unquote(path).rpartition("/")[2]


def tags_of(path: str) -> frozenset[Tag]:
    """What a wheel is for, by its name. Raises SourceProblem."""
    return _parsed_name(path)[2]


def read_project(path: str) -> Project:
    """What a wheel says of itself. Raises SourceProblem and UnsafeArchive."""
    name, version, _ = _parsed_name(path)
    with open_wheel(path) as wheel:
        project = parse_project(wheel.read_dist_info("METADATA"), os.path.basename(path))
    try:
        is_same = Version(project.version) == version
    except InvalidVersion:
        is_same = False
    if project.name != name or not is_same:
        raise SourceProblem(
            f"{path} holds {str(project).strip() or 'nothing'}, which is not what its name says. "
            "It has been renamed or is damaged: fetch it again."
        )
    return project


@contextmanager
def open_wheel(path: str) -> Iterator[WheelFile]:
    """A wheel whose members are safe to place.

    Raises SourceProblem and UnsafeArchive, here and for what happens in the block.
    """
    try:
        with WheelFile.open(Path(path)) as wheel:
            _check_members(path, wheel._zipfile)
            yield wheel
    except OSError as error:
        raise SourceProblem(f"{path} cannot be read: {error.strerror or error}.") from error
    except DAMAGE as error:
        raise SourceProblem(f"{path} is no sound wheel: {_said(error)}. Fetch it again.") from error


def is_safe(path: str) -> bool:
    """Whether a path, with slashes, stays below where it is put, on every system."""
    parts = path.split("/")
    return not re.search(r"[\\:\0-\x1f]", path) and not {"", ".", ".."} & set(parts)


def _check_members(path: str, archive: zipfile.ZipFile) -> None:
    seen: set[str] = set()
    for name in archive.namelist():
        if not is_safe(name.removesuffix("/")):
            raise UnsafeArchive(f"{path} names a file {name!r}, which no wheel may. Do not use it.")
        if name in seen:
            raise UnsafeArchive(f"{path} holds {name!r} twice, which no wheel may. Do not use it.")
        seen.add(name)


def _parsed_name(path: str) -> tuple[str, Version, frozenset[Tag]]:
    try:
        name, version, _, tags = parse_wheel_filename(os.path.basename(path))
    except InvalidWheelFilename as error:
        raise SourceProblem(f"{path} is not named as a wheel is: {error}. Only wheels are packed.") from error
    return canonicalize_name(name), version, tags


def _said(error: BaseException) -> str:
    issues = getattr(error, "issues", None)
    return "; ".join(issues) if issues else str(error).rstrip(".") or type(error).__name__


def combined(problems: Sequence[CondaPackException]) -> CondaPackException:
    """Several problems as one, of the worse kind."""
    kind = UnsafeArchive if any(isinstance(each, UnsafeArchive) for each in problems) else SourceProblem
    return kind("\n".join(map(str, problems)))
