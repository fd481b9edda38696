"""Estimates of archives' sizes, and the stream that they are of."""

from __future__ import annotations

import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from conda_pack.archives.formats import FORMATS, Format, by_name
from conda_pack.estimating import _Stream, _Whole, estimates
from conda_pack.model import Blob, Claim, DiskFile, Environment, Plan, Platform
from conda_pack.plan.build import build
from conda_pack.segments.codecs import CODECS
from tests.support.records import record

CONTENTS = {
    "a/empty": b"",
    "a/text": b"The prefix is the truth.\n" * 9000,
    "a/" + "long" * 40: os.urandom(70_000),
    "b/odd": b"x" * 513,
    "b/same": b"x" * 513,
    "naïve": b"name",
}


@pytest.fixture
def plan(work: Path) -> Plan:
    """Of a small environment on disk, with a link and a record."""
    files = {}
    for path, content in CONTENTS.items():
        (work / path).parent.mkdir(exist_ok=True)
        (work / path).write_bytes(content)
        files[path] = DiskFile(path, "file", 0o644, len(content), 0)
    files["link"] = DiskFile("link", "link", 0o777, 0, 0, "a/text")
    claims = [Claim(path, 0, "hardlink", sha256="1" * 64) for path in ("b/odd", "b/same")]
    environment = Environment(
        prefix=str(work),
        prefixes=(os.fsencode(work),),
        platform=Platform("linux-64"),
        site_packages=None,
        records=(record("p", *claims, text=b"{}\n"),),
        files=dict(sorted(files.items())),
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )
    return build(environment, runtime=(Blob("bin/run", 0o755, b"#!/bin/sh\n"),), arcroot="root")


def of_all(plan: Plan) -> list[tuple[Format, Plan]]:
    return [(format_, plan) for format_ in FORMATS]


def whole(stream: _Stream, step: int) -> bytes:
    pieces = (stream.piece(start, start + step) for start in range(0, stream.size, step))
    return b"".join(piece.stream for piece in pieces)


@pytest.mark.parametrize("step", [1, 511, 512, 513, 70_000, 1 << 20])
def test_the_stream_in_pieces(plan: Plan, step: int) -> None:
    """Cut anywhere it is the same tar, with all files as they are."""
    stream = _Stream(plan)
    if step == 1:  # slow: only around the headers
        joined = b"".join(stream.piece(start, start + 1).stream for start in range(4096))
        assert whole(stream, 512)[:4096] == joined
        return
    data = whole(stream, step)
    assert stream.size == len(data)
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1024))) as archive:
        members = {member.name: member for member in archive}
        read = {
            name.removeprefix("root/"): file.read()
            for name, member in members.items()
            if (file := archive.extractfile(member)) is not None and member.isfile()
        }
    made = {"bin/run": b"#!/bin/sh\n", "conda-meta/p-1-0.json": b"{}\n"}
    assert {**CONTENTS, **made} == read
    assert members["root/link"].linkname == "a/text"
    assert (stream.files, stream.contents, stream.repeated) == (
        len(members),
        sum(map(len, read.values())),
        513,
    )


@pytest.mark.parametrize("codec", ["gzip", "zstd", "bzip2", "xz"])
def test_of_a_small_stream_all_is_compressed(plan: Plan, codec: str) -> None:
    """Where one piece holds all, its size is no estimate."""
    stream = _Stream(plan)
    with ThreadPoolExecutor(1) as pool:
        size = _Whole(stream, pool).compressed(codec, 6)
    assert len(CODECS[codec].compress(whole(stream, 1 << 20), 6).data) == pytest.approx(size)


def test_the_number_of_threads_changes_nothing(plan: Plan) -> None:
    """The same estimates by one and by five."""
    assert estimates(of_all(plan), None, 1) == estimates(of_all(plan), None, 5)


def test_a_file_that_is_gone_does_no_harm(plan: Plan, work: Path) -> None:
    """It is packing that tells of it."""
    before = estimates(of_all(plan), None, 1)
    (work / "a/text").unlink()
    after = estimates(of_all(plan), None, 1)
    assert [each.format for each in before] == [each.format for each in after]


def test_each_format_by_its_own_plan(plan: Plan) -> None:
    """Plans differ: nothing of one is taken for the other."""
    smaller = replace(plan, parts=plan.parts[:1])
    both = estimates([(by_name("zip"), smaller), (by_name("tar.gz"), plan)], None, 1)
    alone = estimates([(by_name("zip"), smaller)], None, 1) + estimates([(by_name("tar.gz"), plan)], None, 1)
    assert alone == both
    assert alone[0].size < alone[1].size


@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [
        ("tar.gz", None, 4),
        ("tar.gz", 9, 9),
        ("tar.gz", 19, 4),
        ("tar.zst", 19, 19),
        ("tar", 3, None),
        ("squashfs", 0, 0),
        ("squashfs", 9, 9),
        ("zip", 0, 0),
    ],
)
def test_levels(plan: Plan, name: str, level: int | None, expected: int | None) -> None:
    """The one asked for, if the format has it."""
    (estimate,) = estimates([(by_name(name), plan)], level, 1)
    assert (name, expected) == (estimate.format, estimate.level)
