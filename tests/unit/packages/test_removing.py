"""What was listed is removed, and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from conda_pack.errors import FileChanged
from conda_pack.packages import removing
from conda_pack.packages.installed import Listing, read_listing
from conda_pack.packages.removing import remove
from conda_pack.packages.untracked import Removal
from tests.support.channels import REPO
from tests.support.packs import succeed
from tests.support.trees import tree

TraceFunction = Callable[[FrameType, str, Any], Any]


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(path.name))


def all_of(listing: Listing) -> Removal:
    """Everything, as if nobody owned it."""
    files = [path for path, listed in listing.entries.items() if listed.kind == "file"]
    folders = [path for path, listed in listing.entries.items() if listed.kind == "folder"]
    return Removal(tuple(files), tuple(sorted(folders, reverse=True)))


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    prefix = tmp_path / "env"
    put(prefix / "mine/a/x", prefix / "mine/a/y", prefix / "mine/b/z", prefix / "top")
    return prefix


def outside_like(prefix: Path, folder: Path, *names: str) -> None:
    """Other names, outside, of the very files that are listed: nothing but the way there tells them apart."""
    folder.mkdir()
    for name in names:
        os.link(prefix / "mine/a" / name, folder / name)


def test_all_of_it(prefix: Path) -> None:
    """Files of every kind and name, links not followed, and folders; in the order given."""
    hostile = ["-rf", "two\nlines", "naïve ☃", "  ", "*", os.fsdecode(b"caf\xe9")]
    put(*(prefix / "mine" / name for name in hostile))
    put(prefix.parent / "outside/kept")
    (prefix / "link").symlink_to(prefix.parent / "outside")
    (prefix / "dangling").symlink_to("/nowhere")
    os.mkfifo(prefix / "pipe")
    listing = read_listing(str(prefix))
    removal = all_of(listing)
    removed = remove(listing, removal)
    assert (removed.files, removed.folders, removed.left) == (list(removal.files), list(removal.folders), [])
    assert list(prefix.iterdir()) == []
    assert [path.name for path in (prefix.parent / "outside").iterdir()] == ["kept"]


def test_listing(prefix: Path) -> None:
    """Other environments, and what conda keeps, are not looked into."""
    put(prefix / "conda-meta/history", prefix / "envs/other/x", prefix / "mine/inner/conda-meta/history")
    put(prefix / "mine/inner/x")
    (prefix / "loop").symlink_to(".")
    kinds = {path: listed.kind for path, listed in read_listing(str(prefix)).entries.items()}
    assert kinds == {
        **dict.fromkeys(["conda-meta", "envs", "mine/inner"], "apart"),
        **dict.fromkeys(["mine", "mine/a", "mine/b"], "folder"),
        **dict.fromkeys(["loop", "mine/a/x", "mine/a/y", "mine/b/z", "top"], "file"),
    }
    assert sorted(kinds) == list(kinds)


def test_folder_replaced_by_a_link(prefix: Path) -> None:
    """On any level; what it leads to stays, even where the same file lies there by another name."""
    for folder in ("mine/a", "mine"):
        listing = read_listing(str(prefix))
        outside = prefix.parent / folder.replace("/", "-")
        outside_like(prefix, outside, "x", "y")
        (prefix / folder).rename(prefix.parent / f"aside-{outside.name}")
        if folder == "mine":
            (outside / "a").mkdir()
            for name in "xy":
                os.rename(outside / name, outside / "a" / name)
        (prefix / folder).symlink_to(outside)
        before = tree(outside)
        removed = remove(listing, Removal(("mine/a/x", "mine/a/y"), ("mine/a", "mine")))
        assert removed.files == removed.folders == []
        assert {path for path, _ in removed.left} >= {"mine/a/x", "mine/a/y", "mine/a"}
        assert before == tree(outside)
        (prefix / folder).unlink()
        (prefix.parent / f"aside-{outside.name}").rename(prefix / folder)


def test_raced(prefix: Path) -> None:
    """A folder that is swapped for a link again and again meanwhile: nothing outside goes."""
    names = [f"f{number:03}" for number in range(400)]
    put(*(prefix / "mine/a" / name for name in names))
    listing = read_listing(str(prefix))
    outside = prefix.parent / "outside"
    outside_like(prefix, outside, *names)
    (prefix / "swap").symlink_to(outside)
    done = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        folder, link, aside = prefix / "mine/a", prefix / "swap", prefix / "aside"
        while not done.is_set():
            os.rename(folder, aside)
            os.rename(link, folder)
            os.rename(folder, link)
            os.rename(aside, folder)
            swaps += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        while swaps == 0:
            pass
        removed = remove(listing, Removal(tuple(f"mine/a/{name}" for name in names), ()))
    finally:
        done.set()
        thread.join()
    assert sorted(names) == sorted(path.name for path in outside.iterdir())
    gone = {f"mine/a/{name}" for name in names if not (prefix / "mine/a" / name).exists()}
    assert gone == set(removed.files)


def test_what_changed_stays(prefix: Path) -> None:
    """A file that is now a folder, another file, or a folder that is a file; what vanished needs nothing."""
    put(prefix / "mine/gone/w", prefix / "mine/new", prefix / "mine/link")
    listing = read_listing(str(prefix))
    (prefix / "mine/a/x").unlink()
    put(prefix / "mine/a/x/inner")
    put(prefix / "another")
    (prefix / "another").rename(prefix / "mine/new")
    (prefix / "mine/b/z").unlink()
    (prefix / "mine/b").rmdir()
    put(prefix / "mine/b")
    (prefix / "mine/gone/w").unlink()
    (prefix / "mine/gone").rmdir()
    (prefix / "elsewhere").symlink_to("top")
    (prefix / "elsewhere").rename(prefix / "mine/link")
    removed = remove(listing, all_of(listing))
    assert removed.files == ["mine/a/y", "top"]
    assert removed.folders == []
    reason = "something else is there now"
    names = ["mine/a/x", "mine/b/z", "mine/link", "mine/new", "mine/b"]
    assert [(f"{name}", reason) for name in names] == removed.left
    assert (prefix / "mine/a/x/inner").exists()


def test_another_folder(prefix: Path) -> None:
    """A folder in the place of one that was listed stays, though it is empty."""
    (prefix / "empty").mkdir()
    listing = read_listing(str(prefix))
    (prefix / "new").mkdir()
    (prefix / "empty").rename(prefix.parent / "aside")
    (prefix / "new").rename(prefix / "empty")
    removed = remove(listing, all_of(listing))
    assert removed.left == [("empty", "something else is there now")]
    assert [path.name for path in prefix.iterdir()] == ["empty"]


def test_folder_that_is_no_longer_empty(prefix: Path) -> None:
    """It stays without a word: it is not what was listed."""
    listing = read_listing(str(prefix))
    put(prefix / "mine/b/new")
    removed = remove(listing, all_of(listing))
    assert (removed.folders, removed.left) == (["mine/a"], [])
    assert (prefix / "mine/b/new").exists()


def test_what_may_not_be_removed(prefix: Path) -> None:
    """It is told with the reason, and the rest goes."""
    for folder in (prefix, prefix / "mine", prefix / "mine/b"):
        folder.chmod(0o777)
    (prefix / "mine/a").chmod(0o555)
    assert _without_rights(prefix) == [("mine/a/x", "Permission denied"), ("mine/a/y", "Permission denied")]
    assert sorted(path.name for path in (prefix / "mine/a").iterdir()) == ["x", "y"]
    assert [path.name for path in prefix.iterdir()] == ["mine"]


_WITHOUT_RIGHTS = """\
import json, os
from conda_pack.packages.installed import read_listing
from conda_pack.packages.removing import remove
from tests.unit.packages.test_removing import all_of
listing = read_listing(".")
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
print(json.dumps(remove(listing, all_of(listing)).left))
"""


def _without_rights(prefix: Path) -> list[tuple[str, str]]:
    """What is left when a process without root's rights removes everything."""
    environ = {**os.environ, "PYTHONPATH": str(REPO)}
    done = succeed([sys.executable, "-c", _WITHOUT_RIGHTS], cwd=prefix, environ=environ)
    return [(path, reason) for path, reason in json.loads(done.out)]


def test_another_prefix(prefix: Path) -> None:
    """A prefix that was replaced is not touched."""
    listing = read_listing(str(prefix))
    prefix.rename(prefix.parent / "aside")
    put(prefix / "top")
    with pytest.raises(FileChanged, match="another folder"):
        remove(listing, all_of(listing))
    assert (prefix / "top").exists()


def test_prefix_through_a_link(prefix: Path) -> None:
    """The prefix may be given by a link, which is how it was listed."""
    link = prefix.parent / "link"
    link.symlink_to(prefix)
    listing = read_listing(str(link))
    assert remove(listing, all_of(listing)).left == []
    assert list(prefix.iterdir()) == []


def _interrupted_at(line: int, listing: Listing) -> bool:
    """Whether a removal was ended by an interrupt before its ``line``-th line, if it has as many."""
    passed = 0

    def trace(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        nonlocal passed
        if frame.f_code.co_filename != removing.__file__:
            return None
        if event == "line":
            passed += 1
            if passed == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        remove(listing, all_of(listing))
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    assert passed < line, "the interrupt was lost"
    return False


def test_interrupted_anywhere(tmp_path: Path) -> None:
    """It ends at once, wherever it is; folders are closed once, so that nothing hides the interrupt."""
    line = 1
    while True:
        prefix = tmp_path / str(line)
        put(prefix / "mine/a/x", prefix / "top")
        if not _interrupted_at(line, read_listing(str(prefix))):
            break
        line += 1
    assert line > 50
    assert tree(prefix) == {}
