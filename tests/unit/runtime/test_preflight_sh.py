"""Preflight without a Python: judged by awk as by preflight.py, from what sh finds out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conda_pack.runtime.files import _filled
from conda_pack.runtime.preflight import HINT, Machine, archspec, glibc, judge, meets
from tests.support.shells import TOOLS, few_tools
from tests.support.trees import diff_trees, tree
from tests.support.unpacked import compact, unpacked
from tests.support.unpackers import Said, change_index, run

PROGRAM = _filled("unpack.awk").decode()

versions = st.from_regex(r"[0-3]\.(0|5|17|34|100)(\.(1|2))?(\.a0)?", fullmatch=True)
terms = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "=", "==", "!=", ">=", "<=", ">", "<", "~=", "^", " >="]),
    versions,
    st.sampled_from(["", "", ".*", "*", "_x"]),
)
constraints = st.one_of(
    st.sampled_from(["", "*", "|", ",", ">=2,"]),
    terms,
    st.builds("{},{}".format, terms, terms),
    st.builds("{}|{},{}".format, terms, terms, terms),
)
specs = st.one_of(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(
            ["__glibc", "__osx", "__linux", "__cuda", "__unix", "__win", "__glib-c", "__x", "zlib"]
        ),
        st.sampled_from([" ", "", "  "]),
        constraints,
        st.sampled_from(["", " ", " *", " 0"]),
    ),
    st.builds("__archspec 1{}".format, st.sampled_from(["", " x86_64_v1", " x86_64_v3", " haswell", " *"])),
)
kinds = st.sampled_from(["glibc", "macos", "glibcxx", "other"])
contents = st.fixed_dictionaries(
    {
        "platform": st.sampled_from(
            [
                "linux-64",
                "linux-32",
                "linux-aarch64",
                "linux-ppc64le",
                "osx-arm64",
                "osx-64",
                "win-64",
                "noarch",
                "x-64",
            ]
        ),
        "requires": st.lists(specs, max_size=4),
        "needs": st.dictionaries(kinds, versions, max_size=3),
        "needed_by": st.dictionaries(kinds, st.sampled_from(["bin/x", 'it\'s "é"{"']), max_size=3),
    }
)
#: What each CONDA_OVERRIDE_* says: nothing at all for what is unknown, empty for none.
overrides = st.fixed_dictionaries(
    {
        "GLIBC": versions,
        "OSX": versions,
        "LINUX": versions,
        "CUDA": st.one_of(st.just(""), versions),
        "ARCHSPEC": st.sampled_from(["x86_64_v1", "x86_64_v3", "x86_64_v4"]),
    }
)
KINDS = {"GLIBC": "glibc", "OSX": "macos", "LINUX": "__linux", "CUDA": "__cuda", "ARCHSPEC": "__archspec"}
ONLY: dict[str, dict[str, str | None]] = {
    "Linux": {"__unix": "0", "__win": None},
    "Darwin": {"__unix": "0", "__win": None},
    "Windows": {"__unix": None, "__win": "0"},
}


def judged(awk: tuple[str, ...], folder: Path, content: dict[str, Any], **environ: str) -> tuple[str, str]:
    """How the shipped program judges: the code for sh is run, and its sentence comes back."""
    (folder / "conda-meta/conda-pack").mkdir(parents=True, exist_ok=True)
    content = {"format": 1, **content, "prefix": None, "runtime": [], "unmanaged": {"record": "x"}}
    (folder / "conda-meta/conda-pack/index.json").write_bytes(
        compact({"conda_pack": 1, "identity": "", "content": content})
    )
    environ = {"LC_ALL": "C", "action": "preflight", "environment": str(folder), **environ}
    done = subprocess.run(
        [*awk, PROGRAM], env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    script = (
        b'say() { printf \'%s\\n\' "$1"; }; fail() { printf \'%s %s\\n\' "$1" "$2" >&2; }\n' + done.stdout
    )
    said = subprocess.run(["sh"], input=script, capture_output=True, check=True)
    return said.stdout.decode(), said.stderr.decode()


@given(
    contents, overrides, st.sampled_from(["Linux", "Darwin", "Windows"]), st.sampled_from(["x86_64", "arm64"])
)
@settings(max_examples=60, deadline=None)
def test_judged_alike(
    awk: tuple[str, ...],
    work_root: Path,
    content: dict[str, Any],
    overrides: dict[str, str],
    system: str,
    machine: str,
) -> None:
    """Every need and requirement, whatever the machine offers of it."""
    offers: dict[str, str | None] = {KINDS[name]: value or None for name, value in overrides.items()}
    judgement = judge(content, Machine(system, machine, offers | ONLY[system]))
    environ = {f"CONDA_OVERRIDE_{name}": value for name, value in overrides.items()}
    folder = work_root / "judged"
    actual = judged(awk, folder, content, system=system, machine=machine, **environ)
    warnings = "".join(f"warning: {warning}\n" for warning in judgement.warnings)
    refusal = f"14 {judgement.refusal} {HINT}\n" if judgement.refusal else ""
    assert (warnings, refusal) == actual
    went_on = judged(awk, folder, content, system=system, machine=machine, go_on="1", **environ)
    assert (warnings + (f"warning: {judgement.refusal}\n" if refusal else ""), "") == went_on


@pytest.mark.parametrize("version", ["2", "2.0", "2.17", "2.17.1", "3.0", "3.0.a0"])
@pytest.mark.parametrize(
    "constraint",
    [
        *(
            "=2.0",
            "2.0.*",
            "2.17*",
            "==2.17.*",
            "!=2.17.*",
            "!=2.17",
            "==2.0",
            "<3.0.a0",
            ">=3.0.a0",
            "~=2",
            "~=2.17.0",
        ),
        *("2.17|>=3,<4", "2.17|x", ">2,<=2.17", "3", ">=2.17 ", "", "*", ",", "2,", "|2"),
    ],
)
def test_constraints(awk: tuple[str, ...], version: str, constraint: str) -> None:
    """As in Python, forms that are not known as well."""
    code = 'BEGIN { printf "%d", meets(ENVIRON["version"], ENVIRON["constraint"]); exit }'
    environ = {"LC_ALL": "C", "version": version, "constraint": constraint}
    command = [*awk, f"{PROGRAM}\n{code}"]
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    expected = meets(version, constraint)
    assert str(-1 if expected is None else int(expected)) == done.stdout.decode()


ALL = {
    "platform": "linux-64",
    "needs": {"glibc": "9.9", "macos": "99", "glibcxx": "9.9"},
    "requires": ["__cuda >=99", "__linux >=99", "__archspec 1 x86_64_v4", "__osx"],
}


def test_nothing_is_known(awk: tuple[str, ...], work: Path) -> None:
    """Where no program tells, it goes on."""
    assert judged(awk, work, ALL) == ("", "")


def test_this_machine(awk: tuple[str, ...], work: Path) -> None:
    """The level of its processor is read from the kernel; musl is told; a release has more than numbers."""
    level, machine = archspec(), os.uname().machine
    content: dict[str, Any] = {"platform": "noarch", "requires": ["__archspec 1 x86_64_v4", "__linux >=6.2"]}
    _, refusal = judged(awk, work, content, system="Linux", machine=machine, release="6.1.0-x")
    assert "it needs Linux >=6.2, and this machine has 6.1.0" in refusal
    assert (level is not None and level < "x86_64_v4") == (f"this machine's has {level};" in refusal)
    content = {"platform": "noarch", "needs": {"glibc": "2.1"}, "needed_by": {"glibc": "bin/x"}}
    _, refusal = judged(awk, work, content, system="Linux", glibc="musl in its place")
    assert "it needs glibc 2.1 (for bin/x), and this machine has musl in its place." in refusal


# ------------------------------------------------------------------ bin/conda-unpack


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + text)
    (folder / name).chmod(0o755)


@pytest.fixture
def machine(work: Path) -> Path:
    """The tools of a machine that can be told what it is."""
    tools = Path(few_tools(work / "tools", [*TOOLS, "sed"]))
    program(tools, "uname", "case $1 in -s) echo Linux ;; -m) echo x86_64 ;; -r) echo 5.10 ;; esac\n")
    program(tools, "getconf", "echo glibc 2.31\n")
    return tools


def needing(prefix: Path, **fields: Any) -> Path:
    """An unpacked environment whose index says so, in the order that indexes have."""

    def told(content: dict[str, Any]) -> None:
        rest = {name: content.pop(name) for name in list(content) if name not in ("format", "platform")}
        content.update({"requires": [], "needs": {}, "needed_by": {}, **fields, **rest})

    unpacked(prefix)
    change_index(prefix, told)
    return prefix


def test_refused_before_anything_is_written(shell: tuple[str, ...], machine: Path, work: Path) -> None:
    """In the words of Python, with 14, also to programs; and with an option or an override it goes on."""
    prefix = needing(work / "env", needs={"glibc": "2.34"}, needed_by={"glibc": "bin/x"})
    before = tree(prefix)
    sentence = (
        "This environment would not start here: it needs glibc 2.34 (for bin/x), and this machine has 2.31."
    )
    error = Said(14, "", f"conda-unpack: error: {sentence} {HINT}\n")
    assert error == run(prefix, path=str(machine), shell=shell)
    said = run(prefix, "--json", "-q", path=str(machine), shell=shell)
    expected = {"error": "NotForThisMachine", "message": f"{sentence} {HINT}", "exit_code": 14}
    assert (14, error.err, expected) == (said.code, said.err, json.loads(said.out))
    assert diff_trees(before, tree(prefix)) == ""
    for option in ("--status", "--verify"):
        assert run(prefix, option, path=str(machine), shell=shell).code < 2
    said = run(prefix, "--no-preflight", "--prefix", "/x", path=str(machine), shell=shell)
    assert (0, f"conda-unpack: warning: {sentence}") == (said.code, said.err.splitlines()[0])
    override = {"CONDA_OVERRIDE_GLIBC": "2.34"}
    assert run(prefix, "-q", path=str(machine), shell=shell, environ=override) == Said(0, "", "")


@pytest.mark.parametrize("missing", ["uname", "getconf"])
def test_what_is_not_known_is_no_hindrance(missing: str, machine: Path, work: Path) -> None:
    """Without a word."""
    needs = {"platform": "osx-64"} if missing == "uname" else {"needs": {"glibc": "9.9"}}
    prefix = needing(work / "env", **needs)
    assert run(prefix, path=str(machine)).code == 14
    (machine / missing).unlink()
    assert run(prefix, "-q", path=str(machine)) == Said(0, "", "")


def test_both_ways_on_this_machine(work: Path) -> None:
    """The same sentences of what this one has not."""
    tools = Path(few_tools(work / "tools", [*TOOLS, "sed", "uname", "getconf"]))
    (work / "python").mkdir()
    (work / "python/python3").symlink_to(sys.executable)
    has = glibc()
    assert has is not None
    contents: list[dict[str, Any]] = [
        {"platform": "osx-arm64"},
        {"needs": {"glibc": "9.9"}, "requires": ["__glibc >=9.10,<99", "__unix", "__linux >=99"]},
        {"requires": ["__win", "__osx >=11", "__archspec 1 x86_64_v1"]},
        {"requires": [f"__glibc >={has}"], "needs": {"glibc": has}},
    ]
    codes = []
    for content in contents:
        prefix = needing(work / "env", **content)
        said = run(prefix, "-q", path=str(tools))
        assert run(prefix, "-q", path=f"{work / 'python'}:{tools}") == said
        codes.append(said.code)
    assert codes == [14, 14, 14, 0]
