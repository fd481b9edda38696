"""``conda-pack imports``, as a command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from conda_pack.sources.imports.proving import prove
from conda_pack.sources.imports.results import Imports
from tests.support.environments import LocalChannel, RealConda


def imports(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conda_pack", "imports", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def printed(*arguments: str | Path, cwd: Path | None = None) -> str:
    done = imports(*arguments, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def package(work: Path) -> Path:
    """The folder of seed 004's walkthrough."""
    folder = work / "test_package"
    folder.mkdir()
    (folder / "first_file.py").write_text("import scipy\nimport numpy\n")
    (folder / "second_file.py").write_text("import pandas\nimport sklearn\n")
    return folder


def test_the_walkthrough(package: Path, work: Path) -> None:
    expected = """\
python

required:
  numpy         numpy    test_package/first_file.py:2
  pandas        pandas   test_package/second_file.py:1
  scikit-learn  sklearn  test_package/second_file.py:2
  scipy         scipy    test_package/first_file.py:1

2 files read, for linux-64
"""
    assert printed("test_package", "--platform", "linux-64", cwd=work) == expected
    assert yaml.safe_load(printed("test_package", "--yaml", cwd=work)) == {
        "name": "test_package",
        "channels": ["conda-forge"],
        "dependencies": ["python", "numpy", "pandas", "scikit-learn", "scipy"],
    }


def test_conda_and_its_python_agree(conda: RealConda, channel: LocalChannel, work: Path) -> None:
    """conda reads the file; what it then makes of the channel brings every import that the channel has."""
    (work / "a.py").write_text("import numpy, yaml\nfrom six.moves import urllib\n(x := 1)\n")
    brought = {record["name"] for record in _records(channel)}
    text = printed("a.py", "--yaml", "--channel", channel.path.as_uri(), "--name", "proof", cwd=work)
    (work / "environment.yml").write_text(text)
    told = yaml.safe_load(text)
    assert told["dependencies"] == ["python >=3.8", "numpy", "pyyaml", "six"]
    read = json.loads(
        subprocess.run(
            [conda.python, "-c", _READ, work / "environment.yml"],
            env=conda.environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    assert read == {"name": "proof", "channels": told["channels"], "specs": _SPECS}
    if not {"numpy", "pyyaml", "six"} <= brought:
        pytest.skip("the channel is the demonstration's, without numpy")
    conda.create(work / "env", channel.path, told["dependencies"])
    assert prove(str(work / "env"), [("numpy", None), ("six.moves", "urllib"), ("yaml", "safe_load")]) == []


_READ = """\
import json, sys
from conda.models.match_spec import MatchSpec
from conda.env.specs.yaml_file import YamlFileSpec
spec = YamlFileSpec(filename=sys.argv[1])
assert spec.can_handle(), spec.msg
env = spec.environment
specs = [MatchSpec(each) for each in env.dependencies["conda"]]
told = [[spec.name, str(spec.version or "")] for spec in specs]
print(json.dumps({"name": env.name, "channels": env.channels, "specs": told}))
"""
_SPECS = [["python", ">=3.8"], ["numpy", ""], ["pyyaml", ""], ["six", ""]]


def _records(channel: LocalChannel) -> list[dict[str, Any]]:
    found = []
    for subdir in ("noarch", "linux-64"):
        repodata = json.loads((channel.path / subdir / "repodata.json").read_text())
        found += [*repodata["packages"].values(), *repodata["packages.conda"].values()]
    return found


def test_json(package: Path, work: Path) -> None:
    (package / "first_file.py").write_text(
        "try:\n    import numpy.linalg as l\nexcept ImportError:\n    pass"
    )
    result = msgspec.json.decode(printed(package, "--json", "--platform", "osx-arm64"), type=Imports)
    assert (result.platform, result.python, len(result.files)) == ("osx-arm64", "python", 2)
    assert [need.package for need in result.required] == ["pandas", "scikit-learn"]
    (need,) = result.optional
    (found,) = need.imports
    assert (need.known, found.module, found.name, found.kind) == (True, "numpy.linalg", None, "optional")
    assert [(place.path, place.line) for place in found.places] == [(str(package / "first_file.py"), 2)]


def test_files_that_cannot_be_read(package: Path) -> None:
    """They are named, the others are scanned, and the exit code tells."""
    (package / "broken.py").write_text("import\n")
    (package / "latin.py").write_bytes(b"x = 1\n# caf\xe9\n")
    (package / "strange.py").write_text("# coding: nothing\n")
    (package / "nb.ipynb").write_text("{")
    for form in ([], ["--yaml"], ["--json"]):
        done = imports(package, *form)
        assert (done.returncode, "scikit-learn" in done.stdout) == (6, True)
        told = done.stderr.splitlines()
        assert [line.removeprefix(f"warning: {package}/").partition(":")[0] for line in told] == [
            "broken.py",
            "latin.py",
            "nb.ipynb",
            "strange.py",
        ]
        assert [f"{package}/broken.py:1: ", f"{package}/latin.py:2: is not in the encoding utf-8"] == [
            told[0][9 : 9 + len(f"{package}/broken.py:1: ")],
            told[1][9:].partition(": invalid")[0],
        ]
    problems = json.loads(imports(package, "--json").stdout)["problems"]
    assert [Path(problem["path"]).name for problem in problems] == [
        "broken.py",
        "latin.py",
        "nb.ipynb",
        "strange.py",
    ]


def test_a_file_that_the_disk_does_not_give(package: Path) -> None:
    (package / "second_file.py").unlink()
    (package / "second_file.py").symlink_to("/proc/self/mem")
    done = imports(package)
    assert (done.returncode, "numpy" in done.stdout) == (6, True)
    assert done.stderr == f"warning: {package}/second_file.py: cannot be read: Input/output error\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.py", "first_file.py", "lost"], "No such file or folder: gone.py, lost"),
        ([".", "--map", "yaml", "--map", "a=b", "--map", "1=c"], "this is not: yaml, 1=c."),
        ([".", "--platform", "linux"], "linux is no platform"),
        ([".", "--yaml", "--json"], "not allowed with"),
        ([], "required: PATH"),
    ],
)
def test_usage(arguments: list[str], message: str, package: Path) -> None:
    done = imports(*arguments, cwd=package)
    assert (done.returncode, done.stdout.partition("{")[0], message in done.stderr) == (2, "", True), (
        done.stderr
    )


def test_options(package: Path) -> None:
    (package / "first_file.py").write_text(
        "import settings, yaml\nif x:\n    import numpy\n"
        "try:\n    import numba\nexcept ImportError:\n    pass"
    )
    text = printed(
        *(package, "--yaml", "--with-optional", "--name", "mine"),
        *("--map", "settings=", "--map", "yaml=my-yaml >=2", "--map", "sklearn=intelex"),
        *("-c", "file:///srv/channel", "-c", "conda-forge"),
    )
    assert yaml.safe_load(text) == {
        "name": "mine",
        "channels": ["file:///srv/channel", "conda-forge"],
        "dependencies": ["python", "intelex", "my-yaml >=2", "pandas", "numpy", "numba"],
    }


def test_what_no_python_has(package: Path) -> None:
    (package / "first_file.py").write_text("import imp, tomllib\n")
    (package / "third_file.py").write_text("import annotationlib\n")
    done = imports(package)
    assert done.returncode == 6
    assert (
        "no Python has all that the sources ask for: the module annotationlib, since Python 3.14"
        in done.stderr
    )


def test_starts_without_what_it_does_not_need() -> None:
    """--help imports neither the scanner nor msgspec."""
    code = (
        "import sys\nsys.argv = ['conda-pack', 'imports', '--help']\nfrom conda_pack.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('msgspec', 'rich', 'conda_pack.sources') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
