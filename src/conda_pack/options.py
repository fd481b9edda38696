"""What a user asks of packing, and whether that goes together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from conda_pack.archives.formats import DEFAULT, INFER, STDOUT, Format, by_name, by_suffix
from conda_pack.errors import UsageError
from conda_pack.model import MOST_NAMED, Environment

_PARCEL = by_name("parcel")
_ZSTD_LEVELS = range(1, 23)


@dataclass(frozen=True, slots=True)
class ParcelOptions:
    """What a parcel is called, where that is not the default."""

    root: str | None = None
    name: str | None = None
    version: str | None = None
    distro: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to pack; see ``conda_pack.pack``."""

    output: str | None = None
    format: str = INFER
    arcroot: str = ""
    dest_prefix: str | None = None
    parcel: ParcelOptions = field(default_factory=ParcelOptions)
    force: bool = False
    compress_level: int | None = None
    n_threads: int | None = None
    zip_symlinks: bool = False
    zip_64: bool = True
    entrypoint: str | None = None
    most_named: int = MOST_NAMED  # paths in a warning


def format_of(output: str | None, name: str) -> Format:
    """The format that is asked for: by name, else by the output's suffix, else the default one.

    A parcel is a tar.gz, and is one by its suffix alone, whichever of them is named (the incumbent's rule).
    """
    if name == INFER:
        return DEFAULT if output in (None, STDOUT) else by_suffix(str(output))
    kind = by_name(name)
    if kind is DEFAULT and output is not None and output.endswith(_PARCEL.suffix):
        return _PARCEL
    return kind


def zstd_options(
    zstd: bool, zstd_level: int | None, format_name: str, level: int | None
) -> tuple[str, int | None]:
    """The format and level that these options mean together; UsageError if they contradict each other."""
    if not zstd and zstd_level is None:
        return format_name, level
    if by_name("tar.zst") is not (by_name("tar.zst") if format_name == INFER else by_name(format_name)):
        raise UsageError(f"--zstd is for tar.zst, and --format is {format_name}. Leave one of them out.")
    if zstd_level is not None and level not in (None, zstd_level):
        raise UsageError(
            f"--compress-level {level} and --zstd-compression-level {zstd_level} say two things. "
            "Leave one of them out."
        )
    if zstd_level is not None and zstd_level not in _ZSTD_LEVELS:
        raise UsageError(
            f"The zstd compression level {zstd_level} is out of range: it is {_ZSTD_LEVELS[0]} to "
            f"{_ZSTD_LEVELS[-1]}; faster ones are --compress-level -7 to 0."
        )
    return "tar.zst", level if zstd_level is None else zstd_level


def check(options: Options, kind: Format) -> None:
    """Raise UsageError with everything that does not go together."""
    wrong = []
    if kind.name == "parcel":
        if options.dest_prefix or options.arcroot:
            wrong.append(
                "A parcel's place follows from its name: give --parcel-root, --parcel-name and "
                "--parcel-version instead of --dest-prefix and --arcroot."
            )
    elif any(asdict(options.parcel).values()):
        wrong.append(f"The --parcel options are for parcels, and {kind.name} is none: add --format parcel.")
    if options.entrypoint is not None and kind.name != "sh":
        wrong.append(f"--entrypoint is for self-extracting files, and {kind.name} is none: add --format sh.")
    if options.output == STDOUT and not kind.streams:
        wrong.append(
            f"The format {kind.name} cannot be written to standard output, only the tar formats can: "
            "name a file with --output."
        )
    if wrong:
        raise UsageError(" ".join(wrong))


EDITABLE = ("refuse", "skip", "copy")


def check_editable(editable: str) -> None:
    """Raise UsageError for what cannot be done about editable installs."""
    if editable not in EDITABLE:
        raise UsageError(f"Editable packages are dealt with by {', '.join(EDITABLE)}, not {editable!r}.")


_ARCHITECTURES = {"x86_64": "64", "amd64": "64", "x86": "32", "i686": "32", "arm64": "aarch64"}


def check_platform(environment: Environment, platform: str | None, arch: str | None) -> None:
    """Raise UsageError where the environment is for another platform or architecture than it should be."""
    subdir = environment.platform.subdir
    _, _, own = subdir.partition("-")
    same = {_ARCHITECTURES.get(name, name) for name in (own,)}
    is_arch = arch is None or arch == subdir or _ARCHITECTURES.get(arch, arch) in same
    if (platform is None or platform == subdir) and is_arch:
        return
    asked = " and ".join(name for name in (platform, arch) if name)
    raise UsageError(
        f"The environment {environment.prefix} is for {subdir}, not {asked}, and its archive would be too. "
        "Pack an environment of that platform, or leave out --platform and --arch."
    )
