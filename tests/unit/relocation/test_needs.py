"""What files need of the machine, as readelf tells it of real ones."""

from __future__ import annotations

import itertools
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conda_pack.model import Needs, Platform
from conda_pack.relocation import elf, macho
from conda_pack.relocation.elf import Read
from conda_pack.relocation.needs import NeedsReader, joined, of_the_machine
from tests.support.programs import (
    ARM64,
    EXECUTABLE,
    OBJECT,
    X86_64,
    mach_o,
    needs_gcc,
    shared_library,
    universal,
)

READELF = shutil.which("readelf")
WANTED = {"libc.so.6": ["GLIBC_2.9", "GLIBC_2.99", "GLIBC_PRIVATE"], "libm.so.6": ["GLIBC_2.5"]}


def reading(data: bytes) -> Read:
    return lambda at, size: data[at : at + size]


def needs_of(data: bytes, path: str = "lib/x.so", subdir: str = "linux-64") -> Needs:
    return NeedsReader(Platform(subdir)).read(path, reading(data))


# ------------------------------------------------------------------------- ELF


def _told(path: Path) -> set[tuple[str, str]]:
    """What readelf says of the versions that a file needs."""
    command = ["readelf", "-VW", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found, library = set(), ""
    for line in text.partition("Version needs section")[2].splitlines():
        if match := re.search(r"File: (\S+)", line):
            library = match[1]
        elif (match := re.search(r"Name: (\S+)\s+Flags: (.*?)\s+Version", line)) and "WEAK" not in match[2]:
            found.add((library, match[1]))
    return found


@pytest.mark.skipif(READELF is None, reason="NO READELF, real programs are not compared!")
def test_as_readelf_tells() -> None:
    """Of programs and libraries of this system and of this Python."""
    libraries = Path("/usr/lib/x86_64-linux-gnu").glob("lib*.so.*")
    candidates = itertools.chain(Path("/usr/bin").iterdir(), libraries)
    programs = [path for path in sorted(candidates) if path.is_file() and path.stat().st_size < 1 << 21]
    compared = 0
    for path in programs[::20]:
        data = path.read_bytes()
        if data[:4] == elf.MAGIC:
            assert _told(path) == set(elf.needed_versions(reading(data))), path
            compared += 1
    assert compared > 5


@needs_gcc
@pytest.mark.parametrize(("options", "subdir"), [((), "linux-64"), (("-m32",), "linux-32")])
def test_the_newest_of_each_library(options: tuple[str, ...], subdir: str) -> None:
    """Compared as numbers; what is private to glibc is none."""
    data = shared_library(WANTED, *options)
    expected = {
        ("libc.so.6", "glibc"): ((2, 99), "lib/x.so"),
        ("libm.so.6", "glibc"): ((2, 5), "lib/x.so"),
    }
    assert expected == needs_of(data, subdir=subdir)


@needs_gcc
def test_the_kinds_of_libstdcxx() -> None:
    data = shared_library({"libstdc++.so.6": ["GLIBCXX_3.4.30", "CXXABI_1.3.13", "CXXABI_FLOAT128"]})
    expected = {
        ("libstdc++.so.6", "glibcxx"): ((3, 4, 30), "lib/x.so"),
        ("libstdc++.so.6", "cxxabi"): ((1, 3, 13), "lib/x.so"),
    }
    assert expected == needs_of(data)


@needs_gcc
def test_a_feature_of_the_loader() -> None:
    """Packed relative relocations came with glibc 2.36, which their marker does not tell."""
    data = shared_library({"libc.so.6": ["GLIBC_2.4", "GLIBC_ABI_DT_RELR"]})
    assert needs_of(data) == {("libc.so.6", "glibc"): ((2, 36), "lib/x.so")}


@needs_gcc
def test_what_is_weak_is_not_needed() -> None:
    """The loader goes on without it, with a word."""
    data = shared_library({"libc.so.6": ["GLIBC_2.99"]})
    digest = 0
    for letter in b"GLIBC_2.99":  # the ABI's hash, with which its entry begins
        digest = (digest << 4) + letter
        digest = (digest ^ (digest & 0xF0000000) >> 24) & 0x0FFFFFFF
    entry = struct.pack("<IH", digest, 0)
    assert data.count(entry) == 1
    assert needs_of(data.replace(entry, struct.pack("<IH", digest, 2))) == {}


@needs_gcc
@pytest.mark.parametrize(
    ("path", "subdir", "counts"),
    [
        ("lib/x.so", "linux-64", True),
        ("lib/x.so", "noarch", True),
        ("lib/x.so", "linux-aarch64", False),
        ("lib/x.so", "linux-32", False),
        ("x86_64-conda-linux-gnu/sysroot/lib64/libm.so.6", "linux-64", False),
        ("lib/sysroots/x.so", "linux-64", True),
    ],
)
def test_whose_programs_count(path: str, subdir: str, counts: bool) -> None:
    """Those of the environment's own processor, and not a cross compiler's system."""
    data = shared_library({"libc.so.6": ["GLIBC_2.99"]})
    assert bool(needs_of(data, path, subdir)) == counts


@needs_gcc
def test_a_damaged_file_needs_nothing_or_less() -> None:
    """However it is cut or garbled, there is no error."""
    data = shared_library(WANTED)
    for length in range(0, len(data), 61):
        assert set(needs_of(data[:length])) <= set(needs_of(data))
    for position in range(4, 64):
        needs_of(data[:position] + b"\xff" + data[position + 1 :])


@pytest.mark.parametrize("data", [b"", b"\x7fEL", b"\x7fELF", b"#!/bin/sh\n", b"MZ\0\0" * 20, macho.FAT])
def test_no_program(data: bytes) -> None:
    assert needs_of(data) == {}
    assert needs_of(data, subdir="osx-64") == {}


# ----------------------------------------------------------------------- Mach-O


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("subdir", ["osx-arm64", "osx-64"])
def test_the_system_that_a_library_is_for(old: bool, subdir: str) -> None:
    """By the old command and the new one; zeros at its end say nothing."""
    processor = {"osx-arm64": ARM64, "osx-64": X86_64}[subdir]
    for version, expected in {(11, 0, 0): (11, 0), (10, 9, 5): (10, 9, 5), (14, 2, 0): (14, 2)}.items():
        data = mach_o(version, processor=processor, old=old, kind=EXECUTABLE)
        assert {("", "macos"): (expected, "lib/x.so")} == needs_of(data, subdir=subdir)


def test_of_a_universal_file_the_own_part() -> None:
    data = universal([(X86_64, mach_o((10, 9, 0), processor=X86_64)), (ARM64, mach_o((11, 0, 0)))])
    assert needs_of(data, subdir="osx-64") == {("", "macos"): ((10, 9), "lib/x.so")}
    assert needs_of(data, subdir="osx-arm64") == {("", "macos"): ((11, 0), "lib/x.so")}


def test_what_is_never_loaded_needs_nothing() -> None:
    """Objects to be linked, files for other processors, and programs for another system of Apple's."""
    assert needs_of(mach_o((14, 0, 0), kind=OBJECT), subdir="osx-arm64") == {}
    assert needs_of(mach_o((14, 0, 0), processor=X86_64), subdir="osx-arm64") == {}
    assert needs_of(mach_o((14, 0, 0), platform=2), subdir="osx-arm64") == {}


def test_a_damaged_macho_file_needs_nothing() -> None:
    """Cut within its commands, or garbled: there is no error."""
    data = universal([(ARM64, mach_o((11, 0, 0)))])
    for length in range(len(data) - 64 - 8):
        assert needs_of(data[:length], subdir="osx-arm64") == {}
    assert needs_of(data[:-64], subdir="osx-arm64") != {}
    for position in range(4, 40):
        needs_of(data[:position] + b"\xff" + data[position + 1 :], subdir="osx-arm64")


@pytest.mark.parametrize("signed", [False, True])
def test_a_signature_is_seen(signed: bool) -> None:
    (image,) = macho.images(reading(mach_o((11, 0, 0), signed=signed)))
    assert signed == image.is_signed


# --------------------------------------------------------------------- together

KEYS = st.sampled_from([("libc.so.6", "glibc"), ("libm.so.6", "glibc"), ("libstdc++.so.6", "glibcxx")])
VERSIONS = st.lists(st.integers(0, 40), min_size=1, max_size=3).map(tuple)
NEEDS = st.dictionaries(KEYS, st.tuples(VERSIONS, st.sampled_from("abc")))


@given(st.lists(NEEDS), st.data())
def test_the_order_has_no_say(needs: list[Needs], data: st.DataObject) -> None:
    """In whatever order, and joined by whoever: each library's newest, of the first file by its path."""
    shuffled = data.draw(st.permutations(needs))
    cut = data.draw(st.integers(0, len(needs)))
    assert joined(needs) == joined([joined(shuffled[:cut]), joined(shuffled[cut:])])
    everything = [item for each in needs for item in each.items()]
    for key, (version, path) in joined(needs).items():
        of_key = [need for known, need in everything if known == key]
        newest = max(version for version, _ in of_key)
        assert (newest, min(path for version, path in of_key if version == newest)) == (version, path)


def test_what_the_machine_must_have() -> None:
    """All but what the environment brings along; by kind, whatever the library."""
    needs: Needs = {
        ("libc.so.6", "glibc"): ((2, 17), "bin/a"),
        ("libm.so.6", "glibc"): ((2, 9), "bin/b"),
        ("libstdc++.so.6", "glibcxx"): ((3, 4, 30), "bin/c"),
    }
    glibc = ({"glibc": "2.17"}, {"glibc": "bin/a"})
    both = ({"glibc": "2.17", "glibcxx": "3.4.30"}, {"glibc": "bin/a", "glibcxx": "bin/c"})
    assert glibc == of_the_machine(needs, ["libstdc++.so.6"])
    assert both == of_the_machine(needs, [])
