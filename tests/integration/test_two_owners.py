"""Files that two packages own: each path is packed once, as the package's whose file it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from demo.channel import Package, write_package
from demo.installer import index_channel
from demo.packages import PLACEHOLDER, File, text
from tests.support.archives import index_of, package_segments
from tests.support.environments import Tree, rattler_install
from tests.support.packs import conda_pack, installation, pack, sha256, unpack
from tests.support.real_conda import RealConda

SPECS = ["first", "second"]


@pytest.fixture(scope="session")
def shared_paths(work_root: Path) -> Path:
    """A channel of two packages that own a text, a binary and an ordinary file in different versions."""
    channel = work_root / "channels" / "shared paths"
    for name in SPECS:
        lines = f"{name}: {PLACEHOLDER}/{name}\n" * len(name)
        binary = f"\1\0{PLACEHOLDER}/lib/{name}:{PLACEHOLDER}\0\2".encode()
        entries = (
            text("share/both.txt", lines),
            text("share/plain.txt", f"of {name}\n"),
            text("share/same.txt", "of both\n"),
            File("lib/both.bin", binary, 0o644, "binary"),
        )
        write_package(channel, Package(name, entries=entries))
    write_package(channel, Package("unused", noarch="generic", entries=(text("share/unused", "x"),)))
    index_channel(channel)
    return channel


Install = Callable[[Path], object]


@pytest.fixture(params=["rattler", "conda"])
def install(request: pytest.FixtureRequest, shared_paths: Path) -> Install:
    """Installs both packages at a prefix."""
    if request.param == "rattler":
        return lambda prefix: rattler_install(shared_paths, prefix, SPECS)
    conda: RealConda = request.getfixturevalue("conda")
    return lambda prefix: conda.create(prefix, shared_paths, SPECS)


def test_the_file_that_is_there_is_packed(install: Install, work: Path) -> None:
    """Unpacked, every file is what the installer makes there, and nothing is said about it."""
    install(work / "env")
    done = conda_pack("--quiet", "-p", work / "env", "-o", work / "env.tar")
    assert (done.code, done.err) == (0, "")
    install(work / "place")
    (work / "place").rename(work / "direct")
    unpack(work / "env.tar", work / "place")
    assert _files(work / "direct") == _files(work / "place")
    pack(work / "place", work / "again.tar")
    assert sha256(work / "env.tar") == sha256(work / "again.tar")


def _files(prefix: Path) -> Tree:
    return {
        path: node
        for path, node in installation(prefix).items()
        if node.type == "file" and not path.startswith("conda-meta/")
    }


def test_package_parts_do_not_tell_the_prefix(install: Install, work: Path) -> None:
    """The packages' segments are the same from wherever, those of the package that lost included."""
    install(work / "env")
    install(work / "a much longer name of an environment")
    pack(work / "env", work / "short.tar")
    pack(work / "a much longer name of an environment", work / "long.tar")
    expected, actual = (
        package_segments(index_of(archive)) for archive in (work / "short.tar", work / "long.tar")
    )
    assert {"first-1.0-0", "second-1.0-0"} <= set(expected)
    assert expected == actual
