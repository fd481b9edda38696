"""What travels between the stages of making an environment: what is asked for, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PipRequirements:
    """What pip is to bring, from wheels alone.

    ``requirements`` are PEP 508 texts or URLs of wheels; ``options`` are pip's about where to look
    (``--index-url URL``, ``--find-links PATH``), as words; ``constraints`` narrow versions and bring nothing.
    """

    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Specs:
    """What is to be solved. ``conda`` are match specs (CEP 29) as the file has them.

    ``channels`` are names or URLs in their order; ``platforms`` those that it is meant for, none if any;
    ``variables`` go into the environment's state, as ``conda env config vars`` writes it.
    """

    name: str | None = None
    channels: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    pip: PipRequirements = PipRequirements()
    platforms: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package file, exactly: where it is, and its digests in hexadecimal, where they are known."""

    url: str
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Explicit:
    """A list of package files, for one platform (or one that nobody wrote down: None)."""

    name: str | None
    platform: str | None
    packages: tuple[Pinned, ...]
    pip: PipRequirements = PipRequirements()


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file of pixi (versions 5 to 7) or conda-lock (1), to be read by rattler.

    ``environment`` is the one of it that is meant. ``wanted`` are the specs that its manifest has for each
    platform, if there is a manifest: those that the lock must satisfy to be up to date. The keys are
    platforms; values are conda match specs (``conda``) and PEP 508 requirements (``pip.requirements``).
    """

    name: str | None
    path: str
    environment: str = "default"
    wanted: Mapping[str, Specs] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel to install: a local path, or a URL that is fetched and proved."""

    location: str
    sha256: str | None = None


Source = Specs | Explicit | Lock
