"""What ships in every archive, ready to be put into one."""

from __future__ import annotations

import io
import re
import zipfile
from importlib.resources import files

from conda_pack.model import Blob, Platform
from conda_pack.runtime.preflight import HINT, MACHINES, SYSTEMS
from conda_pack.runtime.templates import template
from conda_pack.runtime.version import VERSION

#: activate describes activation; activation-for tells it to shells that are not like sh (docs/activation.md).
_ACTIVATION = (
    *("activate", "activate.csh", "activate.fish", "activate.nu", "activate.ps1", "activate.xsh"),
    *("activation-for", "activation-vars", "activation-vars.ps1"),
    *("deactivate", "deactivate.csh", "deactivate.fish", "deactivate.nu", "deactivate.ps1", "deactivate.xsh"),
)
#: The same for Windows, in cmd.exe's words and in PowerShell's.
_ON_WINDOWS = ("activate.bat", "activate.ps1", "activation-vars.ps1", "deactivate.bat", "deactivate.ps1")
#: The modules that make up the unpacker; their package names hold nothing else there.
_SHIPPED = (
    *("version.py", "rules.py", "environ.py", "preflight.py", "windows.py", "macho.py"),
    *("folder.py", "relocating.py", "verifying.py", "conda_unpack.py"),
)
_MAIN = """\
import sys

from conda_pack.runtime.conda_unpack import main

sys.exit(main(sys.argv[0]))
"""
_VALUE = re.compile(rb"@(PLATFORMS|HINT|VERSION)@")
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def runtime_files(platform: Platform) -> tuple[Blob, ...]:
    """The runtime of a platform: the unpacker, executable, and the scripts that shells source."""
    here = files(__package__)
    if platform.family == "win":
        # the zip application by itself: cmd.exe is only known to read scripts that are text to their end
        return (
            *(
                Blob(f"Scripts/{name}", 0o644, _for_windows(here.joinpath("activation", name).read_bytes()))
                for name in _ON_WINDOWS
            ),
            Blob("Scripts/conda-unpack.bat", 0o644, _for_windows(template("launcher.bat"))),
            Blob("Scripts/conda-unpack.pyz", 0o644, _unpacker()),
        )
    return (
        *(
            Blob(f"bin/{name}", 0o644, here.joinpath("activation", name).read_bytes())
            for name in sorted(_ACTIVATION)
        ),
        Blob("bin/conda-unpack", 0o755, _filled("launcher.sh") + _unpacker()),
    )


def _for_windows(script: bytes) -> bytes:
    """A script with the line ends without which cmd.exe misses labels."""
    return b"".join(line + b"\r\n" for line in script.splitlines())


def _filled(name: str) -> bytes:
    """What sh or awk reads, with what the Python modules know."""
    lines = [f'    systems["{family}"] = "{system}"' for family, system in SYSTEMS.items()]
    lines += [f'    machines["{platform}"] = "{" ".join(names)}"' for platform, names in MACHINES.items()]
    values = {"PLATFORMS": "\n".join(lines), "HINT": HINT, "VERSION": VERSION}
    return _VALUE.sub(lambda mark: values[mark[1].decode()].encode(), template(name))


def _unpacker() -> bytes:
    """A zip application: Python runs it whatever lies before it, and a reader finds plain source in it."""
    here = files(__package__)
    modules = {
        "__main__.py": _MAIN.encode(),
        "conda_pack/__init__.py": b"",
        "conda_pack/runtime/__init__.py": b"",
        **{f"conda_pack/runtime/{name}": here.joinpath(name).read_bytes() for name in _SHIPPED},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in modules.items():
            info = zipfile.ZipInfo(name, _EARLIEST)
            info.create_system = 3  # Unix, on every system that packs
            archive.writestr(info, data)
    return buffer.getvalue()
