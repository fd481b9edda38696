"""Orders → environments on disk, there while they are packed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec

from conda_pack.errors import SourceProblem
from conda_pack.progress import Reporter
from conda_pack.sources.caches import workshop
from conda_pack.sources.exports.installed import STATE
from conda_pack.sources.making.crew import make
from conda_pack.sources.making.protocol import Made
from conda_pack.sources.orders import Order
from conda_pack.sources.sites import Surroundings
from conda_pack.sources.targets import system_version, this_platform
from conda_pack.sources.wheels.archive import Chosen
from conda_pack.sources.wheels.checking import check
from conda_pack.sources.wheels.fetching import fetch
from conda_pack.sources.wheels.installing import install
from conda_pack.sources.wheels.projects import read_installed
from conda_pack.sources.wheels.resolving import resolve
from conda_pack.sources.wheels.target import read_target


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that was made to order."""

    order: Order
    prefix: str


@contextmanager
def environments(
    wanted: Sequence[Order], here: Surroundings, reporter: Reporter
) -> Iterator[list[Environment]]:
    """Make the environments, in parallel; nothing of them is left when the block ends.

    Raises SourceProblem with everything that is wrong in any of them.
    """
    with tempfile.TemporaryDirectory(
        prefix="conda-pack-", dir=workshop(here.environ, here.home), ignore_cleanup_errors=True
    ) as folder:
        places = [os.path.join(folder, order.platform, order.name) for order in wanted]
        jobs = [
            msgspec.structs.replace(order.job, prefix=place)
            for order, place in zip(wanted, places, strict=True)
        ]
        results = make(jobs, reporter)
        for order, place, result in zip(wanted, places, results, strict=True):
            _finish(order, place, result, folder, here, reporter)
        yield [Environment(order, place) for order, place in zip(wanted, places, strict=True)]


def _finish(
    order: Order, prefix: str, made: Made, folder: str, here: Surroundings, reporter: Reporter
) -> None:
    _warn(order, prefix, made, reporter)
    if order.pip.requirements or order.wheels or made.wheels:
        _add_wheels(order, prefix, made, folder, here, reporter)
    if order.variables:
        _write_state(prefix, order.variables)


def _add_wheels(
    order: Order, prefix: str, made: Made, folder: str, here: Surroundings, reporter: Reporter
) -> None:
    """What pip resolves, what the lock has, and what is injected: together, and only if they fit."""
    version = system_version(order.platform, here.environ)
    target = read_target(prefix, glibc=version, macos=version)
    installed = read_installed(prefix, target.site_packages)
    offline = order.job.site.offline
    locked = [replace(wheel, location=_beside(wheel.location, order.job.lock)) for wheel in made.wheels]
    chosen = fetch(locked, target, folder, offline=offline, reporter=reporter) if locked else []
    if order.pip.requirements:  # pip finds what fits those that are injected, too
        wanted = replace(order.pip, requirements=(*order.pip.requirements, *order.wheels))
        chosen += resolve(wanted, target, installed, folder, offline=offline, reporter=reporter)
    else:
        chosen += [Chosen(path, requested=True) for path in order.wheels]
    problems = check([wheel.path for wheel in chosen], target, installed)
    if problems:
        raise SourceProblem("\n".join(problems))
    install(prefix, chosen, target, reporter)


def _beside(location: str, lock: str | None) -> str:
    """Where a lock's wheel is: its relative paths are relative to it."""
    if lock is None or "://" in location or os.path.isabs(location):
        return location
    return os.path.normpath(os.path.join(os.path.dirname(lock), location))


def _warn(order: Order, prefix: str, made: Made, reporter: Reporter) -> None:
    """Tell what an installer on the target would have done, and what nothing proves."""
    scripts = [] if made.ran_scripts else _post_link_scripts(prefix, made)
    if scripts:
        reporter.warn(
            f"{order.platform}: the post-link scripts of {', '.join(scripts)} were not run; what they would "
            "have set up is missing."
        )
    noarch = [package.name for package in made.packages if package.noarch == "python"]
    if noarch and order.platform != this_platform():
        reporter.warn(
            f"{order.platform}: {len(noarch)} noarch packages have no bytecode, which only their Python can "
            "make: it does when it imports them."
        )
    if made.unproved:
        reporter.warn(
            f"{order.platform}: nothing proves {len(made.unproved)} packages, because they are listed "
            f"without a hash: {', '.join(os.path.basename(url) for url in made.unproved)}."
        )


def _post_link_scripts(prefix: str, made: Made) -> list[str]:
    """The packages that have a script to be run after linking (conda's rule for its place)."""
    places = ("bin/.{}-post-link.sh", "Scripts/.{}-post-link.bat")
    return [
        package.name
        for package in made.packages
        if any(os.path.lexists(os.path.join(prefix, place.format(package.name))) for place in places)
    ]


def _write_state(prefix: str, variables: Mapping[str, str]) -> None:
    """Variables that activation sets, as ``conda env config vars set`` writes them."""
    with open(os.path.join(prefix, STATE), "w", encoding="utf-8") as file:
        json.dump({"env_vars": dict(variables)}, file, ensure_ascii=False)
