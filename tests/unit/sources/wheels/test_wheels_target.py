"""Which wheels fit a platform, and what its markers are: asked of the Python that runs here."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import packaging._manylinux
import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from conda_pack.errors import SourceProblem
from conda_pack.sources.wheels.target import Target, read_target

HERE = Target(
    {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[platform.machine()],
    platform.python_version(),
    glibc=platform.libc_ver()[1],
)


def test_tags_are_those_of_the_python_that_runs_here() -> None:
    """All, in their order, but for those of a libc that conda does not have."""
    expected = [str(tag) for tag in sys_tags() if "musllinux" not in tag.platform]
    assert expected == [str(tag) for tag in HERE.tags()]


def test_markers_are_those_of_the_python_that_runs_here() -> None:
    environment = default_environment() | {"platform_release": "", "platform_version": ""}
    assert {**environment} == HERE.environment()


@pytest.mark.parametrize(
    ("subdir", "machine"),
    [("linux-aarch64", "aarch64"), ("linux-ppc64le", "ppc64le"), ("linux-64", "x86_64")],
)
def test_manylinux_of_other_machines(subdir: str, machine: str) -> None:
    """As packaging would tell them there, with the glibc of here."""
    expected = [f"linux_{machine}", *packaging._manylinux.platform_tags([machine])]
    assert expected == Target(subdir, "3.11.2", glibc=HERE.glibc).platform_tags()


FITS = {
    "numpy-2.4.6-cp311-cp311-win_amd64.whl": {"win-64"},
    "numpy-2.4.6-cp311-cp311-win_arm64.whl": {"win-arm64"},
    "numpy-2.4.6-cp311-cp311-win32.whl": {"win-32"},
    "numpy-2.4.6-cp311-cp311-macosx_11_0_arm64.whl": {"osx-arm64"},
    "numpy-2.4.6-cp311-cp311-macosx_14_0_arm64.whl": set(),
    "numpy-2.4.6-cp311-cp311-macosx_10_9_x86_64.whl": {"osx-64"},
    "numpy-2.4.6-cp311-abi3-macosx_10_9_universal2.whl": {"osx-64", "osx-arm64"},
    "numpy-2.4.6-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": {"linux-64"},
    "numpy-2.4.6-cp311-cp311-manylinux_2_34_x86_64.whl": set(),
    "numpy-2.4.6-cp311-cp311-manylinux1_x86_64.whl": {"linux-64"},
    "numpy-2.4.6-cp311-cp311-manylinux2014_aarch64.whl": {"linux-aarch64"},
    "numpy-2.4.6-cp311-cp311-musllinux_1_2_x86_64.whl": set(),
    "numpy-2.4.6-cp310-cp310-win_amd64.whl": set(),
    "numpy-2.4.6-cp38-abi3-win_amd64.whl": {"win-64"},
    "numpy-2.4.6-cp312-abi3-win_amd64.whl": set(),
    "numpy-2.4.6-cp311-cp311t-win_amd64.whl": set(),
}


@pytest.mark.parametrize("wheel", FITS)
def test_which_platforms_a_wheel_is_for(wheel: str) -> None:
    platforms = [
        "win-64",
        "win-32",
        "win-arm64",
        "osx-64",
        "osx-arm64",
        "linux-64",
        "linux-aarch64",
        "linux-ppc64le",
    ]
    tags = parse_wheel_filename(wheel)[3]
    fits = {name for name in platforms if not tags.isdisjoint(Target(name, "3.11.2", glibc="2.28").tags())}
    assert FITS[wheel] == fits


def test_a_free_threaded_python_has_its_own_wheels() -> None:
    tags = {str(tag) for tag in Target("win-64", "3.13.1", free_threaded=True).tags()}
    wanted = {"cp313-cp313t-win_amd64", "cp313-cp313-win_amd64", "cp313-abi3-win_amd64", "py3-none-any"}
    assert {"cp313-cp313t-win_amd64", "py3-none-any"} == tags & wanted


@pytest.mark.parametrize(
    ("subdir", "expected"),
    [
        ("win-64", ("win32", "Windows", "nt", "AMD64")),
        ("win-arm64", ("win32", "Windows", "nt", "ARM64")),
        ("win-32", ("win32", "Windows", "nt", "x86")),
        ("osx-arm64", ("darwin", "Darwin", "posix", "arm64")),
        ("osx-64", ("darwin", "Darwin", "posix", "x86_64")),
        ("linux-ppc64le", ("linux", "Linux", "posix", "ppc64le")),
    ],
)
def test_markers_of_other_platforms(subdir: str, expected: tuple[str, ...]) -> None:
    """As Python's documentation and its sysconfig have them; every name that markers know is there."""
    environment = Target(subdir, "3.11.2").environment()
    names = ("sys_platform", "platform_system", "os_name", "platform_machine")
    assert expected == tuple(environment[name] for name in names)
    assert set(default_environment()) == set(environment)


# ------------------------------------------------------------- the target of a prefix


def prefix_with(folder: Path, **python: str | None) -> str:
    """An environment of nothing but the record of a Python."""
    record = {"name": "python", "version": "3.11.2", "build": "h1_0_cpython", "subdir": "linux-64"} | python
    (folder / "conda-meta").mkdir()
    (folder / "conda-meta" / f"python-{record['version']}-{record['build']}.json").write_text(
        json.dumps(record)
    )
    return str(folder)


def test_the_target_of_a_prefix(work: Path) -> None:
    target = read_target(prefix_with(work), glibc="2.28")
    assert (
        *(target.platform, target.python, target.abi, target.glibc),
        target.site_packages,
    ) == ("linux-64", "3.11.2", "cp311", "2.28", "lib/python3.11/site-packages")


@pytest.mark.parametrize(
    "python", [{"build": "h1_0_cp313t"}, {"python_site_packages_path": "lib/python3.13t/site-packages"}]
)
def test_a_free_threaded_python_is_known_by_its_record(work: Path, python: dict[str, str]) -> None:
    target = read_target(prefix_with(work, **{"version": "3.13.1", **python}))
    assert (target.abi, target.headers) == ("cp313t", "include/python3.13t")


def test_site_packages_are_where_the_record_says(work: Path) -> None:
    target = read_target(prefix_with(work, python_site_packages_path="lib/elsewhere"))
    assert (target.site_packages, target.free_threaded) == ("lib/elsewhere", False)


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ({"build": "0_73_pypy"}, "no CPython"),
        ({"subdir": "emscripten-wasm32"}, "emscripten-wasm32"),
        ({"name": "perl"}, "has no Python"),
    ],
)
def test_without_a_cpython_there_is_no_target(work: Path, python: dict[str, str], words: str) -> None:
    with pytest.raises(SourceProblem, match=words):
        read_target(prefix_with(work, **python))


# ------------------------------------------------------------- tools


@pytest.mark.parametrize("tool", ["packaging", "installer"])
def test_a_missing_tool_is_named(tool: str) -> None:
    code = (
        f"import sys; sys.modules[{tool!r}] = None\n"
        "from conda_pack.errors import ToolMissing\n"
        "try: import conda_pack.sources.wheels\n"
        "except ToolMissing as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expected = (
        f"Wheels are read and put in with '{tool}', which is not installed: "
        "pip install 'conda-pack[create]', or conda install packaging python-installer.\n"
    )
    assert (expected, "") == (done.stdout, done.stderr)


def test_without_pip_it_is_said(work: Path) -> None:
    """By a Python that has everything else."""
    code = (
        "import sys; sys.modules['pip'] = None\n"
        "import importlib.util\n"
        "from conda_pack.errors import ToolMissing\n"
        "from conda_pack.sources.wheels.running import download\n"
        "from conda_pack.sources.wheels.target import Target\n"
        "try: download([], Target('linux-64', '3.11.2'), '.')\n"
        "except ToolMissing as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=work,
        env={**os.environ},
    )
    expected = f"Wheels are found and fetched with pip, which {sys.executable} does not have: "
    assert (done.stdout.startswith(expected), done.stderr) == (True, "")
