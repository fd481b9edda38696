"""What ships in every archive, ready to be put into one."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

from conda_pack.model import Blob, Platform

_ACTIVATION = ("activate", "deactivate", "activate.fish", "deactivate.fish")
#: The modules that make up bin/conda-unpack; their package names hold nothing else there.
_SHIPPED = ("version.py", "rules.py", "conda_unpack.py")
_MAIN = """\
import sys

from conda_pack.runtime.conda_unpack import main

sys.exit(main(sys.argv[0]))
"""
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def runtime_files(platform: Platform) -> tuple[Blob, ...]:
    """The runtime of a platform: the unpacker, executable, and the scripts that shells source."""
    if platform.family == "win":  # its own launchers and scripts are not there yet
        return ()
    here = files(__package__)
    return (
        *(
            Blob(f"bin/{name}", 0o644, here.joinpath("activation", name).read_bytes())
            for name in sorted(_ACTIVATION)
        ),
        Blob("bin/conda-unpack", 0o755, here.joinpath("launcher.sh").read_bytes() + _unpacker()),
    )


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
