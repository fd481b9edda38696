"""What conditions come to: for every platform and Python, as that Python itself would say, or unknown."""

from __future__ import annotations

import ast
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.sources.imports.conditions import Target, holds, negated
from conda_pack.sources.imports.model import Versions
from tests.support.properties import UNHURRIED


@pytest.mark.parametrize(
    ("condition", "platforms"),
    [
        ("sys.platform == 'win32'", "win-64 win-arm64"),
        ("sys.platform.startswith('linux')", "linux-64 linux-aarch64"),
        ("sys.platform in ('darwin', 'linux')", "linux-64 linux-aarch64 osx-64 osx-arm64"),
        ("os.name == 'nt'", "win-64 win-arm64"),
        ("os.name != 'nt' and platform.system() == 'Darwin'", "osx-64 osx-arm64"),
        ("platform.system().lower() == 'windows'", "win-64 win-arm64"),
        ("platform.machine() in {'arm64', 'aarch64', 'ARM64'}", "linux-aarch64 osx-arm64 win-arm64"),
        ("platform.machine() == 'x86_64'", "linux-64 osx-64"),
        ("platform.machine() == 'AMD64'", "win-64"),
        ("platform.python_implementation() == 'PyPy'", ""),
        (
            "sys.implementation.name == 'cpython' and sys.maxsize > 2 ** 32 and os.name == 'nt'",
            "win-64 win-arm64",
        ),
        ("sys.version_info[0] < 3 or six.PY2", ""),
    ],
)
def test_platforms(condition: str, platforms: str) -> None:
    every = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64", "win-arm64")
    expected = {platform: platform in platforms.split() for platform in every}
    assert expected == {platform: holds(condition, Target(platform, Versions())) for platform in every}


@pytest.mark.parametrize(
    "condition",
    [
        "x",
        "f()",
        "sys.platform == x",
        "sys.platform == 'linux' and x",
        "os.environ.get('A')",
        "match x: case [y]",
        "sys.platform > 1",
        "sys.version_info > 'a'",
        "sys.version_info == sys.version_info",
        "platform.node() == 'a'",
        "sys.platform[0] == 'l'",
        "sys.platform.startswith(1)",
    ],
)
def test_unknown(condition: str) -> None:
    assert None is holds(condition, Target("linux-64", Versions()))


@pytest.mark.parametrize(
    ("condition", "answer"), [("x or os.name == 'posix'", True), ("x and os.name == 'nt'", False)]
)
def test_one_part_decides(condition: str, answer: bool) -> None:
    assert answer is holds(condition, Target("linux-64", Versions()))


_versions = st.integers(min_value=0, max_value=20).map(lambda minor: (3, minor))
_parts = st.tuples(st.sampled_from([2, 3, 4]), st.integers(0, 21), st.integers(0, 3))
_asked = st.one_of(
    st.tuples(st.sampled_from(["sys.version_info", "sys.version_info[:3]"]), st.integers(1, 3)),
    st.tuples(st.just("sys.version_info[:2]"), st.integers(1, 2)),
    st.tuples(st.just("sys.version_info[:1]"), st.just(1)),
    st.tuples(
        st.sampled_from(
            ["sys.version_info[0]", "sys.version_info.major", "sys.version_info[1]", "sys.version_info.minor"]
        ),
        st.just(0),
    ),
)
_tests = st.builds(
    lambda asked, operator, parts, swapped: (
        f"{_literal(asked, parts)} {operator} {asked[0]}"
        if swapped
        else f"{asked[0]} {operator} {_literal(asked, parts)}"
    ),
    _asked,
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    _parts,
    st.booleans(),
)
_conditions = st.recursive(
    _tests,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=4,
)


def _literal(asked: tuple[str, int], parts: tuple[int, int, int]) -> str:
    return repr(parts[: asked[1]]) if asked[1] else str(parts["1" in asked[0] or "minor" in asked[0]])


@UNHURRIED
@given(condition=_conditions, bounds=st.tuples(_versions, _versions))
def test_versions_as_python_has_it(condition: str, bounds: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """What is said to be known is what Python says of every version within the bounds."""
    lower, below = min(bounds), (3, max(bounds)[1] + 1)
    answer = holds(condition, Target("linux-64", Versions(lower, below)))
    real = {
        _as_python(condition, minor, micro)
        for minor in range(lower[1], below[1])
        for micro in (0, 1, 2, 3, 40)
    }
    assert answer is None or {answer} == real
    opposite = ast.unparse(negated(ast.parse(condition, mode="eval").body))
    assert (None if answer is None else not answer) is holds(
        opposite, Target("linux-64", Versions(lower, below))
    )


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_one_version_decides_all(operator: str) -> None:
    """Of a single Python, whatever is asked of its first two parts is known."""
    for minor in range(5, 10):
        for condition in (
            f"sys.version_info[:2] {operator} (3, {minor})",
            f"sys.version_info[1] {operator} {minor}",
            f"sys.version_info[0] {operator} 3",
            f"sys.version_info[:2] in ((3, {minor}), (3, 20))",
        ):
            answer = holds(condition, Target("linux-64", Versions((3, 7), (3, 8))))
            assert _as_python(condition, 7, 4) is answer, condition


def _as_python(condition: str, minor: int, micro: int) -> bool:
    class Info(tuple):  # type: ignore[type-arg]
        major, minor = property(lambda self: self[0]), property(lambda self: self[1])

    info = Info((3, minor, micro, "final", 0))
    return bool(eval(condition, {"sys": SimpleNamespace(version_info=info)}))


def test_the_running_python() -> None:
    """As a check of the test's own stand-in for sys.version_info."""
    minor, micro = sys.version_info[1:3]
    for condition in (
        "sys.version_info >= (3, 11)",
        "sys.version_info.minor == 11",
        "sys.version_info[:2] < (3, 12)",
    ):
        assert eval(condition, {"sys": sys}) is _as_python(condition, minor, micro)
