"""What a conda package is, and how one is written: the same package gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import posixpath
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TIMESTAMP = 1_700_000_000
"""The mtime of every file, and the time each package says it was built at."""

PLACEHOLDER = ("/opt/conda-bld/demo_1700000000000/_h_env" + 25 * "_placehold")[:255]
"""The prefix that packages are built with: as long as conda-build makes it, so that any real one fits."""

FileMode = Literal["text", "binary"]

_SUBDIRS = {
    ("Linux", "x86_64"): "linux-64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Darwin", "x86_64"): "osx-64",
    ("Darwin", "arm64"): "osx-arm64",
}


def native_subdir() -> str:
    """Name the platform of this machine as conda does."""
    machine = (platform.system(), platform.machine())
    try:
        return _SUBDIRS[machine]
    except KeyError:
        raise RuntimeError(f"no demonstration packages for {' '.join(machine)}") from None


@dataclass(frozen=True)
class File:
    """A regular file. With a ``file_mode`` the installer puts the prefix where the placeholder is."""

    path: str
    content: bytes
    mode: int = 0o644
    file_mode: FileMode | None = None
    placeholder: str = PLACEHOLDER


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


Entry = File | Link
"""A package cannot hold an empty folder: conda 24.7 and rattler 0.28 both refuse to link one."""


def text(path: str, content: str, mode: int = 0o644) -> File:
    """A UTF-8 file, relocated as text if it names the placeholder."""
    return File(path, content.encode(), mode, "text" if PLACEHOLDER in content else None)


@dataclass(frozen=True)
class Package:
    """One package. ``index`` adds to or overrides what ``info/index.json`` says."""

    name: str
    version: str = "1.0"
    build: str = "0"
    depends: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    noarch: Literal["generic", "python"] | None = None
    entry_points: tuple[str, ...] = ()
    platform: str = field(default_factory=native_subdir)
    index: Mapping[str, object] = field(default_factory=dict)

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else self.platform

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"


def write_package(channel: Path, package: Package) -> Path:
    """Write ``package`` as a ``.conda`` file into its folder of ``channel``, and say where that is."""
    for subdir in (package.subdir, "noarch"):  # a channel without noarch is none
        (channel / subdir).mkdir(parents=True, exist_ok=True)
    parts = {
        "metadata.json": _json({"conda_pkg_format_version": 2}),
        f"pkg-{package.stem}.tar.zst": _tar_zst(package.entries),
        f"info-{package.stem}.tar.zst": _tar_zst(_info(package)),
    }
    target = channel / package.subdir / f"{package.stem}.conda"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # dated 1980
    return target


def _info(package: Package) -> list[File]:
    """What installers and channel indexes read of a package."""
    paths = _paths(package.entries)
    with_prefix = [path for path in paths if "file_mode" in path]
    info = {
        "index.json": _json(_index(package)),
        "paths.json": _json({"paths": paths, "paths_version": 1}),
        "files": _lines(str(path["_path"]) for path in paths),
        "about.json": _json({"summary": "made by the demonstration of conda-pack"}),
    }
    if with_prefix:
        info["has_prefix"] = _lines(
            f'"{path["prefix_placeholder"]}" {path["file_mode"]} "{path["_path"]}"' for path in with_prefix
        )
    if package.noarch == "python":
        link = {"type": "python", "entry_points": list(package.entry_points)}
        info["link.json"] = _json({"noarch": link, "package_metadata_version": 1})
    return [File(f"info/{name}", content) for name, content in info.items()]


def _index(package: Package) -> dict[str, object]:
    index: dict[str, object] = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": 0,
        "depends": list(package.depends),
        "license": "BSD-3-Clause",
        "subdir": package.subdir,
        "timestamp": TIMESTAMP * 1000,
    }
    if package.noarch:
        index["noarch"] = package.noarch
    else:
        system, bits = package.platform.split("-")
        index |= {"platform": system, "arch": "x86_64" if bits == "64" else bits}
    return index | dict(package.index)


def _paths(entries: Iterable[Entry]) -> list[dict[str, object]]:
    by_path = {entry.path: entry for entry in entries}
    paths: list[dict[str, object]] = []
    for name in sorted(by_path):
        entry = by_path[name]
        content = _content(entry, by_path)
        path: dict[str, object] = {
            "_path": name,
            "path_type": "softlink" if isinstance(entry, Link) else "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
        }
        if isinstance(entry, File) and entry.file_mode:
            path |= {"prefix_placeholder": entry.placeholder, "file_mode": entry.file_mode}
        paths.append(path)
    return paths


def _content(entry: Entry | None, by_path: Mapping[str, Entry]) -> bytes:
    """A file's bytes; a link has those of the file it leads to, as conda-build records them."""
    while isinstance(entry, Link):
        entry = by_path.get(posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.target)))
    return entry.content if isinstance(entry, File) else b""


def _tar_zst(entries: Iterable[Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in sorted(entries, key=lambda entry: entry.path):
            member = tarfile.TarInfo(entry.path)
            member.mtime = TIMESTAMP
            if isinstance(entry, File):
                member.mode, member.size = entry.mode, len(entry.content)
                tar.addfile(member, io.BytesIO(entry.content))
            else:
                member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, entry.target
                tar.addfile(member)
    return zstd.compress(buffer.getvalue(), 3)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode()


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
