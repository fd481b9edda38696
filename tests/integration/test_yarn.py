"""Archives as YARN unpacks them for its containers: linked into a work folder, the files read-only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.channels import LocalChannel
from tests.support.environments import tree
from tests.support.packs import Done, start, succeed
from tests.support.spark import (
    NOBODY,
    Container,
    Science,
    Spark,
    code,
    give,
    need,
    pack,
    pack_link,
    public_folder,
    suffixes,
)


@pytest.fixture(scope="module")
def science(work_root: Path, channel: LocalChannel) -> Science:
    return Science.make(work_root / "spark", channel)


@pytest.fixture(scope="module")
def public(work_root: Path) -> Iterator[Path]:
    with public_folder(work_root) as folder:
        yield folder


def unpack(archive: Path, folder: Path) -> Container:
    """Unpack by the command that YARN's localizer starts, and leave nothing that could be written to."""
    folder.mkdir(parents=True)
    succeed(["bash", "-c", 'gzip -dc | (cd "$0" && tar -x )', folder], stdin=archive)
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            path.chmod(0o500)
    give(folder)
    return Container.make(folder.parent, {"environment": folder})


@pytest.fixture(scope="module")
def read_only(science: Science, public: Path) -> Container:
    return unpack(science.archive, public / "read-only" / "environment.tar.gz")


@pytest.fixture(scope="module")
def localized(science: Science, public: Path) -> Container:
    """Unpacked by YARN's localizer, for this user's containers alone."""
    cache = public / "localized"
    need(Spark.make).localize("PRIVATE", (science.archive, cache))
    give(cache)
    return Container.make(public, {"environment": cache / science.archive.name})


@pytest.fixture(params=["read_only", "localized"])
def container(request: pytest.FixtureRequest) -> Container:
    found: Container = request.getfixturevalue(request.param)
    return found


def test_python_runs(container: Container, science: Science) -> None:
    """It finds itself, and compiled modules, by the name that the container has for the environment."""
    found = f"import sys, ssl, {science.library} as library; print(sys.prefix, library.__file__, sep='\\n')"
    done = container.run("environment/bin/python", "-c", found)
    prefix = container.folder / "environment"
    assert Done(0, f"{prefix}\n{prefix / science.library_file}\n", "") == done


def test_scripts_run(container: Container, science: Science, channel: LocalChannel) -> None:
    """Entry points, and a script with an option in its first line; without activation."""
    options = dict.fromkeys((*channel.console_scripts, channel.script_with_option), "--help")
    options |= dict([science.script])
    scripts = [script for script in options if (science.prefix / script).exists()]
    results = {script: container.run(f"environment/{script}", options[script]) for script in scripts}
    assert dict.fromkeys(scripts, ("", True)) == {
        script: (done.err, bool(done.out)) for script, done in results.items()
    }


def test_activation(container: Container) -> None:
    """By a relative path, as the page has it for Skein."""
    commands = "source environment/bin/activate; command -v python; echo $CONDA_PREFIX; python -c pass"
    done = container.run("bash", "-euc", commands)
    prefix = container.folder / "environment"
    assert Done(0, f"{prefix}/bin/python\n{prefix}\n", "") == done


def test_nothing_is_written(read_only: Container, science: Science) -> None:
    """Nobody could, and nobody minds."""
    unpacked = (read_only.folder / "environment").resolve()
    before = tree(unpacked)
    assert start(["touch", unpacked / "bin/x"], user=NOBODY).code
    read_only.run("environment/bin/python", "-c", f"import {science.library}, json, ctypes")
    read_only.run(f"environment/{science.script[0]}", science.script[1])
    read_only.run("bash", "-euc", "source environment/bin/activate")
    assert before == tree(unpacked)


@pytest.mark.parametrize(
    ("visibility", "modes"),
    [
        ("PRIVATE", {("folder", 0o700), ("file", 0o500)}),
        ("PUBLIC", {("folder", 0o755), ("file", 0o555)}),
    ],
)
def test_suffixes_and_modes(public: Path, visibility: str, modes: set[tuple[str, int]]) -> None:
    """What YARN makes of archives, for this user alone and for everybody, is what the page says."""
    caches = public / visibility
    caches.mkdir()
    archives = {suffix: pack_link(caches, suffix) for suffix in suffixes()}
    need(Spark.make).localize(
        visibility, *((archive, caches / suffix) for suffix, archive in archives.items())
    )
    if visibility == "PRIVATE":
        give(caches)
    found = {}
    for suffix, archive in archives.items():
        unpacked = caches / suffix / archive.name
        says = start([unpacked / "bin/link"], user=NOBODY).out.strip() if unpacked.is_dir() else "no"
        found[suffix] = says
    assert {suffix: by_yarn for suffix, (_, by_yarn) in suffixes().items()} == found
    nodes = tree(caches / "tar.gz").values()
    assert modes | {("link", 0)} == {(node.type, node.mode) for node in nodes}


def test_files_know_their_place(science: Science, channel: LocalChannel, work: Path, public: Path) -> None:
    """Packed for ``./environment``: files name it, and what needs that runs from the container's folder."""
    archive = pack(work, science.prefix, code("Files that must know their place", "sh"))
    container = unpack(archive, public / "placed" / archive.name)
    text = container.run("cat", f"environment/{channel.text_with_prefix}").out
    expected = "home=./environment"
    assert expected == text.splitlines()[0]
    for script, *options in ((channel.shell_script,), science.script):
        done = container.run(f"environment/{script}", *options)
        assert done.out
