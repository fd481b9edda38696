"""Contenders run in turn, round after round, each checked for having done its work."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measure
from benchmarks.environments import Echo, Site, disk_usage, records
from benchmarks.measure import CommandFailed
from benchmarks.results import Comparison, Result, Run
from benchmarks.works import MAKERS, Contender, Work

_SHORT = 0.2  # seconds: no news


@dataclass
class _Entry:
    """What is known of one contender so far."""

    runs: list[Run] = field(default_factory=list)
    sampled: Run | None = None
    size: int = 0
    beside: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Track:
    """Where contenders run. Programs that are not there have a hint how to get them."""

    site: Site
    threads: int
    echo: Echo
    hints: Mapping[str, str] = field(default_factory=dict)
    makers: Mapping[str, Contender] = field(default_factory=lambda: dict(MAKERS))

    def compare(self, works: Sequence[Work], rounds: int) -> tuple[Comparison, ...]:
        results = self.measure([one for work in works for one in (work.ours, *work.peers)], rounds)
        return tuple(
            Comparison(work.title, results[work.ours], tuple(results[peer] for peer in work.peers))
            for work in works
        )

    def measure(self, contenders: Sequence[Contender], rounds: int) -> dict[Contender, Result]:
        """Run A B C, A B C, ... so that a machine that slows down slows all; then once more for memory."""
        entries = {contender: _Entry(problem=self._missing(contender)) for contender in contenders}
        for contender, entry in entries.items():
            self._prepare(contender, entry)
        for number in range(1, rounds + 1):
            for contender, entry in entries.items():
                self._attempt(contender, entry, f"round {number}")
        for contender, entry in entries.items():
            self._attempt(contender, entry, "memory")
        return {contender: self._result(contender, entry) for contender, entry in entries.items()}

    def _missing(self, contender: Contender) -> str:
        absent = [name for name in contender.needs if not self.site.which(name)]
        return f"not run: {self.hints.get(absent[0], f'{absent[0]} is not installed')}" if absent else ""

    def _prepare(self, contender: Contender, entry: _Entry) -> None:
        """Make the archives it uses, and fill its cache."""
        for archive in contender.uses:
            if not entry.problem and not (self.site.work / archive).exists():
                made = _Entry()
                self._attempt(self.makers[archive], made, f"for {contender.title}")
                entry.problem = made.problem
        if contender.warm_up:
            warming = _Entry(problem=entry.problem)
            self._attempt(contender, warming, "warming up")
            entry.problem = warming.problem

    def _attempt(self, contender: Contender, entry: _Entry, why: str) -> None:
        """Run it once, unless it has failed before."""
        if entry.problem:
            return
        self._remove(contender.product, *contender.clean)
        work, environ = self.site.work, self.site.environ
        try:
            if contender.before:
                measure.run(contender.before, work, environ)
            if contender.cold:
                measure.drop_page_cache()
            done = measure.run(self._command(contender), work, environ, sample=why == "memory")
            entry.size = self._check(contender)
        except CommandFailed as failed:
            entry.problem = f"failed: {str(failed).replace(f'{work}/', '')}"
            self.echo(f"{why}: {contender.title}: {entry.problem}")
        else:
            if contender.beside:
                folder = work / contender.product
                together, alone = disk_usage(folder, work / contender.beside), disk_usage(folder)
                entry.beside = together[1] - alone[1]
            if why == "memory":
                entry.sampled = done
            else:
                entry.runs.append(done)
            if done.wall > _SHORT:
                others = f", others used {done.others:.2f} s" if done.others > _SHORT else ""
                self.echo(f"{why}: {contender.title}: {done.wall:.2f} s{others}")
        finally:
            stays = contender.product in self.makers and not entry.problem
            self._remove(*([] if stays else [contender.product]), *contender.clean)

    def _check(self, contender: Contender) -> int:
        """The size of what it made, which must be whole."""
        if not contender.product:
            return 0
        product = self.site.work / contender.product
        if product.is_file():
            return product.stat().st_size
        if not product.is_dir():
            raise CommandFailed(f"made no {contender.product}")
        lacking = records(self.site.work / contender.like) - records(product)
        if lacking:
            raise CommandFailed(f"{len(lacking)} packages are missing from {contender.product}")
        if (product / "bin/python").exists():
            program = "; ".join(["pass", *(f"import {name}" for name in self.site.imports)])
            measure.run(
                f"{contender.product}/bin/python -I -B -c '{program}'", product.parent, self.site.environ
            )
        return disk_usage(product)[1]

    def _command(self, contender: Contender) -> str:
        return contender.command.replace("{threads}", str(self.threads))

    def _result(self, contender: Contender, entry: _Entry) -> Result:
        runs = () if entry.problem else tuple(entry.runs)
        return Result(
            contender.title,
            self._command(contender),
            runs,
            entry.sampled,
            entry.size,
            entry.beside,
            entry.problem,
        )

    def _remove(self, *names: str) -> None:
        for name in filter(None, names):
            path = self.site.work / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def clear(work: Path, names: Sequence[str]) -> None:
    """Forget the archives of an earlier run: that was another version of us."""
    for name in names:
        (work / name).unlink(missing_ok=True)
