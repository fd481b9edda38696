"""What is written for conda and pixi is read back as it was, and whatever is in a file ends in a sentence."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.errors import SourceProblem, UsageError
from conda_pack.sources.files.reading import merged, read_source
from conda_pack.sources.model import Explicit, Pinned, PipRequirements, Specs
from tests.support.properties import UNHURRIED

#: YAML takes these for line breaks, and PyYAML writes the first one into quotes as it is.
_BREAKS = "\x85\u2028\u2029"
_WORDS = st.text(st.characters(codec="utf-8", exclude_characters=f"#$\0{_BREAKS}"), min_size=1).filter(
    lambda word: word == word.strip()
)
_NAMES = st.from_regex(r"[a-z_][a-z0-9_.-]{0,8}", fullmatch=True)
_VERSIONS = st.from_regex(r"[0-9][a-z0-9_.]{0,5}", fullmatch=True)
_HEX = "0123456789abcdef"

_SPECS = st.builds(
    Specs,
    name=st.none() | _WORDS,
    channels=st.lists(_WORDS.filter(lambda word: word != "nodefaults"), max_size=3).map(tuple),
    conda=st.lists(_WORDS, max_size=4).map(lambda specs: ("pip", *specs)),
    pip=st.builds(
        PipRequirements,
        st.lists(st.from_regex(r"[a-z]{1,5}(==[0-9]{1,2}([.][0-9])?)?", fullmatch=True)).map(tuple),
    ),
    platforms=st.lists(_WORDS, max_size=2).map(tuple),
    variables=st.dictionaries(
        _WORDS, st.text(st.characters(codec="utf-8", exclude_characters=f"#\0{_BREAKS}")), max_size=2
    ),
)
_PACKAGES = st.builds(
    Pinned,
    st.tuples(_NAMES, _VERSIONS, st.sampled_from([".conda", ".tar.bz2"])).map(
        lambda parts: f"https://channel.invalid/linux-64/{parts[0]}-{parts[1]}-0{parts[2]}"
    ),
)
_DIGESTS = st.none() | st.text(_HEX, min_size=32, max_size=32) | st.text(_HEX, min_size=64, max_size=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


def read(file: Path) -> Any:
    return read_source(str(file), environment=None, platforms=())


@UNHURRIED
@given(specs=_SPECS, is_json=st.booleans(), ascii_only=st.booleans())
def test_environment_yml_comes_back(specs: Specs, is_json: bool, ascii_only: bool, folder: Path) -> None:
    document: dict[str, object] = {
        "name": specs.name,
        "channels": list(specs.channels),
        "dependencies": [*specs.conda, {"pip": list(specs.pip.requirements)}],
        "platforms": list(specs.platforms),
        "variables": dict(specs.variables),
    }
    content = (
        json.dumps(document, ensure_ascii=ascii_only)
        if is_json
        else yaml.safe_dump(document, allow_unicode=not ascii_only, sort_keys=False)
    )
    file = folder / ("e.json" if is_json else "e.yml")
    file.write_bytes(content.encode())
    assert read(file) == specs


@UNHURRIED
@given(packages=st.lists(st.tuples(_PACKAGES, _DIGESTS), min_size=1, max_size=5), prefixed=st.booleans())
def test_explicit_lists_come_back(
    packages: list[tuple[Pinned, str | None]], prefixed: bool, folder: Path
) -> None:
    expected, lines = [], ["# platform: linux-64", "@EXPLICIT"]
    for package, digest in packages:
        kind = {None: "", 32: "md5", 64: "sha256"}[len(digest) if digest else None]
        lines.append(package.url + (f"#{kind + ':' if prefixed else ''}{digest}" if digest else ""))
        expected.append(Pinned(package.url, **{kind: digest}) if digest else package)
    (folder / "explicit.txt").write_text("\n".join(lines))
    assert read(folder / "explicit.txt") == Explicit(None, "linux-64", tuple(expected))


@UNHURRIED
@given(packages=st.lists(st.tuples(_NAMES, _VERSIONS, _NAMES), min_size=1))
def test_exported_lists_come_back(packages: list[tuple[str, str, str]], folder: Path) -> None:
    lines = ["# platform: linux-64", *("=".join(package) for package in packages)]
    (folder / "exported.txt").write_text("\n".join(lines))
    expected = Specs(conda=tuple(" ".join(package) for package in packages), platforms=("linux-64",))
    assert read(folder / "exported.txt") == expected


@UNHURRIED
@given(several=st.lists(_SPECS, min_size=2, max_size=4))
def test_merging_one_by_one_is_merging_all(several: list[Specs]) -> None:
    whole = merged({str(number): specs for number, specs in enumerate(several)})
    one_by_one: Any = several[0]
    for specs in several[1:]:
        one_by_one = merged({"before": one_by_one, "this": specs})
    assert one_by_one == whole


_SNIPPETS = st.sampled_from(
    [
        *("dependencies:", "- pip:", "  - ", "name: x", "@EXPLICIT", "# platform: linux-64", "version: 6"),
        *(
            "environments: {}",
            "[workspace]",
            "[tool.pixi]",
            "platforms = ['linux-64']",
            "a = '*'",
            "- -r x",
            "{",
        ),
        *(
            "https://x.invalid/noarch/a-1-0.conda#",
            "numpy=1",
            "- &a [*a]",
            "\\",
            "-e .",
            "--hash=sha256:",
            "#[win]",
        ),
        *("# pip ", "metadata:", "package: []", "a.whl", "a @ b", "}", "[", "]", ":", "\t", "'", '"'),
    ]
)


@UNHURRIED
@given(
    parts=st.lists(_SNIPPETS | st.text(max_size=5)),
    between=st.sampled_from(["\n", "\n  ", " ", ""]),
    name=st.sampled_from(["e.yml", "e.json", "pixi.toml", "pyproject.toml", "pixi.lock", "specs.txt", "any"]),
)
def test_whatever_is_in_a_file(parts: list[str], between: str, name: str, folder: Path) -> None:
    (folder / name).write_bytes(between.join(parts).encode(errors="replace"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # sections that are not known
        try:
            read(folder / name)
        except (SourceProblem, UsageError) as error:
            assert str(error).strip()


_KEYS = st.sampled_from(
    [
        *(
            "workspace",
            "project",
            "channels",
            "platforms",
            "dependencies",
            "pypi-dependencies",
            "target",
            "win",
        ),
        *(
            "feature",
            "environments",
            "default",
            "x",
            "features",
            "no-default-feature",
            "version",
            "channel",
            "url",
        ),
        *(
            "git",
            "path",
            "extras",
            "name",
            "tool",
            "pixi",
            "optional-dependencies",
            "dependency-groups",
            "priority",
        ),
        *("requires-python", "platform", "include-group", "dev"),
    ]
)
_VALUES = st.recursive(
    st.booleans()
    | st.integers(0, 3)
    | st.sampled_from(["*", "x", "linux-64", "default", "a.whl", "a.conda"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@UNHURRIED
@given(
    document=st.dictionaries(_KEYS, _VALUES, max_size=6),
    name=st.sampled_from(["pixi.toml", "pyproject.toml"]),
)
def test_whatever_is_in_a_manifest(document: dict[str, Any], name: str, folder: Path) -> None:
    """Every key with every kind of value: what fits no rule is a finding, never a crash."""
    (folder / "pixi.lock").write_text("version: 6\nenvironments: {}\n")
    document.setdefault("workspace", {"platforms": ["linux-64", "win-64"]})
    document = {"tool": {"pixi": document}, **document} if name == "pyproject.toml" else document
    (folder / name).write_text("\n".join(f"{key} = {_toml(value)}" for key, value in document.items()))
    try:
        read(folder / name)
    except (SourceProblem, UsageError) as error:
        assert "is not TOML" not in str(error)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
