"""The same content gives the same bytes, wherever, whenever and however it is packed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from conda_pack.segments.schema import Index
from tests.support.archives import (
    FORMATS,
    QUICK_FORMATS,
    conda_pack,
    index_of,
    pack,
    package_segments,
    rich_channel,
    rich_environment,
    rich_pack,
    sha256,
    small_environment,
)
from tests.support.environments import LocalChannel, RealConda, rattler_install, tree

CIRCUMSTANCES: dict[str, tuple[int, int, Mapping[str, str]]] = {
    "one thread": (1, 0o022, {}),
    "two threads, nothing masked": (2, 0o000, {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "1"}),
    "many threads, all masked": (7, 0o077, {"TZ": "EST5EDT", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "77"}),
}
"""Name → threads, umask and variables of a run."""


@pytest.mark.parametrize("suffix", FORMATS)
def test_circumstances_leave_no_trace(
    suffix: str, demo_channel: LocalChannel, work_root: Path, work: Path
) -> None:
    """Neither threads nor umask, time zone, locale, home nor hash seed show in an archive."""
    is_quick = suffix in QUICK_FORMATS
    prefix = rich_environment(demo_channel, work_root) if is_quick else small_environment(work / "env")
    digests, identities = {}, set()
    for number, (name, (threads, umask, variables)) in enumerate(CIRCUMSTANCES.items()):
        home = work / f"home {number}"
        home.mkdir()
        output = work / f"{number}.{suffix}"
        done = conda_pack(
            *("-p", prefix, "-o", output, "-j", str(threads)),
            env={**variables, "HOME": str(home)},
            cwd=home,
            before=lambda umask=umask: _set_umask(umask),  # type: ignore[misc]
        )
        assert (done.returncode, done.stderr) == (0, ""), name
        digests[name] = sha256(output)
        identities.add(index_of(output).identity)
        output.unlink()
    assert len(set(digests.values())) == 1, digests
    other = rich_pack(demo_channel, work_root, "tar.zst") if is_quick else pack(prefix, work / "x.tar.zst")
    assert identities == {index_of(other).identity}  # whatever the format


def _set_umask(umask: int) -> None:
    os.umask(umask)


@pytest.mark.parametrize("options", [{}, {"arcroot": "root"}, {"dest_prefix": "/opt/x"}], ids=str)
def test_identity_is_of_the_content(options: dict[str, str], work: Path) -> None:
    """A pack's identity is the same in every format and at every level: that of what is in it."""
    prefix = small_environment(work / "env")
    levels: dict[str, tuple[int | None, ...]] = {"tar": (None,), "tar.gz": (0, 1), "tar.zst": (-7, 1, 3)}
    identities, digests = set(), set()
    for suffix, all_levels in levels.items():
        for level in all_levels:
            archive = pack(prefix, work / f"{level}.{suffix}", compress_level=level, **options)
            identities.add(index_of(archive).identity)
            digests.add(sha256(archive))
            archive.unlink()
    assert (len(identities), len(digests)) == (1, 6)


def test_identity_tells_contents_apart(demo_channel: LocalChannel, work: Path) -> None:
    """One byte, one mode or one name more, and it is another pack."""
    prefix = work / "env"
    rattler_install(demo_channel.path, prefix, ["demo-tool=1.0"])
    identities = [index_of(pack(prefix, work / "0.tar")).identity]
    (prefix / "note.txt").write_text("note")
    identities.append(index_of(pack(prefix, work / "1.tar")).identity)
    (prefix / "note.txt").chmod(0o600)
    identities.append(index_of(pack(prefix, work / "2.tar")).identity)
    (prefix / "note.txt").write_text("Note")
    identities.append(index_of(pack(prefix, work / "3.tar")).identity)
    (prefix / "note.txt").rename(prefix / "other.txt")
    identities.append(index_of(pack(prefix, work / "4.tar")).identity)
    assert len(set(identities)) == 5


def test_touching_files_changes_nothing(demo_channel: LocalChannel, work: Path) -> None:
    """When files were installed, and how their folders are laid out on the disk, does not matter."""
    prefix = work / "env"
    rattler_install(demo_channel.path, prefix, demo_channel.specs)
    before = sha256(pack(prefix, work / "before.tar"))
    copy = work / "copy"
    shutil.copytree(prefix, copy, symlinks=True)
    shutil.rmtree(prefix)
    copy.rename(prefix)
    for path, node in tree(prefix).items():
        if node.type == "file" and not path.endswith((".py", ".pyc")):
            os.utime(prefix / path, (1, 1))
    assert before == sha256(pack(prefix, work / "after.tar"))


# ------------------------------------------------- two installs, two prefixes


Install = Callable[[Path], None]


@pytest.fixture(scope="session")
def channel_with_bulk(demo_channel: LocalChannel, work_root: Path) -> Path:
    return rich_channel(demo_channel, work_root / "reproducible-channel")


@pytest.fixture(params=["rattler", "conda"])
def install(request: pytest.FixtureRequest, channel_with_bulk: Path, demo_channel: LocalChannel) -> Install:
    specs = [*demo_channel.specs, "bulk"]
    if request.param == "rattler":
        return lambda prefix: rattler_install(channel_with_bulk, prefix, specs)
    conda: RealConda = request.getfixturevalue("conda")

    def create(prefix: Path) -> None:
        conda.create(prefix, channel_with_bulk, specs)

    return create


def test_packages_do_not_show_their_prefix(install: Install, work: Path) -> None:
    """Installed at two places, one path longer than the other, each package has the same segments."""
    prefixes = (work / "a", work / ("another-and-much-longer-name-" * 3) / "env")
    indexes: dict[str, list[Index]] = {suffix: [] for suffix in QUICK_FORMATS}
    for prefix in prefixes:
        install(prefix)
        for suffix in QUICK_FORMATS:
            archive = pack(prefix, work / f"x.{suffix}", force=True)
            indexes[suffix].append(index_of(archive))
        shutil.rmtree(prefix)
    for first, second in indexes.values():
        assert first.content.packages == second.content.packages
        assert package_segments(first) == package_segments(second)
    segments = package_segments(indexes["tar"][0])
    (bulk,) = (parts for dist, parts in segments.items() if dist.startswith("bulk-"))
    assert len(bulk) > 8  # large files, the patched ones too, were among it
