"""The prefix gives way to a placeholder, and installers put it back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.model import DiskFile, Platform
from conda_pack.packages.contents import PLACEHOLDER, Content, NoRoom, Transformer, Unfit, link_target
from conda_pack.relocation.boundaries import prefix_positions

PREFIX = b"/opt/env"
LINUX = Transformer((PREFIX,), Platform("linux-64"))
MARKER = PLACEHOLDER.encode()


def installed(content: Content, prefix: bytes) -> bytes:
    """What installers make of it, said once more: text is replaced, C strings keep their room."""
    if content.placeholder is None:
        return content.data
    old = content.placeholder.encode()
    if content.file_mode == "text":
        return content.data.replace(old, prefix)

    def string(match: re.Match[bytes]) -> bytes:
        return match[0].replace(old, prefix) + b"\0" * (match[0].count(old) * (len(old) - len(prefix)))

    return re.sub(re.escape(old) + rb"[^\0]*\0", string, content.data)


def test_the_placeholder() -> None:
    """As long as conda-build's, and a path."""
    assert len(PLACEHOLDER) == 255
    assert re.fullmatch(r"/opt/conda-package/_h_env(_placehold)+[_a-z]*", PLACEHOLDER)


_TEXTS = st.lists(
    st.sampled_from(["/opt/env", "/opt/env/bin", "-data", "/", "#", "\n", " ", "☃", "=", "/mnt", ".", "x"])
).map(lambda pieces: "".join(pieces).encode())


@given(_TEXTS)
def test_text(data: bytes) -> None:
    """At the same prefix it is what it was; at another, paths in the prefix are paths in that one."""
    content = LINUX.content("x", data)
    assert data == installed(content, PREFIX)
    places = prefix_positions(data, PREFIX)
    assert (content.file_mode, content.placeholder) == (("text", PLACEHOLDER) if places else (None, None))
    other = b"/a/much longer/place"
    expected, end = b"", 0
    for place in places:
        expected += data[end:place] + other
        end = place + len(PREFIX)
    assert expected + data[end:] == installed(content, other)
    assert prefix_positions(content.data, PREFIX) == []


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.tuples(st.sampled_from([b"", b"/lib", b":/opt/env/x"]), st.integers(0, 600)).map(
                lambda each: PREFIX + each[0] + b"\0" * each[1]
            ),
        ),
        max_size=6,
    ).map(b"".join)
)
def test_programs(data: bytes) -> None:
    """Those with room for 255 bytes come back at any prefix; the others are refused, or are as they are."""
    data = b"\x7fELF\0" + data
    try:
        content = LINUX.content("x", data)
    except NoRoom:
        kept = Transformer((PREFIX,), Platform("linux-64"), keep_short=True).content("x", data)
        assert Content(data, "/opt/env", "binary") == kept
        return
    assert data == installed(content, PREFIX)
    assert len(data) == len(content.data) == len(installed(content, b"/another/longer/prefix"))
    assert PREFIX not in content.data
    assert PREFIX not in installed(content, b"/another/longer/prefix")
    assert (content.file_mode == "binary") == (PREFIX in data)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"\0", b"/opt/en", b"/opt/envy", b"\xff\xfe", b"x" * 100 + b"/mnt/opt/env/x"],
)
def test_what_does_not_hold_the_prefix(data: bytes) -> None:
    assert Content(data) == LINUX.content("x", data)


def test_bytecode_is_never_changed() -> None:
    data = b"\0\0/opt/env/x.py" + b"\0" * 400
    assert Content(data) == LINUX.content("lib/__pycache__/x.cpython-311.pyc", data)


def test_scripts() -> None:
    """Their first line too, where installers write it so."""
    script = b"#!/opt/env/bin/python\nx = '/opt/env'\n"
    content = LINUX.content("bin/x", script)
    assert content == Content(script.replace(PREFIX, MARKER), PLACEHOLDER, "text")
    trampoline = b"#!/bin/sh\n'''exec' \"/opt/env/bin/python\" \"$0\" \"$@\"\n' '''\n"
    assert trampoline == installed(LINUX.content("bin/x", trampoline), PREFIX)


@pytest.mark.parametrize(
    ("prefix", "data"),
    [
        (b"/opt/" + b"e" * 130, b"#!/opt/" + b"e" * 130 + b"/bin/python\n"),  # installers write another line
        (b"/opt/an env", b"#!/opt/an env/bin/python\n"),
        (b"/opt/env", b"#!/usr/bin/" + b"x" * 130 + b"\n/opt/env\n"),
    ],
)
def test_scripts_that_no_installer_writes(prefix: bytes, data: bytes) -> None:
    with pytest.raises(Unfit, match="first line"):
        Transformer((prefix,), Platform("linux-64")).content("bin/x", data)


def test_the_placeholder_itself_is_refused() -> None:
    for data in (MARKER, b"\0" + MARKER, MARKER + PREFIX):
        with pytest.raises(Unfit, match="placeholder"):
            LINUX.content("x", data)


def test_other_names_of_the_prefix() -> None:
    """A file that names the environment by where a link leads is not the same if it names it by the link."""
    both = Transformer((PREFIX, b"/data/env"), Platform("linux-64"))
    for data in (b"/data/env/x\n", b"\0/data/env/x\0"):
        with pytest.raises(Unfit, match="holds the prefix as /data/env: name the environment by that path"):
            both.content("x", data)
    assert both.content("x", b"/data/env-data\n") == Content(b"/data/env-data\n")


def test_windows() -> None:
    """Installers write slashes there, and change no program."""
    windows = Transformer((b"C:\\env",), Platform("win-64"))
    assert windows.content("x", b"a C:/env/x\n") == Content(b"a " + MARKER + b"/x\n", PLACEHOLDER, "text")
    for data in (b"C:\\env\\x\n", b"'C:\\\\env\\\\x'\n"):
        with pytest.raises(Unfit, match="backslashes"):
            windows.content("x", data)
    with pytest.raises(Unfit, match="no installer changes on Windows"):
        windows.content("x.exe", b"MZ\0C:/env\0" + b"\0" * 400)


@pytest.mark.parametrize(
    ("path", "target", "expected"),
    [
        ("a", "b", "b"),
        ("a/b", "../c", "../c"),
        ("a/b", "..", ".."),
        ("lib/x.so", "/opt/env/lib/y.so", "y.so"),
        ("a/b/c", "/opt/env/x", "../../x"),
        ("a", "/opt/env", "."),
        ("a/b", "/data/env/c", "../c"),
        ("a", "nowhere/☃", "nowhere/☃"),
    ],
)
def test_links(path: str, target: str, expected: str) -> None:
    """Within the environment they are relative to themselves."""
    assert link_target(link(path, target), (PREFIX, b"/data/env")) == expected


@pytest.mark.parametrize(
    ("path", "target"), [("a", ".."), ("a", "../x"), ("a/b", "../../x"), ("a", "/opt/env-x/y")]
)
def test_links_out_of_the_environment(path: str, target: str) -> None:
    with pytest.raises(Unfit, match="out of the environment"):
        link_target(link(path, target), (PREFIX,))


def link(path: str, target: str) -> DiskFile:
    return DiskFile(path, "link", 0o777, 0, 0, target)
