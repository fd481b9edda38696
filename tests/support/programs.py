"""Programs with given needs: linked by a real linker, or, for macOS, written header by header."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="NO GCC, the tests of real ELF files do not run!")

ARM64, X86_64 = 0x0100000C, 0x01000007
EXECUTABLE, DYLIB, OBJECT = 2, 6, 1


def shared_library(needs: Mapping[str, Sequence[str]], *options: str) -> bytes:
    """A shared library that needs versions, such as GLIBC_2.99, of libraries, which need not exist."""
    assert GCC is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build = [GCC, "-shared", "-nostdlib", "-fPIC", *options]
        functions: list[str] = []
        stubs: list[Path] = []
        for number, (library, versions) in enumerate(needs.items()):
            own = {f"f{number}_{index}": version for index, version in enumerate(versions)}
            source, script, stub = folder / f"{number}.c", folder / f"{number}.map", folder / f"{number}.so"
            source.write_text("".join(f"int {function}(void) {{ return 0; }}\n" for function in own))
            script.write_text("".join(f"{version} {{ {function}; }};\n" for function, version in own.items()))
            linked = [f"-Wl,--version-script={script}", f"-Wl,-soname,{library}"]
            subprocess.run([*build, source, *linked, "-o", stub], check=True)
            functions += own
            stubs.append(stub)
        source, target = folder / "user.c", folder / "user.so"
        declared = "".join(f"int {function}(void);\n" for function in functions)
        called = " + ".join(f"{function}()" for function in functions) or "0"
        source.write_text(f"{declared}int user(void) {{ return {called}; }}\n")
        subprocess.run([*build, source, *stubs, "-o", target], check=True)
        return target.read_bytes()


def mach_o(
    minimum: tuple[int, int, int],
    *,
    processor: int = ARM64,
    kind: int = DYLIB,
    old: bool = False,
    signed: bool = False,
    platform: int = 1,
) -> bytes:
    """A Mach-O file of load commands alone; ``old`` ones say LC_VERSION_MIN_MACOSX."""
    number = minimum[0] << 16 | minimum[1] << 8 | minimum[2]
    version = struct.pack("<4I", 0x24, 16, number, 0)
    if not old:
        version = struct.pack("<6I", 0x32, 24, platform, number, 0, 0)
    signature = struct.pack("<4I", 0x1D, 16, 4096, 64) if signed else b""
    commands = struct.pack("<2I8x", 0x1B, 16) + version + signature  # LC_UUID, to be skipped
    header = struct.pack("<8I", 0xFEEDFACF, processor, 0, kind, 2 + signed, len(commands), 0, 0)
    return header + commands + bytes(64)


def universal(images: Sequence[tuple[int, bytes]]) -> bytes:
    """One file of several, each with its processor."""
    offset, heads, bodies = 4096, b"", b""
    for processor, image in images:
        heads += struct.pack(">5I", processor, 0, offset + len(bodies), len(image), 12)
        bodies += image
    return (struct.pack(">2I", 0xCAFEBABE, len(images)) + heads).ljust(offset, b"\0") + bodies
