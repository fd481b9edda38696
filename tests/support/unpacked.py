"""An unpacked environment, made here byte by byte: quickly, and with the prefix in every kind of file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conda_pack.model import Platform
from conda_pack.relocation.restore import describe
from conda_pack.relocation.scripts import trampoline
from conda_pack.runtime.files import runtime_files
from conda_pack.runtime.folder import INDEX
from conda_pack.runtime.rules import dump_json, splice, stored_edits, target_edits

LIMIT = 127
PH = b"/ph" + b"_placehold" * 25
UNPACKER = next(blob for blob in runtime_files(Platform("linux-64")) if blob.path == "bin/conda-unpack")

DIST = "tool-1.0-0"
CONDA_META = f"conda-meta/{DIST}.json"
LAYOUT = {"indent": 2, "ascii": True, "end": "\n"}
FILES: dict[str, tuple[bytes, str, int]] = {
    "bin/tool": (b"#!%b/bin/python -s\nimport sys\nprint(sys.argv)\n" % PH, "text", 0o755),
    "bin/run": (b"#!/bin/sh\nexec %b/bin/tool\n" % PH, "text", 0o755),
    "etc/tool.conf": (b"a=%b/x\nb=%b\n" % (PH, PH), "text", 0o640),
    "lib/libtool.so": (b"\x7fELF\0" + PH + b"/lib:" + PH + b"/bin\0tail\0", "binary", 0o755),
    "share/native.txt": (b"nothing to see\n", "none", 0o644),
}
USERS = {"etc/user.conf": (b"mine=%b/data\n" % PH, "text", 0o600)}


def file_entry(path: str, pristine: bytes, mode: str) -> tuple[dict[str, Any], bytes]:
    """An entry of a pack record, and the stored bytes."""
    fields: dict[str, Any] = {}
    if mode in ("text", "binary"):
        described = describe(pristine, PH.decode(), "text" if mode == "text" else "binary", "conda", LIMIT)
        assert described is not None
        fields = described
        lines = trampoline(path, pristine, PH, "bin")
        if lines is not None:
            fields["trampoline"] = lines.decode()
    stored = b"".join(splice(pristine, stored_edits(fields)))
    return {"path": path, **stored_fields(stored), **fields}, stored


def stored_fields(stored: bytes) -> dict[str, Any]:
    return {"size": len(stored), "sha256": hashlib.sha256(stored).hexdigest()}


def installed_at(prefix: Path, path: str) -> bytes:
    pristine, mode, _ = (FILES | USERS)[path]
    entry, _ = file_entry(path, pristine, mode)
    if "offsets" not in entry:
        return pristine
    return b"".join(splice(pristine, target_edits(entry, os.fsencode(prefix), LIMIT)))


def put(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def unpacked(prefix: Path, more: Mapping[str, tuple[bytes, str, int]] = {}) -> Path:
    """Make the tree that an archive of one package holds, as tar would unpack it, with ``more`` files."""
    items = []
    for dist, files in ((DIST, {**FILES, **more}), ("", USERS)):
        entries: list[dict[str, Any]] = []
        paths: list[dict[str, Any]] = []
        for path, (pristine, kind, mode) in sorted(files.items()):
            entry, stored = file_entry(path, pristine, kind)
            put(prefix / path, stored, mode)
            digest, sha256 = hashlib.sha256(pristine).hexdigest(), entry["sha256"]
            if dist and "offsets" in entry:
                entry["conda_meta"] = {"index": len(paths), "fields": ["sha256_in_prefix", "size_in_bytes"]}
            paths.append(
                {"_path": path, "sha256": digest, "sha256_in_prefix": sha256, "size_in_bytes": len(stored)}
            )
            entries.append(entry | {"mode": mode})
        prefixes = sum("offsets" in entry for entry in entries)
        if dist:
            document = {"name": "tool", "paths_data": {"paths": paths, "paths_version": 1}}
            put(prefix / CONDA_META, dump_json(document, LAYOUT))
            entries.append({"path": CONDA_META, **stored_fields((prefix / CONDA_META).read_bytes())})
        items.append(_write_record(prefix, dist, entries) | {"prefixes": prefixes})
    put(prefix / UNPACKER.path, UNPACKER.data, UNPACKER.mode)
    content = {
        "format": 1,
        "platform": "linux-64",
        "longest_prefix": len(PH),
        "limited_by": ["lib/libtool.so"],
        "runtime": [{"path": UNPACKER.path, "mode": UNPACKER.mode, **stored_fields(UNPACKER.data)}],
        "packages": items[:1],
        "unmanaged": {field: items[1][field] for field in ("record", "record_sha256", "prefixes")},
    }
    identity = hashlib.sha256(compact(content)).hexdigest()
    put(prefix / INDEX, compact({"conda_pack": 1, "identity": identity, "content": content}))
    return prefix


def _write_record(prefix: Path, dist: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a pack record; returns what the index says of it."""
    data = compact(
        {
            "pack_record": 1,
            "name": dist.partition("-")[0],
            "dist": dist,
            "json_layout": LAYOUT if dist else None,
            "files": entries,
            "excluded": [],
        }
    )
    record = f"conda-meta/conda-pack/{dist or 'unmanaged'}.json"
    put(prefix / record, data)
    return {"dist": dist, "record": record, "record_sha256": hashlib.sha256(data).hexdigest()}


def compact(document: dict[str, Any]) -> bytes:
    """JSON as msgspec writes it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
