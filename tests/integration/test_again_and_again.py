"""Relocation can be repeated, interrupted and reversed, and touches nothing that is not its business."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.channels import LocalChannel
from tests.support.environments import Tree, diff_trees, tree
from tests.support.packs import (
    BARE,
    Done,
    Packed,
    pack,
    pack_records,
    path_of_length,
    relocate,
    sha256,
    start,
    succeed,
    unpack,
    untar,
    untar_and_relocate,
)


@pytest.fixture
def env(small_rattler: Packed, work: Path) -> Path:
    """An environment that was extracted and relocated."""
    prefix = work / "env"
    untar_and_relocate(small_rattler.zst, prefix)
    return prefix


@pytest.fixture
def clean(small_rattler: Packed, work: Path) -> Callable[[Path], Tree]:
    """Gives the tree of an environment that went straight to a place."""

    def give(place: Path) -> Tree:
        aside = work / "aside"
        if place.exists():
            place.rename(aside)
        untar_and_relocate(small_rattler.zst, place)
        nodes = tree(place)
        shutil.rmtree(place)
        if aside.exists():
            aside.rename(place)
        return nodes

    return give


def move(prefix: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    prefix.rename(place)


def times(prefix: Path) -> dict[str, tuple[int, int]]:
    """Every file's inode and time of change."""
    return {
        str(path.relative_to(prefix)): (path.lstat().st_ino, path.lstat().st_mtime_ns)
        for path in prefix.rglob("*")
        if not path.is_dir()
    }


def first_lines_limit(channel: LocalChannel, prefix: Path) -> int:
    """The length of the longest prefix with which an option-less entry point's first line has 127 bytes."""
    entry = pack_records(prefix)[channel.script_with_option]
    return 127 - len(entry["shebang"].rstrip("\n")) + len(entry["prefix_placeholder"])


# ------------------------------------------------------------------------ moving


def test_there_and_back_is_the_identity(env: Path, channel: LocalChannel, work: Path) -> None:
    """Wherever it goes, back at its first place each byte, mode and record is as it was."""
    before = tree(env)
    limit = first_lines_limit(channel, env)
    places = [
        work / "x",
        *(path_of_length(work / "l", length) for length in (limit, limit + 1, 254, 255)),
        work / "with  spaces" / "env",
        work / "naïve ☃" / "env",
    ]
    differences = {}
    for place in places:
        move(env, place)
        assert Done(0, "", "") == relocate(place)
        move(place, env)
        assert Done(0, "", "") == relocate(env)
        differences[place] = diff_trees(before, tree(env))
    assert dict.fromkeys(places, "") == differences


def test_way_there_leaves_no_trace(
    env: Path, clean: Callable[[Path], Tree], channel: LocalChannel, work: Path
) -> None:
    """After a journey an environment is the one that was extracted right there."""
    limit = first_lines_limit(channel, env)
    place = env
    differences = {}
    for target in (
        path_of_length(work / "l", 255),
        work / "a b",
        path_of_length(work / "l", limit + 1),
        path_of_length(work / "l", limit),
        work / "ü",
    ):
        move(place, target)
        place = target
        assert Done(0, "", "") == relocate(place)
        differences[place] = diff_trees(clean(place), tree(place))
    assert dict.fromkeys(differences, "") == differences


def test_unpacked_by_us_or_by_tar_moves_alike(small_rattler: Packed, env: Path, work: Path) -> None:
    """``conda-pack unpack`` leaves what bin/conda-unpack goes on from."""
    unpack(small_rattler.gz, work / "unpacked")
    move(env, work / "place")
    assert Done(0, "", "") == relocate(work / "place")
    expected = tree(work / "place", ["conda-meta/conda-pack/index.json"])  # tells of its one archive
    move(work / "place", work / "other")
    move(work / "unpacked", work / "place")
    assert Done(0, "", "") == relocate(work / "place")
    assert diff_trees(expected, tree(work / "place", ["conda-meta/conda-pack/index.json"])) == ""


def test_second_run_changes_nothing(env: Path) -> None:
    """No file is written anew, not even with the same bytes."""
    before = times(env)
    assert Done(0, "", "") == relocate(env)
    assert before == times(env)


def test_run_after_unpack_changes_nothing(small_rattler: Packed, work: Path) -> None:
    """What ``conda-pack unpack`` has put there is where bin/conda-unpack wants to get to."""
    unpack(small_rattler.zst, work / "env")
    before, nodes = times(work / "env"), tree(work / "env")
    assert Done(0, "", "") == relocate(work / "env")
    assert before == times(work / "env")
    assert nodes == tree(work / "env")


def test_too_long_a_place_can_be_left_again(env: Path, work: Path) -> None:
    """Moved where it does not fit, it is refused unchanged, and well again elsewhere."""
    before = tree(env)
    place = path_of_length(work / "l", 256)
    move(env, place)
    assert (12, before) == (relocate(place).code, tree(place))
    move(place, env)
    assert Done(0, "", "") == relocate(env)
    assert before == tree(env)


# ----------------------------------------------------------------------- killing


def start_and_kill(prefix: Path, after: float) -> int:
    """Run bin/conda-unpack and kill it after so many seconds; its exit code."""
    process = subprocess.Popen([prefix / "bin/conda-unpack", "--quiet"], env=BARE, stdin=subprocess.DEVNULL)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    return process.wait()


def measured(prefix: Path) -> float:
    begun = time.monotonic()
    assert Done(0, "", "") == relocate(prefix)
    return time.monotonic() - begun


def test_killed_at_any_point_it_can_be_run_again(
    small_rattler: Packed, clean: Callable[[Path], Tree], work: Path
) -> None:
    """However often it is killed on its way between two places, the run that ends makes it whole."""
    places = [work / "one", work / "another place"]
    expected = {place: clean(place) for place in places}
    untar(small_rattler.zst, places[0])
    duration = measured(places[0])
    chance = random.Random(20)
    codes = []
    for _ in range(8):
        places.reverse()
        move(places[1], places[0])
        for _ in range(chance.choice([1, 1, 2])):
            codes.append(start_and_kill(places[0], chance.uniform(0.1, 1.0) * duration))
        done = relocate(places[0])
        assert Done(0, "", "") == done
        assert diff_trees(expected[places[0]], tree(places[0])) == ""
    assert codes.count(-signal.SIGKILL) > 2


def test_killed_and_moved_it_still_finds_its_way(
    small_rattler: Packed, clean: Callable[[Path], Tree], work: Path
) -> None:
    """Files may then hold several places' names, and each of them is known."""
    duration = None
    chance = random.Random(21)
    final = work / "final"
    expected = clean(final)
    place = work / "start"
    untar(small_rattler.zst, place)
    for round_ in range(3):
        for number in range(3):
            target = work / f"place {round_} {number}"
            move(place, target)
            place = target
            if duration is None:
                duration = measured(place)
            else:
                start_and_kill(place, chance.uniform(0.5, 0.9) * duration)
        move(place, final)
        assert Done(0, "", "") == relocate(final)
        assert diff_trees(expected, tree(final)) == ""
        place = work / f"left {round_}"
        move(final, place)


FREEZE = """
import os, runpy, signal, sys
left = int(sys.argv[1])
replace = os.replace
def counting(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*arguments)
os.replace = counting
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Kills itself with a new file complete but not yet in its place, after so many others were."""


def kill_before_rename(prefix: Path, number: int) -> bool:
    """Run conda-unpack up to its ``number``-th renaming; whether there was one."""
    python, script = prefix / "bin/python", prefix / "bin/conda-unpack"
    done = start([python, "-ISB", "-c", FREEZE, str(number), script, "--quiet"], environ=BARE)
    assert done in (Done(0, "", ""), Done(-signal.SIGKILL, "", ""))
    return done.code != 0


def test_killed_before_each_renaming(
    small_rattler: Packed, clean: Callable[[Path], Tree], work: Path
) -> None:
    """The exact points: killed twice at each, at different places, then run at a third."""
    expected = clean(work / "end")
    place = work / "start"
    untar_and_relocate(small_rattler.zst, place)
    killed, number = True, 0
    while killed:
        for name in ("one", "two"):
            move(place, work / name)
            place = work / name
            killed = kill_before_rename(place, number)
        move(place, work / "end")
        place = work / "end"
        assert Done(0, "", "") == relocate(place)
        assert diff_trees(expected, tree(place)) == ""
        number += 5
    assert number > 10


def test_killed_and_moved_back_leaves_nothing_behind(env: Path, work: Path) -> None:
    """No unfinished file stays when the next run has nothing to do with the one it was for."""
    before = tree(env)
    for number in range(0, 12, 4):
        move(env, work / "elsewhere")
        assert kill_before_rename(work / "elsewhere", number)
        move(work / "elsewhere", env)
        assert Done(0, "", "") == relocate(env)
        assert diff_trees(before, tree(env)) == ""


def test_killed_environment_can_be_packed(small_rattler: Packed, work: Path) -> None:
    """Half relocated, it still makes the archive that it came from."""
    expected = sha256(small_rattler.zst)
    unpack(small_rattler.zst, work / "one")
    move(work / "one", work / "two")
    assert kill_before_rename(work / "two", 8)
    pack(work / "two", work / "again.tar.zst")
    assert expected == sha256(work / "again.tar.zst")


# ------------------------------------------------------------- what is left alone


def test_running_programs_live_on(small_rattler: Packed, channel: LocalChannel, work: Path) -> None:
    """A Python that runs while its environment is relocated keeps its files, and finds new modules."""
    env = work / "env"
    untar(small_rattler.zst, env)
    code = f"""
import mmap, sys
kept = [open(path, "rb") for path in sys.argv[1:]]
maps = [mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) for file in kept]
before = [bytes(data) for data in maps]
print("ready", flush=True)
sys.stdin.readline()
assert before == [bytes(data) for data in maps]
import ctypes, decimal, xml.dom.minidom, {channel.noarch_package.replace("-", "_")}
assert before != [open(path, "rb").read() for path in sys.argv[1:]]
print("done")
"""
    held = [env / channel.binary_with_prefix, env / channel.text_with_prefix]
    process = subprocess.Popen(
        [env / "bin/python", "-c", code, *held],
        env=BARE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert Done(0, "", "") == relocate(env)
    out, err = process.communicate("go on\n", timeout=60)
    expected = (0, "done\n", "")
    assert expected == (process.returncode, out, err)


def test_modes_stay(small_rattler: Packed, channel: LocalChannel, work: Path) -> None:
    """A read-only file is replaced by a read-only one, an executable by an executable one."""
    modes = {
        channel.text_with_prefix: 0o444,
        channel.binary_with_prefix: 0o555,
        channel.script_with_option: 0o550,
        channel.shell_script: 0o700,
    }
    source, env = work / "source", work / "env"
    small_rattler.install_at(source)
    for path, mode in modes.items():
        copy = (source / path).read_bytes()  # not the package cache's file, of which this is a hard link
        (source / path).unlink()
        (source / path).write_bytes(copy)
        (source / path).chmod(mode)
    pack(source, work / "env.tar.gz")
    untar_and_relocate(work / "env.tar.gz", env)
    assert modes == {path: (env / path).stat().st_mode & 0o7777 for path in modes}
    move(env, work / "a longer place")
    env = work / "a longer place"
    assert Done(0, "", "") == relocate(env)
    assert modes == {path: (env / path).stat().st_mode & 0o7777 for path in modes}
    assert str(env) in (env / channel.text_with_prefix).read_text()


def test_edited_files_are_left_and_named(env: Path, channel: LocalChannel, work: Path) -> None:
    """What somebody changed since is theirs: it stays, and they are told; the rest goes on."""
    edited = env / channel.text_with_prefix
    edited.write_text("mine = " + edited.read_text())
    removed = env / channel.shell_script
    removed.unlink()
    mine = edited.read_bytes()
    move(env, work / "place")
    done = relocate(work / "place")
    assert Done(0, "", "") == done  # told to be quiet
    done = start([work / "place/bin/conda-unpack"], environ=BARE)
    assert f"warning: {channel.text_with_prefix} was changed" in done.err
    assert f"warning: {channel.shell_script} is gone" in done.err
    expected = (0, "", 3)
    assert expected == (done.code, done.out, len(done.err.splitlines())), done.err
    assert mine == (work / "place" / channel.text_with_prefix).read_bytes()
    assert not (work / "place" / channel.shell_script).exists()
    done = succeed([work / "place" / channel.script_with_option], environ=BARE)
    assert str(work / "place") in done.out
