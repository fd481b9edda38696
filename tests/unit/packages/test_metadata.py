"""The files of ``info``, by CEP 34."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.packages.metadata import PackagedPath, info_files
from conda_pack.packages.recipe import Noarch, Recipe

PLAIN = PackagedPath("share/☃ x", "share/☃ x", 0o644, 0, 3, "a" * 64)
LINK = PackagedPath("lib/l", "lib/l", 0o777, 0, 3, "b" * 64, target="k")
TEXT = PackagedPath("bin/t t", "bin/t t", 0o755, 0, 3, "c" * 64, placeholder="/place", file_mode="text")


def test_a_package_of_one_platform() -> None:
    info = info_files(
        Recipe("x", "1", "py311_2", ("python",), subdir="linux-64", timestamp=7), [TEXT, LINK, PLAIN]
    )
    assert list(info) == ["about.json", "files", "has_prefix", "index.json", "paths.json"]
    assert json.loads(info["index.json"]) == {
        "arch": "x86_64",
        "build": "py311_2",
        "build_number": 2,
        "depends": ["python"],
        "name": "x",
        "platform": "linux",
        "subdir": "linux-64",
        "timestamp": 7000,
        "version": "1",
    }
    assert json.loads(info["paths.json"]) == {
        "paths": [
            {
                "_path": "bin/t t",
                "file_mode": "text",
                "path_type": "hardlink",
                "prefix_placeholder": "/place",
                "sha256": "c" * 64,
                "size_in_bytes": 3,
            },
            {"_path": "lib/l", "path_type": "softlink", "sha256": "b" * 64, "size_in_bytes": 3},
            {"_path": "share/☃ x", "path_type": "hardlink", "sha256": "a" * 64, "size_in_bytes": 3},
        ],
        "paths_version": 1,
    }
    assert info["files"].decode() == "bin/t t\nlib/l\nshare/☃ x\n"
    assert info["has_prefix"] == b'"/place" text "bin/t t"\n'
    assert json.loads(info["about.json"]) == {}


@pytest.mark.parametrize(
    ("subdir", "platform", "arch"),
    [
        ("linux-64", "linux", "x86_64"),
        ("linux-aarch64", "linux", "aarch64"),
        ("osx-arm64", "osx", "arm64"),
        ("win-64", "win", "x86_64"),
        ("linux-32", "linux", "x86"),
    ],
)
def test_platforms(subdir: str, platform: str, arch: str) -> None:
    """As conda-build names them."""
    index = json.loads(info_files(Recipe("x", subdir=subdir), [PLAIN])["index.json"])
    assert (index["platform"], index["arch"]) == (platform, arch)
    assert "noarch" not in index


@pytest.mark.parametrize(
    ("noarch", "link"),
    [
        ("generic", {"type": "generic"}),
        ("python", {"type": "python", "entry_points": ["x = y:z"]}),
    ],
)
def test_noarch(noarch: Noarch, link: object) -> None:
    recipe = Recipe("x", noarch=noarch, summary="s", license="MIT")
    info = info_files(recipe, [PLAIN], ["x = y:z"] if noarch == "python" else [])
    index = json.loads(info["index.json"])
    assert (index["noarch"], index["subdir"], index["license"]) == (noarch, "noarch", "MIT")
    assert index.keys().isdisjoint({"platform", "arch"})
    assert json.loads(info["link.json"]) == {"noarch": link, "package_metadata_version": 1}
    assert json.loads(info["about.json"]) == {"summary": "s", "license": "MIT"}
    assert "has_prefix" not in info


@given(st.text(st.characters(exclude_characters='\n"\0\\', exclude_categories=["Cs"]), min_size=1))
def test_old_readers_understand_the_names(name: str) -> None:
    """Those that read has_prefix split its lines as a shell does."""
    path = PackagedPath(name, name, 0o644, 0, 0, "0" * 64, placeholder="/p", file_mode="binary")
    info = info_files(Recipe("x"), [path])
    assert shlex.split(info["has_prefix"].decode().removesuffix("\n")) == ["/p", "binary", name]
    assert json.loads(info["paths.json"])["paths"][0]["_path"] == name
    assert info["files"].decode() == f"{name}\n"
