"""`harvester status` as metrics in Prometheus's text format, for node_exporter's textfile collector. Pure.

Names and units are by Prometheus's conventions: seconds, bytes and ratios; what only ever grows ends in `_total`.
docs/monitoring.md explains each metric; the table there is held to this file by a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from harvester._version import __version__
from harvester.model import RunRecord
from harvester.report.summary import Summary
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from harvester.report.overview import Overview

MARK = b"# HELP harvester_build_info "
"""By which such a file is known, of every version."""


def render(overview: Overview) -> bytes:
    """The whole file."""
    registry = CollectorRegistry()
    registry.register(_Crawl(overview))
    return generate_latest(registry)


class _Crawl(Collector):
    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def collect(self) -> Iterator[Metric]:
        summary = self._overview.summary
        yield _by_label("harvester_build_info", "Always 1; says harvester's version.", "version", [(__version__, 1)])
        yield from _videos(summary)
        yield from _calls(summary)
        yield from _quota(summary)
        yield from _last_run(self._overview.runs)


def _videos(summary: Summary) -> Iterator[Metric]:
    states = [(state.label, count) for state, count in summary.videos.items()]
    yield _by_label("harvester_videos", "Ids in the ledger, by state.", "state", states)
    yield GaugeMetricFamily(
        "harvester_progress_ratio", "Settled ids among those that can be asked for, 0 to 1.", summary.percent / 100
    )
    yield GaugeMetricFamily("harvester_days_run", "Quota days on which a call was made.", summary.days_run)
    yield GaugeMetricFamily("harvester_days_left", "Quota days until every id is settled.", summary.days_left)


def _calls(summary: Summary) -> Iterator[Metric]:
    calls = CounterMetricFamily("harvester_calls", "Calls that are over, by outcome.", labels=["outcome"])
    outcomes = {"ok": summary.calls_ok, "failed": summary.calls_failed, "abandoned": summary.calls_abandoned}
    for outcome, count in outcomes.items():
        calls.add_metric([outcome], count)
    yield calls
    yield GaugeMetricFamily("harvester_calls_open", "Calls under way, or of a run that was killed.", summary.calls_open)
    yield GaugeMetricFamily("harvester_responses", "Stored responses.", summary.responses)
    yield GaugeMetricFamily("harvester_responses_raw_bytes", "Stored responses, decompressed.", summary.raw_bytes)
    yield GaugeMetricFamily("harvester_responses_stored_bytes", "Stored responses, as stored.", summary.stored_bytes)


def _quota(summary: Summary) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "harvester_quota_units_limit", "Units of a quota day, quota.daily_units.", summary.daily_units
    )
    yield GaugeMetricFamily("harvester_quota_units_spent", "Units spent on this quota day.", summary.spent)
    yield GaugeMetricFamily(
        "harvester_quota_units_remaining", "Units that may still be spent on this quota day.", summary.remaining
    )
    yield GaugeMetricFamily("harvester_quota_units_per_call", "Units that one call costs.", summary.units_per_call)
    yield GaugeMetricFamily(
        "harvester_quota_closed", "1 once the API has said that the day is spent.", int(summary.closed_by_server)
    )
    yield GaugeMetricFamily(
        "harvester_quota_reset_timestamp_seconds", "When the next quota day begins.", summary.resets_at.timestamp()
    )


def _last_run(runs: Iterable[RunRecord]) -> Iterator[Metric]:
    """Newest first. Nothing is said of what has not happened yet: a 0 would read as 1970."""
    runs = list(runs)
    if not runs:
        return
    yield GaugeMetricFamily(
        "harvester_last_run_started_timestamp_seconds",
        "When the newest run began.",
        runs[0].started_at.timestamp(),
    )
    yield GaugeMetricFamily(
        "harvester_last_run_alive_timestamp_seconds",
        "Until when the newest run is known to live: its end, or its lease while it is under way.",
        (runs[0].ended_at or runs[0].lease_until).timestamp(),
    )
    ended = next((run for run in runs if run.ended_at is not None), None)
    if ended is None or ended.ended_at is None:
        return
    yield GaugeMetricFamily(
        "harvester_last_run_ended_timestamp_seconds",
        "When the newest of the runs that are over ended.",
        ended.ended_at.timestamp(),
    )
    ending = shown(ended.reason or "unknown", 100)
    yield _by_label("harvester_last_run_ending", "Always 1; says how that run ended.", "ending", [(ending, 1)])


def _by_label(name: str, says: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family
