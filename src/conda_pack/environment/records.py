"""conda-meta files → records, in the differences of those who write them.

conda, mamba and rattler agree on the schema (CEP 34) and on little else: which
hashes an entry has, whose size it tells, what a noarch package's paths are
relative to. What they mean is settled here, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from conda_pack.errors import CorruptMetadata
from conda_pack.model import Claim, FileMode, JsonLayout, Record

_INDENT = re.compile(rb"\{\r?\n( +)")
# A link type of 2 is a soft link: the prefix holds links into the package cache (conda's LinkType)
_SOFT_LINK = 2


class _PathEntry(msgspec.Struct, gc=False):
    _path: str
    path_type: str = "hardlink"
    sha256: str | None = None
    sha256_in_prefix: str | None = None
    size_in_bytes: int | None = None
    prefix_placeholder: str | None = None
    file_mode: str | None = None


class _PathsData(msgspec.Struct):
    paths: list[_PathEntry] = []


class _Link(msgspec.Struct):
    source: str | None = None
    type: int | str | None = None


class _CondaMeta(msgspec.Struct):
    name: str
    version: str
    build: str
    subdir: str | None = None
    channel: str | None = None
    url: str | None = None
    md5: str | None = None
    sha256: str | None = None
    timestamp: float | None = None
    depends: list[str] | None = None
    noarch: str | bool | None = None
    files: list[str] | None = None
    paths_data: _PathsData | None = None
    link: _Link | None = None
    python_site_packages_path: str | None = None


_META = msgspec.json.Decoder(_CondaMeta)
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def parse_record(text: bytes, dist: str, source: str, site_packages: str | None = None) -> Record:
    """Understand one conda-meta file.

    ``dist`` is its file name without ``.json``, ``source`` its path for messages,
    ``site_packages`` the environment's, relative to the prefix, which the paths of
    noarch Python packages refer to. Raises CorruptMetadata.
    """
    meta, keys = _decode(text, source)
    timestamp = meta.timestamp or 0
    linked = meta.link is not None and meta.link.type in (_SOFT_LINK, "softlink")
    return Record(
        dist=dist,
        name=meta.name,
        version=meta.version,
        build=meta.build,
        subdir=meta.subdir or "",
        channel=meta.channel or "",
        url=meta.url or "",
        md5=meta.md5,
        sha256=meta.sha256,
        # milliseconds since conda-build 3.2, seconds before
        timestamp=int(timestamp / 1000 if timestamp > 253402300799 else timestamp),
        depends=tuple(meta.depends or ()),
        installer=_installer(keys),
        linked_from=meta.link.source if linked and meta.link is not None else None,
        claims=tuple(_claims(meta, site_packages, source)),
        text=text,
        layout=_layout(text),
    )


def parse_site_packages(text: bytes, source: str) -> str:
    """The site-packages folder, relative to the prefix, that a Python package's record tells."""
    meta, _ = _decode(text, source)
    if meta.python_site_packages_path:
        return meta.python_site_packages_path
    if (meta.subdir or "").startswith("win-"):
        return "Lib/site-packages"
    return f"lib/python{'.'.join(meta.version.split('.')[:2])}/site-packages"


def _decode(text: bytes, source: str) -> tuple[_CondaMeta, list[str]]:
    """The record, and its keys in their order."""
    try:
        return _META.decode(text), list(_KEYS.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptMetadata(
            f"{source} is no package record: {error}. Reinstall that package, or restore the file."
        ) from error


def _installer(keys: list[str]) -> Literal["conda", "rattler"]:
    """Who wrote it: conda and mamba sort the keys, rattler keeps the order of its structures."""
    return "conda" if keys == sorted(keys) else "rattler"


def _layout(text: bytes) -> JsonLayout:
    match = _INDENT.match(text)
    stripped = text.rstrip()
    return JsonLayout(
        indent=len(match[1]) if match else 2,
        ascii=text.isascii(),
        end=text[len(stripped) :].decode(),
    )


def _claims(meta: _CondaMeta, site_packages: str | None, source: str) -> Iterator[Claim]:
    files = set(meta.files or ())
    seen = set()
    entries = meta.paths_data.paths if meta.paths_data is not None else []
    for index, entry in enumerate(entries):
        path = entry._path
        if meta.noarch == "python" and path not in files:
            path = _installed_path(path, site_packages)
        _check_inside(path, f"paths_data.paths[{index}]._path", source)
        if path in seen:
            continue
        seen.add(path)
        yield Claim(
            path=path,
            index=index,
            path_type=entry.path_type,
            sha256=entry.sha256 or None,
            sha256_in_prefix=entry.sha256_in_prefix or None,
            size=entry.size_in_bytes,
            placeholder=entry.prefix_placeholder or None,
            file_mode=_file_mode(entry, source, index),
        )
    for index, path in enumerate(meta.files or ()):
        if path not in seen:
            _check_inside(path, f"files[{index}]", source)
            seen.add(path)
            yield Claim(path=path, index=-1, path_type="hardlink")


def _check_inside(path: str, field: str, source: str) -> None:
    if path.startswith("/") or (".." in path and ".." in path.split("/")):
        raise CorruptMetadata(f"{source}: the field {field} is {path!r}, which leaves the prefix.")


def _file_mode(entry: _PathEntry, source: str, index: int) -> FileMode | None:
    if entry.prefix_placeholder is None:
        return None
    # CEP 34: text unless it says otherwise
    if entry.file_mode in (None, "text"):
        return "text"
    if entry.file_mode == "binary":
        return "binary"
    raise CorruptMetadata(
        f"{source}: the field paths_data.paths[{index}].file_mode is {entry.file_mode!r}, "
        "neither text nor binary."
    )


def _installed_path(path: str, site_packages: str | None) -> str:
    """Where conda puts a noarch Python package's file, whose record keeps the package's own path."""
    if path.startswith("site-packages/") and site_packages is not None:
        return site_packages + path[len("site-packages") :]
    if path.startswith("python-scripts/"):
        scripts = "Scripts" if site_packages == "Lib/site-packages" else "bin"
        return scripts + path[len("python-scripts") :]
    return path
