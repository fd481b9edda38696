"""What would be packed, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from conda_pack.results import Estimate, Preview

_MOST_NAMED = 10
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def preview_lines(preview: Preview) -> list[str]:
    """The lines to print; of longer lists the first ten."""
    facts = [
        ("environment", f"{preview.environment} ({preview.platform})"),
        ("packed", f"{_count(preview.files, 'file')}, {size_text(preview.size)}, {_packages(preview)}"),
        ("left out", f"{_count(preview.excluded, 'file')}, {size_text(preview.excluded_size)}"),
    ]
    if preview.longest_prefix is not None:
        facts.append(("longest prefix", f"{preview.longest_prefix} bytes, for {_files(preview.limited_by)}"))
    width = max(len(name) for name, _ in facts)
    return [
        *(f"{name:<{width}}  {value}" for name, value in facts),
        *_section("archive, about", _estimates(preview.estimates)),
        *_section(f"refers to what is not packed ({len(preview.leaving)})", _first(preview.leaving)),
        *_section("warnings", _told(preview.warnings)),
        *_section("packing would stop at", _told(preview.errors)),
    ]


def size_text(size: int) -> str:
    """A size with three figures in decimal units: 384 MB, 1.30 GB."""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {_UNITS[unit]}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _packages(preview: Preview) -> str:
    return _count(preview.packages, "package")


def _files(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else "no file"


def _estimates(estimates: Sequence[Estimate]) -> list[str]:
    names = [estimate.format for estimate in estimates]
    sizes = [size_text(estimate.size) for estimate in estimates]
    name_width = max(map(len, names), default=0)
    size_width = max(map(len, sizes), default=0)
    levels = ["" if estimate.level is None else f"  level {estimate.level}" for estimate in estimates]
    return [
        f"{name:<{name_width}}  {size:>{size_width}}{level}"
        for name, size, level in zip(names, sizes, levels, strict=True)
    ]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"… and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return [*lines[:_MOST_NAMED], *more]


def _told(messages: Iterable[str]) -> list[str]:
    return [line for message in messages for line in message.split("\n")]
