"""Comparisons → a plot: bars in an SVG file, drawn by hand, so that nothing needs installing."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.report import seconds
from benchmarks.results import Comparison, Result

WIDTH, LABELS, VALUES = 900, 360, 80
"""Pixels: all of it, and what titles and figures have at the two sides of the bars."""
BAR, GAP, HEADING = 18, 6, 30
OURS, PEER, INK, PAPER = "#0b7a53", "#a9b4bd", "#1f2933", "#ffffff"  # on white: pages may be dark


def svg(comparisons: Sequence[Comparison]) -> str:
    """One group of bars for each work, each on its own scale, as far as there are figures."""
    parts: list[str] = []
    y = GAP
    for comparison in comparisons:
        ours = comparison.ours
        results = [result for result in (ours, *comparison.peers) if result.runs]
        if not results:
            continue
        y += HEADING
        parts.append(_text(GAP * 2, y - GAP * 1.5, f"{comparison.title}, seconds", weight="bold"))
        longest = max(result.wall for result in results)
        for result in results:
            parts += _bar(y, result, result.wall / longest, OURS if result is ours else PEER)
            y += BAR + GAP
    height = y + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" font-size="13">'
    )
    paper = f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>'
    return "\n".join([head, "<title>Seconds of wall time</title>", paper, *parts, "</svg>", ""])


def _bar(y: int, result: Result, share: float, colour: str) -> list[str]:
    length = max(share * (WIDTH - LABELS - VALUES), 1)
    middle = y + BAR - 5
    return [
        _text(LABELS - GAP, middle, result.title, anchor="end"),
        f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
        _text(LABELS + length + GAP, middle, seconds(result.wall)),
    ]


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    style = f'fill="{INK}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'
