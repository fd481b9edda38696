"""pip, told of another platform: a program of its own, run by ``running.py``, which imports nothing of ours.

usage: pip_process.py MARKERS ARGUMENT...

pip has options for the tags of another platform, but evaluates markers for the machine that it runs on, and
builds what is no wheel where a URL leads to it. Here both are changed, in that process's pip alone: markers
are those of MARKERS, a JSON object, and nothing is built.
"""

import importlib
import json
import sys
from typing import Any

#: pip is not one that this can be done with.
STRANGE = 91


def main() -> int:
    """Run pip; its exit code, or STRANGE."""
    environment, arguments = json.loads(sys.argv[1]), sys.argv[2:]
    del sys.path[0]  # the folder of this file, whose modules are not meant to be imported so
    try:
        run = importlib.import_module("pip._internal.cli.main").main
        markers: Any = importlib.import_module("pip._vendor.packaging.markers")
        sources = importlib.import_module("pip._internal.distributions.sdist").SourceDistribution
        problem = importlib.import_module("pip._internal.exceptions").InstallationError
        assert hasattr(sources, "prepare_distribution_metadata")
    except (ImportError, AttributeError, AssertionError):
        return STRANGE

    def refuse(self, *_, **__):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202
        raise problem(f"{self.req.req or self.req} is no wheel")

    sources.prepare_distribution_metadata = refuse
    markers.default_environment = lambda: dict(environment)
    for name in ("sys_platform", "platform_machine", "python_full_version"):
        if not markers.Marker(f"{name} == {environment[name]!r}").evaluate():
            return STRANGE
    return int(run(arguments) or 0)


if __name__ == "__main__":
    sys.exit(main())
