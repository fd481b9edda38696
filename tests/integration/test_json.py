"""``--json``: one object of the documented shape on standard output, and nothing else there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from conda_pack import errors
from conda_pack.archives.formats import FORMATS
from conda_pack.results import Estimate, Failed, Packed, Preview, Unpacked
from tests.support.archives import Watched, index_of, pack, small_environment
from tests.support.channels import REPO
from tests.support.packs import Done, conda_pack
from tests.support.trees import tree

Result = TypeVar("Result", bound=msgspec.Struct)
RESULTS = (Packed, Estimate, Preview, Unpacked, Failed)


@pytest.fixture
def env(work: Path) -> Path:
    return small_environment(work / "env")


def told(done: Done, kind: type[Result], code: int = 0) -> Result:
    """The object: it has all fields of its kind in their order, and nothing follows it."""
    assert done.code == code, done.err
    document = json.loads(done.out)
    assert done.out.startswith("{\n")
    assert done.out.endswith("}\n")
    assert list(document) == list(kind.__struct_fields__)
    result = msgspec.json.decode(done.out, type=kind, strict=True)
    assert msgspec.to_builtins(result) == document
    return result


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_pack(kind: Any, env: Path, work: Path) -> None:
    """What was made, by the archive's own index."""
    options = ["--format", kind.name, "--force"]
    path = work / f"it.{kind.name}"
    done = conda_pack("-p", env, "-o", path, "--json", *options)
    packed = told(done, Packed)
    content = index_of(pack(env, work / "x.tar")).content
    assert (packed.path, packed.format, packed.platform) == (str(path), kind.name, "linux-64")
    assert packed.archive_size == (None if kind.name == "no-archive" else path.stat().st_size)
    assert (packed.packages, packed.longest_prefix) == (1, content.longest_prefix)
    if kind.name not in ("parcel", "zip"):
        assert (packed.files, packed.size) == (content.files, content.size)
        assert packed.identity == index_of(work / "x.tar").identity
    assert len(packed.identity) == 64
    is_parcel = kind.name == "parcel"
    assert (packed.prefix or "").startswith("/opt/cloudera/parcels/env-" if is_parcel else "")
    assert (packed.prefix is None) == (not is_parcel)
    assert packed.warnings == []
    assert done.err == ""


def test_pack_for_one_place(env: Path, work: Path) -> None:
    packed = told(conda_pack("-p", env, "-o", work / "x.tar", "--json", "-d", "/opt/there"), Packed)
    assert packed.prefix == "/opt/there"


def test_warnings_are_in_both(env: Path, work: Path) -> None:
    """In the object, and on standard error as ever; quiet or not."""
    (env / "lib/plain.txt").write_text("changed")
    os.mkfifo(env / "own/fifo")
    for options in ([], ["--quiet"]):
        done = conda_pack("-p", env, "-o", work / "x.tar", "-f", "--json", *options)
        first, second = told(done, Packed).warnings
        assert "own/fifo" in first
        assert "lib/plain.txt" in second
        assert done.err.count("warning: ") == 2
        assert first in done.err


def test_slim_tells_elsewhere(env: Path, work: Path) -> None:
    """What presets leave out is for people."""
    done = conda_pack("-p", env, "-o", work / "x.tar", "--json", "--slim", "static")
    told(done, Packed)
    assert "static" in done.err


def test_unpack(env: Path, work: Path) -> None:
    """By file, through a pipe, and of a zip."""
    packed = told(conda_pack("-p", env, "-o", work / "x.tar.gz", "--json"), Packed)
    places = {
        "file": conda_pack("unpack", work / "x.tar.gz", "file", "--json", cwd=work),
        "pipe": conda_pack("unpack", "-", work / "pipe", "--json", stdin=work / "x.tar.gz"),
        "zip": conda_pack("unpack", pack(env, work / "x.zip", zip_symlinks=True), work / "zip", "--json"),
    }
    for name, done in places.items():
        unpacked = told(done, Unpacked)
        assert unpacked == Unpacked(
            str(work / name), packed.identity, "linux-64", 1, packed.files, packed.size, []
        )
        assert done.err == ""
        assert (work / name / "etc/tool.conf").read_text() == f"prefix={work / name}\n"


def test_unpack_with_a_warning(env: Path, work: Path) -> None:
    pack(env, work / "x.tar", dest_prefix="/opt/there")
    done = conda_pack("unpack", work / "x.tar", work / "here", "--json")
    (warning,) = told(done, Unpacked).warnings
    assert "/opt/there" in warning
    assert done.err == f"warning: {warning}\n"


def test_dry_run(env: Path, work: Path) -> None:
    """What would be packed, about how large in every format; nothing is written."""
    (env / "lib/plain.txt").chmod(0o600)
    os.mkfifo(env / "own/fifo")
    watched = Watched.start(work)
    options = ["--exclude", "own/note.txt", "--compress-level", "6"]
    done = conda_pack("-p", env, "--dry-run", "--json", *options, cwd=work)
    assert watched.changes() == []
    preview = told(done, Preview)
    content = index_of(pack(env, work / "x.tar", filters=[("exclude", "own/note.txt")])).content
    assert (preview.environment, preview.platform) == (str(env), "linux-64")
    assert (preview.packages, preview.files) == (1, content.files)
    assert (preview.excluded, preview.excluded_size) == (1, (env / "own/note.txt").stat().st_size)
    assert (preview.longest_prefix, preview.limited_by) == (content.longest_prefix, content.limited_by)
    assert preview.errors == []
    assert ["own/fifo" in warning for warning in preview.warnings] == [True]
    levels = {estimate.format: estimate.level for estimate in preview.estimates}
    assert set(levels) == {kind.name for kind in FORMATS}
    for kind in FORMATS:
        asked = 6 if 6 in kind.levels else kind.default_level
        assert levels[kind.name] == (asked if kind.levels else None)
    assert min(estimate.size for estimate in preview.estimates) > 0


def test_dry_run_of_what_would_stop(env: Path, work: Path) -> None:
    """The object tells it, and so does the exit code."""
    (env / "lib/plain.txt").unlink()
    before = tree(work)
    preview = told(conda_pack("-p", env, "--dry-run", "--json", cwd=work), Preview, code=6)
    (error,) = preview.errors
    assert "lib/plain.txt" in error
    assert "--ignore-missing-files" in error
    ignoring = conda_pack("-p", env, "--dry-run", "--json", "--ignore-missing-files", cwd=work)
    preview = told(ignoring, Preview)
    assert preview.errors == []
    assert any("lib/plain.txt" in warning for warning in preview.warnings)
    assert tree(work) == before


FAILURES: dict[str, tuple[list[str], str, int]] = {
    "usage": (["-p", "env", "--zstd", "--format", "zip"], "UsageError", 2),
    "contents and JSON": (["-p", "env", "-o", "-"], "UsageError", 2),
    "no environment": (["-n", "nobody"], "EnvironmentNotFound", 3),
    "output exists": (["-p", "env", "-o", "there.tar"], "OutputExists", 4),
    "no folder": (["-p", "env", "-o", "no/where.tar"], "FolderMissing", 5),
    "findings": (["-p", "broken", "-o", "x.tar"], "EnvironmentFindings", 6),
    "no archive": (["unpack", "nothing.tar", "dest"], "CondaPackException", 1),
    "damaged": (["unpack", "there.tar", "dest"], "DamagedArchive", 10),
    "dry": (["-p", "env", "--dry-run", "--platform", "osx-64"], "UsageError", 2),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str, env: Path, work: Path) -> None:
    """The kind, the message as on standard error, and the exit code."""
    arguments, kind, code = FAILURES[name]
    (work / "there.tar").write_bytes(b"something else")
    (small_environment(work / "broken") / "lib/plain.txt").unlink()
    done = conda_pack(*arguments, "--json", cwd=work)
    failed = told(done, Failed, code)
    assert (failed.error, failed.exit_code) == (kind, code)
    assert f"conda-pack: error: {failed.message}\n" in done.err
    assert getattr(errors, failed.error).exit_code == code


# -------------------------------------------------------------------- the schema


@pytest.mark.parametrize("kind", RESULTS)
def test_the_page_has_every_kind(kind: type[msgspec.Struct]) -> None:
    """Each is told of, and each of its fields has a schema."""
    page = (REPO / "docs/json.md").read_text("utf-8")
    assert f"conda_pack.results.{kind.__name__}\n" in page
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    assert list(schema["properties"]) == list(kind.__struct_fields__)


def test_exit_codes_are_on_their_page() -> None:
    page = (REPO / "docs/packing.md").read_text("utf-8")
    codes = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    assert {code for code in codes if f"\n| {code} | " not in page} == set()
    assert len(codes) > 10
