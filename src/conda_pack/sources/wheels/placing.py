"""Where each file of a wheel goes, and what the installer adds. Nothing is written here.

Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import configparser
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import urlsplit, urlunsplit

from installer.records import parse_record_file
from installer.sources import WheelFile
from installer.utils import parse_entrypoints, parse_metadata_file

from conda_pack.digests import file_digest
from conda_pack.errors import SourceProblem, UnsafeArchive
from conda_pack.sources.wheels.archive import Chosen, is_safe, open_wheel, read_project
from conda_pack.sources.wheels.projects import Project
from conda_pack.sources.wheels.scripts import entry_point
from conda_pack.sources.wheels.target import Target

INSTALLER = b"conda-pack\n"
#: What the installer writes of a project, whatever the wheel has in its place.
_OURS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
#: What setuptools makes in the place of an entry point's own script; an installer leaves it out.
_WRAPPER_SUFFIXES = (".exe", "-script.py", "-script.pyw", ".pya")


@dataclass(frozen=True, slots=True)
class Item:
    """A file to write. ``path`` is relative to the prefix; ``member`` is the wheel's, or there is ``data``.

    ``digest`` is what the wheel's RECORD says of the member: the hash's name and its value.
    """

    path: str
    member: str = ""
    data: bytes | None = None
    size: int = 0
    executable: bool = False
    script: bool = False
    digest: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A wheel, and its files in the environment; its RECORD, which lists them, is not among them."""

    project: Project
    wheel: Chosen
    record: str
    items: tuple[Item, ...]


def place(wheel: Chosen, prefix: str, target: Target) -> Placed:
    """Where the files of a wheel go, which is checked on the way. Raises SourceProblem and UnsafeArchive."""
    project = read_project(wheel.path)
    with open_wheel(wheel.path) as opened:
        opened.validate_record(validate_contents=False)
        version = str(parse_metadata_file(opened.read_dist_info("WHEEL"))["Wheel-Version"])
        if not version.startswith("1."):
            raise SourceProblem(f"{wheel.path} is a wheel of version {version}: only 1 is known.")
        info = f"{target.site_packages}/{opened.dist_info_dir}"
        scripts = {item.path: item for item in _entry_points(wheel.path, opened, prefix, target)}
        items = {item.path: item for item in _members(wheel.path, opened, target, _stems(scripts))}
        items |= scripts
    items |= {path: Item(path, data=data, size=len(data)) for path, data in _added(wheel, info).items()}
    for path in items:
        if not is_safe(path) or path.split("/")[0] == "conda-meta":
            raise UnsafeArchive(f"{wheel.path} would write {path!r} in the environment, which no wheel may.")
    return Placed(project, wheel, f"{info}/RECORD", tuple(items.values()))


def _members(path: str, wheel: WheelFile, target: Target, commands: set[str]) -> Iterator[Item]:
    """The files that the wheel holds; no bytecode, whose own path would be another's."""
    bases = _schemes(str(parse_metadata_file(wheel.read_dist_info("METADATA"))["Name"]), target)
    lines = wheel.read_dist_info("RECORD").splitlines()
    digests = {
        name: tuple(digest.split("=", 1)) for name, digest, _ in parse_record_file(lines) if "=" in digest
    }
    for member in wheel._zipfile.infolist():
        name = member.filename
        folder, _, rest = name.partition("/")
        is_bytecode = "__pycache__" in name.split("/")[:-1]
        if name.endswith("/") or is_bytecode or (folder == wheel.dist_info_dir and rest in _OURS):
            continue
        mode = member.external_attr >> 16
        item = Item(
            path=f"{target.site_packages}/{name}",
            member=name,
            size=member.file_size,
            executable=stat.S_ISREG(mode) and mode & 0o111 != 0,
            digest=cast("tuple[str, str] | None", digests.get(name)),
        )
        if not folder.endswith(".data"):
            yield item
            continue
        scheme, _, inner = rest.partition("/")
        if scheme not in bases or not inner:
            raise SourceProblem(f"{path} has {name!r} for a place that is not known: {', '.join(bases)} are.")
        if scheme != "scripts":
            yield replace(item, path=f"{bases[scheme]}{inner}")
        elif _stem(inner) not in commands:
            yield replace(item, path=f"{bases[scheme]}{inner}", script=True)


def _schemes(name: str, target: Target) -> dict[str, str]:
    """What precedes the paths of each part of ``NAME.data``, where Python is in no virtual environment."""
    site_packages = f"{target.site_packages}/"
    return {
        "purelib": site_packages,
        "platlib": site_packages,
        "headers": f"{target.headers}/{name}/",
        "scripts": f"{target.scripts}/",
        "data": "",
    }


def _entry_points(path: str, wheel: WheelFile, prefix: str, target: Target) -> Iterator[Item]:
    if "entry_points.txt" not in wheel.dist_info_filenames:
        return
    try:
        points = list(parse_entrypoints(wheel.read_dist_info("entry_points.txt")))
    except (configparser.Error, AssertionError) as error:
        reason = " ".join(str(error).split()) or "a command calls no function"
        raise SourceProblem(f"{path} has an entry_points.txt that cannot be read: {reason}.") from error
    for name, module, attribute, section in points:
        file, data = entry_point(name, module, attribute, section, prefix, target)
        yield Item(f"{target.scripts}/{file}", data=data, size=len(data), executable=True)


def _stems(scripts: Mapping[str, Item]) -> set[str]:
    return {_stem(path.rpartition("/")[2]) for path in scripts}


def _stem(name: str) -> str:
    """A command's name without what is put behind it."""
    for suffix in _WRAPPER_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _added(wheel: Chosen, info: str) -> dict[str, bytes]:
    """What tells how the project came here (recording installed projects, PyPA).

    A path of this machine is not told (direct_url.json, PEP 610): whoever unpacks has another one.
    """
    added = {f"{info}/INSTALLER": INSTALLER}
    if wheel.requested:
        added[f"{info}/REQUESTED"] = b""
    if wheel.url.lower().startswith(("http://", "https://")):
        added[f"{info}/direct_url.json"] = _direct_url(wheel)
    return added


def _direct_url(wheel: Chosen) -> bytes:
    parts = urlsplit(wheel.url)
    host = parts.netloc.rpartition("@")[2]  # without anybody's password
    digest = file_digest(wheel.path)
    archive = {"hash": f"sha256={digest}", "hashes": {"sha256": digest}}
    document = {"archive_info": archive, "url": urlunsplit((parts.scheme, host, parts.path, parts.query, ""))}
    return json.dumps(document, sort_keys=True).encode()


def source_name(placed: Placed) -> str:
    """The wheel's file name, for messages."""
    return os.path.basename(placed.wheel.path)
