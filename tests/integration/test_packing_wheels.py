"""Wheels in an environment that is made to be packed: of pip's part, and injected."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.environments import LocalChannel
from tests.support.packs import Done, conda_pack, start, succeed, unpack
from tests.support.wheels import write_wheel


@pytest.fixture(autouse=True)
def _own_home(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "home").mkdir()
    monkeypatch.setenv("HOME", str(work / "home"))
    monkeypatch.delenv("TMPDIR", raising=False)


@pytest.fixture
def wheels(work: Path) -> Path:
    """app needs lib; lib has two versions; odd needs what there is not."""
    folder = work / "wheels"
    write_wheel(folder, "lib", "1.0", {"lib.py": "NAME = 'old'\n"})
    write_wheel(folder, "lib", "2.0", {"lib.py": "NAME = 'new'\n"})
    write_wheel(
        folder,
        "app",
        "1.0",
        {"app.py": "import lib\ndef main():\n    print(lib.NAME)\n"},
        {"app": "app:main"},
        metadata=("Requires-Dist: lib<2",),
    )
    needs = ("Requires-Dist: nowhere>=3", "Requires-Dist: lib>=9")
    write_wheel(folder, "odd", "1.0", {"odd.py": ""}, metadata=needs)
    return folder


def environment_yml(work: Path, channel: LocalChannel, *requirements: str) -> Path:
    """With a Python of the channel and what pip is to bring."""
    lines = "".join(f"      - {line}\n" for line in requirements)
    path = work / "environment.yml"
    path.write_text(
        f"name: app\nchannels:\n  - {channel.path.as_uri()}\ndependencies:\n  - python\n  - pip:\n{lines}"
    )
    return path


def refused(done: Done) -> str:
    """The sentence of a command that failed."""
    assert (done.code, done.out, "Traceback" in done.err) == (15, "", False), done.err
    return done.err.partition("conda-pack: error: ")[2].strip()


def test_pips_part(channel: LocalChannel, wheels: Path, work: Path) -> None:
    """pip resolves it, and the command runs where the archive is unpacked."""
    if channel.name != "shared":
        pytest.skip("NO SHARED CHANNEL, pip's part is not packed: the other channel has no pip!")
    path = environment_yml(work, channel, f"--find-links {wheels}", "--no-index", "app")
    done = conda_pack("--file", path, cwd=work)
    assert (done.code, done.out, done.err) == (0, f"{work / 'app.tar.gz'}\n", "")
    unpack(work / "app.tar.gz", work / "dest")
    assert succeed([work / "dest" / "bin" / "app"]).out == "old\n"
    assert start([work / "dest" / "bin" / "python", "-m", "pip", "check"]).code == 0


def test_a_hash_that_is_another(channel: LocalChannel, wheels: Path, work: Path) -> None:
    """Those of a requirements file count."""
    if channel.name != "shared":
        pytest.skip("NO SHARED CHANNEL, pip's part is not packed: the other channel has no pip!")
    (wheel,) = wheels.glob("lib-1.0-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for expected, code in ((digest, 0), ("0" * 64, 15)):
        (work / "requirements.txt").write_text(
            f"--find-links {wheels}\n--no-index\nlib==1.0 --hash=sha256:{expected}\n"
        )
        path = environment_yml(work, channel, "-r requirements.txt")
        done = conda_pack("--file", path, "-f", cwd=work)
        assert done.code == code, done.err
    assert "lib" in refused(done)


def test_inject(channel: LocalChannel, wheels: Path, work: Path) -> None:
    """Wheels that fit each other; a spec says what conda brings."""
    own = [word for name in ("app-1.0", "lib-1.0") for word in ("--inject", next(wheels.glob(f"{name}-*")))]
    done = conda_pack("--spec", "python", "-c", channel.path.as_uri(), *own, "-o", work / "x.tar.gz")
    assert (done.code, done.err) == (0, "")
    unpack(work / "x.tar.gz", work / "dest")
    assert succeed([work / "dest" / "bin" / "app"]).out == "old\n"


def test_inject_what_does_not_fit(channel: LocalChannel, wheels: Path, work: Path) -> None:
    """All that is missing, of all wheels."""
    own = [
        word
        for name in ("app-1.0", "lib-2.0", "odd")
        for word in ("--inject", next(wheels.glob(f"{name}-*")))
    ]
    done = conda_pack("--spec", "python", "-c", channel.path.as_uri(), *own, "-o", work / "x.tar.gz")
    message = refused(done)
    assert [word for word in ("lib<2", "nowhere>=3", "lib>=9") if word in message] == [
        "lib<2",
        "nowhere>=3",
        "lib>=9",
    ]
    assert not (work / "x.tar.gz").exists()


def test_pip_cannot(channel: LocalChannel, wheels: Path, work: Path) -> None:
    """What no wheel is there for is named."""
    if channel.name != "shared":
        pytest.skip("NO SHARED CHANNEL, pip's part is not packed: the other channel has no pip!")
    path = environment_yml(work, channel, f"--find-links {wheels}", "--no-index", "missing-project>=2")
    assert "missing-project" in refused(conda_pack("--file", path, cwd=work))


def test_a_wheel_where_there_is_no_python(channel: LocalChannel, wheels: Path, work: Path) -> None:
    """It is said, and what to do."""
    spec = "cplace" if channel.name == "shared" else "demo-tool"
    wheel = next(wheels.glob("lib-1.0-*"))
    options = ["-c", channel.path.as_uri(), "--inject", str(wheel)]
    done = conda_pack("--spec", spec, *options, "-o", work / "x.tar.gz")
    if channel.name == "shared":
        assert "has no Python to put wheels in" in refused(done)
