"""Amdahl's law: from times with few threads, what more cores would give."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Amdahl:
    """Seconds of work that one core must do alone, and seconds that cores can share."""

    serial: float
    parallel: float

    @property
    def share(self) -> float:
        """The serial part of all work."""
        return self.serial / (self.serial + self.parallel)

    @property
    def limit(self) -> float:
        """How many times faster than one core any number of them can be."""
        return 1 / self.share if self.serial else math.inf

    def wall(self, cores: int) -> float:
        return self.serial + self.parallel / cores

    def speed_up(self, cores: int) -> float:
        return self.wall(1) / self.wall(cores)


def fit(cpu: float, walls: Sequence[tuple[int, float]]) -> Amdahl:
    """The law that fits best: ``cpu`` seconds with one thread, and (threads, wall seconds) with more.

    One thread is taken by its CPU time: reading and writing overlap with it, and its wall time would
    hide that work.
    """
    points = [(1.0, cpu), *((1 / threads, wall) for threads, wall in walls)]
    line = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    serial = min(max(line.intercept, 0.0), cpu)
    return Amdahl(serial, cpu - serial)
