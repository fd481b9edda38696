"""Real conda as the oracle: the same specs from the same files, and what it exports is read back exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conda_pack.sources.files.reading import read_source
from conda_pack.sources.model import Explicit, Pinned, Source, Specs
from demo.commands import run
from tests.support.environments import LocalChannel, MakeEnvironment, RealConda
from tests.support.packs import conda_pack
from tests.support.wheels import pip, write_wheel

#: Reads files as conda does, and brings our specs into its form.
_ORACLE = """
import json, sys
from conda.cli.common import specs_from_url
from conda.env.env import from_file
from conda.models.match_spec import MatchSpec

path, ours = sys.argv[1], json.loads(sys.argv[2])
normal = [str(MatchSpec(spec)) for spec in ours]
if path.endswith(".txt"):
    theirs = [str(MatchSpec(spec)) for spec in specs_from_url(path)]
    print("ORACLE", json.dumps({"conda": theirs, "ours": normal}))
else:
    found = from_file(path)
    print("ORACLE", json.dumps({
        "name": found.name, "channels": found.channels, "variables": found.variables,
        "conda": found.dependencies.get("conda", []), "pip": found.dependencies.get("pip", []),
        "ours": normal,
    }))
"""


def read(path: Path) -> Source:
    return read_source(str(path), environment=None, platforms=())


def ask(conda: RealConda, path: Path, specs: Specs) -> dict[str, Any]:
    conda.home.mkdir(parents=True, exist_ok=True)
    words: list[str | Path] = [conda.python, "-c", _ORACLE, path, json.dumps(specs.conda)]
    printed = run(words, {**conda.environ, "TEAM": "https://team.invalid"}, cwd=conda.home)
    (line,) = [line for line in printed.splitlines() if line.startswith("ORACLE ")]
    found: dict[str, Any] = json.loads(line.removeprefix("ORACLE "))
    return found


YAML = """\
name: analysis
channels:
  - ${TEAM}/main
  - $TEAM/other
  - file:///srv/channel
dependencies:
  - python=3.10
  - numpy=1.2
  - a =1.2
  - b =1.2=py*
  - c>=1.2,<2
  - d ==1.2
  - e 1.2 py_0
  - f~=1.2
  - "g[version='>=1', build=py*]"
  - team::h>=1
  - i
  - J=1
  - k!=1.2
  - l=1.2|1.3
  - {pip}
variables:
  A: x
  B: "1"
prefix: /opt/x
"""


@pytest.mark.parametrize("section", ["pip: [six, toolz==1.2.0]", "m"])
def test_environment_yml(section: str, conda: RealConda, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "https://team.invalid")
    file = work / "environment.yml"
    file.write_text(YAML.replace("{pip}", section))
    specs = read(file)
    assert isinstance(specs, Specs)
    theirs = ask(conda, file, specs)
    assert theirs == {
        "name": specs.name,
        "channels": list(specs.channels),
        "variables": dict(specs.variables),
        "conda": theirs["ours"],
        "pip": list(specs.pip.requirements),
        "ours": theirs["ours"],
    }


def test_a_list_of_specs(conda: RealConda, work: Path) -> None:
    file = work / "specs.txt"
    file.write_text("# c\na=1.2\nb=1.2=py_0\nc>=1,<2  # c\nd\nteam::e=1\nf ==1.2\ng!=1\n")
    specs = read(file)
    assert isinstance(specs, Specs)
    theirs = ask(conda, file, specs)
    assert theirs["conda"] == theirs["ours"]


@pytest.fixture(scope="module")
def records(installed: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in installed.glob("conda-meta/*.json")]


def test_an_explicit_list_of_a_real_environment(
    conda: RealConda, installed: Path, records: list[dict[str, Any]], work: Path
) -> None:
    file = work / "explicit.txt"
    file.write_text(conda.run("list", "--explicit", "--md5", "-p", installed))
    explicit = read(file)
    assert isinstance(explicit, Explicit)
    assert set(explicit.packages) == {Pinned(record["url"], md5=record["md5"]) for record in records}
    assert len(explicit.packages) == len(records)
    assert explicit.platform in {record["subdir"] for record in records}


@pytest.mark.parametrize("is_json", [False, True])
def test_an_export_of_a_real_environment(
    is_json: bool,
    conda: RealConda,
    installed: Path,
    records: list[dict[str, Any]],
    channel: LocalChannel,
    work: Path,
) -> None:
    file = work / ("environment.json" if is_json else "environment.yml")
    file.write_text(conda.run("env", "export", "-p", installed, *(["--json"] if is_json else [])))
    specs = read(file)
    assert isinstance(specs, Specs)
    expected = {"=".join((record["name"], record["version"], record["build"])) for record in records}
    assert set(specs.conda) == expected
    assert channel.path.as_uri() in specs.channels
    assert specs.pip.requirements == ()


def test_an_export_with_what_pip_has_installed(
    conda: RealConda, rattler_env: MakeEnvironment, channel: LocalChannel, work: Path
) -> None:
    prefix = rattler_env(*channel.specs)
    pip(prefix, "install", write_wheel(work / "wheels", "by-pip", "1.5", {"by_pip.py": ""}))
    (work / "specs.txt").write_text(conda.run("list", "--export", "-p", prefix))
    (work / "environment.yml").write_text(conda.run("env", "export", "-p", prefix))
    listed, exported = read(work / "specs.txt"), read(work / "environment.yml")
    assert isinstance(listed, Specs)
    assert isinstance(exported, Specs)
    assert listed.pip.requirements == exported.pip.requirements == ("by-pip==1.5",)
    records = [json.loads(file.read_text()) for file in prefix.glob("conda-meta/*.json")]
    assert sorted(listed.conda) == sorted(f"{r['name']} {r['version']} {r['build']}" for r in records)
    assert set(exported.conda) - {"pip"} >= {f"{r['name']}={r['version']}={r['build']}" for r in records}


def test_what_conda_pack_itself_writes(
    rattler_env: MakeEnvironment, channel: LocalChannel, work: Path
) -> None:
    prefix = rattler_env(*channel.specs)
    wheel = write_wheel(work / "wheels", "by-pip", "1.5", {"by_pip.py": ""})
    pip(prefix, "install", "by-pip", "--find-links", wheel.parent)
    records = [json.loads(file.read_text()) for file in prefix.glob("conda-meta/*.json")]
    (work / "explicit.txt").write_text(conda_pack("explicit", prefix).out)
    (work / "environment.yml").write_text(conda_pack("explicit", prefix, "--yaml").out)
    explicit, specs = read(work / "explicit.txt"), read(work / "environment.yml")
    assert isinstance(explicit, Explicit)
    assert isinstance(specs, Specs)
    assert set(explicit.packages) == {Pinned(record["url"], md5=record["md5"]) for record in records}
    assert explicit.pip.requirements == specs.pip.requirements == ("by-pip==1.5",)
    assert set(specs.conda) - {"pip"} >= {f"{r['name']}={r['version']}={r['build']}" for r in records}
