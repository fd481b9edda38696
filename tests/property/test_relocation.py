"""Relocation, whatever the files, placeholders and prefixes: it can be undone, redone, and never guesses."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from conda_pack.model import FileMode, JsonLayout
from conda_pack.relocation.boundaries import prefix_positions
from conda_pack.relocation.restore import describe, renders, restore
from conda_pack.runtime.rules import dump_json, find_pristine, inverse, splice, stored_edits, target_edits
from conda_pack.segments.conda_meta import dump

LIMIT = 127
INSTALLERS = ("conda", "rattler")
_MARKS = "_placehold"
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")

# Folders' names: Latin, with spaces, and beyond (two, three and four bytes in UTF-8).
_names = st.text(st.sampled_from("abcXYZ019_-+. éß中𝄞"), min_size=1, max_size=40).filter(
    lambda name: name.strip(". ") == name and name
)


def _paths(longest: int) -> st.SearchStrategy[str]:
    """Absolute paths of 2 to ``longest`` bytes."""
    return (
        st.lists(_names, min_size=1, max_size=8)
        .map(lambda names: "/" + "/".join(names))
        .filter(lambda path: len(path.encode()) <= longest)
    )


prefixes = _paths(254)
placeholders = st.integers(60, 255).map(lambda size: ("/ph" + _MARKS * 26)[:size])
#: What stands around a prefix in a file; nothing that could itself be one.
_between = st.text(st.sampled_from("xyz =:\"'\t,;()§ß漢"), max_size=8)


@st.composite
def texts(draw: st.DrawFn, placeholder: str) -> bytes:
    """A text that a package may ship: perhaps a script, its placeholder any number of times."""
    line = draw(
        st.sampled_from(
            [
                "",
                f"#!{placeholder}/bin/python\n",
                f"#!{placeholder}/bin/python3.11 -s -E\n",
                f"#! {placeholder}/bin/perl -w\n",
                f"#!{placeholder}/bin/run {placeholder}/x\n",
                "#!/bin/sh\n",
            ]
        )
    )
    parts = draw(st.lists(_between, min_size=0, max_size=6))
    return (line + f"{placeholder}/lib\n".join(parts)).encode()


@st.composite
def binaries(draw: st.DrawFn, placeholder: str) -> bytes:
    """C strings, some with placeholders, in one encoding each, terminated or (the last) not."""
    data = bytearray(b"\x7fELF\0\0\0\0")
    for _ in range(draw(st.integers(1, 4))):
        encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-16-le", "utf-16-be", "utf-32-le"]))
        count = draw(st.integers(0, 3))
        string = ":".join(
            f"{placeholder}/{draw(st.sampled_from(['', 'lib', 'bin/x']))}" for _ in range(count)
        )
        data += string.encode(encoding)
        data += "\0".encode(encoding) + draw(st.sampled_from([b"", b"\1", b"\2\0\3", b"\xff" * 5]))
        data += b"\1" * (-len(data) % 4)  # compilers align wide strings
    if draw(st.booleans()):
        data += f"{placeholder}/end".encode()
    return bytes(data)


def rendered(pristine: bytes, fields: dict[str, Any], prefix: str) -> bytes:
    return b"".join(splice(pristine, target_edits({"path": "x", **fields}, prefix.encode(), LIMIT)))


def described(pristine: bytes, placeholder: str, mode: FileMode, installer: str) -> dict[str, Any]:
    fields = describe(pristine, placeholder, mode, installer, LIMIT)
    assert fields is not None
    return fields


edits = st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5), st.binary(max_size=5)), max_size=6)


@given(edits, st.binary(max_size=5))
def test_splicing_can_be_undone(pieces: list[tuple[bytes, bytes, bytes]], tail: bytes) -> None:
    """For any edits, the inverse edits applied to the result give the original again."""
    data, todo, expected = b"", [], b""
    for before, old, new in pieces:
        todo.append((len(data) + len(before), old, new))
        data, expected = data + before + old, expected + before + new
    data, expected = data + tail, expected + tail
    done = b"".join(splice(data, todo))
    assert expected == done
    assert data == b"".join(splice(done, inverse(todo)))
    assert todo == inverse(inverse(todo))


@given(st.data(), placeholders, prefixes, st.sampled_from(INSTALLERS))
def test_texts_are_restored(data: st.DataObject, placeholder: str, prefix: str, installer: str) -> None:
    """From a text as installed anywhere comes the package's own, and from that the installed one."""
    pristine = data.draw(texts(placeholder))
    assume(prefix.encode() not in pristine)
    # conda ends the interpreter of "#! /a b/bin/x" at the space: what it cuts away cannot come back
    assume(not (installer == "conda" and " " in prefix and pristine.startswith(b"#! ")))
    fields = described(pristine, placeholder, "text", installer)
    installed = rendered(pristine, fields, prefix)
    sha256 = hashlib.sha256(pristine).hexdigest()
    found = restore(installed, (prefix.encode(),), placeholder, "text", sha256, installer, LIMIT)
    assert found is not None
    assert pristine == found[0]
    assert renders(found[0], found[1], prefix.encode(), LIMIT, installed)


@given(st.data(), placeholders, prefixes, st.sampled_from(INSTALLERS))
def test_binaries_are_restored(data: st.DataObject, placeholder: str, prefix: str, installer: str) -> None:
    """From a binary as installed anywhere comes the package's own; its size never changes."""
    assume(
        all(len(prefix.encode(e)) <= len(placeholder.encode(e)) for e in ("utf-8", "utf-16-le", "utf-32-le"))
    )
    assume(prefix.isascii())  # beyond, conda itself mixes the byte orders up
    pristine = data.draw(binaries(placeholder))
    assume(not any(prefix.encode(encoding) in pristine for encoding in _ENCODINGS))
    fields = described(pristine, placeholder, "binary", installer)
    installed = rendered(pristine, fields, prefix)
    assert len(pristine) == len(installed)
    sha256 = hashlib.sha256(pristine).hexdigest()
    found = restore(installed, (prefix.encode(),), placeholder, "binary", sha256, installer, LIMIT)
    assert found is not None
    assert pristine == found[0]
    assert renders(found[0], found[1], prefix.encode(), LIMIT, installed)


@given(st.data(), placeholders, prefixes, prefixes, st.sampled_from(INSTALLERS), st.booleans())
def test_there_and_back(
    data: st.DataObject, placeholder: str, first: str, second: str, installer: str, binary: bool
) -> None:
    """From P1 to P2 to P1 is the identity, each step knowing only the record and the file."""
    mode: FileMode = "binary" if binary else "text"
    assume(not binary or max(len(first.encode()), len(second.encode())) <= len(placeholder))
    assume(not binary or (first + second).isascii())
    pristine = data.draw(binaries(placeholder) if binary else texts(placeholder))
    entry = {"path": "x", **described(pristine, placeholder, mode, installer)}
    entry["sha256"] = hashlib.sha256(b"".join(splice(pristine, stored_edits(entry)))).hexdigest()
    candidates = [second.encode(), first.encode(), None]

    def move(installed: bytes, prefix: str) -> bytes:
        _, found = find_pristine(installed, entry, candidates, LIMIT)
        assert pristine == found
        return b"".join(splice(found, target_edits(entry, prefix.encode(), LIMIT)))

    at_first = rendered(pristine, entry, first)
    at_second = move(at_first, second)
    assert rendered(pristine, entry, second) == at_second
    assert at_first == move(at_second, first)
    assert at_second == move(at_second, second)


@pytest.mark.parametrize("installer", INSTALLERS)
@given(length=st.integers(1, 254))
@settings(max_examples=60)
def test_every_length_of_prefix(installer: str, length: int) -> None:
    """A prefix of any length up to the placeholder's fits, to the byte."""
    placeholder, prefix = ("/ph" + _MARKS * 26)[:255], "/" + "p" * (length - 1)
    pristine = f"\0{placeholder}/lib\0{placeholder}:{placeholder}\0\1".encode()
    fields = described(pristine, placeholder, "binary", installer)
    installed = rendered(pristine, fields, prefix)
    pad = "\0" * (255 - length)
    assert f"\0{prefix}/lib{pad}\0{prefix}:{prefix}{pad}{pad}\0\1".encode() == installed


_plain = prefixes.filter(lambda prefix: prefix.isascii() and " " not in prefix)
_longer = st.sampled_from(["a", "Z", "0", "_", "-", "+", "~", "%20", ".x", "é", "-data/lib"])
_before = st.sampled_from(["/", "x", "/mnt", "9", "_", ".", "~", "é"])
_left = st.sampled_from(
    ["", " ", '"', "'", "=", ":", "(", "\n", "\t", "-I", "--prefix=", "file://", ",", "<", "\\n"]
)
_right = st.sampled_from(["", " ", '"', "'", ":", ")", "\n", "/lib", ",", ";", ". ", "/", "\\n", ">"])


@given(_plain, st.lists(st.tuples(_left, _right), min_size=1, max_size=5))
def test_a_delimited_prefix_is_always_found(prefix: str, around: list[tuple[str, str]]) -> None:
    """Every prefix between delimiters is found, however many there are."""
    text, expected = "", []
    for left, right in around:
        text += "\n" + left
        expected.append(len(text.encode()))
        text += prefix + right
    assert expected == prefix_positions(text.encode(), prefix.encode())


@given(_plain, _left, _longer, _before, _right)
@example("/opt/env", "", "-data", "/mnt", "")
def test_a_longer_name_is_never_found(prefix: str, left: str, longer: str, before: str, right: str) -> None:
    """Neither what goes on as a name nor what begins before the prefix is the prefix."""
    encoded = prefix.encode()
    assert prefix_positions(f"{left}{prefix}{longer}".encode(), encoded) == []
    assume(not (before == "/" and left.endswith(":")))  # a URL
    assert prefix_positions(f" {before}{prefix}{right}".encode(), encoded) == []


# conda-meta has times and sizes. Floats of which Python writes an exponent, it never has.
_numbers = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.floats(1e-3, 1e15),
    st.floats(-1e15, -1e-3),
    st.sampled_from([0.0, -0.0]),
)
_json = st.recursive(
    st.none() | st.booleans() | _numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
_layouts = st.builds(
    JsonLayout, indent=st.sampled_from([1, 2, 4]), ascii=st.booleans(), end=st.sampled_from(["", "\n"])
)


@given(st.dictionaries(st.text(), _json, max_size=5), _layouts)
@example(
    {"a": [], "b": {}, "c": [[], {}, ""], "é": '\x00\x1f\x7f\u2028\U0001d11e/\\"'}, JsonLayout(2, True, "\n")
)
@example(
    {"timestamp": 1700000000000, "x": 1700000000.125, "y": 1.5, "z": -0.0, "e": []}, JsonLayout(2, False, "")
)
def test_both_writers_of_json_agree(document: dict[str, Any], layout: JsonLayout) -> None:
    """The fast writer and the one that ships in archives give the same bytes."""
    as_shipped = {"indent": layout.indent, "ascii": layout.ascii, "end": layout.end}
    expected = dump_json(document, as_shipped)
    assert expected == dump(document, layout)
    assert document == json.loads(expected)
