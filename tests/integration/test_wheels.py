"""Wheels in real environments: as pip puts them there, for every platform; nothing else changed."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from conda_pack.errors import SourceProblem
from conda_pack.runtime.windows import launcher_line
from conda_pack.sources.wheels import Chosen, Target, check, install, read_installed, read_target
from tests.support.archives import Silent
from tests.support.channels import LocalChannel
from tests.support.environments import MakeEnvironment, diff_trees, rattler_install, tree
from tests.support.foreign import Install, packed, unpack
from tests.support.packs import BARE, Done, path_of_length, small_specs, start, untar_and_relocate
from tests.support.packs import pack as pack_env
from tests.support.wheels import pip, write_wheel

TELLS = "import sys\n\ndef main():\n    print('tells', *sys.argv[1:])\n"
SKIPPED = ("*.pyc", "*__pycache__")


@pytest.fixture(scope="session")
def rich(work_root: Path) -> Path:
    """The wheel of a project with a file for every place that there is."""
    files = {
        "rich_one/__init__.py": TELLS,
        "rich_one/tool.sh": "#!/bin/sh\necho tool\n",
        "rich_one/naïve ☃.txt": "text\n",
        "rich_one-1.0.data/purelib/rich_pure.py": "pure = 1\n",
        "rich_one-1.0.data/platlib/rich_plat.py": "plat = 1\n",
        "rich_one-1.0.data/headers/rich.h": "#define RICH\n",
        "rich_one-1.0.data/scripts/rich-file": "#!python\nfrom rich_one import main\nmain()\n",
        "rich_one-1.0.data/scripts/rich-shell": "#!/bin/sh\necho shell\n",
        "rich_one-1.0.data/scripts/rich-command-script.py": "an entry point's own, of setuptools\n",
        "rich_one-1.0.data/data/share/rich/rich.conf": "x=1\n",
        "rich_one-1.0.data/data/etc/rich.sh": "#!/bin/sh\n",
    }
    return write_wheel(
        work_root / "rich",
        "rich-one",
        "1.0",
        files,
        {"rich-command": "rich_one:main"},
        gui_scripts={"rich-window": "rich_one:main"},
        executable={"rich_one/tool.sh", "rich_one-1.0.data/data/etc/rich.sh"},
    )


def specs(channel: LocalChannel) -> tuple[str, ...]:
    return (*small_specs(channel), *(["pip"] if "pip" in channel.specs else []))


@pytest.fixture
def env(rattler_env: MakeEnvironment, channel: LocalChannel) -> Path:
    return rattler_env(*specs(channel))


def put_in(prefix: Path, *wheels: Chosen) -> Target:
    """Install without a word."""
    target, reporter = read_target(str(prefix)), Silent()
    install(str(prefix), wheels, target, reporter)
    assert reporter.warnings == []
    return target


def record_of(prefix: Path, target: Target, info: str) -> dict[str, tuple[str, str]]:
    """What RECORD says, by path, but of bytecode."""
    text = (prefix / target.site_packages / info / "RECORD").read_text("utf-8")
    return {
        path: (digest, size)
        for path, digest, size in csv.reader(text.splitlines())
        if "__pycache__" not in path
    }


def texts_of(prefix: Path, *paths: str) -> dict[str, list[str]]:
    return {path: (prefix / path).read_text("utf-8").splitlines() for path in paths}


# ------------------------------------------------------------- as pip does it


@pytest.mark.parametrize("place", ["short", "with  spaces", "long"])
def test_everything_is_where_pip_puts_it(rich: Path, channel: LocalChannel, work: Path, place: str) -> None:
    """The files, their modes, what is in them, and RECORD; scripts to their first lines, and what they do."""
    env = path_of_length(work, 160) if place == "long" else work / place
    rattler_install(channel.path, env, specs(channel))
    before = tree(env, SKIPPED)
    pip(env, "install", "--no-index", "--find-links", rich.parent, "rich-one")
    target = read_target(str(env))
    info = "rich_one-1.0.dist-info"
    theirs = (
        tree(env, SKIPPED),
        record_of(env, target, info),
        texts_of(env, "bin/rich-command", "bin/rich-file"),
    )
    pip(env, "uninstall", "--yes", "rich-one")
    assert diff_trees(before, tree(env, SKIPPED)) == ""

    put_in(env, Chosen(str(rich), requested=True))
    ours = (
        tree(env, SKIPPED),
        record_of(env, target, info),
        texts_of(env, "bin/rich-command", "bin/rich-file"),
    )
    own = {f"{target.site_packages}/{info}/{name}" for name in ("INSTALLER", "RECORD")}
    made = {"bin/rich-command", "bin/rich-window"}  # of which the code is every pip's own
    scripts = {"bin/rich-file"} if place != "short" else set()  # pip's could not be started
    for path in own | made | scripts:
        theirs[0][path] = theirs[0][path]._replace(content=ours[0][path].content)
    assert diff_trees(theirs[0], ours[0]) == ""
    differ = {os.path.relpath(env / path, env / target.site_packages) for path in own | made | scripts}
    del theirs[1]["rich_one-1.0.data/scripts/rich-command-script.py"]  # pip lists it, though it leaves it out
    assert theirs[1].keys() == ours[1].keys()
    assert {path: row for path, row in theirs[1].items() if path not in differ} == {
        path: row for path, row in ours[1].items() if path not in differ
    }
    first = slice(None, 1 if place == "short" else 3)
    assert theirs[2]["bin/rich-command"][first] == ours[2]["bin/rich-command"][first]
    assert theirs[2]["bin/rich-file"][1:] == ours[2]["bin/rich-file"][first.stop :]
    for script in ("rich-command", "rich-window", "rich-file"):
        assert Done(0, "tells a  b\n", "") == start([env / "bin" / script, "a  b"], environ=BARE)


def test_record_is_the_truth(env: Path, rich: Path) -> None:
    """Every file, its sha256 and size."""
    target = put_in(env, Chosen(str(rich)))
    site = env / target.site_packages
    rows = list(csv.reader((site / "rich_one-1.0.dist-info/RECORD").read_text("utf-8").splitlines()))
    assert rows == sorted(rows)
    for path, digest, size in rows:
        if not path.endswith("/RECORD"):
            data = (site / path).read_bytes()
            encoded = subprocess.run(
                ["openssl", "dgst", "-sha256", "-binary"], input=data, capture_output=True, check=True
            ).stdout
            assert (f"sha256={_urlsafe(encoded)}", str(len(data))) == (digest, size)


def test_pip_takes_it_for_its_own(env: Path, rich: Path) -> None:
    before = tree(env, SKIPPED)
    put_in(env, Chosen(str(rich)))
    pip(env, "check")
    shown = pip(env, "show", "--files", "rich-one").out
    assert ("Installer: conda-pack" in pip(env, "show", "-v", "rich-one").out, "rich-file" in shown) == (
        True,
        True,
    )
    pip(env, "uninstall", "--yes", "rich-one")
    assert diff_trees(before, tree(env, SKIPPED)) == ""


def test_a_wheel_of_the_index_is_as_pip_leaves_it(env: Path, work: Path) -> None:
    """A real one, with compiled code, of the projects that this Python has; without a network, none."""
    target = read_target(str(env), glibc="2.36")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d", work / "w"]
    tags = [
        "--python-version",
        target.python_version,
        "--abi",
        target.abi,
        "--platform",
        "manylinux2014_x86_64",
    ]
    done = start([*map(str, command), *tags, "markupsafe"], environ={**os.environ})
    if done.code:
        pytest.skip(f"no package index: {done.err}")
    (wheel,) = (work / "w").iterdir()
    pip(env, "install", "--no-index", "--no-deps", "--find-links", wheel.parent, "markupsafe")
    theirs = tree(env, SKIPPED)
    pip(env, "uninstall", "--yes", "markupsafe")
    put_in(env, Chosen(str(wheel), requested=True))
    ours = tree(env, SKIPPED)
    for path in ours:
        if path.endswith(("/INSTALLER", "/RECORD")) and "arkup" in path:
            theirs[path] = theirs[path]._replace(content=ours[path].content)
    assert diff_trees(theirs, ours) == ""
    code = "import markupsafe._speedups; print(markupsafe.escape('<'))"
    assert Done(0, "&lt;\n", "") == start([env / "bin/python", "-c", code], environ=BARE)


def test_the_pack_of_it_runs_elsewhere(env: Path, rich: Path, work: Path) -> None:
    put_in(env, Chosen(str(rich)))
    assert Done(0, "", "") == pack_env(env, work / "env.tar.gz")
    untar_and_relocate(work / "env.tar.gz", work / "other place")
    for script in ("rich-command", "rich-file"):
        found = start([work / "other place/bin" / script, "x"], environ=BARE)
        assert Done(0, "tells x\n", "") == found


def test_no_bytecode_and_nothing_of_this_machine_comes_along(env: Path, work: Path) -> None:
    wheel = write_wheel(work, "own", "1.0", {"own.py": "", "__pycache__/own.cpython-311.pyc": "bytes"})
    url = "https://user:secret@example.invalid/own-1.0-py3-none-any.whl?x=1#sha256=0"
    target = put_in(env, Chosen(str(wheel), url=url))
    info = env / target.site_packages / "own-1.0.dist-info"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    expected = {
        "archive_info": {"hash": f"sha256={digest}", "hashes": {"sha256": digest}},
        "url": "https://example.invalid/own-1.0-py3-none-any.whl?x=1",
    }
    assert expected == json.loads((info / "direct_url.json").read_text())
    assert sorted(os.listdir(info)) == ["INSTALLER", "METADATA", "RECORD", "WHEEL", "direct_url.json"]
    assert list((env / target.site_packages).glob("__pycache__/own.*")) == []


@pytest.mark.parametrize(
    "url", ["file:///home/me/own-1.0-py3-none-any.whl", "/home/me/own-1.0-py3-none-any.whl", ""]
)
def test_a_path_of_this_machine_is_not_told(env: Path, work: Path, url: str) -> None:
    wheel = write_wheel(work, "own", "1.0", {"own.py": ""})
    target = put_in(env, Chosen(str(wheel), requested=True, url=url))
    info = env / target.site_packages / "own-1.0.dist-info"
    assert sorted(os.listdir(info)) == ["INSTALLER", "METADATA", "RECORD", "REQUESTED", "WHEEL"]


def test_modes_do_not_depend_on_the_umask(env: Path, rich: Path) -> None:
    before = os.umask(0o077)
    try:
        put_in(env, Chosen(str(rich)))
    finally:
        os.umask(before)
    site = env / read_target(str(env)).site_packages
    paths = [site / "rich_one/__init__.py", site / "rich_one/tool.sh", env / "bin/rich-command"]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o644, 0o755, 0o755]


# ------------------------------------------------------------- what is there


def test_what_conda_brought_stays(env: Path, channel: LocalChannel, work: Path) -> None:
    """A file of a package's is no file of a wheel's; neither it nor the package cache is touched."""
    installed = read_installed(str(env), read_target(str(env)).site_packages)
    project = next(project for project in installed.values() if project.source)
    owned = next(path for path in sorted((env / "lib").rglob("*/METADATA")))
    inside = str(owned.relative_to(env))
    before, cache = tree(env), tree(channel.path.parent / "rattler-cache", ("*.lock",))
    clash = write_wheel(work, "clash", "1.0", {f"clash-1.0.data/data/{inside}": "another\n"})
    other = write_wheel(work, project.name, "99.0", {"other.py": ""})
    with pytest.raises(SourceProblem) as raised:
        put_in(env, Chosen(str(other)), Chosen(str(clash)))
    expected = f"{other.name} would replace {project} from conda ({project.source}): take one of them."
    assert expected == str(raised.value)
    with pytest.raises(SourceProblem) as raised:
        put_in(env, Chosen(str(clash)))
    dist = next(
        path.stem
        for path in (env / "conda-meta").glob("*.json")
        if inside in json.loads(path.read_text())["files"]
    )
    expected = f"{clash.name} has {inside}, which {dist} has put there with other contents: take one of them."
    assert expected == str(raised.value)
    assert diff_trees(before, tree(env)) == ""
    assert diff_trees(cache, tree(channel.path.parent / "rattler-cache", ("*.lock",))) == ""


def test_the_same_file_of_conda_is_shared_and_not_written(env: Path, work: Path) -> None:
    owned = next(path for path in sorted((env / "lib").rglob("*/METADATA")))
    node = owned.stat()
    name = f"same-1.0.data/data/{owned.relative_to(env)}"
    put_in(env, Chosen(str(write_wheel(work, "same", "1.0", {name: owned.read_bytes().decode()}))))
    after = owned.stat()
    assert (node.st_ino, node.st_mtime_ns, node.st_mode) == (after.st_ino, after.st_mtime_ns, after.st_mode)


def test_what_conda_has_in_the_same_version_is_left_to_it(env: Path, work: Path) -> None:
    installed = read_installed(str(env), read_target(str(env)).site_packages)
    project = next(project for project in installed.values() if project.source)
    before = tree(env)
    put_in(env, Chosen(str(write_wheel(work, project.name, project.version, {"extra.py": ""}))))
    assert diff_trees(before, tree(env)) == ""


def test_what_is_there_is_read_as_pip_lists_it(env: Path) -> None:
    listed = json.loads(pip(env, "list", "--format=json").out)
    expected = {each["name"].lower().replace("_", "-"): each["version"] for each in listed}
    installed = read_installed(str(env), read_target(str(env)).site_packages)
    assert expected == {name: project.version for name, project in installed.items()}


def test_a_wheel_is_put_in_once(env: Path, rich: Path, work: Path) -> None:
    put_in(env, Chosen(str(rich)))
    before = tree(env)
    put_in(env, Chosen(str(rich)))
    assert diff_trees(before, tree(env)) == ""
    other = write_wheel(work, "rich-one", "2.0", {"rich_two.py": ""})
    with pytest.raises(SourceProblem, match=r"rich_one-2.0-py3-none-any.whl would replace rich-one 1.0:"):
        put_in(env, Chosen(str(other)))


# ------------------------------------------------------------- other platforms

WINDOWS_LAYOUT = {
    "Lib/site-packages/rich_one/__init__.py": 0o644,
    "Lib/site-packages/rich_one/tool.sh": 0o755,
    "Lib/site-packages/rich_one/naïve ☃.txt": 0o644,
    "Lib/site-packages/rich_pure.py": 0o644,
    "Lib/site-packages/rich_plat.py": 0o644,
    "Include/rich-one/rich.h": 0o644,
    "Scripts/rich-file": 0o755,
    "Scripts/rich-shell": 0o755,
    "Scripts/rich-command.exe": 0o755,
    "Scripts/rich-window.exe": 0o755,
    "share/rich/rich.conf": 0o644,
    "etc/rich.sh": 0o755,
}
MACOS_LAYOUT = {
    path.replace("Lib/", "lib/python3.11/")
    .replace("Include/", "include/python3.11/")
    .replace("Scripts/", "bin/")
    .removesuffix(".exe"): mode
    for path, mode in WINDOWS_LAYOUT.items()
}
METADATA = ("INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt")


def put_in_foreign(prefix: Path, rich: Path) -> Mapping[str, int]:
    """The modes of the new files."""
    before = tree(prefix)
    put_in(prefix, Chosen(str(rich)))
    after = tree(prefix)
    assert diff_trees(before, {path: node for path, node in after.items() if path in before}) == ""
    return {path: after[path].mode for path in after.keys() - before.keys() if after[path].type == "file"}


@pytest.mark.parametrize(("subdir", "layout"), [("win-64", WINDOWS_LAYOUT), ("osx-arm64", MACOS_LAYOUT)])
def test_every_platform_has_its_layout(
    foreign: Install, rich: Path, work: Path, subdir: str, layout: Mapping[str, int]
) -> None:
    """Python's own of an installation that is no virtual environment (sysconfig: nt, posix_prefix)."""
    prefix = foreign(subdir, work / "env")
    site = read_target(str(prefix)).site_packages
    expected = {**layout, **{f"{site}/rich_one-1.0.dist-info/{name}": 0o644 for name in METADATA}}
    made = put_in_foreign(prefix, rich)
    assert expected == made
    rows = record_of(prefix, read_target(str(prefix)), "rich_one-1.0.dist-info")
    assert set(expected) == {os.path.normpath(f"{site}/{path}") for path in rows}


def test_launchers_for_windows(foreign: Install, rich: Path, work: Path) -> None:
    """A program of the right kind, the Python to call, and a zip of the script; its pack, elsewhere."""
    prefix = foreign("win-64", work / "env")
    put_in(prefix, Chosen(str(rich)))
    back = str(prefix).replace("/", "\\")
    for name, python, subsystem in (("rich-command", "python", 3), ("rich-window", "pythonw", 2)):
        path = prefix / f"Scripts/{name}.exe"
        data = path.read_bytes()
        line = launcher_line(data)
        assert line is not None
        assert f"#!{back}\\{python}.exe" == data[slice(*line)].decode()
        header = int.from_bytes(data[0x3C:0x40], "little")
        machine = int.from_bytes(data[header + 4 : header + 6], "little")
        kind = int.from_bytes(data[header + 24 + 68 : header + 24 + 70], "little")
        assert (b"MZ", b"PE\0\0", 0x8664, subsystem) == (data[:2], data[header : header + 4], machine, kind)
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["__main__.py"]
            assert b"from rich_one import main" in archive.read("__main__.py")
    archive_path = packed(prefix, work / "env.zip")
    assert unpack(archive_path, work / "there") == []
    data = (work / "there/Scripts/rich-command.exe").read_bytes()
    line = launcher_line(data)
    assert line is not None
    there = str(work / "there").replace("/", "\\")
    assert f"#!{there}\\python.exe" == data[slice(*line)].decode()


def test_launchers_do_not_depend_on_the_clock(foreign: Install, rich: Path, work: Path) -> None:
    prefix = foreign("win-64", work / "env")
    put_in(prefix, Chosen(str(rich)))
    with zipfile.ZipFile(prefix / "Scripts/rich-command.exe") as archive:
        assert [member.date_time for member in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]


def test_wheels_of_another_platform_do_not_fit(foreign: Install, work: Path) -> None:
    target = read_target(str(foreign("osx-arm64", work / "env")), macos="13.0")
    wheels = [
        write_wheel(work, name, "1.0", {}, tag=f"cp311-cp311-{tag}")
        for name, tag in (("yes", "macosx_12_0_arm64"), ("no", "macosx_14_0_arm64"), ("never", "win_amd64"))
    ]
    expected = [
        f"{wheel.name} is not for osx-arm64 and Python 3.11 on macOS 13.0: take a wheel that is."
        for wheel in wheels[1:]
    ]
    assert expected == check([str(wheel) for wheel in wheels], target, {})


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
