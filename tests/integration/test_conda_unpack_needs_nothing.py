"""bin/conda-unpack on real environments: without Python, many at once, read-only, verified."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.archives import rich_pack
from tests.support.channels import LocalChannel
from tests.support.packs import BARE, Done, Packed, path_of_length, relocate, start, unpack, untar
from tests.support.shells import few_tools
from tests.support.trees import Tree, diff_trees, tree

WORKSHOPS = "conda-meta/conda-pack/*.conda-unpack~"


@pytest.fixture
def env(small_rattler: Packed, work: Path) -> Path:
    """As tar extracts it."""
    untar(small_rattler.zst, work / "env")
    return work / "env"


@contextmanager
def without_python(prefix: Path, tools: Path) -> Iterator[dict[str, str]]:
    """The environment's Python out of the way, and the variables of a machine without another."""
    path = str(tools) if tools.exists() else few_tools(tools)
    (prefix / "bin/python").rename(prefix / "bin/not python")
    try:
        yield {"PATH": path}
    finally:
        (prefix / "bin/not python").rename(prefix / "bin/python")


def relocate_by_sh(prefix: Path, tools: Path) -> Done:
    with without_python(prefix, tools) as environ:
        return start([prefix / "bin/conda-unpack", "--quiet"], environ=environ)


# ------------------------------------------------------------------ without Python


def test_the_same_without_python(full: Packed, work: Path) -> None:
    """Every file that two installers ever patched, at places of every kind, from state to state."""
    places = [work / "x", work / "a b", path_of_length(work / "l", 130), path_of_length(work / "l", 255)]
    expected: dict[Path, Tree] = {}
    place = work / "start"
    untar(full.zst, place)
    for target in places:
        target.parent.mkdir(exist_ok=True)
        place.rename(target)
        place = target
        assert Done(0, "", "") == relocate(place)
        expected[place] = tree(place)
    shutil.rmtree(place)
    untar(full.zst, place)
    for target in reversed(places):
        place.rename(target)
        place = target
        assert Done(0, "", "") == relocate_by_sh(place, work / "tools")
        assert diff_trees(expected[place], tree(place)) == ""


def test_busybox_alone(small_rattler: Packed, work: Path) -> None:
    """As in the smallest containers: nothing on PATH is any other program."""
    untar(small_rattler.zst, work / "env")
    assert Done(0, "", "") == relocate(work / "env")
    expected = tree(work / "env")
    shutil.rmtree(work / "env")
    untar(small_rattler.zst, work / "env")
    names = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    few_tools(work / "tools", names, **dict.fromkeys(names, "busybox"))
    assert Done(0, "", "") == relocate_by_sh(work / "env", work / "tools")
    assert diff_trees(expected, tree(work / "env")) == ""


def test_large_files_and_strange_names(demo_channel: LocalChannel, work_root: Path, work: Path) -> None:
    """Files of several segments, a path of 300 bytes, and modes that nobody may write."""
    archive = rich_pack(demo_channel, work_root, "tar.gz")
    unpack(archive, work / "env")
    expected = tree(work / "env", ["conda-meta/conda-pack/index.json"])
    shutil.rmtree(work / "env")
    untar(archive, work / "env")
    assert Done(0, "", "") == relocate_by_sh(work / "env", work / "tools")
    assert diff_trees(expected, tree(work / "env", ["conda-meta/conda-pack/index.json"])) == ""


# ------------------------------------------------------------------ many at once


@pytest.mark.parametrize("way", ["Python", "sh", "both", "sh without flock"])
def test_twenty_at_once(env: Path, work: Path, way: str) -> None:
    """One works, the others wait or find it done; nobody fails, and the tree is as if it had been one."""
    assert Done(0, "", "") == relocate(env)
    expected = tree(env)
    env.rename(work / "elsewhere")
    assert Done(0, "", "") == relocate(work / "elsewhere")
    (work / "elsewhere").rename(env)
    tools = work / "tools"
    with without_python(env, tools) as environ:
        if way == "sh without flock":
            (tools / "flock").unlink()
        (work / "python").mkdir()
        (work / "python/python3").symlink_to(sys.executable)
        with_python = {"PATH": f"{tools}:{work / 'python'}"}
        turns = {"Python": [with_python], "both": [with_python, environ]}.get(way, [environ])
        processes = [
            subprocess.Popen(
                [env / "bin/conda-unpack"], env=turns[number % len(turns)], stderr=subprocess.PIPE
            )
            for number in range(20)
        ]
        said = [process.communicate(timeout=300)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 20, "".join(said)
    changed = [int(text.splitlines()[-1].split()[1]) for text in said]
    if way != "sh without flock":
        assert len([number for number in changed if number]) == 1
    assert "warning" not in "".join(said)
    assert diff_trees(expected, tree(env)) == ""


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("by_sh", [False, True], ids=["Python", "sh"])
def test_the_lock_ends_with_its_owner(env: Path, work: Path, by_sh: bool) -> None:
    """A run that waits goes on when the one that works is killed."""
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, env / "conda-meta/conda-pack/index.json"],
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    owner.stdout.readline()
    with without_python(env, work / "tools") as environ:
        (work / "python").mkdir()
        (work / "python/python3").symlink_to(sys.executable)
        path = environ["PATH"] if by_sh else f"{environ['PATH']}:{work / 'python'}"
        waiting = subprocess.Popen([env / "bin/conda-unpack"], env={"PATH": path}, stderr=subprocess.PIPE)
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == b"conda-unpack: waiting for another conda-unpack.\n"
        assert not (env / "conda-meta/conda-pack/state.json").exists()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        last = waiting.communicate(timeout=60)[1].decode().splitlines()[-1]
    assert waiting.returncode == 0
    assert last.endswith(f"files changed; the environment is at {env}.")
    owner.stdout.close()


def test_without_locks_others_are_left_alone(env: Path, work: Path) -> None:
    """Their folders of new files, while they may be at work: a day. With a lock nobody is."""
    young, old = (env / f"conda-meta/conda-pack/{name}.conda-unpack~" for name in ("young", "old"))
    with without_python(env, work / "tools") as environ:
        for flock in (False, True):
            for folder in (young, old):
                folder.mkdir(exist_ok=True)
            os.utime(old, (1, 1))
            if not flock:
                (work / "tools/flock").rename(work / "flock")
            done = start([env / "bin/conda-unpack", "-q", f"--prefix=/x{flock}"], environ=environ)
            assert Done(0, "", "") == done
            assert list(env.glob(WORKSHOPS)) == ([] if flock else [young])
            if not flock:
                (work / "flock").rename(work / "tools/flock")


def test_leftovers_are_removed_when_nobody_works(env: Path) -> None:
    """Also where nothing is to be done; but not while another run has the lock."""
    assert Done(0, "", "") == relocate(env)
    left = env / "conda-meta/conda-pack/x.conda-unpack~"
    (left / "sub").mkdir(parents=True)
    with open(env / "conda-meta/conda-pack/index.json", "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert Done(0, "", "") == relocate(env)
        assert left.exists()
    assert Done(0, "", "") == relocate(env)
    assert not left.exists()


# ------------------------------------------------------------------ read-only


def read_only(*command: str | Path) -> Done:
    """Run with the environment's disk mounted read-only."""
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    done = start(["unshare", "-rm", "sh", "-c", script, "sh", *command], environ=BARE)
    if "unshare" in done.err or "mount" in done.err:
        pytest.skip("mounts are not allowed here")
    return done


@pytest.mark.parametrize("by_sh", [False, True], ids=["Python", "sh"])
def test_a_read_only_disk(env: Path, work: Path, by_sh: bool) -> None:
    """Refused in one sentence, unchanged; and where it was relocated already, all is well."""
    script = [env / "bin/conda-unpack"]
    if by_sh:
        few_tools(work / "tools")
        (env / "bin/python").unlink()
        script = ["env", f"PATH={work / 'tools'}", *script]  # type: ignore[list-item]
    before = tree(env)
    done = read_only(env, *script)
    assert (done.code, done.out, len(done.err.splitlines())) == (9, "", 1), done
    assert "cannot be written, so nothing was changed." in done.err
    assert diff_trees(before, tree(env)) == ""
    assert start(script, environ=BARE).code == 0
    said = f"conda-unpack: 0 files changed; the environment is at {env}.\n"
    assert Done(0, "", said) == read_only(env, *script)


@pytest.mark.parametrize("by_sh", [False, True], ids=["Python", "sh"])
def test_somebody_elses_folder(env: Path, channel: LocalChannel, work: Path, by_sh: bool) -> None:
    """One folder that we may not write, far inside, is enough to refuse before anything is changed."""
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    work.parent.chmod(0o755)
    work.chmod(0o755)
    few_tools(work / "tools")
    if by_sh:
        (env / "bin/python").unlink()
    for path in [env, *env.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    (env / channel.text_with_prefix).chmod(0o444)
    closed = (env / channel.text_with_prefix).parent
    os.chown(closed, 0, 0)
    before = tree(env)
    done = start([env / "bin/conda-unpack"], environ={"PATH": str(work / "tools")}, user=65534)
    assert (done.code, len(done.err.splitlines())) == (9, 1), done
    assert f"{closed} cannot be written" in done.err
    assert diff_trees(before, tree(env)) == ""
    os.chown(closed, 65534, 65534)
    done = start([env / "bin/conda-unpack", "-q"], environ={"PATH": str(work / "tools")}, user=65534)
    assert Done(0, "", "") == done
    assert {path.lstat().st_uid for path in env.rglob("*")} == {65534}
    assert (env / channel.text_with_prefix).stat().st_mode & 0o7777 == 0o444
    assert str(env) in (env / channel.text_with_prefix).read_text()


@pytest.mark.parametrize("by_sh", [False, True], ids=["Python", "sh"])
def test_owners_stay(env: Path, channel: LocalChannel, work: Path, by_sh: bool) -> None:
    """Run by root, it leaves files to those whom they belong to, and 0444 as it is."""
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    file = env / channel.text_with_prefix
    os.chown(file, 65534, 65533)
    file.chmod(0o444)
    done = relocate_by_sh(env, work / "tools") if by_sh else relocate(env)
    assert Done(0, "", "") == done
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (65534, 65533, 0o444)
    assert str(env) in file.read_text()


# ------------------------------------------------------------------ links


@pytest.mark.parametrize("by_sh", [False, True], ids=["Python", "sh"])
def test_no_link_is_followed_out(env: Path, channel: LocalChannel, work: Path, by_sh: bool) -> None:
    """A file, or a folder, that somebody moved away and put a link in its place: named and left as it is."""
    file, folder = env / channel.shell_script, (env / channel.text_with_prefix).parent
    file.rename(work / "file")
    file.symlink_to(work / "file")
    folder.rename(work / "folder")
    folder.symlink_to(work / "folder")
    before = tree(work / "folder"), (work / "file").read_bytes()
    if by_sh:
        with without_python(env, work / "tools") as environ:
            done = start([env / "bin/conda-unpack"], environ=environ)
    else:
        done = start([env / "bin/conda-unpack"], environ=BARE)
    named = {line.split()[2] for line in done.err.splitlines() if "and is left as it is" in line}
    assert {channel.shell_script, channel.text_with_prefix} <= named
    assert done.code == 0
    assert before == (tree(work / "folder"), (work / "file").read_bytes())


def test_a_folder_within_may_be_a_link(env: Path, channel: LocalChannel, work: Path) -> None:
    """One that leads to another place in the environment leads to files that are its own."""
    folder = (env / channel.text_with_prefix).parent
    folder.rename(env / "moved")
    folder.symlink_to("moved")
    assert Done(0, "", "") == relocate(env)
    assert str(env) in (env / "moved" / Path(channel.text_with_prefix).name).read_text()
    (env / "moved").rename(work / "out")
    (env / "moved").symlink_to(work / "out")
    done = start([env / "bin/conda-unpack", "--verify"], environ=BARE)
    assert f"changed: {channel.text_with_prefix}\n" in done.out


# ------------------------------------------------------------------ verify, status, json


def call(prefix: Path, *options: str) -> Done:
    return start([prefix / "bin/conda-unpack", *options], environ=BARE)


def test_verified_without_python(full: Packed, channel: LocalChannel, work: Path) -> None:
    """The same findings of the same files, in whichever state; bin/python alone is out of the way."""
    env = work / "env"
    untar(full.zst, env)
    (env / "bin/python").unlink()
    few_tools(work / "tools")
    (work / "python").mkdir()
    (work / "python/python3").symlink_to(sys.executable)
    ways = [{"PATH": f"{folder}:{work / 'tools'}"} for folder in (work / "none", work / "python")]

    def findings() -> list[str]:
        for options in (["--verify", "--json"], ["--status"], ["--verify"]):
            done, expected = (
                start([env / "bin/conda-unpack", *options], environ=environ) for environ in ways
            )
            assert expected == done
        return done.out.splitlines()

    assert findings() == ["missing: bin/python"]
    assert Done(0, "", "") == start([env / "bin/conda-unpack", "-q"], environ=ways[0])
    assert findings() == ["missing: bin/python"]
    (env / channel.script_with_option).chmod(0o644)
    (env / channel.symlink).unlink()
    with (env / channel.text_with_prefix).open("ab") as file:
        file.write(b"mine\n")
    shutil.rmtree(env / "lib")
    assert len(findings()) > 100


def paths_of(archive: Packed, work: Path) -> int:
    untar(archive.zst, work / "count")
    return (
        sum(not path.is_dir() or path.is_symlink() for path in (work / "count").rglob("*")) - 1
    )  # the index


def test_verify(small: Packed, channel: LocalChannel, work: Path) -> None:
    """Whole as tar extracts it, relocated, and moved; then everything that is wrong at once."""
    env = work / "env"
    untar(small.zst, env)
    count = paths_of(small, work)
    whole = Done(0, "", f"conda-unpack: all {count} paths are as they were packed.\n")
    before = tree(env)
    assert whole == call(env, "--verify")
    assert diff_trees(before, tree(env)) == ""
    assert Done(0, "", "") == relocate(env)
    assert whole == call(env, "--verify")
    env.rename(work / "moved")
    env = work / "moved"
    assert whole == call(env, "--verify")
    stored = (work / "count" / channel.shell_script).read_bytes()
    (env / channel.shell_script).write_bytes(stored)
    with (env / channel.text_with_prefix).open("ab") as file:
        file.write(b"mine\n")
    (env / channel.script_with_option).chmod(0o644)
    (env / channel.symlink).unlink()
    (env / channel.symlink).symlink_to("nowhere")
    (env / channel.unicode_name).unlink()
    (env / "conda-meta/history").write_text("mine\n")
    (env / "bin/activate").write_text("mine\n")
    (env / "nobody's").write_text("mine\n")
    (dist,) = (path.stem for path in env.glob(f"conda-meta/{channel.noarch_package}-*.json"))
    (env / f"conda-meta/conda-pack/{dist}.json").write_text("{}")
    expected = {
        channel.shell_script: "not relocated",
        channel.text_with_prefix: "changed",
        channel.script_with_option: "not executable",
        channel.symlink: "changed",
        channel.unicode_name: "missing",
        "conda-meta/history": "changed",
        "bin/activate": "changed",
        f"conda-meta/conda-pack/{dist}.json": "changed",
    }
    done = call(env, "--verify")
    found = {path: problem for problem, path in (line.split(": ", 1) for line in done.out.splitlines())}
    assert (10, expected) == (done.code, found)
    assert done.err.startswith(f"conda-unpack: {len(expected)} of ")
    quiet = call(env, "--verify", "-q")
    assert (10, done.out, "") == (quiet.code, quiet.out, quiet.err)
    as_json = call(env, "--verify", "-q", "--json")
    result = json.loads(as_json.out)
    assert (as_json.code, as_json.err) == (10, "")
    assert expected == {finding["path"]: finding["problem"] for finding in result["findings"]}
    assert {"prefix", "paths", "findings"} == set(result)


def test_verify_of_what_was_changed_since(env: Path, channel: LocalChannel) -> None:
    """A digest in conda-meta, a package that conda removed, the index."""
    assert Done(0, "", "") == relocate(env)
    meta = env / "conda-meta"
    (python,) = meta.glob("python-3*.json")
    text = python.read_text()
    python.write_text(text.replace('"sha256_in_prefix": "', '"sha256_in_prefix": "0', 1))
    (removed,) = meta.glob(f"{channel.noarch_package}-*.json")
    removed.unlink()
    index = meta / "conda-pack/index.json"
    index.write_bytes(index.read_bytes().replace(b'"longest_prefix":', b'"longest_prefix":1', 1))
    done = call(env, "--verify")
    expected = [
        "changed: conda-meta/conda-pack/index.json",
        f"missing: conda-meta/{removed.name}",
        f"changed: conda-meta/{python.name}",
    ]
    assert (10, sorted(expected)) == (done.code, sorted(done.out.splitlines()))


def test_status(env: Path, work: Path) -> None:
    """From the archive on: nowhere yet, here, moved, on its way elsewhere, killed."""
    told = []

    def ask(prefix: Path) -> None:
        done, result = call(prefix, "--status"), json.loads(call(prefix, "--status", "--json").out)
        assert (done.err, result.pop("prefix"), len(result.pop("identity"))) == ("", str(prefix), 64)
        assert done.code == (0 if result.pop("current") else 1)
        assert Done(done.code, "", "") == call(prefix, "--status", "-q")
        told.append((done.code, done.out.strip(), *result.values()))

    before = tree(env)
    ask(env)
    assert diff_trees(before, tree(env)) == ""
    assert Done(0, "", "") == relocate(env)
    ask(env)
    (work / "link").symlink_to(env)
    ask(work / "link")
    moved = work / "moved"
    env.rename(moved)
    ask(moved)
    state = moved / "conda-meta/conda-pack/state.json"
    state.write_text(json.dumps({"prefix": str(env), "unfinished": ["/x", "/y"]}))
    ask(moved)
    assert Done(0, "", "") == relocate(moved)
    ask(moved)
    here = f"Relocated to {env}, where it lies."
    killed = "A run for /y was killed, and files may be of several places. Run conda-unpack again."
    assert told == [
        (1, "Not relocated yet: the files are as the archive has them. Run conda-unpack.", None, False, []),
        (0, here, str(env), False, []),
        (0, here, str(env), False, []),
        (1, f"Relocated to {env}, and it lies at {moved}. Run conda-unpack.", str(env), True, []),
        (1, killed, str(env), True, ["/x", "/y"]),
        (0, here.replace(str(env), str(moved)), str(moved), False, []),
    ]


def test_json_of_a_run(env: Path, channel: LocalChannel) -> None:
    """What was done, what was left, and errors; what is for people goes to standard error."""
    (env / channel.shell_script).unlink()
    done = call(env, "--json")
    result = json.loads(done.out)
    warning = f"{channel.shell_script} is gone since it was packed."
    assert f"conda-unpack: warning: {warning}\n" in done.err
    assert result.pop("files_changed") > 5
    assert (0, {"prefix": str(env), "warnings": [warning]}) == (done.code, result)
    done = call(env, "--json", "--quiet", "--prefix", "/" + "l" * 300)
    message = done.err.removeprefix("conda-unpack: error: ").rstrip("\n")
    expected = {"error": "PrefixTooLong", "message": message, "exit_code": 12}
    assert (12, expected) == (done.code, json.loads(done.out))
