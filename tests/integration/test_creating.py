"""An environment made of specs, packed, and gone: as rattler makes it, from any channel, or one sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.installer import index_channel
from demo.packages import Package, text, write_package
from tests.support.archives import index_of
from tests.support.environments import LocalChannel, rattler_install
from tests.support.foreign import PACKAGES, install_foreign, made, make_channel, packed, python_of
from tests.support.foreign import unpack as unpack_foreign
from tests.support.packs import Done, conda_pack, installation, small_specs, start, succeed, unpack
from tests.support.scripts import heed_interrupts
from tests.support.servers import serving
from tests.support.trees import diff_trees


@pytest.fixture(autouse=True)
def _own_cache(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test fetches, no other one finds."""
    (work / "home").mkdir()
    monkeypatch.setenv("HOME", str(work / "home"))
    monkeypatch.delenv("TMPDIR", raising=False)


def cache(work: Path) -> Path:
    """Where rattler keeps packages, and environments are made."""
    return work / "home" / ".cache" / "rattler" / "cache"


@pytest.fixture(scope="session")
def foreign_channel(work_root: Path) -> Path:
    """With packages for Windows and macOS."""
    folder = work_root / "channels" / "several" / "channel"
    for packages in PACKAGES.values():
        for package in packages:
            write_package(folder, package)
    write_package(folder, python_of("linux-64"))
    tool = Package("tool", platform="linux-64", depends=("python",), entries=(text("etc/tool", "tool\n"),))
    return make_channel(folder, [tool])


@pytest.fixture
def own_channel(work: Path) -> Path:
    """Of small packages: b needs a, and old-b an older one."""
    folder = work / "own"
    for version in ("1.0", "2.0"):
        write_package(folder, Package("a", version, entries=(text("share/a.txt", version),)))
    write_package(folder, Package("b", depends=("a >=2",), entries=(text("share/b.txt", "b"),)))
    write_package(folder, Package("old-b", depends=("a <2",), entries=(text("share/old-b.txt", "b"),)))
    index_channel(folder)
    return folder


def refused(done: Done, code: int) -> str:
    """The sentence of a command that failed, and left no archive."""
    assert done.code == code, done.err
    assert (done.out, "Traceback" in done.err) == ("", False)
    _, _, message = done.err.partition("conda-pack: error: ")
    return message.partition("\nTry '")[0].strip()


def left_over(work: Path) -> list[str]:
    """What is where environments are made."""
    return [path.name for path in cache(work).glob("conda-pack-*")]


def specs(*names: str) -> list[str]:
    """As options."""
    return [word for name in names for word in ("--spec", name)]


# ---------------------------------------------------------------- what it is


def test_as_rattler_makes_it(channel: LocalChannel, work: Path) -> None:
    """The archive is the one of the environment that rattler installs for these specs, to the last bit."""
    wanted = small_specs(channel)
    done = conda_pack(*specs(*wanted), "-c", channel.path.as_uri(), "-o", work / "made.tar.zst")
    assert (done.code, done.out, done.err) == (0, f"{work / 'made.tar.zst'}\n", "")
    rattler_install(channel.path, work / "env", wanted)
    of_rattler = packed(work / "env", work / "of-rattler.tar.zst")
    assert index_of(work / "made.tar.zst").identity == index_of(of_rattler).identity
    assert left_over(work) == []
    shutil.rmtree(work / "env")
    rattler_install(channel.path, work / "dest", wanted)
    expected = installation(work / "dest")
    shutil.rmtree(work / "dest")
    unpack(work / "made.tar.zst", work / "dest")
    assert diff_trees(expected, installation(work / "dest")) == ""


@pytest.mark.parametrize("subdir", PACKAGES)
def test_for_another_platform(subdir: str, foreign_channel: Path, work: Path) -> None:
    """Every file as rattler links it for that platform."""
    options = [*specs("tool", "noarch-tool"), "-c", foreign_channel.as_uri(), "--platform", subdir]
    done = conda_pack(*options, "-o", work / "made.tar.gz")
    assert (done.code, done.err) == (
        0,
        f"warning: {subdir}: 1 noarch packages have no bytecode, which only their Python can make: it "
        "does when it imports them.\n",
    )
    prefix = install_foreign(subdir, foreign_channel, work / "dest", ["tool", "noarch-tool"])
    expected = made(prefix, subdir)
    of_rattler = packed(prefix, work / "of-rattler.tar.gz")
    assert index_of(work / "made.tar.gz").identity == index_of(of_rattler).identity
    shutil.rmtree(prefix)
    unpack_foreign(work / "made.tar.gz", prefix)
    assert diff_trees(expected, made(prefix, subdir)) == ""


def test_several_platforms(foreign_channel: Path, work: Path) -> None:
    """An archive each, and packs.json, from which unpack takes its own."""
    platforms = ["linux-64", "osx-arm64", "win-64"]
    options = [word for platform in platforms for word in ("--platform", platform)]
    channel = ["-c", foreign_channel.as_uri()]
    done = conda_pack(*specs("tool"), *channel, *options, "-o", work / "x.tar.zst")
    assert (done.code, done.err) == (0, "")
    names = [work / f"x-{platform}.tar.zst" for platform in platforms]
    assert done.out.splitlines() == [str(path) for path in [*names, work / "packs.json"]]
    listing = json.loads((work / "packs.json").read_text())
    assert (listing["version"], listing["name"], list(listing["packs"])) == (1, "environment", platforms)
    for platform, path in zip(platforms, names, strict=True):
        digest = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout
        index = index_of(path)
        assert (index.content.platform, listing["packs"][platform]) == (
            platform,
            {
                "file": path.name,
                "size": path.stat().st_size,
                "sha256": digest.split()[0],
                "identity": index.identity,
            },
        )
    assert conda_pack("unpack", work / "packs.json", work / "dest").code == 0
    assert (work / "dest" / "etc" / "tool").read_text() == "tool\n"
    again = conda_pack(*specs("tool"), *channel, *options, "-o", work / "y.tar.zst")
    assert "packs.json already exists" in refused(again, 4)
    assert sorted(path.name for path in work.glob("*.tar.zst")) == sorted(path.name for path in names)


def test_packs_of_others(foreign_channel: Path, work: Path) -> None:
    """Without an archive for this machine, with a damaged one, with one elsewhere, with nonsense."""
    options = ["--platform", "osx-arm64", "--platform", "win-64", "-c", foreign_channel.as_uri()]
    succeed([sys.executable, "-m", "conda_pack", *specs("tool"), *options, "-o", work / "x.tar.gz"])
    done = conda_pack("unpack", work / "packs.json", work / "dest")
    assert "has archives for osx-arm64, win-64, and this machine is" in refused(done, 14)
    text_ = (work / "packs.json").read_text()
    (work / "packs.json").write_text(text_.replace("osx-arm64", "linux-64"))
    with open(work / "x-linux-64.tar.gz", "wb") as file:
        file.write(b"x")
    assert "is not what" in refused(conda_pack("unpack", work / "packs.json", work / "dest"), 10)
    (work / "packs.json").write_text(text_.replace("osx-arm64", "linux-64").replace('"x-', '"../x-'))
    assert "is not beside it" in refused(conda_pack("unpack", work / "packs.json", work / "dest"), 10)
    (work / "packs.json").write_text("{}")
    assert "is no packs.json" in refused(conda_pack("unpack", work / "packs.json", work / "dest"), 10)
    assert "There is no file" in refused(conda_pack("unpack", work / "none.json", work / "dest"), 1)
    assert not (work / "dest").exists()


def test_names_and_json(own_channel: Path, work: Path) -> None:
    """``-n`` names it; --json tells what became of it."""
    done = conda_pack(*specs("b"), "-c", own_channel.as_uri(), "-n", "mine", "--json", cwd=work)
    told = json.loads(done.out)
    assert [pack["path"] for pack in told["packs"]] == [str(work / "mine.tar.gz")]
    assert (told["listing"], told["warnings"], told["packs"][0]["packages"]) == (None, [], 2)
    assert conda_pack(*specs("b"), "-c", own_channel.as_uri(), cwd=work).out.endswith("/environment.tar.gz\n")


def test_dry_run(own_channel: Path, work: Path) -> None:
    """Everything is told, nothing is written."""
    done = conda_pack(*specs("b"), "-c", own_channel.as_uri(), "--dry-run", cwd=work)
    assert (done.code, "2 packages" in done.out) == (0, True), done
    told = json.loads(
        conda_pack(*specs("b"), "-c", own_channel.as_uri(), "--dry-run", "--json", cwd=work).out
    )
    assert ([preview["packages"] for preview in told["previews"]], told["packs"]) == ([2], [])
    assert list(work.glob("*.tar.gz")) == []


@pytest.mark.parametrize("suffix", ["tar", "zip", "sh"])
def test_other_formats(suffix: str, own_channel: Path, work: Path) -> None:
    """What is on top of packing knows of none."""
    assert conda_pack(*specs("b"), "-c", own_channel.as_uri(), "-o", work / f"x.{suffix}").code == 0
    unpack(work / f"x.{suffix}", work / "dest")
    assert (work / "dest" / "share" / "a.txt").read_text() == "2.0"


def test_to_standard_output_and_into_a_folder(own_channel: Path, work: Path) -> None:
    """Where nothing is staged."""
    command = [sys.executable, "-m", "conda_pack", *specs("b"), "-c", own_channel.as_uri(), "-o", "-"]
    with open(work / "x.tar.gz", "wb") as file:
        subprocess.run(command, check=True, stdout=file)
    unpack(work / "x.tar.gz", work / "dest")
    options = ["--format", "no-archive", "-o", str(work / "folder")]
    assert conda_pack(*specs("b"), "-c", own_channel.as_uri(), *options).code == 0
    for place in ("dest", "folder"):
        assert (work / place / "share" / "b.txt").read_text() == "b"


def test_the_same_bytes(own_channel: Path, work: Path) -> None:
    """Whenever and wherever it was made in between."""
    for name in ("one", "two"):
        done = conda_pack(*specs("b"), "-c", own_channel.as_uri(), "-o", work / f"{name}.tar.gz")
        assert done.code == 0
        shutil.rmtree(cache(work))
    assert (work / "one.tar.gz").read_bytes() == (work / "two.tar.gz").read_bytes()


def test_only_noarch(work: Path) -> None:
    """Packages for every platform are still packed for each that is asked for."""
    write_package(work / "channel", Package("data", noarch="generic", entries=(text("share/data", "x"),)))
    channel = make_channel(work / "channel", [])
    options = ["--platform", "linux-64", "--platform", "win-64", "-c", channel.as_uri()]
    done = conda_pack(*specs("data"), *options, "-o", work / "x.tar.gz")
    assert (done.code, done.err) == (0, "")
    assert list(json.loads((work / "packs.json").read_text())["packs"]) == ["linux-64", "win-64"]
    assert conda_pack("unpack", work / "packs.json", work / "dest").code == 0
    assert (work / "dest" / "share" / "data").read_text() == "x"


# ---------------------------------------------------------------- what cannot be


def test_all_that_is_missing(own_channel: Path, work: Path) -> None:
    """Every package that no channel has, and every version, not the first of them."""
    done = conda_pack(*specs("aa", "nothing-like-it", "a >=3"), "-c", own_channel.as_uri(), cwd=work)
    where = f"for linux-64 in {own_channel.as_uri()}"
    assert refused(done, 15).splitlines() == [
        f"There is no package aa {where}. Did you mean a?",
        f"There is no package nothing-like-it {where}.",
        f"There is no a >=3 {where}, but 2.0, 1.0.",
    ]


def test_the_solver_explains(own_channel: Path, work: Path) -> None:
    """Its own words, in its own lines."""
    message = refused(conda_pack(*specs("b", "old-b"), "-c", own_channel.as_uri(), cwd=work), 15)
    assert message.startswith("There is no solution: ")
    assert ("a <2" in message, "a >=2" in message) == (True, True)


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (["--spec", "python >>3 x"], 15, "'python >>3 x' is no match spec"),
        (["--spec", "a", "--platform", "amiga"], 2, "amiga is no platform"),
        (["--spec", "a", "--prefix", "/x"], 2, "--spec makes an environment, and --prefix is for one"),
        (["--channel", "x"], 2, "--channel is for an environment that is to be made"),
        (["--offline", "--inject", "x.whl"], 2, "--inject and --offline are for an environment"),
        (["--platform", "linux-64", "--platform", "win-64"], 2, "An environment is for one platform"),
        (
            ["--spec", "a", "--inject", "x.rpm"],
            2,
            "--inject takes .conda, .tar.bz2 and .whl files, and x.rpm",
        ),
        (["--spec", "a", "--platform", "all"], 2, "--platform all is for files that say"),
        (["--spec", "a", "--environment", "x"], 2, "--environment chooses one of a lock file's"),
        (["--spec", "a", "--name", "../x"], 2, "'../x' cannot be the name of an environment"),
        (["--spec", "a", "--map", "x"], 2, "--map takes NAME=PACKAGE"),
        (["--spec", "a", "-o", "/nowhere/x.zip"], 5, "The folder /nowhere does not exist"),
        (["--spec", "a", "--file", "nowhere.yml"], 2, "nowhere.yml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input(options: list[str], code: int, expected: str, own_channel: Path, work: Path) -> None:
    """A sentence each."""
    with_channel = [*options, "-c", own_channel.as_uri()] if "--spec" in options else options
    assert expected in refused(conda_pack(*with_channel, cwd=work), code)
    assert left_over(work) == []


def test_channels_that_are_none(work: Path, own_channel: Path) -> None:
    """No folder, no index, no server."""
    (work / "empty").mkdir()
    for place in (work / "nowhere", work / "empty"):
        done = conda_pack(*specs("a"), "-c", place.as_uri(), cwd=work)
        assert f"The channel {place.as_uri()}/ has no index of" in refused(done, 15)
    done = conda_pack(*specs("a"), "-c", "https://channel.invalid/x", cwd=work)
    assert "cannot be reached: " in refused(done, 15)
    done = conda_pack(*specs("a"), "-c", "https://channel.invalid/x", "--offline", cwd=work)
    assert "has never been fetched: go online once" in refused(done, 15)


@pytest.mark.parametrize("by", ["file", "http"])
def test_a_package_that_is_not_what_the_index_says(by: str, own_channel: Path, work: Path) -> None:
    """The sha256 of each is proved; of ``file://`` ones by us."""
    write_package(own_channel, Package("a", "2.0", entries=(text("share/a.txt", "evil"),)))
    if by == "file":
        message = refused(conda_pack(*specs("b"), "-c", own_channel.as_uri(), cwd=work), 15)
        assert "a-2.0-0.conda is not what it should be: its sha256 is" in message
    else:
        with serving(own_channel) as server:
            message = refused(conda_pack(*specs("b"), "-c", server.url, cwd=work), 15)
        assert "hash mismatch" in message
    assert (left_over(work), list(work.glob("*.tar.gz"))) == ([], [])


# ---------------------------------------------------------------- networks and caches


def test_offline_after_once_online(own_channel: Path, work: Path) -> None:
    """What was fetched is used; what was not is named."""
    with serving(own_channel) as server:
        online = ["-c", server.url]
        assert conda_pack(*specs("a"), *online, "-o", work / "a.tar.gz").code == 0
        assert server.packages == ["a-2.0-0.conda"]
        server.asked.clear()
        assert conda_pack(*specs("a"), *online, "--offline", "-o", work / "again.tar.gz").code == 0
        assert server.asked == []
        done = conda_pack(*specs("b"), *online, "--offline", "-o", work / "b.tar.gz")
        assert refused(done, 15) == (
            "b-1.0-0.conda is in no package cache: go online once, or leave out --offline."
        )
    assert (work / "a.tar.gz").read_bytes() == (work / "again.tar.gz").read_bytes()


def test_the_cache_of_conda(own_channel: Path, work: Path) -> None:
    """Package files that conda has are not fetched again, if they are what they should be."""
    (work / "home" / "pkgs").mkdir()
    for name in ("a-2.0-0.conda", "b-1.0-0.conda"):
        shutil.copy(next(own_channel.glob(f"*/{name}")), work / "home" / "pkgs")
    (work / "home" / "pkgs" / "b-1.0-0.conda").write_bytes(b"something else")
    (work / "home" / ".condarc").write_text("pkgs_dirs: [~/pkgs]\n")
    with serving(own_channel) as server:
        assert conda_pack(*specs("b"), "-c", server.url, "-o", work / "x.tar.gz").code == 0
        assert server.packages == ["b-1.0-0.conda"]
        url = server.url
    unpack(work / "x.tar.gz", work / "dest")
    record = json.loads((work / "dest" / "conda-meta" / "a-2.0-0.json").read_text())
    assert record["url"].startswith(f"{url}/")
    assert (work / "dest" / "share" / "a.txt").read_text() == "2.0"


def test_settings_of_conda(own_channel: Path, work: Path) -> None:
    """Names of channels mean what .condarc says; no channel means those that it has."""
    with serving(own_channel.parent) as server:
        (work / "home" / ".condarc").write_text(
            f"channels: [ours]\ncustom_channels: {{ours: {server.url}}}\n"
            f"channel_alias: {server.url}/\ncustom_multichannels: {{every: [ours]}}\n"
        )
        shutil.copytree(own_channel, work / "ours")
        for number, options in enumerate([[], ["-c", "ours"], ["-c", "own"], ["-c", "every"]]):
            done = conda_pack(*specs("b"), *options, "-o", work / f"{number}.tar.gz")
            assert (done.code, done.err) == (0, "")


def settings_of_pixi(work: Path, settings: str) -> None:
    """As the user has them."""
    folder = work / "home" / ".config" / "pixi"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(settings)


def test_mirrors_of_pixi(own_channel: Path, work: Path) -> None:
    """Its settings are rattler's: a mirror is asked instead; its channels are those without others."""
    with serving(own_channel) as server:
        channel = "https://channel.invalid/ours"
        settings_of_pixi(
            work, f'default-channels = ["{channel}"]\n[mirrors]\n"{channel}" = ["{server.url}"]\n'
        )
        assert conda_pack(*specs("b"), "-c", channel, "-o", work / "x.tar.gz").code == 0
        assert conda_pack(*specs("b"), "-o", work / "y.tar.gz").code == 0
    unpack(work / "y.tar.gz", work / "dest")
    record = json.loads((work / "dest" / "conda-meta" / "a-2.0-0.json").read_text())
    assert record["channel"].rstrip("/") == channel


def test_credentials_of_pixi(own_channel: Path, work: Path) -> None:
    """The file of credentials that its settings name; without, it is said what is missing."""
    with serving(own_channel, credentials="me:secret") as server:
        done = conda_pack(*specs("b"), "-c", server.url, cwd=work)
        assert "wants other credentials than it was given: log in" in refused(done, 15)
        login = {"127.0.0.1": {"BasicHTTP": {"username": "me", "password": "secret"}}}
        (work / "auth.json").write_text(json.dumps(login))
        settings_of_pixi(work, f'authentication-override-file = "{work / "auth.json"}"\n')
        done = conda_pack(*specs("b"), "-c", server.url, "-o", work / "x.tar.gz")
        assert (done.code, done.err) == (0, "")
        with_secret = server.url.replace("://", "://me:secret@")
        done = conda_pack(*specs("b"), "-c", with_secret, "-o", work / "y.tar.gz")
        assert (done.code, done.err) == (0, "")
        unpack(work / "y.tar.gz", work / "dest")
        assert "secret" not in "".join(
            path.read_text() for path in (work / "dest" / "conda-meta").rglob("*.json")
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: int, own_channel: Path, work: Path) -> None:
    """While packages are fetched: nothing of it is left, and no process goes on."""
    with serving(own_channel, delay=30) as server:
        command = [sys.executable, "-m", "conda_pack", *specs("b"), "-c", server.url]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=work,
            preexec_fn=heed_interrupts,  # noqa: PLW1509
        )
        deadline = time.monotonic() + 60
        while not server.packages and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
        assert time.monotonic() - began < 25
    assert (process.returncode, "Traceback" in told) == (130 if number == signal.SIGINT else 143, False)
    assert (left_over(work), list(work.glob("*.tar.gz")), list(work.glob(".*"))) == ([], [], [])
    helpers = start(["pgrep", "-f", str(work)])
    assert helpers.out == ""


# ---------------------------------------------------------------- injected, and not made


def injected(work: Path, package: Package) -> Path:
    """A package file outside of any channel."""
    return write_package(work / "loose", package)


def test_inject(own_channel: Path, work: Path) -> None:
    """A new package, and one in the place of one that was solved."""
    extra = injected(work, Package("extra", depends=("a",), entries=(text("share/extra.txt", "extra"),)))
    newer = injected(work, Package("a", "2.5", entries=(text("share/a.txt", "newer"),)))
    options = ["-c", own_channel.as_uri(), "--inject", str(extra), "--inject", str(newer)]
    assert conda_pack(*specs("b"), *options, "-o", work / "x.tar.gz").code == 0
    unpack(work / "x.tar.gz", work / "dest")
    found = {path.name: path.read_text() for path in (work / "dest" / "share").iterdir()}
    assert found == {"a.txt": "newer", "b.txt": "b", "extra.txt": "extra"}


def test_inject_what_does_not_fit(own_channel: Path, work: Path) -> None:
    """Every dependency and constraint that would not hold."""
    wrong = injected(
        work,
        Package("wrong", depends=("a <2", "zzz"), index={"constrains": ["b >=7"]}),
    )
    other = injected(work, Package("other", platform="win-64"))
    older = injected(work, Package("a", "1.5"))
    options = ["-c", own_channel.as_uri(), "--inject", str(wrong), "--inject", str(other)]
    assert refused(conda_pack(*specs("b"), *options, cwd=work), 15).splitlines() == [
        "other-1.0-0.conda is for win-64, and the environment is for linux-64.",
        "wrong-1.0-0.conda needs a <2, and the environment has a 2.0 0.",
        "wrong-1.0-0.conda needs zzz, and the environment has no zzz.",
        "wrong-1.0-0.conda allows only b >=7, and the environment has b 1.0 0.",
    ]
    done = conda_pack(*specs("b"), "-c", own_channel.as_uri(), "--inject", older, cwd=work)
    assert refused(done, 15) == "b-1.0-0.conda needs a >=2, and the environment has a 1.5 0."
    (work / "x.conda").write_text("not one")
    done = conda_pack(*specs("b"), "-c", own_channel.as_uri(), "--inject", work / "x.conda", cwd=work)
    assert "x.conda is no conda package" in refused(done, 15)


def test_scripts_that_did_not_run(work: Path) -> None:
    """Those after linking are named, on every platform, unless the user's settings have them run."""
    script = "#!/bin/sh\necho linked > $PREFIX/linked.txt\n"
    noisy = Package("noisy", entries=(text("bin/.noisy-post-link.sh", script, 0o755),))
    channel = make_channel(work / "channel", [noisy])
    done = conda_pack(*specs("noisy"), "-c", channel.as_uri(), "-o", work / "x.tar.gz")
    assert done.code == 0
    assert done.err == (
        "warning: linux-64: the post-link scripts of noisy were not run; what they would have set up is "
        "missing.\n"
    )
    settings_of_pixi(work, 'run-post-link-scripts = "insecure"\n')
    done = conda_pack(*specs("noisy"), "-c", channel.as_uri(), "-o", work / "y.tar.gz")
    assert (done.code, done.err) == (0, "")
    unpack(work / "y.tar.gz", work / "dest")
    assert (work / "dest" / "linked.txt").read_text() == "linked\n"


def test_a_python_without_rattler(own_channel: Path, work: Path) -> None:
    """What to install is said."""
    hidden = work / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'rattler' else find(name)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(hidden)}
    command = [sys.executable, "-m", "conda_pack", *specs("b"), "-c", own_channel.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=work, check=False)
    assert (done.returncode, "pip install 'conda-pack[create]'" in done.stderr) == (13, True), done.stderr
