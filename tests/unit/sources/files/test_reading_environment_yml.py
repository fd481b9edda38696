"""environment.yml and environment.json: every key, and everything that can be wrong with them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conda_pack.errors import SourceProblem, ToolMissing, UsageError
from conda_pack.sources.files.reading import read_source
from conda_pack.sources.model import PipRequirements, Source, Specs
from tests.support.wheels import write_wheel


def read(file: Path, content: str | bytes, *platforms: str) -> Source:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(str(file), environment=None, platforms=platforms)


def problem(file: Path, content: str | bytes, *platforms: str) -> str:
    with pytest.raises(SourceProblem) as caught:
        read(file, content, *platforms)
    return str(caught.value).replace(str(file), file.name)


EVERYTHING = """\
name: analysis
channels:
  - nodefaults
  - $TEAM_CHANNEL/main   # expanded
  - file:///srv/channel
dependencies:
  - python=3.10          # stays 3.10
  - numpy >=1.2,<2
  - team::tool =1.2=py*
  - "other[version='>=1', build=py*]"
  - pip
  - pip:
      - requests >=2 ; python_version >= "3.8"  # a comment
      - --index-url https://index.invalid/simple
variables:
  ANSWER: 42
  EMPTY:
  ON: yes
prefix: /opt/envs/analysis
platforms: [linux-64, osx-arm64]
pip-repositories:
  - https://more.invalid/simple
"""


def test_every_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_CHANNEL", "https://team.invalid")
    assert read(tmp_path / "environment.yml", EVERYTHING) == Specs(
        name="analysis",
        channels=("https://team.invalid/main", "file:///srv/channel"),
        conda=(
            "python=3.10",
            "numpy >=1.2,<2",
            "team::tool =1.2=py*",
            "other[version='>=1', build=py*]",
            "pip",
        ),
        pip=PipRequirements(
            ('requests >=2 ; python_version >= "3.8"',),
            (
                *("--index-url", "https://index.invalid/simple"),
                *("--extra-index-url", "https://more.invalid/simple"),
            ),
        ),
        platforms=("linux-64", "osx-arm64"),
        variables={"ANSWER": "42", "EMPTY": "", "ON": "yes"},
    )


def test_values_are_plain_strings(tmp_path: Path) -> None:
    """Nothing of the file's lines goes on: what is told to other processes is text."""
    specs = read(tmp_path / "e.yaml", EVERYTHING.replace("$TEAM_CHANNEL", "x"))
    assert isinstance(specs, Specs)
    words = [specs.name, *specs.channels, *specs.conda, *specs.pip.requirements, *specs.pip.options]
    words += [*specs.platforms, *specs.variables, *specs.variables.values()]
    assert {type(word) for word in words} == {str}


def test_json_has_the_same_keys(tmp_path: Path) -> None:
    content = (
        '{\n\t"name": "tést \\ud83d\\ude00",\n\t"channels": ["a"],\n'
        '\t"dependencies": ["python=3.10", {"pip": ["six==1.17.0"]}],\n\t"variables": {"A": 1.10}\n}\n'
    )
    assert read(tmp_path / "environment.json", content) == Specs(
        name="tést 😀",
        channels=("a",),
        conda=("pip", "python=3.10"),
        pip=PipRequirements(("six==1.17.0",)),
        variables={"A": "1.10"},
    )


def test_flow_style_is_yaml(tmp_path: Path) -> None:
    assert read(tmp_path / "e.yml", "{name: a, dependencies: [python]}\n") == Specs(
        name="a", conda=("python",)
    )


@pytest.mark.parametrize(
    ("dependencies", "conda"),
    [
        ("[python, {pip: [six]}]", ("pip", "python")),
        ("[python, pip=24, {pip: [six]}]", ("python", "pip=24")),
        ("[python, team::pip, {pip: [six]}]", ("python", "team::pip")),
        ("[python, pip-tools, {pip: [six]}]", ("pip", "python", "pip-tools")),
        ("[python, {pip: []}]", ("python",)),
        ("[python, {pip: }]", ("python",)),
        ("[]", ()),
        ("", ()),
    ],
)
def test_pip_comes_with_its_section(dependencies: str, conda: tuple[str, ...], tmp_path: Path) -> None:
    specs = read(tmp_path / "e.yml", f"dependencies: {dependencies}\n")
    assert isinstance(specs, Specs)
    assert specs.conda == conda


@pytest.mark.parametrize("name", ["null", "~", ""])
def test_no_name(name: str, tmp_path: Path) -> None:
    assert read(tmp_path / "e.yml", f"name: {name}\ndependencies: [a]\n") == Specs(conda=("a",))


def test_a_name_in_quotes_is_a_name(tmp_path: Path) -> None:
    assert read(tmp_path / "e.yml", "name: 'null'\ndependencies: [a]\n") == Specs("null", conda=("a",))


def test_aliases(tmp_path: Path) -> None:
    content = "channels: &c [a, b]\nplatforms: *c\ndependencies: [x]\n"
    assert read(tmp_path / "e.yml", content) == Specs(channels=("a", "b"), conda=("x",), platforms=("a", "b"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_conda_reads(encoding: str, tmp_path: Path) -> None:
    content = "name: naïve\r\ndependencies:\r\n- a\r\n- b\r\n".encode(encoding)
    assert read(tmp_path / "e.yml", content) == Specs("naïve", conda=("a", "b"))


def test_unknown_keys_are_left_out_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"e\.yml: category, extras left out, as by conda"):
        specs = read(tmp_path / "e.yml", "category: dev\nextras: {a: 1}\ndependencies: [a]\n")
    assert specs == Specs(conda=("a",))


SELECTED = """\
channels: [c]
dependencies:
  - python
  - a   # [linux]
  - b   # [osx]
  - c   # [win]
  - d   # [unix]
  - e   # [not win]
  - f   # [osx-arm64]
  - g   # [linux64]
  - h   # [arm64]
  - i   # see [the docs]
  - j   # pinned for [win64]
  # - k [linux]
  - pip:
      - l ; sys_platform == "x"  # [aarch64]
"""


@pytest.mark.parametrize(
    ("platform", "chosen"),
    [
        ("linux-64", "a d e g i"),
        ("linux-aarch64", "a d e i l"),
        ("osx-arm64", "b d e f h i"),
        ("osx-64", "b d e i"),
        ("win-64", "c i j"),
    ],
)
def test_selectors(platform: str, chosen: str, tmp_path: Path) -> None:
    specs = read(tmp_path / "e.yml", SELECTED, platform)
    assert isinstance(specs, Specs)
    pip = [requirement.split()[0] for requirement in specs.pip.requirements]
    assert [*(spec for spec in specs.conda if len(spec) == 1), *pip] == chosen.split()


@pytest.mark.parametrize(
    ("platforms", "chosen"),
    [((), "a b c d e f g h i j l"), (("linux-64", "osx-64"), "a b d e g i"), (("win-64", "win-64"), "c i j")],
)
def test_selectors_of_several_platforms(platforms: Sequence[str], chosen: str, tmp_path: Path) -> None:
    """To know what the file is, before each platform is read by itself."""
    specs = read(tmp_path / "e.yml", SELECTED, *platforms)
    assert isinstance(specs, Specs)
    pip = [requirement.split()[0] for requirement in specs.pip.requirements]
    assert [*(spec for spec in specs.conda if len(spec) == 1), *pip] == chosen.split()


def test_wheels_beside_the_file(tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "tool", "1.0", {})
    content = "dependencies: [pip, {pip: [./wheels/tool-1.0-py3-none-any.whl, '-f wheels']}]\n"
    wheel = (tmp_path / "wheels" / "tool-1.0-py3-none-any.whl").as_uri()
    assert read(tmp_path / "e.yml", content) == Specs(
        conda=("pip",), pip=PipRequirements((wheel,), ("--find-links", str(tmp_path / "wheels")))
    )


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    content = """\
name: [a]
channels: main
dependencies:
  - python: 3.10
  - [a, b]
  -
  - pip:
      - -e .
      - foo: bar
      - git+https://code.invalid/x.git
      - x ==
variables: [A]
platforms: {a: b}
"""
    only_wheels = "only wheels are packed: build one (pip wheel) and name its file."
    found = problem(tmp_path / "e.yml", content).splitlines()
    (invalid,) = [line for line in found if line.startswith("  line 11: x ==: is no requirement (PEP 508): ")]
    assert found == [
        "e.yml cannot be used:",
        "  line 4: python cannot be a section of dependencies, only pip can: "
        "is it a package, python=VERSION?",
        "  line 5: a dependency must be a match spec, not a list.",
        "  a dependency must be a match spec, not nothing.",
        "  line 9: pip must be words, not a mapping (is there a colon too many?).",
        f"  line 8: --editable .: {only_wheels}",
        f"  line 10: git+https://code.invalid/x.git: {only_wheels}",
        invalid,
        "  line 1: name must be a word.",
        "  line 2: channels must be a list (- …).",
        "  line 13: platforms must be a list (- …).",
        "  line 12: variables must be a mapping (NAME: value).",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [\n", "e.yml is not YAML: line 2, column 1: "),
        ("dependencies:\n\t- a\n", "e.yml is not YAML: line 2, column 1: "),
        ("dependencies: [a]\ndependencies: [b]\n", "e.yml: line 2: dependencies is there for the second"),
        ("? [a]\n: b\n", "e.yml: line 1: a key must be a word."),
        ("", "e.yml is empty."),
        ("\n \n", "e.yml is empty."),
        (b"dependencies: [\xff]\n", "e.yml is not UTF-8 (byte 16): is it a text file? Save it as UTF-8."),
        (b"dependencies: [\0]\n", "e.yml is not text: it holds zero bytes."),
        ("a: &a [*a]\ndependencies: [b]\n", "e.yml: line 1: *a is not known before."),
        ("a: *b\ndependencies: [b]\n", "e.yml: line 1: *b is not known before."),
        ("dependencies:\n" + "- " * 99 + "a\n", "e.yml is nested too deep to be read."),
        ("[" * 500, "e.yml is nested too deep to be read."),
        ("[" * 100_000, "e.yml is n"),  # ot YAML, or nested too deep, as the loader has it
        ("dependencies: [a]\n--- \nb: c\n", "e.yml: line 2: a second document begins."),
    ],
)
def test_what_cannot_be_read(content: str | bytes, message: str, tmp_path: Path) -> None:
    assert problem(tmp_path / "e.yml", content)[: len(message)] == message


def test_broken_json(tmp_path: Path) -> None:
    assert problem(tmp_path / "e.json", '{"dependencies": [\n"a",]}\n').startswith(
        "e.json is not JSON: line 2, column "
    )


@pytest.mark.parametrize("content", ["services: {a: 1}\n", "- a\n", "just words\n"])
def test_another_kind_of_yaml(content: str, tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    with pytest.raises(UsageError) as caught:
        read(file, content)
    assert str(caught.value) == f"{file} is no environment.yml: it has no dependencies section."


@pytest.mark.parametrize(
    ("missing", "content", "message"),
    [
        ("yaml", "dependencies: [a]\n", "needs PyYAML: pip install 'conda-pack[create]', or conda install"),
        ("packaging", "dependencies: [{pip: [six]}]\n", "needs packaging: pip install 'conda-pack[create]'"),
    ],
)
def test_what_is_not_installed(
    missing: str, content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == missing:
            raise ModuleNotFoundError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ToolMissing) as caught:
        read(tmp_path / "e.yml", content)
    assert message in str(caught.value)
