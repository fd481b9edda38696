"""bin/conda-unpack without a Python: --status, --verify and --json say what Python says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conda_pack import errors
from conda_pack.model import Platform
from conda_pack.runtime.conda_unpack import KINDS
from conda_pack.runtime.files import _filled, runtime_files
from conda_pack.runtime.folder import INDEX, STATE
from tests.support.shells import AWKS, SHELLS, TOOLS, few_tools, need
from tests.support.trees import diff_trees, tree
from tests.support.unpacked import CONDA_META, DIST, PH, USERS, file_entry, put, stored_fields, unpacked
from tests.support.unpackers import MORE, Said, change_index, record_more, run

OUTPUTS = ((), ("-q",), ("--json",), ("-q", "--json"))
STRANGE = {
    "share/back\\slash": b"1",
    "share/two\nlines": b"2",
    "share/return\r": b"3",
    'share/ -n \'é "☃" $HOME': b"4",
    "share/*": b"5",
    "-dash": b"6",
    "share/empty": b"",
}
LINKS = {
    "lib/liba.so": "libtool.so",
    "lib/dangling": "no where",
    "lib/out": "/etc/passwd",
    "lib/two\nlines": "x",
    "lib/to two": "a\nb",
    "lib/folder": "../share",
    "lib/-n": "-n",
}


def make(prefix: Path) -> Path:
    """Every kind of path, and names that tools and shells read otherwise."""
    unpacked(prefix, MORE)
    entries: list[dict[str, Any]] = [{"path": "share/none", "type": "directory"}]
    (prefix / "share/none").mkdir()
    for path, data in STRANGE.items():
        mode = 0o755 if "é" in path else 0o644
        put(prefix / path, data, mode)
        entries.append({"path": path, "mode": mode, **stored_fields(data)})
    for path, target in LINKS.items():
        (prefix / path).symlink_to(target)
        entries.append({"path": path, "type": "link", "target": target})
    record_more(prefix, DIST, entries)
    (prefix / "etc/more").mkdir()
    put(prefix / "etc/more/user's", b"mine")
    record_more(prefix, "unmanaged", [{"path": "etc/more/user's", **stored_fields(b"mine")}])
    return prefix


def same(prefix: Path, few: str, with_python: str, *options: str, shell: tuple[str, ...] = ("sh",)) -> Said:
    """What both ways say, having changed nothing."""
    before = tree(prefix)
    program = shutil.which(shell[0]) or shell[0]
    without = run(prefix, *options, path=few, shell=(program, *shell[1:]))
    assert run(prefix, *options, path=with_python) == without
    assert diff_trees(before, tree(prefix)) == ""
    return without


# ------------------------------------------------------------------ --status


STATES: list[object] = [
    None,
    {},
    {"prefix": "HERE"},
    {"prefix": "/elsewhere"},
    {"prefix": 'é "☃" \\ \t𝄞'},
    {"prefix": "HERE", "unfinished": ["/one", 'two"é']},
    {"unfinished": ["/one"]},
    {"prefix": None, "unfinished": []},
    {"prefix": "HERE", "signed": {"prefix": "0"}, "unfinished": []},
]


@pytest.mark.parametrize("ascii", [True, False])
def test_status(shell: tuple[str, ...], few: str, with_python: str, work: Path, ascii: bool) -> None:
    """From the archive on: nowhere yet, here, moved, on its way elsewhere, killed; and through a link."""
    prefix = unpacked(work / "it's é")
    (work / "link").symlink_to(prefix)
    codes = []
    for state in STATES:
        if state is not None:
            text = json.dumps(state, ensure_ascii=ascii).replace("HERE", str(prefix))
            (prefix / STATE).write_text(text)
        for options in OUTPUTS:
            said = same(prefix, few, with_python, "--status", *options, shell=shell)
        codes.append(said.code)
        same(work / "link", few, with_python, "--status", "--json", shell=shell)
    assert codes == [1, 1, 0, 1, 1, 1, 1, 1, 0]


def test_status_of_a_prefix_that_is_no_text(few: str, with_python: str, work: Path) -> None:
    """Python writes its bytes as surrogates, and sh the same."""
    place = Path(os.fsdecode(os.fsencode(work) + b"/caf\xe9"))
    unpacked(place)
    assert run(place, "-q", path=with_python) == Said(0, "", "")
    assert same(place, few, with_python, "--status", "--json").code == 0
    assert same(place, few, with_python, "--verify").code == 0
    assert run(place, "--prefix", "/x", path=few).code == 0
    place.rename(work / "env")
    assert run(place.parent / "env", "--status", path=few).code == 1


# ------------------------------------------------------------------ --verify


def test_all_is_well(shell: tuple[str, ...], few: str, with_python: str, work: Path) -> None:
    """As the archive has it, relocated, moved, and after a run that was killed."""
    prefix = make(work / "it's é")
    said = same(prefix, few, with_python, "--verify", shell=shell)
    assert said == Said(0, "", "conda-unpack: all 31 paths are as they were packed.\n")
    assert run(prefix, "-q", path=few, shell=shell).code == 0
    prefix.rename(work / "moved")
    for options in OUTPUTS:
        assert same(work / "moved", few, with_python, "--verify", *options, shell=shell).code == 0
    assert '"findings": []' in run(work / "moved", "--verify", "--json", path=few).out
    state = {"prefix": str(work / "x"), "unfinished": [str(prefix)]}
    (work / "moved" / STATE).write_text(json.dumps(state))
    assert same(work / "moved", few, with_python, "--verify", shell=shell).code == 0


def spoil(prefix: Path, outside: Path) -> None:
    """Everything that may be wrong, at once."""
    (prefix / "bin/tool").write_bytes(file_entry("bin/tool", b"#!%b/bin/python -s\n" % PH, "text")[1])
    (prefix / "bin/perl's").chmod(0o401)
    (prefix / "bin/run").chmod(0o677)
    (prefix / "etc/no end").unlink()
    (prefix / "etc/tool.conf").write_bytes(b"")
    with (prefix / "lib/many.bin").open("r+b") as file:
        file.write(b"x")
    with (prefix / "lib/far.bin").open("ab") as file:
        file.write(b"x")
    (prefix / "lib/libtool.so").unlink()
    (prefix / "lib/libtool.so").symlink_to("many.bin")
    for path in STRANGE:
        (prefix / path).write_bytes(b"changed")
    (prefix / "share/empty").unlink()
    (prefix / "share/empty").mkdir()
    for path, target in {"lib/liba.so": "libtool.s", "lib/two\nlines": "x\n", "lib/-n": "-e"}.items():
        (prefix / path).unlink()
        (prefix / path).symlink_to(target)
    (prefix / "lib/dangling").unlink()
    (prefix / "lib/out").unlink()
    (prefix / "lib/out").write_bytes(b"/etc/passwd")
    (prefix / "share/native.txt").rename(prefix / "share/same")
    (prefix / "share/native.txt").symlink_to("same")
    (prefix / "share/none").rmdir()
    (prefix / "share/none").symlink_to("/")
    (prefix / "etc/more").rename(outside)
    (prefix / "etc/more").symlink_to(outside)
    text = (prefix / CONDA_META).read_text()
    (prefix / CONDA_META).write_text(text.replace('"paths_version": 1', '"paths_version": 2'))
    with (prefix / "bin/conda-unpack").open("ab") as file:
        file.write(b"\0")
    index = (prefix / INDEX).read_bytes()
    (prefix / INDEX).write_bytes(index.replace(b'"limited_by":[', b'"limited_by":["x",'))


def test_all_is_wrong(shell: tuple[str, ...], few: str, with_python: str, work: Path) -> None:
    """The same lines in the same order, and the same JSON."""
    prefix = make(work / "env")
    assert run(prefix, "-q", path=few).code == 0
    spoil(prefix, work / "outside")
    for options in OUTPUTS:
        said = same(prefix, few, with_python, "--verify", *options, shell=shell)
        assert said.code == 10
    findings = {item["path"]: item["problem"] for item in json.loads(said.out)["findings"]}
    assert len(findings) == 26
    assert {"missing", "changed", "not executable"} == set(findings.values())


@pytest.mark.parametrize("name", AWKS)
def test_every_awk_verifies(name: str, with_python: str, work: Path) -> None:
    """What is right and what is wrong."""
    tools = few_tools(work / "others", awk=name)
    prefix = make(work / "env")
    assert same(prefix, tools, with_python, "--verify", "--json").code == 0
    spoil(prefix, work / "outside")
    assert same(prefix, tools, with_python, "--verify", "--json").code == 10


@pytest.mark.parametrize(
    ("tool", "others"), [("shasum", {}), ("openssl", {}), ("busybox", dict.fromkeys(TOOLS, "busybox"))]
)
def test_every_tool_for_digests(tool: str, others: dict[str, str], with_python: str, work: Path) -> None:
    """Whatever this machine has, and with busybox alone."""
    tools = few_tools(work / "others", [*(name for name in TOOLS if name != "sha256sum"), tool], **others)
    if tool == "shasum":
        few_tools(work / "others", ["perl"])
    prefix = make(work / "env")
    assert same(prefix, tools, with_python, "--verify", "--json").code == 0
    spoil(prefix, work / "outside")
    assert same(prefix, tools, with_python, "--verify", "--json").code == 10


def lose(*paths: str) -> Callable[[Path], None]:
    def do(prefix: Path) -> None:
        for path in paths:
            if (prefix / path).is_dir():
                shutil.rmtree(prefix / path)
            else:
                (prefix / path).unlink()

    return do


def change(path: str, old: str = "", new: str = " ") -> Callable[[Path], None]:
    def do(prefix: Path) -> None:
        text = (prefix / path).read_text()
        assert old in text
        (prefix / path).write_text(text.replace(old, new, 1) if old else text + new)

    return do


def record(name: str) -> str:
    return f"conda-meta/conda-pack/{name}.json"


def as_stored(path: str) -> Callable[[Path], None]:
    """As the archive has it, though the others were relocated."""

    def do(prefix: Path) -> None:
        (prefix / path).write_bytes(file_entry(path, USERS[path][0], "text")[1])

    return do


def relink(path: str, target: str) -> Callable[[Path], None]:
    def do(prefix: Path) -> None:
        (prefix / path).unlink()
        (prefix / path).symlink_to(target)

    return do


def change_and_close(prefix: Path) -> None:
    (prefix / "bin/run").write_bytes(b"")
    (prefix / "bin/run").chmod(0o644)


@pytest.mark.parametrize(
    ("fault", "findings"),
    [
        (relink("lib/liba.so", "libtool"), ["changed: lib/liba.so"]),
        (change_and_close, ["changed: bin/run"]),
        (lose(CONDA_META), [f"missing: {CONDA_META}"]),
        (change(CONDA_META), [f"changed: {CONDA_META}"]),
        (change(CONDA_META, '"sha256": "', '"sha256": "0'), [f"changed: {CONDA_META}"]),
        (lose(record(DIST)), [f"missing: {record(DIST)}"]),
        (change(record(DIST)), [f"changed: {record(DIST)}"]),
        (lose(record("unmanaged"), "etc"), None),
        (lose("lib", "share"), None),
        (as_stored("etc/user.conf"), ["not relocated: etc/user.conf"]),
    ],
)
@pytest.mark.parametrize("relocated", [True, False])
def test_one_fault(
    fault: Callable[[Path], None],
    findings: list[str] | None,
    relocated: bool,
    few: str,
    with_python: str,
    work: Path,
) -> None:
    """Of what tells of the others; what it tells of is not compared then."""
    prefix = make(work / "env")
    if relocated:
        assert run(prefix, "-q", path=few).code == 0
    fault(prefix)
    said = same(prefix, few, with_python, "--verify")
    if findings == ["not relocated: etc/user.conf"] and not relocated:
        assert said.code == 0
    elif findings is not None:
        assert (10, findings) == (said.code, said.out.splitlines())
    else:
        assert said.code == 10


def test_what_it_cannot_compare(few: str, work: Path) -> None:
    """UTF-16, and what is for macOS or Windows: named, and not counted."""
    wide = b"\xff\xfe" + PH.decode().encode("utf-16-le") + b"\0\0end"
    prefix = unpacked(work / "env", {"lib/wide.bin": (wide, "binary", 0o644)})
    assert run(prefix, "-q", path=few).code == 13
    text = (prefix / record("unmanaged")).read_text()
    (prefix / record("unmanaged")).write_text(
        text.replace('"prefix_placeholder"', '"sign":true,"prefix_placeholder"')
    )
    record_more(prefix, "unmanaged", [])
    (prefix / "lib/wide.bin").write_bytes(b"")
    (prefix / "bin/run").unlink()
    said = run(prefix, "--verify", path=few)
    assert (said.code, said.out) == (10, "missing: bin/run\n")
    assert said.err.splitlines() == [
        "conda-unpack: warning: not compared, because that takes a Python from 3.6 on: "
        "lib/wide.bin, etc/user.conf.",
        "conda-unpack: 1 of 9 paths are not as they were packed.",
    ]


def test_a_shell_that_breaks_down(few: str, work: Path) -> None:
    """A comparison that did not come to its end has not found everything to be right."""
    prefix = make(work / "env")
    (work / "broken").mkdir()
    awk = (
        f'{need("awk")} "$@" | if [ "$action" = entries ]; then {need("head")} -n 40; else {need("cat")}; fi'
    )
    put(work / "broken/awk", f"#!/bin/sh\n{awk}\n".encode(), 0o755)
    said = run(prefix, "--verify", path=f"{work / 'broken'}:{few}")
    assert (said.code, said.out, "broke off" in said.err) == (13, "", True)


@pytest.mark.parametrize("name", ["dash", "bash", "busybox"])
def test_many_files(name: str, few: str, with_python: str, work: Path) -> None:
    """With as little stack as a shell needs for few; busybox and bash once ran out of it."""
    many = {f"share/{i % 7}/{i}": (b"%d" % i, "none", 0o644) for i in range(8000)}
    prefix = unpacked(work / "env", many)
    shell = SHELLS[name]
    small = ("sh", "-c", 'ulimit -s 1024 && exec "$@"', "sh", need(shell[0]), *shell[1:])
    assert same(prefix, few, with_python, "--verify", shell=small).code == 0


def test_no_tool_for_digests(work: Path) -> None:
    """Nothing is compared without."""
    few = few_tools(work / "few", [name for name in TOOLS if name != "sha256sum"])
    said = run(unpacked(work / "env"), "--verify", path=few)
    sentence = "it needs a Python from 3.6 on, or sha256sum, shasum or openssl: none is on PATH."
    assert said == Said(13, "", f"conda-unpack: error: {sentence}\n")


# ------------------------------------------------------------------ --json


def test_json_of_a_run(shell: tuple[str, ...], few: str, with_python: str, work: Path) -> None:
    """What was done and what was left; then errors of every kind."""
    results = []
    for path in (few, with_python):
        prefix = make(work / 'it\'s "é"')
        (prefix / "etc/user.conf").unlink()
        (prefix / "etc/naïve ☃").write_bytes(b"")
        runs = [run(prefix, *options, path=path, shell=shell) for options in OUTPUTS[:1:-1]]
        runs.append(run(prefix, "--json", "--prefix", "/" + "é" * 200, path=path, shell=shell))
        runs.append(run(prefix, "--json", "--prefix", "", path=path, shell=shell))
        (prefix / INDEX).write_bytes(b"")
        broken = run(prefix, "--json", path=path, shell=shell)
        assert (broken.code, json.loads(broken.out)["error"]) == (10, "DamagedArchive")
        (prefix / INDEX).unlink()
        runs.append(run(prefix, "--json", path=path, shell=shell))
        results.append(runs)
        shutil.rmtree(prefix)
    assert results[1] == results[0]
    assert [said.code for said in results[0]] == [0, 0, 12, 2, 3]
    assert json.loads(results[0][0].out)["files_changed"] == 8
    assert len(json.loads(results[0][1].out)["warnings"]) == 2


def test_the_kinds_of_errors(few: str, work: Path) -> None:
    """The names in sh are those of the exceptions with the same codes."""
    lines = re.findall(r"^    (\d+)\) kind=(\w+) ;;$", _filled("launcher.sh").decode(), re.MULTILINE)
    told = {int(code): kind for code, kind in lines}
    assert {code: kind for code, kind in KINDS.items() if code != 130} | {13: "ToolMissing"} == told
    assert {code: getattr(errors, kind).exit_code for code, kind in told.items()} == {
        code: code for code in told
    }
    without = few_tools(work / "without", [name for name in TOOLS if name != "awk"])
    said = run(unpacked(work / "env"), "--json", path=without)
    result = json.loads(said.out)
    assert (said.code, result.pop("message")) == (13, said.err.removeprefix("conda-unpack: error: ").rstrip())
    assert result == {"error": "ToolMissing", "exit_code": 13}


@pytest.mark.parametrize(
    "options",
    [("--verify", "--status"), ("--prefix", "/x", "--verify"), ("--env=json", "--status"), ("--env",)],
)
def test_options_that_exclude_one_another(
    options: tuple[str, ...], few: str, with_python: str, work: Path
) -> None:
    """Neither way does anything."""
    prefix = unpacked(work / "env")
    before = tree(prefix)
    assert [run(prefix, *options, path=path).code for path in (few, with_python)] == [2, 2]
    assert diff_trees(before, tree(prefix)) == ""


# ------------------------------------------------------------------ what is shipped


def test_shellcheck(work: Path) -> None:
    """shellcheck finds nothing, in the scripts as they are shipped."""
    scripts = {blob.path: blob.data for blob in runtime_files(Platform("linux-64"))}
    for script in (_filled("launcher.sh"), scripts["bin/activation-for"]):
        (work / "script").write_bytes(script)
        command = [need("shellcheck"), "-s", "sh", str(work / "script")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")
        assert not re.search(rb"@[a-zA-Z]+(\.[a-z]+)?@", script)


def test_an_index_that_is_laid_out_otherwise(few: str, work: Path) -> None:
    """Refused, never read wrongly."""
    prefix = unpacked(work / "env")
    change_index(prefix, lambda content: None)
    (prefix / INDEX).write_text(json.dumps(json.loads((prefix / INDEX).read_text()), indent=1))
    for option in ("--verify", "--status"):
        assert run(prefix, option, path=few).code == 10
