"""bin/conda-unpack without a Python: awk and sh do what the rules in Python do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conda_pack.runtime import folder
from conda_pack.runtime.files import _filled
from conda_pack.runtime.rules import render_shebang, target_edits
from tests.support.shells import AWKS, TOOLS, few_tools, need
from tests.support.trees import diff_trees, tree
from tests.support.unpacked import CONDA_META, DIST, LIMIT, PH, compact, unpacked
from tests.support.unpackers import MORE, by_python, run

PROGRAM = _filled("unpack.awk").decode()

# ------------------------------------------------------------------ awk


def evaluate(awk: tuple[str, ...], code: str, *lines: bytes) -> bytes:
    """What ``code`` prints, with the shipped functions; ``line1`` and so on are the lines."""
    names = {f"line{number}".encode(): line for number, line in enumerate(lines, 1)}
    done = subprocess.run(
        [*awk, PROGRAM + "\nBEGIN { " + code + "; exit }"],
        env={b"LC_ALL": b"C", b"PATH": b"/usr/bin:/bin", **names},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    return done.stdout


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(text)
@settings(max_examples=30, deadline=None)
def test_strings_of_json(awk: tuple[str, ...], value: str) -> None:
    """Written as Python writes them, and read however they are escaped."""
    data = value.encode()
    assert json.dumps(value).encode() == evaluate(awk, 'printf "%s", quoted(ENVIRON["line1"], 1)', data)
    raw = json.dumps(value, ensure_ascii=False).encode()
    assert raw == evaluate(awk, 'printf "%s", quoted(ENVIRON["line1"])', data)
    for written in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        read = evaluate(awk, 'printf "%s", unquoted(ENVIRON["line1"])', written.encode() + b', "x"')
        assert data == read


@example(b"\xe0\x80\x80")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xf0\x80\x80\x80")
@example(b"\xc0\x80\xe2\x98")
@given(st.binary(max_size=6).filter(lambda data: b"\0" not in data))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_text(awk: tuple[str, ...], data: bytes) -> None:
    """Python has them as surrogates, and what it writes of them is read as the same bytes."""
    written = json.dumps(os.fsdecode(data)).encode()
    assert written == evaluate(awk, 'printf "%s", quoted(ENVIRON["line1"], 1)', data)
    assert data == evaluate(awk, 'printf "%s", unquoted(ENVIRON["line1"])', written)
    is_text = b"1" if data == data.decode("utf-8", "ignore").encode() else b"0"
    assert is_text == evaluate(awk, 'printf "%d", is_utf_8(ENVIRON["line1"])', data)


names = st.text("ab /é☃\\'\"$`\t", max_size=8)
lines = st.builds(
    "#!{}{}{}{}".format,
    st.sampled_from(["", " ", "/bin/", "/usr/bin/env "]),
    st.sampled_from(["{}", "{}/bin/python", "{}/bin/python3.11", "{}/bin/perl", "x", "{}/a\\ b/python"]),
    st.sampled_from(["", " -s", " {}/x", "\r", "\\ y"]),
    st.sampled_from(["", "\n"]),
)


@given(lines, names, st.integers(0, 130), st.sampled_from(["conda", "rattler", "conda-entry", "distlib"]))
@settings(max_examples=80, deadline=None)
def test_shebangs(awk: tuple[str, ...], line: str, name: str, length: int, rule: str) -> None:
    """Each installer's own, at every length."""
    pristine, prefix = line.replace("{}", PH.decode()).encode(), ("/" + name + "p" * length).encode()
    arguments = ", ".join(f'ENVIRON["line{number}"]' for number in (1, 2, 3))
    code = f'limit = {LIMIT}; printf "%s", shebang({arguments}, "{rule}")'
    expected = render_shebang(pristine, PH, prefix, rule, LIMIT)
    assert expected == evaluate(awk, code, pristine, PH, prefix)


def test_no_apostrophe() -> None:
    """It would end the quotes that sh has the program in."""
    assert "'" not in PROGRAM


# ------------------------------------------------------------------ sh


PLACES = ["env", "a b", 'it\'s "$HOME" `x` \\n é ☃', "l" * 100, "two\nlines", "-q"]


@pytest.mark.parametrize("name", PLACES, ids=range(len(PLACES)))
def test_every_shell_relocates(shell: tuple[str, ...], few: str, work: Path, name: str) -> None:
    """The same tree as Python makes, the state and conda-meta included; and again nothing is to be done."""
    place = work / name
    expected = by_python(place)
    unpacked(place, MORE)
    done = run(place, path=few, shell=shell)
    said = f"conda-unpack: 10 files changed; the environment is at {place}.\n"
    assert (0, "", said) == (done.code, done.out, done.err)
    assert diff_trees(expected, tree(place)) == ""
    inodes = {path: path.stat().st_ino for path in place.rglob("*")}
    again = run(place, path=few, shell=shell)
    assert (0, said.replace("10 ", "0 ")) == (again.code, again.err)
    assert inodes == {path: path.stat().st_ino for path in place.rglob("*")}


@pytest.mark.parametrize("name", AWKS)
def test_every_awk_relocates(name: str, work: Path) -> None:
    """From wherever to wherever: by Python, by sh, by both in turn."""
    tools = few_tools(work / "tools", awk=name)
    places = [work / "x", work / "a b", work / ("l" * 130), work / "é"]
    expected = {place: by_python(place) for place in places}
    place = unpacked(work / "env", MORE)
    for target in [*places, *reversed(places)]:
        place.rename(target)
        place = target
        assert (run(place, "-q", path=tools).code, run(place, "-q", path=tools).err) == (0, "")
        assert diff_trees(expected[place], tree(place)) == ""


@pytest.mark.parametrize(
    ("tool", "others"), [("shasum", {}), ("openssl", {}), ("busybox", {"awk": "busybox", "dd": "busybox"})]
)
def test_every_tool_for_digests(tool: str, others: dict[str, str], few: str, work: Path) -> None:
    """Whatever this machine has."""
    expected = by_python(work / "env")
    tools = few_tools(work / "others", [*(name for name in TOOLS if name != "sha256sum"), tool], **others)
    if tool == "shasum":
        few_tools(work / "others", ["perl"])
    prefix = unpacked(work / "env", MORE)
    assert (run(prefix, "-q", path=tools).code, run(prefix, "-q", path=tools).err) == (0, "")
    assert diff_trees(expected, tree(prefix)) == ""


def test_no_tool_for_digests(work: Path) -> None:
    """All files are right, and conda-meta keeps what it said, which is told."""
    expected = by_python(work / "env")
    tools = few_tools(work / "few", [name for name in TOOLS if name != "sha256sum"])
    prefix = unpacked(work / "env", MORE)
    before = tree(prefix)[CONDA_META]
    done = run(prefix, path=tools)
    assert "warning: there is no sha256sum" in done.err
    assert (done.code, len(done.err.splitlines())) == (0, 2)
    expected[CONDA_META] = before
    assert diff_trees(expected, tree(prefix)) == ""


def test_for_another_place(shell: tuple[str, ...], few: str, work: Path) -> None:
    """``--prefix``, relative and not normal as paths may be."""
    expected = by_python(work / "there/env")
    prefix = unpacked(work / "hidden", MORE)
    done = run(prefix, "--prefix", "../there//./x/../env/", path=few, shell=shell, cwd=prefix)
    said = f"conda-unpack: 10 files changed; move the environment to {work / 'there/env'} now.\n"
    assert (0, said) == (done.code, done.err)
    assert diff_trees(expected, tree(prefix)) == ""


def test_changed_and_missing_files_are_left(
    shell: tuple[str, ...], few: str, with_python: str, work: Path
) -> None:
    """In the words of Python, and in its order."""
    results = []
    for path in (few, with_python):
        prefix = unpacked(work / "env", MORE)
        with (prefix / "etc/tool.conf").open("ab") as file:
            file.write(b"mine\n")
        (prefix / "lib/libtool.so").write_bytes(b"\x7fELF\0")
        (prefix / "etc/no end").chmod(0o644)
        (prefix / "etc/no end").write_bytes(b"/" + b"x" * (len(PH) - 1))  # another prefix, as long
        (prefix / "etc/user.conf").unlink()
        (prefix / "bin/run").unlink()
        (prefix / "bin/run").symlink_to("tool")
        document = json.loads((prefix / CONDA_META).read_text())
        document["paths_data"]["paths"].reverse()
        (prefix / CONDA_META).write_text(json.dumps(document, indent=2))
        done = run(prefix, path=path, shell=shell)
        results.append((done.code, done.err, tree(prefix)))
        shutil.rmtree(prefix)
    assert results[1] == results[0]
    assert results[0][1].count("warning") == 6


@pytest.mark.parametrize(
    "arguments", [("--prefix", ""), ("--prefix=",), ("--prefix",), ("--nonsense",), ("--env", "x"), ("x",)]
)
def test_what_it_does_not_understand(few: str, work: Path, arguments: tuple[str, ...]) -> None:
    """One sentence, and nothing is touched."""
    prefix = unpacked(work / "env")
    before = tree(prefix)
    done = run(prefix, *arguments, path=few)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert diff_trees(before, tree(prefix)) == ""


def test_what_only_python_can(few: str, work: Path) -> None:
    """A prefix in UTF-16 is refused before anything is written; so is a record laid out otherwise."""
    pristine = b"\xff\xfe" + PH.decode().encode("utf-16-le") + b"\0\0end"
    prefix = unpacked(work / "env", {"lib/wide.bin": (pristine, "binary", 0o644)})
    record = prefix / f"conda-meta/conda-pack/{DIST}.json"
    assert b'"utf-16-le"' in record.read_bytes()
    before = tree(prefix)
    done = run(prefix, path=few)
    assert (done.code, len(done.err.splitlines())) == (13, 1)
    assert "lib/wide.bin" in done.err
    assert "Python" in done.err
    assert diff_trees(before, tree(prefix)) == ""
    record.write_text(json.dumps(json.loads(record.read_bytes()), indent=1))
    before = tree(prefix)
    done = run(prefix, path=few)
    assert (done.code, len(done.err.splitlines())) == (10, 1)
    assert diff_trees(before, tree(prefix)) == ""


def test_too_long(few: str, with_python: str, work: Path) -> None:
    """The sentence of Python."""
    prefix = unpacked(work / ("l" * 120) / ("l" * 120))
    before = tree(prefix)
    done = run(prefix, path=few)
    python = run(prefix, path=with_python)
    assert (12, python.err) == (done.code, done.err)
    assert diff_trees(before, tree(prefix)) == ""


def test_tools_that_are_missing(work: Path) -> None:
    """Told by name."""
    prefix = unpacked(work / "env")
    before = tree(prefix)
    done = run(prefix, path=few_tools(work / "few", [name for name in TOOLS if name != "awk"]))
    sentence = "it needs a Python from 3.6 on, or awk: neither is in this environment or on PATH."
    assert (13, f"conda-unpack: error: {sentence}\n") == (done.code, done.err)
    assert diff_trees(before, tree(prefix)) == ""


# ------------------------------------------------------------------ killed


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_renaming(work: Path, few: str, with_python: str, before: bool) -> None:
    """On the way to P1 and again from there to P2: the next run, of sh or Python, ends whole."""
    (work / "deadly").mkdir()
    mv = f'"{need("mv")}" "$@"'
    lines = [
        "#!/bin/sh",
        'echo >>"$COUNT"',
        f'[ "$(wc -l <"$COUNT")" -ne "$DIES" ] || {{ {"" if before else mv}',
    ]
    (work / "deadly/mv").write_text("\n".join(lines) + f"\nkill -KILL $PPID\nexit 1\n}}\nexec {mv}\n")
    (work / "deadly/mv").chmod(0o755)
    count = work / "count"
    expected = by_python(work / "env")
    for number in range(1, 20):
        prefix = unpacked(work / "env", MORE)
        deaths = 0
        for place in (work / "env", work / "env2"):
            if place != prefix:
                prefix.rename(place)
            count.unlink(missing_ok=True)
            environ = {"PATH": f"{work / 'deadly'}:{few}", "COUNT": str(count), "DIES": str(number)}
            code = subprocess.run([place / "bin/conda-unpack", "-q"], env=environ, check=False).returncode
            assert code in (0, -9)
            deaths += code == -9
            prefix = place
        prefix.rename(work / "env")
        path = few if number % 2 else with_python
        done = run(work / "env", "-q", path=path)
        assert (done.code, done.err) == (0, "")
        assert diff_trees(expected, tree(work / "env")) == ""
        shutil.rmtree(work / "env")
        if not deaths:
            break
    assert number == 14  # ten files, conda-meta and two states were replaced before


def test_rules_agree_on_what_fits() -> None:
    """A C string's places in a record are what the plan takes them to be: offsets, then the end."""
    entry: dict[str, object] = {"prefix_placeholder": "/ph", "file_mode": "binary", "path": "x"}
    entry |= {"offsets": [{"encoding": "utf-8", "ranges": [[1, 9, 14]]}]}
    assert target_edits(entry, b"/p", LIMIT) == [(1, b"/ph", b"/p"), (9, b"/ph", b"/p"), (14, b"", b"\0\0")]


def test_the_state_of_a_place_that_is_no_text(awk: tuple[str, ...], work: Path) -> None:
    """Of a run from there: all of it escaped, as Python writes it, so that it can be read again."""
    prefix = unpacked(work / "env")
    former = os.fsdecode(b"/caf\xe9")
    (prefix / folder.STATE).write_bytes(folder.state_text({"prefix": former}))
    begun = folder.state_text({"prefix": former, "unfinished": ["/é"]}).decode().rstrip("\n")
    environ = {"LC_ALL": "C", "action": "plan", "environment": str(prefix), "prefix": "/é"}
    done = subprocess.run(
        [*awk, PROGRAM], env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert f"state_begun='{begun}'" in done.stdout.decode("utf-8", "surrogateescape").splitlines()


def test_state_is_read_back(few: str, work: Path) -> None:
    """Former prefixes of every spelling, of runs that ended or not, as Python or sh wrote them."""
    prefix = unpacked(work / "env", MORE)
    expected = by_python(work / "there")
    former = work / 'é "☃" \\ 𝄞'
    prefix.rename(former)
    run(former, "-q", path=few)
    former.rename(prefix)
    state = {"prefix": "/elsewhere", "unfinished": ["/one", str(former)]}
    (prefix / folder.STATE).write_bytes(compact(state))
    prefix.rename(work / "there")
    done = run(work / "there", "-q", path=few)
    assert (done.code, done.err) == (0, "")
    assert diff_trees(expected, tree(work / "there")) == ""
