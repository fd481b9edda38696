"""What is packed besides what lies in the prefix, without it, or in its place: additions, presets, copies."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.channels import LocalChannel
from tests.support.environments import MakeEnvironment, diff_trees, rattler_install, tree
from tests.support.packs import BARE, Done, conda_pack, pack, sha256, small_specs, start, succeed, unpack
from tests.support.packs import untar_and_relocate as untar
from tests.support.wheels import pip

USERS_ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""As it was before any fixture moved HOME: pip needs the user's index."""

PYTHON = "import sys; print(sys.prefix)"


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


# ------------------------------------------------------------------------ --slim


def test_a_slim_environment_works(rattler_env: MakeEnvironment, channel: LocalChannel, work: Path) -> None:
    """Without anything that a preset takes it is smaller, runs, compiles again, and can be packed again."""
    env = rattler_env(*channel.specs)
    succeed([env / "bin/python", "-c", "import json.tool, unittest.mock, asyncio"], environ=BARE)
    assert list(env.rglob("__pycache__"))
    pack(env, work / "whole.tar.zst")
    pack(env, work / "slim.tar.zst", "--slim")
    assert (work / "slim.tar.zst").stat().st_size < (work / "whole.tar.zst").stat().st_size
    place = work / "place"
    unpack(work / "slim.tar.zst", place)
    assert not list(place.rglob("__pycache__"))
    python = place / "bin/python"
    code = "import sysconfig; print(open(sysconfig.get_config_h_filename()).read(0), end='')"
    if (env / "include").exists() and list((env / "include").rglob("pyconfig.h")):
        assert Done(0, "", "") == start([python, "-B", "-c", code], environ=BARE)
    for script in channel.console_scripts:
        succeed([place / script, "--help"], environ=BARE, cwd=work)
    if "pip" in channel.specs:
        succeed([python, "-m", "pip", "--version"], environ=BARE)
    if "numpy" in channel.specs:
        code = "import numpy.random, numpy.f2py; from numpy.testing import assert_equal; assert_equal(1, 1)"
        assert Done(0, "", "") == start([python, "-c", code], environ=BARE)
        assert not list(place.rglob("tests/test_*.py"))
    succeed([python, "-m", "compileall", "-q", "-j", "2", place / "lib"], environ=BARE)
    pack(place, work / "again.tar.zst")


def test_slim_with_exceptions(rattler_env: MakeEnvironment, channel: LocalChannel, work: Path) -> None:
    """What is included after a preset is there, and a file of patterns counts as the patterns do."""
    env = rattler_env(*small_specs(channel))
    (env / "share/doc/x").mkdir(parents=True)
    write(env / "share/doc/x", {"index.html": "", "LICENSE": "", "more/page.html": ""})
    (work / "patterns").write_bytes(b"# pages\r\n/share/doc/\r\n!/share/doc/**/page.html\r\n")
    for options, expected in (
        (("--slim", "docs"), {"LICENSE"}),
        (("--slim", "docs", "--include", "/share/doc/x/more/"), {"LICENSE", "more/page.html"}),
        (("--exclude-from", str(work / "patterns")), {"more/page.html"}),
    ):
        pack(env, work / "env.tar", "--force", *options)
        unpack(work / "env.tar", work / "place")
        docs = work / "place/share/doc/x"
        assert expected == {str(path.relative_to(docs)) for path in docs.rglob("*") if path.is_file()}
        shutil.rmtree(work / "place")


# ------------------------------------------------------------------------- --add


@pytest.fixture
def env(rattler_env: MakeEnvironment, channel: LocalChannel) -> Path:
    return rattler_env(*small_specs(channel))


def application(folder: Path, env: Path) -> Path:
    """It knows the environment by its path, in a script, a text, and a file of several segments."""
    write(folder, {"etc/app.conf": f"root={env}\n", "plain.txt": "nothing\n"})
    (folder / "run").write_text(f"#!{env}/bin/python\n{PYTHON}\n")
    (folder / "run").chmod(0o755)
    (folder / "large.bin").write_bytes(bytes(range(256)) * (9 << 12))
    (folder / "large.txt").write_text(f"{env}/x\n" + "line\n" * (9 << 18))
    (folder / "large.so").write_bytes(b"\x7fELF" + bytes(9 << 20) + os.fsencode(env) + bytes(64))
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("plain.txt")
    (folder / "by path").symlink_to(folder / "etc")
    return folder


def test_added_files_are_part_of_it(env: Path, work: Path) -> None:
    """A folder and a file: they are at their places, relocated, and run; no exclude takes them."""
    app = application(work / "app", env)
    pack(
        env, work / "env.tar.gz", "--add", f"{app}:opt/app", "--add", f"{app}/run:bin/", "--exclude", "*.txt"
    )
    before = tree(app)
    for name, put in (("unpacked", unpack), ("extracted, with  spaces", untar)):
        place = work / name
        put(work / "env.tar.gz", place)
        for script in ("bin/run", "opt/app/run"):
            assert Done(0, f"{place}\n", "") == start([place / script], environ=BARE)
        assert (place / "opt/app/etc/app.conf").read_text() == f"root={place}\n"
        assert (place / "opt/app/large.txt").read_text().startswith(f"{place}/x\nline\n")
        different = {line.split(":")[0] for line in diff_trees(before, tree(place / "opt/app")).splitlines()}
        changed = {"~ by path", "~ etc/app.conf", "~ large.txt", "~ run", "~ large.so"}
        assert different <= changed  # what is in a binary is replaced if it fits
        assert {"~ by path", "~ etc/app.conf", "~ large.txt", "~ run"} <= different
        assert str((place / "opt/app/by path").readlink()) == "etc"


def test_where_added_files_lay_leaves_no_trace(env: Path, work: Path) -> None:
    """The same files from another folder, of another age, make the same archive."""
    app = application(work / "app", env)
    pack(env, work / "1.tar.zst", "--add", f"{app}:opt/app")
    moved = work / "elsewhere" / "moved"
    moved.parent.mkdir()
    shutil.copytree(app, moved, symlinks=True, copy_function=shutil.copyfile)
    (moved / "run").chmod(0o755)
    (moved / "by path").unlink()
    (moved / "by path").symlink_to(moved / "etc")
    pack(env, work / "2.tar.zst", "--add", f"{moved}:opt/app")
    assert sha256(work / "1.tar.zst") == sha256(work / "2.tar.zst")


def test_what_cannot_be_added_is_told_at_once(env: Path, work: Path) -> None:
    """Nothing is written."""
    write(work, {"x": ""})
    options = [f"--add={text}" for text in (f"{work}/missing", f"{work}/x:/x", f"{work}/x:bin/python")]
    done = conda_pack("--quiet", "-p", env, "-o", work / "env.tar", *options)
    assert (done.code, done.out, (work / "env.tar").exists()) == (2, "", False)
    for part in (f"{work}/missing", "DEST is absolute", "    bin/python"):
        assert part in done.err


# -------------------------------------------------------------- --editable copy

BACKENDS = {
    # what makes projects: its module, and what it needs besides
    "setuptools": ("setuptools.build_meta", ()),
    "hatchling": ("hatchling.build", ("editables",)),
    "flit_core": ("flit_core.buildapi", ()),
    "pdm-backend": ("pdm.backend", ()),
}
PROJECTS = {
    # name: backend, layout, how it is installed
    "flat": ("setuptools", "", ""),
    "lean": ("setuptools", "src", ""),
    "compat": ("setuptools", "", "compat"),
    "strict": ("setuptools", "src", "strict"),
    "hatched": ("hatchling", "", ""),
    "hatchedsrc": ("hatchling", "src", ""),
    "flitted": ("flit_core", "", ""),
    "pdmed": ("pdm-backend", "src", ""),
}


def project(folder: Path, name: str, backend: str, layout: str) -> Path:
    """With a command, a subpackage, data, and tests that are no part of it."""
    setuptools = (
        f'[tool.setuptools]\npackages = ["{name}", "{name}.sub"]\npackage-data = {{"*" = ["*.txt"]}}\n'
    )
    write(
        folder / name,
        {
            f"{layout}/{name}/__init__.py".lstrip("/"): '"""Says where it is."""\n__version__ = "1.5"\n'
            "def main():\n    import sys\n    print(__file__, *sys.argv[1:])\n",
            f"{layout}/{name}/sub/__init__.py".lstrip("/"): "",
            f"{layout}/{name}/sub/data.txt".lstrip("/"): "data\n",
            "tests/__init__.py": "",
            "tests/test_it.py": "",
            "pyproject.toml": f'[build-system]\nrequires = ["{backend}"]\n'
            f'build-backend = "{BACKENDS[backend][0]}"\n'
            f'[project]\nname = "{name}"\nversion = "1.5"\ndescription = "It"\nrequires-python = ">=3.8"\n'
            f'[project.scripts]\n{name} = "{name}:main"\n'
            + (setuptools + f'package-dir = {{"" = "{layout or "."}"}}\n' if backend == "setuptools" else ""),
        },
    )
    return folder / name


def is_unavailable(backend: str, env: Path) -> bool:
    """Whether it is neither installed nor to be had from the user's package index."""
    module, needs = BACKENDS[backend]
    if start([env / "bin/python", "-c", f"import {module}"], environ=BARE).code == 0:
        return False
    pip_install: list[str | Path] = [env / "bin/python", "-m", "pip", "install", "--quiet", "--retries", "1"]
    return start([*pip_install, backend, *needs], environ=USERS_ENVIRON).code != 0


@pytest.fixture(scope="module")
def materialised(work_root: Path, channel: LocalChannel) -> Iterator[tuple[Path, Path, set[str]]]:
    """All projects, installed without -e, and with it, packed, unpacked, and their sources gone."""
    if "pip" not in channel.specs:
        pytest.skip("the channel has no pip and no setuptools")
    folder = work_root / "editable"
    env, ordinary, place = folder / "env", folder / "ordinary", folder / "place"
    specs = (*small_specs(channel), "pip", "setuptools", "wheel")
    rattler_install(channel.path, env, specs)
    rattler_install(channel.path, ordinary, specs)
    missing = {
        backend for backend in BACKENDS if is_unavailable(backend, env) or is_unavailable(backend, ordinary)
    }
    done = set()
    for name, (backend, layout, mode) in PROJECTS.items():
        if backend not in missing:
            options = ("--quiet", "--no-deps", "--no-build-isolation")
            made = project(folder / "src", name, backend, layout)
            settings = ("--config-settings", f"editable_mode={mode}") if mode else ()
            shutil.copytree(made, folder / "copy" / name)
            pip(ordinary, "install", *options, folder / "copy" / name)
            pip(env, "install", *options, *settings, "--editable", made)
            done.add(name)
    refused = conda_pack("--quiet", "-p", env, "-o", folder / "env.tar.zst")
    assert (refused.code, f"{folder}/src/" in refused.err) == (6, True)
    assert Done(0, "", "") == pack(env, folder / "env.tar.zst", "--editable", "copy")
    (folder / "src").rename(folder / "gone")
    unpack(folder / "env.tar.zst", place)
    yield place, ordinary, done
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", PROJECTS)
def test_an_editable_install_becomes_an_ordinary_one(
    materialised: tuple[Path, Path, set[str]], channel: LocalChannel, name: str
) -> None:
    """It has the files that pip installs without -e, runs, and all that tells of it agrees."""
    place, ordinary, done = materialised
    if name not in done:
        pytest.skip(f"NO PACKAGE INDEX has {PROJECTS[name][0]}, its projects are not tried!")
    expected = f"{place}/{channel.site_packages}/{name}/__init__.py a b\n"
    assert expected == succeed([place / "bin" / name, "a b"], environ=BARE).out
    site = place / channel.site_packages
    files = {row[0] for row in csv.reader((site / f"{name}-1.5.dist-info/RECORD").read_text().splitlines())}
    record = ordinary / channel.site_packages / f"{name}-1.5.dist-info/RECORD"
    others = {row[0] for row in csv.reader(record.read_text().splitlines()) if not row[0].endswith(".pyc")}
    own = {".gitignore"} if "pdm" in PROJECTS[name][0] else set()  # pdm's, of an editable install alone
    assert others - {f"{name}-1.5.dist-info/direct_url.json"} == files - own
    shown = pip(place, "show", "--files", name).out
    assert {"Version: 1.5", f"Location: {site}"} <= set(shown.splitlines())
    assert "Editable project location" not in shown
    assert files == set(re.findall(r"^  (\S.*)$", shown, re.MULTILINE))
    code = (
        "import importlib.metadata as m, sys; d = m.distribution(sys.argv[1]); print(d.version);"
        "assert all(f.locate().exists() for f in d.files);"
        "assert all(f.hash is None or f.hash.mode == 'sha256' for f in d.files)"
    )
    assert succeed([place / "bin/python", "-c", code, name], environ=BARE).out == "1.5\n"


def test_nothing_tells_of_the_sources(
    materialised: tuple[Path, Path, set[str]], channel: LocalChannel
) -> None:
    """No file names them, pip finds all in order, and can remove what it did not install."""
    place, _, done = materialised
    site = place / channel.site_packages
    assert [*site.glob("_*editable*"), *site.glob("__pycache__/_*editable*")] == []
    assert [path.name for path in site.glob("*.pth")] == ["distutils-precedence.pth"]  # setuptools' own
    source = os.fsencode(place.parent / "src")
    assert not [path for path in place.rglob("*") if path.is_file() and source in path.read_bytes()]
    assert "No broken requirements found." in pip(place, "check").out
    freeze = pip(place, "freeze").out.splitlines()
    assert {f"{name}==1.5" for name in done} <= set(freeze)
    removed = work_copy(place)
    pip(removed, "uninstall", "--yes", "--quiet", *sorted(done))
    left = [path for name in done for path in (removed / channel.site_packages).glob(f"{name}*")]
    assert [path for path in left if path.name.split("-")[0] in done] == []


def work_copy(place: Path) -> Path:
    copy = place.parent / "copy of place"
    shutil.copytree(place, copy, symlinks=True)
    return copy


def test_a_legacy_editable_install(env: Path, channel: LocalChannel, work: Path) -> None:
    """Made by hand as setuptools' develop made it: an .egg-link, a line of easy-install.pth, an .egg-info."""
    source, site = work / "source", env / channel.site_packages
    write(
        source,
        {
            "setup.py": "",
            "old/__init__.py": "def main():\n    print(__file__)\n",
            "old_tool.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: old-tool\nVersion: 0.5\n",
            "old_tool.egg-info/top_level.txt": "old\n",
            "old_tool.egg-info/entry_points.txt": "[console_scripts]\nold = old:main\n",
        },
    )
    write(site, {"old-tool.egg-link": f"{source}\n.", "easy-install.pth": f"{source}\n"})
    done = conda_pack("--quiet", "-p", env, "-o", work / "env.tar")
    assert (done.code, str(source) in done.err) == (6, True)
    pack(env, work / "env.tar", "--editable", "copy")
    source.rename(work / "gone")
    unpack(work / "env.tar", work / "place")
    code = (
        "import importlib.metadata as m; d = m.distribution('old-tool'); print(d.version);"
        "[e] = [e for e in d.entry_points if e.name == 'old']; e.load()()"
    )
    expected = f"0.5\n{work}/place/{channel.site_packages}/old/__init__.py\n"
    assert expected == succeed([work / "place/bin/python", "-c", code], environ=BARE).out
    if (work / "place/bin/pip").exists():
        assert "old_tool-0.5.egg-info/PKG-INFO" in pip(work / "place", "show", "-f", "old-tool").out


def test_a_very_long_record(env: Path, channel: LocalChannel, work: Path) -> None:
    """An edited text of several segments is packed as any other."""
    source, site = work / "source", env / channel.site_packages
    write(source, {"huge.py": "where = __file__\n"})
    rows = "".join(f"huge/{number:09}.txt,,\n" for number in range(500_000))
    info = "huge-1.0.dist-info"
    url = f'{{"dir_info": {{"editable": true}}, "url": "{source.as_uri()}"}}'
    write(
        site,
        {"huge.pth": f"{source}\n", f"{info}/RECORD": f"huge.pth,,\n{rows}", f"{info}/direct_url.json": url},
    )
    pack(env, work / "env.tar.zst", "--editable", "copy")
    unpack(work / "env.tar.zst", work / "place")
    packed = (work / "place" / channel.site_packages / info / "RECORD").read_text()
    first, _, last = packed.rpartition("huge.py,")
    assert (rows, True) == (first, last.startswith("sha256="))
