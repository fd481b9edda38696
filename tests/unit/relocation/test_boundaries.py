"""A prefix is replaced only where it stands for itself."""

from __future__ import annotations

import pytest

from conda_pack.relocation.boundaries import prefix_positions

PREFIX = b"/opt/env"


@pytest.mark.parametrize(
    "template",
    [
        b"%b",
        b"%b/lib",
        b"x = '%b'",
        b'"%b/bin/python"',
        b"PATH=%b/bin:/usr/bin",
        b"/usr/bin:%b",
        b"-I%b/include",
        b"-Wl,-rpath,%b/lib",
        b"--prefix=%b",
        b"--sysroot%b",
        b"file://%b/share",
        b"It lies in %b. It is there.",
        b"It lies in %b.",
        b"(%b)",
        b"<%b>",
        b"%b\\n",
        b"\\n%b",
        b"\\t%b",
        b"#!%b/bin/python\n",
        b"%b;",
        b"%b\0",
        b"a,%b,b",
    ],
)
def test_a_path_of_its_own_is_found(template: bytes) -> None:
    """Quotes, options, URLs, lists and the end of a sentence delimit a path."""
    assert [template.index(b"%b")] == prefix_positions(template % PREFIX, PREFIX)


@pytest.mark.parametrize(
    "template",
    [
        b"%b-data",
        b"%b2",
        b"%b_old/lib",
        b"%b.bak",
        b"%b~",
        b"%b+",
        b"%b%%20x",
        "%b\u00e9".encode(),
        b"/mnt%b",
        b"/mnt/%b",
        b"mnt%b",
        b"~%b",
        b".%b",
        b"..%b",
        b"$ROOT%b",
        "\u00e9%b".encode(),
    ],
)
def test_part_of_a_longer_path_is_left(template: bytes) -> None:
    """Neither a longer name nor a path that only ends like the prefix is it."""
    assert prefix_positions(template % PREFIX, PREFIX) == []


def test_several_in_one_text() -> None:
    """Those that count are found among those that do not, in order."""
    text = b"/opt/env /opt/env-data /opt/env/lib:/opt/env"
    assert prefix_positions(text, PREFIX) == [0, 23, 36]


def test_occurrences_do_not_overlap() -> None:
    """A prefix that could begin within itself is found once."""
    assert prefix_positions(b"/a/a/a", b"/a/a") == [0]


def test_nothing_in_nothing() -> None:
    """An empty text holds no prefix."""
    assert prefix_positions(b"", PREFIX) == []
