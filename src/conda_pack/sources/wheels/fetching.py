"""Wheels of lock files: fetched by pip, which knows proxies and passwords, and proved by us."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from urllib.parse import urlsplit
from urllib.request import url2pathname

from conda_pack.digests import file_digest
from conda_pack.errors import SourceProblem
from conda_pack.progress import Reporter
from conda_pack.sources.model import Wheel
from conda_pack.sources.wheels.archive import Chosen, file_name
from conda_pack.sources.wheels.explaining import explain
from conda_pack.sources.wheels.running import download
from conda_pack.sources.wheels.target import Target

_REMOTE = re.compile(r"https?://", re.IGNORECASE)


def fetch(
    wheels: Sequence[Wheel], target: Target, folder: str, *, offline: bool, reporter: Reporter
) -> list[Chosen]:
    """The wheels of a lock, in a new folder in ``folder``, in their order, each of the sha256 it must have.

    Raises SourceProblem with all that is wrong: what is no wheel, is not there, cannot be reached or is
    another file than was locked; and ToolMissing.
    """
    wheels = [_without_fragment(wheel) for wheel in wheels]
    names = [file_name(wheel.location) for wheel in wheels]
    remote = [wheel for wheel in wheels if _REMOTE.match(wheel.location) and _is_wheel(wheel)]
    problems = [
        f"{wheel.location} is no wheel: only wheels are packed. Build one of it, and lock that."
        for wheel in wheels
        if not _is_wheel(wheel)
    ]
    problems += [
        f"{name} is locked twice." for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if offline:
        problems += [f"{wheel.location} is not on this machine: go online to fetch it." for wheel in remote]
    if problems:
        raise SourceProblem("\n".join(problems))
    place = tempfile.mkdtemp(dir=folder)
    reporter.start("Fetching wheels", 0)
    try:
        failed = _download(remote, target, folder, place) if remote else []
        problems += failed
        for wheel, name in zip(wheels, names, strict=True):
            if not (failed and wheel in remote):
                problems += _take(wheel, os.path.join(place, name))
    finally:
        reporter.finish()
    if problems:
        raise SourceProblem("\n".join(problems))
    return [Chosen(os.path.join(place, name)) for name in names]


def _without_fragment(wheel: Wheel) -> Wheel:
    """Some write the digest at the end of the URL."""
    if "://" not in wheel.location:
        return wheel
    location, _, fragment = wheel.location.partition("#")
    digest = re.search(r"(?:^|&)sha256=([0-9a-fA-F]{64})", fragment)
    return Wheel(location, wheel.sha256 or (digest[1] if digest else None))


def _is_wheel(wheel: Wheel) -> bool:
    return file_name(wheel.location).endswith(".whl")


def _download(wheels: Sequence[Wheel], target: Target, folder: str, place: str) -> list[str]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        requirements = os.path.join(work, "requirements.txt")
        with open(requirements, "w", encoding="utf-8") as file:
            file.writelines(f"{wheel.location}\n" for wheel in wheels)
        answer = download(["--no-deps", "-r", requirements], target, place)
    return [] if answer.succeeded else explain(answer.text, target, {})


def _take(wheel: Wheel, path: str) -> list[str]:
    """Put a wheel of this machine at ``path``, and see that it is the one that was locked."""
    location = wheel.location
    if not _REMOTE.match(location):
        source = url2pathname(urlsplit(location).path) if location.startswith("file:") else location
        try:
            shutil.copyfile(source, path)
        except OSError as error:
            return [f"{source} cannot be read: {error.strerror}."]
    elif not os.path.isfile(path):
        return [f"{location} came as a file of another name: lock it by the URL of the wheel itself."]
    if wheel.sha256 is not None and (digest := file_digest(path)) != wheel.sha256.lower():
        return [f"{location} is not what was locked: its sha256 should be {wheel.sha256} and is {digest}."]
    return []
