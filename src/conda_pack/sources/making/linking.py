"""Records → an environment on disk: every package file proved, fetched and linked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from rattler import MatchSpec, PackageCache, RepoDataRecord, Subdir, install
from rattler.install import InstallerReporter

from conda_pack.digests import file_digest
from conda_pack.sources.making.network import Network
from conda_pack.sources.making.problems import Unmakeable, public
from conda_pack.sources.making.protocol import Event, Job
from conda_pack.sources.making.records import local_path


async def link(
    job: Job, records: list[RepoDataRecord], network: Network, tell: Callable[[Event], None]
) -> list[str]:
    """Make the environment at the job's prefix. Returns the package files that nothing proves.

    Raises Unmakeable where a package file is not what its record says, or cannot be had.
    """
    assert job.prefix is not None
    found = _in_conda_caches(records, network.package_caches)
    reasons = [reason for record in records if (reason := _refused(record)) is not None]
    if network.offline:
        wanted = [record for record in records if record.file_name not in found]
        reasons += await _not_here(wanted, network.rattler_caches)
    if reasons:
        raise Unmakeable(reasons)
    addresses = {_dist(record): (public(record.url), public(record.channel or "")) for record in records}
    changed = {
        _dist(record) for record in records if record.file_name in found or record.url != public(record.url)
    }
    for record in records:
        if (path := found.get(record.file_name)) is not None:
            record.url = "file://" + path
    sizes = [record.size or 0 for record in records]
    tell(Event(phase="fetching and linking", total=2 * sum(sizes)))
    specs = [MatchSpec(text) for text in [*job.specs, *job.wanted_conda]]
    await install(
        records,
        job.prefix,
        installed_packages=[],
        # it would run codesign, which only macOS has; the layout is the same, and packing puts binaries back
        platform=Subdir(_layout(job.platform)),
        execute_link_scripts=runs_scripts(job, network),
        show_progress=False,
        client=network.client,
        requested_specs=[spec._match_spec for spec in specs],  # 0.28 refuses the MatchSpec it asks for
        # the methods that it leaves alone do nothing
        reporter=_Progress({record.name.normalized: record.size or 0 for record in records}, tell),  # type: ignore[abstract]
        config=network.config,
    )
    _restore_addresses(job.prefix, addresses, changed)
    # of a list's file on this machine the digest is known, because it was looked at: that proves nothing
    listed = [package.url for package in job.pinned if package.sha256 is None and package.md5 is None]
    unknown = [record.url for record in records if record.sha256 is None and record.md5 is None]
    return list(dict.fromkeys([*listed, *unknown]))


def runs_scripts(job: Job, network: Network) -> bool:
    """Whether post-link scripts run: they can on their own platform only, and the settings must want it."""
    return network.runs_scripts and job.platform == str(Subdir.current())


def _layout(platform: str) -> str:
    here = str(Subdir.current())
    return "linux-64" if platform.startswith("osx-") and not here.startswith("osx-") else platform


def _dist(record: RepoDataRecord) -> str:
    return record.file_name.removesuffix(".conda").removesuffix(".tar.bz2")


def _refused(record: RepoDataRecord) -> str | None:
    """Why a package file on this machine is not what its record says: rattler would not look (0.28)."""
    path = local_path(record.url)
    if path is None:
        return None
    if not os.path.isfile(path):
        return f"There is no package {path}."
    for kind, wanted in (("sha256", record.sha256), ("md5", record.md5)):
        if wanted is not None:
            have = file_digest(path, kind)
            if have != wanted.hex():
                return (
                    f"{path} is not what it should be: its {kind} is {have}, and {wanted.hex()} is expected. "
                    "Fetch it anew, or index its channel again."
                )
    return None


def _in_conda_caches(records: list[RepoDataRecord], folders: list[str]) -> dict[str, str]:
    """Package files that conda has fetched already, proved; by file name."""
    found = {}
    for record in records:
        if local_path(record.url) is not None or record.sha256 is None:
            continue
        for folder in folders:
            path = os.path.join(folder, record.file_name)
            try:
                fits = os.path.getsize(path) == record.size and file_digest(path) == record.sha256.hex()
            except OSError:
                continue
            if fits:
                found[record.file_name] = path
                break
    return found


async def _not_here(records: list[RepoDataRecord], caches: list[str]) -> list[str]:
    """What cannot be had without a network."""
    remote = [record for record in records if local_path(record.url) is None]
    if not remote:
        return []
    index = await PackageCache.new_layered([os.path.join(folder, "pkgs") for folder in caches]).index()
    return [
        f"{record.file_name} is in no package cache: go online once, or leave out --offline."
        for record in remote
        if not index.contains_record(record)
    ]


def _restore_addresses(prefix: str, addresses: dict[str, tuple[str, str]], changed: set[str]) -> None:
    """Have conda-meta name the channel that a package is from: not the cache that had it, and no secrets."""
    for dist in changed:
        path = os.path.join(prefix, "conda-meta", f"{dist}.json")
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        document["url"], document["channel"] = addresses[dist]
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2, ensure_ascii=False)
        os.replace(path + ".new", path)


class _Progress(InstallerReporter):
    """What rattler tells of its work, in bytes of package files: each counts when it is fetched and when it
    is linked.
    """

    def __init__(self, sizes: dict[str, int], tell: Callable[[Event], None]) -> None:
        self._sizes, self._tell = sizes, tell
        self._names: dict[int, str] = {}

    def _began(self, name: str) -> int:
        self._names[len(self._names)] = name
        return len(self._names) - 1

    def _ended(self, token: int) -> None:
        if size := self._sizes.get(self._names.get(token, ""), 0):
            self._tell(Event(advance=size))

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:  # noqa: ARG002
        return self._began(package_name)

    def on_populate_cache_complete(self, cache_entry: int) -> None:
        self._ended(cache_entry)

    def on_link_start(self, operation: int, package_name: str) -> int:  # noqa: ARG002
        return self._began(package_name)

    def on_link_complete(self, index: int) -> None:
        self._ended(index)
