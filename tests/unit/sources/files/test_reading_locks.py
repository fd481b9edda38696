"""Lock files, told by what is in them; and the fixtures, which rattler and conda-lock's rules vouch for."""

from __future__ import annotations

from pathlib import Path

import pytest
from rattler import LockFile

from conda_pack.errors import SourceProblem, UsageError
from conda_pack.sources.files.reading import read_source
from conda_pack.sources.model import Explicit, Lock
from tests.support.locks import FIXTURES, WHEEL, lock_channel, write_lock

PIXI = ("pixi-v5.lock", "pixi-v6.lock", "pixi-v7.lock")


@pytest.fixture(scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All lock files, beside their channel."""
    folder = tmp_path_factory.mktemp("locks")
    channel = lock_channel(folder / "channel")
    for name in (*PIXI, "conda-lock-v1.yml", "conda-lock-explicit-linux-64.txt"):
        write_lock(name, channel, folder / name)
    return folder


def packages(lock: Path) -> dict[str, dict[str, set[tuple[str, str, str, str]]]]:
    """Of each environment and platform: kind, name, place in the channel and SHA-256."""
    found: dict[str, dict[str, set[tuple[str, str, str, str]]]] = {}
    for name, environment in LockFile.from_path(lock).environments():
        for platform in environment.platforms():
            found.setdefault(name, {})[str(platform)] = {
                (
                    type(package).__name__,
                    package.name,
                    package.location.rpartition("/channel/")[2],
                    package.hashes.sha256.hex() if package.hashes and package.hashes.sha256 else "",
                )
                for package in environment.packages(platform) or ()
            }
    return found


@pytest.mark.parametrize("name", [*PIXI, "conda-lock-v1.yml"])
@pytest.mark.parametrize("written", ["pixi.lock", "conda-lock.yml", "dev.conda-lock.yml", "locked", "x.json"])
def test_by_content(name: str, written: str, tmp_path: Path) -> None:
    file = tmp_path / written
    file.write_text((FIXTURES / name).read_text())
    assert read_source(str(file), environment=None, platforms=("linux-64",)) == Lock(None, str(file))


@pytest.mark.parametrize(
    "content", ["version: 6\nenvironments: {}\n", "metadata: {}\npackage: []\nversion: 1\n"]
)
def test_the_least_that_makes_a_lock(content: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(content)
    assert read_source(str(tmp_path / "x"), environment=None, platforms=()) == Lock(None, str(tmp_path / "x"))


def test_an_environment(tmp_path: Path) -> None:
    expected = Lock(None, str(FIXTURES / "pixi-v7.lock"), environment="test")
    assert read_source(expected.path, environment="test", platforms=()) == expected
    path = str(FIXTURES / "conda-lock-v1.yml")
    with pytest.raises(UsageError) as caught:
        read_source(path, environment="test", platforms=())
    assert str(caught.value) == f"{path} has no environments by name: leave out --environment test."


@pytest.mark.parametrize(
    ("name", "old", "version"),
    [
        ("pixi-v6.lock", "version: 6", "8"),
        ("pixi-v6.lock", "version: 6", "4"),
        ("pixi-v6.lock", "version: 6", ""),
        ("conda-lock-v1.yml", "version: 1", "3"),  # which pixi once wrote
    ],
)
def test_versions_that_are_not_known(name: str, old: str, version: str, tmp_path: Path) -> None:
    file = tmp_path / "lock.yml"
    file.write_text((FIXTURES / name).read_text().replace(old, f"version: {version}"))
    with pytest.raises(SourceProblem) as caught:
        read_source(str(file), environment=None, platforms=())
    assert str(caught.value) == (
        f"{file} is a lock file of version {version or 'unknown'}, and those that can be read are "
        "5 to 7 of pixi and 1 of conda-lock: write it anew with a current pixi lock or conda-lock."
    )


@pytest.mark.parametrize("name", PIXI)
def test_the_versions_of_pixi_lock_the_same(name: str, locks: Path) -> None:
    found = packages(locks / name)
    assert found == packages(locks / "pixi-v7.lock")
    assert {environment: sorted(platforms) for environment, platforms in found.items()} == {
        "default": ["linux-64", "osx-arm64"],
        "test": ["linux-64", "osx-arm64"],
    }


@pytest.mark.parametrize("name", [*PIXI, "conda-lock-v1.yml"])
def test_what_is_locked_is_in_the_channel(name: str, locks: Path) -> None:
    import hashlib  # noqa: PLC0415

    found = packages(locks / name)
    locked = {package for platforms in found.values() for some in platforms.values() for package in some}
    for kind, _, location, sha256 in locked:
        assert hashlib.sha256((locks / "channel" / location).read_bytes()).hexdigest() == sha256
        assert (kind == "PypiLockedPackage") == (location == WHEEL)
    assert {location for *_, location, _ in locked} >= {
        *("linux-64/python-3.11.2-h1234567_0_cpython.conda", "osx-arm64/python-3.11.7-0.conda"),
        *("noarch/idna-3.20-pyh1234567_0.conda", "osx-arm64/only-mac-1.0-0.conda", WHEEL),
    }


def test_the_explicit_list_that_conda_lock_renders(locks: Path) -> None:
    explicit = read_source(
        str(locks / "conda-lock-explicit-linux-64.txt"), environment=None, platforms=("linux-64",)
    )
    assert isinstance(explicit, Explicit)
    of_lock = packages(locks / "conda-lock-v1.yml")["default"]["linux-64"]
    urls = {package.url for package in explicit.packages}
    urls |= {one.split(" @ ")[1].split("#")[0] for one in explicit.pip.requirements}
    assert urls == {(locks / "channel" / location).as_uri() for *_, location, _ in of_lock}
    assert all(package.md5 for package in explicit.packages)
    assert explicit.platform == "linux-64"
