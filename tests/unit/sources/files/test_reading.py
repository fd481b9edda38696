"""Which reader reads which file, what is none of theirs, and what several files come to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conda_pack.errors import SourceProblem, UsageError
from conda_pack.sources.files.reading import merged, read_source
from conda_pack.sources.model import Explicit, Lock, PipRequirements, Source, Specs

EXPECTED = (
    "an @EXPLICIT list, pixi.toml or pyproject.toml, pixi.lock or conda-lock.yml, environment.yml or .json, "
    "a list of match specs (.txt)"
)


def read(path: Path | str, environment: str | None = None) -> Source:
    return read_source(str(path), environment=environment, platforms=())


@pytest.mark.parametrize("name", ["README.md", "script.py", "pixi.lock", "setup.cfg"])
def test_no_source(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("words\n")
    with pytest.raises(UsageError) as caught:
        read(tmp_path / name)
    expected = f"{tmp_path}/{name} is not a file that environments are made from: expected {EXPECTED}."
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.yml", "gone.yml does not exist."),
        (
            "https://x.invalid/environment.yml",
            "https://x.invalid/environment.yml does not exist: fetch it first, only files can be read.",
        ),
    ],
)
def test_no_file(path: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value) == message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "e.yml").write_text("dependencies: []\n")
    (tmp_path / "e.yml").chmod(0)
    with pytest.raises(SourceProblem, match="cannot be read: Permission denied"):
        read(tmp_path / "e.yml")


@pytest.mark.parametrize("name", ["e.yml", "e.json", "specs.txt", "explicit.txt"])
def test_environments_by_name_are_pixis(name: str, tmp_path: Path) -> None:
    explicit = "@EXPLICIT\nhttps://x.invalid/noarch/a-1-0.conda\n"
    (tmp_path / name).write_text({"e.yml": "dependencies: []", "explicit.txt": explicit}.get(name, "{}"))
    with pytest.raises(UsageError) as caught:
        read(tmp_path / name, "test")
    assert str(caught.value) == (
        f"{tmp_path}/{name} has no environments by name: leave out --environment test, "
        "which is for pixi.lock, pixi.toml and pyproject.toml."
    )


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path)
    names = "pixi.toml, pyproject.toml, environment.yml, environment.yaml, conda-lock.yml"
    assert (
        str(caught.value) == f"{tmp_path} is a folder and has none of {names}: name the file that is meant."
    )
    (tmp_path / "environment.yml").write_text("dependencies: [a]\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    assert read(tmp_path) == Specs(conda=("a",))
    (tmp_path / "pyproject.toml").write_text("[tool.pixi.workspace]\n")
    with pytest.raises(UsageError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is a folder and has pyproject.toml and environment.yml: name the file that is meant."
    )


def test_one_source_is_itself() -> None:
    for source in (Specs(name="a"), Explicit(None, None, ()), Lock(None, "pixi.lock")):
        assert merged({"file": source}) is source


def test_several_specs() -> None:
    first = Specs(
        channels=("a", "b"),
        conda=("x", "y >=1"),
        pip=PipRequirements(("p",), ("--index-url", "i"), ("c",)),
        variables={"A": "1", "B": "1"},
    )
    second = Specs(
        name="second",
        channels=("c", "a"),
        conda=("y >=1", "z"),
        pip=PipRequirements(("p", "q"), ("--no-index",), ("c", "d")),
        platforms=("linux-64",),
        variables={"B": "2"},
    )
    assert merged(
        {"1.yml": first, "2.yml": second, "3.yml": Specs(name="third", platforms=("win-64",))}
    ) == Specs(
        name="second",
        channels=("a", "b", "c"),
        conda=("x", "y >=1", "z"),
        pip=PipRequirements(("p", "q"), ("--index-url", "i", "--no-index"), ("c", "d")),
        platforms=("linux-64", "win-64"),
        variables={"A": "1", "B": "2"},
    )


@pytest.mark.parametrize("whole", [Explicit(None, None, ()), Lock(None, "pixi.lock")])
@pytest.mark.parametrize("other", [Specs(), Lock(None, "pixi.lock")])
def test_what_does_not_mix(whole: Source, other: Source) -> None:
    with pytest.raises(UsageError) as caught:
        merged({"whole": whole, "other": other})
    names = "whole" if isinstance(other, Specs) else "whole and other"
    assert str(caught.value) == (
        f"{names}: a lock file or @EXPLICIT list is an environment by itself: give it without another --file."
    )
