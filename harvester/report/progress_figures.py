"""Progress as a few figures, for a bar or a log line. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from harvester.crawl.run_report import RunReport
from harvester.model import BATCH_SIZE
from harvester.report.summary import Summary
from harvester.support.progress_callback import Advance
from harvester.support.sanitize import count

RATE_SECONDS = 30.0
"""Seconds over which a rate is averaged."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What to show: `parts` from the most to the least important, so that a narrow place can leave out the last."""

    parts: tuple[str, ...]
    share: float | None = None
    """Of the whole, from 0 to 1; None where that is unknown."""
    seconds_left: float | None = None


class Rate:
    """A rate over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def at(self, now: float, done: float) -> float:
        """Return the rate at the time `now`, with `done` done."""
        seen = self._seen
        if seen and done < seen[-1][1]:
            seen.clear()  # a new task has begun
        seen.append((now, done))
        while len(seen) > 2 and seen[1][0] <= now - RATE_SECONDS:
            seen.popleft()
        seconds = now - seen[0][0]
        return (done - seen[0][1]) / seconds if seconds > 0 else 0.0


def advanced(advance: Advance, noun: str, rate: float, byte_rate: float) -> Figures:
    """Return the figures of `advance`, counted in `noun`, a singular. Without a total, the share is of the bytes."""
    left, share = None, None
    if advance.total is not None:
        share = advance.done / advance.total if advance.total else 1.0
        left = (advance.total - advance.done) / rate if rate > 0 else None
    elif advance.all_bytes:
        share = min(1.0, advance.bytes / advance.all_bytes)
        left = max(0, advance.all_bytes - advance.bytes) / byte_rate if byte_rate > 0 else None
    of = "" if advance.total is None else f"{advance.done:,} of "
    parts = [of + count(advance.done if advance.total is None else advance.total, noun)]
    if advance.note:
        parts.append(advance.note)
    parts.append(f"{rate:,.0f}/s")
    if advance.bytes:
        size = f" of {advance.all_bytes / 1e6:,.1f}" if advance.all_bytes else ""
        parts.append(f"{advance.bytes / 1e6:,.1f}{size} MB")
    return Figures(tuple(parts), share, left)


class Outlook:
    """The state of a run: the ledger's at some moment, and what the run's report has added since."""

    def __init__(self, summary: Summary, report: RunReport) -> None:
        self._summary = summary
        self._settled, self._units = report.settled, report.units
        self._total = summary.asked_for
        self._done = self._total - summary.unsettled

    def figures(self, report: RunReport, calls_a_second: float) -> Figures:
        """Return ids settled, today's budget and calls. The time left is that of today's budget or of the ids."""
        price = self._summary.units_per_call
        done = min(self._total, self._done + report.settled - self._settled)
        units = max(0, self._summary.remaining - (report.units - self._units))
        calls_left = min(units // price, math.ceil((self._total - done) / BATCH_SIZE))
        wasted = report.wasted.total()
        spent = units < price and done < self._total
        resets_at = f"{self._summary.resets_at:%H:%M} UTC"
        parts = (
            f"{done:,} of {count(self._total, 'id')}",
            f"units are spent until {resets_at}" if spent else f"{count(units, 'unit')} left today",
            count(report.calls, "call") + (f" ({count(report.pages, 'page')})" if report.pages else ""),
            f"{calls_a_second:,.1f}/s",
            f"{wasted:,} wasted",
        )
        if done == self._total and self._summary.listings.unfinished:
            return Figures(parts)  # how many ids they bring is not known
        share = done / self._total if self._total else 1.0
        return Figures(parts, share, calls_left / calls_a_second if calls_a_second > 0 and not spent else None)


def duration(seconds: float) -> str:
    """`0:07`, `12:34`, `3:25:45`."""
    minutes, second = divmod(math.ceil(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:,}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
