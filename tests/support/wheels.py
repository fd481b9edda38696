"""Python projects small enough to be written on the spot, and pip to install them without any network."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import sys
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest

from demo.commands import clean_environ
from tests.support.packs import Done, start

_BACKEND = """\
import os, shutil

def build_wheel(directory, config_settings=None, metadata_directory=None):
    return _copy("whole", directory)

def build_editable(directory, config_settings=None, metadata_directory=None):
    return _copy("editable", directory)

def _copy(kind, directory):
    (name,) = os.listdir(os.path.join("wheels", kind))
    shutil.copy(os.path.join("wheels", kind, name), directory)
    return name
"""


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    console_scripts: Mapping[str, str] | None = None,
    *,
    gui_scripts: Mapping[str, str] | None = None,
    metadata: Sequence[str] = (),
    tag: str = "py3-none-any",
    executable: Collection[str] = (),
    record: str | None = None,
) -> Path:
    """A wheel; ``files`` are relative to site-packages, ``console_scripts`` name → function.

    ``metadata`` are further lines of METADATA, ``executable`` the files besides scripts that are;
    ``record`` is what RECORD says instead of the truth.
    """
    distribution = f"{name.replace('-', '_')}-{version}"
    info = f"{distribution}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": "".join(
            f"{line}\n"
            for line in ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata)
        ),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    sections = {"console_scripts": console_scripts, "gui_scripts": gui_scripts}
    points = [
        f"[{section}]\n" + "".join(f"{script} = {function}\n" for script, function in scripts.items())
        for section, scripts in sections.items()
        if scripts
    ]
    if points:
        contents[f"{info}/entry_points.txt"] = "".join(points)
    rows = [f"{path},sha256={_hash(text)},{len(text.encode())}\n" for path, text in contents.items()]
    contents[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]) if record is None else record
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{distribution}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            member = zipfile.ZipInfo(path, (2020, 2, 2, 2, 2, 2))
            member.external_attr = (
                0o100755 if ".data/scripts/" in path or path in executable else 0o100644
            ) << 16
            archive.writestr(member, text)
    return wheel


def write_project(folder: Path, name: str) -> Path:
    """A project of one module whose build backend is the project's own, so that building needs nothing."""
    folder.mkdir(parents=True)
    module = f"where = {name!r}\n"
    (folder / f"{name}.py").write_text(module)
    (folder / "backend.py").write_text(_BACKEND)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    write_wheel(folder / "wheels/whole", name, "1.0", {f"{name}.py": module})
    write_wheel(folder / "wheels/editable", name, "1.0", {f"__editable__.{name}.pth": f"{folder}\n"})
    return folder


def pip(prefix: Path, *arguments: str | Path) -> Done:
    """``pip ARGUMENTS`` of an environment that may have no pip, without any index."""
    if (prefix / "bin/pip").exists():
        argv: list[str | Path] = [prefix / "bin/python", "-m", "pip"]
    elif importlib.util.find_spec("pip"):
        argv = [sys.executable, "-m", "pip", "--python", prefix / "bin/python"]
    else:
        pytest.skip("neither the channel nor this Python has pip")
    own = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environ = clean_environ(Path(os.environ["HOME"])) | own | {"PIP_ROOT_USER_ACTION": "ignore"}
    done = start([*argv, *arguments], environ=environ)
    assert (0, done) == (done.code, done), done.err
    return done


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
