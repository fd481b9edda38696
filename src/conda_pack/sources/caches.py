"""Where packages are kept on this machine, so that they are fetched once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping


def rattler_homes(environ: Mapping[str, str], home: str) -> list[str]:
    """Where rattler and pixi may keep what they fetched; the first one is the likeliest."""
    if given := environ.get("RATTLER_CACHE_DIR"):
        return [given]
    folders = [
        environ.get("XDG_CACHE_HOME", ""),
        os.path.join(home, ".cache"),
        os.path.join(home, "Library", "Caches"),
        environ.get("LOCALAPPDATA", ""),
    ]
    homes = [os.path.join(folder, "rattler", "cache") for folder in folders if folder]
    return sorted(homes, key=lambda path: not os.path.isdir(path))


def conda_caches(
    environ: Mapping[str, str], home: str, pkgs_dirs: Iterable[str], roots: Iterable[str]
) -> list[str]:
    """The folders that conda keeps package files in, those that exist (conda's ``context.pkgs_dirs``)."""
    named = [*environ.get("CONDA_PKGS_DIRS", "").replace(",", os.pathsep).split(os.pathsep), *pkgs_dirs]
    folders = [os.path.expanduser(path.strip()) for path in named if path.strip()]
    if not folders:
        folders = [os.path.join(root, "pkgs") for root in roots]
        folders.append(os.path.join(home, ".conda", "pkgs"))
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def workshop(environ: Mapping[str, str], home: str) -> str | None:
    """A folder for environments that are made only to be packed; None: where temporary files go.

    On the disk of the package cache, because files of packages are then links to there, and cost no space.
    """
    if environ.get("TMPDIR"):
        return None
    folder = rattler_homes(environ, home)[0]
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
