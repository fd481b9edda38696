"""What is wrong with wheels in an environment: everything, in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from conda_pack.sources.wheels.checking import check
from conda_pack.sources.wheels.projects import Project
from conda_pack.sources.wheels.target import Target
from tests.support.wheels import write_wheel

LINUX = Target("linux-64", "3.11.2", glibc="2.28")
WINDOWS = Target("win-64", "3.11.2")
NUMPY = Project("numpy", "2.4.6", source="numpy-2.4.6-py311h1_0")
INSTALLED = {"numpy": NUMPY}


def wheel(
    folder: Path, name: str, *requires: str, version: str = "1.0", tag: str = "py3-none-any", python: str = ""
) -> str:
    lines = [f"Requires-Dist: {line}" for line in requires]
    lines += [f"Requires-Python: {python}"] if python else []
    return str(write_wheel(folder, name, version, {}, metadata=lines, tag=tag))


@pytest.mark.parametrize(
    "requires",
    [
        "numpy",
        "NumPy>=2,<3",
        "numpy[doc]",
        "nothing; sys_platform == 'win32'",
        "nothing; python_version < '3.11'",
        "nothing; extra == 'all'",
        "tool>=0.9",
        "tool @ https://example.invalid/tool.whl",
    ],
)
def test_what_fits(work: Path, requires: str) -> None:
    wheels = [wheel(work, "own", requires), wheel(work, "tool", version="1.0rc2")]
    assert check(wheels, LINUX, INSTALLED) == []


def test_everything_that_does_not_fit_is_told(work: Path) -> None:
    wheels = [
        wheel(work, "old", "numpy<2", "nothing>1", "tool>2", "foo bar", python=">=3.12"),
        wheel(work, "tool"),
        wheel(work, "compiled", tag="cp311-cp311-win_amd64"),
        wheel(work, "numpy", version="1.0"),
        wheel(work / "again", "tool", version="2.0"),
        str(work / "project-1.0.tar.gz"),
        str(work / "gone-1.0-py3-none-any.whl"),
    ]
    expected = [
        "old 1.0 needs Python >=3.12, but 3.11.2 is there.",
        "compiled-1.0-cp311-cp311-win_amd64.whl is not for linux-64 and Python 3.11 with glibc 2.28: "
        "take a wheel that is.",
        "numpy-1.0-py3-none-any.whl would replace numpy 2.4.6 from conda (numpy-2.4.6-py311h1_0): "
        "take one of them.",
        "tool-2.0-py3-none-any.whl would replace tool 1.0, a wheel: take one of them.",
        f"{wheels[5]} is not named as a wheel is: Invalid wheel filename (extension must be '.whl'): "
        "'project-1.0.tar.gz'. Only wheels are packed.",
        f"{wheels[6]} cannot be read: No such file or directory.",
        "old 1.0 needs 'foo bar', which is no requirement (PEP 508).",
        "old 1.0 needs numpy<2, but the environment has numpy 2.4.6 from conda (numpy-2.4.6-py311h1_0).",
        "old 1.0 needs nothing>1, which nothing brings: add it to what conda or pip is to bring.",
        "old 1.0 needs tool>2, but the environment has tool 1.0, a wheel.",
    ]
    assert expected == check(wheels, LINUX, INSTALLED)


def test_markers_are_the_targets(work: Path) -> None:
    wheels = [wheel(work, "own", "colorama; sys_platform == 'win32'", "uvloop; platform_system != 'Windows'")]
    told = [[problem.split(",")[0] for problem in check(wheels, target, {})] for target in (LINUX, WINDOWS)]
    assert told == [["own 1.0 needs uvloop"], ["own 1.0 needs colorama"]]


def test_extras_that_are_asked_for_are_looked_at(work: Path) -> None:
    """Those of what is asked for, those that they ask for in turn, and those of what conda brought."""
    wheels = [
        wheel(
            work, "own", "own[deep]; extra == 'all'", "web[socks]; extra == 'deep'", "absent; extra == 'none'"
        )
    ]
    installed = {"web": Project("web", "1.0", ("gone", "pysocks; extra == 'socks'"), source="web-1.0-0")}
    assert check(wheels, LINUX, installed) == []
    problems = check(wheels, LINUX, installed, ["Own[ALL]", "nothing; sys_platform == 'win32'"])
    expected = "web 1.0 needs pysocks, which nothing brings: add it to what conda or pip is to bring."
    assert [expected] == problems


def test_what_is_asked_for_has_to_be_there(work: Path) -> None:
    problems = check([wheel(work, "own")], LINUX, INSTALLED, ["own>1", "numpy<2", "absent", "./a/path.whl"])
    expected = [
        "own>1 is asked for, but the environment has own 1.0, a wheel.",
        "numpy<2 is asked for, but the environment has numpy 2.4.6 from conda (numpy-2.4.6-py311h1_0).",
        "absent is asked for, which nothing brings: add it to what conda or pip is to bring.",
    ]
    assert expected == problems


def test_what_conda_brought_may_need_another_version_of_a_wheel(work: Path) -> None:
    installed = {"host": Project("host", "1.0", ("plugin<1", "missing"), source="host-1.0-0")}
    expected = "host 1.0 from conda (host-1.0-0) needs plugin<1, but the environment has plugin 1.0, a wheel."
    assert [expected] == check([wheel(work, "plugin")], LINUX, installed)


def test_a_wheel_of_what_conda_brought_in_the_same_version_fits(work: Path) -> None:
    assert check([wheel(work, "numpy", version="2.4.6")], LINUX, INSTALLED) == []


def test_a_wheel_that_was_renamed_is_told(work: Path) -> None:
    path = Path(wheel(work, "own"))
    renamed = path.rename(work / "own-2.0-py3-none-any.whl")
    expected = (
        f"{renamed} holds own 1.0, which is not what its name says. It has been renamed or is damaged: "
        "fetch it again."
    )
    assert [expected] == check([str(renamed)], LINUX, {})
