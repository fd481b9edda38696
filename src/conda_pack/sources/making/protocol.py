"""What we tell the helper process and what it tells us: one JSON text to it, one a line from it."""

from __future__ import annotations

import msgspec

from conda_pack.sources.model import Pinned, Wheel


class Site(msgspec.Struct, frozen=True):
    """Where packages come from, and what of the network and the caches may be used.

    ``channels`` are in order of priority; without any, those of rattler's and pixi's settings, then
    ``usual_channels``. ``settings`` is a TOML text in the form of rattler's config.toml, of the lowest
    precedence; ``package_caches`` are folders of conda's that may hold package files, and
    ``rattler_caches`` those of rattler's that may hold packages, in the order in which they are looked into.
    """

    channels: list[str] = []
    usual_channels: list[str] = []
    channel_alias: str | None = None
    channel_priority: str = "strict"
    settings: str = ""
    package_caches: list[str] = []
    rattler_caches: list[str] = []
    offline: bool = False


class Job(msgspec.Struct, frozen=True):
    """An environment to be made for one platform.

    Its packages are those of ``specs`` (solved), of ``pinned``, or of the environment ``environment`` of the
    lock file ``lock``, which must satisfy ``wanted_conda`` and ``wanted_pip``; and the files ``injected``.
    ``virtual_packages`` (``__glibc=2.28=0``) describe the target, None means this machine.
    Without a ``prefix`` nothing is fetched or linked.
    """

    platform: str
    site: Site
    specs: list[str] = []
    pinned: list[Pinned] = []
    lock: str | None = None
    environment: str = "default"
    wanted_conda: list[str] = []
    wanted_pip: list[str] = []
    injected: list[str] = []
    virtual_packages: list[str] | None = None
    prefix: str | None = None


class Survey(msgspec.Struct, frozen=True):
    """A question: which environments does this lock file have, and for which platforms?"""

    lock: str


class Task(msgspec.Struct, frozen=True):
    """What one process is to do: one of the two."""

    job: Job | None = None
    survey: Survey | None = None


class LinkedPackage(msgspec.Struct, frozen=True):
    """A package that the environment has."""

    name: str
    version: str
    noarch: str | None


class Made(msgspec.Struct, frozen=True):
    """The environment is there.

    ``unproved`` are package files for which no digest was known; ``ran_scripts`` tells whether post-link
    scripts ran.
    """

    packages: list[LinkedPackage]
    wheels: list[Wheel]
    unproved: list[str] = []
    ran_scripts: bool = False


class Surveyed(msgspec.Struct, frozen=True):
    """The platforms of each environment of a lock file."""

    environments: dict[str, list[str]]


class Failure(msgspec.Struct, frozen=True):
    """It could not be done: a sentence for each reason."""

    reasons: list[str]


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the helper: work of ``total`` bytes begins, ``advance`` of them are done, or an end."""

    phase: str | None = None
    total: int = 0
    advance: int = 0
    made: Made | None = None
    surveyed: Surveyed | None = None
    failure: Failure | None = None
