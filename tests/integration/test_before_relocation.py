"""Straight after ``tar -xf``: no activation, no conda-unpack, nothing set up, nothing to be written."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.channels import LocalChannel
from tests.support.environments import tree
from tests.support.packs import BARE, Done, Packed, pack_records, start, succeed, untar

NOBODY = 65534 if os.geteuid() == 0 else None
"""Another user than root, whom no mode would stop."""

_STDLIB = re.compile(r"^# .*(?:matches|code object from) (/.*)/encodings/__init__\.py$", re.MULTILINE)
"""How ``PYTHONVERBOSE`` tells which standard library an interpreter has come up with."""

_TELLS_ITS_PYTHON = {
    "shared": "{prefix}/bin/python 1\n",
    "demo": "prefix: {prefix}\nuser site ignored: True\n",
}
"""The first that ``script_with_option`` prints: its interpreter's place, and whether that had its ``-s``."""


@pytest.fixture(scope="session")
def extracted(packs: Callable[[str, str], Packed], work_root: Path) -> Iterator[Path]:
    """The archive's files where everybody may read and nobody write them."""
    public = Path(tempfile.mkdtemp(dir=work_root.parent, prefix=f"{work_root.name}-public-"))
    public.chmod(0o755)
    env = public / "with  spaces and naïve ☃ letters" / "env"
    untar(packs("rattler", "full").gz, env)
    folders = [env, *(Path(root, name) for root, names, _ in os.walk(env) for name in names)]
    for path in env.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    env.chmod(0o555)
    yield env
    for folder in folders:
        if not folder.is_symlink():
            folder.chmod(0o755)
    shutil.rmtree(public)


def python_scripts(env: Path) -> list[str]:
    """Every script that has the interpreter of its environment."""
    return sorted(
        path for path, entry in pack_records(env).items() if "trampoline" in entry and path.startswith("bin/")
    )


def standard_libraries(argv: Sequence[str | Path], cwd: Path, path: str = BARE["PATH"]) -> set[str]:
    """Where the Python that a script starts with has its standard library, whatever it does then."""
    done = start(argv, environ={"PATH": path, "PYTHONVERBOSE": "1"}, cwd=cwd, user=NOBODY)
    return set(_STDLIB.findall(done.err))


def test_python_runs(extracted: Path, channel: LocalChannel) -> None:
    """It knows its prefix, and finds its compiled modules and what is installed for it."""
    code = f"import sys, ssl, zlib, ctypes, {channel.noarch_package.replace('-', '_')} as module"
    code += "; print(sys.prefix, module.__file__, sep='\\n')"
    done = succeed([extracted / "bin/python", "-c", code], environ=BARE, cwd=Path("/"), user=NOBODY)
    prefix, module = done.out.splitlines()
    expected = (str(extracted), True, "")
    assert expected == (prefix, module.startswith(f"{extracted}/{channel.site_packages}/"), done.err)


def test_no_script_asks_for_an_interpreter_elsewhere(extracted: Path) -> None:
    """Every ``#!`` line in bin names what each machine has, or what tar has put there."""
    lines = {}
    for path in sorted((extracted / "bin").iterdir()):
        with path.open("rb") as file:
            if file.read(2) == b"#!":
                lines[path.name] = file.readline().decode().split()[0]
    assert lines
    expected = dict.fromkeys(lines, True)
    assert expected == {name: Path(program).exists() for name, program in lines.items()}


def test_options_of_the_first_line_are_kept(extracted: Path, channel: LocalChannel) -> None:
    """A script with ``python -s`` gets this Python, and no user's packages."""
    done = succeed([extracted / channel.script_with_option], environ=BARE, cwd=Path("/"), user=NOBODY)
    expected = _TELLS_ITS_PYTHON[channel.name].format(prefix=extracted)
    assert expected == "".join(done.out.splitlines(keepends=True)[: expected.count("\n")])


def test_console_scripts_run(extracted: Path, channel: LocalChannel) -> None:
    """They do what they are for, not only begin to."""
    scripts = [*channel.console_scripts, *(["bin/pip"] if "pip" in channel.specs else [])]
    failed = {}
    for script in scripts:
        done = start([extracted / script, "--help"], environ=BARE, cwd=Path("/"), user=NOBODY)
        if done.code or not done.out:
            failed[script] = done
    expected: dict[str, Done] = {}
    assert expected == failed


def test_every_script_starts_with_this_python(extracted: Path, channel: LocalChannel) -> None:
    """All that have a Python at all, called by their path."""
    scripts = python_scripts(extracted)
    assert {*channel.console_scripts, channel.script_with_option} <= {*scripts}
    expected = {script: {f"{extracted}/lib/python{channel.python}"} for script in scripts}
    assert expected == {
        script: standard_libraries([extracted / script, "--help"], Path("/")) for script in scripts
    }


def test_scripts_start_however_they_are_called(extracted: Path, channel: LocalChannel) -> None:
    """Through links to the script and to the environment, by relative paths, and by PATH."""
    public = extracted.parent / "links"
    public.mkdir(exist_ok=True)
    script = channel.console_scripts[0]
    name = Path(script).name
    (public / "absolute").symlink_to(extracted / script)
    (public / "relative").symlink_to(f"../env/{script}")
    (public / "chained link").symlink_to("relative")
    (public / "environment").symlink_to("../env")
    calls: dict[str, tuple[Path | str, Path]] = {
        "absolute link": (public / "absolute", Path("/")),
        "relative link": (public / "relative", Path("/")),
        "link to a link": (public / "chained link", Path("/")),
        "link in the current folder": ("./relative", public),
        "link to the environment": (public / "environment" / script, Path("/")),
        "from the environment": (script, extracted),
        "from its bin": (f"./{name}", extracted / "bin"),
        "from beside it": (f"env/../env/{script}", extracted.parent),
    }
    actual = {what: standard_libraries([call, "--help"], cwd) for what, (call, cwd) in calls.items()}
    by_path = ["/bin/sh", "-c", f"exec {name} --help"]
    actual["by PATH"] = standard_libraries(by_path, Path("/"), f"{extracted}/bin:{BARE['PATH']}")
    real = {what: {os.path.realpath(folder) for folder in folders} for what, folders in actual.items()}
    expected = {what: {f"{extracted}/lib/python{channel.python}"} for what in real}
    assert expected == real
    shutil.rmtree(public)


def test_nothing_is_written(extracted: Path, channel: LocalChannel) -> None:
    """On a file system that takes nothing, python and scripts run all the same."""
    mounted: list[str | Path] = [
        *("unshare", "--mount", "sh", "-c"),
        'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && ! touch "$0/x" 2>&- && exec "$@"',
        extracted,
    ]
    if start([*mounted, "true"]).code:
        pytest.skip("only root can mount a folder read-only")
    before = tree(extracted)
    succeed([*mounted, extracted / "bin/python", "-c", "import json, ctypes"], environ=BARE)
    for script in (*channel.console_scripts, channel.script_with_option):
        done = succeed([*mounted, extracted / script, "--help"], environ=BARE, cwd=Path("/"))
        assert done.out
    assert before == tree(extracted)


def test_runs_when_moved_before_it_was_ever_relocated(
    packs: Callable[[str, str], Packed], channel: LocalChannel, work: Path
) -> None:
    """The files that tar wrote depend on no place, so moving them changes nothing."""
    untar(packs("rattler", "small").zst, work / "one")
    (work / "one").rename(work / "two")
    done = succeed([work / "two" / channel.script_with_option], environ=BARE)
    expected = _TELLS_ITS_PYTHON[channel.name].format(prefix=work / "two")
    assert expected == "".join(done.out.splitlines(keepends=True)[: expected.count("\n")])
