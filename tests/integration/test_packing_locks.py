"""Lock files and lists, packed: exactly what they lock, for every platform they have, or one sentence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from conda_pack.sources.targets import this_platform
from tests.support.archives import index_of, stored_entries
from tests.support.locks import lock_channel, write_lock
from tests.support.packs import Done, conda_pack, start, succeed, unpack
from tests.support.wheels import write_wheel

PIXI = ("pixi-v5.lock", "pixi-v6.lock", "pixi-v7.lock")
LOCKS = (*PIXI, "conda-lock-v1.yml")


@pytest.fixture(scope="module")
def locked(work_root: Path) -> Path:
    """The channel of all that is locked."""
    if this_platform() != "linux-64":
        pytest.skip("NOT LINUX-64, which the lock files are for: packing them is not tested!")
    return lock_channel(work_root / "channels" / "locked" / "channel")


@pytest.fixture(autouse=True)
def _own_home(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "home").mkdir()
    monkeypatch.setenv("HOME", str(work / "home"))
    monkeypatch.delenv("TMPDIR", raising=False)


def refused(done: Done, code: int) -> str:
    """The sentence of a command that failed."""
    assert (done.code, done.out, "Traceback" in done.err) == (code, "", False), done.err
    return done.err.partition("conda-pack: error: ")[2].partition("\nTry '")[0].strip()


def without_bytecode(done: Done) -> list[str]:
    """The platforms of which that is told, and nothing else."""
    found = [
        re.fullmatch(r"warning: (\S+): \d noarch packages have no bytecode, .*", line)
        for line in done.err.splitlines()
    ]
    return [match[1] if match else done.err for match in found]


def packages(archive: Path) -> dict[str, str | None]:
    """The packages of an archive and their digests."""
    return {package.dist: package.sha256 for package in index_of(archive).content.packages}


def locked_packages(lock: Path, platform: str, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """What a pixi.lock of version 6 has, by its text."""
    text = lock.read_text()
    found = re.findall(r"^- conda: \S+/(\S+?)/(\S+)\.conda\n(?:  .*\n)*?  sha256: (\w+)", text, re.MULTILINE)
    return {
        dist: digest
        for subdir, dist, digest in found
        if subdir in (platform, "noarch") and not dist.startswith(but)
    }


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_locked(name: str, locked: Path, work: Path) -> None:
    """Packages and wheel, to the digest, and it runs."""
    lock = write_lock(name, locked, work / "lock" / name.replace("pixi-v", "pixi."))
    done = conda_pack("--file", lock, "-o", work / "x.tar.gz")
    assert (done.code, done.err) == (0, "")
    reference = write_lock("pixi-v6.lock", locked, work / "reference.lock")
    expected = locked_packages(reference, "linux-64", but=("iniconfig",))
    if name in PIXI:
        assert expected == packages(work / "x.tar.gz")
    else:  # conda-lock adds pip
        assert expected.items() <= packages(work / "x.tar.gz").items()
    unpack(work / "x.tar.gz", work / "dest")
    assert succeed([work / "dest" / "bin" / "lock-tool"]).out == "locked\n"
    assert (
        succeed([work / "dest" / "bin" / "python", "-c", "import idna; print(idna.__name__)"]).out == "idna\n"
    )


@pytest.mark.parametrize("name", LOCKS)
def test_every_platform_of_it(name: str, locked: Path, work: Path) -> None:
    """``--platform all``: an archive each, with the wheel in its place."""
    lock = write_lock(name, locked, work / "my.lock")
    done = conda_pack("--file", lock, "--platform", "all", "-o", work / "x.tar.zst")
    platforms = ["linux-64", "osx-arm64"] + ["win-64"] * (name not in PIXI)
    assert (done.code, without_bytecode(done)) == (0, platforms[1:])
    assert list(json.loads((work / "packs.json").read_text())["packs"]) == platforms
    for platform in platforms:
        archive = work / f"x-{platform}.tar.zst"
        index = index_of(archive)
        paths = {entry.path for entry in stored_entries(index, archive)}
        site_packages = "Lib" if platform == "win-64" else "lib/python3.11"
        script = "Scripts/lock-tool.exe" if platform == "win-64" else "bin/lock-tool"
        assert index.content.platform == platform
        assert {f"{site_packages}/site-packages/lock_tool.py", script} - paths == set()
        assert ("share/only-mac.txt" in paths) == (platform == "osx-arm64")


@pytest.mark.parametrize("name", PIXI)
def test_another_environment(name: str, locked: Path, work: Path) -> None:
    """That of its tests has one package more."""
    lock = write_lock(name, locked, work / "pixi.lock")
    assert conda_pack("--file", lock, "--environment", "test", "-o", work / "x.tar.gz").code == 0
    reference = write_lock("pixi-v6.lock", locked, work / "reference.lock")
    assert locked_packages(reference, "linux-64") == packages(work / "x.tar.gz")
    message = refused(conda_pack("--file", lock, "-e", "nope", "-o", work / "y.tar.gz"), 15)
    assert message.startswith(f"{lock} has no environment nope, but ")
    message = refused(conda_pack("--file", lock, "-e", "nope", "--platform", "all", cwd=work), 15)
    assert message.startswith(f"{lock} has no environment nope, but ")


@pytest.mark.parametrize("manifest", ["pixi.toml", "pyproject.toml"])
def test_a_manifest(manifest: str, locked: Path, work: Path) -> None:
    """Its lock is beside it, and has what it asks for; else it is said what is missing."""
    write_lock("pixi-v6.lock", locked, work / "p" / "pixi.lock")
    path = write_lock(manifest, locked, work / "p" / manifest)
    done = conda_pack("--file", path, cwd=work)
    assert (done.code, done.out, done.err) == (0, f"{work / 'locked.tar.gz'}\n", "")
    path.write_text(path.read_text().replace("3.20.*", "9.*").replace(">=3,<4", ">=9,<10"))
    path.write_text(path.read_text().replace("lock-tool", "other-tool"))
    message = refused(conda_pack("--file", path, "-o", work / "y.tar.gz"), 15)
    lines = message.splitlines()
    assert len(lines) == 2
    assert all("is out of date: it has nothing for" in line and "Run pixi lock." in line for line in lines)
    assert ("idna" in lines[0], "other-tool" in lines[1]) == (True, True)


@pytest.mark.parametrize("name", LOCKS)
def test_no_such_platform(name: str, locked: Path, work: Path) -> None:
    """Those that there are, are named."""
    lock = write_lock(name, locked, work / "my.lock")
    message = refused(conda_pack("--file", lock, "--platform", "linux-aarch64", cwd=work), 15)
    assert f"{lock} has no packages for linux-aarch64, but for linux-64, osx-arm64" in message


def test_a_package_that_changed(locked: Path, work: Path) -> None:
    """Neither a package nor a wheel is taken that is not what was locked."""
    channel = work / "channel"
    shutil.copytree(locked, channel)
    lock = write_lock("pixi-v6.lock", channel, work / "pixi.lock")
    wheel = next(channel.glob("wheels/*.whl"))
    package = next(channel.glob("noarch/idna-*.conda"))
    for path in (wheel, package):
        data = path.read_bytes()
        path.write_bytes(data + b"more")
        message = refused(conda_pack("--file", lock, "-o", work / "x.tar.gz"), 15)
        assert path.name in message
        assert "sha256" in message
        path.write_bytes(data)


def test_explicit_list(locked: Path, work: Path) -> None:
    """With md5 sums and a wheel in a comment, as conda-lock renders it; for its platform only."""
    path = write_lock("conda-lock-explicit-linux-64.txt", locked, work / "explicit.txt")
    done = conda_pack("--file", path, "-o", work / "x.tar.gz")
    assert (done.code, done.err) == (0, "")
    reference = write_lock("pixi-v6.lock", locked, work / "reference.lock")
    assert (
        locked_packages(reference, "linux-64", but=("iniconfig",)).items()
        <= packages(work / "x.tar.gz").items()
    )
    unpack(work / "x.tar.gz", work / "dest")
    assert succeed([work / "dest" / "bin" / "lock-tool"]).out == "locked\n"
    message = refused(conda_pack("--file", path, "--platform", "osx-arm64", cwd=work), 2)
    assert message == f"{path} lists packages for linux-64, not for osx-arm64."
    other = write_lock("conda-lock-explicit-osx-arm64.txt", locked, work / "osx.txt")
    assert conda_pack("--file", other, "-o", work / "osx.tar.gz").code == 0
    assert index_of(work / "osx.tar.gz").content.platform == "osx-arm64"
    text = path.read_text()
    path.write_text(re.sub(r"(idna-\S+\.conda)#\w+", r"\1#" + "0" * 32, text))
    message = refused(conda_pack("--file", path, "-o", work / "y.tar.gz"), 15)
    assert "its md5 is" in message
    path.write_text(re.sub(r"(idna-\S+\.conda)#\w+", r"\1", text))
    done = conda_pack("--file", path, "-o", work / "y.tar.gz")
    assert (done.code, done.err) == (
        0,
        "warning: linux-64: nothing proves 1 packages, because they are listed without a hash: "
        "idna-3.20-pyh1234567_0.conda.\n",
    )


def test_lock_and_imports(locked: Path, work: Path) -> None:
    """The lock says what there is, and the imports are proved to be in it."""
    lock = write_lock("pixi-v6.lock", locked, work / "pixi.lock")
    (work / "job.py").write_text("import idna, lock_tool\n")
    done = conda_pack("--file", lock, "--imports", work / "job.py", "-o", work / "x.tar.gz")
    assert (done.code, done.err) == (0, "")
    (work / "job.py").write_text("import idna, numpy\n")
    message = refused(conda_pack("--file", lock, "--imports", work / "job.py", "-o", work / "y.tar.gz"), 6)
    assert "numpy: ModuleNotFoundError" in message
    done = conda_pack(
        *("--file", lock, "--imports", work / "job.py", "--platform", "osx-arm64"), "-o", work / "y.tar.gz"
    )
    assert "numpy: is not there" in refused(done, 6)


def test_all_platforms_or_none(locked: Path, work: Path) -> None:
    """The first archive is whole when the second one's imports fail: neither appears, nor their list."""
    lock = write_lock("pixi-v6.lock", locked, work / "pixi.lock")
    wheel = write_wheel(work / "wheels", "broken", "1.0", {"broken.py": "raise ImportError('not today')\n"})
    (work / "job.py").write_text("import broken\n")
    platforms = ["--platform", "osx-arm64", "--platform", "linux-64"]
    before = sorted(work.rglob("*"))
    options = ("--file", lock, "--inject", wheel, "--imports", work / "job.py")
    message = refused(conda_pack(*options, *platforms, "-o", work / "x.tar.gz"), 6)
    assert "broken: ImportError: not today" in message
    left = [
        path for path in sorted(work.rglob("*")) if path not in before and work / "home" not in path.parents
    ]
    assert left == []


def test_environment_yml(locked: Path, work: Path) -> None:
    """With a wheel, variables, and lines for some platforms."""
    path = write_lock("environment.yml", locked, work / "environment.yml")
    path.write_text(
        path.read_text().replace("lock-tool ==1.0", f"--find-links {locked}/wheels\n      - lock-tool ==1.0")
        + "variables:\n  JOB_MODE: fast\n"
    )
    done = conda_pack("--file", path, "--platform", "all", "--offline", cwd=work)
    assert (done.code, without_bytecode(done)) == (0, ["osx-arm64", "win-64"])
    assert done.out.splitlines()[-1] == str(work / "packs.json")
    for platform in ("linux-64", "osx-arm64", "win-64"):
        archive = work / f"locked-{platform}.tar.gz"
        paths = {entry.path for entry in stored_entries(index_of(archive), archive)}
        assert ("share/only-mac.txt" in paths) == (platform == "osx-arm64")
        assert any(path.endswith("site-packages/lock_tool.py") for path in paths)
    unpack(work / "locked-linux-64.tar.gz", work / "dest")
    script = f". {work}/dest/bin/activate && echo $JOB_MODE && lock-tool"
    assert start(["sh", "-c", script]).out == "fast\nlocked\n"


def test_a_list_with_something_else(locked: Path, work: Path) -> None:
    """What is exact takes nothing besides."""
    lock = write_lock("pixi-v6.lock", locked, work / "pixi.lock")
    assert "leave out --spec" in refused(conda_pack("--file", lock, "--spec", "numpy", cwd=work), 2)
    other = write_lock("environment.yml", locked, work / "environment.yml")
    message = refused(conda_pack("--file", lock, "--file", other, cwd=work), 2)
    assert "is an environment by itself" in message
