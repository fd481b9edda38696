"""A parcel's name and what it says of itself."""

from __future__ import annotations

import json
import subprocess

import pytest

from conda_pack.errors import UsageError
from conda_pack.plan.parcel import Parcel, parcel, parcel_files
from tests.support.records import record

NEW_YEAR = 1_767_225_599.0  # the last second of 2025, UTC


def test_defaults() -> None:
    """Those of the command that people know."""
    made = parcel("science", NEW_YEAR)
    assert made == Parcel("/opt/cloudera/parcels", "science", "2025.12.31", "el7")
    assert made.folder == "science-2025.12.31"
    assert made.dest_prefix == "/opt/cloudera/parcels/science-2025.12.31"
    assert made.filename == "science-2025.12.31-el7.parcel"
    assert parcel("science", NEW_YEAR + 1).version == "2026.01.01"


@pytest.mark.parametrize(
    ("root", "expected"),
    [("/srv/parcels", "/srv/parcels/n-1"), ("/srv/parcels//", "/srv/parcels/n-1"), ("/", "/n-1")],
)
def test_where_it_will_lie(root: str, expected: str) -> None:
    """A slash at the end changes nothing."""
    made = parcel("other-name", 0, root=root, name="n", version="1", distro="el9")
    assert made.dest_prefix == expected
    assert made.filename == "n-1-el9.parcel"


@pytest.mark.parametrize("name", ["a", "A_b.9", "c++"])
def test_names_that_can_be(name: str) -> None:
    assert parcel("e", 0, name=name, version=name, distro=name).filename == f"{name}-{name}-{name}.parcel"


@pytest.mark.parametrize("name", ["a b", "a/b", "a\n", "é", "..\\x", "$(id)"])
def test_names_that_cannot_be(name: str) -> None:
    """What is part of a file's name and of a shell's words is plain, whoever gave it."""
    for option in ("name", "version", "distro"):
        with pytest.raises(UsageError, match=f"The parcel {option} .* has more than letters"):
            parcel("e", 0, **{option: name})
    with pytest.raises(UsageError, match="The parcel name"):
        parcel(name, 0)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """In one message, with the options that help."""
    with pytest.raises(UsageError) as refused:
        parcel("my-env", 0, root="parcels", version="1-0", distro="el 7")
    message = str(refused.value)
    for part in ("root 'parcels'", "name 'my-env' has a dash", "version '1-0' has a dash", "distro 'el 7'"):
        assert part in message
    for option in ("--parcel-root", "--parcel-name", "--parcel-version", "--parcel-distro"):
        assert option in message


def test_what_is_in_meta() -> None:
    """One document with all packages, and a script that bash takes."""
    made = parcel("science", NEW_YEAR, name="n", version="1.2", distro="el8")
    script, document = parcel_files(made, [record("b"), record("a")])
    assert [(script.path, script.mode), (document.path, document.mode)] == [
        ("meta/conda_env.sh", 0o644),
        ("meta/parcel.json", 0o644),
    ]
    told = json.loads(document.data)
    assert told["name"] == told["components"][0]["name"] == "n"
    assert (
        told["version"] == told["components"][0]["version"] == told["components"][0]["pkg_version"] == "1.2"
    )
    assert told["extraVersionInfo"] == {"baseVersion": "1.2", "fullVersion": "1.2-el8", "patchCount": "0"}
    assert [package["name"] for package in told["packages"]] == ["b", "a"]
    assert told["packages"][0]["version"] == f"{record('b').version}-{record('b').build}"
    assert told["scripts"]["defines"] == "conda_env.sh"
    assert document.data.endswith(b"}\n")
    assert subprocess.run(["bash", "-n"], input=script.data, capture_output=True, check=False).stderr == b""


@pytest.mark.parametrize(("given", "expected"), [("", "/p/n-1/bin/python"), ("/my/python", "/my/python")])
def test_which_python(given: str, expected: str) -> None:
    """The parcel's, unless somebody has chosen another; without packages' scripts too."""
    script, _ = parcel_files(parcel("n", 0), [])
    command = f"f() {{ {script.data.decode()}\n}}; PARCELS_ROOT=/p PARCEL_DIRNAME=n-1; f; printenv CDH_PYTHON"
    environ = {"PATH": "/usr/bin:/bin"} | ({"CDH_PYTHON": given} if given else {})
    done = subprocess.run(["bash", "-euc", command], env=environ, capture_output=True, check=True)
    assert done.stdout.decode() == f"{expected}\n"
