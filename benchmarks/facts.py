"""On what the figures were measured: never the machine's name."""

from __future__ import annotations

import platform
import re
from datetime import date
from pathlib import Path

from benchmarks.environments import Site, is_ram, records, size_of
from benchmarks.works import INCUMBENT
from demo.commands import CommandError, run

_VERSIONS = {
    "conda-pack": "--version",
    INCUMBENT: "--version",
    "tar": "--version",
    "pigz": "--version",
    "zstd": "--version",
    "mksquashfs": "-version",
    "conda": "--version",
}


def facts(site: Site, threads: int) -> dict[str, str]:
    """Name → value, in the order to show them."""
    env = site.work / "env"
    files, size = size_of(env)
    python = f"{platform.system()}, Python {platform.python_version()}"
    disk = "a RAM disk" if is_ram(site.work) else "a disk, with the system's page cache"
    return {
        "Measured": date.today().isoformat(),
        "Environment": f"{files:,} files, {size / 1e6:,.0f} MB, {len(records(env))} packages, on {disk}",
        "Machine": f"{threads} cores of {_processor()}, {python}",
        "Programs": "; ".join(filter(None, (_version(site, name) for name in _VERSIONS))),
    }


def _version(site: Site, name: str) -> str:
    program = site.which(name)
    if program is None:
        return ""
    try:
        said = run([program, _VERSIONS[name]], site.environ).strip().partition("\n")[0]
    except CommandError:
        return f"{name} (version unknown)"
    version = re.search(r"\d+\.\d+[\w.]*", said)
    return f"{name.removesuffix('-0.9.2')} {version[0] if version else said}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
