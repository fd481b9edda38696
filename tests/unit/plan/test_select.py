"""Which paths the patterns leave out."""

from __future__ import annotations

import pytest

from conda_pack.errors import UsageError
from conda_pack.model import DiskFile
from conda_pack.plan.select import Filter, check_filters, excluded, read_filters

PATHS = ("bin/python", "lib/a.py", "lib/a.pyc", "lib/deep/b.pyc", "share/doc/x.txt")
FILES = {
    **{path: DiskFile(path, "file", 0o644, 1, 0) for path in PATHS},
    "lib/empty": DiskFile("lib/empty", "directory", 0o755, 0, 0),
}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], set()),
        ([("exclude", "*.pyc")], {"lib/a.pyc", "lib/deep/b.pyc"}),
        ([("exclude", "lib/a*")], {"lib/a.py", "lib/a.pyc"}),
        ([("exclude", "lib/*")], {"lib/a.py", "lib/a.pyc", "lib/deep/b.pyc", "lib/empty"}),  # * crosses the /
        ([("exclude", "lib")], set()),  # the whole path, not a folder's name
        ([("exclude", "*"), ("include", "bin/*")], set(FILES) - {"bin/python"}),
        ([("include", "bin/*"), ("exclude", "*")], set(FILES)),  # in the order they were given
        (
            [("exclude", "*.pyc"), ("include", "lib/deep/*"), ("exclude", "*b.pyc")],
            {"lib/a.pyc", "lib/deep/b.pyc"},
        ),
        ([("include", "*")], set()),
        ([("exclude", "LIB/*")], set()),
        ([("exclude", "lib/[ab].py?")], {"lib/a.pyc"}),
        # anchored, as in .gitignore
        ([("exclude", "/lib/*.pyc")], {"lib/a.pyc"}),  # * does not cross the /
        ([("exclude", "/lib/**/*.pyc")], {"lib/a.pyc", "lib/deep/b.pyc"}),
        ([("exclude", "/lib/?eep")], {"lib/deep/b.pyc"}),  # a folder takes all that is in it
        ([("exclude", "/lib/a.py/")], set()),  # no folder
        ([("exclude", "/lib/empty/")], {"lib/empty"}),
        ([("exclude", "/deep")], set()),
        ([("exclude", "/lib"), ("include", "/lib/deep/")], {"lib/a.py", "lib/a.pyc", "lib/empty"}),
        # a folder, wherever it is
        ([("exclude", "deep/")], {"lib/deep/b.pyc"}),
        ([("exclude", "d*/")], {"lib/deep/b.pyc", "share/doc/x.txt"}),
        ([("exclude", "lib/deep/")], {"lib/deep/b.pyc"}),
        ([("exclude", "share/doc/x.txt/")], set()),
    ],
)
def test_filters(filters: list[Filter], expected: set[str]) -> None:
    """Each filter applies to what the ones before it left."""
    assert expected == excluded(FILES, filters)


def test_only_two_kinds() -> None:
    """A kind of filter that does not exist is an error that names the two that do."""
    assert check_filters([("exclude", "*"), ("include", "a")]) == (("exclude", "*"), ("include", "a"))
    with pytest.raises(UsageError, match="'drop': it is 'exclude' or 'include'"):
        check_filters([("drop", "*")])


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("/", "a part that is empty"),
        ("//a", "a part that is empty"),
        ("/a//b", "a part that is empty"),
        ("/a/../b", "a part that is empty"),
        ("./", "a part that is empty"),
        ("/a[b", "without its ']'"),
        ("/a[[:vowel:]]", r"unknown class \[:vowel:\]"),
        ("/a\\", "escapes nothing"),
    ],
)
def test_what_is_no_pattern(pattern: str, reason: str) -> None:
    """An anchored pattern that could never match is refused wherever it comes from."""
    for use in (
        lambda: check_filters([("exclude", pattern)]),
        lambda: excluded({}, [("include", pattern)]),
        lambda: read_filters(pattern, "FILE"),
    ):
        with pytest.raises(UsageError, match=reason):
            use()


def test_characters_are_characters() -> None:
    """Where git counts bytes."""
    files = {path: DiskFile(path, "file", 0o644, 1, 0) for path in ("naïve", "nave")}
    assert {"naïve"} == excluded(files, [("exclude", "/na?ve")]) == excluded(files, [("exclude", "/na[ï]ve")])


# ------------------------------------------------------------------ files of patterns


def test_a_file_of_patterns() -> None:
    """Comments and blank lines say nothing, ! brings back, escapes and line ends are as in .gitignore."""
    text = (
        "\ufeff# all of it\r\n\r\n  \n*.pyc\n/share/doc/   \r\n!/share/doc/LICENSE\n"
        "\\#notes\n\\!bang\n!\\#kept\na b \\ \n/x\\  \n#\n!important"
    )
    assert read_filters(text, "FILE") == (
        ("exclude", "*.pyc"),
        ("exclude", "/share/doc/"),
        ("include", "/share/doc/LICENSE"),
        ("exclude", "#notes"),
        ("exclude", "!bang"),
        ("include", "#kept"),
        ("exclude", "a b  "),
        ("exclude", "/x\\ "),
        ("include", "important"),
    )
    assert read_filters("", "FILE") == ()


def test_all_that_is_wrong_in_a_file() -> None:
    """Each line is named at once, with the file."""
    with pytest.raises(UsageError) as raised:
        read_filters("ok\n!\n/a[\n\0\n", "lists/slim.txt")
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        f"lists/slim.txt, line {number}" for number in (2, 3, 4)
    ]
