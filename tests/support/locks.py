"""Lock files of pixi and conda-lock, and the channel that has what they lock.

They are in ``tests/fixtures/locks`` with ``https://channel.invalid`` for the channel. Packages of the shared
channel stand there with their digests; those of the packages that are built here (a Python without code for
other platforms, a wheel) are left open, as ``<sha256 osx-arm64/python-3.11.7-0.conda>``. ``write_lock``
fills in both::

    channel = lock_channel(work / "channel")          # once; skips where there is no shared channel
    lock = write_lock("pixi-v6.lock", channel, work / "project" / "pixi.lock")

where ``channel`` is a folder, and all URLs in the file are ``file://`` ones below it. Where they come from:

- ``conda-lock-v1.yml`` was written by conda-lock 4.0.3 with conda 24.7.1, from ``environment.yml`` beside
  it and with its wheel in an index; ``conda-lock-explicit-*.txt`` were rendered from it;
- ``pixi-v7.lock`` was written by py-rattler 0.28, the library that pixi writes its lock files with; its
  writer has no digest for wheels and no subdir for packages that are not below ``file://``: both were added;
- ``pixi-v6.lock`` and ``pixi-v5.lock`` have the layout of those versions, written by hand: rattler reads the
  same packages from all three (tests/unit/sources/test_reading_locks.py).

Those of pixi have the environments ``default`` and ``test`` of the ``pixi.toml`` and ``pyproject.toml``
beside them. All have a wheel, and packages for linux-64 and osx-arm64; conda-lock's has win-64 as well.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

import pytest

from demo.installer import index_channel
from demo.packages import File, Package, text, write_package
from tests.support.channels import SHARED
from tests.support.foreign import python_of
from tests.support.programs import EXECUTABLE, mach_o
from tests.support.wheels import write_wheel

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "locks"
URL = "https://channel.invalid"
_OPEN = re.compile(r"<(sha256|md5|size) (\S+)>")

WHEEL = "wheels/lock_tool-1.0-py3-none-any.whl"
_FOREIGN = (
    python_of("osx-arm64", File("bin/python3.11", mach_o((11, 0, 0), kind=EXECUTABLE, signed=True), 0o755)),
    python_of("win-64", File("python.exe", b"MZ of Python")),
    Package("only-mac", platform="osx-arm64", entries=(text("share/only-mac.txt", "mac\n"),)),
)


def lock_channel(folder: Path) -> Path:
    """All that the lock files name: the shared channel, packages for other platforms, a wheel below it."""
    if os.environ.get("CONDA_PACK_TESTS_CHANNEL", "shared") == "demo" or not SHARED.is_dir():
        pytest.skip(f"the lock files name packages of the channel {SHARED}, which is not here")
    shutil.copytree(SHARED, folder, copy_function=shutil.copyfile)
    for made in (folder, *folder.iterdir()):
        made.chmod(0o755)  # the original is read-only
    for package in _FOREIGN:
        write_package(folder, package)
    index_channel(folder)
    write_wheel(
        folder / "wheels",
        "lock-tool",
        "1.0",
        {"lock_tool.py": "def main():\n    print('locked')\n"},
        {"lock-tool": "lock_tool:main"},
    )
    return folder


def write_lock(name: str, channel: Path, target: Path) -> Path:
    """The lock file ``name`` for the ``lock_channel`` at ``channel``, written as ``target``."""
    content = (FIXTURES / name).read_text(encoding="utf-8")
    content = _OPEN.sub(lambda found: _fact(found[1], channel / found[2]), content)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content.replace(URL, channel.absolute().as_uri()), encoding="utf-8")
    return target


def _fact(kind: str, file: Path) -> str:
    data = file.read_bytes()
    return str(len(data)) if kind == "size" else hashlib.new(kind, data).hexdigest()
