"""The signatures of an environment for macOS: made anew where a prefix was written into a program."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator

from conda_pack.archives.inventory import STATE_PATH
from conda_pack.archives.reader import check_record
from conda_pack.archives.settle import relocated_document
from conda_pack.archives.writing import Folder
from conda_pack.errors import WriteFailed
from conda_pack.model import Finding, Severity
from conda_pack.progress import Reporter
from conda_pack.runtime.folder import state_text
from conda_pack.runtime.macho import TOOL, SigningFailed, sign
from conda_pack.segments.schema import Content, FileEntry, PackageItem, PackRecord, UnmanagedItem


def sign_files(folder: Folder, content: Content, prefix: str, reporter: Reporter) -> None:
    """Sign the files of a complete folder, just relocated to ``prefix``, that have to be; elsewhere than on
    macOS tell which they are.

    conda-meta and the state get to know what the files have become. Raises WriteFailed.
    """
    if not content.platform.startswith("osx-"):
        return
    to_sign = {
        record.dist: (record, files)
        for record in _records(folder, content)
        if (files := [file for file in record.files if file.sign])
    }
    paths = sorted(file.path for _, files in to_sign.values() for file in files)
    if not paths:
        return
    if shutil.which(TOOL) is None:
        message = (
            f"{len(paths)} files hold the prefix and have to be signed before macOS runs them, for which "
            f"{TOOL} is needed. Run bin/conda-unpack there."
        )
        reporter.warn(Finding(Severity.WARNING, message, tuple(paths)).text())
        return
    try:
        sign([folder.path(path) for path in paths], TOOL)
    except SigningFailed as error:
        raise WriteFailed(f"The files that hold the prefix cannot be signed: {error}.") from error
    installed = {path: _hashed(folder, path) for path in paths}
    for dist, (record, files) in to_sign.items():
        if dist and any(file.conda_meta for file in files):
            _update(folder, record, files, installed)
    state = {"prefix": prefix, "signed": sorted({digest for digest, _ in installed.values()})}
    folder.replace(STATE_PATH, state_text(state), 0o644)


def _records(folder: Folder, content: Content) -> Iterator[PackRecord]:
    items: list[PackageItem | UnmanagedItem] = [*content.packages, content.unmanaged]
    for item in items:
        if item.prefixes:
            with open(folder.path(item.record), "rb") as file:
                yield check_record(file.read(), item)


def _hashed(folder: Folder, path: str) -> tuple[str, int]:
    with open(folder.path(path), "rb") as file:
        data = file.read()
    return hashlib.sha256(data).hexdigest(), len(data)


def _update(
    folder: Folder, record: PackRecord, files: list[FileEntry], installed: dict[str, tuple[str, int]]
) -> None:
    path = f"conda-meta/{record.dist}.json"
    mode = next(file.mode for file in record.files if file.path == path)
    with open(folder.path(path), "rb") as file:
        text = file.read()
    changed = PackRecord(
        record.pack_record, record.name, record.dist, record.json_layout, files, record.excluded
    )
    folder.replace(path, relocated_document(changed, text, installed), mode)
