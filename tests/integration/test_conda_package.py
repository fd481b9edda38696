"""``conda-package`` on real environments, beside conda's own ``conda package``, which it agrees with."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.commands import clean_environ
from demo.installer import index_channel
from demo.packages import PLACEHOLDER, File, Link, Package, native_subdir, text, write_package
from tests.support.archives import write_environment
from tests.support.channels import LocalChannel
from tests.support.environments import RealConda, Tree, rattler_install, tree
from tests.support.packs import (
    Done,
    Packed,
    conda_pack,
    pack,
    relocate,
    small_specs,
    start,
    succeed,
    untar,
)
from tests.support.scripts import heed_interrupts
from tests.support.wheels import pip, write_project, write_wheel

COMMAND: list[str | Path] = [sys.executable, "-m", "conda_pack.cli.package"]


def conda_package(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> Done:
    """``conda-package ARGUMENTS``."""
    environ = clean_environ(Path(os.environ["HOME"])) | variables
    return start([*COMMAND, *arguments], cwd=cwd, environ=environ)


def asked(*paths: str | Path, cwd: Path | None = None) -> dict[str, list[str]]:
    """The owners of each path, as printed; the status where there is none."""
    files = json.loads(conda_package("--json", "-w", *paths, cwd=cwd).out)["files"]
    assert [file["path"] for file in files] == [str(path) for path in paths]
    return {file["path"]: [owner["text"] for owner in file["owners"]] or [file["status"]] for file in files}


def untracked(prefix: Path, *options: str | Path) -> dict[str, Any]:
    """What ``-u --json`` says."""
    done = conda_package("-u", "--json", "-p", prefix, *options)
    assert (done.code, done.err) == (0, "")
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def all_untracked(prefix: Path) -> list[str]:
    answer = untracked(prefix)
    return sorted({*answer["files"], *(path for each in answer["projects"] for path in each["files"])})


def by_conda(conda: RealConda, *paths: Path) -> dict[str, set[str]]:
    """What ``conda package --which`` answers, for the paths where it does."""
    said: dict[str, set[str]] = {}
    for line in conda.run("package", "--which", *paths).splitlines():
        path, _, dist = line.rpartition("  ")
        said.setdefault(path.rstrip(" "), set()).add(dist)
    return said


def paths_in(prefix: Path) -> list[Path]:
    """All of it, links to folders once."""
    found = [Path(folder, name) for folder, folders, files in os.walk(prefix) for name in (*folders, *files)]
    return sorted(found)


@pytest.fixture(scope="session")
def odd_channel(work_root: Path) -> Path:
    """Packages with files of two owners, links, and names that are hard to write down."""
    channel = work_root / "channels" / "odd"
    first = (
        text("share/both.txt", f"{PLACEHOLDER}/first\n"),
        text("lib/module.py", "x = 1\n"),
        text("share/naïve ☃.txt", "x"),
        text("share/two  spaces", "x"),
        text("share/-rf", "x"),
        File("lib/tool.so.1", b"\1"),
        Link("lib/tool.so", "tool.so.1"),
        Link("lib/dangling", "nowhere"),
        Link("share/folder", "../lib"),
        Link("lib64", "lib"),
        text("deep/er/file", "x"),
    )
    write_package(channel, Package("first", entries=first))
    write_package(channel, Package("second", noarch="generic", entries=(text("share/both.txt", "second\n"),)))
    index_channel(channel)
    return channel


Install = Callable[[Path], object]


@pytest.fixture(params=["rattler", "conda"])
def install(request: pytest.FixtureRequest, odd_channel: Path) -> Install:
    """Installs both packages at a prefix."""
    specs = ["first", "second"]
    if request.param == "rattler":
        return lambda prefix: rattler_install(odd_channel, prefix, specs)
    conda: RealConda = request.getfixturevalue("conda")
    return lambda prefix: conda.create(prefix, odd_channel, specs)


@pytest.fixture
def env(channel: LocalChannel, work: Path) -> Path:
    """A Python with entry points and, if there is one, pip: of the test's own."""
    prefix = work / "env"
    specs = (*small_specs(channel), *(["pip"] if "pip" in channel.specs else []))
    rattler_install(channel.path, prefix, specs)
    return prefix


@pytest.fixture(scope="session")
def tiny(work_root: Path) -> Path:
    """A wheel with a script, data outside of site-packages, and a name that needs quotes."""
    files = {
        "tiny/__init__.py": "def main():\n    print('tiny')\n",
        "tiny/with, comma.txt": "x",
        "tiny-1.0.data/data/share/tiny/data.txt": "x",
    }
    return write_wheel(work_root / "wheels-of-package", "tiny", "1.0", files, {"tiny": "tiny:main"})


# -------------------------------------------------------------------------- which


def test_agrees_with_conda_on_every_path(install: Install, conda: RealConda, work: Path) -> None:
    """Wherever conda answers, we say the same; two owners, links, and what is not there included."""
    prefix = work / "env"
    install(prefix)
    (prefix / "share/-rf").unlink()
    paths = [*paths_in(prefix), prefix / "share/-rf"]
    expected = by_conda(conda, *paths)
    assert len(expected) >= 11
    answers = asked(*paths)
    assert expected == {path: set(answers[path]) for path in expected}


def test_agrees_with_conda_on_a_python(full: Packed, conda: RealConda) -> None:
    """Its files, entry points and bytecode as installed: what conda's records name, and more."""
    names = {path: str(full.prefix / path) for path in conda_files(conda, full.prefix)}
    answers = asked(*names.values())
    expected = conda_files(conda, full.prefix)
    assert len(expected) > 500
    assert expected == {path: answers[name] for path, name in names.items()}
    some = [full.prefix / path for path in sorted(expected)[:: len(expected) // 60]]
    assert {str(path): {*answers[str(path)]} for path in some} == by_conda(conda, *some)


def conda_files(conda: RealConda, prefix: Path) -> dict[str, list[str]]:
    """The files of conda's records with the packages, as ``which_package`` of conda compares them."""
    program = (
        "import json, sys\n"
        "from conda.core.prefix_data import PrefixData\n"
        "found = {}\n"
        "for record in PrefixData(sys.argv[1]).iter_records():\n"
        "    for path in record['files'] or ():\n"
        "        found.setdefault(path, []).append(record.dist_str())\n"
        "print(json.dumps(found))\n"
    )
    done = start([conda.python, "-c", program, prefix], environ=conda.environ)
    assert (done.code, done.err) == (0, "")
    files: dict[str, list[str]] = json.loads(done.out)
    return {path: sorted(dists) for path, dists in files.items()}


def test_two_owners(odd_channel: Path, conda: RealConda, work: Path) -> None:
    """conda leaves a path to two packages; both are named, as by conda."""
    prefix = work / "env"
    conda.create(prefix, odd_channel, ["first", "second"])
    both = prefix / "share/both.txt"
    channel = odd_channel.as_uri()
    names = [f"{channel}/{native_subdir()}::first-1.0-0", f"{channel}/noarch::second-1.0-0"]
    assert {str(both): names} == asked(both)
    assert {str(both): set(names)} == by_conda(conda, both)
    assert conda_package("-w", both) == Done(0, "".join(f"{both!s:<50}  {name}\n" for name in names), "")


def test_what_conda_does_not_answer(env: Path, channel: LocalChannel, conda: RealConda, work: Path) -> None:
    """Bytecode, folders, records, links in folders on the way, and links from elsewhere."""
    module = channel.noarch_package.replace("-", "_")
    site = channel.site_packages
    succeed([env / "bin/python", "-m", "compileall", "-q", "-o", "0", "-o", "1", env / site / module])
    compiled = next((env / site / module / "__pycache__").glob("__init__.*.opt-1.pyc"))
    source = env / site / module / "__init__.py"
    (work / "link").symlink_to(source)
    (work / "second link").symlink_to("link")
    (work / "folder").symlink_to(env / "lib")
    (env / "own").symlink_to("lib")
    (env / "mine").symlink_to(source)
    through = env / "own" / Path(site).relative_to("lib") / module / "__init__.py"
    outside = work / "folder" / Path(site).relative_to("lib") / module / "__init__.py"
    (owner,) = by_conda(conda, source)[str(source)]
    (record,) = env.glob(f"conda-meta/{channel.noarch_package}-*.json")
    folder = env / site / module
    same = [source, compiled, work / "link", work / "second link", through, outside, record, folder]
    assert asked(*same) == {str(path): [owner] for path in same}
    assert by_conda(conda, compiled, through, folder) == {}
    mine = [env / "mine", env / "own"]  # they lie in the environment, and nobody owns them
    assert asked(*mine) == {str(path): ["untracked"] for path in mine}
    relative = ["../env/bin/python", "./link", "../folder/../env/bin/python", os.path.relpath(source, work)]
    (work / "cwd").mkdir()
    (work / "cwd/link").symlink_to(source)
    python = asked(env / "bin/python")[str(env / "bin/python")]
    answers = asked(*relative[:2], f"../{relative[3]}", cwd=work / "cwd")
    assert list(answers.values()) == [python, [owner], [owner]]


def test_folder_behind_a_link(install: Install, conda: RealConda, work: Path) -> None:
    """What lies elsewhere by now, behind a link in its place, is still the package's, by its path here."""
    prefix = work / "env"
    install(prefix)
    (prefix / "deep/er").rename(work / "elsewhere")
    (prefix / "deep/er").symlink_to(work / "elsewhere")
    path = prefix / "deep/er/file"
    assert {name: set(owners) for name, owners in asked(path).items()} == by_conda(conda, path)
    assert list(asked(prefix / "deep/er").values()) == list(asked(path).values())
    assert all_untracked(prefix) == []
    assert asked(work / "elsewhere/file") == {f"{work}/elsewhere/file": ["outside"]}


def test_dots_after_a_link(install: Install, work: Path) -> None:
    """``link/..`` is where the system says it is, not where the spelling suggests."""
    prefix, other = work / "env", work / "other"
    install(prefix)
    (other / "inner").mkdir(parents=True)
    (prefix / "mine").symlink_to(other / "inner")
    (other / "share").mkdir()
    (other / "share/both.txt").write_text("x")
    path = f"{prefix}/mine/../share/both.txt"
    assert asked(path) == {path: ["outside"]}


def test_status(install: Install, work: Path) -> None:
    """0 only if every file is there and has an owner; of each that is told what is wrong."""
    prefix = work / "env"
    install(prefix)
    (prefix / "share/-rf").unlink()
    (prefix / "two\nlines\x1b[31m").write_text("x")
    (work / "outside").write_text("x")
    compiled = "lib/__pycache__/module.cpython-311.pyc"  # by nobody yet
    names = ["share/-rf", "two\nlines\x1b[31m", compiled, "no/such", "share/folder"]
    done = conda_package("--which", *names, work / "outside", cwd=prefix)
    assert (done.code, done.err) == (1, "")
    lines = [line.split("  ")[0] + "|" + line.split("  ", 1)[1].strip() for line in done.out.splitlines()]
    first = asked(prefix / "lib/module.py")[str(prefix / "lib/module.py")][0]
    assert lines == [
        f"share/-rf|{first}  (missing: it is not there)",
        "two\\nlines\\x1b[31m|untracked",
        f"{compiled}|no such file",
        "no/such|no such file",
        f"share/folder|{first}",
        f"{work}/outside|in no environment",
    ]
    for path, code in (("share/folder", 0), ("lib", 0), (".", 0), ("share/-rf", 1), ("no/such", 1)):
        assert (path, conda_package("-w", path, cwd=prefix).code) == (path, code)


def test_names_that_are_no_utf8(install: Install, work: Path) -> None:
    """They are found, and told in escapes that Python reads back."""
    prefix = work / "env"
    install(prefix)
    name = os.fsdecode(b"caf\xe9")
    (prefix / name).write_text("x")
    assert all_untracked(prefix) == [name]
    assert conda_package("-u", "-q", "-p", prefix).out == "caf\\udce9\n"
    assert conda_package("-r", "-y", "-q", prefix) == Done(0, "caf\\udce9\n", "")
    assert all_untracked(prefix) == []


def test_any_locale(install: Install, work: Path) -> None:
    """A name that the terminal cannot write is no reason to fail."""
    prefix = work / "env"
    install(prefix)
    (prefix / "☃").write_text("x")
    done = conda_package("-u", "-q", prefix, PYTHONIOENCODING="latin-1")
    assert done == Done(0, "\\u2603\n", "")


def test_several_environments(install: Install, env: Path, work: Path) -> None:
    """Each path is asked of the environment it lies in, the nearest one."""
    install(env / "envs/inner")
    answers = asked(env / "envs/inner/lib/module.py", env / "bin/python", env / "envs/inner")
    assert [answer[0].rpartition("::")[2].split("-")[0] for answer in answers.values()] == [
        "first",
        "python",
        "environment",
    ]
    assert all_untracked(env) == []


def test_damaged_record(install: Install, work: Path) -> None:
    """It is named, with --json as well, and nothing is guessed."""
    prefix = work / "env"
    install(prefix)
    (prefix / "conda-meta/first-1.0-0.json").write_text("{")
    done = conda_package("-w", prefix / "lib/module.py", "--json")
    assert (done.code, json.loads(done.out)["error"]) == (7, "CorruptMetadata")
    assert done.err.startswith("conda-package: error: ")
    assert "first-1.0-0.json" in done.err


# --------------------------------------------------------------------------- pip


def test_pip(env: Path, tiny: Path, conda: RealConda, work: Path) -> None:
    """Every file of a project is the project's, its script, data and bytecode included."""
    project = write_project(work / "project", "wholly")
    elsewhere = write_project(work / "elsewhere", "leaning")
    before = set(paths_in(env))
    pip(env, "install", tiny, project)
    pip(env, "install", "--editable", elsewhere)
    new = [path for path in paths_in(env) if path not in before and not path.is_dir()]
    answers = asked(*new)
    texts = {"pip:tiny==1.0", "pip:wholly==1.0", "pip:leaning==1.0"}
    others = {path for path, owners in answers.items() if texts.isdisjoint(owners)}
    assert {owner for path in answers.keys() - others for owner in answers[path]} == texts
    # what pip compiled of itself and of Python meanwhile
    assert all("/__pycache__/" in path and "::" in answers[path][0] for path in others)
    assert answers[str(env / "bin/tiny")] == answers[str(env / "share/tiny/data.txt")] == ["pip:tiny==1.0"]
    answer = untracked(env)
    assert answer["files"] == []
    urls = {each["name"]: each["url"] for each in answer["projects"]}
    wheel, folder, other = tiny.as_uri(), project.as_uri(), elsewhere.as_uri()
    assert urls == {"tiny": wheel, "wholly": folder, "leaning": other}
    assert sorted(all_untracked(env)) == sorted(
        os.path.relpath(path, env) for path in answers.keys() - others
    )
    done = conda_package("-u", "-p", env)
    shown = [line for line in done.out.splitlines() if not line.startswith("# prefix")]
    counts = {each["name"]: len(each["files"]) for each in answer["projects"]}
    assert shown == [
        "# untracked files: 0",
        f"# installed by pip: 3 projects, {sum(counts.values())} files",
        *(f"{f'pip:{name}==1.0':<50}  {counts[name]} files" for name in ("leaning", "tiny", "wholly")),
    ]
    everything = conda_package("-u", "-q", "--all", "-p", env).out.splitlines()
    assert everything == all_untracked(env)


def test_reset_of_projects_is_uninstalling(env: Path, channel: LocalChannel, tiny: Path, work: Path) -> None:
    """--pip removes what ``pip uninstall`` removes, and without it projects stay."""
    pip(env, "install", tiny, write_project(work / "project", "wholly"))
    (env / "mine").write_text("x")
    assert conda_package("-r", "--yes", "-q", "-p", env) == Done(0, "mine\n", "")
    done = conda_package("-r", "--yes", "-p", env)
    assert "# kept: 2 projects" in done.out
    kept = without_bytecode(env)
    pip(env, "uninstall", "--yes", "tiny", "wholly")
    expected = without_bytecode(env)
    pip(env, "install", tiny, work / "project")
    assert kept.keys() == without_bytecode(env).keys()
    assert conda_package("-r", "--pip", "--yes", "-p", env).code == 0
    assert expected == without_bytecode(env)
    assert all_untracked(env) == []
    assert not list((env / channel.site_packages).glob("__pycache__/wholly.*"))


def without_bytecode(prefix: Path) -> Tree:
    """What pip compiles of itself meanwhile is a package's, and no matter."""
    return {path: node for path, node in tree(prefix).items() if "__pycache__" not in path}


def test_pip_over_a_package(env: Path, channel: LocalChannel, conda: RealConda, work: Path) -> None:
    """Files of both are both's, as conda says of its own; and such a project is not taken apart."""
    name, module = channel.noarch_package, channel.noarch_package.replace("-", "_")
    if not list(env.glob(f"{channel.site_packages}/{module}-*.dist-info/RECORD")):
        pytest.skip("pip cannot remove a package without RECORD")
    scripts = {Path(channel.console_scripts[0]).name: f"{module}:main"}
    files = {f"{module}/__init__.py": "x = 1\n", f"{module}/new_one.py": "y = 1\n"}
    pip(
        env,
        "install",
        "--force-reinstall",
        "--no-deps",
        write_wheel(work / "w", name, "99.0", files, scripts),
    )
    source = env / channel.site_packages / module / "__init__.py"
    (owner,) = by_conda(conda, source)[str(source)]
    project = f"pip:{name}==99.0"
    assert asked(source) == {str(source): [owner, project]}
    assert asked(source.with_name("new_one.py")) == {str(source.with_name("new_one.py")): [project]}
    gone = asked(source.with_name("__main__.py"))  # which pip has removed with the package's own version
    assert [owner] in gone.values()
    before = tree(env)
    done = conda_package("-r", "--pip", "--yes", "-p", env)
    assert done.code == 0
    assert f"{project} is kept: it was installed over {owner}" in done.err
    assert before == tree(env)


# -------------------------------------------------------------------- untracked


def test_agrees_with_conda_on_what_is_untracked(
    env: Path, channel: LocalChannel, tiny: Path, conda: RealConda, work: Path
) -> None:
    """All that conda lists and we do not is explained here; what we list, conda lists."""
    pip(env, "install", tiny)
    module = channel.noarch_package.replace("-", "_")
    site = env / channel.site_packages
    succeed([env / "bin/python", "-c", f"import {module}"])
    succeed([env / "bin/python", "-O", "-c", f"import {module}"])
    (env / "own/deep/er").mkdir(parents=True)
    for name in ("own/note.txt", "own/deep/er/x", "own/naïve ☃", "own/-rf", "own/backup~", "LICENSE.txt"):
        (env / name).write_text("x")
    (site / "own_module.py").write_text("x = 1\n")
    succeed([env / "bin/python", "-c", "import own_module"])
    (site / "own_module.pyc").write_text("x")
    (site / module / "__init__.pyc").write_text("x")
    (env / "own/.DS_Store").write_text("x")
    (env / "own/link").symlink_to("/etc")
    (env / "own/folder link").symlink_to("deep")
    (env / "own/empty").mkdir()
    (env / ".nonadmin").write_text("")
    write_environment(env / "own/inner", {"lib/x": b"x"})
    ours = set(all_untracked(env))
    lines = conda.run("package", "--untracked", "-p", env).splitlines()
    theirs = set(lines[2:])
    assert lines[:2] == [f"# prefix: {env}", f"# untracked files: {len(theirs)}"]
    assert ours - theirs == set()
    explained = theirs - ours
    # compiled of packages' modules: conda knows only what lies beside its source
    compiled = {path for path in explained if "/__pycache__/" in path}
    assert f"{channel.site_packages}/__pycache__/own_module.{cache_tag(channel)}.pyc" in ours
    assert compiled
    assert set(by_conda(conda, *(source_of(env / path) for path in compiled)))
    assert explained - compiled == {
        "CACHEDIR.TAG",  # rattler's, for programs that make backups
        "own/.DS_Store",  # which conda leaves out on macOS alone
        "own/inner/conda-meta/history",  # an environment of its own
        "own/inner/conda-meta/tiny-1.0-0.json",
        "own/inner/lib/x",
    }


def cache_tag(channel: LocalChannel) -> str:
    return f"cpython-{channel.python.replace('.', '')}"


def source_of(compiled: Path) -> Path:
    return compiled.parent.parent / f"{compiled.name.split('.')[0]}.py"


def test_exclude(install: Install, work: Path) -> None:
    """By the patterns that packing has."""
    prefix = work / "env"
    install(prefix)
    for name in ("data/x.csv", "data/y.txt", "results/z"):
        (prefix / name).parent.mkdir(exist_ok=True)
        (prefix / name).write_text("x")
    options = ("--exclude", "/data/", "--include", "*.txt")
    assert untracked(prefix, *options)["files"] == ["data/y.txt", "results/z"]
    assert conda_package("-r", "-y", "-q", "-p", prefix, *options).out == "data/y.txt\nresults/z\nresults/\n"
    assert all_untracked(prefix) == ["data/x.csv"]


def test_nothing_untracked_in_an_unpacked_environment(full: Packed, work: Path) -> None:
    """What came with the archive is no user's file, and stays; before and after it is relocated."""
    untar(full.gz, work / "place")
    assert all_untracked(full.prefix) == all_untracked(work / "place") == []
    assert relocate(work / "place") == Done(0, "", "")
    assert all_untracked(work / "place") == []
    ours = [work / "place/bin/conda-unpack", work / "place/bin/activate", work / "place/conda-meta/history"]
    assert asked(*ours) == {str(path): ["environment"] for path in ours}
    before = tree(work / "place")
    assert conda_package("-r", "--yes", "--pip", work / "place").code == 0
    assert before == tree(work / "place")


# ------------------------------------------------------------------------- reset


def test_reset(install: Install, conda: RealConda, work: Path) -> None:
    """The environment is as it was installed, and what is outside as it was."""
    prefix = work / "env"
    install(prefix)
    before = tree(prefix)
    (work / "outside").mkdir()
    (work / "outside/x").write_text("x")
    (prefix / "share/out").symlink_to(work / "outside")
    (prefix / "mine/deep/empty").mkdir(parents=True)
    for name in ("mine/-rf", "mine/two\nlines", "mine/deep/☃", "lib/module.pyx"):
        (prefix / name).write_text("x")
    listed = conda_package("-r", "--dry-run", "-q", "-p", prefix)
    lines = ["lib/module.pyx", "mine/-rf", "mine/deep/☃", "mine/two\\nlines", "share/out"]
    lines += ["mine/", "mine/deep/", "mine/deep/empty/"]
    assert Done(0, "".join(f"{line}\n" for line in lines), "") == listed
    assert (prefix / "mine/deep/☃").exists()
    done = conda_package("--reset", "--yes", "--json", "-p", prefix)
    assert (done.code, done.err) == (0, "")
    answer = json.loads(done.out)
    assert (answer["dry_run"], answer["left"], answer["kept_projects"]) == (False, {}, {})
    assert sorted(answer["files"])[2:4] == ["mine/deep/☃", "mine/two\nlines"]
    assert before == tree(prefix)
    assert [path.name for path in (work / "outside").iterdir()] == ["x"]
    # conda follows links at the top of the prefix: its own --reset would take these packages' files
    by_conda = conda.run("package", "--untracked", "-p", prefix).splitlines()[2:]
    through = {f"lib64/{name}" for name in ("dangling", "module.py", "tool.so", "tool.so.1")}
    assert set(by_conda) - {"CACHEDIR.TAG"} == through
    assert conda_package("-r", "-q", "-p", prefix) == Done(0, "", "")


def test_reset_asks(install: Install, work: Path) -> None:
    """Nobody there, no; something else than yes, no; yes, yes."""
    prefix = work / "env"
    install(prefix)
    (prefix / "mine").write_text("x")
    for options in ([], ["--json"]):
        done = conda_package("-r", "-p", prefix, *options)
        assert done.code == 2
        assert "nobody can be asked here" in done.err
    assert conda_package("-r", "-p", prefix).out == ""
    for answer, code, remains in (("", 1, True), ("n\n", 1, True), ("sure\n", 1, True), ("y\n", 0, False)):
        assert (code, remains) == (_at_a_terminal(prefix, answer), (prefix / "mine").exists())


def _at_a_terminal(prefix: Path, answer: str) -> int:
    leader, follower = pty.openpty()
    os.write(leader, answer.encode() or b"\x04")  # the end of the input
    command = [*COMMAND, "-r", "-p", prefix]
    pipe = subprocess.PIPE
    done = subprocess.run(
        command, stdin=follower, stdout=pipe, stderr=pipe, encoding="utf-8", timeout=60, check=False
    )
    os.close(leader)
    os.close(follower)
    assert done.stdout.splitlines()[-1] == "mine"
    assert done.stderr.startswith(f"Remove 1 files and 0 folders from {prefix}? [y/N] ")
    return done.returncode


def _interrupted_while_removing(prefix: Path) -> tuple[int, bytes, bool]:
    """How --reset ended that was interrupted when a first file was gone, and whether any is left."""
    (prefix / "mine").mkdir(exist_ok=True)
    for number in range(20000):
        (prefix / f"mine/{number:05}").touch()
    with subprocess.Popen(
        [*COMMAND, "-r", "-q", "-y", "-p", prefix],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads here
    ) as process:
        while (prefix / "mine/00000").exists():
            time.sleep(0.0005)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    return process.returncode, err, (prefix / "mine").exists() and any((prefix / "mine").iterdir())


def test_reset_interrupted(install: Install, work: Path) -> None:
    """It has removed of what it listed, and nothing else; the next one goes on."""
    prefix = work / "env"
    install(prefix)
    before = tree(prefix)
    for _ in range(10):  # a busy machine may let it come to its end first
        code, err, left = _interrupted_while_removing(prefix)
        if left:
            break
    assert (code, err, left) == (130, b"conda-package: interrupted.\n", True)
    assert before.keys() <= tree(prefix).keys()
    assert conda_package("-r", "-q", "-y", "-p", prefix).code == 0
    assert before == tree(prefix)


def test_reset_cannot(install: Install, work: Path) -> None:
    """A file that cannot go is told, the others go."""
    prefix = work / "env"
    install(prefix)
    (prefix / "mine").mkdir()
    (prefix / "other").write_text("x")
    program = (
        "import os, sys\n"
        "from conda_pack.packages import removing\n"
        "from conda_pack.cli.package import main\n"
        "listed = removing.remove\n"
        "def late(listing, removal):\n"
        "    os.unlink('mine/x')\n"
        "    os.mkdir('mine/x')\n"
        "    return listed(listing, removal)\n"
        "removing.remove = late\n"
        "sys.exit(main(['-r', '-q', '-y', '-p', '.']))\n"
    )
    (prefix / "mine/x").write_text("x")
    done = start([sys.executable, "-c", program], cwd=prefix)
    reason = "conda-package: error: 1 of these are left:\n    mine/x: something else is there now\n"
    assert done == Done(9, "mine/x\nother\nmine/\n", reason)
    assert (prefix / "mine/x").is_dir()
    assert not (prefix / "other").exists()


# ----------------------------------------------------------------------- packing


def test_packing(small_rattler: Packed, work: Path) -> None:
    """With the options of packing it is conda-pack, the path of the environment as last word included."""
    pack(small_rattler.prefix, work / "x.tar.zst")
    ways: list[list[str | Path]] = [["-p", small_rattler.prefix], [small_rattler.prefix]]
    for words in ways:
        options = ["-q", "-f", "--zstd", "--compress-level", "1"]
        assert conda_package(*options, "-o", work / "y", *words) == Done(0, "", "")
        assert (work / "x.tar.zst").read_bytes() == (work / "y").read_bytes()
    told, same = (
        json.loads(command("--dry-run", "--json", "-p", small_rattler.prefix).out)
        for command in (conda_package, conda_pack)
    )
    assert told["packages"] == 3
    assert {**told, "estimates": []} == {**same, "estimates": []}  # which are drawn from samples
    assert conda_package("--version") == conda_pack("--version")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-u", "-r"], "not allowed with"),
        (["-w"], "expected at least one argument"),
        (["-w", "x", "-p", "y"], "mean nothing for --which: --prefix"),
        (["-w", "x", "--exclude", "y"], "mean nothing for --which: --exclude"),
        (["-u", "-o", "x", "--zstd"], "mean nothing for --untracked: --output, --zstd"),
        (["-u", "--yes"], "mean nothing for --untracked: --yes"),
        (["-r", "--all"], "mean nothing for --reset: --all"),
        (["--yes", "--pip"], "mean nothing for packing; add --untracked or --reset: --pip, --yes"),
        (["x", "-p", "y"], "given twice"),
        (["-u", "-n", "x", "-p", "y"], "not by both"),
    ],
)
def test_options_that_do_not_fit(words: list[str], said: str, work: Path) -> None:
    """They are refused, not passed over."""
    done = conda_package(*words, cwd=work)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert list(work.iterdir()) == []


def test_no_environment(work: Path) -> None:
    """As conda-pack has it."""
    for words, code in ((["-u", "-n", "no-such-name"], 3), (["-u", "no/such"], 3), (["-r"], 3)):
        done = conda_package(*words, cwd=work)
        assert (done.code, done.out) == (code, "")
        assert done.err.startswith("conda-package: error: ")


def test_nobody_reads(install: Install, work: Path) -> None:
    """A pipe that is closed early is no error to tell of."""
    prefix = work / "env"
    install(prefix)
    for number in range(20000):
        (prefix / f"{number:05}").touch()
    command = " ".join(map(str, [*COMMAND, "-u", "-p", prefix]))
    done = start(["sh", "-c", f"{command} | head -n 1"])
    assert done == Done(0, f"# prefix: {prefix}\n", "")
