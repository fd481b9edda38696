"""What conda, rattler and micromamba write into conda-meta means the same once it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conda_pack.environment.read import read_environment
from conda_pack.environment.records import parse_record, parse_site_packages
from conda_pack.errors import CorruptMetadata
from conda_pack.model import Claim, JsonLayout, Record

SITE = "lib/python3.11/site-packages"
BASE = {"name": "tool", "version": "1.0", "build": "h_0", "subdir": "linux-64"}


def text(document: dict[str, Any], indent: int = 2, end: str = "", ascii: bool = True) -> bytes:
    return (json.dumps(document, indent=indent, ensure_ascii=ascii) + end).encode()


def parse(document: dict[str, Any], site_packages: str | None = SITE) -> Record:
    return parse_record(text({**BASE, **document}), "tool-1.0-h_0", "conda-meta/tool.json", site_packages)


def claims(*paths: dict[str, Any], site_packages: str | None = SITE, **fields: Any) -> tuple[Claim, ...]:
    return parse({"paths_data": {"paths": list(paths)}, **fields}, site_packages).claims


def test_condas_patched_file() -> None:
    """conda records both hashes, the placeholder, the mode and the pristine size."""
    entry = {
        "_path": "bin/tool",
        "path_type": "hardlink",
        "sha256": "aa",
        "sha256_in_prefix": "bb",
        "size_in_bytes": 10,
        "prefix_placeholder": "/ph",
        "file_mode": "binary",
    }
    assert (Claim("bin/tool", 0, "hardlink", "aa", "bb", 10, "/ph", "binary"),) == claims(entry)


def test_rattlers_file() -> None:
    """rattler records no second hash where it would be the same, and no mode where nothing was patched."""
    entry = {"_path": "a", "path_type": "hardlink", "sha256": "aa", "size_in_bytes": 10}
    assert (Claim("a", 0, "hardlink", "aa", None, 10, None, None),) == claims(entry)


def test_micromambas_patched_file() -> None:
    """micromamba records neither placeholder nor mode: only that the hashes differ."""
    entry = {
        "_path": "a",
        "path_type": "hardlink",
        "sha256": "aa",
        "sha256_in_prefix": "bb",
        "size_in_bytes": 9,
    }
    assert (Claim("a", 0, "hardlink", "aa", "bb", 9, None, None),) == claims(entry)


def test_an_entry_with_little_in_it() -> None:
    """What conda leaves out of entry points and bytecode, and what is empty, is unknown."""
    entries: list[dict[str, Any]] = [
        {"_path": "bin/run", "path_type": "unix_python_entry_point"},
        {"_path": "a.pyc", "path_type": "pyc_file", "sha256": "", "sha256_in_prefix": None},
        {"_path": "b"},
    ]
    expected = (
        Claim("bin/run", 0, "unix_python_entry_point"),
        Claim("a.pyc", 1, "pyc_file"),
        Claim("b", 2, "hardlink"),
    )
    assert expected == claims(*entries)


def test_text_is_the_default_mode() -> None:
    """A placeholder without a mode is a text's (CEP 34)."""
    (claim,) = claims({"_path": "a", "prefix_placeholder": "/ph"})
    assert claim.file_mode == "text"


def test_condas_noarch_paths() -> None:
    """conda keeps a noarch package's own paths; only ``files`` tells where they lie."""
    found = claims(
        {"_path": "site-packages/tool/a.py"},
        {"_path": "python-scripts/tool"},
        {"_path": "share/x"},
        {"_path": "bin/run", "path_type": "unix_python_entry_point"},
        noarch="python",
        files=[f"{SITE}/tool/a.py", "bin/tool", "share/x", "bin/run"],
    )
    assert [f"{SITE}/tool/a.py", "bin/tool", "share/x", "bin/run"] == [claim.path for claim in found]
    assert [claim.index for claim in found] == [0, 1, 2, 3]


def test_rattlers_noarch_paths() -> None:
    """rattler writes the installed paths, and they stay."""
    found = claims({"_path": f"{SITE}/tool/a.py"}, noarch="python", files=[f"{SITE}/tool/a.py"])
    assert [f"{SITE}/tool/a.py"] == [claim.path for claim in found]


def test_noarch_paths_on_windows() -> None:
    """Scripts lie elsewhere there."""
    site = "Lib/site-packages"
    paths = [{"_path": "site-packages/a.py"}, {"_path": "python-scripts/tool"}]
    found = claims(*paths, site_packages=site, noarch="python", files=[])
    assert [claim.path for claim in found] == ["Lib/site-packages/a.py", "Scripts/tool"]


def test_generic_packages_keep_their_site_packages() -> None:
    """A folder of that name in a package that is no noarch Python one is just a folder."""
    for noarch in ("generic", None, True):
        (found,) = claims({"_path": "site-packages/a.py"}, noarch=noarch)
        assert found.path == "site-packages/a.py"


def test_files_without_paths_data() -> None:
    """Packages from before paths.json have a list of files alone."""
    expected = tuple(Claim(path, -1, "hardlink") for path in ("a", "b"))
    assert expected == parse({"files": ["a", "b", "a"]}).claims


def test_a_path_claimed_twice_counts_once() -> None:
    """The first of two entries for one path is the one that counts."""
    found = claims({"_path": "a", "sha256": "1"}, {"_path": "a", "sha256": "2"}, files=["a", "b"])
    assert [(claim.path, claim.sha256, claim.index) for claim in found] == [("a", "1", 0), ("b", None, -1)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"timestamp": 1700000000123}, 1700000000),  # milliseconds
        ({"timestamp": 1500000000}, 1500000000),  # seconds, before conda-build 3.2
        ({"timestamp": 1700000000123.7}, 1700000000),
        ({"timestamp": 0}, 0),
        ({"timestamp": None}, 0),
        ({}, 0),
    ],
)
def test_timestamps(document: dict[str, Any], expected: int) -> None:
    """Seconds, whatever the unit it was written in."""
    assert expected == parse(document).timestamp


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ({"source": "/pkgs/tool", "type": 1}, None),
        ({"source": "/pkgs/tool", "type": 2}, "/pkgs/tool"),
        ({"source": "/pkgs/tool", "type": "softlink"}, "/pkgs/tool"),
        ({"source": "", "type": 1}, None),
        (None, None),
    ],
)
def test_soft_links_into_the_cache(link: dict[str, Any] | None, expected: str | None) -> None:
    """Only a package that was linked softly has its files elsewhere."""
    assert expected == parse({"link": link}).linked_from


def test_who_wrote_it() -> None:
    """conda and mamba sort the keys; rattler does not."""
    assert parse_record(text(dict(sorted(BASE.items()))), "t", "t.json").installer == "conda"
    assert parse_record(text(BASE), "t", "t.json").installer == "rattler"


@pytest.mark.parametrize("indent", [2, 4])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("ascii", [True, False])
def test_the_layout(indent: int, end: str, ascii: bool) -> None:
    """How the text was laid out is kept, to be written the same way again."""
    document = {**BASE, "summary": "naïve"}
    record = parse_record(text(document, indent, end, ascii), "t", "t.json")
    assert JsonLayout(indent, ascii, end) == record.layout


def test_real_records(installed: Path) -> None:
    """Each record of a real environment is written again to the byte, and each claim is on disk."""
    from conda_pack.segments.conda_meta import dump  # noqa: PLC0415

    found = read_environment(str(installed))
    assert found.records
    for record in found.records:
        original = (installed / "conda-meta" / f"{record.dist}.json").read_bytes()
        assert original == dump(record.document, record.layout)
        assert record.installer == "rattler"
        assert set() == {claim.path for claim in record.claims} - found.files.keys()


# ------------------------------------------------------------------ what is wrong with them


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"paths_data": {"paths": [{"_path": 7}]}}, ["$.paths_data.paths[0]._path", "`str`", "`int`"]),
        ({"paths_data": {"paths": [{}]}}, ["_path", "$.paths_data.paths[0]"]),
        ({"version": 1}, ["$.version"]),
        ({"files": "a"}, ["$.files"]),
        ({"depends": [1]}, ["$.depends[0]"]),
        (
            {"paths_data": {"paths": [{"_path": "/etc/passwd"}]}},
            ["paths_data.paths[0]._path", "leaves the prefix"],
        ),
        (
            {"paths_data": {"paths": [{"_path": "a"}, {"_path": "a/../../b"}]}},
            ["paths[1]._path", "leaves the prefix"],
        ),
        ({"files": ["../x"]}, ["files", "leaves the prefix"]),
        (
            {"paths_data": {"paths": [{"_path": "a", "prefix_placeholder": "/p", "file_mode": "wide"}]}},
            ["paths[0].file_mode", "'wide'"],
        ),
    ],
)
def test_corrupt_records_name_file_and_field(document: dict[str, Any], words: list[str]) -> None:
    """A record that is not what it should be is refused by its file's and field's name."""
    with pytest.raises(CorruptMetadata) as raised:
        parse(document)
    for word in ["conda-meta/tool.json", *words]:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b"null", b'{"name": "x"}', b"\xff\xfe", b"[" * 100_000, b'{"name": "\xff"}']
)
def test_damaged_json(damaged: bytes) -> None:
    """Whatever the bytes are, the error says which file it is and what to do."""
    with pytest.raises(CorruptMetadata, match=r"conda-meta/t\.json is no package record: .*Reinstall"):
        parse_record(damaged, "t", "conda-meta/t.json")


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Every damaged record of an environment is named in one message."""
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    (meta / "good-1-0.json").write_bytes(text({**BASE, "name": "good"}))
    (meta / "bad-1-0.json").write_text("{")
    (meta / "worse-1-0.json").write_text("[]")
    (meta / "python-3.11.2-0.json").write_text("nothing")
    with pytest.raises(CorruptMetadata) as raised:
        read_environment(str(tmp_path))
    for name in ("bad", "worse", "python"):
        assert f"{name}-" in str(raised.value)
    assert "good" not in str(raised.value)


# ------------------------------------------------------------------ site-packages


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"version": "3.11.2"}, "lib/python3.11/site-packages"),
        ({"version": "3.6.15"}, "lib/python3.6/site-packages"),
        ({"version": "3.11.2", "subdir": "win-64"}, "Lib/site-packages"),
        (
            {"version": "3.13.1", "python_site_packages_path": "lib/python3.13t/site-packages"},
            "lib/python3.13t/site-packages",
        ),
    ],
)
def test_site_packages(document: dict[str, Any], expected: str) -> None:
    """Python's own record says where packages go: free-threaded ones by name."""
    assert expected == parse_site_packages(text({**BASE, "name": "python", **document}), "python.json")


def test_site_packages_on_a_mac() -> None:
    """A platform's name that has 'win' in it is not Windows by that alone."""
    document = {**BASE, "name": "python", "version": "3.11.2", "subdir": "darwin-arm64"}
    assert parse_site_packages(text(document), "python.json") == "lib/python3.11/site-packages"
