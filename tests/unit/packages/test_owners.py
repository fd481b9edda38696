"""Whose a path is: by records, by lists of projects, by what it was compiled from."""

from __future__ import annotations

import importlib.util
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.model import Claim, Platform
from conda_pack.packages.owners import ENVIRONMENT, Owners, package, project_owner, sources
from conda_pack.packages.pip_projects import Project
from tests.support.properties import UNHURRIED
from tests.support.records import record

SITE = "lib/python3.11/site-packages"


def claim(path: str) -> Claim:
    return Claim(path, 0, "hardlink")


def texts(owners: Owners, path: str) -> list[str]:
    return [owner.text for owner in owners.of(path)]


def test_packages_and_projects() -> None:
    """A file of several has several owners, packages first."""
    one = record("one", claim("bin/both"), claim("share/one"))
    two = record("two", claim("bin/both"), claim(f"{SITE}/mod.py"))
    project = Project("mod", "2.0", f"{SITE}/mod-2.0.dist-info", paths=(f"{SITE}/mod.py", "bin/mod"))
    owners = Owners([one, two], [project])
    assert texts(owners, "bin/both") == ["one-1-0", "two-1-0"]
    assert texts(owners, f"{SITE}/mod.py") == ["two-1-0", "pip:mod==2.0"]
    assert texts(owners, "bin/mod") == ["pip:mod==2.0"]
    assert texts(owners, "bin/mine") == []
    assert [owner.text for owner in owners.below("bin")] == ["one-1-0", "two-1-0", "pip:mod==2.0"]
    assert [owner.text for owner in owners.below("share")] == ["one-1-0"]
    assert owners.below("shar") == ()


@pytest.mark.parametrize(
    ("channel", "subdir", "expected"),
    [
        ("https://example.org/some/linux-64", "linux-64", "https://example.org/some/linux-64"),
        ("https://example.org/some/", "noarch", "https://example.org/some/noarch"),
        ("https://example.org/t/secret-token/some", "noarch", "https://example.org/some/noarch"),
        ("https://me:password@example.org/some", "noarch", "https://example.org/some/noarch"),
        ("file:///srv/t/channels/mine", "noarch", "file:///srv/t/channels/mine/noarch"),
        ("some", "linux-64", "some/linux-64"),
        ("", "linux-64", ""),
    ],
)
def test_channel(channel: str, subdir: str, expected: str) -> None:
    """It ends with the subdir, whoever wrote the record, and nobody's password is told."""
    assert expected == package(record("x", channel=channel, subdir=subdir)).channel


def test_channel_by_address() -> None:
    """A record without a channel tells it by the address of the package."""
    url = "https://example.org/some/linux-64/x-1-0.conda"
    assert package(record("x", url=url)).text == "https://example.org/some/linux-64::x-1-0"


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/__pycache__/mod.cpython-311.pyc",
        f"{SITE}/__pycache__/mod.cpython-311.opt-2.pyc",
        f"{SITE}/__pycache__/mod.pypy310.pyc",
        f"{SITE}/__pycache__/mod.function-12.py311.nbi",
        f"{SITE}/mod.pyc",
        f"{SITE}/mod.pyo",
    ],
)
def test_compiled(path: str) -> None:
    """Whatever was compiled belongs to whom the source belongs; as conda has it, and more."""
    owners = Owners([record("one", claim(f"{SITE}/mod.py"))])
    assert texts(owners, path) == ["one-1-0"]
    assert owners.listed(path) == ()


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/__pycache__/other.cpython-311.pyc",
        f"{SITE}/__pycache__/mod.txt",
        f"{SITE}/__pycache__/modern.cpython-311.pyc",
        f"{SITE}/mod.nbi",
        f"{SITE}/sub/__pycache__/mod.cpython-311.pyc",
        "mod.pyc",
    ],
)
def test_not_compiled_of_it(path: str) -> None:
    assert texts(Owners([record("one", claim(f"{SITE}/mod.py"))]), path) == []


@pytest.mark.parametrize("source", ["a/mod.py", "mod.py", "a/b/dotted.name.py", "a/__init__.py"])
@pytest.mark.parametrize("level", ["", "1", "2"])
def test_sources_as_python_has_them(source: str, level: str) -> None:
    """What Python itself compiles a source to leads back to it."""
    assert source in list(sources(importlib.util.cache_from_source(source, optimization=level)))


def test_folder_of_a_project() -> None:
    """All in it is the project's, unless somebody else lists it."""
    mine = Project("mine", "1", f"{SITE}/mine.egg-info", folders=(f"{SITE}/mine.egg-info", f"{SITE}/mine"))
    other = Project("other", "1", f"{SITE}/other", paths=(f"{SITE}/mine/other.py",))
    owners = Owners([record("one", claim(f"{SITE}/mine/one.py"))], [mine, other])
    assert texts(owners, f"{SITE}/mine/sub/x.py") == ["pip:mine==1"]
    assert texts(owners, f"{SITE}/mine/sub/__pycache__/x.cpython-311.pyc") == ["pip:mine==1"]
    assert texts(owners, f"{SITE}/mine/other.py") == ["pip:other==1"]
    assert texts(owners, f"{SITE}/mine/__pycache__/other.cpython-311.pyc") == ["pip:other==1"]
    assert texts(owners, f"{SITE}/mine/one.py") == ["one-1-0"]
    assert texts(owners, f"{SITE}/mine2/x.py") == []


@pytest.mark.parametrize(
    "path",
    [
        *("", "conda-meta/history", "conda-meta/state", "conda-meta/frozen", "conda-meta/pixi"),
        *("conda-meta/conda-pack/index.json", "conda-meta/conda-pack/state.json", ".nonadmin"),
        *("pkgs/x/y", "envs/x/bin/python", "bin/conda-unpack", "bin/activate", ".conda_lock"),
    ],
)
def test_the_environments_own(path: str) -> None:
    """No list of a project changes that."""
    project = Project("greedy", "1", f"{SITE}/greedy", paths=("conda-meta/history", "bin/conda-unpack"))
    owners = Owners([record("one", claim("bin/one"))], [project], runtime=["bin/conda-unpack"])
    assert owners.of(path) == (ENVIRONMENT,)


def test_records_belong_to_their_packages() -> None:
    owners = Owners([record("one")])
    assert texts(owners, "conda-meta/one-1-0.json") == ["one-1-0"]
    assert texts(owners, "conda-meta/conda-pack/one-1-0.json") == ["one-1-0"]


def test_launchers_of_macos() -> None:
    """conda keeps them beside the packages' files there, and there alone."""
    for subdir, expected in (("osx-64", (ENVIRONMENT,)), ("linux-64", ())):
        assert expected == Owners([], platform=Platform(subdir)).of("python.app/Contents/x")


_PATHS = st.sampled_from(
    [
        *("bin/a", "bin/b", "lib/m.py", "lib/m.pyc", "lib/__pycache__/m.cpython-311.pyc", "lib/n.py"),
        *("lib/__pycache__/n.cpython-311.opt-1.pyc", "lib/p/__init__.py", "lib/p/q", "naïve\n☃", "-x"),
    ]
)
_SETS = st.lists(st.sets(_PATHS), max_size=4)


@UNHURRIED
@given(packages=_SETS, projects=_SETS, path=_PATHS)
def test_owners_are_those_who_list_it(packages: list[set[str]], projects: list[set[str]], path: str) -> None:
    """All that list a path, and no others; else all that list the source it was compiled of."""
    records = [record(f"r{number}", *map(claim, paths)) for number, paths in enumerate(packages)]
    infos = [
        Project(f"p{number}", "1", f"p{number}", paths=tuple(paths)) for number, paths in enumerate(projects)
    ]

    def listing(wanted: str) -> tuple[object, ...]:
        named = [package(each) for each, paths in zip(records, packages, strict=True) if wanted in paths]
        named += [project_owner(each) for each, paths in zip(infos, projects, strict=True) if wanted in paths]
        return tuple(named)

    compiled = {
        "lib/m.pyc": "lib/m.py",
        "lib/__pycache__/m.cpython-311.pyc": "lib/m.py",
        "lib/__pycache__/n.cpython-311.opt-1.pyc": "lib/n.py",
    }
    owners = Owners(records, infos)
    assert listing(path) == owners.listed(path)
    assert (listing(path) or listing(compiled.get(path, ""))) == owners.of(path)
    below = {owner for each in [*packages, *projects] for path in each for owner in listing(path)}
    in_bin = {owner for name in ("bin/a", "bin/b") for owner in listing(name)}
    assert in_bin == set(owners.below("bin"))
    assert {posixpath.dirname(path) for each in packages for path in each} - {""} <= owners.folders()
    assert in_bin <= below
