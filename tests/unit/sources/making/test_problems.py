"""What py-rattler says, in sentences: its texts are of 0.28, seen in real runs."""

from __future__ import annotations

import pytest

from conda_pack.sources.making.problems import public, sentence

_SOLVER = type("SolverError", (Exception,), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "could not find subdir 'noarch' in channel 'file:///x/'\nCaused by: failed to open file",
            "The channel file:///x/ has no index of noarch: look whether its address is right; a folder of "
            "packages becomes a channel with rattler-index, conda index or conda-package --index.",
        ),
        (
            "no usable repodata cache for https://channel.invalid/x/noarch/",
            "The index of https://channel.invalid/x/noarch/ has never been fetched: go online once, or leave "
            "out --offline.",
        ),
        (
            "error sending request for url (https://channel.invalid/x)\nCaused by: dns error\n"
            "Caused by: failed to lookup address information: Name or service not known",
            "https://channel.invalid/x cannot be reached: failed to lookup address information: Name or "
            "service not known.",
        ),
        (
            "HTTP status client error (401 Unauthorized) for url (https://me:pass@channel.invalid/t/abc/x)",
            "https://…@channel.invalid/t/…/x wants other credentials than it was given: log in with pixi "
            "auth login, or write them where docs/sources.md says.",
        ),
        ("something else.\nCaused by: a reason", "something else.: a reason."),
    ],
)
def test_sentence(text: str, expected: str) -> None:
    """What to do is part of it; secrets are not."""
    assert sentence(Exception(text)) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pass@x.invalid/t/abc-1/main/noarch/a.conda", "https://x.invalid/main/noarch/a.conda"),
        ("https://token@x.invalid/main", "https://x.invalid/main"),
        ("https://x.invalid/t/", "https://x.invalid/t/"),
        ("file:///t/abc", "file:///t/abc"),
        ("https://x.invalid/a@b/c", "https://x.invalid/a@b/c"),
    ],
)
def test_public(url: str, expected: str) -> None:
    """What goes into an archive has no credentials."""
    assert public(url) == expected


def test_the_solver_explains() -> None:
    """In its own lines."""
    tree = "Cannot solve the request because of: The following packages are incompatible\n└─ a can be\n"
    assert sentence(_SOLVER(tree)) == (
        "There is no solution: The following packages are incompatible\n└─ a can be"
    )
    assert sentence(_SOLVER("Cannot solve the request because of: No candidates were found for x *.\n")) == (
        "There is no solution: No candidates were found for x *."
    )
