"""The formats: which suffix means which, and what each is made of. The only such table."""

from __future__ import annotations

from conda_pack.errors import UsageError

TYPE_CHECKING = False  # see conda_pack/__init__.py
if TYPE_CHECKING:
    from conda_pack.segments.codecs import Codec

INFER = "infer"


class Format:
    """A kind of archive. The first of its names is the suffix it gets by default."""

    __slots__ = ("codec_name", "magic", "names")

    def __init__(self, names: tuple[str, ...], codec_name: str, magic: bytes) -> None:
        self.names, self.codec_name, self.magic = names, codec_name, magic

    @property
    def codec(self) -> Codec:
        """How its segments are compressed."""
        from conda_pack.segments.codecs import CODECS  # noqa: PLC0415 - the command line asks for names alone

        return CODECS[self.codec_name]

    @property
    def suffix(self) -> str:
        """Its usual suffix, with the dot."""
        return f".{self.names[0]}"


FORMATS = (
    Format(("tar.gz", "tgz"), "gzip", b"\x1f\x8b"),
    Format(("tar.zst", "tzst"), "zstd", b"\x28\xb5\x2f\xfd"),
    Format(("tar",), "none", b""),
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
    return FORMATS[-1]


def level_of(format_: Format, level: int | None) -> int:
    """The compression level to use; UsageError if the format has no such level."""
    codec = format_.codec
    if level is None or format_.codec_name == "none":
        return codec.default_level
    if level not in codec.levels:
        raise UsageError(
            f"The compression level {level} is out of range: {format_.names[0]} has "
            f"{codec.levels[0]} to {codec.levels[-1]}."
        )
    return level
