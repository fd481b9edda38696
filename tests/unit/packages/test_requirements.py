"""What projects need, as conda packages of the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from conda_pack.model import Claim, JsonLayout, Platform, Record
from conda_pack.packages.requirements import Depends, depends_of, parse_metadata, said

SITE = "lib/python3.11/site-packages"
LINUX = Platform("linux-64")


def record(name: str, project: str) -> Record:
    """A package that brought a project."""
    claims = (Claim(f"{SITE}/{project}-1.0.dist-info/METADATA", 0, "hardlink"),)
    layout = JsonLayout(2, True, "\n")
    told = ("linux-64", "", "", None, None, 0, (), "conda", None)
    return Record(f"{name}-1-0", name, "1", "0", *told, claims, b"{}", layout)  # type: ignore[arg-type]


RECORDS = [record("pyyaml", "PyYAML"), record("ruamel.yaml", "ruamel_yaml"), record("numpy", "numpy")]


def needs(
    *lines: str, python: str = "3.11.4", platform: Platform = LINUX, packaged: tuple[str, ...] = ()
) -> Depends:
    text = "Metadata-Version: 2.1\nName: x\n" + "".join(f"{line}\n" for line in lines) + "\nAnd a text: x\n"
    return depends_of([parse_metadata(text)], RECORDS, packaged, python, platform)


def test_names_are_those_of_packages() -> None:
    lines = ("PyYaml", "ruamel-yaml (>=0.17,<1)", "numpy[extra]~=1.4.2", "numpy!=1.4.5", "missing>=2")
    found = needs(*(f"Requires-Dist: {line}" for line in lines))
    specs = ("numpy !=1.4.5,~=1.4.2", "pyyaml", "ruamel.yaml <1,>=0.17")
    assert found == Depends(specs, ("missing",))


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("==1.4.*", "1.4.*"),
        ("==1.4", "==1.4"),
        ("===1.4", "==1.4"),
        ("!=1.4.*", "!=1.4.*"),
        ("==1.0+Local.1", "==1.0+local.1"),
        (">=1!2.0", ">=1!2.0"),
        (">=1.0-1", ">=1.0_1"),
    ],
)
def test_conditions_on_versions(clause: str, expected: str) -> None:
    """conda and rattler read all of these alike; === they do not know."""
    assert needs(f"Requires-Dist: numpy{clause}").specs == (f"numpy {expected}",)


def test_markers_are_of_the_environment() -> None:
    """Not of the machine and the Python that this runs with."""
    line = (
        'Requires-Dist: numpy; sys_platform == "{}" and platform_machine == "{}" and python_version >= "3.12"'
    )
    there = [
        (subdir, python)
        for subdir, system, machine in (
            ("linux-64", "linux", "x86_64"),
            ("linux-aarch64", "linux", "aarch64"),
            ("osx-arm64", "darwin", "arm64"),
            ("win-64", "win32", "AMD64"),
            ("linux-64", "win32", "x86_64"),
            ("win-64", "win32", "x86_64"),
        )
        for python in ("3.11.4", "3.12.0")
        if needs(line.format(system, machine), python=python, platform=Platform(subdir)).specs
    ]
    assert there == [(subdir, "3.12.0") for subdir in ("linux-64", "linux-aarch64", "osx-arm64", "win-64")]


def test_extras_and_each_other_are_left_out() -> None:
    assert (
        needs('Requires-Dist: numpy; extra == "more"', "Requires-Dist: The_Other", packaged=("the.other",))
        == Depends()
    )


def test_what_cannot_be_understood_is_told() -> None:
    found = needs("Requires-Dist: numpy >=", "Requires-Dist: numpy", "Requires-Python: about 3")
    assert found == Depends(("numpy",), ("numpy >=", "python about 3"))


def test_python() -> None:
    assert needs("Requires-Python: >=3.8,!=3.9.*").python == "!=3.9.*,>=3.8"
    assert needs().python == ""


def test_fields() -> None:
    """Of one line, and filled in."""
    text = "Name: x\nSummary: UNKNOWN\nLicense: a\n        b\nLicense-Expression: MIT\n\nSummary: body\n"
    metadata = parse_metadata(text)
    assert [
        said(metadata, *fields) for fields in (("Name",), ("Summary",), ("License", "License-Expression"))
    ] == [
        "x",
        "",
        "MIT",
    ]
    assert said(parse_metadata(""), "Name") == ""


_VERSIONS = st.from_regex(r"(?:[1-9]!)?[0-9]{1,2}(?:\.[0-9]{1,2}){0,2}(?:(?:a|rc)[0-9])?", fullmatch=True)


@given(st.sampled_from(["==", "!=", "<=", ">=", "<", ">"]), _VERSIONS)
def test_conditions_keep_their_meaning(operator: str, version: str) -> None:
    """Read back as Python reads them, they are the same."""
    (spec,) = needs(f"Requires-Dist: numpy {operator}{version}").specs
    (clause,) = Requirement(spec).specifier
    assert (clause.operator, Version(clause.version)) == (operator, Version(version))
