"""What goes together, and that all that does not is told at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conda_pack.archives.formats import FORMATS, STDOUT, by_name, format_names, levels_help
from conda_pack.errors import UsageError
from conda_pack.model import Environment, Platform
from conda_pack.options import (
    EDITABLE,
    Options,
    ParcelOptions,
    check,
    check_editable,
    check_platform,
    format_of,
    zstd_options,
)

PARCELS = [ParcelOptions(**{part: "x"}) for part in ("root", "name", "version", "distro")]


def refused(options: Options, name: str) -> str:
    with pytest.raises(UsageError) as error:
        check(options, by_name(name))
    return str(error.value)


@pytest.mark.parametrize("name", format_names())
def test_defaults_go_with_every_format(name: str) -> None:
    check(Options(), by_name(name))
    check(Options(zip_symlinks=True, zip_64=False, force=True, compress_level=3), by_name(name))


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_what_is_for_one_format(kind: object, request: pytest.FixtureRequest) -> None:
    """Each is taken by its format, and by no other."""
    name = request.node.callspec.id
    for parcel in PARCELS:
        if name == "parcel":
            check(Options(parcel=parcel), by_name(name))
        else:
            assert f"{name} is none: add --format parcel" in refused(Options(parcel=parcel), name)
    if name == "sh":
        check(Options(entrypoint="x"), by_name(name))
    else:
        assert f"{name} is none: add --format sh" in refused(Options(entrypoint=""), name)
    if name in ("tar", "tar.gz", "tar.zst", "tar.bz2", "tar.xz", "parcel"):
        check(Options(output=STDOUT), by_name(name))
    else:
        assert f"{name} cannot be written to standard output" in refused(Options(output=STDOUT), name)


def test_all_at_once() -> None:
    """One message has every finding."""
    options = Options(output=STDOUT, entrypoint="x", parcel=PARCELS[0])
    message = refused(options, "zip")
    for option in ("--parcel", "--entrypoint", "--output"):
        assert message.count(option) == 1
    for wrong in (Options(dest_prefix="/x"), Options(arcroot="x"), Options(dest_prefix="/x", arcroot="x")):
        message = refused(replace(wrong, entrypoint="x"), "parcel")
        assert "--parcel-root" in message
        assert "--entrypoint" in message


@pytest.mark.parametrize(
    ("output", "name", "expected"),
    [
        (None, "infer", "tar.gz"),
        ("-", "infer", "tar.gz"),
        ("x.tar.zst", "infer", "tar.zst"),
        ("x.tar.zst", "zip", "zip"),
        ("x.TGZ", "infer", "tar.gz"),
        ("x.parcel", "infer", "parcel"),
        ("x.parcel", "tgz", "parcel"),
        ("x.parcel", "tar.gz", "parcel"),
        ("x.parcel", "tar", "tar"),
        ("x.no-archive", "infer", "no-archive"),
        ("dir.zip/x.tar", "infer", "tar"),
        *((f"x.{name}", "infer", by_name(name).name) for name in format_names()),
    ],
)
def test_format_of(output: str | None, name: str, expected: str) -> None:
    """By name, else by suffix, else the default."""
    assert format_of(output, name).name == expected


def test_format_of_nothing() -> None:
    with pytest.raises(UsageError, match=r"x\.rar does not tell the format"):
        format_of("x.rar", "infer")
    with pytest.raises(UsageError, match="Unknown format 'rar'"):
        format_of("x.zip", "rar")


@pytest.mark.parametrize(
    ("zstd", "zstd_level", "name", "level", "expected"),
    [
        (False, None, "infer", None, ("infer", None)),
        (False, None, "zip", 3, ("zip", 3)),
        (True, None, "infer", None, ("tar.zst", None)),
        (True, None, "infer", 7, ("tar.zst", 7)),
        (True, None, "tzst", -7, ("tar.zst", -7)),
        (True, 5, "tar.zst", 5, ("tar.zst", 5)),
        (False, 1, "infer", None, ("tar.zst", 1)),
        (False, 22, "infer", None, ("tar.zst", 22)),
    ],
)
def test_zstd(
    zstd: bool, zstd_level: int | None, name: str, level: int | None, expected: tuple[str, int | None]
) -> None:
    assert zstd_options(zstd, zstd_level, name, level) == expected


@pytest.mark.parametrize(
    ("zstd", "zstd_level", "name", "level", "said"),
    [
        (True, None, "tar.gz", None, "--format is tar.gz"),
        (False, 3, "zip", None, "--format is zip"),
        (False, 3, "infer", 4, "--compress-level 4 and --zstd-compression-level 3 say two things"),
        (True, 0, "infer", None, "level 0 is out of range: it is 1 to 22"),
        (True, 23, "infer", None, "level 23 is out of range: it is 1 to 22"),
        (True, -1, "infer", None, "-7 to 0"),
    ],
)
def test_zstd_that_cannot_be(
    zstd: bool, zstd_level: int | None, name: str, level: int | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        zstd_options(zstd, zstd_level, name, level)


def environment(subdir: str) -> Environment:
    return Environment(
        prefix="/opt/env",
        prefixes=(b"/opt/env",),
        platform=Platform(subdir),
        site_packages=None,
        records=(),
        files={},
        previous={},
        excluded_before=frozenset(),
        runtime_before=frozenset(),
    )


@pytest.mark.parametrize(
    ("subdir", "platform", "arch"),
    [
        *((subdir, subdir, subdir) for subdir in ("linux-64", "osx-arm64", "win-32", "linux-ppc64le")),
        *(("linux-64", None, arch) for arch in ("x86_64", "amd64", "64", None)),
        *(("osx-arm64", None, arch) for arch in ("arm64", "aarch64")),
        *(("linux-aarch64", None, arch) for arch in ("arm64", "aarch64")),
        *(("win-32", "win-32", arch) for arch in ("x86", "i686", "32")),
        ("linux-ppc64le", None, "ppc64le"),
    ],
)
def test_the_platform_asked_for(subdir: str, platform: str | None, arch: str | None) -> None:
    """By conda's name, or by the machine's."""
    check_platform(environment(subdir), platform, arch)


@pytest.mark.parametrize(
    ("subdir", "platform", "arch", "said"),
    [
        ("linux-64", "osx-64", None, "is for linux-64, not osx-64,"),
        ("linux-64", None, "aarch64", "is for linux-64, not aarch64,"),
        ("linux-64", None, "linux-aarch64", "not linux-aarch64,"),
        ("linux-64", "linux-64", "arm64", "not linux-64 and arm64,"),
        ("linux-64", "osx-64", "x86_64", "not osx-64 and x86_64,"),
        ("osx-arm64", None, "x86_64", "is for osx-arm64, not x86_64,"),
        ("win-32", None, "x86_64", "is for win-32"),
        ("linux-64", None, "linux", "not linux,"),
    ],
)
def test_another_platform(subdir: str, platform: str | None, arch: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_platform(environment(subdir), platform, arch)


def test_editable() -> None:
    for choice in EDITABLE:
        check_editable(choice)
    with pytest.raises(UsageError, match="refuse, skip, copy, not 'ignore'"):
        check_editable("ignore")


def test_levels_are_told_by_the_table() -> None:
    """Each format that has levels is named once, with its first, last and default one."""
    told = {}
    for part in levels_help().split("; "):
        names, _, levels = part.partition(": ")
        told.update(dict.fromkeys(names.split(", "), levels))
    assert told == {
        kind.name: f"{min(kind.levels)} to {max(kind.levels)}, default {kind.default_level}"
        for kind in FORMATS
        if kind.levels
    }
