"""The environments that other tests rely on are what real installers make, and work."""

from __future__ import annotations

import importlib.util
import os
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from demo.channel import PLACEHOLDER, File, Link, Package, text, write_package
from demo.commands import clean_environ, run
from demo.installer import index_channel
from tests.support.channels import REPO
from tests.support.environments import (
    CommandError,
    LocalChannel,
    MakeEnvironment,
    RealConda,
    diff_trees,
    rattler_install,
    tree,
)


@pytest.fixture(params=["rattler", "conda"])
def demo_env(request: pytest.FixtureRequest, demo_channel: LocalChannel, work: Path) -> Path:
    prefix = work / "env"
    if request.param == "rattler":
        rattler_install(demo_channel.path, prefix, demo_channel.specs)
    else:
        conda: RealConda = request.getfixturevalue("conda")
        conda.create(prefix, demo_channel.path, demo_channel.specs)
    return prefix


@pytest.fixture
def environ(work: Path) -> dict[str, str]:
    return {"HOME": str(work), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}


def test_same_interpreter_gives_the_same_packages(work: Path) -> None:
    """Neither the hash seed nor the time nor the umask shows in a package."""
    command = "import sys, pathlib, demo.channel as c; c.build_channel(pathlib.Path(sys.argv[1]))"
    channels = []
    for seed, umask in (("1", 0o022), ("2", 0o077)):
        environ = clean_environ(work) | {"PYTHONHASHSEED": seed}
        argv = [sys.executable, "-c", command, str(work / seed)]
        subprocess.run(argv, env=environ, cwd=REPO, preexec_fn=partial(os.umask, umask), check=True)
        packages = tree(work / seed)
        channels.append({path: node.content for path, node in packages.items()})
    assert channels[0] == channels[1]
    assert sum(path.endswith(".conda") for path in channels[0]) == 4


def test_interpreter_is_at_home_in_the_environment(demo_env: Path, environ: dict[str, str]) -> None:
    code = "import sys, sysconfig, ssl, zlib, json; print(sys.prefix, sysconfig.get_config_var('prefix'))"
    assert run([demo_env / "bin/python", "-c", code], environ).split() == [str(demo_env)] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which libraries are loaded")
def test_interpreter_brings_its_own_library(demo_env: Path, environ: dict[str, str]) -> None:
    if b"$ORIGIN" not in (demo_env / "bin/python").read_bytes():
        pytest.skip("this Python was not built to look for its library in a folder of its own")
    maps = run([demo_env / "bin/python", "-c", "print(open('/proc/self/maps').read())"], environ)
    loaded = {line.split()[-1] for line in maps.splitlines() if "/libpython" in line}
    assert loaded == {str(path) for path in demo_env.glob("lib/libpython*.so.*")}


def test_shipped_bytecode_is_valid(demo_env: Path, demo_channel: LocalChannel) -> None:
    """Its header holds the mtime and size that its source has once installed."""
    for module in ("abc", "bisect", "colorsys", "keyword", "stat"):
        source = demo_env / f"lib/python{demo_channel.python}" / f"{module}.py"
        (compiled,) = source.parent.glob(f"__pycache__/{module}.*.pyc")
        expected = (0, int(source.stat().st_mtime), source.stat().st_size)
        header = importlib.util.MAGIC_NUMBER + b"".join(field.to_bytes(4, "little") for field in expected)
        assert compiled.read_bytes()[:16] == header


def test_programs_know_their_prefix(
    demo_env: Path, demo_channel: LocalChannel, environ: dict[str, str]
) -> None:
    scripts = (demo_channel.script_with_option, demo_channel.shell_script)
    table = f"""\
prefix: {demo_env}
user site ignored: True
home={demo_env}
path={demo_env}/lib:{demo_env}/share
system=/usr/local
table: {demo_env}
table: {demo_env}/etc/demo-tool.conf
table: {demo_env}/lib:{demo_env}/share
table: /usr/local/lib
table: home={demo_env};path={demo_env}/bin:/usr/bin:{demo_env};end
"""
    assert [run([demo_env / script], environ) for script in scripts] == [table, table]
    library = demo_env / demo_channel.site_packages / "demo_lib"
    assert run([demo_env / "bin/demo-lib"], environ) == f"demo-lib runs in {demo_env}\n"
    assert run([demo_env / "bin/demo-lib-script"], environ) == f"demo-lib runs in {demo_env}\n"
    assert run([demo_env / "bin/demo-lib-where"], environ) == f"demo-lib lies in {library}\n"


def test_awkward_names_are_installed(demo_env: Path, demo_channel: LocalChannel) -> None:
    paths = tree(demo_env, skip=["lib", "bin", "conda-meta"])
    assert demo_channel.unicode_name in paths
    assert max(len(path) for path in paths) > 255
    assert max(len(part) for path in paths for part in path.split("/")) > 100
    assert paths["share/demo-tool/read-only.txt"].mode == 0o444


def test_no_placeholder_is_left(demo_env: Path) -> None:
    """Except where packages leave it without a record: in bytecode and in conda's own records."""
    left = {
        path
        for path, node in tree(demo_env, skip=["conda-meta", "*.pyc"]).items()
        if node.type == "file" and PLACEHOLDER.encode() in (demo_env / path).read_bytes()
    }
    assert left == set()


def test_conda_is_content_with_what_it_made(conda: RealConda, demo_channel: LocalChannel, work: Path) -> None:
    conda.create(work / "env", demo_channel.path, demo_channel.specs)
    report = conda.doctor(work / "env")
    assert "no packages with altered files" in report
    assert "no packages with missing files" in report


def test_conda_maintains_what_rattler_made(
    conda: RealConda, demo_channel: LocalChannel, rattler_env: MakeEnvironment
) -> None:
    env = rattler_env(channel=demo_channel)
    conda.install(env, demo_channel.path, [demo_channel.update])
    assert (env / "share/demo-tool/version.txt").read_text() == "1.1\n"
    conda.remove(env, demo_channel.path, [demo_channel.noarch_package])
    assert not (env / "bin/demo-lib").exists()
    assert "no packages with missing files" in conda.doctor(env)


def test_facts_of_the_channel_hold(
    installed: Path, channel: LocalChannel, environ: dict[str, str], work: Path
) -> None:
    """What ``LocalChannel`` says of an environment is true of the one that most tests use."""
    prefix = str(installed)
    for script in (channel.script_with_option, channel.shell_script):
        assert prefix in run([installed / script], environ)
    for script in channel.console_scripts:
        run([installed / script, "--help"], environ, cwd=work)
    assert (installed / channel.site_packages).is_dir()
    assert prefix in (installed / channel.text_with_prefix).read_text()
    assert (installed / channel.binary_with_prefix).read_bytes().count(prefix.encode()) >= 3
    assert (installed / channel.symlink).is_symlink()
    assert (installed / channel.unicode_name).is_file()
    assert (installed / channel.activation_script).is_file()
    assert list(installed.glob(f"conda-meta/{channel.noarch_package}-*.json"))


def test_small_packages_can_be_made(work: Path) -> None:
    """Any mode, link, placeholder and platform, and two owners of one path."""
    both = text("share/both.txt", "same\n")
    placeholder = "/old" + 20 * "/prefix"
    own = (
        both,
        Link("share/link", "both.txt"),
        text("etc/own.conf", f"prefix={PLACEHOLDER}\n", 0o600),
        File("lib/own.bin", f"\1\0{placeholder}/lib\0\xff".encode(), 0o640, "binary", placeholder),
    )
    write_package(work / "channel", Package("own", "2.0", entries=own))
    write_package(work / "channel", Package("other", depends=("own",), noarch="generic", entries=(both,)))
    index_channel(work / "channel")
    rattler_install(work / "channel", work / "env", ["other"])
    files = tree(work / "env", skip=["conda-meta", "CACHEDIR.TAG"])
    assert files.pop("__clobbers__/own/share/both.txt") == files["share/both.txt"]  # where rattler keeps it
    assert {path: node.mode for path, node in files.items() if node.type == "file"} == {
        "etc/own.conf": 0o600,
        "lib/own.bin": 0o640,
        "share/both.txt": 0o644,
    }
    assert files["share/link"].content == "both.txt"
    assert (work / "env/etc/own.conf").read_text() == f"prefix={work}/env\n"
    assert (work / "env/lib/own.bin").read_bytes().startswith(f"\1\0{work}/env/lib\0".encode())


def test_what_goes_wrong_is_told(demo_channel: LocalChannel, work: Path) -> None:
    with pytest.raises(CommandError, match="no-such-package"):
        rattler_install(demo_channel.path, work / "env", ["no-such-package"])


def test_tree_sees_everything_and_diff_says_what_differs(work: Path) -> None:
    for name in ("before", "after"):
        folder = work / name
        (folder / "kept").mkdir(parents=True)
        (folder / "file").write_text(name)
        (folder / "link").symlink_to(name)
        (folder / name).mkdir()
    (work / "after" / "kept").chmod(0o700)
    before, after = tree(work / "before"), tree(work / "after")
    assert [(path, node.type) for path, node in before.items()] == [
        ("before", "folder"),
        ("file", "file"),
        ("kept", "folder"),
        ("link", "link"),
    ]
    assert diff_trees(before, before) == ""
    assert diff_trees(before, after).splitlines() == [
        "+ after: unexpected folder",
        "- before: missing folder",
        f"~ file: {before['file'].content[:16]} became {after['file'].content[:16]}",
        f"~ kept: mode {before['kept'].mode:04o} became 0700",
        "~ link: before became after",
    ]
    assert tree(work / "after", skip=["a*", "file", "kept"]).keys() == {"link"}


def test_home_is_not_the_users(work_root: Path) -> None:
    assert Path(os.environ["HOME"]) == work_root / "home"
    assert not any(name.startswith("XDG_") for name in os.environ)
    assert stat.S_ISDIR(os.stat(os.environ["HOME"]).st_mode)
