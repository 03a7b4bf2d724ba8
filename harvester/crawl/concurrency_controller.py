"""How many calls to have under way, and when to send the next. Pure: time and random numbers are arguments."""

from __future__ import annotations

import math
import random

from harvester.crawl.backoff import Backoff


class ConcurrencyController:
    """How many calls may be under way, and when the next may be sent.

    Pushback halves the limit, once for all the calls that were under way together. Good answers raise the limit again,
    quickly to half of the last one, then by one a round trip, as in TCP. When every call under way fails, the API
    counts as down: one probe at a time is sent, at growing intervals, until a call succeeds.
    """

    def __init__(self, max_concurrency: int, rng: random.Random, now: float, backoff: Backoff | None = None) -> None:
        self.max_concurrency = max_concurrency
        self.paused_until = now
        self._rng = rng
        self._backoff = backoff or Backoff()
        self._limit = float(max_concurrency)
        self._threshold = float(max_concurrency)
        self._shrunk_at = now
        self._last_good = now
        self._good_sent_at = -math.inf
        self._faults_in_a_row = 0
        self._probes = 0
        self._pushes = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    @property
    def probing(self) -> bool:
        """Whether every call under way has failed, and none has succeeded since."""
        return self._probes > 0

    def good(self, now: float, sent_at: float | None = None) -> None:
        """Note a success: the API is up, and a little more may be under way.

        A call that was sent before the limit last shrank says nothing about the new limit.
        """
        self._last_good = now
        self._good_sent_at = max(self._good_sent_at, now if sent_at is None else sent_at)
        self._faults_in_a_row = self._probes = self._pushes = 0
        if sent_at is not None and sent_at < self._shrunk_at:
            return
        step = 1.0 if self._limit < self._threshold else 1.0 / self._limit
        self._limit = min(float(self.max_concurrency), self._limit + step)

    def pushed_back(self, now: float, sent_at: float, attempt: int, retry_after_seconds: float | None) -> None:
        """Note pushback: halve the limit, and send nothing for a while, which grows with each pushback to any batch."""
        if sent_at >= self._shrunk_at:
            self._pushes += 1
            self._shrink(now, self._limit / 2)
        self.pause_until(now + self._backoff.delay(max(attempt, self._pushes), self._rng, retry_after_seconds))

    def fault(self, now: float, sent_at: float) -> None:
        """Note a passing fault. A single one changes nothing; when every call under way fails, probe."""
        if sent_at < self._shrunk_at:
            return
        self._faults_in_a_row += 1
        if self._faults_in_a_row >= self._limit:
            self._probes += 1
            self.pause_until(now + self._backoff.delay(self._probes, self._rng))
            self._shrink(now, 1.0)

    def probe(self, now: float, pause_seconds: float) -> None:
        """Send nothing for `pause_seconds`, then one call at a time until one succeeds."""
        self.pause_until(now + pause_seconds)
        self._shrink(now, 1.0)

    def pause_until(self, instant: float) -> None:
        """Send nothing before `instant`, nor before the end of an earlier pause."""
        self.paused_until = max(self.paused_until, instant)

    def good_since(self, instant: float) -> bool:
        """Whether a call sent after `instant` has succeeded: earlier failures were then not the API's."""
        return self._good_sent_at > instant

    def silence(self, now: float) -> float:
        """Seconds since a call last succeeded, or since the start."""
        return now - self._last_good

    def restart(self, now: float) -> None:
        """Reset the backoff state, for a new day."""
        self._last_good = self.paused_until = now
        self._faults_in_a_row = self._probes = self._pushes = 0

    def _shrink(self, now: float, limit: float) -> None:
        self._threshold = max(1.0, self._limit / 2)
        self._limit = max(1.0, limit)
        self._shrunk_at = now
