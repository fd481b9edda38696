"""What ships in every archive, ready to be put into one."""

from __future__ import annotations

from importlib.resources import files

from conda_pack.model import Blob, Platform

_ACTIVATION = ("activate", "deactivate", "activate.fish", "deactivate.fish")


def runtime_files(platform: Platform) -> tuple[Blob, ...]:
    """The runtime of a platform: the unpacker, executable, and the scripts that shells source."""
    if platform.family == "win":  # its own launchers and scripts are not there yet
        return ()
    here = files(__package__)
    unpacker = here.joinpath("launcher.sh").read_bytes() + here.joinpath("conda_unpack.py").read_bytes()
    return (
        *(
            Blob(f"bin/{name}", 0o644, here.joinpath("activation", name).read_bytes())
            for name in sorted(_ACTIVATION)
        ),
        Blob("bin/conda-unpack", 0o755, unpacker),
    )
