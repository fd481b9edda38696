"""RPATHs of real libraries become relative, and the loader agrees."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from conda_pack.relocation.elf import relative_rpaths
from conda_pack.runtime.rules import splice

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="NO GCC, the tests of real ELF files do not run!")


def compile_libraries(prefix: Path, *options: str) -> Path:
    """``lib/libinner.so``, and ``lib/python/ext.so`` that needs it and finds it by its RPATH."""
    assert GCC is not None
    (prefix / "lib" / "python").mkdir(parents=True)
    inner, outer = prefix / "lib" / "libinner.so", prefix / "lib" / "python" / "ext.so"
    (prefix / "inner.c").write_text("int inner(void) { return 42; }\n")
    (prefix / "outer.c").write_text("int inner(void); int outer(void) { return inner(); }\n")
    subprocess.run([GCC, "-shared", "-fPIC", prefix / "inner.c", "-o", inner], check=True)
    subprocess.run(
        [GCC, "-shared", "-fPIC", prefix / "outer.c", "-o", outer, f"-L{inner.parent}", "-linner", *options],
        check=True,
    )
    return outer


def edited(library: Path, prefix: Path) -> bytes:
    data = library.read_bytes()
    path = str(library.relative_to(prefix))
    return b"".join(splice(data, relative_rpaths(data, path, str(prefix).encode())))


def load(library: Path) -> str:
    code = f"import ctypes; print(ctypes.CDLL({str(library)!r}).outer())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return result.stdout.strip() or result.stderr


@needs_gcc
@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_a_moved_library_finds_its_neighbour(work: Path, tags: str) -> None:
    """RUNPATH and RPATH alike: after the edit, both libraries load from wherever they are moved to."""
    old, new = work / "old", work / "new"
    outer = compile_libraries(old, f"-Wl,{tags},-rpath,{old}/lib")
    data = edited(outer, old)
    assert len(outer.read_bytes()) == len(data)
    assert str(old).encode() not in data
    outer.write_bytes(data)
    old.rename(new)
    assert load(new / "lib" / "python" / "ext.so") == "42"


@needs_gcc
def test_without_the_edit_it_would_not_load(work: Path) -> None:
    """The test above can fail: the unedited library does not find its neighbour."""
    old, new = work / "old", work / "new"
    compile_libraries(old, f"-Wl,-rpath,{old}/lib")
    old.rename(new)
    assert "libinner.so" in load(new / "lib" / "python" / "ext.so")


@needs_gcc
@pytest.mark.skipif(not shutil.which("readelf"), reason="no readelf")
def test_readelf_sees_the_new_rpath(work: Path) -> None:
    """Of several entries only those in the prefix change, each keeping its length."""
    old = work / "old"
    outer = compile_libraries(old, f"-Wl,-rpath,{old}/lib:/usr/lib/x:{old}-data/lib:{old}")
    outer.write_bytes(edited(outer, old))
    command = ["readelf", "-d", str(outer)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in listing.splitlines() if "RUNPATH" in line or "RPATH" in line]
    entries = line.partition("[")[2].rstrip("]").split(":")
    lib = "$ORIGIN" + "/" * (len(f"{old}/lib") - len("$ORIGIN..")) + ".."
    root = "$ORIGIN" + "/" * (len(str(old)) - len("$ORIGIN../..")) + "../.."
    assert [lib, "/usr/lib/x", f"{old}-data/lib", root] == entries


@needs_gcc
def test_an_rpath_that_is_too_short_stays(work: Path) -> None:
    """Where the relative path needs more room than there is, nothing is edited."""
    outer = compile_libraries(work / "old", "-Wl,-rpath,/e/lib")
    assert relative_rpaths(outer.read_bytes(), "lib/python/deep/ext.so", b"/e") == []


@needs_gcc
def test_no_rpath_no_edit(work: Path) -> None:
    """A library without RPATH, or with another prefix's, is left alone."""
    outer = compile_libraries(work / "old", "-Wl,-rpath,/usr/lib/other")
    assert relative_rpaths(outer.read_bytes(), "lib/python/ext.so", b"/opt/environment") == []


@needs_gcc
def test_a_damaged_file_is_left_alone(work: Path) -> None:
    """However it is cut or garbled, a library gives edits of its own length or none, never an error."""
    prefix = work / "old"
    data = compile_libraries(prefix, f"-Wl,-rpath,{prefix}/lib").read_bytes()
    name = str(prefix).encode()
    for length in range(0, len(data), 97):
        for _, old, new in relative_rpaths(data[:length], "lib/python/ext.so", name):
            assert len(old) == len(new)
    for position in range(16, 64):
        garbled = data[:position] + b"\xff" + data[position + 1 :]
        for _, old, new in relative_rpaths(garbled, "lib/python/ext.so", name):
            assert len(old) == len(new)


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"\x7fELF\2\1" + b"\0" * 10, b"#!/bin/sh\n", b"MZ\0\0" * 20]
)
def test_not_an_elf_file(data: bytes) -> None:
    """Anything else has no RPATH."""
    assert relative_rpaths(data, "bin/x", b"/opt/env") == []


def _by_hand(order: str, bits: int, rpath: bytes) -> bytes:
    """A minimal ELF file: a header, one loadable and one dynamic segment, a string table."""
    wide = bits == 64
    head, entry = (64, 56) if wide else (52, 32)
    dynamic_at = head + 2 * entry
    tag = struct.Struct(order + ("2q" if wide else "2i"))
    strings_at = dynamic_at + 3 * tag.size
    strings = b"\0" + rpath + b"\0"
    total = strings_at + len(strings)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    fields = (3, 0, 1, 0, head, 0, 0, head, entry, 2, 0, 0, 0)
    header = ident + struct.pack(order + ("2HI3QI6H" if wide else "2HI3II6H"), *fields)
    base = 0x1000
    if wide:
        load = struct.pack(order + "2I6Q", 1, 5, 0, base, base, total, total, 4096)
        dynamic = struct.pack(order + "2I6Q", 2, 4, dynamic_at, base + dynamic_at, 0, 3 * tag.size, 0, 8)
    else:
        load = struct.pack(order + "8I", 1, 0, base, base, total, total, 5, 4096)
        dynamic = struct.pack(order + "8I", 2, dynamic_at, base + dynamic_at, 0, 3 * tag.size, 0, 4, 4)
    tags = tag.pack(5, base + strings_at) + tag.pack(29, 1) + tag.pack(0, 0)
    return header + load + dynamic + tags + strings


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_both_sizes_and_byte_orders(order: str, bits: int) -> None:
    """ppc64, s390x and 32-bit files are read by their own headers."""
    data = _by_hand(order, bits, b"/opt/environment/lib")
    expected = [(len(data) - 21, b"/opt/environment/lib", b"$ORIGIN" + b"/" * 11 + b"..")]
    assert expected == relative_rpaths(data, "lib/x/y.so", b"/opt/environment")
