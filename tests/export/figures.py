"""The figures of the course's next notebook, by plain Python from the videos as they were sent."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from reference import expected

VIEWS, CHANNEL = "statistics_viewCount", "snippet_channelTitle"
ByChannel = dict[str | None, tuple[Any, ...]]
"""Sum, mean, least, most and standard deviation of the views of each channel's videos."""


def by_channel(videos: Iterable[bytes]) -> ByChannel:
    views: dict[str | None, list[int]] = defaultdict(list)
    for raw in videos:
        row, _ = expected(raw)
        views[row.get(CHANNEL)] += [row[VIEWS]] if VIEWS in row else []
    return {channel: _figures(counts) for channel, counts in views.items()}


def nulls(videos: Iterable[bytes], columns: Sequence[str]) -> dict[str, int]:
    rows = [expected(raw)[0] for raw in videos]
    return {name: sum(name not in row for row in rows) for name in columns}


def same_figures(found: ByChannel, wanted: ByChannel) -> bool:
    """Whole numbers exactly, the others as far as the order of adding lets them."""
    assert found.keys() == wanted.keys()
    for channel, (total, mean, least, most, deviation) in wanted.items():
        assert [found[channel][place] for place in (0, 2, 3)] == [total, least, most]
        assert [found[channel][1], found[channel][4]] == [_near(mean), _near(deviation)]
    return True


def _figures(counts: list[int]) -> tuple[Any, ...]:
    if not counts:
        return (None,) * 5
    deviation = statistics.stdev(counts) if len(counts) > 1 else None
    return sum(counts), statistics.mean(counts), min(counts), max(counts), deviation


def _near(value: Any) -> Any:
    return value if value is None else pytest.approx(float(value), rel=1e-9)
