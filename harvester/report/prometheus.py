"""`harvester status` as metrics in Prometheus's text format, for node_exporter's textfile collector. Pure.

Names and units are by Prometheus's conventions: seconds, bytes and ratios; what only ever grows ends in `_total`.
docs/reference.md lists the metrics; a test compares that table with what is written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from harvester._version import __version__
from harvester.listing_types import ListingState
from harvester.model import RunRecord
from harvester.report.listings import Listings
from harvester.report.result_types import History, Overview
from harvester.report.summary import Summary
from harvester.support.sanitize import shown

MARK = b"# HELP harvester_build_info "
"""Identifies such a file, of every version."""


def render(overview: Overview) -> bytes:
    """Return the whole file."""
    registry = CollectorRegistry()
    registry.register(_Crawl(overview))
    return generate_latest(registry)


class _Crawl(Collector):
    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def collect(self) -> Iterator[Metric]:
        summary, runs = self._overview.summary, self._overview.runs
        yield _by_label("build_info", "Always 1; says harvester's version.", "version", [(__version__, 1)])
        states = [(state.label, count) for state, count in summary.videos.items()]
        yield _by_label("videos", "Ids in the ledger, by state.", "state", states)
        calls = CounterMetricFamily("harvester_calls", "Calls that are over, by outcome.", labels=["outcome"])
        for outcome in ("ok", "failed", "abandoned"):
            calls.add_metric([outcome], getattr(summary, f"calls_{outcome}"))
        yield calls
        yield from _listings(summary.listings)
        for name, says, value in chain(_figures(summary), _history(self._overview.history), _last_run(runs)):
            yield GaugeMetricFamily(f"harvester_{name}", says, value)
        if ended := _newest_ended(runs):
            ending = shown(ended.reason or "unknown", 100)
            yield _by_label("last_run_ending", "Always 1; says how that run ended.", "ending", [(ending, 1)])


def _figures(summary: Summary) -> Iterable[tuple[str, str, float]]:
    return (
        ("progress_ratio", "Settled ids among those that can be asked for, 0 to 1.", summary.percent / 100),
        ("days_run", "Quota days on which a call was made.", summary.days_run),
        ("days_left", "Quota days until every id is settled.", summary.forecast.days_left),
        ("calls_open", "Calls under way, or of a run that was killed.", summary.calls_open),
        ("responses", "Stored responses.", summary.responses),
        ("responses_raw_bytes", "Stored responses, decompressed.", summary.raw_bytes),
        ("responses_stored_bytes", "Stored responses, as stored.", summary.stored_bytes),
        ("quota_units_limit", "Units of a quota day, quota.daily_units.", summary.daily_units),
        ("quota_units_spent", "Units spent on this quota day.", summary.spent),
        ("quota_units_remaining", "Units that may still be spent on this quota day.", summary.remaining),
        ("quota_units_per_call", "Units that one call costs.", summary.units_per_call),
        ("quota_closed", "1 once the API has said that the day is spent.", int(summary.closed_by_server)),
        ("quota_reset_timestamp_seconds", "When the next quota day begins.", summary.resets_at.timestamp()),
    )


def _listings(listings: Listings) -> Iterator[Metric]:
    counts = Counter(record.state.value for record in listings.records)
    yield _by_label(
        "listings", "Channels and playlists, by state.", "state", [(state, counts[state]) for state in ListingState]
    )
    for name, says in (("pages", "Pages of playlists that were read."), ("new", "Ids that pages added to the ledger.")):
        yield CounterMetricFamily(f"harvester_listing_{name}", says, listings.total(name))


def _history(history: History) -> Iterator[tuple[str, str, float]]:
    if history.newest_at is None:
        return
    newest = history.newest_at.timestamp()
    yield "statistics_newest_timestamp_seconds", "When statistics were last fetched by themselves.", newest
    yield "statistics_points", "Counts of videos in the newest statistics.keep_days days.", history.points
    yield "statistics_units_limit", "Units of a quota day of statistics.", history.daily_units
    yield "statistics_units_spent", "Units of statistics spent on this quota day.", history.units_today


def _last_run(runs: Sequence[RunRecord]) -> Iterator[tuple[str, str, float]]:
    """`runs` are newest first. Events that have not happened yet have no metric: a 0 would mean 1970."""
    if not runs:
        return
    alive = runs[0].ended_at or runs[0].lease_until
    yield "last_run_started_timestamp_seconds", "When the newest run began.", runs[0].started_at.timestamp()
    help_text = "Until when the newest run is known to live: its end, or its lease while it is under way."
    yield "last_run_alive_timestamp_seconds", help_text, alive.timestamp()
    if (ended := _newest_ended(runs)) and ended.ended_at:
        help_text = "When the newest of the runs that are over ended."
        yield "last_run_ended_timestamp_seconds", help_text, ended.ended_at.timestamp()


def _newest_ended(runs: Sequence[RunRecord]) -> RunRecord | None:
    return next((run for run in runs if run.ended_at is not None), None)


def _by_label(name: str, says: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"harvester_{name}", says, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family
