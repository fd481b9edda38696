"""An environment that was packed and unpacked at a place is the one that its installer makes there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.environments import (
    CommandError,
    LocalChannel,
    RealConda,
    Tree,
    diff_trees,
    rattler_install,
    tree,
)
from tests.support.packs import (
    WAYS,
    Done,
    conda_pack,
    installation,
    pack,
    pack_records,
    relocate,
    sha256,
    small_specs,
    stale_bytecode,
    unpack,
    untar,
    untar_and_relocate,
)

INSTALLERS = ("rattler", "conda")
ROOM = 255
"""The length of the placeholder in the packages of both channels, and so of the longest prefix."""

Install = Callable[[Path, Sequence[str]], None]


@dataclass(frozen=True)
class Packed:
    """An environment, the archives made of it, and how to install the same packages elsewhere."""

    install: Install
    specs: tuple[str, ...]
    prefix: Path
    gz: Path
    zst: Path

    def install_at(self, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        self.install(place, self.specs)


@pytest.fixture(scope="session")
def packs(
    request: pytest.FixtureRequest, work_root: Path, channel: LocalChannel
) -> Callable[[str, str], Packed]:
    """Gives an environment, packed, by its installer and by whether it has all specs or few."""
    made: dict[tuple[str, str], Packed] = {}

    def by_rattler(place: Path, specs: Sequence[str]) -> None:
        rattler_install(channel.path, place, specs)

    def by_conda(place: Path, specs: Sequence[str]) -> None:
        conda: RealConda = request.getfixturevalue("conda")
        conda.create(place, channel.path, specs)

    def give(installer: str, size: str) -> Packed:
        key = (installer, size)
        if key not in made:
            folder = work_root / "packed" / f"{installer}-{size}"
            specs = channel.specs if size == "full" else small_specs(channel)
            install = by_rattler if installer == "rattler" else by_conda
            packed = Packed(install, specs, folder / "env", folder / "env.tar.gz", folder / "env.tar.zst")
            packed.install_at(packed.prefix)
            pack(packed.prefix, packed.gz)
            pack(packed.prefix, packed.zst)
            made[key] = packed
        return made[key]

    return give


@pytest.fixture(params=INSTALLERS)
def full(request: pytest.FixtureRequest, packs: Callable[[str, str], Packed]) -> Packed:
    return packs(request.param, "full")


@pytest.fixture(params=INSTALLERS)
def small(request: pytest.FixtureRequest, packs: Callable[[str, str], Packed]) -> Packed:
    return packs(request.param, "small")


@pytest.fixture(scope="session")
def small_entries(
    packs: Callable[[str, str], Packed], work_root: Path
) -> Iterator[dict[str, dict[str, object]]]:
    """The pack records of the small environment."""
    place = work_root / "small-entries"
    untar(packs("rattler", "small").zst, place)
    yield pack_records(place)


def expect_as_installed(packed: Packed, place: Path, ways: Sequence[str]) -> None:
    """Install at ``place``, and then put the archives there, one after the other."""
    packed.install_at(place)
    expected = installation(place)
    expected_stale = stale_bytecode(place)
    differences, stale = {}, {}
    for way, archive in zip(ways, (packed.gz, packed.zst, packed.gz), strict=False):
        shutil.rmtree(place)
        WAYS[way](archive, place)
        differences[way] = diff_trees(expected, installation(place))
        stale[way] = stale_bytecode(place)
    assert dict.fromkeys(ways, "") == differences
    assert dict.fromkeys(ways, expected_stale) == stale


def path_of_length(folder: Path, length: int) -> Path:
    """A path below ``folder`` of so many bytes."""
    path = folder
    while (missing := length - len(os.fsencode(path)) - 1) > 120:
        path /= "d" * 100
    return path / ("e" * missing)


# ----------------------------------------------------------- as an installer makes it


def test_every_file_is_as_its_installer_makes_it(full: Packed, work: Path) -> None:
    """Bytes, modes, links, folders and conda-meta are equal, whichever way the archive is unpacked."""
    expect_as_installed(full, work / "place" / "env", list(WAYS))


@pytest.mark.parametrize("name", ["with two spaces", "naïve ☃", "nai\u0308ve", "a'b", "$HOME", "é" * 40])
def test_awkward_names_of_places(small: Packed, work: Path, name: str) -> None:
    """A place with spaces, quotes or other letters than ASCII's gets what the installer writes there."""
    if name == "$HOME" and small.install.__name__ == "by_conda":
        pytest.skip("conda puts the value of the variable there")
    expect_as_installed(small, work / name, ["unpack", "tar"])


@pytest.mark.parametrize("length", [126, 127, 128])
@pytest.mark.parametrize("kind", ["entry point", "script with an option"])
def test_first_lines_at_the_limit_of_the_kernel(
    small: Packed,
    channel: LocalChannel,
    small_entries: dict[str, dict[str, object]],
    work: Path,
    kind: str,
    length: int,
) -> None:
    """A ``#!`` line of 127 bytes fits, one of 128 becomes what the installer makes of it."""
    noarch = [path for path in channel.console_scripts if path in small_entries]
    entry = small_entries[noarch[0] if kind == "entry point" else channel.script_with_option]
    line, placeholder = str(entry["shebang"]).rstrip("\n"), str(entry["prefix_placeholder"])
    place = path_of_length(work, length - len(line) + len(placeholder))
    assert length == len(line.replace(placeholder, str(place)))
    expect_as_installed(small, place, ["unpack", "tar"])


@pytest.mark.parametrize("length", [ROOM - 1, ROOM])
def test_longest_prefix_that_fits(small: Packed, work: Path, length: int) -> None:
    """The placeholder's length can be used to its last byte, as conda and rattler use it."""
    expect_as_installed(small, path_of_length(work, length), ["unpack", "tar"])


@pytest.mark.parametrize("way", ["file", "stream"])
def test_too_long_a_prefix_is_refused_before_anything_is_written(
    small: Packed, work: Path, way: str
) -> None:
    """One byte more than the placeholder: conda and rattler fail amid their work, we do before ours."""
    place = path_of_length(work, ROOM + 1)
    with pytest.raises(CommandError, match="(?i)placeholder"):
        small.install_at(place)
    shutil.rmtree(work)
    place.parent.mkdir(parents=True)
    before = tree(work)
    if way == "file":
        done = conda_pack("unpack", "--quiet", small.zst, place)
    else:
        done = conda_pack("unpack", "--quiet", "-", place, stdin=small.zst)
    assert (12, "", True) == (done.code, done.out, "256 bytes long" in done.err), done.err
    assert before == tree(work)


def test_too_long_a_prefix_is_refused_after_tar_too(small: Packed, work: Path) -> None:
    """bin/conda-unpack names what limits the length, and leaves the environment as it was."""
    place = path_of_length(work, ROOM + 1)
    untar(small.gz, place)
    before = tree(place)
    done = relocate(place)
    assert (12, "", True) == (done.code, done.out, "256 bytes long" in done.err), done.err
    assert before == tree(place)


# ----------------------------------------------------------------- as conda sees it


@pytest.mark.parametrize("way", ["unpack", "tar"])
def test_conda_doctor_finds_nothing(full: Packed, conda: RealConda, work: Path, way: str) -> None:
    """No package has altered or missing files."""
    WAYS[way](full.zst, work / "env")
    report = conda.doctor(work / "env")
    expected = ["no packages with altered files", "no packages with missing files"]
    assert expected == sorted(re.findall("no packages with [a-z]+ files", report)), report


@pytest.mark.parametrize("way", ["unpack", "tar"])
def test_conda_goes_on_with_it(
    small: Packed, conda: RealConda, channel: LocalChannel, work: Path, way: str
) -> None:
    """conda updates a package, removes another, and is content with the result."""
    env = work / "env"
    WAYS[way](small.gz, env)
    name, _, version = channel.update.partition("=")
    conda.install(env, channel.path, [channel.update])
    assert [f"{name}-{version}"] == [
        path.name.rsplit("-", 1)[0] for path in env.glob(f"conda-meta/{name}-*.json")
    ]
    gone = [path for path in channel.console_scripts if (env / path).exists()]
    assert gone
    conda.remove(env, channel.path, [channel.noarch_package])
    assert [] == [path for path in gone if (env / path).exists()]
    assert "no packages with missing files" in conda.doctor(env)
    assert "no packages with altered files" in conda.doctor(env)
    again = work / "again.tar.zst"
    pack(env, again)
    unpack(again, work / "elsewhere")
    assert "no packages with altered files" in conda.doctor(work / "elsewhere")


# ------------------------------------------------------------------- as it was packed


def archives_of(prefix: Path, folder: Path) -> list[str]:
    """The digests of the two archives of an environment."""
    digests = []
    for suffix in ("tar.gz", "tar.zst"):
        pack(prefix, folder / f"again.{suffix}", "--force")
        digests.append(sha256(folder / f"again.{suffix}"))
    return digests


def test_packing_again_gives_the_same_bytes(small: Packed, work: Path) -> None:
    """An unpacked environment makes the archive it came from: unpacked, extracted, relocated, moved."""
    first = [sha256(small.gz), sha256(small.zst)]
    actual = {}
    unpack(small.gz, work / "unpacked")
    actual["unpacked"] = archives_of(work / "unpacked", work)
    untar(small.zst, work / "one place")
    actual["extracted"] = archives_of(work / "one place", work)
    assert Done(0, "", "") == relocate(work / "one place")
    actual["relocated"] = archives_of(work / "one place", work)
    (work / "one place").rename(work / "another")
    actual["moved"] = archives_of(work / "another", work)
    assert Done(0, "", "") == relocate(work / "another")
    actual["relocated again"] = archives_of(work / "another", work)
    assert dict.fromkeys(actual, first) == actual


def test_full_environment_packs_again_to_the_same_bytes(full: Packed, work: Path) -> None:
    """Also with everything that the channel has to offer."""
    untar_and_relocate(full.gz, work / "env")
    assert [sha256(full.gz), sha256(full.zst)] == archives_of(work / "env", work)


def test_same_packages_pack_to_the_same_bytes_anywhere(
    packs: Callable[[str, str], Packed], work: Path
) -> None:
    """Another prefix, and a history of installations apart, leave no trace of it in a package's part."""
    packed = packs("rattler", "small")
    place = work / "some longer name of a place"
    packed.install_at(place)
    assert [sha256(packed.gz), sha256(packed.zst)] == archives_of(place, work)


def expected_tree_is_not_empty(nodes: Tree) -> bool:
    return len(nodes) > 100


def test_comparison_sees_what_differs(packs: Callable[[str, str], Packed], work: Path) -> None:
    """The form in which environments are compared keeps files, modes, conda-meta and its layout."""
    env = work / "env"
    unpack(packs("rattler", "small").zst, env)
    before = installation(env)
    assert expected_tree_is_not_empty(before)
    (meta,) = env.glob("conda-meta/python-3*.json")
    meta.write_text(meta.read_text().replace('"depends"', '"depended"'))
    (env / "bin/python").unlink()
    (env / "lib").chmod(0o700)
    changed = [line.split(":")[0] for line in diff_trees(before, installation(env)).splitlines()]
    assert ["- bin/python", f"~ conda-meta/{meta.name}", "~ lib"] == changed
