"""What users do to their environments between installing and packing them: pip, edits, deletions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.channels import LocalChannel
from tests.support.environments import diff_trees, rattler_install, tree
from tests.support.packs import (
    BARE,
    Done,
    conda_pack,
    installation,
    pack,
    path_of_length,
    relocate,
    sha256,
    small_specs,
    start,
    succeed,
    unpack,
    untar,
    untar_and_relocate,
)
from tests.support.wheels import pip, write_project, write_wheel

TELLS_PREFIX = "import sys\n\ndef main():\n    print(sys.prefix, *sys.argv[1:])\n"


@pytest.fixture
def specs(channel: LocalChannel) -> tuple[str, ...]:
    return (*small_specs(channel), *(["pip"] if "pip" in channel.specs else []))


@pytest.fixture
def env(channel: LocalChannel, specs: tuple[str, ...], work: Path) -> Path:
    """An environment of the test's own, with pip if there is one."""
    prefix = work / "env"
    rattler_install(channel.path, prefix, specs)
    return prefix


@pytest.fixture(scope="session")
def tiny(work_root: Path) -> Path:
    """The wheel of a project with two scripts, one of which comes as a file."""
    return write_wheel(
        work_root / "wheels",
        "tiny",
        "1.0",
        {
            "tiny.py": TELLS_PREFIX,
            "tiny-1.0.data/scripts/tiny-file": "#!python\nfrom tiny import main\nmain()\n",
        },
        {"tiny": "tiny:main"},
    )


def refused(prefix: Path, archive: Path, *options: str) -> str:
    """What conda-pack says when it finds something that needs a decision."""
    done = conda_pack("--quiet", "-p", prefix, "-o", archive, *options)
    expected = (6, "", False)
    assert expected == (done.code, done.out, archive.exists()), done
    return done.err


# -------------------------------------------------------------------------- pip


def test_scripts_of_pip_run_wherever_they_are(env: Path, tiny: Path, work: Path) -> None:
    """Extracted, relocated, at places with spaces, and too long for a first line."""
    pip(env, "install", tiny)
    assert Done(0, "", "") == pack(env, work / "env.tar.gz")
    untar(work / "env.tar.gz", work / "extracted")
    places = [work / "extracted"]
    for place in (work / "x", work / "with  spaces and naïve ☃ letters", path_of_length(work, 200)):
        untar_and_relocate(work / "env.tar.gz", place)
        places.append(place)
    actual = {}
    for place in places:
        for script in ("tiny", "tiny-file"):
            actual[place, script] = start([place / "bin" / script, "a b"], environ=BARE)
    assert {key: Done(0, f"{key[0]} a b\n", "") for key in actual} == actual


@pytest.mark.parametrize("length", [None, 200])
def test_entry_points_of_pip_are_as_pip_makes_them(
    env: Path, channel: LocalChannel, specs: tuple[str, ...], tiny: Path, work: Path, length: int | None
) -> None:
    """Everything equals what pip writes at that place.

    But for two things: pip's RECORD keeps the digests of the scripts as they were, and a script that came
    as a file gets a first line that works, where pip writes one that is too long or has spaces in it.
    """
    pip(env, "install", tiny)
    pack(env, work / "env.tar.zst")
    place = work / "with  spaces" if length is None else path_of_length(work, length)
    rattler_install(channel.path, place, specs)
    pip(place, "install", tiny)
    expected = installation(place)
    record = f"{channel.site_packages}/tiny-1.0.dist-info/RECORD"
    owned_by_pip = (place / record).read_text()
    place.rename(work / "aside")
    unpack(work / "env.tar.zst", place)
    different = [line.split(":")[0] for line in diff_trees(expected, installation(place)).splitlines()]
    assert ["~ bin/tiny-file", f"~ {record}"] == different
    without_digests = re.compile("(?<=/bin/tiny)([^,]*),.*")
    assert without_digests.sub("", owned_by_pip) == without_digests.sub("", (place / record).read_text())


def test_pip_goes_on_in_an_unpacked_environment(env: Path, tiny: Path, work: Path) -> None:
    """It lists, removes and installs again what came in the archive."""
    pip(env, "install", tiny)
    pack(env, work / "env.tar.zst")
    untar_and_relocate(work / "env.tar.zst", work / "place")
    assert "tiny 1.0" in re.sub(" +", " ", pip(work / "place", "list").out)
    pip(work / "place", "uninstall", "--yes", "tiny")
    assert not list((work / "place").glob("bin/tiny*"))
    pip(work / "place", "install", tiny)
    expected = Done(0, f"{work}/place\n", "")
    assert expected == start([work / "place/bin/tiny"], environ=BARE)
    pack(work / "place", work / "again.tar.zst")


def test_pip_in_place_of_conda_is_packed_with_a_warning(env: Path, channel: LocalChannel, work: Path) -> None:
    """A package that pip replaced by another version is named, and goes as pip left it."""
    name, module = channel.noarch_package, channel.noarch_package.replace("-", "_")
    if not list(env.glob(f"{channel.site_packages}/{module}-*.dist-info/RECORD")):
        pytest.skip("pip cannot remove a package without RECORD")
    scripts = {Path(channel.console_scripts[0]).name: f"{module}:main"}
    wheel = write_wheel(work / "wheels", name, "99.0", {f"{module}/__init__.py": TELLS_PREFIX}, scripts)
    pip(env, "install", "--force-reinstall", "--no-deps", wheel)
    done = pack(env, work / "env.tar.zst")
    assert f"pip replaced that package by {name} 99.0" in done.err
    assert f"files of {name}-" in done.err
    for place, put in ((work / "unpacked", unpack), (work / "extracted", untar_and_relocate)):
        put(work / "env.tar.zst", place)
        expected = Done(0, f"{place}\n", "")
        assert expected == start([place / channel.console_scripts[0]], environ=BARE)
        code = f"import importlib.metadata as m; print(m.version({name!r}))"
        assert succeed([place / "bin/python", "-c", code], environ=BARE).out == "99.0\n"
        again = pack(place, work / "again.tar.zst", "--force")
        assert f"files of {name}-" in again.err


def test_project_folder_installed_by_pip_is_packed(env: Path, work: Path) -> None:
    """Built on the spot from a folder that may be gone at the destination."""
    project = write_project(work / "project", "wholly")
    pip(env, "install", project)
    pack(env, work / "env.tar.zst")
    unpack(work / "env.tar.zst", work / "place")
    code = "import wholly; print(wholly.__file__)"
    assert succeed([work / "place/bin/python", "-c", code], environ=BARE).out.startswith(f"{work}/place/")


def test_editable_installs_are_refused_or_ignored(env: Path, work: Path) -> None:
    """Their code lies elsewhere: they are named, with what to do about it."""
    project = write_project(work / "project", "elsewhere")
    pip(env, "install", "--editable", project)
    said = refused(env, work / "env.tar.zst")
    assert str(project) in said
    assert "elsewhere" in said
    assert "--ignore-editable-packages" in said
    pack(env, work / "env.tar.zst", "--ignore-editable-packages")
    unpack(work / "env.tar.zst", work / "place")
    assert succeed([work / "place/bin/python", "-c", "import elsewhere"], environ=BARE).err == ""


# ------------------------------------------------------------- files that are gone


def test_deleted_files_are_refused_or_ignored(env: Path, channel: LocalChannel, work: Path) -> None:
    """Package, file and option are named, and nothing is written."""
    gone = channel.text_with_prefix
    (env / gone).unlink()
    said = refused(env, work / "env.tar.zst")
    name = channel.update.partition("=")[0]
    assert f"1 files of {name}-1.0" in said
    assert gone in said
    assert "--ignore-missing-files" in said
    done = pack(env, work / "env.tar.zst", "--ignore-missing-files")
    assert gone in done.err
    for place, put in ((work / "unpacked", unpack), (work / "extracted", untar_and_relocate)):
        put(work / "env.tar.zst", place)
        assert not (place / gone).exists()
        succeed([place / channel.console_scripts[0], "--help"], environ=BARE, cwd=work)


def test_all_findings_are_told_at_once(env: Path, channel: LocalChannel, work: Path) -> None:
    """Nobody has to fix one thing to hear of the next."""
    pip(env, "install", "--editable", write_project(work / "project", "elsewhere"))
    (env / channel.text_with_prefix).unlink()
    (env / channel.site_packages / channel.noarch_package.replace("-", "_") / "__init__.py").unlink()
    said = refused(env, work / "env.tar.zst")
    for part in ("elsewhere", channel.text_with_prefix, channel.noarch_package):
        assert part in said
    still = refused(env, work / "env.tar.zst", "--ignore-missing-files")
    assert "--ignore-editable-packages" in still
    pack(env, work / "env.tar.zst", "--ignore-missing-files", "--ignore-editable-packages")


def test_excluded_files_are_no_missing_files_later(env: Path, channel: LocalChannel, work: Path) -> None:
    """What was left out of an archive on purpose is not asked for when its environment is packed again."""
    options = ("--exclude", "share/*", "--exclude", channel.text_with_prefix)
    pack(env, work / "env.tar.zst", *options)
    for name, put in (("unpacked", unpack), ("extracted", untar_and_relocate)):
        place = work / name
        put(work / "env.tar.zst", place)
        assert not (place / channel.text_with_prefix).exists()
        assert not (place / channel.unicode_name).exists()
        pack(place, work / "again.tar.zst", "--force")
        assert sha256(work / "env.tar.zst") == sha256(work / "again.tar.zst")
        unpack(work / "again.tar.zst", work / f"{name} again")
        place.rename(work / "aside")
        (work / f"{name} again").rename(place)
        assert Done(0, "", "") == relocate(place)
        assert diff_trees(tree(work / "aside"), tree(place)) == ""
        (work / "aside").rename(work / f"{name} first")


def test_edited_files_are_packed_as_they_are(env: Path, channel: LocalChannel, work: Path) -> None:
    """A package's file that its owner changed is told of, kept, and relocated all the same."""
    edited = env / channel.text_with_prefix
    text = "# mine\n" + edited.read_text()
    edited.unlink()  # it is a hard link to the package cache's
    edited.write_text(text)
    done = pack(env, work / "env.tar.zst")
    assert channel.text_with_prefix in done.err
    for name, put in (("unpacked", unpack), ("extracted, with  spaces", untar_and_relocate)):
        put(work / "env.tar.zst", work / name)
        expected = text.replace(str(env), str(work / name))
        assert expected == (work / name / channel.text_with_prefix).read_text()


# ------------------------------------------------------------------------ moves


def test_moved_environment_is_packed_as_it_was(env: Path, work: Path) -> None:
    """An environment that was moved by hand gives the archive that it gave where it was installed."""
    before, after = work / "before.tar", work / "after.tar"
    pack(env, before)
    moved = work / "moved elsewhere"
    env.rename(moved)
    done = conda_pack("--quiet", "-p", moved, "-o", after)
    expected = (0, True)
    assert expected == (done.code, f"moved here from {env}" in done.err), done
    assert sha256(before) == sha256(after)
