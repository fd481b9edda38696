"""What a dry run tells is what packing makes of real environments."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conda_pack.archives.formats import by_name
from conda_pack.archives.reader import ArchiveFile
from conda_pack.environment.read import read_environment
from conda_pack.plan.build import build
from conda_pack.plan.dereference import dereferenced
from conda_pack.previewing import preview
from conda_pack.results import Preview
from conda_pack.runtime.files import runtime_files
from conda_pack.segments.schema import Content
from tests.support.environments import MakeEnvironment, tree
from tests.support.packs import Packed, pack, unpack


def previewed(prefix: Path, *formats: str, level: int | None = None) -> Preview:
    environment = read_environment(str(prefix))
    plan = build(
        environment,
        runtime=runtime_files(environment.platform),
        ignore={finding.option for finding in environment.findings},
    )
    plans = {"zip": dereferenced(plan)}
    return preview(plan, (), [(by_name(name), plans.get(name, plan)) for name in formats], level, 2)


def content(archive: Path) -> Content:
    with ArchiveFile(str(archive)) as file:
        return file.index.content


def facts(told: Preview | Content) -> tuple[object, ...]:
    """What both know exactly."""
    packages = told.packages if isinstance(told, Preview) else len(told.packages)
    return told.platform, packages, told.files, told.longest_prefix, told.limited_by


def test_what_would_be_packed(full: Packed) -> None:
    """The counts and the longest prefix are the archive's, by whichever installer; the size nearly."""
    told, packed = previewed(full.prefix), content(full.gz)
    assert facts(packed) == facts(told)
    assert told.longest_prefix is not None
    assert packed.size == pytest.approx(told.size, rel=0.001)
    assert (told.excluded, told.excluded_size) == (0, 0)


def test_an_environment_that_was_unpacked(small: Packed, work: Path) -> None:
    """The same again of an environment that came out of an archive."""
    unpack(small.zst, work / "env")
    pack(work / "env", work / "again.tar.zst")
    told = previewed(work / "env")
    assert facts(content(work / "again.tar.zst")) == facts(told)
    assert previewed(small.prefix).longest_prefix == told.longest_prefix


def test_estimates(full: Packed) -> None:
    """Within 10 % of what the archives are."""
    told = previewed(full.prefix, "tar.gz", "tar.zst", level=1)
    assert [(each.format, each.level) for each in told.estimates] == [("tar.gz", 1), ("tar.zst", 1)]
    for archive, estimate in zip((full.gz, full.zst), told.estimates, strict=True):
        assert archive.stat().st_size == pytest.approx(estimate.size, rel=0.1)


@pytest.mark.skipif(not shutil.which("mksquashfs"), reason="no mksquashfs")
def test_estimate_of_squashfs(small_rattler: Packed, work: Path) -> None:
    """As above, of what mksquashfs makes."""
    pack(small_rattler.prefix, work / "env.squashfs")
    (estimate,) = previewed(small_rattler.prefix, "squashfs", level=1).estimates
    assert (work / "env.squashfs").stat().st_size == pytest.approx(estimate.size, rel=0.1)


@pytest.mark.parametrize("name", ["tar", "tar.xz", "tar.bz2", "zip", "sh"])
def test_estimates_of_other_formats(small_rattler: Packed, work: Path, name: str) -> None:
    """As above, of all that need no other tools."""
    archive = work / f"env.{name}"
    pack(small_rattler.prefix, archive)
    (estimate,) = previewed(small_rattler.prefix, name, level=1).estimates
    assert archive.stat().st_size == pytest.approx(estimate.size, rel=0.1)


def test_nothing_is_written(small_rattler: Packed) -> None:
    """The environment is as before, and nothing new lies beside it."""
    beside = sorted(small_rattler.prefix.parent.iterdir())
    before = tree(small_rattler.prefix)
    previewed(small_rattler.prefix, "tar.gz", "squashfs", "no-archive")
    assert before == tree(small_rattler.prefix)
    assert beside == sorted(small_rattler.prefix.parent.iterdir())


def test_a_changed_binary_limits_nothing(
    rattler_env: MakeEnvironment, small_rattler: Packed, work: Path
) -> None:
    """One that its owner has replaced by his own is optional, in the archive and in what is told before."""
    prefix = rattler_env(*small_rattler.specs)
    for path in previewed(prefix).limited_by:
        (prefix / path).write_bytes(b"\x7fELF\0" + bytes(prefix) + b"/lib\0")
    pack(prefix, work / "env.tar")
    told = previewed(prefix)
    assert facts(content(work / "env.tar")) == facts(told)
    assert previewed(small_rattler.prefix).limited_by != told.limited_by
