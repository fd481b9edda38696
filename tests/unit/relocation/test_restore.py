"""The pristine file comes back from what each installer made of it, proved."""

from __future__ import annotations

import hashlib

import pytest

from conda_pack.model import FileMode
from conda_pack.relocation.restore import describe, invert_binary, renders, restore, string_room

PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3/" + "_placehold" * 20
P = PLACEHOLDER.encode()
LIMIT = 127
ENV = b"/opt/env"
SPACE = b"/opt/my env"
LONG = b"/" + b"l" * 150


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def back(
    installed: bytes, pristine: bytes, mode: FileMode, prefix: bytes, installer: str, proved: bool = True
) -> str | None:
    """The shebang rule by which ``pristine`` was found again; fails if something else was."""
    digest = sha(pristine) if proved else None
    found = restore(installed, (prefix,), PLACEHOLDER, mode, digest, installer, LIMIT)
    if found is None:
        return "not found"
    assert pristine == found[0]
    assert renders(found[0], found[1], prefix, LIMIT, installed)
    rule = found[1].get("shebang_rule")
    assert rule is None or isinstance(rule, str)
    return rule


@pytest.mark.parametrize(
    ("installer", "prefix", "line", "installed"),
    [
        ("conda", ENV, b"#!%b/bin/python\n", b"#!/opt/env/bin/python\n"),
        ("conda", LONG, b"#!%b/bin/python -s\n", b"#!/usr/bin/env python -s\n"),
        ("conda", LONG, b"#! %b/bin/python3.11\n", b"#!/usr/bin/env python3.11\n"),
        ("conda", SPACE, b"#!%b/bin/perl -w\n", b"#!/usr/bin/env perl -w\n"),
        ("conda", SPACE, b"#! %b/bin/perl -w\n", b"#! /opt/my env/bin/perl -w\n"),
        ("conda", SPACE, b"#!%b/bin/python %b/x\n", b"#!/usr/bin/env python /opt/my env/x\n"),
        ("conda", ENV, b"#!/usr/bin/env " + b"x" * 130 + b"\n", b"#!/usr/bin/env env " + b"x" * 130 + b"\n"),
        ("conda", LONG, b"#!/bin/sh %b/x\n", b"#!/usr/bin/env sh " + LONG + b"/x\n"),
        ("rattler", ENV, b"#!%b/bin/python\n", b"#!/opt/env/bin/python\n"),
        (
            "rattler",
            LONG,
            b"#!%b/bin/python -s\n",
            b"#!/bin/sh\n'''exec' \"" + LONG + b'/bin/python" -s "$0" "$@" #\'\'\'\n',
        ),
        (
            "rattler",
            SPACE,
            b"#! %b/bin/python3.11\n",
            b"#!/bin/sh\n'''exec' \"/opt/my env/bin/python3.11\" \"$0\" \"$@\" #'''\n",
        ),
        (
            "rattler",
            SPACE,
            b"#!%b/libexec/python\t-s\n",
            b"#!/bin/sh\n'''exec' \"/opt/my env/libexec/python\"\t-s \"$0\" \"$@\" #'''\n",
        ),
        ("rattler", LONG, b"#!%b/bin/perl -w\n", b"#!/usr/bin/env perl -w\n"),
        ("rattler", SPACE, b"#!/bin/sh %b/x\n", b"#!/usr/bin/env sh /opt/my env/x\n"),
    ],
)
def test_first_lines(installer: str, prefix: bytes, line: bytes, installed: bytes) -> None:
    """Whatever an installer made of a first line, the package's own is found, with the right rule."""
    body = b"x = '%b/lib'\n"
    pristine = line.replace(b"%b", P) + body % P
    rule = back(installed + body % prefix, pristine, "text", prefix, installer)
    assert installer == rule


def test_a_script_that_is_only_a_trampoline() -> None:
    """A first line without its newline comes back without it."""
    installed = b"#!/bin/sh\n'''exec' \"/opt/my env/bin/python\" \"$0\" \"$@\" #'''"
    assert back(installed, b"#!%b/bin/python" % P, "text", SPACE, "rattler") == "rattler"


def test_the_other_installers_rule_is_found() -> None:
    """A file that mamba or an older conda linked is recognised by what it looks like."""
    installed = b"#!/usr/bin/env python\n"
    assert back(installed, b"#!%b/bin/python\n" % P, "text", LONG, "rattler") == "conda"


@pytest.mark.parametrize("native", [(True, False, False), (False, True, False), (True, True, False)])
def test_native_occurrences(native: tuple[bool, ...]) -> None:
    """What the package itself wrote about a path that happens to be the prefix stays as it was."""
    pristine = b"".join(b"%b/x\n" % (ENV if own else P) for own in native)
    installed = (ENV + b"/x\n") * 3
    assert back(installed, pristine, "text", ENV, "conda") != "not found"


def test_too_many_native_occurrences_are_not_searched() -> None:
    """The search has an end: a file of many occurrences is given up, quickly."""
    pristine = (ENV + b"\n") * 40 + P + b"\n"
    assert back((ENV + b"\n") * 41, pristine, "text", ENV, "conda") == "not found"


def test_native_occurrence_in_a_binary() -> None:
    """A C string without the NULs of a replacement is the package's own."""
    gap = b"\0" * (len(P) - len(ENV))
    pristine = ENV + b"/native\0x" + P + b"/lib\0"
    installed = ENV + b"/native\0x" + ENV + b"/lib" + gap + b"\0"
    assert back(installed, pristine, "binary", ENV, "conda") is None


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mode", ["text", "binary"])
def test_wide_characters(encoding: str, mode: FileMode) -> None:
    """UTF-16 and UTF-32 come back too, next to UTF-8."""

    def text(prefix: str) -> bytes:
        wide = f"{prefix}/w".encode(encoding)
        if mode == "text":
            return wide + prefix.encode() + b"\n"
        gap = len(PLACEHOLDER) - len(prefix)
        unit = len("\0".encode(encoding))
        return wide + b"\0" * (unit * (gap + 1)) + b"abcd" + prefix.encode() + b"\0" * (gap + 1)

    assert back(text("/opt/env"), text(PLACEHOLDER), mode, ENV, "conda") != "not found"
    assert back(text("/opt/env"), text(PLACEHOLDER), mode, ENV, "rattler") != "not found"


def test_an_unterminated_string() -> None:
    """rattler replaced in a last string without a NUL, conda left the placeholder there."""
    gap = b"\0" * (len(P) - len(ENV))
    pristine = P + b"/a\0" + P + b"/b"
    by_rattler = ENV + b"/a" + gap + b"\0" + ENV + b"/b" + gap
    assert back(by_rattler, pristine, "binary", ENV, "rattler") is None
    by_conda = ENV + b"/a" + gap + b"\0" + P + b"/b"
    assert back(by_conda, pristine, "binary", ENV, "conda") is None
    # each is told from the other although the wrong installer was named
    assert back(by_conda, pristine, "binary", ENV, "rattler") is None
    assert back(by_rattler, pristine, "binary", ENV, "conda") is None


def test_a_changed_file_is_not_restored() -> None:
    """A recorded hash that does not fit is never overruled."""
    assert restore(ENV + b" edited\n", (ENV,), PLACEHOLDER, "text", sha(P + b"\n"), "conda", LIMIT) is None


def test_without_a_hash_rendering_is_the_proof() -> None:
    """Old packages have no hash: what renders to the installed bytes is taken."""
    pristine = b"#!%b/bin/python\nx = '%b'\n" % (P, P)
    assert back(pristine.replace(P, ENV), pristine, "text", ENV, "conda", proved=False) == "conda"


def test_the_second_name_of_a_prefix() -> None:
    """A prefix behind a link was written into the files by either of its names."""
    pristine = P + b"/x\n"
    found = restore(b"/real/env/x\n", (ENV, b"/real/env"), PLACEHOLDER, "text", sha(pristine), "conda", LIMIT)
    assert found is not None
    assert pristine == found[0]


def test_a_prefix_longer_than_the_placeholder() -> None:
    """No installer could have made such a binary, so nothing is inverted."""
    data = b"/a/longer/prefix\0"
    assert data == invert_binary(data, b"/a/longer/prefix", b"/short")


def test_a_first_line_that_is_no_utf8() -> None:
    """The record is JSON: a first line that it cannot hold is not described."""
    assert describe(b"#!%b/bin/python \xff\n" % P, PLACEHOLDER, "text", "conda", LIMIT) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"/e/lib\0\0\0\0\0x", 2 + 4),
        (b"/e/lib\0x", 2),
        (b"/e:/e\0\0\0\0\0\0\0x", 2 + 3),
        (b"/e/lib", 2),
        (b"/e\0\0\0\0x/e\0\0y", 2 + 1),
        (b"nothing", 2),
    ],
)
def test_string_room(data: bytes, expected: int) -> None:
    """The NULs behind a string, less its terminator, are shared by its occurrences; the least room counts."""
    assert expected == string_room(data, b"/e")
