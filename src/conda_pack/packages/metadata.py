"""What a package says of itself: the files of its folder ``info``. Pure.

Source: CEP 34 (index.json, paths.json, about.json, has_prefix, files, link.json) and what conda-build writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conda_pack.model import FileMode
from conda_pack.packages.recipe import Recipe

#: What index.json calls the machine of a platform, where conda's name of the platform does not end with it.
_ARCHITECTURES = {"64": "x86_64", "32": "x86"}


@dataclass(frozen=True, slots=True)
class PackagedPath:
    """One path in a package.

    ``source`` is its path in the environment, another one in noarch packages; ``sha256`` and ``size`` are of
    the bytes in the package, or of the file that a link leads to. ``mtime`` is in seconds. Unless it
    ``is_whole`` it is too large to be held in memory, and goes in as it is.
    """

    path: str
    source: str
    mode: int
    mtime: int
    size: int
    sha256: str
    target: str | None = None
    placeholder: str | None = None
    file_mode: FileMode | None = None
    is_whole: bool = True


def info_files(
    recipe: Recipe, paths: Sequence[PackagedPath], entry_points: Sequence[str] = ()
) -> dict[str, bytes]:
    """Name in ``info/`` → its bytes. ``entry_points`` are those that installers make, of noarch packages."""
    relocated = [path for path in paths if path.placeholder is not None]
    info = {
        "about.json": _json(_about(recipe)),
        "files": _lines(path.path for path in paths),
        "index.json": _json(_index(recipe)),
        "paths.json": _json({"paths": [_path(path) for path in paths], "paths_version": 1}),
    }
    if relocated:
        info["has_prefix"] = _lines(
            f'"{path.placeholder}" {path.file_mode} "{path.path}"' for path in relocated
        )
    if recipe.noarch is not None:
        noarch: dict[str, Any] = {"type": recipe.noarch}
        if recipe.noarch == "python":
            noarch["entry_points"] = list(entry_points)
        info["link.json"] = _json({"noarch": noarch, "package_metadata_version": 1})
    return dict(sorted(info.items()))


def _index(recipe: Recipe) -> dict[str, Any]:
    index: dict[str, Any] = {
        "build": recipe.build,
        "build_number": recipe.build_number,
        "depends": list(recipe.depends),
        "name": recipe.name,
        "subdir": recipe.subdir,
        "timestamp": recipe.timestamp * 1000,
        "version": recipe.version,
    }
    if recipe.license:
        index["license"] = recipe.license
    if recipe.noarch is not None:
        return {**index, "noarch": recipe.noarch}
    system, _, machine = recipe.subdir.partition("-")
    return {**index, "platform": system, "arch": _ARCHITECTURES.get(machine, machine)}


def _about(recipe: Recipe) -> dict[str, Any]:
    about = {"summary": recipe.summary, "license": recipe.license}
    return {key: value for key, value in about.items() if value}


def _path(path: PackagedPath) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "_path": path.path,
        "path_type": "hardlink" if path.target is None else "softlink",
        "sha256": path.sha256,
        "size_in_bytes": path.size,
    }
    if path.placeholder is not None:
        entry |= {"file_mode": path.file_mode, "prefix_placeholder": path.placeholder}
    return entry


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _lines(lines: Any) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
