"""From imports to an environment on another machine: the walkthrough that users know, and in one step.

The commands are those of "Creating a Portable Python Environment from Imports" (2020), word for word where
they still exist: depfinder's place is taken by ``conda-pack imports``, and the four imports are of packages
that the channel has.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.environments import LocalChannel, RealConda
from tests.support.packs import Done, start


class Shell(Protocol):
    """Runs lines of bash, in a folder."""

    def __call__(self, script: str, folder: Path = ...) -> Done: ...


FILES = """\
mkdir -p ./test_package
echo "import yaml" >> ./test_package/first_file.py
echo "import numpy" >> ./test_package/first_file.py
echo "from dateutil import parser" >> ./test_package/second_file.py
echo "import pygments" >> ./test_package/second_file.py
"""
PACKAGES = ["numpy", "pygments", "python-dateutil", "pyyaml"]
#: What ``conda init`` would have put into the shell; the wheel that this conda is of lacks that script.
HOOK = """\
conda() {
  case $1 in
    activate) eval "$(command conda shell.posix activate "$2")" ;;
    *) command conda "$@" ;;
  esac
}
"""
ENVIRONMENT = """\
name: my_env
channels:
  - {channel}
dependencies:
  - python>=3.7
{packages}
"""


@pytest.fixture
def shell(plugged: RealConda, channel: LocalChannel, work: Path) -> Shell:
    """Runs lines of bash where conda and conda-pack are on the PATH, in the folder ``work``."""
    if channel.name != "shared":
        pytest.skip("NO SHARED CHANNEL, the walkthrough is not taken: the other one has nothing to import!")
    tools = work / "tools"
    tools.mkdir()
    (tools / "conda").write_text(f'#!/bin/sh\nexec {plugged.python} -m conda "$@"\n')
    (tools / "conda").chmod(0o755)
    variables = {
        "PATH": f"{tools}:{plugged.python.parent}:/usr/bin:/bin",
        "HOME": str(work / "home"),
        "CONDA_ENVS_DIRS": str(work / "envs"),
        "CONDA_SOLVER": "classic",
        "CONDA_OFFLINE": "true",
    }
    (work / "home").mkdir()

    def run(script: str, folder: Path = work) -> Done:
        environ = plugged.environ | variables
        return start(["bash", "-ec", HOOK + script], environ=environ, cwd=folder)

    return run


def ended(done: Done) -> str:
    """What a script printed that ended well."""
    assert done.code == 0, done.err
    return done.out


def test_word_for_word(shell: Shell, channel: LocalChannel, work: Path) -> None:
    """Step by step; the environment is removed before its copy is used."""
    ended(shell(FILES))
    found = ended(shell("conda-pack imports --yaml ./test_package"))
    listed = [line.removeprefix("  - ") for line in found.splitlines() if line.startswith("  - ")]
    assert [name for name in listed if name in PACKAGES] == PACKAGES
    packages = "\n".join(f"  - {name}" for name in PACKAGES)
    text = ENVIRONMENT.format(channel=channel.path.as_uri(), packages=packages)
    (work / "environment.yml").write_text(text)
    ended(shell("conda env create -f environment.yml"))
    ended(
        shell(
            """\
            conda activate my_env
            test "$CONDA_PREFIX" = "$PWD/envs/my_env"
            conda pack -n my_env -o my_env.tar.gz
            """
        )
    )
    shutil.rmtree(work / "envs")
    target = work / "target"
    target.mkdir()
    shutil.move(work / "my_env.tar.gz", target)
    told = ended(
        shell(
            """\
            mkdir -p my_env
            tar -xzf my_env.tar.gz -C my_env
            ./my_env/bin/python -c 'import yaml, numpy, pygments; from dateutil import parser'
            source my_env/bin/activate
            python -c 'import sys; print(sys.prefix)'
            conda-unpack
            pygmentize -V
            source my_env/bin/deactivate
            """,
            target,
        )
    )
    assert told.splitlines()[0] == str(target / "my_env")
    assert told.splitlines()[-1].startswith("Pygments version ")


def test_in_one_step(shell: Shell, channel: LocalChannel, work: Path) -> None:
    """From the imports to the archive, which is proved to bring them."""
    ended(shell(FILES))
    done = shell(f"conda-pack --imports ./test_package -c {channel.path.as_uri()} -o my_env.tar.gz")
    assert (done.code, done.out, done.err) == (0, f"{work / 'my_env.tar.gz'}\n", "")
    told = ended(
        shell(
            """\
            conda-pack unpack my_env.tar.gz my_env
            ./my_env/bin/pygmentize -V
            ./my_env/bin/python -c 'import yaml, numpy, pygments; from dateutil import parser'
            """
        )
    )
    assert told.splitlines()[-1].startswith("Pygments version ")


def test_an_import_that_fails(shell: Shell, channel: LocalChannel, work: Path) -> None:
    """A package that does not say what it needs itself: nothing is packed, and it is said what fails."""
    ended(shell(FILES + 'echo "import requests" >> ./test_package/first_file.py\n'))
    options = f"-c {channel.path.as_uri()} -o my_env.tar.gz"
    done = shell(f"conda-pack --imports ./test_package {options}")
    assert (done.code, done.out) == (6, "")
    assert done.err.splitlines() == [
        "conda-pack: error: 1 of 5 imports fail in the environment, which was therefore not packed; name the "
        "packages that bring them with --map or --spec:",
        "  requests: ModuleNotFoundError: No module named 'urllib3'",
    ]
    assert list(work.glob("*.tar.gz")) == []
    more = " ".join(f"--spec {name}" for name in ("urllib3", "idna", "certifi", "charset-normalizer"))
    assert shell(f"conda-pack --imports ./test_package {more} {options}").code == 0


def test_a_file_that_is_not_python(shell: Shell, channel: LocalChannel, work: Path) -> None:
    """It is named, and the others are still read."""
    ended(shell(FILES + 'echo "import (" > ./test_package/broken.py\n'))
    done = shell(f"conda-pack --imports ./test_package -c {channel.path.as_uri()} -o my_env.tar.gz")
    assert (done.code, done.err.startswith("warning: ./test_package/broken.py:1: ")) == (0, True), done.err


def test_conditions_about_python(shell: Shell, channel: LocalChannel, work: Path) -> None:
    """The Python that is solved decides them: what it does not import is not asked for, what it does is."""
    (work / "job.py").write_text(
        "import sys\n"
        "if sys.version_info < (3, 11):\n    import tomli\n"
        "if sys.version_info >= (3, 11):\n    import toolz\n"
    )
    done = shell(f"conda-pack --imports job.py -c {channel.path.as_uri()} -o x.tar.gz --json")
    assert (done.code, done.err) == (0, "")
    assert ended(shell("conda-pack explicit x.tar.gz")).count("/toolz-") == 1


def test_sources_that_no_python_runs(shell: Shell, channel: LocalChannel, work: Path) -> None:
    """What is too old for one is too new for the other."""
    (work / "old.py").write_text("import asyncore\n")
    (work / "new.py").write_text(
        "type X = int\n" if sys.version_info >= (3, 12) else "import annotationlib\n"
    )
    done = shell(f"conda-pack --imports old.py new.py -c {channel.path.as_uri()} -o x.tar.gz")
    assert done.code == 15
    assert done.err.startswith("conda-pack: error: No Python can run all of these sources on linux-64:\n")
    assert "\n  the module asyncore, gone in Python 3.12 (old.py:1)\n" in done.err
