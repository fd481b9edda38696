"""A job → the records of its packages: solved, pinned or locked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rattler import (
    BuildString,
    GenericVirtualPackage,
    MatchSpec,
    PackageName,
    PackageRecord,
    RepoDataRecord,
    Subdir,
    Version,
    VirtualPackage,
    VirtualPackageOverrides,
    solve,
)
from rattler.package_streaming import PackageArchive

from conda_pack.sources.making.candidates import check_names
from conda_pack.sources.making.locks import Found, locked
from conda_pack.sources.making.network import Network
from conda_pack.sources.making.problems import Unmakeable, sentence
from conda_pack.sources.making.protocol import Job, LinkedPackage
from conda_pack.sources.model import Pinned


async def find(job: Job, network: Network) -> Found:
    """The packages that a job asks for, less those that are injected. Raises Unmakeable."""
    if job.lock is not None:
        return locked(job)
    if job.pinned:
        return Found([await _pinned(package, network) for package in job.pinned], [])
    return Found(await _solved(job, network), [])


async def _solved(job: Job, network: Network) -> list[RepoDataRecord]:
    specs = parsed(job.specs)
    platforms = [Subdir(job.platform), Subdir("noarch")]
    await check_names(specs, job.platform, network)
    return list(
        await solve(
            sources=network.channels,
            specs=specs,
            gateway=network.gateway,
            platforms=platforms,
            virtual_packages=virtual_packages(job),
            channel_priority=network.priority,
        )
    )


def parsed(texts: Sequence[str]) -> list[MatchSpec]:
    """Match specs of their texts; Unmakeable names all that are none."""
    specs, reasons = [], []
    for text in texts:
        try:
            specs.append(MatchSpec(text))
        except Exception as error:
            reasons.append(f"{text!r} is no match spec: {sentence(error)}")
    if reasons:
        raise Unmakeable(reasons)
    return specs


def virtual_packages(job: Job) -> list[GenericVirtualPackage]:
    if job.virtual_packages is None:
        detected = VirtualPackage.detect(VirtualPackageOverrides.from_env())
        return [package.into_generic() for package in detected]
    made = []
    for text in job.virtual_packages:
        name, version, build = text.split("=")
        made.append(GenericVirtualPackage(PackageName(name), Version(version), BuildString(build)))
    return made


async def _pinned(package: Pinned, network: Network) -> RepoDataRecord:
    path = local_path(package.url)
    if path is not None:
        record = await of_file(path)
        record.url = package.url
    else:
        record = await _of_url(package, network)
    record.channel = package.url.rsplit("/", 2)[0] + "/"
    # what the list says, not what the file has: the file is proved by it later
    if package.sha256 is not None:
        record.sha256 = bytes.fromhex(package.sha256)
    if package.md5 is not None:
        record.md5 = bytes.fromhex(package.md5)
    return record


async def of_file(path: str) -> RepoDataRecord:
    if not os.path.isfile(path):
        raise Unmakeable([f"There is no package {path}."])
    try:
        return await RepoDataRecord.from_package_archive(path)
    except Exception as error:
        raise Unmakeable([f"{path} is no conda package: {sentence(error)}"]) from error


async def _of_url(package: Pinned, network: Network) -> RepoDataRecord:
    filename = unquote(package.url.rsplit("/", 1)[1])
    archive = await PackageArchive.from_url(network.client, package.url)
    index = await archive.read_file("info/index.json")
    if index is None:
        raise Unmakeable([f"{package.url} is no conda package: it has no info/index.json."])
    with tempfile.TemporaryDirectory(prefix="conda-pack-") as folder:
        path = Path(folder, "index.json")
        path.write_bytes(index)
        record = PackageRecord.from_index_json(path)
    return RepoDataRecord(record, filename, package.url, "")


def local_path(url: str) -> str | None:
    """The path of a ``file://`` URL or of a path; None of another URL."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return unquote(parts.path)
    return None if "://" in url else os.path.abspath(url)


def described(record: RepoDataRecord) -> LinkedPackage:
    """What of a record is told."""
    return LinkedPackage(
        name=record.name.normalized,
        version=str(record.version),
        noarch=None if record.noarch.none else ("python" if record.noarch.python else "generic"),
    )
