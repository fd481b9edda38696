"""What the commands tell programs, with --json: the fields are the documented schema (docs/json.md)."""

from __future__ import annotations

import msgspec


class Packed(msgspec.Struct, frozen=True):
    """An archive that was made.

    ``size`` is that of the files, ``archive_size`` of the archive (null on standard output, and of a
    folder), in bytes; ``prefix`` is the only place it runs at, if --dest-prefix gave one, and
    ``longest_prefix`` how long one may be, in bytes.
    """

    path: str
    format: str
    identity: str
    platform: str
    packages: int
    files: int
    size: int
    archive_size: int | None
    prefix: str | None
    longest_prefix: int | None
    warnings: list[str] = []


class Estimate(msgspec.Struct, frozen=True):
    """About how large an archive of one format would be, in bytes, at its default level or the one given."""

    format: str
    level: int | None
    size: int


class Preview(msgspec.Struct, frozen=True):
    """What would be packed: counts and bytes as in ``Packed``.

    ``limited_by`` names files that allow no longer prefix, ``leaving`` what refers to files outside of the
    environment, ``excluded`` counts the files left out and ``excluded_size`` their bytes; ``errors`` are what
    packing would stop at.
    """

    environment: str
    platform: str
    packages: int
    files: int
    size: int
    excluded: int
    excluded_size: int
    longest_prefix: int | None
    limited_by: list[str]
    leaving: list[str]
    estimates: list[Estimate]
    errors: list[str]
    warnings: list[str]


class Created(msgspec.Struct, frozen=True):
    """Archives of environments that were made for them: one for each platform.

    ``listing`` is the packs.json of several; ``previews`` are what a dry run tells instead of ``packs``.
    """

    packs: list[Packed] = []
    listing: str | None = None
    previews: list[Preview] = []
    warnings: list[str] = []


class Unpacked(msgspec.Struct, frozen=True):
    """An environment that was put somewhere."""

    prefix: str
    identity: str
    platform: str
    packages: int
    files: int
    size: int
    warnings: list[str] = []


class Failed(msgspec.Struct, frozen=True):
    """What went wrong: ``error`` names its kind, and docs/packing.md lists the exit codes."""

    error: str
    message: str
    exit_code: int
