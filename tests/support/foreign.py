"""Environments for other platforms, which rattler installs here: nothing of them is run.

usage: python -m tests.support.foreign SUBDIR CHANNEL PREFIX CACHE SPEC...
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import conda_pack
from conda_pack.model import Platform
from conda_pack.runtime.files import runtime_files
from demo.commands import clean_environ, run
from demo.installer import index_channel
from demo.packages import PLACEHOLDER, Entry, File, Package, text, write_package
from tests.support.archives import Silent
from tests.support.packs import installation
from tests.support.programs import EXECUTABLE, mach_o
from tests.support.trees import Tree

_ROOT = Path(__file__).resolve().parents[2]


def python_of(platform: str, *entries: Entry) -> Package:
    """A Python without a line of code: it says where packages for any platform go."""
    return Package("python", "3.11.7", platform=platform, entries=entries)


WINDOWS_PLACEHOLDER = "C:\\bld\\tool_1700000000000" + "\\_h_env_placehold" * 8
NAMED = PLACEHOLDER.encode()
SIGNED = mach_o((11, 0, 0), signed=True) + NAMED + b"/lib:" + NAMED + b"\0tail"

NOARCH = Package(
    "noarch-tool",
    noarch="python",
    depends=("python",),
    entry_points=("noarch-tool = noarch_tool:main",),
    entries=(
        text("site-packages/noarch_tool/__init__.py", "def main(): pass\n"),
        text("python-scripts/noarch-script", f"#!{PLACEHOLDER}/bin/python\n", 0o755),
    ),
)
WINDOWS = (
    python_of("win-64", File("python.exe", b"MZ of Python"), File("DLLs/x.dll", b"MZ")),
    NOARCH,
    Package(
        "tool",
        platform="win-64",
        depends=("python",),
        entries=(
            text("Scripts/tool-script.py", f"#!{PLACEHOLDER}/python.exe -s\nprint('{PLACEHOLDER}')\n"),
            text("Library/etc/long.conf", "x" * 200 + f"\n{PLACEHOLDER}/Library\n"),
            text("Library/bin/long.py", f"#!{PLACEHOLDER}/{'deep/' * 30}python.exe\n"),
            File(
                "Scripts/built-there",
                f"#!{WINDOWS_PLACEHOLDER}\\python.exe\nx = '{WINDOWS_PLACEHOLDER}\\Library'\n".encode(),
                file_mode="text",
                placeholder=WINDOWS_PLACEHOLDER,
            ),
            File("Library/bin/tool.dll", b"MZ\0" + NAMED + b"/x\0\0z", file_mode="binary"),
            File("Library/bin/wide.dll", b"MZ\0" + PLACEHOLDER.encode("utf-16-le") + b"\0\0z"),
            File(f"Library/share/{'long-folder-name/' * 16}{'n' * 120}.txt", b"long\n"),
        ),
    ),
)
MACOS = (
    python_of("osx-arm64", File("bin/python3.11", mach_o((11, 0, 0), kind=EXECUTABLE, signed=True), 0o755)),
    NOARCH,
    Package(
        "tool",
        platform="osx-arm64",
        depends=("python",),
        entries=(
            text("bin/tool", f"#!{PLACEHOLDER}/bin/python -s\nprint('{PLACEHOLDER}')\n", 0o755),
            File("lib/libsigned.dylib", SIGNED, 0o755, "binary"),
            File("lib/libread-only.dylib", SIGNED + b"2", 0o444, "binary"),
            File("lib/libunsigned.dylib", mach_o((11, 0, 0)) + NAMED + b"\0", 0o755, "binary"),
            File("lib/libother.dylib", mach_o((11, 0, 0), signed=True), 0o755),
            File("lib/data", b"\0\1" + NAMED + b"/data\0", file_mode="binary"),
        ),
    ),
)
PACKAGES = {"win-64": WINDOWS, "osx-arm64": MACOS}
#: The files that have to be signed when the prefix is written into them.
TO_SIGN = ["lib/libread-only.dylib", "lib/libsigned.dylib"]


#: Installs all packages of a platform at a place.
Install = Callable[[str, Path], Path]


def make_channel(folder: Path, packages: Iterable[Package]) -> Path:
    """Write and index a channel."""
    for package in packages:
        write_package(folder, package)
    index_channel(folder)
    return folder


def install_foreign(subdir: str, channel: Path, prefix: Path, specs: Sequence[str]) -> Path:
    """Link ``specs`` as on ``subdir``; what rattler would have Apple's codesign do stays undone."""
    home = channel.parent / "rattler-cache"
    home.mkdir(exist_ok=True)
    words = [subdir, channel.absolute(), prefix, home, *specs]
    command = [sys.executable, "-m", "tests.support.foreign", *map(str, words)]
    run(command, clean_environ(home), cwd=_ROOT)
    return prefix


def unpack(archive: Path, dest: Path) -> list[str]:
    """Without the look at this machine; what was warned of besides."""
    reporter = Silent()
    conda_pack.unpack(str(archive), str(dest), preflight=False, reporter=reporter)
    return [warning for warning in reporter.warnings if not warning.startswith("This environment would not")]


def packed(prefix: Path, archive: Path) -> Path:
    """Packed without a word."""
    reporter = Silent()
    conda_pack.pack(prefix=str(prefix), output=str(archive), reporter=reporter)
    assert reporter.warnings == []
    return archive


def made(prefix: Path, subdir: str) -> Tree:
    """What an installer made: all but the runtime, which of Windows is a matter of this module alone."""
    runtime = {blob.path for blob in runtime_files(Platform(subdir))}
    return {path: node for path, node in installation(prefix).items() if path not in runtime}


async def _install(subdir: str, channel: str, prefix: str, cache: str, *words: str) -> None:
    from rattler import Channel, Gateway, MatchSpec, Subdir, VirtualPackage, install, solve  # noqa: PLC0415

    specs = [MatchSpec(word) for word in words]
    records = await solve(
        sources=[Channel(Path(channel).as_uri())],
        specs=specs,
        gateway=Gateway(cache_dir=Path(cache, "repodata")),
        platforms=[Subdir(subdir), Subdir("noarch")],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(
        records,
        prefix,
        cache_dir=Path(cache, "packages"),
        show_progress=False,
        # it would run codesign, which only macOS has; the layout is the same
        platform=Subdir("linux-64" if subdir.startswith("osx") else subdir),
        requested_specs=[spec._match_spec for spec in specs],
    )


if __name__ == "__main__":
    try:
        asyncio.run(_install(*sys.argv[1:]))
        code = 0
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # its worker threads can crash an interpreter that shuts down
