"""What was measured, and the arithmetic over it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds and bytes."""

    wall: float
    cpu: float
    largest: int = 0
    """Peak resident memory of its largest process; 0 if it is less than ours."""
    memory: int = 0
    """Peak of all its processes together, if that was sampled: file pages they have mapped included."""
    anonymous: int = 0
    """What of ``memory`` belongs to no file."""
    others: float = 0.0
    """CPU seconds that the rest of the machine used meanwhile."""


@dataclass(frozen=True)
class Result:
    """All runs of one contender; without any, ``problem`` says why."""

    title: str
    command: str
    runs: tuple[Run, ...] = ()
    sampled: Run | None = None
    """One more run, slower for having its memory watched."""
    size: int = 0
    """Bytes of the archive, or of the environment on the disk."""
    beside: int = 0
    """Bytes on the disk that must be kept besides: an archive or a package cache."""
    problem: str = ""

    @property
    def wall(self) -> float:
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(run.cpu for run in self.runs)

    @property
    def memory(self) -> int:
        """Peak of all processes together, as sampled."""
        return self.sampled.memory if self.sampled else 0

    @property
    def largest(self) -> int:
        """Peak of the largest process, as the system tells it: no short peak is missed."""
        return max((run.largest for run in self.runs), default=0)


@dataclass(frozen=True)
class Comparison:
    """One work: our result, and those of the peers."""

    title: str
    ours: Result
    peers: tuple[Result, ...]


@dataclass(frozen=True)
class SetupResult:
    """One way to set up an environment."""

    title: str
    cold: Result
    warm: Result
    network: str


@dataclass(frozen=True)
class GrowthPoint:
    """An environment of some size, packed and unpacked."""

    files: int
    size: int
    pack: Result
    unpack: Result


@dataclass(frozen=True)
class Growth:
    """The same kind of environment in several sizes."""

    title: str
    points: tuple[GrowthPoint, ...]


@dataclass(frozen=True)
class Scaling:
    """One work with 1, 2, ... threads, and where its main thread spends its time."""

    title: str
    threads: tuple[int, ...]
    results: tuple[Result, ...]
    main_thread: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything; a section that was not run is empty."""

    facts: dict[str, str] = field(default_factory=dict)
    comparisons: dict[str, tuple[Comparison, ...]] = field(default_factory=dict)
    setups: tuple[SetupResult, ...] = ()
    growth: tuple[Growth, ...] = ()
    scaling: tuple[Scaling, ...] = ()


def merge(old: Report, new: Report) -> Report:
    """``new``, with those sections of ``old`` that it lacks."""
    return replace(
        new,
        facts=old.facts | new.facts,
        comparisons=old.comparisons | new.comparisons,
        setups=new.setups or old.setups,
        growth=new.growth or old.growth,
        scaling=new.scaling or old.scaling,
    )


def speed(ours: float, peer: float) -> str:
    """How our time compares with a peer's."""
    if ours <= peer:
        return f"{peer / ours:.2f}× faster"
    return f"{ours / peer:.2f}× slower"


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The k of y ~ x^k, by least squares of the logarithms: 1 is linear growth, 2 quadratic."""
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    return statistics.linear_regression(xs, ys).slope
