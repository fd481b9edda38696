"""The channel that the integration tests install from, and what its packages hold."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from demo.channel import build_channel, native_subdir
from demo.installer import index_channel

REPO = Path(__file__).resolve().parents[2]
SHARED = REPO.parent / "shared" / "channel"
"""A channel of well-known packages for linux-64 and Python 3.11, which not every machine has."""


@dataclass(frozen=True)
class LocalChannel:
    """An indexed channel in a local folder; all paths but its own are inside an environment."""

    name: str
    path: Path
    specs: tuple[str, ...]
    """What to install for an environment that has everything named below."""
    update: str
    """A spec of a newer version of one package in ``specs``."""
    python: str
    """The version of its Python, such as ``3.11``."""
    noarch_package: str
    script_with_option: str
    """A Python script with ``-s`` in its shebang, which prints the prefix."""
    shell_script: str
    """A script of ``/bin/sh`` with the prefix in its body, which prints the prefix."""
    console_scripts: tuple[str, ...]
    """Entry points, which the installer wrote; each ends well when asked for ``--help``."""
    text_with_prefix: str
    binary_with_prefix: str
    """With several prefixes in one C string."""
    symlink: str
    unicode_name: str
    activation_script: str

    @property
    def site_packages(self) -> str:
        return f"lib/python{self.python}/site-packages"


_UNDECLARED = ("iniconfig", "packaging", "platformdirs", "pluggy", "traitlets")
"""What jupyter-core and pytest import, though the packages made from their wheels depend on Python alone."""

_SHARED = LocalChannel(
    name="shared",
    path=SHARED,
    specs=("python", "cplace=1.0", "pip", "numpy", "jupyter-core", "pygments", "pytest", *_UNDECLARED),
    update="cplace=1.1",
    python="3.11",
    noarch_package="pygments",
    script_with_option="bin/cplace-py",
    shell_script="bin/cplace-sh",
    console_scripts=("bin/pygmentize", "bin/jupyter", "bin/pytest"),
    text_with_prefix="etc/cplace.conf",
    binary_with_prefix="lib/libcplace.so.1",
    symlink="lib/libcplace.so",
    unicode_name="share/cplace/naïve name.txt",
    activation_script="etc/conda/activate.d/cplace.sh",
)

_DEMO = LocalChannel(
    name="demo",
    path=Path(),
    specs=("python", "demo-tool=1.0", "demo-lib"),
    update="demo-tool=1.1",
    python=f"{sys.version_info.major}.{sys.version_info.minor}",
    noarch_package="demo-lib",
    script_with_option="bin/demo-tool",
    shell_script="bin/demo-sh",
    console_scripts=("bin/demo-lib", "bin/demo-lib-where"),
    text_with_prefix="etc/demo-tool.conf",
    binary_with_prefix="lib/demo-tool.dat",
    symlink="lib/demo-tool-latest.dat",
    unicode_name="share/demo-tool/naïve name ☃.txt",
    activation_script="etc/conda/activate.d/demo.sh",
)


def demo_channel(folder: Path) -> LocalChannel:
    """The channel of the demonstration, built and indexed in ``folder``."""
    build_channel(folder)
    index_channel(folder)
    return replace(_DEMO, path=folder)


def copy_channel(folder: Path) -> LocalChannel:
    """The shared channel, copied to ``folder`` and indexed; without one, that of the demonstration.

    ``CONDA_PACK_TESTS_CHANNEL=demo`` asks for the latter on a machine that has both.
    """
    wanted = os.environ.get("CONDA_PACK_TESTS_CHANNEL", "shared")
    if wanted == "demo" or not SHARED.is_dir() or native_subdir() != "linux-64":
        return demo_channel(folder)
    shutil.copytree(SHARED, folder, copy_function=shutil.copyfile)
    for made in (folder, *folder.iterdir()):
        made.chmod(0o755)  # the original is read-only
    index_channel(folder)
    return replace(_SHARED, path=folder)
