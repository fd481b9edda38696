"""Wheels in an environment that conda packages make: pip finds them, we put them in.

Needs ``packaging`` and ``installer`` (PyPA), and ``pip`` beside this Python to find and fetch: the extra
``create``. Importing this raises ToolMissing without the first two; finding and fetching without the third.
"""

from __future__ import annotations

from conda_pack.errors import ToolMissing

try:
    import installer
    import packaging
except ImportError as error:
    raise ToolMissing(
        f"Wheels are read and put in with '{error.name}', which is not installed: "
        "pip install 'conda-pack[create]', or conda install packaging python-installer."
    ) from None

del installer, packaging

from conda_pack.sources.wheels.archive import Chosen  # noqa: E402 - without the tools, nothing below imports
from conda_pack.sources.wheels.checking import check  # noqa: E402
from conda_pack.sources.wheels.fetching import fetch  # noqa: E402
from conda_pack.sources.wheels.installing import install  # noqa: E402
from conda_pack.sources.wheels.projects import Project, read_installed  # noqa: E402
from conda_pack.sources.wheels.resolving import resolve  # noqa: E402
from conda_pack.sources.wheels.target import Target, read_target  # noqa: E402

__all__ = [
    "Chosen",
    "Project",
    "Target",
    "check",
    "fetch",
    "install",
    "read_installed",
    "read_target",
    "resolve",
]
