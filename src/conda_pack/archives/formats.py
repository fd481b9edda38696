"""The formats: which suffix means which, and what each is made of. The only such table."""

from __future__ import annotations

from conda_pack.errors import UsageError

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from conda_pack.segments.codecs import Codec

INFER = "infer"
#: The output that is standard output.
STDOUT = "-"


class Format:
    """A kind of archive. The first of its names is the suffix it gets by default.

    ``writer`` names what makes it, in archives/writers.py; ``codec_name`` what compresses its segments.
    ``levels`` are those that --compress-level takes, none where it changes nothing; ``about`` says what
    the format is for.
    """

    __slots__ = ("about", "codec_name", "default_level", "levels", "magic", "names", "writer")

    def __init__(
        self,
        names: tuple[str, ...],
        codec_name: str,
        about: str,
        *,
        levels: range = range(0),
        default_level: int = 0,
        magic: bytes = b"",
        writer: str = "segments",
    ) -> None:
        self.names, self.codec_name, self.about = names, codec_name, about
        self.levels, self.default_level = levels, default_level
        self.magic, self.writer = magic, writer

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.names[0]

    @property
    def codec(self) -> Codec:
        """How its segments are compressed."""
        from conda_pack.segments.codecs import CODECS  # noqa: PLC0415 - the command line asks for names alone

        return CODECS[self.codec_name]

    @property
    def suffix(self) -> str:
        """Its usual suffix, with the dot."""
        return f".{self.names[0]}"

    @property
    def streams(self) -> bool:
        """Whether it can go to a pipe: it is written from its first byte to its last."""
        return self.writer == "segments"


#: What a level means, the codec tells, for squashfs archives/squashfs.py. Defaults: of gzip and zstd see
#: segments/codecs.py; bzip2 of 59 MB on one core: level 1 3.3 s 15.1 MB, 4 3.3 s 14.0 MB, 9 3.5 s 13.6 MB;
#: xz: 1 3.0 s 12.7 MB, 4 11.8 s 11.8 MB, 6 19.3 s 11.2 MB.
FORMATS = (
    Format(
        ("tar.gz", "tgz"),
        "gzip",
        "read everywhere: Spark, YARN, old systems",
        levels=range(10),
        default_level=4,
        magic=b"\x1f\x8b",
    ),
    Format(
        ("tar.zst", "tzst"),
        "zstd",
        "the fastest and small: where you can choose",
        levels=range(-7, 23),
        default_level=3,
        magic=b"\x28\xb5\x2f\xfd",
    ),
    Format(
        ("tar.xz", "txz"), "xz", "the smallest, slow", levels=range(10), default_level=4, magic=b"\xfd7zXZ\0"
    ),
    Format(
        ("tar.bz2", "tbz2"), "bzip2", "for who needs it", levels=range(1, 10), default_level=9, magic=b"BZh"
    ),
    Format(("zip",), "gzip", "for Windows", levels=range(10), default_level=4, magic=b"PK", writer="zip"),
    Format(
        ("squashfs",),
        "none",
        "a file system to mount",
        levels=range(10),
        default_level=4,
        magic=b"hsqs",
        writer="squashfs",
    ),
    Format(("parcel",), "gzip", "for Cloudera Manager", levels=range(10), default_level=4),
    Format(
        ("sh",),
        "gzip",
        "one file that unpacks itself",
        levels=range(10),
        default_level=4,
        magic=b"#!/bin/sh",
        writer="sh",
    ),
    Format(("no-archive",), "none", "a folder", writer="folder"),
    Format(("tar",), "none", "for who compresses otherwise"),
)
DEFAULT = FORMATS[0]


def format_names() -> list[str]:
    """Every name a user may give."""
    return [name for format_ in FORMATS for name in format_.names]


def by_name(name: str) -> Format:
    """The format called ``name``; UsageError if there is none."""
    for format_ in FORMATS:
        if name in format_.names:
            return format_
    raise UsageError(f"Unknown format {name!r}. It is one of {', '.join(format_names())}.")


def by_suffix(path: str) -> Format:
    """The format that a file's name tells; UsageError if it tells none."""
    for format_ in FORMATS:
        if path.lower().endswith(tuple(f".{name}" for name in format_.names)):
            return format_
    raise UsageError(
        f"The name {path} does not tell the format. End it in one of "
        f"{', '.join('.' + name for name in format_names())}, or give --format."
    )


def by_magic(start: bytes) -> Format:
    """The format of a file that begins with ``start`` (a plain tar has no mark there)."""
    for format_ in FORMATS:
        if format_.magic and start.startswith(format_.magic):
            return format_
    return by_name("tar")


def level_of(format_: Format, level: int | None) -> int:
    """The compression level to use; UsageError if the format has no such level."""
    if level is None or not format_.levels:
        return format_.default_level
    if level not in format_.levels:
        raise UsageError(
            f"The compression level {level} is out of range: {format_.name} has "
            f"{format_.levels[0]} to {format_.levels[-1]}."
        )
    return level


def levels_help() -> str:
    """What a level means where, in one line."""
    told: dict[str, list[str]] = {}
    for format_ in FORMATS:
        if format_.levels:
            first, last = format_.levels[0], format_.levels[-1]
            told.setdefault(f"{first} to {last}, default {format_.default_level}", []).append(format_.name)
    return "; ".join(f"{', '.join(names)}: {levels}" for levels, names in told.items())
