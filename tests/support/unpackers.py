"""bin/conda-unpack with and without a Python, on environments that were made here byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conda_pack.runtime.folder import INDEX
from tests.support.trees import Tree, tree
from tests.support.unpacked import PH, compact, unpacked

MORE = {
    "bin/perl's": (b"#!%b/bin/perl -w\nprint\n" % PH, "text", 0o500),
    "etc/no end": (b"%b" % PH, "text", 0o444),
    "etc/naïve ☃": (b"#! %b/bin/python\n%b:%b\xff\n" % (PH, PH, PH), "text", 0o644),
    "lib/many.bin": (
        b"\n\0\n" + b"".join(b"%d %b:%b/x\0\n\0" % (i, PH, PH) for i in range(4)),
        "binary",
        0o644,
    ),
    "lib/far.bin": (bytes(3 << 20) + b"end " + PH + b"\0" + bytes(2 << 20), "binary", 0o644),
}
"""What is hard to relocate without Python."""


class Said(NamedTuple):
    """How a run of bin/conda-unpack ended."""

    code: int
    out: str
    err: str


def run(
    prefix: Path,
    *arguments: str,
    path: str,
    shell: Sequence[str] = ("/bin/sh",),
    cwd: Path | None = None,
    environ: Mapping[str, str] = {},
) -> Said:
    """``bin/conda-unpack``, with nothing but ``environ`` in its environment and ``path`` on PATH."""
    done = subprocess.run(
        [*shell, str(prefix / "bin/conda-unpack"), *arguments],
        env={"PATH": path, **environ},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Said(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))


def by_python(place: Path) -> Tree:
    """What Python makes of the same files, at the same place."""
    unpacked(place, MORE)
    subprocess.run([sys.executable, "-I", "-B", place / "bin/conda-unpack", "-q"], check=True)
    nodes = tree(place)
    shutil.rmtree(place)
    return nodes


def record_more(prefix: Path, dist: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Add entries to a pack record, and tell the index."""
    path = prefix / f"conda-meta/conda-pack/{dist}.json"
    record = json.loads(path.read_bytes())
    record["files"] = sorted([*record["files"], *entries], key=lambda entry: entry["path"])
    path.write_bytes(compact(record))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def told(content: dict[str, Any]) -> None:
        for item in [*content["packages"], content["unmanaged"]]:
            if item["record"].endswith(f"/{dist}.json"):
                item["record_sha256"] = digest

    change_index(prefix, told)


def change_index(prefix: Path, change: Any) -> None:
    """``change`` the content of the index, and its identity accordingly."""
    index = json.loads((prefix / INDEX).read_bytes())
    change(index["content"])
    index["identity"] = hashlib.sha256(compact(index["content"])).hexdigest()
    (prefix / INDEX).write_bytes(compact(index))
