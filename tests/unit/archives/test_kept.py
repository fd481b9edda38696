"""Files of no package that have no room for a longer prefix: they keep the old one, and that is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.archives import conda_pack, pack, small_environment


@pytest.mark.parametrize("way", ["file", "stream"])
@pytest.mark.parametrize("longer", [0, 40])
def test_a_binary_without_room_is_named(work: Path, way: str, longer: int) -> None:
    """At an equally long prefix it is relocated and nothing is said; at a longer one it is named and kept."""
    source = small_environment(work / "short-environment")
    old = os.fsencode(source)
    (source / "own" / "tool").write_bytes(b"\x7fELF\0" + old + b"/lib\0end")
    archive = pack(source, work / "x.tar.zst")
    dest = work / ("another-one-here!" + "x" * longer)
    stdin = archive.read_bytes() if way == "stream" else None
    done = conda_pack("unpack", "-" if stdin else archive, dest, stdin=stdin)
    assert (0, bool(longer)) == (done.returncode, "own/tool" in done.stderr), done.stderr
    expected = old if longer else os.fsencode(dest)
    assert b"\x7fELF\0" + expected + b"/lib\0end" == (dest / "own" / "tool").read_bytes()
