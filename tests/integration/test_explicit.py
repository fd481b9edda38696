"""``conda-pack explicit``: from what it prints, real installers make the same environment again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from rattler import Channel, Gateway, MatchSpec, RepoDataRecord, Subdir, VirtualPackage, install, solve
from rattler.channel import ChannelPriority
from rattler.explicit_environment import ExplicitEnvironmentSpec

from conda_pack.sources.exports.inventory import Inventory
from demo.commands import run
from demo.installer import index_channel
from demo.packages import Package, native_subdir, text, write_package
from tests.support.archives import index_of, noise, write_environment
from tests.support.channels import LocalChannel
from tests.support.environments import RealConda, rattler_install
from tests.support.foreign import Install, make_channel, python_of
from tests.support.packs import conda_pack, pack, small_specs, succeed, unpack
from tests.support.wheels import pip, write_project, write_wheel

FORMATS = ("tar.zst", "tar.gz", "tar", "zip", "sh")
SLOW = ("tar.bz2", "tar.xz")
LOCAL = "from this machine's own files (file://), which others lack.\n"


def explicit(where: Path, *options: str) -> str:
    """What the command prints."""
    done = conda_pack("explicit", where, *options)
    assert (0, done) == (done.code, done), done.err
    return done.out


def entries(listed: str) -> list[str]:
    """The lines of a list that are not comments."""
    lines = listed.splitlines()
    return [line for line in lines[lines.index("@EXPLICIT") + 1 :] if not line.startswith("#")]


def packages_of(prefix: Path) -> set[tuple[str, ...]]:
    """The packages that are installed, down to the bytes that they came in."""
    found = [json.loads(path.read_text()) for path in prefix.glob("conda-meta/*.json")]
    return {tuple(str(each.get(key)) for key in ("name", "version", "build", "url", "md5")) for each in found}


# ------------------------------------------------------------- something to be told


@pytest.fixture(scope="session")
def wheels(work_root: Path) -> Path:
    """What stands for an index: a folder of wheels."""
    folder = work_root / "explicit" / "wheels"
    for version in ("1.0", "2.0"):
        write_wheel(folder, "found-there", version, {"found_there.py": f"version = {version!r}\n"})
    return folder


@pytest.fixture(scope="session")
def told(work_root: Path, channel: LocalChannel, wheels: Path) -> Path:
    """An environment with projects of every origin, and variables; only to be read."""
    work = work_root / "explicit"
    prefix = work / "envs" / "told"
    rattler_install(channel.path, prefix, _with_pip(channel))
    direct = write_wheel(work / "direct", "given", "1.0", {"given.py": ""})
    cloned = write_project(work / "cloned", "cloned")
    _git(cloned, "init", "--quiet")
    _git(cloned, "add", ".")
    _git(cloned, "commit", "--quiet", "-m", "first")
    pip(prefix, "install", "--find-links", wheels, "found-there==1.0")
    pip(prefix, "install", direct, f"git+{cloned.as_uri()}")
    pip(prefix, "install", "-e", write_project(work / "my tool", "tool"))
    # that it is found among and behind files of every length
    site = next(prefix.glob("lib/python3.*/site-packages"))
    large = site / "a large one"
    large.mkdir()
    (large / "data").write_bytes(noise(9 << 20, 1))
    (large / ("n" * 120 + " naïve ☃")).write_bytes(b"")
    (large / "link").symlink_to("../" + "d" * 150)
    (prefix / "conda-meta/state").write_text(
        '{"version": 1, "env_vars": {"Z": "a \\"b\\"", "N": 5, "GONE": "***unset***"}}'
    )
    return prefix


def _with_pip(channel: LocalChannel) -> tuple[str, ...]:
    return (*small_specs(channel), *(["pip"] if "pip" in channel.specs else []))


def _git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=me", "-c", "user.email=me@host", "-c", "safe.directory=*")
    return succeed(["git", *own, *arguments], cwd=folder).out.strip()


def test_what_is_told(told: Path, work_root: Path, channel: LocalChannel) -> None:
    """Of each project what brings it back, and what cannot be brought back."""
    work = work_root / "explicit"
    commit = _git(work / "cloned", "rev-parse", "HEAD")
    done = conda_pack("explicit", told, "--yaml")
    found = yaml.safe_load(done.out)
    digest = explicit(told).split("given @ ")[1].split("\n")[0].partition("#sha256=")[2]
    wheel = work / "direct/given-1.0-py3-none-any.whl"
    assert digest == succeed(["sha256sum", wheel]).out.split()[0]
    required = [
        f"cloned @ git+{(work / 'cloned').as_uri()}@{commit}",
        "found-there==1.0",
        f"given @ {wheel.as_uri()}#sha256={digest}",
    ]
    assert required == found["dependencies"][-1]["pip"]
    assert found["channels"] == [channel.path.as_uri()]
    assert found["variables"] == {"N": "5", "Z": 'a "b"'}
    count = len(found["dependencies"]) - 1
    assert done.err == (
        f"warning: {count} packages came {LOCAL}"
        "warning: pip will look in the same place on another machine for what it installed from files: "
        f"1 project.\n      {required[2]}\n"
        "warning: Left out, because the code of editable installs is on this machine only: 1 project.\n"
        f"      tool ({work}/my tool)\n"
    )
    comments = [f"# pip {requirement}" for requirement in required]
    assert explicit(told).splitlines()[4 + count :] == [*comments, f"# editable: tool ({work}/my tool)"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_archive_tells_the_same(suffix: str, told: Path, work: Path) -> None:
    """As the environment that was packed, in all forms, and with the same warnings."""
    archive = work / f"told.{suffix}"
    pack(told, archive, "--ignore-editable-packages")
    for options in ([], ["--sha256"], ["--yaml"], ["--json"]):
        done = conda_pack("explicit", told, *options)
        assert (0, done) == (done.code, done)
        assert done == conda_pack("explicit", archive, *options)


@pytest.mark.parametrize("suffix", SLOW)
def test_an_archive_of_a_slow_format(suffix: str, work: Path) -> None:
    """The same of a small one."""
    write_environment(work / "env", {"conda-meta/state": b'{"env_vars": {"A": "b"}}'})
    pack(work / "env", work / f"env.{suffix}")
    assert "A" in yaml.safe_load(explicit(work / f"env.{suffix}", "--yaml"))["variables"]
    assert explicit(work / "env", "--json") == explicit(work / f"env.{suffix}", "--json")


def test_an_unpacked_environment_tells_the_same(told: Path, work: Path) -> None:
    """Wherever it is."""
    pack(told, work / "told.tar", "--ignore-editable-packages")
    unpack(work / "told.tar", work / "unpacked")
    for options in ([], ["--yaml"], ["--json"]):
        assert conda_pack("explicit", told, *options) == conda_pack("explicit", work / "unpacked", *options)


def test_an_archive_in_a_folder(told: Path, work: Path) -> None:
    """Its paths begin with the folder's."""
    for suffix in ("tar.zst", "zip"):
        pack(told, work / f"told.{suffix}", "--ignore-editable-packages", "--arcroot", "a/folder")
        assert explicit(told) == explicit(work / f"told.{suffix}")


def test_for_programs(told: Path) -> None:
    """All that there is, in the documented form."""
    found = msgspec.json.decode(explicit(told, "--json"), type=Inventory)
    urls = [line.partition("#")[0] for line in entries(explicit(told))]
    assert urls == [package.url for package in found.packages]
    records = [json.loads(path.read_text()) for path in told.glob("conda-meta/*.json")]
    expected = {(each["name"], each["md5"], each["sha256"], tuple(each["depends"])) for each in records}
    assert expected == {(each.name, each.md5, each.sha256, tuple(each.depends)) for each in found.packages}
    names = [project.name for project in found.pip]
    assert (native_subdir(), names) == (found.platform, ["cloned", "found-there", "given", "tool"])


def test_by_name_and_active(told: Path) -> None:
    """As everywhere; a name that is given goes into the file."""
    environ = {"HOME": os.environ["HOME"], "CONDA_ENVS_PATH": str(told.parent), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "conda_pack", "explicit"]
    named = succeed([*command, "-n", "told", "--yaml"], environ=environ)
    assert named.out == "name: told\n" + explicit(told, "--yaml")
    active = succeed(command, environ={**environ, "CONDA_PREFIX": str(told)})
    assert active.out == explicit(told)


def test_conda_and_pip_on_the_same_project(
    channel: LocalChannel, rattler_env: Callable[..., Path], work: Path
) -> None:
    """What pip has put in the place of a package is pip's, in the same version too; the rest is conda's."""
    prefix = rattler_env(*_with_pip(channel))
    name, module = channel.noarch_package, channel.noarch_package.replace("-", "_")
    assert "pip" not in yaml.safe_load(explicit(prefix, "--yaml"))["dependencies"][-1]
    info = next(prefix.glob(f"{channel.site_packages}/{module}-*.dist-info"), None)
    if info is None or not (info / "RECORD").exists():
        pytest.skip("pip cannot remove a package without RECORD")
    version = info.name.removesuffix(".dist-info").rpartition("-")[2]
    wheel = write_wheel(work / "wheels", name, version, {f"{module}/__init__.py": ""})
    pip(prefix, "install", "--force-reinstall", "--no-deps", "--no-index", "--find-links", wheel.parent, name)
    found = yaml.safe_load(explicit(prefix, "--yaml"))["dependencies"][-1]
    assert found == {"pip": [f"{name}=={version}"]}
    for suffix in ("tar.zst", "zip"):
        conda_pack("-q", "-p", prefix, "-o", work / f"x.{suffix}", "--ignore-missing-files")
        assert explicit(work / f"x.{suffix}", "--yaml") == explicit(prefix, "--yaml")


def test_projects_of_every_age(work: Path) -> None:
    """What says so in whatever form; and what a package brought without saying who installed it."""
    site = "lib/python3.11/site-packages"
    packaged = Package("lib", entries=(text(f"{site}/lib-1.0.dist-info/METADATA", "Name: lib\n"),))
    make_channel(work / "channel", (python_of(native_subdir(), text("share/python", "")), packaged))
    rattler_install(work / "channel", work / "env", ["lib", "python"])
    for name in ("b-1.0.dist-info", "A.b_c-0.5-py3.11.egg-info", "egg-2.0-py3.11.egg", "~gone-1.0.dist-info"):
        (work / "env" / site / name).mkdir()
        (work / "env" / site / name / "file").write_text("")
    (work / "env" / site / "distutils-3.0.egg-info").write_text("")
    (work / "env" / site / "no project-1.0.dist-info").write_text("")
    (work / "env" / site / "linked.egg-link").write_text("/home/me/linked\n.")
    pack(work / "env", work / "env.tar", "--ignore-editable-packages")
    comments = ["# pip a-b-c==0.5", "# pip b==1.0", "# pip distutils==3.0", "# pip egg==2.0"]
    expected = [*comments, "# editable: linked (/home/me/linked)"]
    assert expected == explicit(work / "env").splitlines()[6:]
    assert explicit(work / "env") == explicit(work / "env.tar")


# ----------------------------------------------------------- what other tools make of it


def test_the_list_is_condas(conda: RealConda, told: Path) -> None:
    """Line by line what conda lists, but for the order of what does not depend on each other."""
    listed = conda.run("list", "--explicit", "--md5", "-p", told)
    ours = explicit(told)
    assert sorted(listed.splitlines()) == sorted(
        line for line in ours.splitlines() if not line.startswith(("# pip", "# editable"))
    )
    assert ours.splitlines()[:4] == listed.splitlines()[:4]


def test_conda_makes_it_again(conda: RealConda, told: Path, work: Path) -> None:
    (work / "list.txt").write_text(explicit(told))
    conda.run("create", "--yes", "--quiet", "--offline", "-p", work / "again", "--file", work / "list.txt")
    assert packages_of(told) == packages_of(work / "again")
    assert entries(explicit(told)) == entries(explicit(work / "again"))


def test_conda_makes_it_of_the_yaml(
    conda: RealConda, told: Path, channel: LocalChannel, wheels: Path, work: Path
) -> None:
    """With all that pip had installed, and the variables; the newer version there is not taken."""
    if "pip" not in channel.specs:
        pytest.skip("the channel has no pip")
    (work / "environment.yml").write_text(explicit(told, "--yaml"))
    settings = {
        "CONDA_OFFLINE": "true",
        "CONDA_SOLVER": "classic",
        "CONDA_CHANNELS": channel.path.as_uri(),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_ROOT_USER_ACTION": "ignore",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    place, file = work / "again", work / "environment.yml"
    command: list[str | Path] = [
        conda.python,
        "-m",
        "conda",
        "env",
        "create",
        "--quiet",
        "-p",
        place,
        "-f",
        file,
    ]
    run(command, conda.environ | settings, cwd=work)
    assert packages_of(told) == packages_of(work / "again")
    without_editable = "".join(
        line for line in explicit(told, "--yaml").splitlines(True) if not line.startswith("# editable")
    )
    assert without_editable == explicit(work / "again", "--yaml")


def rattler_again(prefix: Path, specs: Sequence[MatchSpec], channels: Sequence[str], home: Path) -> None:
    """Solve as pixi does, with strict priority of channels, and install."""

    async def make() -> None:
        records: list[RepoDataRecord] = await solve(
            sources=[Channel(url) for url in channels],
            specs=specs,
            gateway=Gateway(cache_dir=home / "repodata"),
            platforms=[Subdir(native_subdir()), Subdir("noarch")],
            virtual_packages=VirtualPackage.detect(),
            channel_priority=ChannelPriority.Strict,
        )
        await install(records, prefix, cache_dir=home / "packages", show_progress=False)

    asyncio.run(make())


def names_of(prefix: Path) -> set[tuple[str, ...]]:
    """As ``packages_of``, without the digest: rattler records none of what has its own URL."""
    return {each[:-1] for each in packages_of(prefix)}


@pytest.mark.parametrize("options", [[], ["--sha256"]])
def test_rattler_makes_it_again(options: list[str], told: Path, work: Path) -> None:
    """It reads the list, and gets the same files."""
    ours = explicit(told, *options)
    read = ExplicitEnvironmentSpec.from_str(ours)
    assert entries(ours) == [entry.url for entry in read.packages]
    assert native_subdir() == str(read.platform)
    rattler_again(work / "again", [MatchSpec(entry.url) for entry in read.packages], [], work)
    assert names_of(told) == names_of(work / "again")


def test_rattler_makes_it_of_the_yaml(told: Path, work: Path) -> None:
    found = yaml.safe_load(explicit(told, "--yaml"))
    specs = [MatchSpec(spec) for spec in found["dependencies"] if isinstance(spec, str)]
    rattler_again(work / "again", specs, found["channels"], work)
    assert packages_of(told) == packages_of(work / "again")


@pytest.fixture
def two_channels(work: Path) -> Path:
    """An environment from two channels that have packages of the same names, and builds of the same."""
    for number, folder in enumerate(("one", "two")):
        for name, version in (("same", "1.0"), ("both", f"1.{number}"), (f"only-{number}", "1.0")):
            package = Package(name, version, entries=(text(f"share/{name}", f"of {folder}\n"),))
            write_package(work / folder, package)
        index_channel(work / folder)
    rattler_install(work / "two", work / "env", ["same", "both"], work / "cache")
    rattler_install(work / "one", work / "other", ["only-0"], work / "cache")
    shutil.copytree(work / "other", work / "env", dirs_exist_ok=True)
    return work / "env"


@pytest.mark.parametrize("first", ["one", "two"])
def test_two_channels(first: str, conda: RealConda, two_channels: Path, work: Path) -> None:
    """Each package comes from its own, whichever channel is the first.

    With flexible priority, which is conda's default; strictly, conda's classic solver looks at nothing but
    the first channel that has a name. rattler does not, if a spec says otherwise.
    """
    found = yaml.safe_load(explicit(two_channels, "--yaml"))
    channels = [(work / "two").as_uri(), (work / "one").as_uri()]
    assert channels == found["channels"]
    channels.sort(key=lambda channel: not channel.endswith(first))
    (work / "environment.yml").write_text(yaml.safe_dump({**found, "channels": channels}))
    own = {"CONDA_OFFLINE": "true", "CONDA_SOLVER": "classic", "CONDA_CHANNELS": channels[0]}
    fresh = replace(conda, home=work / "conda-home")  # a package cache knows packages by their digests
    fresh.home.mkdir()
    place, file = work / "by-conda", work / "environment.yml"
    command: list[str | Path] = [
        conda.python,
        "-m",
        "conda",
        "env",
        "create",
        "--quiet",
        "-p",
        place,
        "-f",
        file,
    ]
    run(command, fresh.environ | own, cwd=work)
    assert packages_of(two_channels) == packages_of(work / "by-conda")
    specs = [MatchSpec(spec) for spec in found["dependencies"]]
    rattler_again(work / "by-rattler", specs, channels, work / "home")
    assert packages_of(two_channels) == packages_of(work / "by-rattler")


@pytest.mark.parametrize("subdir", ["win-64", "osx-arm64"])
def test_other_platforms(subdir: str, foreign: Install, work: Path) -> None:
    """The list is for the platform of the environment, not of this machine."""
    prefix = foreign(subdir, work / "env")
    site = "Lib/site-packages" if subdir == "win-64" else "lib/python3.11/site-packages"
    info = prefix / site / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "INSTALLER").write_text("pip\n")
    pack(prefix, work / "env.zip")
    listed = explicit(work / "env.zip")
    assert f"# platform: {subdir}" in listed.splitlines()
    assert listed.splitlines()[-1] == "# pip mine==1.0"
    assert explicit(prefix) == listed


# ------------------------------------------------------------------- what goes wrong


def refused(code: int, *arguments: str | Path) -> str:
    """The one sentence."""
    done = conda_pack("explicit", *arguments)
    assert (code, "", 1) == (done.code, done.out, done.err.count("error:")), done
    return done.err.removeprefix("conda-pack: error: ").splitlines()[0]


def test_there_is_nothing(work: Path, tmp_path: Path) -> None:
    (work / "folder").mkdir()
    (work / "text").write_text("no archive\n")
    os.mkfifo(work / "pipe")
    assert refused(3, work / "no").startswith(f"There is neither an archive nor an environment at {work}/no.")
    assert "it has no conda-meta folder" in refused(3, work / "folder")
    assert refused(10, work / "text").startswith(f"{work}/text: The archive has no conda-pack index")
    assert refused(2, work / "pipe").startswith(f"{work}/pipe is no file")
    assert "a pipe does not allow" in refused(2, "-")
    assert "given twice" in refused(2, work / "text", "-n", "x")
    assert "--md5 and --sha256 are for the list" in refused(2, work / "text", "--md5", "--yaml")
    (tmp_path / "image.squashfs").write_bytes(b"hsqs" + bytes(100))
    assert "mount it, and give the folder" in refused(2, tmp_path / "image.squashfs")
    failed = conda_pack("explicit", work / "no", "--json")
    assert json.loads(failed.out)["error"] == "EnvironmentNotFound"


def test_archives_of_others(work: Path) -> None:
    """Not a word of what is in them is believed."""
    (work / "file").write_text("x")
    subprocess.run(["tar", "-czf", work / "x.tar.gz", "-C", work, "file"], check=True)
    with zipfile.ZipFile(work / "x.zip", "w") as archive:
        archive.write(work / "file", "file")
    assert "this conda-pack did not make it" in refused(10, work / "x.tar.gz")
    assert "not made by this conda-pack" in refused(10, work / "x.zip")


def test_a_cut_archive(told: Path, work: Path) -> None:
    for suffix in ("tar.zst", "zip"):
        archive = work / f"told.{suffix}"
        pack(told, archive, "--ignore-editable-packages")
        os.truncate(archive, archive.stat().st_size - 700)
        assert refused(10, archive).startswith(f"{archive}: The archive")


def test_other_bytes_where_a_file_was(told: Path, work: Path) -> None:
    """What is read of an archive is proved: its segment, and the file."""
    archive = work / "told.tar"
    pack(told, archive, "--ignore-editable-packages")
    data = archive.read_bytes()
    assert data.count(b'"vcs": "git"') == 1
    archive.write_bytes(data.replace(b'"vcs": "git"', b'"vcs": "bad"'))
    assert "is not what it was when it was written" in refused(10, archive)
    assert index_of(archive).content.platform == native_subdir()
    archive = work / "told.zip"
    pack(told, archive, "--ignore-editable-packages", "--compress-level", "0")
    rewrite(archive, b'"vcs": "git"', b'"vcs": "bad"')
    assert "direct_url.json is not what its index says" in refused(10, archive)


def rewrite(archive: Path, old: bytes, new: bytes) -> None:
    """Put other bytes into a zip, whose checksums are right all the same."""
    with zipfile.ZipFile(archive) as before:
        members = [(entry, before.read(entry)) for entry in before.infolist()]
    with zipfile.ZipFile(archive, "w") as after:
        for entry, data in members:
            after.writestr(entry, data.replace(old, new))


def test_variables_that_are_damaged(told: Path, work: Path) -> None:
    shutil.copytree(told / "conda-meta", work / "env" / "conda-meta")
    (work / "env/conda-meta/state").write_text("{")
    assert "conda-meta/state cannot be understood" in refused(7, work / "env")


def test_records_that_tell_little(told: Path, work: Path) -> None:
    """Warnings name them; what can be listed is."""
    shutil.copytree(told / "conda-meta", work / "env" / "conda-meta")

    def edit(name: str, **facts: Any) -> str:
        path = next((work / "env/conda-meta").glob(f"{name}-*.json"))
        document = {**json.loads(path.read_text()), **facts}
        path.write_text(json.dumps(document))
        return f"{document['name']}-{document['version']}-{document['build']}"

    names = (json.loads(path.read_text())["name"] for path in (told / "conda-meta").glob("*.json"))
    first, second = sorted(names)[:2]
    lost = edit(first, url="", channel="<unknown>", md5=None)
    edit(second, url=f"https://me:secret@host/t/secret/c/noarch/{edit(second)}.conda")
    done = conda_pack("explicit", work / "env")
    assert f"# no URL for: {lost}\n" in done.out
    assert f"Left out: no URL is recorded of 1 package.\n      {lost}\n" in done.err
    assert f"https://host/c/noarch/{edit(second)}.conda#" in done.out
    assert f"of the URL of 1 package.\n      {second}" in done.err
    assert "secret" not in done.out + done.err
