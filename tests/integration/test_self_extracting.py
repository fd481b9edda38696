"""A file that unpacks itself: in every shell, with every tar, and whatever happens meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conda_pack.runtime.selfextract import stub
from demo.packages import PLACEHOLDER
from tests.support.archives import (
    index_of,
    noise,
    pack,
    rich_pack,
    unpack_file,
    write_environment,
)
from tests.support.channels import LocalChannel
from tests.support.packs import Done, path_of_length, start
from tests.support.scripts import heed_interrupts
from tests.support.trees import Tree, diff_trees, tree

SHELLS = {
    "dash": ("dash",),
    "bash": ("bash",),
    "busybox": ("busybox", "sh"),
    "ksh93": ("ksh93",),
    "mksh": ("mksh",),
    "zsh": ("zsh",),
    "zsh-as-sh": ("zsh", "--emulate", "sh"),
}
GNU = {"tar": "tar", "gzip": "gzip"}
TOOLS = {
    "GNU": GNU,
    "bsdtar": GNU | {"tar": "bsdtar"},
    "busybox tar": GNU | {"tar": "busybox"},
    "busybox gzip": GNU | {"gzip": "busybox"},
    "pigz": GNU | {"gzip": "pigz"},
}
FEW = (
    "sh",
    "printf",  # in some shells
    "dd",
    "mkdir",
    "mv",
    "rm",
    "chmod",
    "uname",
    "ls",
    "df",
    "sed",
    "cat",
    "find",
    "dirname",
    "readlink",
)
"""All that the script needs besides a tar and a decompressor."""

INDEX = "conda-meta/conda-pack/index.json"
PYTHON = str(Path(sys.executable).parent)
PATH = f"{PYTHON}:/usr/bin:/bin"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """One shell after the other."""
    words = need(*SHELLS[request.param])
    if start([*words, "-c", "tar --help"], environ={"PATH": "/nowhere"}).code != 127:
        pytest.skip("this busybox runs its own tar, whatever PATH says")
    return words


def need(program: str, *arguments: str) -> tuple[str, ...]:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} on this machine")
    return (found, *arguments)


def self_extracting(archive: Path, path: Path, **changes: Any) -> Path:
    """The file that the writer makes: the script, then the archive."""
    index, data = index_of(archive), archive.read_bytes()
    arguments: dict[str, Any] = {
        "name": "env",
        "identity": index.identity,
        "decompress": "gzip -dc",
        "platform": index.content.platform,
        "size": index.content.size,
        "packed": len(data),
        "arcroot": index.arcroot,
        "prefix": index.content.prefix,
    }
    path.write_bytes(stub(**{**arguments, **changes}) + data)
    path.chmod(0o755)
    return path


def run(*argv: str | Path, cwd: Path, path: str = PATH, **variables: str) -> Done:
    """Run the file, or a shell with it, on a machine with nothing but a PATH."""
    return start(argv, environ={"PATH": path, "HOME": str(cwd / "home"), **variables}, cwd=cwd)


def contents(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def tools(folder: Path, chosen: dict[str, str], names: Sequence[str] = FEW) -> str:
    """A PATH of few programs, each the one that was chosen or the system's."""
    folder.mkdir()
    for name in {*names, *chosen}:
        (folder / name).symlink_to(need(chosen.get(name, name))[0])
    return str(folder)


# ------------------------------------------------------------------ what it makes


@pytest.fixture(scope="session")
def place(work_root: Path) -> Path:
    """Where the environment is put every time, so that its prefix is the same."""
    folder = work_root / "self extracting"
    folder.mkdir()
    return folder / "a place"


@pytest.fixture(scope="session")
def rich(demo_channel: LocalChannel, work_root: Path) -> Path:
    """An archive with long and foreign names, every mode, and a Python."""
    return rich_pack(demo_channel, work_root, "tar.gz")


@pytest.fixture(scope="session")
def expected(rich: Path, place: Path) -> Tree:
    """What ``conda_pack.unpack`` makes there."""
    unpack_file(rich, place)
    nodes = tree(place)
    shutil.rmtree(place)
    return nodes


@pytest.fixture
def check_same(expected: Tree, place: Path) -> Any:
    """Checks the environment that is there now, and takes it away."""

    def check(done: Done) -> None:
        said = f"env.sh: the environment is at {place}\n"
        assert Done(0, "", said) == done
        actual = tree(place)
        state = json.loads((place / "conda-meta/conda-pack/state.json").read_text("utf-8"))
        shutil.rmtree(place)
        assert diff_trees(expected, actual) == ""
        assert {"prefix": str(place)} == state
        assert contents(place.parent) == []

    yield check
    shutil.rmtree(place, ignore_errors=True)


def test_every_shell(shell: tuple[str, ...], small: Path, work: Path) -> None:
    """The same tree, bytes and modes as ``conda_pack.unpack``, and conda-unpack finds nothing left to do."""
    unpack_file(small, work / "a place")
    expected = tree(work / "a place")
    shutil.rmtree(work / "a place")
    file = self_extracting(small, work / "env.sh")
    said = f"env.sh: the environment is at {work / 'a place'}\n"
    assert Done(0, "", said) == run(*shell, file, work / "a place", cwd=work)
    assert diff_trees(expected, tree(work / "a place")) == ""
    done = run(work / "a place/bin/conda-unpack", cwd=work)
    assert done.err == f"conda-unpack: 0 files changed; the environment is at {work / 'a place'}.\n"


@pytest.mark.parametrize("name", TOOLS)
def test_every_tar_and_gzip(
    name: str, rich: Path, place: Path, work: Path, check_same: Callable[[Done], None]
) -> None:
    """In the locale C, which has no letters for some names, and with few programs but those."""
    path = tools(work / "bin", TOOLS[name])
    check_same(run(self_extracting(rich, work / "env.sh"), place, cwd=work, path=path, LC_ALL="C"))


def test_busybox_alone(rich: Path, place: Path, work: Path, check_same: Callable[[Done], None]) -> None:
    """As in the smallest containers: the environment's own Python, and busybox."""
    names = (*FEW, "tar", "gzip", "flock")
    path = tools(work / "bin", dict.fromkeys(names, "busybox"), names)
    check_same(run("sh", self_extracting(rich, work / "env.sh"), place, cwd=work, path=path))


def test_zstd_in_a_folder_of_the_archive(
    demo_channel: LocalChannel, work_root: Path, place: Path, work: Path, expected: Tree
) -> None:
    """Another codec, and an archive with a root: of the index only what tells of the file differs."""
    archive = work / "x.tar.zst"
    need("zstd")
    pack(work_root / "rich" / "env", archive, arcroot="some/where")
    file = self_extracting(archive, work / "env.sh", decompress="zstd -dcq")
    assert run(file, place, cwd=work).code == 0
    actual = tree(place)
    shutil.rmtree(place)
    assert diff_trees({**expected, INDEX: actual[INDEX]}, actual) == ""


def test_another_user_and_umask(work: Path, small: Path) -> None:
    """Files are the user's who ran it, with the modes that tar gives them under the umask."""
    file = self_extracting(small, work / "env.sh")
    work.chmod(0o777)
    user = 65534 if os.getuid() == 0 else None
    command = f'umask 027; mkdir "$1" && cd "$1" && tar -xf "{small}" && cd .. && "{file}" -q "$2"'
    environ = {"PATH": PATH, "HOME": "/nowhere"}
    if user is not None:
        work.parent.chmod(0o755)
        small.chmod(0o644)
    done = start(["sh", "-c", command, "sh", work / "tar", work / "ours"], environ=environ, user=user)
    assert Done(0, "", "") == done
    modes = [{path: node.mode for path, node in tree(work / name).items()} for name in ("tar", "ours")]
    del modes[1]["conda-meta/conda-pack/state.json"]
    assert modes[0] == modes[1]
    owners = {path.lstat().st_uid for path in (work / "ours").rglob("*")}
    assert owners == {os.getuid() if user is None else user}


# ------------------------------------------------------------------ how it is called


@pytest.fixture(scope="session")
def small(work_root: Path) -> Path:
    """An archive without Python, quickly unpacked."""
    folder = work_root / "self-extracting-small"
    prefix = write_environment(
        folder / "env",
        {
            "bin/app": b"""#!/bin/sh
case $1 in
    cat) shift; cat; exit "$1" ;;
    env) exec env -0 ;;
    pid) printf '%s\\n' "$$" ;;
    where) . '"""
            + PLACEHOLDER.encode()
            + b"""'/etc/app.conf; printf '%s\\n' "$where" "$CONDA_PREFIX" ;;
    *) printf '<%s>' "$@" ;;
esac
""",
            "etc/app.conf": b"where='" + PLACEHOLDER.encode() + b"'\n",
            "etc/conda/activate.d/hook.sh": b"HOOK=heard; export HOOK; echo noise; set -- x; read -r x\n",
            "share/ballast": noise(300_000),
        },
    )
    (prefix / "bin/app").chmod(0o755)
    return pack(prefix, folder / "env.tar.gz")


def test_called_in_many_ways(small: Path, work: Path) -> None:
    """From any folder, through a link, by sh, on PATH, from a read-only place; by default into ./NAME."""
    (work / "read only").mkdir()
    file = self_extracting(small, work / "read only" / "env.sh")
    (work / "link").symlink_to(file)
    file.chmod(0o555)
    (work / "read only").chmod(0o555)
    ways: list[tuple[str | Path, ...]] = [
        (file,),
        (work / "link",),
        ("../read only/env.sh",),
        ("sh", "../read only/env.sh", "env"),
        ("bash", "env.sh", "./env/"),
        ("sh", "-c", "cd '../read only' && sh env.sh --extract ../cwd/env"),
        (file, "--extract=env"),
        (file, "--", "env"),
        ("sh", "-c", 'CDPATH=/usr; export CDPATH; "$0" ../cwd/env', file),
    ]
    for way in ways:
        (work / "cwd").mkdir()
        done = run(*way, cwd=work / "cwd", path=f"{PATH}:{work / 'read only'}")
        assert (done.code, done.out, len(done.err.splitlines())) == (0, "", 1), (way, done.err)
        assert f"the environment is at {work}/cwd/env\n" in done.err
        assert f"where='{work}/cwd/env'\n" == (work / "cwd/env/etc/app.conf").read_text()
        shutil.rmtree(work / "cwd")


@pytest.mark.parametrize(
    "name", ["plain", "with space", "back\\slash", "-dash", "new\nline", "$(date)", "'\"*"]
)
def test_awkward_names(name: str, small: Path, work: Path) -> None:
    """Of the environment and of the folder."""
    file = self_extracting(small, work / "env.sh", name=name)
    assert Done(0, "", "") == run(file, "-q", cwd=work)
    assert f"where='{work}/{name}'\n" == (work / name / "etc/app.conf").read_text()
    (work / "in" / name).mkdir(parents=True)
    assert Done(0, "", "") == run(file, "-q", "--", f"in/{name}/deep", cwd=work)
    assert f"where='{work}/in/{name}/deep'\n" == (work / "in" / name / "deep/etc/app.conf").read_text()
    assert contents(work) == sorted([name, "env.sh", "in"])


def test_an_empty_folder(small: Path, work: Path) -> None:
    """It stays the folder it was, in which nothing hidden remains; it may be the current one."""
    file = self_extracting(small, work / "env.sh")
    unpack_file(small, work / "env")
    expected = tree(work / "env")
    shutil.rmtree(work / "env")
    for where, dest in [(work, "env"), (work / "env", "."), (work / "env", "../env/")]:
        (work / "env").mkdir(mode=0o700)
        (work / "env" / "lost+found").mkdir()
        inode = (work / "env").stat().st_ino
        done = run(file, dest, cwd=where)
        assert Done(0, "", f"env.sh: the environment is at {work / 'env'}\n") == done
        assert (inode, 0o40700) == ((work / "env").stat().st_ino, (work / "env").stat().st_mode)
        assert diff_trees(expected, tree(work / "env", ["lost+found"])) == ""
        shutil.rmtree(work / "env")


def test_too_long_a_prefix(rich: Path, work: Path) -> None:
    """What conda-unpack refuses is told in its words, with its exit code, and nothing is left."""
    place = path_of_length(work / "in", 256)
    place.parent.mkdir(parents=True)
    done = run(self_extracting(rich, work / "env.sh"), place, cwd=work)
    assert (done.code, done.out, len(done.err.splitlines())) == (12, "", 1), done
    assert done.err.startswith(f"env.sh: error: the prefix {place} is 256 bytes long")
    assert contents(place.parent) == []


def test_info_help_and_check(shell: tuple[str, ...], small: Path, work: Path) -> None:
    """Answers go to standard output, and nothing else does."""
    file = self_extracting(small, work / "env.sh")
    index = index_of(small)
    done = run(*shell, file, "--info", cwd=work)
    assert done == Done(
        0,
        f"name: env\nidentity: {index.identity}\nplatform: {index.content.platform}\n"
        f"packed: {file.stat().st_size} bytes\nunpacked: {-(-index.content.size // 1024)} KiB\n",
        "",
    )
    helped = run(*shell, file, "--help", cwd=work)
    assert (
        helped.code,
        helped.err,
        helped.out.startswith("Usage: env.sh [OPTIONS] [DEST]\n"),
    ) == (0, "", True)
    assert Done(0, "", "env.sh: the file is whole.\n") == run(*shell, file, "--check", cwd=work)
    assert Done(0, "", "") == run(*shell, file, "--check", "-q", cwd=work)
    assert contents(work) == ["env.sh"]


# ------------------------------------------------------------------ what it refuses


def test_refusals(shell: tuple[str, ...], small: Path, work: Path) -> None:
    """One sentence, an exit code of its kind, and nothing written."""
    file = self_extracting(small, work / "env.sh")
    other = self_extracting(small, work / "other.sh", platform="linux-s390x")
    large = self_extracting(small, work / "large.sh", size=10**15)
    (work / "full").mkdir()
    (work / "full" / ".hidden").touch()
    (work / "killed").mkdir()
    (work / "killed" / ".env.1.partial").mkdir()
    (work / "nowhere").symlink_to("not/there")
    before = tree(work)
    few = tools(work.parent / f"{work.name}-bin", {}, FEW)
    refused: list[tuple[int, str, str, Sequence[str | Path]]] = [
        (2, "no option --frobnicate", PATH, (file, "--frobnicate")),
        (2, "needs a folder", PATH, (file, "--extract")),
        (2, "one folder, a or b", PATH, (file, "a", "b")),
        (2, "empty name", PATH, (file, "")),
        (4, "full is not empty: it holds .hidden", PATH, (file, "full")),
        (4, "killed is not empty: a run that was killed left .env.1.partial", PATH, (file, "killed")),
        (4, "is no folder", PATH, (file, "env.sh")),
        (4, "is no folder", PATH, (file, "nowhere")),
        (5, "does not exist", PATH, (file, "no/such/env")),
        (5, "does not exist", PATH, (file, "env.sh/env")),
        (14, "for linux-s390x, and this machine is", PATH, (other, "env")),
        (9, "takes 976562500000 KiB", PATH, (large, "env")),
        (13, "tar is needed", few, (file, "env")),
    ]
    for code, sentence, path, argv in refused:
        done = run(*shell, *argv, cwd=work, path=path)
        assert (code, "", 1) == (done.code, done.out, len(done.err.splitlines())), done
        assert sentence in done.err
        assert diff_trees(before, tree(work)) == ""
    shutil.rmtree(few)


def test_a_pipe_is_refused(small: Path, work: Path) -> None:
    """``curl … | sh`` has no file to read the archive from."""
    file = self_extracting(small, work / "env.sh")
    for name in ("dash", "bash"):
        done = start(need(name), environ={"PATH": PATH}, cwd=work, stdin=file)
        assert (done.code, done.out) == (1, "")
        assert "Save it first" in done.err
    assert contents(work) == ["env.sh"]


@pytest.mark.parametrize("told", [True, False], ids=["size known", "size unknown"])
@pytest.mark.parametrize("tar", ["tar", "bsdtar", "busybox"])
def test_cut_off_or_damaged(tar: str, told: bool, small: Path, work: Path) -> None:
    """Wherever it is cut, and whichever byte is another: exit code 10, and nothing is left."""
    whole = self_extracting(small, work / "env.sh", packed=small.stat().st_size if told else 0).read_bytes()
    begin = len(whole) - small.stat().st_size
    path = f"{tools(work / 'bin', GNU | {'tar': tar})}:{PATH}"
    chance = random.Random(5)
    cuts = [begin, begin + 1, begin + 100, len(whole) - 1, len(whole) - 8, len(whole) - 600]
    cuts += [chance.randrange(begin, len(whole)) for _ in range(10)]
    damaged = [whole[:cut] for cut in cuts]
    for _ in range(12):
        place = chance.randrange(begin, len(whole))
        damaged.append(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :])
    for data in damaged:
        (work / "env.sh").write_bytes(data)
        done = run(work / "env.sh", "env", cwd=work, path=path)
        if done.code == 0 and len(data) == len(whole):  # of ten header bytes some say nothing
            flipped = next(at for at in range(len(whole)) if data[at] != whole[at])
            assert flipped - begin < 10
            shutil.rmtree(work / "env")
            continue
        assert (done.code, done.out, len(done.err.splitlines())) == (10, "", 1), done
        assert done.err.endswith("Fetch it again.\n")
        cut = told and len(data) < len(whole)
        assert cut == (f"it has {len(data)} of {len(whole)} bytes" in done.err)
        checked = run(work / "env.sh", "--check", cwd=work, path=path)
        assert (checked.code, checked.out) == (10, "")
        assert contents(work) == ["bin", "env.sh"]


def test_cut_off_where_nothing_checks_it(small: Path, work: Path) -> None:
    """Uncompressed there is no CRC; but then the archive's last file is not there."""
    archive = pack(small.parent / "env", work / "x.tar")
    data = self_extracting(archive, work / "env.sh", decompress="cat", packed=0).read_bytes()
    archive.unlink()
    (work / "env.sh").write_bytes(data[: data.index(INDEX.encode() + b"\0")])  # before its header
    done = run(work / "env.sh", "env", cwd=work)
    assert Done(10, "", "env.sh: error: it was cut off. Fetch it again.\n") == done
    assert contents(work) == ["env.sh"]


def test_closed_folders(small: Path, work: Path) -> None:
    """An empty folder that is closed to its owner is moved and removed as well, and not only by root."""
    prefix = work / "source"
    shutil.copytree(small.parent / "env", prefix, symlinks=True)
    for folder in ("closed", "own/closed"):
        (prefix / folder).mkdir(parents=True)
        (prefix / folder).chmod(0o555)
    archive = pack(prefix, work / "x.tar.gz")
    work.parent.chmod(0o755)
    (work / "here/empty").mkdir(parents=True)
    for path in (work, work / "here", work / "here/empty"):
        path.chmod(0o777)
    data = self_extracting(archive, work / "env.sh").read_bytes()
    (work / "damaged.sh").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # found when all is there
    user = 65534 if os.getuid() == 0 else None
    environ = {"PATH": "/usr/bin:/bin"}
    for code, name, dest in [(10, "damaged", "env"), (10, "damaged", "empty"), (0, "env", "empty")]:
        done = start(["sh", work / f"{name}.sh", dest], environ=environ, cwd=work / "here", user=user)
        assert (done.code, done.out) == (code, ""), done.err
        assert contents(work / "here") == ["empty"]
        assert (contents(work / "here/empty") == []) == (code == 10)
    modes = [(work / "here/empty" / folder).stat().st_mode & 0o777 for folder in ("closed", "own/closed")]
    assert modes == [0o555, 0o555]


def test_cut_off_within_the_script(small: Path, work: Path) -> None:
    """Nothing is done before its last line is read."""
    whole = self_extracting(small, work / "env.sh").read_bytes()
    script = whole[: len(whole) - small.stat().st_size]
    for cut in range(0, len(script) - len('main "$@"\nexit\n'), 97):
        (work / "env.sh").write_bytes(script[:cut])
        done = run("sh", work / "env.sh", "env", cwd=work)
        assert (done.out, contents(work)) == ("", ["env.sh"])


def test_tar_is_ready_first(shell: tuple[str, ...], small: Path, work: Path) -> None:
    """It ends at the archive's end, before what feeds it has said whether that was all."""
    gzip = need("gzip")[0]
    (work / "bin").mkdir()
    (work / "bin" / "gzip").write_text(
        f'#!/bin/sh\n"{gzip}" "$@"\ncode=$?\nexec >&-\nsleep 0.5\nexit $code\n'
    )
    (work / "bin" / "gzip").chmod(0o755)
    file = self_extracting(small, work / "env.sh")
    done = start([*shell, file, "env"], environ={"PATH": f"{work / 'bin'}:{PATH}"}, cwd=work)
    assert Done(0, "", f"env.sh: the environment is at {work / 'env'}\n") == done


@pytest.mark.parametrize("tar", ["tar", "bsdtar", "busybox"])
def test_the_disk_is_full(tar: str, small: Path, work: Path) -> None:
    """A file larger than allowed stands for it: exit code 9, the reason, and nothing left."""
    file = self_extracting(small, work / "env.sh")
    path = f"{tools(work / 'bin', GNU | {'tar': tar})}:{PATH}"
    done = run("bash", "-c", 'ulimit -f 100; trap "" XFSZ; "$0" env', file, cwd=work, path=path)
    assert (done.code, done.out, len(done.err.splitlines())) == (9, "", 1), done
    assert "env cannot be written (" in done.err
    assert contents(work) == ["bin", "env.sh"]


def test_a_disk_that_is_really_full(small: Path, work: Path) -> None:
    """A file system of 200 kB, and an environment that says it is smaller than it is."""
    file = self_extracting(small, work / "env.sh", size=1000)
    (work / "disk").mkdir()
    mount = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        'mount -t tmpfs -o size=200k none disk && "$@"; c=$?; ls -A disk; exit $c',
    ]
    if start(["unshare", "-rm", "true"]).code != 0:
        pytest.skip("mounts are not allowed here")
    done = run(*mount, "sh", file, "disk/env", cwd=work)
    assert (done.code, done.out, len(done.err.splitlines())) == (9, "", 1), done
    assert "disk/env cannot be written (" in done.err
    assert Done(0, "bin\nconda-meta\netc\nshare\n", "") == run(
        *mount[:-1], mount[-1].replace("200k", "20M"), "sh", file, "-q", "disk", cwd=work
    )


def test_no_python(small: Path, work: Path) -> None:
    """Nor awk, neither in the environment nor on the machine: told, and nothing left."""
    file = self_extracting(small, work / "env.sh")
    done = run(file, cwd=work, path=tools(work / "bin", GNU))
    assert Done(13, "", done.err) == done
    assert "it needs a Python from 3.6 on, or awk" in done.err
    assert contents(work) == ["bin", "env.sh"]


def test_for_one_prefix_only(small: Path, work: Path) -> None:
    """It goes there by default, and is not relocated; elsewhere it warns, as ``conda_pack.unpack`` does."""
    fixed = work / "fixed"
    archive = pack(small.parent / "env", work / "x.tar.gz", dest_prefix=str(fixed))
    file = self_extracting(archive, work / "env.sh")
    few = tools(work / "bin", GNU)  # without a Python
    assert Done(0, "", f"env.sh: the environment is at {fixed}\n") == run(file, cwd=work, path=few)
    assert f"where='{fixed}'\n" == (fixed / "etc/app.conf").read_text()
    done = run(file, "other", cwd=work, path=few)
    warning = f"env.sh: warning: this environment was packed for {fixed} and runs as it should only there.\n"
    assert Done(0, "", f"{warning}env.sh: the environment is at {work / 'other'}\n") == done
    assert diff_trees(tree(fixed), tree(work / "other")) == ""
    assert f"prefix: {fixed}\n" in run(file, "--info", cwd=work).out


# ------------------------------------------------------------------ interrupted


@dataclass
class Slow:
    """A file whose tar or Python stops at a gate, so that a signal meets it there for certain."""

    path: str
    gate: Path
    pids: list[int] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path, at: str) -> Slow:
        """``at`` is the program that says it has begun, and then goes on forever."""
        folder.mkdir()
        gate = folder / "gate"
        real = need(at)[0]
        ending = f'"{real}" "$@"; ' if at == "tar" else ""
        (folder / at).write_text(
            "#!/bin/sh\ncase $* in *version_info*) exit 0 ;; esac\n"
            f'{ending}echo $$ >"{gate}"\nexec sleep 1000\n'
        )
        (folder / at).chmod(0o755)
        if at != "tar":
            (folder / "python").symlink_to(at)
        return cls(f"{folder}:{PATH}", gate)

    def wait(self) -> int:
        while not (self.gate.exists() and self.gate.read_text().endswith("\n")):
            time.sleep(0.01)
        return int(self.gate.read_text())


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("at", ["tar", "python3"])
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda value: value.name
)
def test_interrupted(
    shell: tuple[str, ...], number: signal.Signals, at: str, small: Path, work: Path
) -> None:
    """A signal to the shell alone ends all of it at once: nothing is left, no process either."""
    file = self_extracting(small, work / "env.sh")
    slow = Slow.make(work / "bin", at)
    (work / "empty").mkdir()
    for dest in ("env", "empty"):
        slow.gate.unlink(missing_ok=True)
        process = subprocess.Popen(
            [*shell, file, dest],
            cwd=work,
            env={"PATH": slow.path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads here
        )
        child = slow.wait()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (128 + number, b"", b"") == (process.returncode, out, err)
        assert (contents(work), contents(work / "empty")) == (["bin", "empty", "env.sh"], [])
        assert not is_running(child)


def test_killed(small: Path, work: Path) -> None:
    """SIGKILL leaves its hidden folder, and nothing under the name; the next run is not disturbed by it."""
    file = self_extracting(small, work / "env.sh")
    slow = Slow.make(work / "bin", "tar")
    with subprocess.Popen([file, "env"], cwd=work, env={"PATH": slow.path}) as process:
        child = slow.wait()
        process.kill()
    os.kill(child, signal.SIGKILL)
    assert contents(work) == [f".env.{process.pid}.partial", "bin", "env.sh"]
    assert run(file, "env", cwd=work).code == 0
    unpack_file(small, work / "expected")
    assert (work / "expected/share/ballast").read_bytes() == (work / "env/share/ballast").read_bytes()


def test_a_signal_while_the_environment_is_moved(small: Path, work: Path) -> None:
    """Into a folder that is there, child by child: the moves are ended, because half of them is nothing."""
    file = self_extracting(small, work / "env.sh")
    (work / "env").mkdir()
    (work / "bin").mkdir()
    (work / "bin/mv").write_text(f'#!/bin/sh\nkill -TERM $PPID\nexec {need("mv")[0]} "$@"\n')
    (work / "bin/mv").chmod(0o755)
    assert Done(143, "", "") == run(file, "env", cwd=work, path=f"{work / 'bin'}:{PATH}")  # not moved up yet
    assert contents(work / "env") == []
    (work / "bin/mv").write_text(
        f'#!/bin/sh\ncase $* in */env/) kill -TERM $PPID ;; esac\nexec {need("mv")[0]} "$@"\n'
    )
    assert Done(0, "", "") == run(file, "-q", "env", cwd=work, path=f"{work / 'bin'}:{PATH}")
    assert contents(work / "env") == contents(small.parent / "env")


def test_another_with_the_same_number(small: Path, work: Path) -> None:
    """In another container, or on another machine that shares the disk: its hidden folder is left alone."""
    file = self_extracting(small, work / "env.sh")
    claim = 'mkdir ".env.$$.partial" ".env.$$-1.partial"; touch ".env.$$.partial/whole"; exec "$0" -q'
    assert Done(0, "", "") == run("sh", "-c", claim, file, cwd=work)
    assert sorted(path.suffix for path in work.iterdir()) == ["", ".partial", ".partial", ".sh"]
    assert sorted(len(contents(path)) for path in work.glob(".*.partial")) == [0, 1]


def test_somebody_else_was_first(small: Path, work: Path) -> None:
    """What appears at the destination meanwhile stays as it is."""
    file = self_extracting(small, work / "env.sh")
    (work / "bin").mkdir()
    (work / "bin/tar").write_text(
        f'#!/bin/sh\nmkdir "{work}/env" && echo mine >"{work}/env/mine"\nexec {need("tar")[0]} "$@"\n'
    )
    (work / "bin/tar").chmod(0o755)
    done = run(file, cwd=work, path=f"{work / 'bin'}:{PATH}")
    assert Done(4, "", f"env.sh: error: something was put at {work / 'env'} meanwhile.\n") == done
    assert contents(work / "env") == ["mine"]
    assert contents(work) == ["bin", "env", "env.sh"]


# ------------------------------------------------------------------ with an entry point


@pytest.fixture
def app(small: Path, work: Path) -> Path:
    """A file that runs a command of its environment."""
    return self_extracting(small, work / "app.sh", entrypoint="app")


def cached(work: Path, archive: Path) -> Path:
    """Where the environment is kept by default."""
    return work / "home/.cache/conda-pack" / index_of(archive).identity[:16] / "env"


def test_arguments_go_on_unchanged(shell: tuple[str, ...], small: Path, work: Path) -> None:
    """The packed ones and the user's; the second start needs neither the archive nor any program of it."""
    words = ["", " ", "a b", "*", "$HOME", "--help", "-q", "x\ny", "'\"\\", "é", "--"]
    file = self_extracting(small, work / "app.sh", entrypoint="app 'a  b' \"$x\"")
    printed = "".join(f"<{word}>" for word in ["a  b", "$x", *words])
    assert Done(0, printed, "noise\n") == run(*shell, file, *words, cwd=work)
    file.write_bytes(file.read_bytes()[: -small.stat().st_size])
    few = tools(work / "bin", {}, ("readlink", "printf"))
    assert Done(0, printed, "noise\n") == run(*shell, file, *words, cwd=work, path=few)


def test_it_runs_in_the_environment(shell: tuple[str, ...], small: Path, app: Path, work: Path) -> None:
    """Relocated and active, with the user's own variables and nothing of the script's."""
    prefix = cached(work, small)
    assert Done(0, f"{prefix}\n{prefix}\n", "noise\n") == run(
        *shell, app, "where", cwd=work, TAR_OPTIONS="--strip=1"
    )
    given = {"name": "mine", "TAR_OPTIONS": "--strip=1", "_pack_name": "mine too", "CDPATH": "/"}
    done = run(*shell, app, "env", cwd=work, **given)
    found = dict(entry.split("=", 1) for entry in done.out.split("\0") if entry)
    assert found["PATH"].startswith(f"{prefix}/bin:{PYTHON}")
    assert {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": "env", "HOOK": "heard"}.items() <= found.items()
    del given["_pack_name"]  # which is ours
    assert given.items() <= found.items()
    bare = run(*shell, "-c", "exec env -0", cwd=work).out
    known = {entry.split("=", 1)[0] for entry in bare.split("\0")} | {
        "HOOK",
        "PWD",
        "OLDPWD",
        "PS1",
        "_AST_FEATURES",
    }
    assert {*given, "_pack_name"} == {name for name in found.keys() - known if not name.startswith("CONDA_")}
    assert (done.code, done.err) == (0, "noise\n")


def test_without_proc(shell: tuple[str, ...], small: Path, app: Path, work: Path) -> None:
    """Where the system does not tell a shell which file it reads, as on macOS."""
    without = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if start([*without, "true"]).code != 0:
        pytest.skip("mounts are not allowed here")
    prefix = cached(work, small)
    for _ in range(2):
        done = run(*without, *shell, app, "where", cwd=work)
        assert Done(0, f"{prefix}\n{prefix}\n", "noise\n") == done


def test_input_output_and_exit_code_are_the_commands(shell: tuple[str, ...], app: Path, work: Path) -> None:
    """Already at the first start, though the hook of a package prints and reads."""
    (work / "input").write_bytes(b"first\nsecond\n")
    for _ in range(2):
        done = start(
            [*shell, app, "cat", "37"],
            environ={"PATH": PATH, "HOME": str(work / "home")},
            stdin=work / "input",
        )
        assert Done(37, "first\nsecond\n", "noise\n") == done


def test_the_command_takes_the_shells_place(shell: tuple[str, ...], app: Path, work: Path) -> None:
    """So signals are the command's, and no shell waits for it."""
    for _ in range(2):
        process = subprocess.Popen(
            [*shell, app, "pid"],
            env={"PATH": PATH, "HOME": str(work)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, _ = process.communicate(timeout=60)
        assert f"{process.pid}\n" == out


def test_a_python_of_its_own(rich: Path, work: Path) -> None:
    """``python -m`` of an environment with Python: the environment's, first and later."""
    file = self_extracting(
        rich, work / "app.sh", entrypoint='python -c "import sys; print(sys.prefix, sys.argv[1:])"'
    )
    for _ in range(2):
        done = run(file, "a b", cwd=work)
        assert (0, f"{cached(work, rich)} ['a b']\n") == (done.code, done.out)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"CONDA_PACK_CACHE": "{}/my cache"}, "my cache"),
        ({"CONDA_PACK_CACHE": "relative"}, "relative"),
        ({"CONDA_PACK_CACHE": "-"}, "-"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/conda-pack"),
        ({"CONDA_PACK_CACHE": "{}/one", "XDG_CACHE_HOME": "{}/two"}, "one"),
        ({"CONDA_PACK_CACHE": "", "XDG_CACHE_HOME": ""}, "home/.cache/conda-pack"),
        ({"CONDA_PACK_CACHE": "{}/link"}, "real"),
    ],
)
def test_where_the_cache_is(
    variables: dict[str, str], folder: str, small: Path, app: Path, work: Path
) -> None:
    """By the variables; without links, so that all shells see the same prefix."""
    (work / "real").mkdir()
    (work / "link").symlink_to("real")
    prefix = work / folder / index_of(small).identity[:16] / "env"
    given = {name: value.format(work) for name, value in variables.items()}
    for words in SHELLS.values():
        done = run(*need(*words), app, "where", cwd=work, **given)
        assert Done(0, f"{prefix}\n{prefix}\n", done.err) == done


def test_the_cache_cannot_be(shell: tuple[str, ...], small: Path, app: Path, work: Path) -> None:
    """No HOME, a file in its place, a folder of somebody else: one sentence that names the way out."""
    (work / "file").touch()
    key = index_of(small).identity[:16]
    cases = [({"HOME": ""}, 5), ({"CONDA_PACK_CACHE": f"{work}/file"}, 9)]
    for variables, code in cases:
        done = run(*shell, app, cwd=work, **variables)
        assert (code, "", 1) == (done.code, done.out, len(done.err.splitlines())), done
        assert "CONDA_PACK_CACHE" in done.err
    if os.getuid() == 0:
        work.parent.chmod(0o755)
        work.chmod(0o755)
        for folder in ("closed", f"closed/{key}"):
            (work / folder).mkdir()
            environ = {"PATH": "/usr/bin:/bin", "CONDA_PACK_CACHE": str(work / "closed")}
            done = start([*shell, app], environ=environ, user=65534)
            assert (done.code, done.out, len(done.err.splitlines())) == (9, "", 1), done
            assert "CONDA_PACK_CACHE" in done.err


@pytest.mark.parametrize("locking", [True, False], ids=["flock", "no flock"])
def test_eight_first_starts_at_once(
    locking: bool, shell: tuple[str, ...], small: Path, app: Path, work: Path
) -> None:
    """Every one runs right, and one environment remains."""
    need("flock")
    path = tools(work / "bin", GNU, (*FEW, "python3", *(["flock"] if locking else [])))
    (work / "bin/python3").unlink()
    (work / "bin/python3").symlink_to(sys.executable)
    environ = {"PATH": path, "HOME": str(work / "home")}
    processes = [
        subprocess.Popen(
            [*shell, app, "where"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    prefix = cached(work, small)
    ended = [(*process.communicate(timeout=100), process.returncode) for process in processes]
    assert [(f"{prefix}\n{prefix}\n", "noise\n", 0)] * 8 == ended
    assert contents(prefix.parent) == ([".lock"] if locking else []) + ["env"]
    nodes = tree(prefix)
    shutil.rmtree(prefix)
    unpack_file(small, prefix)
    assert diff_trees(tree(prefix), nodes) == ""


def test_a_killed_first_start(small: Path, app: Path, work: Path) -> None:
    """Nothing it left is trusted, and what is a day old is removed."""
    slow = Slow.make(work / "bin", "tar")
    prefix = cached(work, small)
    for _ in range(2):
        slow.gate.unlink(missing_ok=True)
        environ = {"PATH": slow.path, "HOME": str(work / "home")}
        with subprocess.Popen([app], env=environ) as process:
            child = slow.wait()
            process.kill()
        os.kill(child, signal.SIGKILL)
    left = sorted(prefix.parent.glob(".*.partial"))
    assert len(left) == 2
    os.utime(left[0], (1, 1))
    assert (0, f"{prefix}\n{prefix}\n") == (run(app, "where", cwd=work).code, run(app, "where", cwd=work).out)
    assert contents(prefix.parent) == sorted([".lock", left[1].name, "env"])


def test_interrupted_while_waiting_for_another(
    shell: tuple[str, ...], small: Path, app: Path, work: Path
) -> None:
    """Who waits for the lock hears a signal."""
    folder = cached(work, small).parent
    folder.mkdir(parents=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen([*shell, app], env={"PATH": PATH, "HOME": str(work / "home")})
        while not _waits(waiting.pid):
            time.sleep(0.01)
        waiting.terminate()
        assert waiting.wait(timeout=60) == 143


def _waits(pid: int) -> bool:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return any(Path(f"/proc/{child}/comm").read_text() == "flock\n" for child in children)


def test_unpacking_what_has_an_entry_point(app: Path, work: Path) -> None:
    """By a variable, because every argument is the command's."""
    done = run(app, "ignored", cwd=work, CONDA_PACK_EXTRACT="here it is")
    assert Done(0, "", f"app.sh: the environment is at {work / 'here it is'}\n") == done
    assert contents(work) == ["app.sh", "here it is"]


def test_a_command_that_is_not_there(shell: tuple[str, ...], small: Path, work: Path) -> None:
    """The shell's own message and code."""
    file = self_extracting(small, work / "app.sh", entrypoint="no-such-command")
    done = run(*shell, file, cwd=work)
    assert (done.code, done.out) == (127, "")
    assert "no-such-command" in done.err
