"""What is lacking on a machine, told before anything is written."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
from typing import Any

import pytest
import rattler
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.runtime import preflight
from conda_pack.runtime.preflight import Judgement, Machine, compare, judge, meets, parse, this_machine

START = "This environment would not start here: "


def content(subdir: str = "linux-64", *requires: str, **needs: str) -> dict[str, Any]:
    """The index's, as far as it matters; each need is that of bin/x."""
    return {
        "platform": subdir,
        "requires": list(requires),
        "needs": needs,
        "needed_by": dict.fromkeys(needs, "bin/x"),
    }


def linux(**offers: str | None) -> Machine:
    return Machine("Linux", "x86_64", offers)


# -------------------------------------------------------------------- judgement


@pytest.mark.parametrize(
    ("needed", "machine", "expected"),
    [
        (content(glibc="2.34"), linux(glibc="2.34"), None),
        (content(glibc="2.9"), linux(glibc="2.10"), None),
        (content(glibc="2.34"), linux(), None),  # nobody knows
        (
            content(glibc="2.34"),
            linux(glibc="2.31"),
            "it needs glibc 2.34 (for bin/x), and this machine has 2.31",
        ),
        (
            content(glibc="2.34"),
            linux(glibc=None),
            "it needs glibc 2.34 (for bin/x), and this machine has none",
        ),
        (
            content(glibc="2.34"),
            linux(glibc=None, musl=""),
            "it needs glibc 2.34 (for bin/x), and this machine has musl in its place",
        ),
        (
            content("linux-64", "__glibc >=2.17,<3.0.a0"),
            linux(glibc="2.12"),
            "it needs glibc >=2.17,<3.0.a0, and this machine has 2.12",
        ),
        # of two needs of one kind the greater
        (
            content("linux-64", "__glibc >=2.28", "__glibc >=2.17", glibc="2.34"),
            linux(glibc="2.12"),
            "it needs glibc 2.34 (for bin/x), and this machine has 2.12",
        ),
        (
            content("linux-64", "__glibc >=2.28", glibc="2.4"),
            linux(glibc="2.12"),
            "it needs glibc >=2.28, and this machine has 2.12",
        ),
        (
            content(glibc="2.34", glibcxx="3.4.30"),
            linux(glibc="2.31", glibcxx="3.4.9"),
            "it needs glibc 2.34 (for bin/x), and this machine has 2.31; "
            "it needs libstdc++ with GLIBCXX 3.4.30 (for bin/x), and this machine has 3.4.9",
        ),
        (
            content("linux-64", "__archspec 1 x86_64_v3"),
            linux(__archspec="x86_64_v2"),
            "it needs a processor of the level x86_64_v3, and this machine's has x86_64_v2",
        ),
        (content("linux-64", "__archspec 1 x86_64_v3"), linux(__archspec="x86_64_v4"), None),
        (content("linux-64", "__archspec 1 x86_64_v3"), linux(__archspec="x86_64_v3"), None),
        (content("linux-64", "__archspec 1 x86_64_v3"), linux(__archspec="zen3"), None),  # by an override
        (content("linux-64", "__archspec 1 skylake"), linux(__archspec="x86_64_v2"), None),
        (
            content("linux-64", "__linux >=5.10"),
            linux(__linux="4.18.0"),
            "it needs Linux >=5.10, and this machine has 4.18.0",
        ),
        (content("linux-64", "__unix", "__linux"), linux(__unix="0", __linux="6.1"), None),
        (content("noarch", "__win"), linux(__win=None), "it needs Windows, and this machine has none"),
        # forms that are not known, and packages that only conda's solver knows
        (content("linux-64", "__glibc ~2", "__conda >=99", "__x"), linux(glibc="2.5", __conda="1"), None),
        (
            content("osx-arm64", "__osx >=11.0", macos="12.0"),
            Machine("Darwin", "arm64", {"macos": "11.7.2"}),
            "it needs macOS 12.0 (for bin/x), and this machine has 11.7.2",
        ),
    ],
)
def test_what_is_lacking(needed: dict[str, Any], machine: Machine, expected: str | None) -> None:
    """All of it in one sentence."""
    sentence = None if expected is None else f"{START}{expected}."
    assert Judgement(sentence, []) == judge(needed, machine)


@pytest.mark.parametrize(
    ("subdir", "system", "machine", "fits"),
    [
        ("linux-64", "Linux", "x86_64", True),
        ("linux-64", "Linux", "aarch64", False),
        ("linux-64", "Darwin", "x86_64", False),
        ("linux-32", "Linux", "x86_64", True),
        ("linux-aarch64", "Linux", "aarch64", True),
        ("linux-aarch64", "Linux", "x86_64", False),
        ("linux-ppc64le", "Linux", "ppc64le", True),
        ("linux-s390x", "Linux", "ppc64le", False),
        ("osx-64", "Darwin", "arm64", True),
        ("osx-arm64", "Darwin", "x86_64", False),
        ("osx-arm64", "Linux", "aarch64", False),
        ("win-64", "Windows", "AMD64", True),
        ("win-64", "Windows", "x86", False),
        ("win-arm64", "Windows", "AMD64", False),
        ("win-64", "Linux", "x86_64", False),
        ("noarch", "Linux", "x86_64", True),
        ("emscripten-wasm32", "Linux", "x86_64", True),
    ],
)
def test_the_platform(subdir: str, system: str, machine: str, fits: bool) -> None:
    """What another system or processor lacks besides is not told: nobody would get it there."""
    here = Machine(system, machine, {"glibc": "2.1"})
    sentence = f"{START}it is for {subdir}, and this machine is {system} {machine}."
    assert Judgement(None if fits else sentence, []) == judge(content(subdir), here)
    if not fits:
        assert Judgement(sentence, []) == judge(content(subdir, glibc="2.34"), here)


@pytest.mark.parametrize(
    ("needed", "machine", "expected"),
    [
        (
            content("linux-64", "__cuda >=12"),
            linux(__cuda=None),
            "It needs a CUDA driver >=12, and this machine has none; what uses that will not run here.",
        ),
        (
            content("linux-64", "__cuda >=12.2"),
            linux(__cuda="11.8"),
            "It needs a CUDA driver >=12.2, and this machine has 11.8; what uses that will not run here.",
        ),
        (
            content(glibcxx="3.4.30"),
            linux(glibcxx=None),
            "It needs libstdc++ with GLIBCXX 3.4.30 (for bin/x), and this machine has none; "
            "what uses that will not run here.",
        ),
    ],
)
def test_what_may_come_later_is_warned_of(needed: dict[str, Any], machine: Machine, expected: str) -> None:
    """A node without a GPU unpacks for one that has it."""
    assert Judgement(None, [expected]) == judge(needed, machine)


def test_an_index_of_before_has_no_needs() -> None:
    assert Judgement(None, []) == judge({"platform": "linux-64", "requires": []}, linux())


# --------------------------------------------------------------------- versions

VERSIONS = st.builds(
    lambda numbers, end: ".".join(map(str, numbers)) + end,
    st.lists(st.integers(0, 12), min_size=1, max_size=3),
    st.sampled_from(["", "", ".a0"]),
)
TERMS = st.builds(
    lambda operator, version, star: f"{operator}{version}" + (star if operator in ("", "!=") else ""),
    st.sampled_from(["", ">=", "<=", "==", "!=", ">", "<"]),
    VERSIONS,
    st.sampled_from(["", ".*"]),
)
CONSTRAINTS = st.builds(
    lambda choices: "|".join(",".join(terms) for terms in choices),
    st.lists(st.lists(TERMS, min_size=1, max_size=3), min_size=1, max_size=2),
)


@given(VERSIONS, CONSTRAINTS)
def test_constraints_are_rattlers(version: str, constraint: str) -> None:
    expected = rattler.VersionSpec(constraint).matches(rattler.Version(version))
    assert expected == meets(version, constraint)


@given(VERSIONS, VERSIONS)
def test_versions_compare_as_rattlers(one: str, other: str) -> None:
    left, right = rattler.Version(one), rattler.Version(other)
    assert (left > right) - (left < right) == compare(one, other)


@pytest.mark.parametrize(
    ("version", "constraint", "expected"),
    [
        ("2.17", "~=2.17", True),
        ("3.0", "~=2.17", False),
        ("2.17.3", "=2.17", True),
        ("2.170", "=2.17", False),
        ("2.17", "*", True),
        ("2.17", "~2", None),
        ("2.17", "==2.*", None),  # conda and rattler do not agree about it
        ("2.17", ">=2.17,", None),
        ("2.17", ">=x", None),
    ],
)
def test_other_forms(version: str, constraint: str, expected: bool | None) -> None:
    assert expected == meets(version, constraint)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("__glibc >=2.17,<3.0.a0", ("__glibc", ">=2.17,<3.0.a0", "")),
        ("__glibc>=2.17", ("__glibc", ">=2.17", "")),
        ("__unix", ("__unix", "", "")),
        ("__archspec 1 x86_64_v3", ("__archspec", "1", "x86_64_v3")),
        ("__archspec  1  x86_64_v3 ", ("__archspec", "1", "x86_64_v3")),
        ("glibc", ("", "", "")),
        ("__cuda[version='>=12']", ("", "", "")),
    ],
)
def test_specs(spec: str, expected: tuple[str, str, str]) -> None:
    assert expected == parse(spec)


# ----------------------------------------------------------------- this machine

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
GETCONF = shutil.which("getconf")


@pytest.fixture
def no_confstr(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a Python that was built without glibc."""
    monkeypatch.delattr(os, "confstr")


@LINUX
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_the_glibc_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As this Python was told; else as getconf says, else ldd."""
    expected = platform.libc_ver()[1]
    assert expected == preflight.glibc()
    monkeypatch.delattr(os, "confstr")
    assert expected == preflight.glibc()


@LINUX
@pytest.mark.usefixtures("no_confstr")
@pytest.mark.parametrize(
    ("program", "text", "expected"),
    [
        ("ldd", "ldd (Debian GLIBC 2.36-9+deb12u13) 2.36\nCopyright", "2.36"),
        ("ldd", "ldd (GNU libc) 2.28\nCopyright", "2.28"),
        ("ldd", "musl libc (x86_64)\nVersion 1.2.5\n", None),
        ("getconf", "glibc 2.31\n", "2.31"),
        ("getconf", "undefined\n", None),
    ],
)
def test_others_are_asked(
    program: str, text: str, expected: str | None, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Python does not know: a static one on glibc, or any on musl."""
    script = work / program
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{work}:/bin" if program == "getconf" and expected else str(work))
    (work / "cat").symlink_to("/bin/cat")
    assert expected == preflight.glibc()


@LINUX
def test_only_what_is_asked_for_is_looked_at() -> None:
    told = os.uname()
    assert Machine(told.sysname, told.machine, {}) == this_machine(content())
    offers = this_machine(content("linux-64", "__unix", "__linux >=3", "__osx", "__win")).offers
    assert {name: offers[name] for name in offers if name != "__linux"} == {
        "__unix": "0",
        "__win": None,
        "macos": None,
    }
    assert told.release.startswith(offers["__linux"] or "?")


@pytest.mark.parametrize(("value", "expected"), [("2.17", "2.17"), ("", None)])
def test_condas_overrides(value: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set and empty they say that there is none."""
    for name in ("GLIBC", "CUDA", "OSX", "ARCHSPEC"):
        monkeypatch.setenv(f"CONDA_OVERRIDE_{name}", value)
    found = this_machine(content("linux-64", "__cuda", "__archspec 1 x86_64_v3", glibc="2.5", macos="11.0"))
    for kind in ("glibc", "__cuda", "macos", "__archspec"):
        assert expected == found.offers[kind]


@LINUX
@pytest.mark.skipif(not shutil.which("strings"), reason="no strings")
def test_the_libstdcxx_of_this_machine() -> None:
    """As binutils sees it in the library that Python would load."""
    path = next(iter(preflight._libraries("libstdc++.so.6")), None)
    if path is None or ctypes.util.find_library("stdc++") is None:
        pytest.skip("no libstdc++")
    text = subprocess.run(["strings", path], capture_output=True, text=True, check=True).stdout.split()
    for family, kind in {"GLIBCXX_": "glibcxx", "CXXABI_": "cxxabi"}.items():
        versions = [line.removeprefix(family) for line in text if line.startswith(family)]
        newest = max(
            tuple(map(int, version.split(".")))
            for version in versions
            if version[:1].isdigit() and "_" not in version
        )
        assert ".".join(map(str, newest)) == this_machine(content(**{kind: "1"})).offers[kind]


@LINUX
def test_the_first_libstdcxx_counts(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """LD_LIBRARY_PATH comes first, as for the loader."""
    (work / "libstdc++.so.6").write_bytes(b"\0GLIBCXX_3.4.9\0GLIBCXX_3.4.100\0GLIBCXX_DEBUG\0CXXABI_9\0")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{work}")
    assert this_machine(content(glibcxx="1", cxxabi="1")).offers == {"glibcxx": "3.4.100", "cxxabi": "9"}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", 1),
        ("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3", 2),
        ("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx", 2),
        ("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave", 3),
        ("avx avx2 bmi1 bmi2 f16c fma abm movbe xsave", 1),
    ],
)
def test_the_level_of_a_processor(flags: str, expected: int) -> None:
    """Each level has all of those below it (x86-64 psABI)."""
    assert expected == preflight._level(flags.split())
