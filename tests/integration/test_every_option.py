"""Each option of packing by its effect, one time at least, and where it is told."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from conda_pack.archives.formats import FORMATS, format_names, levels_help
from conda_pack.cli.main import COMMANDS
from demo.packages import PLACEHOLDER
from tests.support.archives import (
    SEGMENT,
    Watched,
    index_of,
    noise,
    small_environment,
    stored_entries,
    write_environment,
)
from tests.support.channels import REPO
from tests.support.environments import tree
from tests.support.packs import Done, conda_pack, relocate, sha256, unpack
from tests.support.zstd_frames import frames

ZSTD = b"\x28\xb5\x2f\xfd"


@pytest.fixture
def env(work: Path) -> Path:
    return small_environment(work / "env")


def packed(env: Path, output: Path, *options: str | Path) -> Path:
    """Pack without a word."""
    assert conda_pack("-q", "-p", env, "-o", output, *options) == Done(0, "", "")
    return output


def refused(env: Path, *options: str | Path, code: int = 2) -> str:
    """The message, with nothing printed and nothing written."""
    watched = Watched.start(env.parent)
    done = conda_pack("-p", env, *options, cwd=env.parent)
    assert (done.code, done.out) == (code, "")
    assert watched.changes() == []
    assert done.err.startswith("conda-pack: error: ")
    return done.err


def paths(archive: Path) -> set[str]:
    """What the archive has of the environment's own."""
    return {entry.path for entry in stored_entries(index_of(archive), archive)}


# ------------------------------------------------------------------------ zstd


def test_zstd(env: Path, work: Path) -> None:
    """It is --format tar.zst, with levels of its own name, whatever the output is called."""
    plain = packed(env, work / "x.tar.zst")
    same = packed(env, work / "y.whatever", "--zstd")
    assert sha256(plain) == sha256(same)
    for level in ("1", "19"):
        told = packed(env, work / f"{level}.tar.zst", "--compress-level", level)
        assert sha256(told) == sha256(packed(env, work / "z", "-f", "--zstd-compression-level", level))
        assert sha256(told) == sha256(packed(env, work / "z", "-f", "--zstd", "--compress-level", level))
    done = conda_pack("-p", env, "--zstd", cwd=work)
    assert (done.code, done.out) == (0, f"{work}/env.tar.zst\n")
    assert sha256(work / "env.tar.zst") == sha256(plain)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--zstd", "--format", "tar.gz"], "--format is tar.gz"),
        (["--zstd-compression-level", "3", "--format", "zip"], "--format is zip"),
        (["--zstd-compression-level", "3", "--compress-level", "4"], "say two things"),
        (["--zstd-compression-level", "23"], "it is 1 to 22"),
        (["--zstd-compression-level", "0"], "--compress-level -7 to 0"),
        (["--zstd", "--compress-level", "23"], "tar.zst has -7 to 22"),
    ],
)
def test_zstd_that_contradicts(options: list[str], said: str, env: Path) -> None:
    assert said in refused(env, *options)


# -------------------------------------------------------------------- the place


@pytest.mark.parametrize("option", ["--relocate-prefix", "--dest-prefix", "-d"])
def test_relocate_prefix(option: str, env: Path, work: Path) -> None:
    """The files are written for that place, and nothing is left to be run there."""
    with tarfile.open(packed(env, work / "x.tar.gz", option, "/opt/there/")) as tar:
        conf = tar.extractfile("etc/tool.conf")
        assert conf is not None
        assert conf.read() == b"prefix=/opt/there\n"
        assert "bin/conda-unpack" not in tar.getnames()
        assert "bin/activate" in tar.getnames()


# ------------------------------------------------------------------- the platform


@pytest.mark.parametrize(
    "options",
    [
        ["--platform", "linux-64"],
        ["--arch", "x86_64"],
        ["--arch", "amd64"],
        ["--arch", "linux-64"],
        ["--platform", "linux-64", "--arch", "64"],
    ],
)
def test_the_platform_it_is_for(options: list[str], env: Path, work: Path) -> None:
    assert sha256(packed(env, work / "x.tar", *options)) == sha256(packed(env, work / "y.tar"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--platform", "osx-64"], "is for linux-64, not osx-64, and its archive would be too."),
        (["--arch", "aarch64"], "is for linux-64, not aarch64"),
        (["--platform", "linux-64", "--arch", "arm64"], "not linux-64 and arm64"),
    ],
)
def test_another_platform(options: list[str], said: str, env: Path) -> None:
    """It is refused, with what to do."""
    message = refused(env, *options)
    assert said in message
    assert "leave out --platform and --arch" in message


# -------------------------------------------------------------------- what goes in


def test_exclude_from(env: Path, work: Path) -> None:
    """Patterns of files come before those that are given, whatever the order."""
    (work / "first").write_text("# comment\n\n*.conf\n/own/\n!/own/note.txt\n")
    (work / "second").write_text("lib/*\n")
    before = paths(packed(env, work / "all.tar"))
    archive = packed(
        env,
        work / "x.tar",
        *("--include", "lib/plain.txt", "--exclude-from", work / "first", "--exclude-from", work / "second"),
    )
    gone = {"etc/tool.conf", "own/link", "own/empty", "lib/large.bin"}
    assert before - paths(archive) == gone
    assert paths(archive) - before == set()


def test_exclude_from_what_cannot_be_read(env: Path, work: Path) -> None:
    assert "No such file" in refused(env, "--exclude-from", work / "nothing")
    (work / "latin").write_bytes(b"caf\xe9\n")
    assert "not UTF-8" in refused(env, "--exclude-from", work / "latin")


def test_slim(work: Path) -> None:
    """Presets leave out, an include has the last word, and what it is worth is told on standard error."""
    files = {
        "lib/libx.a": bytes(1_500_000),
        "include/x.h": b"h" * 10,
        "include/y.h": b"",
        "share/man/x.1": b"m",
    }
    env = write_environment(work / "env", files)
    every = paths(packed(env, work / "all.tar"))
    done = conda_pack("-p", env, "-o", work / "static.tar", "--slim", "static,headers", "--include", "*/y.h")
    assert (done.code, done.out) == (0, f"{work}/static.tar\n")
    assert every - paths(work / "static.tar") == {"lib/libx.a", "include/x.h"}
    assert "static" in done.err
    assert "in all 2 of 6 files are left out, 1.5 of 1.5 MB (100 %)" in done.err
    slim = packed(env, work / "slim.tar", "--slim")
    assert every - paths(slim) == set(files)
    assert "no preset called statics" in refused(env, "--slim", "statics")


def test_add(env: Path, work: Path) -> None:
    """A file of one's own, relocated as the others are."""
    (work / "my.conf").write_text(f"prefix={env}\n")
    archive = packed(env, work / "x.tar.gz", "--add", f"{work}/my.conf:etc/", "--add", f"{work}/my.conf:b")
    unpack(archive, work / "dest")
    for path in ("etc/my.conf", "b"):
        assert (work / "dest" / path).read_text() == f"prefix={work}/dest\n"
    assert "etc/tool.conf" in refused(env, "--add", f"{work}/my.conf:etc/tool.conf")


SITE = "lib/python3.11/site-packages"


@pytest.fixture
def editable(work: Path) -> Path:
    """An environment in which one module is installed with -e."""
    env = write_environment(work / "env", {"bin/python3.11": b"", f"{SITE}/README.txt": b""}, name="python")
    record = env / "conda-meta/python-1.0-0.json"
    record.write_text(record.read_text().replace('"version": "1.0"', '"version": "3.11.0"'))
    record.rename(record.with_name("python-3.11.0-0.json"))
    (work / "src").mkdir()
    (work / "src/mine.py").write_text("mine = 1\n")
    info = env / SITE / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("mine\n")
    (info / "INSTALLER").write_text("pip\n")
    told = {"url": f"file://{work}/src", "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(told))
    names = [f"mine-1.0.dist-info/{path.name}" for path in info.iterdir()]
    rows = [*names, "mine-1.0.dist-info/RECORD", "__editable__.mine-1.0.pth"]
    (info / "RECORD").write_text("".join(f"{row},,\n" for row in rows))
    (env / SITE / "__editable__.mine-1.0.pth").write_text(f"{work}/src\n")
    return env


def test_editable(editable: Path, work: Path) -> None:
    """Refused, skipped with a warning, or copied without one."""
    for options in ([], ["--editable", "refuse"]):
        message = refused(editable, *options, code=6)
        assert f"{work}/src" in message
        assert "--ignore-editable-packages" in message
    for name, options in (("x", ["--editable", "skip"]), ("y", ["--ignore-editable-packages"])):
        done = conda_pack("-p", editable, "-o", work / f"{name}.tar", *options)
        assert (done.code, done.out) == (0, f"{work}/{name}.tar\n")
        assert f"{work}/src" in done.err
    assert sha256(work / "x.tar") == sha256(work / "y.tar")
    assert f"{SITE}/mine.py" not in paths(work / "x.tar")
    copied = packed(editable, work / "copied.tar", "--editable", "copy")
    assert f"{SITE}/mine.py" in paths(copied)
    assert f"{SITE}/__editable__.mine-1.0.pth" not in paths(copied)


def test_ignore_missing_files(env: Path, work: Path) -> None:
    (env / "lib/plain.txt").unlink()
    assert "--ignore-missing-files" in refused(env, code=6)
    done = conda_pack("-p", env, "-o", work / "x.tar", "--ignore-missing-files")
    assert done.code == 0
    assert "lib/plain.txt" in done.err


# ---------------------------------------------------------------------- zip, levels


def test_zip_symlinks(env: Path, work: Path) -> None:
    for options, expected in (([], "file"), (["--zip-symlinks"], "link")):
        archive = packed(env, work / f"{expected}.zip", *options)
        with zipfile.ZipFile(archive) as opened:
            mode = opened.getinfo("own/link").external_attr >> 28
        assert {"file": 0o10, "link": 0o12}[expected] == mode


def test_nothing_compressed(work: Path) -> None:
    """Level 0 keeps the bytes of files of many segments, which may be longer or shorter than installed."""
    text = noise(SEGMENT, 1) + PLACEHOLDER.encode() + b"\n" + noise(SEGMENT, 2)
    env = write_environment(work / "env", {"lib/plain.bin": noise(3 * SEGMENT, 3), "etc/text": text})
    for suffix in ("zip", "tar.gz"):
        archive = packed(env, work / f"x.{suffix}", "--compress-level", "0", "-j", "2")
        unpack(archive, work / suffix)
        assert (work / suffix / "lib/plain.bin").read_bytes() == (env / "lib/plain.bin").read_bytes()
        expected = text.replace(PLACEHOLDER.encode(), str(work / suffix).encode())
        assert (work / suffix / "etc/text").read_bytes() == expected


# ------------------------------------------------------------------------- messages


def test_verbose(work: Path) -> None:
    """Without it a warning names ten files, with it all."""
    files = {f"lib/{number:02}": b"x" for number in range(12)}
    env = write_environment(work / "env", files)
    for path in files:
        (env / path).write_text("changed")
    few = conda_pack("-q", "-p", env, "-o", work / "x.tar")
    assert [path for path in files if path in few.err] == sorted(files)[:10]
    assert "… and 2 more" in few.err
    for option in ("--verbose", "-v"):
        every = conda_pack("-q", "-p", env, "-f", "-o", work / "x.tar", option)
        assert [path for path in files if path in every.err] == sorted(files)
        assert "more" not in every.err


def test_verbose_dry_run(work: Path) -> None:
    """It names every file that packing would stop at, too, and has its exit code."""
    files = {f"lib/{number:02}": b"x" for number in range(12)}
    env = write_environment(work / "env", files)
    for path in files:
        (env / path).unlink()
    few, every = (conda_pack("-p", env, "--dry-run", *options) for options in ([], ["-v"]))
    assert (few.code, every.code) == (6, 6)
    assert [path for path in files if path in few.out] == sorted(files)[:10]
    assert [path for path in files if path in every.out] == sorted(files)


def test_standard_output(env: Path, work: Path) -> None:
    """It has the archive and no other byte, and warnings go to standard error."""
    (env / "lib/plain.txt").write_text("changed")
    argv = [sys.executable, "-m", "conda_pack", "-p", str(env), "-o", "-", "--zstd"]
    done = subprocess.run(argv, capture_output=True, check=True)
    assert conda_pack("-q", "-p", env, "-o", work / "x.tar.zst").code == 0
    assert done.stdout == (work / "x.tar.zst").read_bytes()
    assert done.stdout[:4] == ZSTD
    assert b"lib/plain.txt" in done.stderr
    assert len(frames(done.stdout)) > 3


@pytest.mark.parametrize("suffix", ["zip", "sh"])
def test_what_does_not_come_through_a_pipe(suffix: str, env: Path, work: Path) -> None:
    """Unpacking says so, and does not call it damaged."""
    archive = packed(env, work / f"x.{suffix}")
    done = conda_pack("unpack", "-", work / "dest", stdin=archive)
    assert (done.code, done.out) == (2, "")
    assert f"A {suffix} cannot be read from a pipe." in done.err
    assert not (work / "dest").exists()


@pytest.mark.parametrize("suffix", [kind.name for kind in FORMATS if kind.name != "no-archive"])
def test_zips_are_packed_again(suffix: str, env: Path, work: Path) -> None:
    """What came out of a zip without links goes into any format."""
    (env / "lib64").symlink_to("lib")
    unpack(packed(env, work / "first.zip"), work / "once")
    with_links = tree(work / "once")
    assert with_links["lib64/plain.txt"] == with_links["lib/plain.txt"]
    options = ["--parcel-root", "/p"] if suffix == "parcel" else []
    archive = packed(work / "once", work / f"again.{suffix}", *options)
    assert archive.stat().st_size > 0
    if suffix in ("tar.gz", "zip"):
        unpack(archive, work / "twice")
        assert (work / "twice/own/link").read_text() == f"prefix={work}/twice\n"
        assert relocate(work / "twice") == Done(0, "", "")


# ---------------------------------------------------------------------- where it is told


@pytest.fixture(scope="module")
def said() -> str:
    """``conda-pack --help`` as one paragraph."""
    return " ".join(conda_pack("--help").out.split())


@pytest.fixture(scope="module")
def pages() -> str:
    return "\n".join(page.read_text("utf-8") for page in sorted((REPO / "docs").glob("*.md")))


def test_every_option_is_on_some_page(pages: str) -> None:
    """By one of its names, of which an option has up to three."""
    lines = re.findall(r"^  (-.*?)(?:  .*)?$", conda_pack("--help").out, re.MULTILINE)
    options = [re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", line) for line in lines]
    assert len(options) > 30
    untold = [names for names in options if not re.search(rf"(?<![\w-])({'|'.join(names)})(?![\w-])", pages)]
    assert untold == []


def test_every_option_on_a_page_is_one(pages: str) -> None:
    """What the pages tell of these commands there is."""
    help_of_all = "".join(conda_pack(command, "--help").out for command in COMMANDS)
    known = set(re.findall(r"--[a-z][a-z0-9-]+", help_of_all))
    shown = re.findall(r"^conda-pack (.*)$", pages, re.MULTILINE)
    assert len(shown) > 20
    own = (line.partition(" -- ")[0] for line in shown)  # without those of the command that is run
    told = {word for line in own for word in shlex.split(line, comments=True) if word.startswith("--")}
    assert {word.partition("=")[0] for word in told} - known == set()


def test_every_format_is_on_its_page(said: str) -> None:
    page = (REPO / "docs/formats.md").read_text("utf-8")
    table = {}
    for row in re.findall(r"^\| (`.*) \|$", page, re.MULTILINE):
        names, *_, levels = row.split(" | ")
        table.update({name.strip("`").removeprefix("."): levels for name in names.split(", ")})
    expected = {
        name: f"{min(kind.levels)} to {max(kind.levels)}, {kind.default_level}" if kind.levels else "none"
        for kind in FORMATS
        for name in kind.names
    }
    assert table == expected
    assert levels_help() in said
    assert f"{{{','.join(['infer', *format_names()])}}}" in said.replace(" ", "")
