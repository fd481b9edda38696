"""Anchored patterns match what git ignores by them; all others what fnmatch says."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from conda_pack.errors import UsageError
from conda_pack.model import DiskFile, Kind
from conda_pack.plan.select import Filter, excluded, read_filters
from tests.support.properties import UNHURRIED

_NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "ab", "ba", "a.b", ".a", "...", "a b", "A", "1", "-", "[", "]", "!", "#", "*"]
    ),
    st.text("ab.-[]!^*?\\ \n", min_size=1, max_size=3),
).filter(lambda name: name not in (".", ".."))
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_GLOBS = st.one_of(
    _NAMES,
    st.sampled_from(["*", "**", "***", "?", "??", "*a", "a*", "*.*", "a?", "[ab]", "[!a]", "[^a]", "[a-b]"]),
    st.sampled_from(["[]a]", "[!]a]", "[a-]", "[]-a]", "[--a]", "[b-a]", "[[:alpha:]]", "[![:digit:]-]"]),
    st.sampled_from(
        ["[[:upper:][:punct:]]", "[[:a]", "[\\]a]", "[\\a-\\b]", "[a", "\\a", "\\*", "\\", "[a&&b]"]
    ),
    st.sampled_from(["[[:nothing:]]", "[a/b]", "..", ".", ""]),
    st.text("ab*?[]!\\-^", min_size=1, max_size=5),
)
_PATTERNS = st.tuples(st.lists(_GLOBS, min_size=1, max_size=4).map("/".join), st.sampled_from(["", "/"])).map(
    "".join
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("git") / "repository"
    _git(folder.parent, "init", "--quiet", str(folder))
    return folder


def _git(folder: Path, *arguments: str, given: bytes = b"", codes: Sequence[int] = (0,)) -> bytes:
    settings = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    options = ("-c", "core.ignorecase=false")
    done = subprocess.run(
        ["git", *options, *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        env={"PATH": os.environ["PATH"], **settings},
        check=False,
    )
    assert done.returncode in codes, done.stderr.decode()
    return done.stdout


def ignored(repository: Path, patterns: bytes, files: Iterable[DiskFile]) -> set[str]:
    """What git ignores by a file of patterns. Files need not be there, but folders must."""
    (repository / ".git/info/exclude").write_bytes(patterns)
    names = [file.path for file in files]
    folders = [file.path for file in files if file.kind == "directory"]
    given = b"".join(os.fsencode(name) + b"\0" for name in names)
    try:
        for path in folders:
            (repository / path).mkdir(parents=True)
        # 1: none is ignored
        out = _git(repository, "check-ignore", "--no-index", "-z", "--stdin", given=given, codes=(0, 1))
    finally:
        for path in folders:
            shutil.rmtree(repository / path.split("/")[0], ignore_errors=True)
    return {os.fsdecode(name) for name in out.split(b"\0") if name}


def on_disk(path: str, kind: Kind = "file") -> DiskFile:
    return DiskFile(path, kind, 0o644, 1, 0)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, DiskFile]:
    """Paths none of which is a folder of another; some are empty folders."""
    files: dict[str, DiskFile] = {}
    for path in draw(st.lists(_PATHS, min_size=1, max_size=8)):
        if not any(f"{path}/".startswith(f"{other}/") or other.startswith(f"{path}/") for other in files):
            files[path] = on_disk(path, draw(st.sampled_from(["file", "file", "directory"])))
    return files


def in_git(pattern: str) -> bytes:
    """A line of .gitignore: where we take spaces as they are, git wants those at the end escaped."""
    bare = pattern.rstrip(" ")
    return (bare + "\\ " * (len(pattern) - len(bare))).encode() + b"\n"


def is_written_otherwise(pattern: str) -> bool:
    """What no line can hold, and what git's own manual says that git does not do.

    It takes ``**`` right after the beginning of a name as ``**/`` if no other wildcard comes before; "other
    consecutive asterisks are considered regular asterisks".
    """
    literal = pattern[: min((pattern.find(sign) for sign in "*?[\\" if sign in pattern), default=0)]
    return "\n" in pattern or (pattern[len(literal) :].startswith("**") and not literal.endswith("/"))


@UNHURRIED
@given(_PATTERNS, trees())
@example("a/**", {"a": on_disk("a", "directory"), "b/a": on_disk("b/a")})
@example("a/*", {"a": on_disk("a", "directory")})
@example("a/", {"a": on_disk("a", "directory")})
@example("a[--a]b", {"a/b": on_disk("a/b"), "a.b": on_disk("a.b")})  # from - to a lies the /, too
@example("**/", {"a": on_disk("a", "directory"), "b": on_disk("b"), "c/b": on_disk("c/b")})
@example("a/**/b", {"a/b": on_disk("a/b"), "a/a/a/b": on_disk("a/a/a/b"), "a/xb": on_disk("a/xb")})
def test_anchored_patterns_are_gits(repository: Path, pattern: str, files: dict[str, DiskFile]) -> None:
    """What begins with / leaves out what git ignores; what is refused, git never matches."""
    pattern = f"/{pattern}"
    assume(not is_written_otherwise(pattern))
    expected = ignored(repository, in_git(pattern), files.values())
    try:
        assert expected == excluded(files, [("exclude", pattern)])
    except UsageError:
        assert expected == set()


@UNHURRIED
@given(_GLOBS, trees())
def test_folders_anywhere_are_gits(repository: Path, name: str, files: dict[str, DiskFile]) -> None:
    """What ends with / leaves out folders of that name, or of several, and all that is in them."""
    pattern = f"{name}/"
    assume(not pattern.startswith(("/", "#", "!")) and not is_written_otherwise(pattern))
    at_any_depth = f"/**/{pattern}" if "/" in name else pattern
    expected = ignored(repository, in_git(at_any_depth), files.values())
    try:
        assert expected == excluded(files, [("exclude", pattern)])
    except UsageError:
        assert expected == set()


@UNHURRIED
@given(st.text("ab*?[]!/.", max_size=6).filter(lambda text: text[:1] != "/" != text[-1:]), trees())
def test_all_other_patterns_are_as_ever(pattern: str, files: dict[str, DiskFile]) -> None:
    """Without a / at an end a pattern means what it meant before there were others."""
    expected = {path for path in files if fnmatch.fnmatchcase(path, pattern)}
    assert expected == excluded(files, [("exclude", pattern)])
    assert set(files) - expected == excluded(files, [("exclude", "*"), ("include", pattern)])


_LINES = st.one_of(
    _PATTERNS.map(lambda pattern: f"/{pattern}"),
    st.text("ab*/#! \\", max_size=6),
    st.sampled_from(["", " ", "#a", "\\#a/", "\\!a/", "a/ ", "/a\\ ", "/a\\  ", "/a\\\\ ", "/a b"]),
)


@UNHURRIED
@given(_LINES, trees(), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_lines_are_gits(repository: Path, line: str, files: dict[str, DiskFile], end: str, mark: str) -> None:
    """Comments, escapes and spaces at the end of a line mean what they mean in .gitignore."""
    assume("\r" not in line)
    text = f"{mark}{line}{end}"
    try:
        filters = read_filters(text, "FILE")
    except UsageError:
        return
    body = line.removeprefix("!")
    assume(all(pattern.startswith("/") or pattern.endswith("/") for _, pattern in filters))
    assume(not any(is_written_otherwise(pattern) or "/" in pattern[1:-1] for _, pattern in filters))
    expected = ignored(repository, f"{mark}{body}{end}".encode(), files.values())
    as_excludes: list[Filter] = [("exclude", pattern) for _, pattern in filters]
    assert expected == excluded(files, as_excludes)
    assert {"include" if line.startswith("!") else "exclude"} >= {kind for kind, _ in filters}
