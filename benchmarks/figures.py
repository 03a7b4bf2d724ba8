"""Figures with their bars: what was measured, what it must be, and whether it held."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `values` are one a round; the median is what counts."""

    name: str
    values: Sequence[float]
    unit: str = "×"
    must: float | None = None
    """None where it is told only, and held to nothing."""
    aim: float | None = None
    least: bool = False
    """Whether `must` is the least that it may be, and not the most."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def reaches(self, bar: float) -> bool:
        return self.median >= bar if self.least else self.median <= bar

    @property
    def held(self) -> bool:
        return self.must is None or self.reaches(self.must)

    @property
    def verdict(self) -> str:
        if self.must is None:
            return ""
        if self.aim is not None and self.reaches(self.aim):
            return "aim"
        return "held" if self.held else "MISSED"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round, so that a machine that slows down slows both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def table(figures: Sequence[Figure]) -> str:
    """As Markdown, for a terminal and for docs/performance.md alike."""
    lines = [
        ("what", "median", "least", "most", "", "must", "aim", ""),
        ("---", "--:", "--:", "--:", "---", "--:", "--:", "---"),
    ]
    for figure in figures:
        sign = "≥ " if figure.least else "≤ "
        bars = [f"{sign}{_number(bar)}" if bar is not None else "" for bar in (figure.must, figure.aim)]
        spread = (figure.median, min(figure.values), max(figure.values))
        lines.append((figure.name, *map(_number, spread), figure.unit, *bars, figure.verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "| " + " | ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) + " |" for line in lines
    )


def as_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    return [asdict(figure) | {"median": figure.median, "held": figure.held} for figure in figures]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
