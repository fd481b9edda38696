"""``conda-package --pkg-name``: packages of untracked files, which real conda and rattler install."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conda_package_streaming.package_streaming import CondaComponent, stream_conda_component
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.errors import FileChanged
from conda_pack.packages import making, surveying
from conda_pack.packages.contents import PLACEHOLDER
from conda_pack.packages.making import Wanted, make_package
from conda_pack.packages.recipe import Recipe
from conda_pack.progress import PythonWarnings
from demo.commands import CommandError, clean_environ
from demo.installer import index_channel
from demo.packages import File, Link, Package, native_subdir, text, write_package
from tests.support.channels import LocalChannel
from tests.support.environments import RealConda, Tree, diff_trees, rattler_install, tree
from tests.support.packs import Done, stale_bytecode, start, succeed
from tests.support.properties import UNHURRIED
from tests.support.scripts import heed_interrupts
from tests.support.wheels import pip, write_project, write_wheel

COMMAND: list[str | Path] = [sys.executable, "-m", "conda_pack.cli.package"]
INSTALLERS = ("conda", "rattler")


def conda_package(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> Done:
    """``conda-package ARGUMENTS``, with further environment variables."""
    environ = clean_environ(Path(os.environ["HOME"])) | variables
    return start([*COMMAND, *arguments], cwd=cwd, environ=environ)


def make(prefix: Path, *options: str | Path, **variables: str) -> dict[str, Any]:
    """What ``conda-package --json`` says of a package that it made of all that is untracked at ``prefix``."""
    done = conda_package("--json", "-p", prefix, *options, cwd=None, **variables)
    assert (0, done) == (done.code, done), done.err
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def refused(code: int, *arguments: str | Path, **options: Any) -> str:
    """What is said where no package can be made."""
    done = conda_package(*arguments, **options)
    assert (code, "") == (done.code, done.out), done
    return done.err


Installing = Callable[[Path, Path, Sequence[str]], object]
"""Installs specs of a channel at a prefix, beside what is there already: channel, prefix, specs."""


@pytest.fixture(params=INSTALLERS)
def installing(request: pytest.FixtureRequest, work: Path) -> Installing:
    return installer(request, request.param, work)


def installer(request: pytest.FixtureRequest, name: str, work: Path) -> Installing:
    """By name; with a package cache of its own, as packages of one name differ from test to test."""
    if name == "rattler":
        return lambda channel, prefix, specs: rattler_install(channel, prefix, specs, work / "cache")
    conda: RealConda = request.getfixturevalue("conda")
    own = RealConda(conda.python, work / "conda-home")

    def by_conda(channel: Path, prefix: Path, specs: Sequence[str]) -> None:
        call = own.install if (prefix / "conda-meta/history").exists() else own.create
        call(prefix, channel, specs)

    return by_conda


BASE = Package(
    "base",
    entries=(
        text("bin/base", "#!/bin/sh\necho base\n", 0o755),
        text("share/base/owned.txt", "x\n"),
        File("lib/libbase.so.1", b"\x7fELF" + b"\1" * 100),
        Link("lib/libbase.so", "libbase.so.1"),
    ),
)


@pytest.fixture
def channel_folder(work: Path) -> Path:
    """A channel with one small package that tells the platform."""
    folder = work / "a channel"
    write_package(folder, BASE)
    index_channel(folder)
    return folder


@pytest.fixture
def env(channel_folder: Path, work: Path) -> Path:
    """An environment with that package."""
    prefix = work / "env"
    rattler_install(channel_folder, prefix, ["base"], work / "cache")
    return prefix


def fill(prefix: Path) -> None:
    """Files of every kind that a package can have."""
    (prefix / "mine/deep/er").mkdir(parents=True)
    texts = {
        "mine/plain.txt": "no prefix\n",
        "mine/empty": "",
        "mine/naïve ☃ name.txt": f"{prefix}/x ☃\n",
        "mine/-rf": "x",
        'mine/"quoted" \\ name': "x",
        "mine/it's 100%": f"a={prefix}:{prefix}/bin\r\n{prefix}-data stays, {prefix}.\n",
        "mine/deep/er/many.json": json.dumps({"paths": [f"{prefix}/{number}" for number in range(99)]}),
        "bin/script": f"#!{prefix}/bin/base -s\necho {prefix}\n",
        "bin/run": "#!/bin/sh\nexec true\n",
        "mine/module.py": f"here = {str(prefix)!r}\n",
    }
    for path, content in texts.items():
        (prefix / path).write_bytes(content.encode())
    string = f"{prefix}/lib".encode()
    (prefix / "lib/room.bin").write_bytes(b"\x7fELF\1" + string.ljust(300, b"\0") + b"end" * 20)
    (prefix / "lib/none.bin").write_bytes(bytes(range(256)) * 40)
    (prefix / "mine/read-only").write_text("x")
    for path, mode in {
        "bin/script": 0o755,
        "bin/run": 0o711,
        "mine/read-only": 0o444,
        "mine/-rf": 0o640,
    }.items():
        (prefix / path).chmod(mode)
    links = {
        "lib/libmine.so": "libbase.so.1",
        "mine/to folder": "../share/base",
        "mine/dangling": "nowhere/☃",
        "mine/deep/er/plain": "../../plain.txt",
        "mine/to a link": "deep/er/plain",
        "mine/to prefix": "..",
    }
    for path, target in links.items():
        (prefix / path).symlink_to(target)


def files_of(prefix: Path, folders: bool = True) -> Tree:
    """What lies in an environment, but for what installers note of it."""
    nodes = tree(prefix, ["conda-meta", "CACHEDIR.TAG", "*/__pycache__"])
    return nodes if folders else {path: node for path, node in nodes.items() if node.type != "folder"}


def reset(prefix: Path) -> None:
    """Remove all that is untracked."""
    done = conda_package("-r", "-y", "--pip", "-q", "-p", prefix)
    assert (done.code, done.err) == (0, "")


# -------------------------------------------------------------------- round trips


@pytest.mark.parametrize("name", INSTALLERS)
@pytest.mark.parametrize("package_format", ["conda", "tar.bz2"])
def test_round_trip(
    name: str,
    package_format: str,
    request: pytest.FixtureRequest,
    env: Path,
    channel_folder: Path,
    work: Path,
) -> None:
    """Made, reset, installed: what was there is there again, as it was. And it can be removed."""
    installing = installer(request, name, work)
    shutil.rmtree(env)
    installing(channel_folder, env, ["base"])
    nothing = files_of(env)
    fill(env)
    before = files_of(env)
    options = ("--pkg-name", "Mine", "--pkg-version", "1.0", "--pkg-format", package_format)
    made = make(env, *options, "--index", channel_folder, "--depends", "base >=1")
    expected = channel_folder / native_subdir() / f"mine-1.0-0.{package_format}"
    assert (str(expected), "mine", "1.0", "0") == tuple(
        made[key] for key in ("path", "name", "version", "build")
    )
    assert (native_subdir(), ["base >=1"]) == (made["subdir"], made["depends"])
    data = expected.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (made["package_size"], made["sha256"])
    assert made["files"] == sorted(before.keys() - nothing.keys() - {"mine", "mine/deep", "mine/deep/er"})
    assert before == files_of(env)
    reset(env)
    assert nothing == files_of(env)
    installing(channel_folder, env, ["base", "mine"])
    assert diff_trees(before, files_of(env)) == ""
    assert Done(0, "", "") == conda_package("-u", "-q", "--all", "-p", env)
    assert conda_package("-w", env / "mine/plain.txt").out.endswith("::mine-1.0-0\n")
    other = work / ("another place" if name == "rattler" else "another")
    installing(channel_folder, other, ["mine"])
    assert (other / "mine/module.py").read_text() == f"here = {str(other)!r}\n"
    text_of = (other / "mine/it's 100%").read_bytes().decode()
    assert text_of == f"a={other}:{other}/bin\r\n{env}-data stays, {other}.\n"
    assert (other / "lib/room.bin").read_bytes()[5:305] == f"{other}/lib".encode().ljust(300, b"\0")
    if name == "conda":
        conda = RealConda(request.getfixturevalue("conda").python, work / "conda-home")
        assert "no packages with altered files" in conda.doctor(env)
        conda.remove(env, channel_folder, ["mine"])
        left = files_of(env)
        # conda 24.7 only renames links to folders, whoever made the package
        assert set(left) - set(nothing) == {"mine", "mine/to folder.c~", "mine/to prefix.c~"}
        assert nothing.items() <= left.items()


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters='/\0\n"', exclude_categories=["Cs"]),
    min_size=1,
    max_size=12,
).filter(
    lambda name: (
        name not in (".", "..")
        and not name.endswith(("~", ".lock", "lock", ".conda_trash"))
        and name != ".DS_Store"
        and not name.endswith((".pyc", ".pyo", ".nbi", ".nbc"))
    )
)
_PIECES = st.lists(
    st.sampled_from(
        [b"PREFIX", b"PREFIX/bin", b"-data", b"/", b"\n", b"#!", b" ", b"x", "☃".encode(), b"\r\n"]
    ),
    max_size=8,
).map(b"".join)
_BINARY = st.binary(max_size=64).filter(lambda data: b"PREFIX" not in data)
_MODES = st.sampled_from([0o644, 0o755, 0o600, 0o444, 0o555, 0o664])


@settings(UNHURRIED, max_examples=8)
@given(
    trees=st.dictionaries(
        st.tuples(st.sampled_from(["top", "top/in ner", "top/ünder"]), _NAMES).map("/".join),
        st.tuples(st.one_of(_PIECES, _BINARY), _MODES)
        | st.sampled_from(["../top", "nowhere", ".", "in ner"]),
        min_size=1,
        max_size=12,
    )
)
def test_any_tree_comes_back(work_root: Path, trees: Mapping[str, Any]) -> None:
    """Made, removed, installed by rattler: the same names, bytes, modes and links."""
    with tempfile.TemporaryDirectory(dir=work_root) as folder:
        work = Path(folder)
        channel, prefix = work / "channel", work / "env"
        write_package(channel, BASE)
        index_channel(channel)
        rattler_install(channel, prefix, ["base"], work / "cache")
        for name, content in trees.items():
            path = prefix / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                continue
            if isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content[0].replace(b"PREFIX", os.fsencode(prefix)))
                # installers let their user write what they write the prefix into
                path.chmod(content[1] | (0o200 if b"PREFIX" in content[0] else 0))
        before = files_of(prefix, folders=False)
        wanted = Wanted(Recipe("mine"), channel=str(channel))
        make_package(None, str(prefix), wanted, PythonWarnings())
        shutil.rmtree(prefix / "top")
        rattler_install(channel, prefix, ["base", "mine"], work / "cache")
        assert diff_trees(before, files_of(prefix, folders=False)) == ""


# ---------------------------------------------------------------------- projects


@pytest.fixture
def python_env(channel: LocalChannel, work: Path) -> Path:
    """A Python, a package of it, and, if there is one, pip."""
    prefix = work / "python-env"
    specs = (channel.specs[0], channel.noarch_package, *(["pip"] if "pip" in channel.specs else []))
    rattler_install(channel.path, prefix, specs)
    return prefix


@pytest.fixture(scope="session")
def tool(work_root: Path) -> Path:
    """A wheel with scripts and data."""
    files = {
        "the_tool/__init__.py": "import sys\ndef main():\n    print('tool', sys.prefix)\n",
        "the_tool/other.py": "x = 1\n",
        "the_tool-1.0.post1+local.2.data/data/share/the_tool/data.txt": "x",
        "the_tool-1.0.post1+local.2.data/scripts/the-script": "#!python\nimport sys; print(sys.prefix)\n",
    }
    return write_wheel(
        work_root / "wheels-of-making", "the_tool", "1.0.post1+local.2", files, {"the-tool": "the_tool:main"}
    )


def install_tool(prefix: Path, channel: LocalChannel, wheel: Path) -> None:
    """Install it, and say of it what projects say."""
    pip(prefix, "install", "--no-deps", "--force-reinstall", wheel)
    requires = (
        f"{channel.noarch_package} >=0.1,!=0.3.*",
        "not-there >=2",
        'only-on-windows ; sys_platform == "win32"',
        'an-extra ; extra == "more"',
    )
    lines = (
        *("Metadata-Version: 2.1", "Name: The_Tool", "Version: 1.0.post1+local.2", "Summary: it tools ☃"),
        *(
            "License: BSD-3-Clause",
            "Requires-Python: >=3.8",
            *(f"Requires-Dist: {line}" for line in requires),
        ),
    )
    (folder,) = (prefix / channel.site_packages).glob("the_tool-*.dist-info")
    (folder / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    os.utime(folder / "METADATA", (1_700_000_000, 1_700_000_000))


def channel_with(channel: LocalChannel, work: Path) -> Path:
    """A channel of the test's own with the packages of another, as links to them."""
    folder = work / "channel"
    for path in [*channel.path.glob("*/*.conda"), *channel.path.glob("*/*.tar.bz2")]:
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        os.link(path, folder / path.parent.name / path.name)
    return folder


@pytest.mark.parametrize("name", INSTALLERS)
def test_project(
    name: str,
    request: pytest.FixtureRequest,
    channel: LocalChannel,
    python_env: Path,
    tool: Path,
    work: Path,
) -> None:
    """What pip installed becomes a package, which puts the same files there, and works elsewhere."""
    install_tool(python_env, channel, tool)
    (python_env / "the-other").write_text("x")
    before = tree(python_env)
    folder = channel_with(channel, work)
    done = conda_package("-p", python_env, "--from-pip", "the.tool", "--index", folder, "--json")
    assert done.code == 0, done.err
    assert "not-there: needed, but brought by no conda package" in done.err
    made = json.loads(done.out)
    minor = int(channel.python.split(".")[1])
    tag = channel.python.replace(".", "")
    expected = ("the-tool", "1.0.post1+local.2", f"py{tag}_0", native_subdir())
    assert expected == tuple(made[key] for key in ("name", "version", "build", "subdir"))
    assert made["depends"] == [
        f"python >=3.{minor},<3.{minor + 1}.0a0",
        f"{channel.noarch_package} !=0.3.*,>=0.1",
    ]
    assert [line.split(":")[0] for line in made["warnings"]] == ["not-there"]
    assert about_of(Path(made["path"])) == {"summary": "it tools ☃", "license": "BSD-3-Clause"}
    shutil.rmtree(python_env)
    installing = installer(request, name, work)
    installing(folder, python_env, ["the-tool"])
    own = {path: node for path, node in before.items() if "the_tool" in path or path.startswith("bin/the-")}
    assert len(own) >= 14
    assert diff_trees(own, {path: node for path, node in tree(python_env).items() if path in own}) == ""
    assert stale_bytecode(python_env) == []
    other = work / "other"
    installing(folder, other, ["the-tool"])
    for script, said in (("the-tool", f"tool {other}\n"), ("the-script", f"{other}\n")):
        assert Done(0, said, "") == succeed([other / "bin" / script])
    package = f"{folder}/{native_subdir()}::the-tool-1.0.post1+local.2-py{tag}_0"
    assert conda_package("-w", other / "bin/the-tool").out.endswith(f"{package}\n")


@pytest.mark.parametrize("name", INSTALLERS)
def test_noarch_project(
    name: str,
    request: pytest.FixtureRequest,
    channel: LocalChannel,
    python_env: Path,
    tool: Path,
    work: Path,
) -> None:
    """For any Python: installers make the entry points and the bytecode."""
    install_tool(python_env, channel, tool)
    folder = channel_with(channel, work)
    options = (
        "--from-pip",
        "the-tool",
        "--noarch",
        "--index",
        folder,
        "--pkg-build",
        "7",
        "--depends",
        "Python >=3",
    )
    made = make(python_env, *options, "--pkg-name", "another", "--pkg-version", "2")
    expected = ("another", "2", "py_7", "noarch", ["python >=3", f"{channel.noarch_package} !=0.3.*,>=0.1"])
    assert expected == tuple(made[key] for key in ("name", "version", "build", "subdir", "depends"))
    info = info_of(Path(made["path"]))
    assert json.loads(info["link.json"]) == {
        "noarch": {"type": "python", "entry_points": ["the-tool = the_tool:main"]},
        "package_metadata_version": 1,
    }
    site = [path for path in made["files"] if path.startswith("site-packages/the_tool/")]
    assert site == ["site-packages/the_tool/__init__.py", "site-packages/the_tool/other.py"]
    assert {"python-scripts/the-script", "share/the_tool/data.txt"} <= set(made["files"])
    assert not [path for path in made["files"] if path.endswith(".pyc") or path.startswith("bin/")]
    other = work / "other"
    installer(request, name, work)(folder, other, ["another"])
    for script, said in (("the-tool", f"tool {other}\n"), ("the-script", f"{other}\n")):
        assert Done(0, said, "") == succeed([other / "bin" / script])
    # it asks for no more than the project does
    requires = json.loads(info_of(Path(make(python_env, *options[:3], "-o", work)["path"]))["index.json"])
    assert requires["depends"][0] == "python >=3.8"


def test_projects_that_are_not_whole(channel: LocalChannel, python_env: Path, work: Path) -> None:
    """Editable ones, whose code is elsewhere, and those over a package, which has their files: refused."""
    project = write_project(work / "project", "leaning")
    pip(python_env, "install", "--no-build-isolation", "-e", project)
    name = channel.noarch_package
    module = name.replace("-", "_")
    wheel = write_wheel(work / "w", name, "99.0", {f"{module}/__init__.py": "", f"{module}/new_one.py": ""})
    if not list(python_env.glob(f"{channel.site_packages}/{module}-*.dist-info/RECORD")):
        pytest.skip("pip cannot remove a package without RECORD")
    pip(python_env, "install", "--force-reinstall", "--no-deps", wheel)
    for options in (["--pkg-name", "x"], ["--from-pip", "leaning", "--from-pip", name]):
        said = refused(6, "-p", python_env, *options, cwd=work)
        assert f"leaning ({project})" in said
        assert f"pip:{name}==99.0, installed over " in said
    assert list(work.glob("*.conda")) == []


# ---------------------------------------------------------------------- metadata


def info_of(package: Path) -> dict[str, bytes]:
    """Name → bytes of the files in ``info``, as conda-package-streaming reads them."""
    found = {}
    with (
        open(package, "rb") as file,
        closing(stream_conda_component(package.name, file, CondaComponent.info)) as stream,
    ):
        for tar, member in stream:
            content = tar.extractfile(member) if member.name.startswith("info/") else None
            if content is not None:
                found[member.name.removeprefix("info/")] = content.read()
    return found


def about_of(package: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(info_of(package)["about.json"])
    return about


@pytest.mark.parametrize("package_format", ["conda", "tar.bz2"])
def test_metadata(package_format: str, env: Path, conda: RealConda, work: Path) -> None:
    """By the letter of CEP 34: what index.json and paths.json must have, and what is in the files is that."""
    fill(env)
    words = ("--summary", "one ☃", "--license", "MIT", "--pkg-build", "h1_4", "--pkg-format", package_format)
    made = make(env, "--pkg-name", "mine", *words, "-o", work)
    package = Path(made["path"])
    info = info_of(package)
    assert sorted(info) == ["about.json", "files", "has_prefix", "index.json", "paths.json"]
    index = json.loads(info["index.json"])
    system, machine = native_subdir().split("-")
    newest = max(int((env / path).lstat().st_mtime) for path in made["files"])
    assert index == {
        "name": "mine",
        "version": "0.0",
        "build": "h1_4",
        "build_number": 4,
        "depends": [],
        "license": "MIT",
        "subdir": native_subdir(),
        "timestamp": newest * 1000,
        "platform": system,
        "arch": {"64": "x86_64"}.get(machine, machine),
    }
    assert json.loads(info["about.json"]) == {"summary": "one ☃", "license": "MIT"}
    paths = json.loads(info["paths.json"])
    assert paths["paths_version"] == 1
    assert info["files"].decode() == "".join(f"{entry['_path']}\n" for entry in paths["paths"])
    extracted = work / "extracted"
    succeed([conda.python, "-m", "conda_package_handling.cli", "x", package, "--dest", extracted])
    assert {path.name for path in (extracted / "info").iterdir()} == set(info)
    inside = [path for path in tree(extracted) if not path.startswith("info")]
    named = [entry["_path"] for entry in paths["paths"]]
    assert [path for path in inside if tree(extracted)[path].type != "folder"] == named == made["files"]
    required = {"_path", "path_type", "sha256", "size_in_bytes"}
    prefixed = []
    for entry in paths["paths"]:
        path = extracted / entry["_path"]
        if entry["_path"] == "lib/libmine.so":  # which leads to a file of another package
            path = env / entry["_path"]
        content = path.read_bytes() if path.exists() and path.is_file() else b""
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (
            entry["sha256"],
            entry["size_in_bytes"],
        )
        assert entry["path_type"] == ("softlink" if path.is_symlink() else "hardlink")
        assert os.fsencode(env) not in content.replace(os.fsencode(f"{env}-data"), b"")
        if "prefix_placeholder" in entry:
            assert entry.keys() == required | {"prefix_placeholder", "file_mode"}
            assert len(entry["prefix_placeholder"]) == 255
            assert entry["prefix_placeholder"].encode() in content
            prefixed.append((entry["prefix_placeholder"], entry["file_mode"], entry["_path"]))
        else:
            assert entry.keys() == required
    assert [(mode, path) for _, mode, path in prefixed] == [
        ("text", "bin/script"),
        ("binary", "lib/room.bin"),
        *(
            ("text", f"mine/{name}")
            for name in ("deep/er/many.json", "it's 100%", "module.py", "naïve ☃ name.txt")
        ),
    ]
    assert info["has_prefix"].decode() == "".join(f'"{each[0]}" {each[1]} "{each[2]}"\n' for each in prefixed)


def test_rattler_reads_the_metadata(env: Path, work: Path) -> None:
    """With its own types, whatever the format."""
    fill(env)
    program = (
        "import os, sys\n"
        "from rattler import IndexJson, PathsJson\n"
        "index, paths = (kind.from_package_archive(sys.argv[1]) for kind in (IndexJson, PathsJson))\n"
        "print(index.name.normalized, index.version, index.build, index.subdir, len(paths.paths))\n"
        "sys.stdout.flush()\n"
        "os._exit(0)\n"
    )
    for package_format in ("conda", "tar.bz2"):
        made = make(env, "--pkg-name", "mine", "--pkg-format", package_format, "-o", work)
        done = succeed([sys.executable, "-c", program, made["path"]])
        assert done.out == f"mine 0.0 0 {native_subdir()} {len(made['files'])}\n"


def test_noarch_generic(installing: Installing, env: Path, channel_folder: Path, work: Path) -> None:
    """Files of no platform, in an environment of none."""
    (env / "share/mine").mkdir()
    (env / "share/mine/data").write_text(f"{env}\n")
    made = make(env, "--pkg-name", "mine", "--noarch", "--index", channel_folder)
    assert (made["subdir"], made["build"], made["files"]) == ("noarch", "0", ["share/mine/data"])
    info = info_of(Path(made["path"]))
    assert json.loads(info["link.json"]) == {"noarch": {"type": "generic"}, "package_metadata_version": 1}
    other = work / "other"
    installing(channel_folder, other, ["mine"])
    assert (other / "share/mine/data").read_text() == f"{other}\n"
    (other / "more").write_text("x")
    assert "No package in" in refused(2, "-p", other, "--pkg-name", "x", cwd=work)
    assert make(other, "--pkg-name", "x", "--noarch", "-o", work)["files"] == ["more"]


# ------------------------------------------------------------------- the same bytes


def test_reproducible(env: Path, work: Path) -> None:
    """Whoever makes it, wherever, whenever: umask, locale, time zone, hashes and the clock do not count."""
    fill(env)
    for package_format in ("conda", "tar.bz2"):
        packages = set()
        options = ("--pkg-name", "mine", "--pkg-format", package_format, "-p", env, "-q", "-o")
        variables: list[dict[str, str]] = [
            {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
            {"TZ": "America/Lima", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2"},
        ]
        for number, own in enumerate(variables):
            folder = work / f"{package_format}-{number}"
            folder.mkdir()
            before = os.umask(0o077 if number else 0)
            try:
                assert Done(0, "", "") == conda_package(*options, folder, cwd=folder, **own)
            finally:
                os.umask(before)
            (package,) = folder.iterdir()
            packages.add(package.read_bytes())
            assert package.stat().st_mode & 0o777 == (0o600 if number else 0o666)
        assert len(packages) == 1
    with zipfile.ZipFile(work / "conda-0/mine-0.0-0.conda") as archive:
        members = archive.infolist()
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    assert [member.filename for member in members] == [
        "metadata.json",
        "pkg-mine-0.0-0.tar.zst",
        "info-mine-0.0-0.tar.zst",
    ]
    with tarfile.open(work / "tar.bz2-0/mine-0.0-0.tar.bz2") as tar:
        owners = {(member.uid, member.gid, member.uname, member.gname) for member in tar}
    assert owners == {(0, 0, "", "")}


def test_source_date_epoch(channel: LocalChannel, python_env: Path, tool: Path, work: Path) -> None:
    """With it, a project that is installed anew makes the same package, and its bytecode stays valid."""
    packages = []
    for number in range(2):
        install_tool(python_env, channel, tool)
        for path in (python_env / channel.site_packages / "the_tool").iterdir():
            if path.suffix == ".py":
                os.utime(path, (1_800_000_000 + number, 1_800_000_000 + number))
        shutil.rmtree(python_env / channel.site_packages / "the_tool/__pycache__")
        succeed([python_env / "bin/python", "-c", "import the_tool.other"])
        folder = work / f"folder-{number}"
        options = ("--from-pip", "the-tool", "-o", folder)
        folder.mkdir()
        packages.append(Path(make(python_env, *options, SOURCE_DATE_EPOCH="1700000000")["path"]))
    assert packages[0].read_bytes() == packages[1].read_bytes()
    assert json.loads(info_of(packages[0])["index.json"])["timestamp"] == 1_700_000_000_000
    own = channel_with(channel, work)
    shutil.copy(packages[0], own / native_subdir())
    index_channel(own)
    rattler_install(own, work / "other", ["the-tool"], work / "cache")
    compiled = list((work / "other" / channel.site_packages / "the_tool/__pycache__").glob("*.pyc"))
    assert {struct.unpack("<8xI", path.read_bytes()[:12])[0] for path in compiled} == {1_700_000_000}
    assert stale_bytecode(work / "other") == []
    assert "SOURCE_DATE_EPOCH" in refused(
        2, "-p", python_env, "--from-pip", "the-tool", cwd=work, SOURCE_DATE_EPOCH="yesterday"
    )


# ------------------------------------------------------------------- what cannot be


def test_unfit_files_are_named_all_at_once(env: Path, work: Path) -> None:
    """With the reason, and nothing is written; other files do not hide them."""
    (env / "mine").mkdir()
    (env / "mine/fine").write_text("x")
    for number in range(12):
        (env / f"mine/no room {number:02}").write_bytes(b"\0" + os.fsencode(env) + b"/lib\0x")
    (env / "mine/placeholder").write_text(PLACEHOLDER)
    (env / "mine/out").symlink_to("/etc/passwd")
    (env / "mine/up").symlink_to("../../x")
    (env / "mine/two\nlines").write_text("x")
    (env / 'mine/a"quote').write_text(f"{env}\n")
    (env / "mine/script").write_text(f"#!{env}/bin/{'x' * 127}\n")
    (env / "mine/latin").write_bytes(f"caf\xe9 {env}\n".encode("latin-1"))
    said = refused(6, "-p", env, "--pkg-name", "x", "-o", work)
    no_room = f"holds the prefix where there is no room for a longer one than {len(os.fsencode(env))} bytes"
    assert said.splitlines() == [
        "conda-package: error: 19 files cannot be in a package:",
        "    mine/a\"quote holds the prefix, and has a name that a package's list of such files cannot hold",
        f"    mine/latin {no_room}",
        *(f"    mine/no room {number:02} {no_room}" for number in range(12)),
        "    mine/out is a link out of the environment, to /etc/passwd",
        "    mine/placeholder holds the placeholder that is to stand for the prefix",
        "    mine/script has a first line that no installer writes so for this prefix",
        "    mine/two",
        "lines has a name that a package's list of files cannot hold",
        "    mine/up is a link out of the environment, to ../../x",
        "    To go on all the same: --short-prefix, for those without room.",
    ]
    assert [path.name for path in work.glob("*.conda")] == []
    assert make(env, "--pkg-name", "x", "-o", work, "--files", "/mine/fine")["files"] == ["mine/fine"]


def test_short_prefix(installing: Installing, env: Path, channel_folder: Path, work: Path) -> None:
    """A program without room keeps the prefix: it installs at the same place and where the path is less."""
    program = b"\x7fELF\0" + os.fsencode(env) + b"/lib\0tail"
    (env / "lib/short").write_bytes(program)
    (env / "lib/link").symlink_to(env / "lib/short")
    made = make(env, "--pkg-name", "short", "--short-prefix", "--index", channel_folder)
    (link, entry) = json.loads(info_of(Path(made["path"]))["paths.json"])["paths"]
    assert (entry["prefix_placeholder"], entry["file_mode"]) == (str(env), "binary")
    assert link["sha256"] == entry["sha256"] == hashlib.sha256(program).hexdigest()
    reset(env)
    shutil.rmtree(env)
    installing(channel_folder, env, ["short"])
    assert program == (env / "lib/short").read_bytes() == (env / "lib/link").read_bytes()
    assert os.readlink(env / "lib/link") == "short"
    installing(channel_folder, work / "e", ["short"])
    shorter = b"\x7fELF\0" + os.fsencode(work / "e") + b"/lib\0\0\0tail"
    assert shorter == (work / "e/lib/short").read_bytes()
    with pytest.raises(CommandError):
        installing(channel_folder, work / "longer", ["short"])


def test_empty_folders_are_told(env: Path, work: Path) -> None:
    """No package can have them; those of others and excluded ones are no matter."""
    (env / "mine/empty/deep").mkdir(parents=True)
    (env / "mine/kept").mkdir()
    (env / "mine/x").write_text("x")
    (env / "share/base/owned.txt").unlink()
    options = ("--pkg-name", "x", "-o", work, "--exclude", "/mine/kept/")
    warning = "1 empty folders are left out: a package has files alone.\n    mine/empty/deep"
    assert make(env, *options)["warnings"] == [warning]
    assert make(env, *options, "--files", "/mine/", "-f")["warnings"] == []


def test_which_files(env: Path, channel_folder: Path, work: Path) -> None:
    """By the patterns of --exclude: of what is untracked, and nothing else."""
    fill(env)
    make(env, "--pkg-name", "x", "-o", work, "--files", "/mine/deep/", "--files", "*.bin")
    options = ("--pkg-name", "x", "-o", work, "-f", "--files")
    assert make(env, *options, "/mine/deep/", "--files", "*.bin")["files"] == [
        "lib/none.bin",
        "lib/room.bin",
        "mine/deep/er/many.json",
        "mine/deep/er/plain",
    ]
    assert make(env, *options, "/bin/*")["files"] == ["bin/run", "bin/script"]
    said = refused(2, "-p", env, *options, "/share/base/owned.txt", "--files", "nothing")
    assert said.splitlines()[:2] == [
        f"conda-package: error: --files /share/base/owned.txt matches no untracked file: it belongs to "
        f"{channel_folder.as_uri()}/{native_subdir()}::base-1.0-0.",
        "    --files nothing matches no untracked file.",
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--pkg-version", "1"], 2, "A package needs a name"),
        (["--pkg-name", "a b"], 2, "--pkg-name 'a b'"),
        (["--pkg-name", "../x"], 2, "--pkg-name '../x'"),
        (["--pkg-name", "__glibc"], 2, "--pkg-name '__glibc'"),
        (["--pkg-name", "x", "--pkg-version", "1-2", "--pkg-build", "a-b"], 2, "--pkg-build 'a-b'"),
        (["--pkg-name", "x", "--depends", "=1"], 2, "--depends '=1'"),
        (["--from-pip", "nothing"], 2, "pip has installed no project nothing; there is none."),
        (["--pkg-name", "x", "--index", "c", "-o", "."], 2, "--index says where the package goes"),
        (["--pkg-name", "x", "--pip"], 2, "--pip"),
        (["--pkg-name", "x", "--zstd"], 2, "--zstd"),
        (["--pkg-name", "x", "-u"], 2, "--pkg-name"),
        (["--pkg-name", "x", "-o", "no/such"], 5, "no/such"),
        (["--pkg-name", "x", "--noarch"], 6, "lib/tool.so.1 is compiled for one platform"),
        (["--pkg-name", "x", "--files", "bin/elf", "--noarch"], 6, "bin/elf is compiled for one platform"),
    ],
)
def test_refused(words: list[str], code: int, said: str, env: Path, work: Path) -> None:
    """In words, and nothing is left behind."""
    (env / "lib/tool.so.1").write_text("x")
    (env / "bin/elf").write_bytes(b"\x7fELF\2")
    folder = work / "folder"
    folder.mkdir()
    assert said in refused(code, "-p", env, *words, cwd=folder)
    assert list(folder.iterdir()) == []


def test_nothing_to_make_a_package_of(env: Path, work: Path) -> None:
    said = refused(2, "-p", env, "--pkg-name", "x", cwd=work)
    assert f"There is nothing to make a package of: {env} has no such files." in said


def test_tools_that_are_missing(env: Path, work: Path) -> None:
    """Said before anything is read; and what can be made without them is."""
    (env / "mine").write_text("x")
    for module, options in (
        ("conda_package_streaming", []),
        ("rattler", ["--index", str(work / "channel")]),
    ):
        program = (
            f"import sys; sys.modules[{module!r}] = None\n"
            "from conda_pack.cli.package import main\n"
            "sys.exit(main(sys.argv[1:]))\n"
        )
        argv: list[str | Path] = [sys.executable, "-c", program, "-p", env, "--pkg-name", "x", "-q"]
        done = start([*argv, *options], cwd=work)
        assert (done.code, done.out) == (13, "")
        assert "pip install 'conda-pack[package]'" in done.err
        assert not (work / "channel").exists()
        if not options:
            assert Done(0, "", "") == start([*argv, "--pkg-format", "tar.bz2", "-o", work])


# ---------------------------------------------------------------- all or nothing


def test_a_package_that_is_there_already(env: Path, work: Path) -> None:
    """Stays, but with --force."""
    (env / "mine").write_text("x")
    (work / "x-0.0-0.conda").write_text("old")
    said = refused(4, "-p", env, "--pkg-name", "x", "-o", work)
    assert f"{work}/x-0.0-0.conda" in said
    assert (work / "x-0.0-0.conda").read_text() == "old"
    make(env, "--pkg-name", "x", "-o", work, "--force")
    assert zipfile.is_zipfile(work / "x-0.0-0.conda")


@pytest.mark.parametrize("package_format", ["conda", "tar.bz2"])
def test_full_disk(package_format: str, env: Path, work: Path) -> None:
    """One sentence, nothing new, and the old package is as it was."""
    (env / "mine").write_bytes(os.urandom(3_000_000))
    disk = work / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=2m none "$0" || exit 99; echo old > "$0/x-0.0-0.$1"; shift; "$@"; code=$?; '
        'ls -A "$0"; cat "$0"/*; exit $code'
    )
    wrapper = ["unshare", "-m", "sh", "-c", script, str(disk), package_format]
    if shutil.which("unshare") is None or start([*wrapper, "true"]).code == 99:
        pytest.skip("no disk can be mounted here")
    options = ("--pkg-name", "x", "--pkg-format", package_format, "-f", "-o", disk)
    done = start([*wrapper, *COMMAND, "-p", env, *options])
    name = f"x-0.0-0.{package_format}"
    assert (9, f"{name}\nold\n") == (done.code, done.out)
    assert re.fullmatch(
        rf"conda-package: error: Could not write \S+/{name}: the disk is full[^\n]*\. To go on, [^\n]*\.\n",
        done.err,
    )


def test_file_size_limit(env: Path, work: Path) -> None:
    """As where the disk is full."""
    (env / "mine").write_bytes(os.urandom(300_000))
    folder = work / "folder"
    folder.mkdir()
    done = subprocess.run(
        [*COMMAND, "-p", env, "--pkg-name", "x", "-o", folder],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"no larger file is allowed there" in done.stderr) == (9, True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("package_format", ["conda", "tar.bz2"])
def test_interrupted(package_format: str, env: Path, work: Path) -> None:
    """Nothing is left of the new one, and the old one stays."""
    (env / "mine").write_bytes(os.urandom(60_000_000))
    folder = work / "folder"
    folder.mkdir()
    old = folder / f"x-0.0-0.{package_format}"
    old.write_text("old")
    options = ("--pkg-name", "x", "--pkg-format", package_format, "-f", "-q", "-o", folder)
    with subprocess.Popen(
        [*COMMAND, "-p", env, *options],
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads here
    ) as process:
        while not any(path.stat().st_size for path in folder.glob("**/.*/*.conda")) and not any(
            path.stat().st_size for path in folder.glob(".*.tar.bz2.*")
        ):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"conda-package: interrupted.\n")
    assert ([old], "old") == (list(folder.iterdir()), old.read_text())


def change_text(path: Path) -> None:
    path.write_text("other")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def hold_the_placeholder(path: Path) -> None:
    path.write_text(PLACEHOLDER)


@pytest.mark.parametrize("change", [change_text, shorten, lengthen, hold_the_placeholder, Path.unlink])
@pytest.mark.parametrize("whole", [True, False])
def test_files_that_change_meanwhile(
    change: Callable[[Path], None], whole: bool, env: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, large ones too, and nothing is left, not even the channel's folders."""
    (env / "mine").write_text("as it was")
    monkeypatch.setattr("conda_pack.packages.surveying._WHOLE", 1 << 30 if whole else 4)

    def survey_and_change(*arguments: Any) -> Any:
        found = surveying.survey(*arguments)
        change(env / "mine")
        return found

    monkeypatch.setattr(making, "survey", survey_and_change)
    for package_format in ("conda", "tar.bz2"):
        (env / "mine").write_text("as it was")
        wanted = Wanted(Recipe("x"), package_format=package_format, channel=str(work / "new" / "channel"))
        with pytest.raises(FileChanged, match="mine"):
            make_package(None, str(env), wanted, PythonWarnings())
        assert not (work / "new").exists()


def test_large_files_go_in_piece_by_piece(env: Path, channel_folder: Path, work: Path) -> None:
    """Those that do not hold the prefix are never whole in memory, and installed as they were."""
    with open(env / "large", "wb") as file:
        file.write(b"begin")
        file.truncate(400 << 20)
    wanted = ("--pkg-name", "large", "--index", channel_folder, "-q")
    program = (
        "import re, sys\n"
        "from conda_pack.cli.package import main\n"
        "code = main(sys.argv[1:])\n"
        "status = open('/proc/self/status').read()\n"  # rusage would tell of pytest too, which forked
        "print(int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]) >> 10)\n"
        "sys.exit(code)\n"
    )
    done = succeed([sys.executable, "-c", program, "-p", env, *wanted])
    assert int(done.out) < 350  # MiB
    other = work / "other"
    rattler_install(channel_folder, other, ["large"], work / "cache")
    succeed(["cmp", env / "large", other / "large"])


def test_what_spans_blocks_is_found(env: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefix of a large file, wherever in it."""
    monkeypatch.setattr("conda_pack.packages.surveying._WHOLE", 4)
    monkeypatch.setattr("conda_pack.packages.surveying._BLOCK", 7)
    for shift in range(8):
        (env / f"mine{shift}").write_text(f"{' ' * shift}{env}\n")
    (env / "none").write_text(f"{env}"[:-1])
    made = make_package(None, str(env), Wanted(Recipe("x"), folder=str(work)), PythonWarnings())
    paths = json.loads(info_of(Path(made.path))["paths.json"])["paths"]
    assert [path.get("file_mode") for path in paths] == ["text"] * 8 + [None]


def test_channel_that_cannot_be_indexed(env: Path, work: Path) -> None:
    """The package is there, and the reason is told."""
    (env / "mine").write_text("x")
    channel = work / "channel"
    subdir = channel / native_subdir()
    (subdir / "repodata.json").mkdir(parents=True)
    said = refused(9, "-p", env, "--pkg-name", "x", "--index", channel)
    assert f"The package is made, but the channel {channel} cannot be indexed: " in said
    assert zipfile.is_zipfile(subdir / "x-0.0-0.conda")


def test_modules_in_the_current_folder_are_not_imported(env: Path, work: Path) -> None:
    """As where the command is a script, which does not look there."""
    (env / "mine").write_text("x")
    (work / "asyncio.py").write_text("raise SystemExit(1)")
    (work / "rattler.py").write_text("raise SystemExit(1)")
    program = (
        "import sys\n"
        "sys.path[:] = [folder for folder in sys.path if folder]\n"
        "from conda_pack.cli.package import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    argv: list[str | Path] = [
        sys.executable,
        "-c",
        program,
        "-p",
        env,
        "--pkg-name",
        "x",
        "--index",
        "c",
        "-q",
    ]
    assert Done(0, "", "") == start(argv, cwd=work)
    assert (work / "c/noarch/repodata.json").exists()
