"""Where entries part into groups: by what packages say of their files, not what the prefix made of them."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from conda_pack.model import Claim, Entry, FileMode, Form, Kind, Part
from conda_pack.segments.grouping import SEGMENT_SIZE, groups
from conda_pack.segments.tar import BLOCK
from tests.support.properties import UNHURRIED

#: Around every border that there is, and anything between.
sizes = st.one_of(
    st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 16 << 10]),
    st.sampled_from([SEGMENT_SIZE - BLOCK, SEGMENT_SIZE - 1, SEGMENT_SIZE, SEGMENT_SIZE // 2]),
    st.integers(0, SEGMENT_SIZE),
)

COARSE = 256 << 10
large_sizes = st.integers(SEGMENT_SIZE + 1, 5 * SEGMENT_SIZE)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    return Claim(
        path="x",
        index=0,
        path_type="hardlink",
        size=draw(st.none() | sizes | large_sizes),
        file_mode=draw(st.sampled_from(["text", "binary", None])),
    )


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind: Kind = draw(st.sampled_from(["file", "file", "file", "link", "directory"]))
    return Entry(
        path=draw(st.sampled_from(["a", "b", "lib/c"])),
        kind=kind,
        mode=0o644,
        size=draw(sizes | large_sizes) if kind == "file" else 0,
        mtime=0,
        form=draw(st.sampled_from(list(Form))),
        claim=draw(st.none() | claims()),
    )


some_entries = st.lists(entries(), max_size=30).map(tuple)


def file(
    size: int, form: Form = Form.AS_IS, claimed: int | None = None, file_mode: FileMode = "binary"
) -> Entry:
    claim = None
    if claimed is not None:
        claim = Claim(path="x", index=0, path_type="hardlink", size=claimed, file_mode=file_mode)
    return Entry(path="x", kind="file", mode=0o644, size=size, mtime=0, form=form, claim=claim)


def part(entries: tuple[Entry, ...]) -> Part:
    return Part("a-1-0", "conda-meta/conda-pack/a-1-0.json", None, entries, (), 0)


def lengths(entries: tuple[Entry, ...]) -> list[int]:
    return [len(group) for group in groups(part(entries))]


@UNHURRIED
@given(some_entries)
def test_groups_are_the_entries(entries: tuple[Entry, ...]) -> None:
    """All of them in their order, and no group is empty."""
    found = list(groups(part(entries)))
    assert entries == tuple(chain.from_iterable(found))
    assert () not in found


@UNHURRIED
@given(some_entries)
def test_a_large_file_is_alone(entries: tuple[Entry, ...]) -> None:
    """A file larger than a segment has a group of its own."""
    assert [1 for group in groups(part(entries)) if any(entry.size > SEGMENT_SIZE for entry in group)] == [
        len(group) for group in groups(part(entries)) if any(entry.size > SEGMENT_SIZE for entry in group)
    ]


@UNHURRIED
@given(some_entries, st.data())
@example((file(5, Form.SEARCH),) * 600, None)
def test_what_is_installed_leaves_no_trace(entries: tuple[Entry, ...], data: st.DataObject | None) -> None:
    """Files that fit into a segment part into the same groups, whatever sizes they were installed with.

    Of nobody's files about that size, because no package tells of another.
    """

    def elsewhere(entry: Entry) -> Entry:
        if entry.kind != "file" or entry.size > SEGMENT_SIZE:
            return entry
        if entry.claim is not None:
            return replace(entry, size=data.draw(sizes) if data is not None else SEGMENT_SIZE)
        more = data.draw(st.integers(0, COARSE - 1)) if data is not None else COARSE - 1
        return replace(entry, size=min(entry.size // COARSE * COARSE + more, SEGMENT_SIZE))

    assert lengths(entries) == lengths(tuple(map(elsewhere, entries)))


@UNHURRIED
@given(some_entries)
def test_groups_have_a_bound(entries: tuple[Entry, ...]) -> None:
    """As packages tell of them, the stored bytes of a group's files but the last are less than a segment."""
    for group in groups(part(entries)):
        assert len(group) <= SEGMENT_SIZE // BLOCK
        known = [
            entry.claim.size
            for entry in group[:-1]
            if entry.kind == "file"
            and entry.form is Form.AS_IS
            and entry.claim is not None
            and entry.claim.size is not None
        ]
        assert sum(BLOCK + size for size in known) < SEGMENT_SIZE


@UNHURRIED
@given(st.lists(sizes, max_size=40))
def test_a_group_of_package_files_is_a_segment(claimed: list[int]) -> None:
    """Where packages tell the truth, each group has a segment's bytes in the stream, but for the last one."""
    found = list(groups(part(tuple(file(size, claimed=size) for size in claimed))))
    stream = [sum(BLOCK + entry.size + -entry.size % BLOCK for entry in group) for group in found]
    assert all(SEGMENT_SIZE <= size < 2 * SEGMENT_SIZE + BLOCK for size in stream[:-1])


@pytest.mark.parametrize(
    "entry",
    [
        file(100, Form.SEARCH),
        file(100, Form.BYTECODE),
        file(100, Form.AS_IS),  # of a package that does not tell its size
        file(100, Form.SCRIPT, claimed=5_000_000),
        file(100, Form.PATCHED, claimed=5_000_000),
        file(100, Form.RESTORE, claimed=5_000_000, file_mode="text"),
        file(100, Form.SEARCH, claimed=5_000_000),
    ],
    ids=lambda entry: entry.form.value,
)
def test_files_of_unknown_size_are_counted(entry: Entry) -> None:
    """512 of them make a group, whatever the record says of the installed file."""
    assert lengths((entry,) * 1025) == [512, 512, 1]


def test_a_binary_is_stored_with_its_size() -> None:
    """A binary that holds the prefix has as many bytes as its package shipped, wherever it is."""
    entry = file(SEGMENT_SIZE // 4, Form.RESTORE, claimed=SEGMENT_SIZE // 4)
    assert lengths((entry,) * 10) == [4, 4, 2]


def test_links_and_folders_are_a_header_each() -> None:
    """A group has no more entries than headers fit into a segment."""
    count = SEGMENT_SIZE // BLOCK
    link = Entry(path="x", kind="link", mode=0o777, size=0, mtime=0, target="y")
    assert [count, 1] == lengths((link,) * (count + 1))


@pytest.mark.parametrize(
    ("size", "expected"), [(SEGMENT_SIZE - 1, [2, 1]), (SEGMENT_SIZE, [2, 1]), (SEGMENT_SIZE + 1, [1, 1, 1])]
)
def test_the_border_to_a_large_file(size: int, expected: list[int]) -> None:
    """A file as large as a segment goes with others, one byte more and it is alone."""
    assert expected == lengths((file(1, claimed=1), file(size, claimed=size), file(1, claimed=1)))


def test_nothing() -> None:
    """Without entries there are no groups."""
    assert lengths(()) == []
