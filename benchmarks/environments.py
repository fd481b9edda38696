"""The environment to measure with, taken or made, genuinely installed where the disk is fast."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.works import INCUMBENT
from demo.commands import CommandError, clean_environ, run
from demo.installer import index_channel, install

REPO = Path(__file__).resolve().parent.parent
SCRIPT = REPO.parent / "shared" / "lab" / "ds_env.sh"
"""Makes the benchmark environment of 1.4 GB, on machines that have it."""
PINNED = ("conda-pack==0.9.2", "zstandard", "setuptools<81")

RAM_DISK = Path("/dev/shm")  # noqa: S108 - no secrets, and removed at the end
ROOM = 9  # times the environment's size: archives, copies and package caches of all contenders

# In a process of its own: commands begin with the peak memory of the one that starts them.
_BUILD_CHANNEL = (
    "import sys, pathlib, demo.channel; demo.channel.build_channel(pathlib.Path(sys.argv[1]).absolute())"
)

Echo = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """An environment and, if it is known, a channel with its packages."""

    prefix: Path
    channel: Path | None


@dataclass(frozen=True)
class Site:
    """The folder where everything runs: ``env`` is the environment, ``bin`` has the peers."""

    work: Path
    environ: dict[str, str]
    imports: tuple[str, ...]
    """Modules that an unpacked environment must be able to import."""

    def which(self, program: str) -> str | None:
        return shutil.which(program, path=self.environ["PATH"])


def find(environment: Path | None, channel: Path | None, folder: Path, echo: Echo) -> Source:
    """The environment that was named; else the benchmark environment; else the demonstration's small one."""
    if environment:
        return Source(environment.resolve(), channel.resolve() if channel else _channel_of(environment))
    folder = folder.absolute()
    if not (folder / "env/conda-meta").is_dir():
        if SCRIPT.is_file():
            echo(f"making the benchmark environment in {folder}: a few minutes ...")
            run(["bash", SCRIPT, folder], os.environ)
        else:
            echo("no script for the benchmark environment here: making the demonstration's small one ...")
            run([sys.executable, "-c", _BUILD_CHANNEL, folder / "channel"], os.environ, cwd=REPO)
            index_channel(folder / "channel")
            install(folder / "channel", folder / "env", ["python", "demo-tool", "demo-lib"], folder / "cache")
    return Source(folder / "env", folder / "channel")


def place(source: Source, work: Path, echo: Echo) -> Site:
    """Install the packages of the environment at ``work/env``, from a copy of their channel beside it.

    Without a channel we put a packed copy there, which is the same but for ``bin/conda-unpack`` and its
    siblings, and peers that install packages cannot run.
    """
    for name in ("bin", "home", "tmp"):
        (work / name).mkdir(parents=True, exist_ok=True)
    environ = clean_environ(work / "home") | {"TMPDIR": str(work / "tmp"), "PATH": _path(work)}
    env, channel = work / "env", work / "channel"
    if source.channel is None:
        echo("no channel with its packages is known (--channel): packing it into the work folder ...")
        shutil.rmtree(env, ignore_errors=True)
        run(["conda-pack", "-q", "-f", "-p", source.prefix, "-o", work / "env.tar"], environ)
        run(["conda-pack", "unpack", "-q", work / "env.tar", env], environ)
        (work / "env.tar").unlink()
    else:
        _write_program(work, "rattler-install", [sys.executable, "-m", "benchmarks.rattler_install"])
        if records(env) != records(source.prefix):
            echo("installing it in the work folder ...")
            shutil.rmtree(env, ignore_errors=True)
            shutil.rmtree(channel, ignore_errors=True)
            _copy_packages(source.prefix, source.channel, channel)
            index_channel(channel)
            run([work / "bin/rattler-install", channel, source.prefix, env, work / "rattler-warm"], environ)
        (work / "env.yml").write_text(_env_yml(env, channel), encoding="utf-8")
    return Site(work, environ, _imports(env))


def add_incumbent(work: Path, given: Path | None, echo: Echo) -> None:
    """Put the incumbent's command into ``work/bin``: the one given, or a new one from the package index."""
    program = given
    if program is None:
        program = work / "incumbent/bin/conda-pack"
        if not program.exists():
            echo("installing conda-pack 0.9.2 ...")
            try:
                run([sys.executable, "-m", "venv", work / "incumbent"], os.environ)
                run([work / "incumbent/bin/python", "-m", "pip", "-q", "install", *PINNED], os.environ)
            except CommandError as error:
                echo(f"not to be had: {error}")
                return
    _write_program(work, INCUMBENT, [str(program.absolute())])


def add_conda(work: Path, python: Path) -> None:
    """Put a ``conda`` into ``work/bin``, that of an interpreter that can import it."""
    settings = (
        "CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY=false",  # the classic solver would see a conflict
        "CONDA_NOTIFY_OUTDATED_CONDA=false",
        "CONDA_REPORT_ERRORS=false",
    )
    _write_program(work, "conda", ["env", *settings, str(python.absolute()), "-m", "conda"])


def records(prefix: Path) -> set[str]:
    """The packages that conda-meta says are installed."""
    folder = prefix / "conda-meta"
    return {name for name in os.listdir(folder) if name.endswith(".json")} if folder.is_dir() else set()


def disk_usage(*paths: Path) -> tuple[int, int]:
    """The number of files at these paths and the bytes they take on the disk, hard links counted once."""
    sizes = {}
    files = 0
    for path in paths:
        for entry in _walk(path):
            status = os.lstat(entry)
            sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
            files += 1
    return files, sum(sizes.values())


def size_of(prefix: Path) -> tuple[int, int]:
    """The number of files in an environment, and their bytes."""
    sizes = [os.lstat(path).st_size for path in _walk(prefix)]
    return len(sizes), sum(sizes)


def ram_disk(size: int, more: int) -> Path | None:
    """The RAM disk, if there is one with room to measure an environment of ``size`` bytes, and ``more``."""
    needed = ROOM * size + more
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            memory = {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":") for line in file)}
        roomy = shutil.disk_usage(RAM_DISK).free > needed and memory["MemAvailable"] > needed + (2 << 30)
    except OSError:
        return None
    return RAM_DISK if roomy else None


def is_ram(folder: Path) -> bool:
    """Whether files in ``folder`` lie in memory."""
    try:
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1:3] for line in file]
    except OSError:
        return False
    there = f"{folder.resolve()}/"
    holding = [(len(mount), kind) for mount, kind in mounts if there.startswith(f"{mount.rstrip('/')}/")]
    return max(holding, default=(0, ""))[1] in ("tmpfs", "ramfs")


def _path(work: Path) -> str:
    return os.pathsep.join([str(work / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _write_program(work: Path, name: str, words: list[str]) -> None:
    module = f"PYTHONPATH={shlex.quote(str(REPO))} " if words[1:2] == ["-m"] else ""
    program = work / "bin" / name
    program.write_text(f'#!/bin/sh\n{module}exec {shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)


def _walk(path: Path) -> Iterator[str]:
    if not path.is_dir():
        if path.exists():
            yield str(path)
        return
    for folder, folders, names in os.walk(path):
        for name in (*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))):
            yield os.path.join(folder, name)


def _metadata(prefix: Path) -> Iterator[dict[str, str]]:
    for name in sorted(records(prefix)):
        yield json.loads((prefix / "conda-meta" / name).read_text(encoding="utf-8"))


def _channel_of(prefix: Path) -> Path | None:
    """The one local folder from which all packages were installed, if it still has them."""
    packages = [Path(unquote(urlsplit(str(record.get("url"))).path)) for record in _metadata(prefix)]
    channels = {package.parent.parent for package in packages}
    if len(channels) == 1 and all(package.is_file() for package in packages):
        return channels.pop()
    return None


def _copy_packages(prefix: Path, source: Path, target: Path) -> None:
    (target / "noarch").mkdir(parents=True)  # a channel without noarch is none
    for record in _metadata(prefix):
        folder = target / record["subdir"]
        folder.mkdir(exist_ok=True)
        shutil.copyfile(source / record["subdir"] / record["fn"], folder / record["fn"])


def _env_yml(prefix: Path, channel: Path) -> str:
    """What ``conda env export`` would write."""
    specs = [f"  - {record['name']}={record['version']}={record['build']}" for record in _metadata(prefix)]
    channels = ["channels:", f"  - {channel.as_uri()}", "  - nodefaults"]
    return "\n".join(["name: env", *channels, "dependencies:", *specs, ""])


def _imports(prefix: Path) -> tuple[str, ...]:
    present = [name for name in ("numpy", "pandas") if any(prefix.glob(f"lib/python*/site-packages/{name}"))]
    return tuple(present)
