"""The script before an archive: what is filled in, and how long it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.runtime.selfextract import stub

IDENTITY = "0123456789abcdef" * 4
USUAL: dict[str, Any] = {
    "name": "env",
    "identity": IDENTITY,
    "decompress": "gzip -dc",
    "platform": "linux-64",
    "size": 123_456_789,
}
WORDS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
NAMES = WORDS.filter(lambda name: name not in ("", ".", "..") and "/" not in name)
DIGITS = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(NAMES, WORDS, DIGITS, DIGITS, st.integers(0, 10**15 - 10**6))
def test_the_length_is_always_the_same(name: str, root: str, first: str, second: str, packed: int) -> None:
    """Whatever the identity and the size are, which are known last; and the script knows it."""
    options = USUAL | {"name": name, "arcroot": root}
    before = stub(**options | {"identity": first})
    after = stub(**options | {"identity": second, "packed": packed})
    assert len(before) == len(after)
    assert {str(len(after)).encode()} == set(re.findall(rb"dd bs=(\d+) ", after))
    assert after.endswith(b"\nexit\n")


#: How many bytes more give the script, which knows its length, six digits of it.
MORE = 100_000 - len(stub(**USUAL, prefix="/"))


@pytest.mark.parametrize("more", [0, 3, 30, 300, 3000, 30_000, *range(MORE - 5, MORE + 5)])
def test_it_knows_its_length_where_that_gets_a_digit_longer(more: int) -> None:
    """The length of the number counts as well."""
    script = stub(**USUAL, prefix="/" + "p" * more)
    assert {str(len(script)).encode()} == set(re.findall(rb"dd bs=(\d+) ", script))


VALUES = """
printf '%s\\0' "$_pack_name" "$_pack_identity" "$_pack_platform" "$_pack_packed" "$_pack_needed"
printf '%s\\0' "$_pack_root" "$_pack_fixed"
exit
"""


@given(NAMES, WORDS, WORDS)
def test_values_are_quoted(name: str, root: str, prefix: str) -> None:
    """A shell reads each of them as it was, whatever it holds."""
    script = stub(**USUAL | {"name": name, "arcroot": root, "prefix": prefix, "packed": 5})
    head = script[: script.index(b"\n_pack_entry=")]
    done = subprocess.run(["sh", "-c", os.fsdecode(head) + VALUES], capture_output=True, check=True)
    expected = [name, IDENTITY, "linux-64", str(5 + len(script)), "120564", root.strip("/"), prefix]
    assert expected == done.stdout.decode().split("\0")[:-1]


@given(st.lists(WORDS, min_size=1).filter(lambda words: words[0]))
def test_the_entry_point_is_quoted(words: list[str]) -> None:
    """Split as a shell splits it, and put together so that no shell splits it otherwise."""
    entry = " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words)
    script = os.fsdecode(stub(**USUAL, entrypoint=entry))
    line = script[script.index("    exec ") : script.index(' "$@"\n}')].replace("exec", "printf '%s\\0'", 1)
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert words == done.stdout.decode().split("\0")[:-1]


def test_bytes_that_are_no_text() -> None:
    """A folder's name may be any bytes; Python shows them as surrogates."""
    assert b"_pack_name='caf\xe9'\n" in stub(**USUAL | {"name": os.fsdecode(b"caf\xe9")})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "'' cannot be the name of a folder"),
        ({"name": ".."}, "'..' cannot be the name of a folder"),
        ({"name": "a/b"}, "'a/b' cannot be the name of a folder"),
        ({"identity": "0" * 63}, "is not an identity"),
        ({"identity": "G" * 64}, "is not an identity"),
        ({"platform": "win-64"}, "win-64 has no shell"),
        ({"entrypoint": ""}, "the entry point is empty"),
        ({"entrypoint": "''"}, "the entry point is empty"),
        ({"entrypoint": "python -c 'x"}, "cannot be split into words: No closing quotation"),
        ({"entrypoint": "a\0b"}, "holds a NUL"),
        ({"entrypoint": "app", "prefix": "/opt/env"}, "for one prefix only"),
    ],
)
def test_refusals(change: dict[str, Any], sentence: str) -> None:
    """What cannot be is told in a sentence."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        stub(**USUAL | change)


@pytest.mark.parametrize(
    ("platform", "runs", "refuses"),
    [
        ("linux-64", ["Linux x86_64", "Linux amd64"], ["Linux aarch64", "Darwin x86_64", "Linux i686"]),
        ("linux-32", ["Linux i686", "Linux x86_64"], ["Linux aarch64"]),
        ("linux-aarch64", ["Linux aarch64", "Linux arm64"], ["Linux x86_64", "Darwin arm64"]),
        ("linux-armv7l", ["Linux armv7l", "Linux aarch64"], ["Linux x86_64"]),
        ("linux-ppc64le", ["Linux ppc64le"], ["Linux ppc64", "Linux x86_64"]),
        ("osx-64", ["Darwin x86_64", "Darwin arm64"], ["Linux x86_64"]),
        ("osx-arm64", ["Darwin arm64"], ["Darwin x86_64", "Linux arm64"]),
        ("noarch", ["Linux x86_64", "FreeBSD amd64"], []),
    ],
)
def test_machines(platform: str, runs: list[str], refuses: list[str], work: Path) -> None:
    """What ``uname`` may say where an environment runs; elsewhere it is refused."""
    (work / "env.sh").write_bytes(stub(**USUAL | {"platform": platform}))
    for machine in [*runs, *refuses]:
        system, name = machine.split()
        (work / "uname").write_text(f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {name}\n')
        (work / "uname").chmod(0o755)
        done = subprocess.run(
            ["sh", work / "env.sh", work / "env"],
            env={"PATH": f"{work}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        # It has no archive behind it, so what is not refused is cut off.
        expected = 10 if machine in runs else 14
        assert expected == done.returncode, done.stderr
        assert (machine in refuses) == (f"for {platform}, and this machine is {machine}." in done.stderr)


@pytest.mark.parametrize(
    ("needed", "getconf", "override", "refused"),
    [
        ("2.34", "glibc 2.31", None, "2.31"),
        ("2.34", "glibc 2.34", None, None),
        ("2.34", "glibc 2.100", None, None),
        ("2.9", "glibc 2.10", None, None),
        ("2.34", "glibc 3.0", None, None),
        ("3.0", "glibc 2.34", None, "2.34"),
        ("2.2.5", "glibc 2.2", None, None),
        ("2.34", "glibc 2.36", "2.17", "2.17"),
        ("2.34", "undefined", None, None),  # nobody knows
        ("", "glibc 2.1", None, None),
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash", "busybox sh"])
def test_glibc(
    shell: str, needed: str, getconf: str, override: str | None, refused: str | None, work: Path
) -> None:
    """Compared as numbers, before anything is written; an option goes on."""
    if shutil.which(shell.split(maxsplit=1)[0]) is None:
        pytest.skip(f"no {shell}")
    (work / "env.sh").write_bytes(stub(**USUAL | {"platform": "noarch"}, glibc=needed))
    for name, text in (("getconf", getconf), ("ldd", "musl libc")):
        (work / name).write_text(f"#!/bin/sh\necho {text}\n")
        (work / name).chmod(0o755)
    environ = {"PATH": f"{work}:/usr/bin:/bin"} | ({"CONDA_OVERRIDE_GLIBC": override} if override else {})
    for options, expected in (([], 14 if refused else 10), (["--no-preflight"], 10)):
        command = [*shell.split(), str(work / "env.sh"), *options, str(work / "env")]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert expected == done.returncode, done.stderr
        told = f"it needs glibc {needed}, and this machine has {refused}." in done.stderr
        assert bool(refused) == told
    assert not (work / "env").exists()


@pytest.mark.parametrize("entrypoint", [None, "python -m 'an app'"])
def test_shellcheck(entrypoint: str | None, work: Path) -> None:
    """shellcheck finds nothing, in the script as it is written."""
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("NO SHELLCHECK, the script is not checked!")
    (work / "env.sh").write_bytes(stub(**USUAL | {"name": "my env"}, entrypoint=entrypoint))
    done = subprocess.run([program, "-s", "sh", work / "env.sh"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
