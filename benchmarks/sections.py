"""The sections that are more than a table of works: growth with size, and scaling with cores."""

from __future__ import annotations

import os
import pstats
import re
import shutil
import sys
from collections.abc import Sequence

from benchmarks import measure
from benchmarks.environments import REPO, size_of
from benchmarks.measure import CommandFailed
from benchmarks.results import Growth, GrowthPoint, Scaling, SetupResult
from benchmarks.rounds import Track
from benchmarks.works import OUR_GZ, OUR_ZST, SETUP, UNPACK_GZ, UNPACK_ZST, Contender
from demo.commands import run

SIZES = (2000, 8000, 32_000)
"""Files of the synthetic environments: 1, 4 and 16 times as many."""
SCALES = (1.0, 4.0, 16.0)
"""Their sizes, for as few files as the smallest has."""
SHOWN = 12
"""Functions of the main thread that are listed."""


def setup(track: Track, rounds: int) -> tuple[SetupResult, ...]:
    contenders = [one for row in SETUP for one in (row.cold, row.warm)]
    results = track.measure(contenders, rounds)
    return tuple(SetupResult(row.title, results[row.cold], results[row.warm], row.network) for row in SETUP)


def growth(track: Track, rounds: int, sizes: Sequence[int]) -> tuple[Growth, ...]:
    """Environments of more files, then of larger files."""
    more = tuple(_grown(track, rounds, size, 1.0) for size in sizes)
    larger = tuple(_grown(track, rounds, min(sizes), scale) for scale in SCALES)
    return Growth("More files", more), Growth("Larger files", larger)


def _grown(track: Track, rounds: int, count: int, scale: float) -> GrowthPoint:
    work = track.site.work
    environ = track.site.environ
    name = f"synthetic-{count}x{scale:g}"
    track.echo(f"making {name} ...")
    shutil.rmtree(work / name, ignore_errors=True)
    try:
        # in a process of its own: commands begin with the peak memory of the one that starts them
        run(
            [sys.executable, "-m", "benchmarks.synthetic", work / name, str(count), str(scale)],
            environ,
            cwd=REPO,
        )
        archive = f"{name}.tar.zst"
        pack = Contender("pack", f"conda-pack -q -p {name} -o {archive}", product=archive)
        unpack = Contender(
            "unpack", f"conda-pack unpack -q {archive} dest", product="dest", like=name, uses=(archive,)
        )
        here = Track(track.site, track.threads, track.echo, makers={archive: pack})
        results = here.measure((pack, unpack), rounds)
        files, size = size_of(work / name)
        return GrowthPoint(files, size, results[pack], results[unpack])
    finally:
        shutil.rmtree(work / name, ignore_errors=True)
        (work / f"{name}.tar.zst").unlink(missing_ok=True)


def scaling(track: Track, rounds: int) -> tuple[Scaling, ...]:
    """Our commands with 1, 2, 4, ... threads, up to the cores there are."""
    counts = sorted({*(1 << n for n in range(track.threads.bit_length())), track.threads})
    works = {
        "Pack .tar.gz": OUR_GZ,
        "Pack .tar.zst": OUR_ZST,
        "Unpack .tar.gz": UNPACK_GZ,
        "Unpack .tar.zst": UNPACK_ZST,
    }
    contenders = {
        (title, count): _threaded(contender, count) for title, contender in works.items() for count in counts
    }
    results = track.measure(list(contenders.values()), rounds)
    return tuple(
        Scaling(
            title,
            tuple(counts),
            tuple(results[contenders[title, count]] for count in counts),
            _main_thread(track, contender),
        )
        for title, contender in works.items()
    )


def _threaded(contender: Contender, threads: int) -> Contender:
    """The same command with so many threads; what packing makes is not kept."""
    product = contender.product.replace("ours", f"threads-{threads}")
    return Contender(
        f"{contender.title}, {threads} threads",
        f"{contender.command.replace(contender.product, product)} -j {threads}",
        product=product,
        uses=contender.uses,
    )


def _main_thread(track: Track, contender: Contender) -> tuple[tuple[float, str], ...]:
    """Where the main thread spends its time, by the profiler of the standard library."""
    work = track.site.work
    words = contender.command.replace(contender.product, f"profiled-{contender.product}")
    command = f"python -m cProfile -o profile.pstats -m {words.replace('conda-pack', 'conda_pack', 1)}"
    try:
        measure.run(command, work, track.site.environ)
        stats = pstats.Stats(str(work / "profile.pstats"))
    except CommandFailed as failed:
        track.echo(f"not profiled: {failed}")
        return ()
    finally:
        product = work / f"profiled-{contender.product}"
        if product.is_dir():
            shutil.rmtree(product)
        else:
            product.unlink(missing_ok=True)
    own: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = stats.stats  # type: ignore[attr-defined]
    slowest = sorted(((times[2], where) for where, times in own.items()), reverse=True)[:SHOWN]
    return tuple((seconds, _where(file, name)) for seconds, (file, _, name) in slowest)


def _where(file: str, name: str) -> str:
    """A function by its module, wherever that is installed."""
    if not file.endswith(".py"):  # no source: part of the interpreter
        return re.sub(r" at 0x\w+", "", name)
    return f"{os.path.basename(os.path.dirname(file))}/{os.path.basename(file)}: {name}"
