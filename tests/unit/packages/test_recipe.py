"""What packages may be called: CEP 26, and what conda makes of a build number."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.errors import UsageError
from conda_pack.packages.recipe import (
    Recipe,
    build_string,
    checked,
    conda_version,
    name_in,
    python_dependency,
    with_depends,
)

#: Of CEP 26, word for word.
_CEP_26_NAME = re.compile(r"^(([a-z0-9])|([a-z0-9_](?!_)))[._-]?([a-z0-9]+(\.|-|_|$))*$", re.IGNORECASE)
_CEP_26_BUILD = re.compile(r"^[a-zA-Z0-9_\.+]+$")


@pytest.mark.parametrize("name", ["x", "X", "_x", "numpy", "a-b.c_d", "7zip", "python_abi", "libstdcxx-ng"])
def test_names(name: str) -> None:
    """In lower case."""
    assert checked(Recipe(name)).name == name.lower()


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "-x",
        ".x",
        "__glibc",
        "a--b",
        "a..b",
        "x-",
        "a/b",
        "../x",
        "ü",
        "x\n",
        "a=1",
        "٣",
        "a" * 65,
    ],
)
def test_names_that_no_package_has(name: str) -> None:
    with pytest.raises(UsageError, match="--pkg-name"):
        checked(Recipe(name))


@given(st.text(st.sampled_from("aZ1._- _")))
def test_every_name_follows_the_standard(name: str) -> None:
    """What is taken, CEP 26 takes."""
    try:
        taken = checked(Recipe(name)).name
    except UsageError:
        return
    assert _CEP_26_NAME.match(taken)


@pytest.mark.parametrize(
    "version", ["0", "1.0", "1.0.post1", "1!2.0rc1", "1.0+cu118.x", "2024a", "1.0_1", "1.0.dev3"]
)
def test_versions(version: str) -> None:
    assert checked(Recipe("x", version)).version == version


@pytest.mark.parametrize(
    "version", ["", "1-0", "1..0", "1.0+", "1.0+a+b", "V1", "1 0", "1!", "1.0.", "1" * 65, "é"]
)
def test_versions_that_no_package_has(version: str) -> None:
    with pytest.raises(UsageError, match="--pkg-version"):
        checked(Recipe("x", version))


@pytest.mark.parametrize("build", ["", "a-b", "a b", "é", "a" * 65, "a/b"])
def test_builds_that_no_package_has(build: str) -> None:
    with pytest.raises(UsageError, match="--pkg-build"):
        checked(Recipe("x", "1", build))


@given(st.text(max_size=5))
def test_every_build_follows_the_standard(build: str) -> None:
    try:
        assert _CEP_26_BUILD.match(checked(Recipe("x", "1", build)).build)
    except UsageError:
        assert not _CEP_26_BUILD.match(build) or build.endswith("\n")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.0", "1.0"), ("V1.0-1", "1.0_1"), ("1.0+Ubuntu-2", "1.0+ubuntu_2"), ("1!2rc1", "1!2rc1")],
)
def test_versions_of_projects(version: str, expected: str) -> None:
    assert conda_version(version) == checked(Recipe("x", expected)).version == expected


@pytest.mark.parametrize(
    ("build", "number"),
    [
        ("0", 0),
        ("12", 12),
        ("py311_3", 3),
        ("h1_4", 4),
        ("abc", 0),
        ("abc4", 0),
        ("h1_4_cpython", 0),
        ("x_٣", 0),
    ],
)
def test_build_number(build: str, number: int) -> None:
    assert Recipe("x", build=build).build_number == number


def test_build_string() -> None:
    """A number alone says no more than that; conda-build puts the Python in front."""
    assert build_string("0", None, None) == "0"
    assert build_string("2", "3.11.4", None) == "py311_2"
    assert build_string("2", "3.11.4", "python") == "py_2"
    assert build_string("2", None, "generic") == "2"
    assert build_string("h1_0", "3.11.4", None) == "h1_0"


def test_python_dependency() -> None:
    assert python_dependency("3.9.1", None, ">=3.8") == "python >=3.9,<3.10.0a0"
    assert python_dependency("3.9.1", "python", ">=3.8") == "python >=3.8"
    assert python_dependency("3.9.1", "python") == "python"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("NumPy", "numpy"),
        ("numpy >=1.20", "numpy"),
        ("numpy>=1.20", "numpy"),
        ("numpy=1", "numpy"),
        ("numpy[version='>=1']", "numpy"),
        ("__glibc >=2.17", "__glibc"),
        ("a.b-c_d 1.* *_0", "a.b-c_d"),
    ],
)
def test_depends(spec: str, name: str) -> None:
    """Begin with a name, in lower case."""
    (taken,) = checked(Recipe("x", depends=(spec,))).depends
    assert (taken, name_in(taken)) == (name + spec[len(name) :], name)


@pytest.mark.parametrize("spec", ["", " x", "=1", ">=2", "a/b", "a::b", "x\ny", "ü"])
def test_depends_that_are_none(spec: str) -> None:
    with pytest.raises(UsageError, match="--depends"):
        checked(Recipe("x", depends=(spec,)))


def test_all_problems_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        checked(Recipe("a b", "1-0", "x-y", ("=1", "fine", ">2")))
    assert [line.split()[0] for line in str(caught.value).splitlines()[1:]] == [
        "--pkg-name",
        "--pkg-version",
        "--pkg-build",
        "--depends",
        "--depends",
    ]


def test_its_makers_dependencies_come_first() -> None:
    """What follows from the files gives way to what is said of the same package."""
    recipe = Recipe("x", depends=("numpy >=2", "b", "b"))
    assert with_depends(recipe, ["numpy >=1", "c", "c"]).depends == ("numpy >=2", "b", "c")
