"""An environment that was packed and unpacked at a place is the one that its installer makes there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.environments import (
    CommandError,
    LocalChannel,
    RealConda,
    diff_trees,
    tree,
)
from tests.support.packs import (
    WAYS,
    Done,
    Packed,
    conda_pack,
    installation,
    pack,
    pack_records,
    path_of_length,
    relocate,
    sha256,
    stale_bytecode,
    unpack,
    untar,
    untar_and_relocate,
)

ROOM = 255
"""The length of the placeholder in the packages of both channels, and so of the longest prefix."""


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


# ----------------------------------------------------------- as an installer makes it


def test_every_file_is_as_its_installer_makes_it(full: Packed, work: Path) -> None:
    """Bytes, modes, links, folders and conda-meta are equal, whichever way the archive is unpacked."""
    expect_as_installed(full, work / "place" / "env", list(WAYS))


def test_place_with_spaces_and_other_letters(small: Packed, work: Path) -> None:
    """It gets what the installer writes there, which differs from installer to installer."""
    expect_as_installed(small, work / "with  spaces and naïve ☃ letters", ["unpack", "tar"])


@pytest.mark.parametrize("name", ["-o nai\u0308ve 'a' \"b\" $HOME `id` #c", "é" * 100])
def test_awkward_names_of_places(small_rattler: Packed, work: Path, name: str) -> None:
    """Nothing in a name means anything to us, no more than it does to rattler.

    But for a backslash, of which rattler makes a slash in entry points, which then do not start.
    """
    expect_as_installed(small_rattler, work / name, ["unpack", "tar"])


LIMITS = [
    *(("rattler", "entry point", length) for length in (127, 128)),
    *(("conda", "entry point", length) for length in (126, 127)),  # it counts their newline
    *((installer, "script", length) for installer in ("rattler", "conda") for length in (127, 128)),
]


@pytest.mark.parametrize(("installer", "kind", "length"), LIMITS)
def test_first_lines_at_the_limit_of_the_kernel(
    packs: Callable[[str, str], Packed],
    channel: LocalChannel,
    work: Path,
    installer: str,
    kind: str,
    length: int,
) -> None:
    """A ``#!`` line of 127 bytes fits, one of 128 becomes what the installer makes of it."""
    small = packs(installer, "small")
    untar(small.zst, work / "stored")
    entries = pack_records(work / "stored")
    noarch = [path for path in channel.console_scripts if path in entries]
    entry = entries[noarch[0] if kind == "entry point" else channel.script_with_option]
    line, placeholder = entry["shebang"].rstrip("\n"), entry["prefix_placeholder"]
    place = path_of_length(work, length - len(line) + len(placeholder))
    assert length == len(line.replace(placeholder, str(place)))
    expect_as_installed(small, place, ["unpack", "tar"])


@pytest.mark.parametrize(("installer", "length"), [("rattler", 254), ("rattler", 255), ("conda", 255)])
def test_longest_prefix_that_fits(
    packs: Callable[[str, str], Packed], work: Path, installer: str, length: int
) -> None:
    """The placeholder's length can be used to its last byte, as conda and rattler use it."""
    expect_as_installed(packs(installer, "small"), path_of_length(work, length), ["unpack", "tar"])


def test_too_long_a_prefix_is_refused_before_anything_is_written(small: Packed, work: Path) -> None:
    """One byte more than the placeholder: conda and rattler fail amid their work, we do before ours."""
    place = path_of_length(work, ROOM + 1)
    with pytest.raises(CommandError, match=r"(?i)placeholder"):
        small.install_at(place)
    shutil.rmtree(work)
    place.parent.mkdir(parents=True)
    before = tree(work)
    for archive, stdin in ((small.zst, None), ("-", small.zst)):
        done = conda_pack("unpack", "--quiet", archive, place, stdin=stdin)
        expected = (12, "", True)
        assert expected == (done.code, done.out, "256 bytes long" in done.err), done.err
        assert before == tree(work)


def test_too_long_a_prefix_is_refused_after_tar_too(small_rattler: Packed, work: Path) -> None:
    """bin/conda-unpack names what limits the length, and leaves the environment as it was."""
    place = path_of_length(work, ROOM + 1)
    untar(small_rattler.gz, place)
    before = tree(place)
    done = relocate(place)
    expected = (12, "", True)
    assert expected == (done.code, done.out, "256 bytes long" in done.err), done.err
    assert before == tree(place)


# ----------------------------------------------------------------- as conda sees it


def altered_or_missing(report: str) -> list[str]:
    """What ``conda doctor`` says of packages with files that are not as their record says."""
    return sorted(re.findall("^.*(?:: [0-9]+|no packages with .* files.)$", report, re.MULTILINE))


GOOD = [f"✅ There are no packages with {what} files." for what in ("altered", "missing")]


def test_conda_doctor_finds_nothing(small: Packed, conda: RealConda, work: Path) -> None:
    """No more, that is, than right after installation: rattler's links are not to conda's liking."""
    small.install_at(work / "env")
    expected = altered_or_missing(conda.doctor(work / "env"))
    actual = {}
    for way in ("unpack", "tar"):
        shutil.rmtree(work / "env")
        WAYS[way](small.zst, work / "env")
        actual[way] = altered_or_missing(conda.doctor(work / "env"))
    assert dict.fromkeys(actual, expected) == actual
    assert small.installer == "rattler" or expected == GOOD


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
    assert not any((env / path).exists() for path in gone)
    report = altered_or_missing(conda.doctor(env))
    assert GOOD[1] in report
    assert small.installer == "rattler" or report == GOOD
    pack(env, work / "again.tar.zst")
    unpack(work / "again.tar.zst", work / "elsewhere")
    assert report == altered_or_missing(conda.doctor(work / "elsewhere"))


# ------------------------------------------------------------------- as it was packed


def archives_of(prefix: Path, folder: Path) -> list[str]:
    """The digests of the two archives of an environment."""
    digests = []
    for suffix in ("tar.gz", "tar.zst"):
        pack(prefix, folder / f"again.{suffix}", "--force")
        digests.append(sha256(folder / f"again.{suffix}"))
    return digests


def test_packing_again_gives_the_same_bytes(small_rattler: Packed, work: Path) -> None:
    """An unpacked environment makes the archive it came from: unpacked, extracted, relocated, moved."""
    first = [sha256(small_rattler.gz), sha256(small_rattler.zst)]
    actual = {}
    unpack(small_rattler.gz, work / "unpacked")
    actual["unpacked"] = archives_of(work / "unpacked", work)
    untar(small_rattler.zst, work / "one place")
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
    pack(work / "env", work / "again.tar.zst")
    assert sha256(full.zst) == sha256(work / "again.tar.zst")


def test_same_packages_pack_to_the_same_bytes_anywhere(small_rattler: Packed, work: Path) -> None:
    """Where an environment was installed leaves no trace in the archive."""
    packed = small_rattler
    place = work / "some longer name of a place"
    packed.install_at(place)
    assert [sha256(packed.gz), sha256(packed.zst)] == archives_of(place, work)


def test_comparison_sees_what_differs(small_rattler: Packed, work: Path) -> None:
    """The form in which environments are compared keeps files, modes, conda-meta and its layout."""
    env = work / "env"
    unpack(small_rattler.zst, env)
    before = installation(env)
    (meta,) = env.glob("conda-meta/python-3*.json")
    meta.write_text(meta.read_text().replace('"depends"', '"depended"'))
    (env / "bin/python").unlink()
    (env / "lib").chmod(0o700)
    changed = [line.split(":")[0] for line in diff_trees(before, installation(env)).splitlines()]
    assert ["- bin/python", f"~ conda-meta/{meta.name}", "~ lib"] == changed
