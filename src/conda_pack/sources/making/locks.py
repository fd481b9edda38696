"""A lock file → the packages that it has for one environment and platform."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rattler import CondaLockedBinaryPackage, LockFile, MatchSpec, PypiLockedPackage, RepoDataRecord

from conda_pack.environment.modules import normalised
from conda_pack.sources.files.manifest_specs import normal_name
from conda_pack.sources.making.problems import Unmakeable, sentence
from conda_pack.sources.making.protocol import Job
from conda_pack.sources.model import Wheel


@dataclass(frozen=True)
class Found:
    """The packages of an environment, and the wheels that its lock has besides."""

    records: list[RepoDataRecord]
    wheels: list[Wheel]


def read_lock(path: str) -> LockFile:
    """The lock file at ``path``; Unmakeable if rattler cannot read it."""
    try:
        return LockFile.from_path(Path(path))
    except Exception as error:
        raise Unmakeable([f"The lock file {path} cannot be read: {sentence(error)}"]) from error


def locked(job: Job) -> Found:
    assert job.lock is not None
    lock = read_lock(job.lock)
    environment = lock.environment(job.environment)
    if environment is None:
        names = ", ".join(name for name, _ in lock.environments())
        raise Unmakeable([f"{job.lock} has no environment {job.environment}, but {names}."])
    there = {str(platform): platform for platform in environment.platforms()}
    if job.platform not in there:
        raise Unmakeable(
            [
                f"{job.lock} has no packages for {job.platform}, but for {', '.join(sorted(there))}: "
                "lock it for that platform too, or choose one of these with --platform."
            ]
        )
    records, wheels, reasons = [], [], []
    packages = environment.packages(there[job.platform]) or []
    for package in packages:
        if isinstance(package, CondaLockedBinaryPackage):
            records.append(package.repo_data_record())
        elif isinstance(package, PypiLockedPackage):
            digest = package.hashes.sha256 if package.hashes is not None else None
            wheels.append(Wheel(package.location, digest.hex() if digest else None))
        else:
            reasons.append(
                f"{package.name} is to be built from {package.location}; only packages are packed."
            )
    reasons += _outdated(job, records, [item for item in packages if isinstance(item, PypiLockedPackage)])
    if reasons:
        raise Unmakeable(reasons)
    return Found(records, wheels)


def _outdated(job: Job, records: list[RepoDataRecord], projects: list[PypiLockedPackage]) -> list[str]:
    """What the manifest asks for and the lock does not have."""
    absent = [
        text
        for text, spec in zip(job.wanted_conda, map(MatchSpec, job.wanted_conda), strict=True)
        if not any(record.matches(spec) for record in records)
    ]
    # a project that the solver took from a channel is satisfied by that package
    there = {normalised(record.name.normalized) for record in records}
    absent += [
        text
        for text in job.wanted_pip
        if not any(project.satisfies(text) for project in projects) and normal_name(text) not in there
    ]
    return [
        f"{job.lock} is out of date: it has nothing for {text!r}, which its manifest asks for. Run pixi lock."
        for text in absent
    ]
