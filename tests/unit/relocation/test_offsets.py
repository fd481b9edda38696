"""The conformance cases of the draft standard conda/ceps#179, with the sizes it lets one tell unread."""

from __future__ import annotations

from typing import Any

import pytest

from conda_pack.model import FileMode
from conda_pack.relocation.offsets import RULES, find_offsets, shebang_length
from conda_pack.relocation.restore import describe
from conda_pack.runtime.rules import Mismatch, TooLong, splice, target_edits

PLACEHOLDER = "/placeholder/placeholder/placeholder"
P = PLACEHOLDER.encode()
LIMIT = 127
SHORT = b"/opt/env"
LONG = b"/" + b"l" * 150


def rendered(pristine: bytes, mode: FileMode, prefix: bytes, rule: str, limit: int = LIMIT) -> bytes:
    fields = describe(pristine, PLACEHOLDER, mode, rule, limit)
    assert fields is not None
    return b"".join(splice(pristine, target_edits({"path": "x", **fields}, prefix, limit)))


def predicted_size(pristine: bytes, fields: dict[str, Any], prefix: bytes, new_first_line: int = 0) -> int:
    """The installed size of a text file, by the standard's formula: nothing of the file is read."""
    size = len(pristine)
    if "shebang_length" in fields:
        size += new_first_line - fields["shebang_length"]
    for group in fields["offsets"]:
        old = len(PLACEHOLDER.encode(group["encoding"]))
        size += len(group["ranges"]) * (len(prefix.decode().encode(group["encoding"])) - old)
    return size


def test_case_1_a_short_prefix_keeps_the_shebang_line() -> None:
    """With a prefix that fits, the shebang line stays one, and the size follows from the offsets."""
    pristine = b"#!%b/bin/python\nx = '%b/lib'\ny = '%b'\n" % (P, P, P)
    fields = find_offsets(pristine, PLACEHOLDER, "text", RULES["rattler"])
    line = len(P) + len(b"#!/bin/python\n")
    expected = {
        "offsets": [{"encoding": "utf-8", "ranges": [line + 5, line + 5 + len(P) + 4 + 2 + 5]}],
        "shebang_length": line,
    }
    assert expected == fields
    installed = b"#!/opt/env/bin/python\nx = '/opt/env/lib'\ny = '/opt/env'\n"
    assert installed == rendered(pristine, "text", SHORT, "rattler")
    assert len(installed) == predicted_size(pristine, fields, SHORT, len(b"#!/opt/env/bin/python\n"))


def test_case_2_a_long_prefix_collapses_the_shebang_to_env() -> None:
    """With a prefix that is too long, the first line goes through env and the rest is spliced as ever."""
    pristine = b"#!%b/bin/perl -w\n# %b\n" % (P, P)
    installed = b"#!/usr/bin/env perl -w\n# %b\n" % LONG
    fields = find_offsets(pristine, PLACEHOLDER, "text", RULES["conda"])
    assert installed == rendered(pristine, "text", LONG, "conda")
    assert installed == rendered(pristine, "text", LONG, "rattler")
    assert len(installed) == predicted_size(pristine, fields, LONG, len(b"#!/usr/bin/env perl -w\n"))


def test_case_3_an_occurrence_in_the_shebang_region_is_not_in_the_offsets() -> None:
    """A target without shebangs splices the first line by itself, since no offset lies in its region."""
    pristine = b"#!%b/python.exe\r\nprint('%b')\r\n" % (P, P)
    fields = find_offsets(pristine, PLACEHOLDER, "text", RULES["conda"])
    assert [{"encoding": "utf-8", "ranges": [fields["shebang_length"] + 7]}] == fields["offsets"]
    region = pristine[: fields["shebang_length"]]
    assert region == b"#!%b/python.exe\r\n" % P
    # no limit reached, and no space: the line is only spliced
    assert (
        rendered(pristine, "text", b"C:/env", "conda", 512) == b"#!C:/env/python.exe\r\nprint('C:/env')\r\n"
    )


def test_case_4_a_shebang_without_a_newline_is_the_whole_file() -> None:
    """For a file that is only a shebang line, shebang_length is the file's size."""
    pristine = b"#!%b/bin/python" % P
    expected = {"offsets": [], "shebang_length": len(pristine)}
    assert expected == find_offsets(pristine, PLACEHOLDER, "text", RULES["rattler"])
    assert rendered(pristine, "text", SHORT, "rattler") == b"#!/opt/env/bin/python"


def test_case_5_the_only_occurrence_is_in_the_shebang() -> None:
    """Where only the shebang names the placeholder, offsets is empty and still there."""
    pristine = b"#!%b/bin/python\nprint()\n" % P
    fields = find_offsets(pristine, PLACEHOLDER, "text", RULES["conda"])
    assert {"offsets": [], "shebang_length": len(P) + 14} == fields
    installed = b"#!/opt/env/bin/python\nprint()\n"
    assert installed == rendered(pristine, "text", SHORT, "conda")
    assert len(installed) == predicted_size(pristine, fields, SHORT, len(b"#!/opt/env/bin/python\n"))


@pytest.mark.parametrize("rule", ["conda", "rattler"])
def test_case_6_several_occurrences_in_one_shebang_line(rule: str) -> None:
    """Every occurrence in the first line is replaced, and none of them is an offset."""
    pristine = b"#!%b/bin/python %b/bin/run\n%b\n" % (P, P, P)
    fields = find_offsets(pristine, PLACEHOLDER, "text", RULES[rule])
    assert [{"encoding": "utf-8", "ranges": [fields["shebang_length"]]}] == fields["offsets"]
    expected = b"#!/opt/env/bin/python /opt/env/bin/run\n/opt/env\n"
    assert expected == rendered(pristine, "text", SHORT, rule)


@pytest.mark.parametrize("rule", ["conda", "rattler"])
def test_case_7_a_long_shebang_without_the_placeholder_is_rewritten_too(rule: str) -> None:
    """A first line over the kernel's limit goes through env even if it has no placeholder."""
    pristine = b"#!/%b/ruby -w\n%b\n" % (b"y" * 130, P)
    expected = b"#!/usr/bin/env ruby -w\n/opt/env\n"
    assert expected == rendered(pristine, "text", SHORT, rule)


def test_case_8_the_last_string_has_no_terminator() -> None:
    """An unterminated last C string ends with the file for rattler, and is left alone by conda."""
    pristine = b"\x7f\0" + P + b"/a\0-" + P + b"/b"
    first, second = 2, 2 + len(P) + 2 + 2
    expected = [[first, first + len(P) + 2], [second, len(pristine)]]
    for_rattler = find_offsets(pristine, PLACEHOLDER, "binary", RULES["rattler"])
    assert {"offsets": [{"encoding": "utf-8", "ranges": expected}]} == for_rattler
    for_conda = find_offsets(pristine, PLACEHOLDER, "binary", RULES["conda"])
    assert {"offsets": [{"encoding": "utf-8", "ranges": expected[:1]}]} == for_conda
    gap = b"\0" * (len(P) - len(SHORT))
    assert b"\x7f\0/opt/env/a" + gap + b"\0-/opt/env/b" + gap == rendered(
        pristine, "binary", SHORT, "rattler"
    )
    assert b"\x7f\0/opt/env/a" + gap + b"\0-" + P + b"/b" == rendered(pristine, "binary", SHORT, "conda")


def test_case_9_several_encodings() -> None:
    """An installer of all encodings applies every group, one of UTF-8 only the first; no size changes."""
    wide = (PLACEHOLDER + "/w\0").encode("utf-16-le")
    pristine = b"\0" + P + b"/n\0\0\0" + wide + b"\1" * 4
    start = len(P) + 6
    both = find_offsets(pristine, PLACEHOLDER, "binary", RULES["conda"])
    assert [group["encoding"] for group in both["offsets"]] == ["utf-8", "utf-16-le"]
    # any zeros end a wide string for conda: the second byte of the last character is one
    assert [[start, start + 2 * len(P) + 3]] == both["offsets"][1]["ranges"]
    narrow = find_offsets(pristine, PLACEHOLDER, "binary", RULES["conda-utf8"])
    assert both["offsets"][:1] == narrow["offsets"]
    gap = len(P) - len(SHORT)
    head = b"\0/opt/env/n" + b"\0" * gap + b"\0\0\0"
    assert head + wide + b"\1" * 4 == rendered(pristine, "binary", SHORT, "conda-utf8")
    new = "/opt/env/w\0".encode("utf-16-le") + b"\0" * 2 * gap
    assert head + new + b"\1" * 4 == rendered(pristine, "binary", SHORT, "conda")
    assert head + new + b"\1" * 4 == rendered(pristine, "binary", SHORT, "rattler")


def test_several_occurrences_share_one_string() -> None:
    """All occurrences of one C string are one inner list, padded once before its terminator."""
    pristine = P + b"/a:" + P + b"/b\0tail"
    end = 2 * len(P) + 5
    fields = find_offsets(pristine, PLACEHOLDER, "binary", RULES["conda"])
    assert [{"encoding": "utf-8", "ranges": [[0, len(P) + 3, end]]}] == fields["offsets"]
    gap = b"\0" * (2 * (len(P) - len(SHORT)))
    assert b"/opt/env/a:/opt/env/b" + gap + b"\0tail" == rendered(pristine, "binary", SHORT, "conda")


@pytest.mark.parametrize("rule", ["conda", "rattler"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_the_other_byte_order_is_not_found_one_byte_off(rule: str, encoding: str) -> None:
    """Wide text that both byte orders match is replaced once: edits never overlap."""
    pristine = f"see {PLACEHOLDER}/lib\n".encode(encoding)
    assert "see /opt/env/lib\n".encode(encoding) == rendered(pristine, "text", SHORT, rule)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_rattler_prefers_whole_characters(encoding: str) -> None:
    """rattler 0.28 keeps the byte order right even for a prefix beyond Latin letters."""
    pristine = f"see {PLACEHOLDER}/lib\n".encode(encoding)
    assert "see /中/lib\n".encode(encoding) == rendered(pristine, "text", "/中".encode(), "rattler")


def test_too_long_a_prefix_is_refused() -> None:
    """A binary has no room for more than the placeholder's length; text takes any."""
    binary = describe(P + b"\0", PLACEHOLDER, "binary", "conda", LIMIT)
    assert binary is not None
    with pytest.raises(TooLong):
        target_edits({"path": "lib/x", **binary}, LONG, LIMIT)
    assert rendered(P + b"\n", "text", LONG, "conda") == LONG + b"\n"


def test_edits_check_what_they_replace() -> None:
    """An offset that does not point at the placeholder is an error, never a silent splice."""
    fields = {
        "path": "x",
        "prefix_placeholder": PLACEHOLDER,
        "file_mode": "text",
        "offsets": [{"encoding": "utf-8", "ranges": [1]}],
    }
    with pytest.raises(Mismatch):
        splice(P + b"\n", target_edits(fields, SHORT, LIMIT))


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"#!/bin/sh\nx", 10), (b"#!", 2), (b"# no\n", None), (b"", None), (b" #!/\n", None)],
)
def test_shebang_length(text: bytes, expected: int | None) -> None:
    """It counts the newline, and is only there for a shebang."""
    assert expected == shebang_length(text)
