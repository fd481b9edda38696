"""Conda-meta files: a text that is patched in places is what plain json gives for the whole document."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conda_pack.environment.records import parse_record
from conda_pack.model import JsonLayout, Record
from conda_pack.runtime.rules import Mismatch
from conda_pack.segments.conda_meta import stored_document, with_hashes
from conda_pack.segments.schema import CondaMetaFields, FileEntry
from tests.support.properties import UNHURRIED

FIELDS = ("sha256", "sha256_in_prefix", "size_in_bytes")
#: Letters that mean something to JSON, to who searches in its text, or beyond ASCII.
tricky = st.text(st.sampled_from('ab{}[]"\\:, \n\x7f\x1fé☃𝄞\u2028'), max_size=8) | st.sampled_from(
    ['"_path": ', '{"_path": "a"}', '"sha256": "0"', "_path", "paths_data", "sha256_in_prefix"]
)
names = tricky.filter(lambda name: name.strip() and "/" not in name)
keys = tricky.filter(lambda key: key != "_path")
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(1 << 53), 1 << 53), tricky)
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)

digests = st.sampled_from(["0" * 64, "1" * 64, "ab" * 32, "0"])
own_sizes = st.integers(0, 1 << 40) | st.sampled_from([1, 12, 123])


@st.composite
def path_entries(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """What a package says of one path, as conda and rattler write it, and newer ones might."""
    entry: dict[str, Any] = {
        "_path": draw(st.sampled_from(["lib/", "", f"{number}/"])) + f"{draw(names)}{number // 2}",
        "path_type": draw(st.sampled_from(["hardlink", "hardlink", "softlink"])),
    }
    optional: list[tuple[str, st.SearchStrategy[Any]]] = [
        ("sha256", digests),
        ("sha256_in_prefix", digests),
        ("size_in_bytes", own_sizes),
        ("file_mode", st.sampled_from(["text", "binary"])),
        ("prefix_placeholder", st.just("/placeholder")),
        ("no_link", st.booleans()),
        ("more", st.dictionaries(keys, scalars, max_size=2)),
    ]
    for key, strategy in draw(st.permutations(optional)):
        if draw(st.booleans()):
            entry[key] = draw(strategy)
    return entry


@dataclass
class Given:
    """A conda-meta file, and files of the package with what is to be said of them."""

    document: dict[str, Any]
    record: Record
    files: list[FileEntry]

    @property
    def touched(self) -> list[FileEntry]:
        return [file for file in self.files if file.conda_meta is not None]


@st.composite
def packages(draw: st.DrawFn) -> Given:
    drawn = [draw(path_entries(number)) for number in range(draw(st.integers(0, 6)))]
    paths = list({path["_path"]: path for path in drawn}.values())
    document = draw(st.dictionaries(keys, values, max_size=4))
    paths_data = {"paths": paths, **draw(st.sampled_from([{}, {"paths_version": 1}]))}
    document |= {"name": "a", "version": "1", "build": "0", "paths_data": paths_data}
    document |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "link": st.sampled_from(
                    [None, {}, {"source": "/pkgs/a", "type": 1}, {"source": "", "type": 3}]
                ),
                "extracted_package_dir": st.just("/home/me/pkgs/a"),
                "package_tarball_full_path": st.just("/home/me/pkgs/a.conda"),
                "arch": st.just("x86_64"),
                "platform": st.none() | st.just("linux"),
                "subdir": st.just("linux-64"),
                "files": st.just(["é", "{"]),
                "timestamp": st.just(1700000000123),
            },
        )
    )
    end = draw(st.sampled_from(["", "\n"]))
    if draw(st.booleans()):  # conda's way
        text = json.dumps(document, indent=2, sort_keys=True) + end
    else:  # rattler's: its own order, and no escapes beyond the necessary ones
        order = draw(st.permutations(sorted(document)))
        document = {key: document[key] for key in order}
        text = json.dumps(document, indent=2, ensure_ascii=False) + end
        assume(
            not text.isascii() or "\x7f" not in text
        )  # no layout of json's has this, and only this, as it is
    record = parse_record(text.encode(), "a-1-0", "a-1-0.json")
    files = []
    for index, path in enumerate(paths):
        meta = None
        if draw(st.booleans()):
            meta = CondaMetaFields(index, draw(st.lists(st.sampled_from(FIELDS), unique=True)))
        files.append(FileEntry(path["_path"], size=draw(own_sizes), sha256=draw(digests), conda_meta=meta))
    # unmanaged, or of another package: its conda-meta file says nothing of it
    files.append(FileEntry("another", size=1, sha256="f" * 64))
    return Given(json.loads(text), record, draw(st.permutations(files)))


def dumped(document: dict[str, Any], layout: JsonLayout) -> bytes:
    return (json.dumps(document, indent=layout.indent, ensure_ascii=layout.ascii) + layout.end).encode()


def say(document: dict[str, Any], touched: list[FileEntry], known: dict[str, tuple[str, int]]) -> None:
    """What is true of the files, written into a document in the plainest way."""
    for file in touched:
        if file.path in known and file.conda_meta is not None:
            sha256, size = known[file.path]
            new = {"sha256": sha256, "sha256_in_prefix": sha256, "size_in_bytes": size}
            for name in file.conda_meta.fields:
                document["paths_data"]["paths"][file.conda_meta.index][name] = new[name]


@settings(UNHURRIED, max_examples=120)
@given(packages())
def test_stored_is_what_plain_json_gives(package: Given) -> None:
    """Without what was the source machine's, and with the stored files' digests, in its own layout."""
    document, record = deepcopy(package.document), package.record
    machine = ["extracted_package_dir", "package_tarball_full_path"]
    accident = ["arch", "platform"] if record.installer == "conda" else []
    for key in (*machine, *accident):
        document.pop(key, None)
    if document.get("link"):
        document["link"] = {"source": "", "type": 1}
    for path in document["paths_data"]["paths"]:
        current = path["_path"] in {file.path for file in package.touched}
        pristine, at_prefix = path.get("sha256"), path.get("sha256_in_prefix")
        if path["path_type"] == "hardlink" and not current and pristine and at_prefix:
            path["sha256_in_prefix"] = pristine
    say(document, package.touched, {file.path: (file.sha256 or "", file.size) for file in package.files})
    assert dumped(document, record.layout) == stored_document(record, package.files)


@settings(UNHURRIED, max_examples=120)
@given(packages(), st.data())
def test_hashes_are_what_plain_json_gives(package: Given, data: st.DataObject) -> None:
    """Of installed files those that are known, each in the fields that its entry names."""
    installed = {
        file.path: (data.draw(digests), data.draw(own_sizes))
        for file in package.files
        if data.draw(st.booleans())
    }
    document, record = deepcopy(package.document), package.record
    say(document, package.touched, installed)
    assert dumped(document, record.layout) == with_hashes(
        record.text, package.files, installed, record.layout
    )


@settings(UNHURRIED, max_examples=40)
@given(packages())
def test_nothing_known_changes_nothing(package: Given) -> None:
    """Where no installed file is known the text stays what it is."""
    record = package.record
    assert record.text == with_hashes(record.text, package.files, {}, record.layout)


# ------------------------------------------------------------------ by example

CONDA = JsonLayout(2, True, "")


def text_of(paths: list[dict[str, Any]], **more: Any) -> bytes:
    return json.dumps({**more, "paths_data": {"paths": paths, "paths_version": 1}}, indent=2).encode()


def path_of(name: str, **more: Any) -> dict[str, Any]:
    return {"_path": name, "sha256": "0" * 64, "sha256_in_prefix": "1" * 64, "size_in_bytes": 5, **more}


def file_of(name: str, index: int, *fields: str) -> FileEntry:
    return FileEntry(name, sha256="f" * 64, size=7, conda_meta=CondaMetaFields(index, list(fields or FIELDS)))


@pytest.mark.parametrize(
    "name", ["a", "a}", "{a", '"', "\\", "é", "𝄞", "\x7f", '"_path": ', '{"_path": "b"}']
)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_path_of_any_name(name: str, index: int) -> None:
    """Its own entry changes and no other does, though all are called alike."""
    paths = [path_of(name), path_of(f"x/{name}"), path_of(f"y/{name}")]
    file = file_of(str(paths[index]["_path"]), index, "sha256_in_prefix", "size_in_bytes")
    found = with_hashes(text_of(paths), [file], {file.path: ("2" * 64, 6)}, CONDA)
    paths[index] |= {"sha256_in_prefix": "2" * 64, "size_in_bytes": 6}
    assert text_of(paths) == found


def test_a_noarch_path() -> None:
    """It lies elsewhere than its package says, under the same name."""
    paths = [path_of("site-packages/a/b.py")]
    file = file_of("lib/python3.11/site-packages/a/b.py", 0)
    found = with_hashes(text_of(paths), [file], {file.path: ("2" * 64, 6)}, CONDA)
    assert (
        text_of([{**paths[0], "sha256": "2" * 64, "sha256_in_prefix": "2" * 64, "size_in_bytes": 6}]) == found
    )


def test_a_digest_that_another_field_has_too() -> None:
    """Only the field changes that is meant, whatever its value is also the value of."""
    same = "1" * 64
    paths = [{"_path": "a", "old_sha256": same, "sha256": same, "sha256_in_prefix": same, "size_in_bytes": 1}]
    found = with_hashes(text_of(paths), [file_of("a", 0, "sha256")], {"a": ("2" * 64, 12)}, CONDA)
    assert text_of([{**paths[0], "sha256": "2" * 64}]) == found


def test_a_field_that_was_not_there() -> None:
    """It is added at the end."""
    paths = [{"_path": "a", "path_type": "hardlink"}]
    found = with_hashes(text_of(paths), [file_of("a", 0, "size_in_bytes")], {"a": ("2" * 64, 6)}, CONDA)
    assert text_of([{**paths[0], "size_in_bytes": 6}]) == found


@pytest.mark.parametrize(
    "layout", [{"indent": 4}, {"separators": (",", ":")}, {"indent": 1, "ensure_ascii": False}], ids=str
)
def test_a_text_of_any_layout(layout: dict[str, Any]) -> None:
    """However somebody laid it out, it means the same afterwards."""
    document = {"é": 1, "paths_data": {"paths": [path_of("a"), path_of("é"), path_of("c")]}}
    record_layout = JsonLayout(layout.get("indent", 2), layout.get("ensure_ascii", True), "\n")
    files, installed = [file_of("é", 1), file_of("c", 2)], {"é": ("2" * 64, 6), "c": ("3" * 64, 1)}
    found = with_hashes(json.dumps(document, **layout).encode(), files, installed, record_layout)
    say(document, files, installed)
    assert document == json.loads(found)


@pytest.mark.parametrize(
    "file", [file_of("b", 0), file_of("a", 1), file_of("a", 99)], ids=["other name", "other place", "nowhere"]
)
def test_a_document_that_is_another(file: FileEntry) -> None:
    """Where the place that was noted is not the file's, the records do not fit."""
    text = text_of([path_of("a"), path_of("c")])
    with pytest.raises(Mismatch):
        with_hashes(text, [file], {file.path: ("2" * 64, 6)}, CONDA)


def test_two_files_of_one_place() -> None:
    """What is said last counts; nothing is said at a place that is not theirs."""
    text = text_of([path_of("a"), path_of("b/a")])
    files = [file_of("a", 0, "sha256"), file_of("x/a", 0, "size_in_bytes")]
    found = with_hashes(text, files, {"a": ("2" * 64, 6), "x/a": ("3" * 64, 9)}, CONDA)
    assert text_of([path_of("a", sha256="2" * 64, size_in_bytes=9), path_of("b/a")]) == found


def test_a_path_told_of_elsewhere() -> None:
    """A document may have other objects with that key before its paths: they are not taken for these."""
    more = {"another": [path_of("a")]}
    found = with_hashes(text_of([path_of("a")], **more), [file_of("a", 0)], {"a": ("2" * 64, 6)}, CONDA)
    changed = path_of("a", sha256="2" * 64, sha256_in_prefix="2" * 64, size_in_bytes=6)
    assert text_of([changed], **more) == found
