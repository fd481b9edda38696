"""``conda pack``, in a real conda: our command as a plugin, found by conda itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.archives import rich_environment
from tests.support.environments import LocalChannel, MakeEnvironment, RealConda
from tests.support.packs import Done, Packed, conda_pack, sha256, start, succeed, unpack
from tests.support.scripts import heed_interrupts

OURS = {"conda_pack", "conda_pack.conda_plugin", "conda_pack.errors"}
OURS |= {"conda_pack.runtime", "conda_pack.runtime.version"}
"""The modules of ours that every conda may import."""


@pytest.fixture
def conda_does(plugged: RealConda) -> Callable[..., Done]:
    """Runs conda, which is all that the machine has on its PATH besides the system."""

    def do(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> Done:
        environ = plugged.environ | {"PATH": f"{plugged.python.parent}:/usr/bin:/bin"} | variables
        return start([plugged.python, "-m", "conda", *arguments], environ=environ, cwd=cwd)

    return do


def as_ours(done: Done) -> Done:
    """What conda said, had ``conda-pack`` said it; how lines break depends on the length of the name."""
    texts = (done.out, done.err)
    out, err = (" ".join(text.replace("conda pack", "conda-pack pack").split()) for text in texts)
    return Done(done.code, out, err)


def test_listed_once(conda_does: Callable[..., Done]) -> None:
    """conda knows the command, and says nothing of the executable of the same name."""
    done = conda_does("--help")
    assert (done.code, done.err) == (0, "")
    assert sum(line.split()[:1] == ["pack"] for line in done.out.splitlines()) == 1
    assert "conda pack --help" not in done.out  # which it says of executables that are no plugins


def test_others_pay_nothing(plugged: RealConda) -> None:
    """Whatever else conda does, it imports of ours what takes a millisecond."""
    program = (
        "import sys\n"
        "from conda.cli.main import main\n"
        "main('info', '--base')\n"
        "print(*(name for name in sys.modules if name.split('.')[0] == 'conda_pack'))\n"
    )
    done = succeed([plugged.python, "-c", program], environ=plugged.environ)
    assert set(done.out.splitlines()[-1].split()) == OURS


def test_conda_keeps_its_signals(plugged: RealConda) -> None:
    """What conda had set for the time after us is set again."""
    program = (
        "import signal\n"
        "from conda.cli.main import main\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "code = main('pack', '-p', '/no/such/folder')\n"
        "print(code, signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)\n"
    )
    assert succeed([plugged.python, "-c", program], environ=plugged.environ).out == "3 True\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_says_what_conda_pack_says(arguments: list[str], conda_does: Callable[..., Done]) -> None:
    """Help and version are ours, under the name that was called."""
    ours = conda_pack("pack", *arguments)
    done = conda_does("pack", *arguments)
    assert as_ours(ours) == as_ours(done)
    assert "conda-pack pack" not in done.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--no-such-option"], 2),
        (["-n", "science", "-p", "."], 2),
        (["-n", "no-such-name"], 3),
        (["-p", "no/such/folder"], 3),
        ([], 3),
        (["-p", "{prefix}", "-o", "x.tar.gz"], 4),
        (["-p", "{prefix}", "-o", "no/such/folder/x.tar.gz"], 5),
        (["-p", "{prefix}", "-o", "y.tar", "--dest-prefix", "/" + 300 * "x"], 12),
    ],
)
def test_errors(
    arguments: list[str], code: int, small_rattler: Packed, conda_does: Callable[..., Done], work: Path
) -> None:
    """One sentence, and the exit code that conda-pack has; conda adds no report of its own."""
    (work / "x.tar.gz").touch()
    words = [word.format(prefix=small_rattler.prefix) for word in arguments]
    done = conda_does("pack", *words, cwd=work, CONDA_ENVS_DIRS="", HOME=os.environ["HOME"])
    assert code == done.code
    looked = conda_pack("pack", *words, cwd=work)
    if "no-such-name" not in words:  # conda's own folders are named as well
        assert as_ours(looked) == as_ours(done)
    assert "conda-pack: error: " in as_ours(done).err or "conda-pack pack: error: " in as_ours(done).err
    assert "Traceback" not in done.err
    assert os.listdir(work) == ["x.tar.gz"]


def test_the_same_archive(small_rattler: Packed, conda_does: Callable[..., Done], work: Path) -> None:
    """``conda pack -p`` writes, byte for byte, what ``conda-pack -p`` writes; and it works elsewhere."""
    archive = work / "x.tar.gz"
    done = conda_does("pack", "-p", small_rattler.prefix, "-o", archive, "--compress-level", "1", "-j", "2")
    assert Done(0, f"{archive}\n", "") == done
    assert sha256(small_rattler.gz) == sha256(archive)
    unpack(archive, work / "there")
    said = succeed([work / "there/bin/python", "-c", "import sys; print(sys.prefix)"]).out
    assert f"{work}/there\n" == said


def test_by_name(
    plugged: RealConda, conda_does: Callable[..., Done], channel: LocalChannel, work: Path
) -> None:
    """``conda pack -n`` takes what ``conda create -n`` has made."""
    plugged.run(
        *("create", "--yes", "--quiet", "--solver", "classic", "--offline", "--override-channels"),
        *("-c", channel.path.as_uri(), "-n", "by-name", *channel.specs[1:2]),
    )
    assert Done(0, f"{work}/by-name.tar.gz\n", "") == conda_does("pack", "-n", "by-name", cwd=work)


def test_condas_own_folder(
    plugged: RealConda,
    conda_does: Callable[..., Done],
    rattler_env: MakeEnvironment,
    channel: LocalChannel,
    work: Path,
) -> None:
    """A conda that no variable tells of, called by its path, finds the environments in its own folder."""
    root = plugged.python.parent.parent
    rattler_env(channel.specs[1], prefix=root / "envs" / "science")
    done = conda_does("pack", "-n", "science", cwd=work, CONDA_ENVS_DIRS="", HOME=str(work / "home"))
    assert Done(0, f"{work}/science.tar.gz\n", "") == done


def test_active(small_rattler: Packed, conda_does: Callable[..., Done], work: Path) -> None:
    """Without a name it is the environment that ``conda activate`` has made the active one."""
    done = conda_does("pack", "-o", "x.tar", cwd=work, CONDA_PREFIX=str(small_rattler.prefix))
    assert Done(0, f"{work}/x.tar\n", "") == done


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "conda-pack: interrupted; nothing was left behind.\n"), (signal.SIGTERM, 143, "")],
)
def test_interrupted(
    number: int,
    code: int,
    said: str,
    plugged: RealConda,
    demo_channel: LocalChannel,
    work_root: Path,
    work: Path,
) -> None:
    """Ctrl-C, or a job that is told to end, leaves nothing, in conda as well."""
    prefix = rich_environment(demo_channel, work_root)
    words = ("pack", "-p", prefix, "-o", work / "x.tar.gz", "--compress-level", "9", "-j", "2")
    command: Sequence[str | Path] = [plugged.python, "-m", "conda", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        env=plugged.environ,
        stdout=pipe,
        stderr=pipe,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads here
    ) as process:
        until = time.monotonic() + 60
        while not any(file.stat().st_size for file in work.iterdir()):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.002)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (code, b"", said) == (process.returncode, out, err.decode())
    assert os.listdir(work) == []
