"""Which paths the patterns leave out."""

from __future__ import annotations

import pytest

from conda_pack.errors import UsageError
from conda_pack.plan.select import Filter, check_filters, excluded

PATHS = ("bin/python", "lib/a.py", "lib/a.pyc", "lib/deep/b.pyc", "share/doc/x.txt")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], set()),
        ([("exclude", "*.pyc")], {"lib/a.pyc", "lib/deep/b.pyc"}),
        ([("exclude", "lib/*")], {"lib/a.py", "lib/a.pyc", "lib/deep/b.pyc"}),  # * crosses the /
        ([("exclude", "lib")], set()),  # the whole path, not a folder's name
        ([("exclude", "*"), ("include", "bin/*")], set(PATHS) - {"bin/python"}),
        ([("include", "bin/*"), ("exclude", "*")], set(PATHS)),  # in the order they were given
        (
            [("exclude", "*.pyc"), ("include", "lib/deep/*"), ("exclude", "*b.pyc")],
            {"lib/a.pyc", "lib/deep/b.pyc"},
        ),
        ([("include", "*")], set()),
        ([("exclude", "LIB/*")], set()),
        ([("exclude", "lib/[ab].py?")], {"lib/a.pyc"}),
    ],
)
def test_filters(filters: list[Filter], expected: set[str]) -> None:
    """Each filter applies to what the ones before it left."""
    assert expected == excluded(PATHS, filters)


def test_only_two_kinds() -> None:
    """A kind of filter that does not exist is an error that names the two that do."""
    assert check_filters([("exclude", "*"), ("include", "a")]) == (("exclude", "*"), ("include", "a"))
    with pytest.raises(UsageError, match="'drop': it is 'exclude' or 'include'"):
        check_filters([("drop", "*")])
