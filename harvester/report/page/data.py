"""What the page of the report shows, read from the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harvester.config import Config
from harvester.ledger.reader import LedgerReader
from harvester.model import FailedId, Progress, RunCalls, VideoState
from harvester.report.page.growth import Growth, growth
from harvester.report.page.sample import Sampled, sample
from harvester.report.results import Overview

RUNS, FAULTS, RESPONSES, VIDEOS = 10, 20, 2, 20
CALLS = 10_000
"""How many of the newest calls give the latencies."""


@dataclass(frozen=True, slots=True)
class PageData:
    """What the page shows, read from the ledger in one snapshot."""

    name: str
    """The crawl's name."""
    ledger_name: str
    overview: Overview
    progress: Progress
    calls: Mapping[int, RunCalls]
    """By run, for each that made any."""
    seconds: Sequence[float]
    """How long the newest good calls took."""
    failed: Sequence[FailedId]
    """Some of the ids that were given up."""
    newest: Sequence[Sampled]
    growth: Growth
    """Videos whose views have grown."""


def page_data(reader: LedgerReader, config: Config, overview: Overview, progress: Progress) -> PageData:
    """Read the rest from the same snapshot."""
    return PageData(
        name=config.crawl_name,
        ledger_name=config.ledger.name,
        overview=overview,
        progress=progress,
        calls=reader.calls_of_runs([run.id for run in overview.runs]),
        seconds=reader.good_call_seconds(CALLS),
        failed=list(reader.failed(VIDEOS)) if progress.videos[VideoState.FAILED] else [],
        newest=sample(reader.newest_responses(RESPONSES), VIDEOS),
        growth=growth(reader) if overview.history else Growth(),
    )
