"""Package files of the user, put into an environment that was solved, pinned or locked."""

from __future__ import annotations

from rattler import MatchSpec, RepoDataRecord

from conda_pack.sources.making.problems import Unmakeable
from conda_pack.sources.making.protocol import Job
from conda_pack.sources.making.records import of_file, virtual_packages


async def injected(job: Job) -> list[RepoDataRecord]:
    """The records of the package files to be put in. Raises Unmakeable."""
    return [await of_file(path) for path in job.injected]


def with_injected(
    job: Job, records: list[RepoDataRecord], added: list[RepoDataRecord]
) -> list[RepoDataRecord]:
    """The environment with injected packages in the place of those of the same names.

    Raises Unmakeable with every dependency and constraint that does not hold then.
    """
    if not added:
        return records
    names = {record.name.normalized for record in added}
    together = [record for record in records if record.name.normalized not in names] + added
    reasons = [
        f"{record.file_name} is for {record.subdir}, and the environment is for {job.platform}."
        for record in added
        if record.subdir not in (job.platform, "noarch")
    ]
    virtual = {package.name.normalized for package in virtual_packages(job)}
    for record in together:
        for text in record.depends:
            spec = MatchSpec(text)
            name = spec.name.normalized if spec.name is not None else ""
            if (name in names or record.name.normalized in names) and not (
                name in virtual or any(other.matches(spec) for other in together)
            ):
                reasons.append(
                    f"{record.file_name} needs {text}, and the environment {_has(together, name)}."
                )
        for text in record.constrains:
            spec = MatchSpec(text)
            name = spec.name.normalized if spec.name is not None else ""
            there = [other for other in together if other.name.normalized == name]
            if {name, record.name.normalized} & names and not all(other.matches(spec) for other in there):
                reasons.append(
                    f"{record.file_name} allows only {text}, and the environment {_has(together, name)}."
                )
    if reasons:
        raise Unmakeable(reasons)
    return together


def _has(records: list[RepoDataRecord], name: str) -> str:
    for record in records:
        if record.name.normalized == name:
            return f"has {name} {record.version} {record.build}"
    return f"has no {name}"
