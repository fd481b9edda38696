"""pip, run for a target: with its own settings and the user's, for wheels alone."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from conda_pack.errors import ToolMissing
from conda_pack.sources.wheels import pip_process
from conda_pack.sources.wheels.target import Target

#: Settings of pip that are about something else: where to install, and with which Python.
_BESIDE_THE_POINT = ("PIP_PYTHON", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIREMENT", "PIP_REPORT")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a run of pip; ``text`` is all that it said."""

    succeeded: bool
    text: str


def download(arguments: Sequence[str], target: Target, folder: str) -> Answer:
    """``pip download`` of wheels for ``target`` into ``folder``. Raises ToolMissing."""
    if importlib.util.find_spec("pip") is None:
        raise ToolMissing(
            f"Wheels are found and fetched with pip, which {sys.executable} does not have: "
            "python -m ensurepip, or conda install pip."
        )
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--no-color"]
    options += [*arguments, "--only-binary=:all:", "--dest", folder, *_tag_options(target)]
    environment = {name: value for name, value in os.environ.items() if name not in _BESIDE_THE_POINT}
    environment |= {"PIP_REQUIRE_VIRTUALENV": "0", "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
    words = [sys.executable, pip_process.__file__, json.dumps(target.environment()), "download", *options]
    done = subprocess.run(  # noqa: S603
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    if done.returncode == pip_process.STRANGE:
        raise ToolMissing(
            f"The pip of {sys.executable} is not one that can be told of another platform's markers: "
            "install another version of pip."
        )
    return Answer(done.returncode == 0, done.stdout)


def _tag_options(target: Target) -> list[str]:
    numbers = ".".join(part for part in target.python.split(".")[:3] if part.isdecimal())
    options = ["--implementation", "cp", "--abi", target.abi, "--python-version", numbers]
    for tag in target.platform_tags():
        options += ["--platform", tag]
    return options
