"""``python -m demo``: an environment is made, packed, unpacked elsewhere and run there.

Ends with 0 only if every program ran from the new place and none of them named the old one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.channel import build_channel
from demo.commands import CommandError, clean_environ, run
from demo.installer import index_channel, install

_SPECS = ("python", "demo-tool=1.0", "demo-lib")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="conda-pack-demo-") as folder:
        try:
            problems = _demonstrate(Path(folder).resolve())
        except CommandError as failed:
            problems = [str(failed)]
    for problem in problems:
        print(f"! {problem}")
    print(
        "demo: FAILED" if problems else "demo: OK, everything ran from its new place and forgot the old one"
    )
    return 1 if problems else 0


def _demonstrate(folder: Path) -> list[str]:
    """What went wrong, if anything did."""
    original, elsewhere = folder / "original" / "env", folder / "elsewhere" / "env"
    elsewhere.parent.mkdir()
    archive = folder / "env.tar.gz"
    environ = clean_environ(folder / "home")
    _make_environment(folder, original)

    conda_pack = _conda_pack()
    _show([conda_pack, "-p", original, "-o", archive], environ)
    _show([conda_pack, "unpack", archive, elsewhere], environ)
    print(f"\n$ rm -r {original}")
    shutil.rmtree(original)

    programs: list[Sequence[str | Path]] = [
        [elsewhere / "bin/python", "-c", "import sys; print(sys.prefix)"],
        [elsewhere / "bin/demo-tool"],
        [elsewhere / "bin/demo-sh"],
        [elsewhere / "bin/demo-lib"],
    ]
    problems = []
    for program in programs:
        try:
            output = _show(program, environ)
        except CommandError as failed:
            problems.append(str(failed))
            continue
        if str(elsewhere) not in output:
            problems.append(f"{program[0]} does not name its new place, {elsewhere}")
        if str(original) in output:
            problems.append(f"{program[0]} names the old place, {original}")
    return problems


def _make_environment(folder: Path, prefix: Path) -> None:
    channel = folder / "channel"
    print(f"Making conda packages from Python {sys.version.split()[0]} in {channel}")
    build_channel(channel)
    index_channel(channel)
    print(f"Installing {', '.join(_SPECS)} into {prefix}")
    install(channel, prefix, _SPECS, cache=folder / "cache")


def _conda_pack() -> Path:
    """The command that was installed beside this Python, or else the first on PATH."""
    found = shutil.which("conda-pack", path=Path(sys.executable).parent) or shutil.which("conda-pack")
    if not found:
        raise CommandError("no conda-pack command: install it with  pip install '.[demo]'")
    return Path(found)


def _show(argv: Sequence[str | Path], environ: Mapping[str, str]) -> str:
    print("\n$", *argv, flush=True)
    output = run(argv, environ)
    print(output, end="", flush=True)
    return output


if __name__ == "__main__":
    sys.exit(main())
