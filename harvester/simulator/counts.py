"""The simulator's own books: what was asked, what was answered, and which ids went out whole."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .answers import GOOD, QUOTA, REFUSED


class Counts:
    """Once nothing is under way, calls = good + faulted + refused + refused_by_quota + gone."""

    def __init__(self) -> None:
        self.calls = 0
        self.good = 0
        self.slow = 0
        self.refused = 0
        self.refused_by_quota = 0
        self.gone = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.keys_in_urls = 0
        self.faulted: Counter[str] = Counter()
        # one dict for all ids keeps 631,348 of them in some 60 MB
        self._deliveries: dict[str, int] = {}
        self._delivered_once = 0
        self._delivered_more = 0

    def begin(self) -> None:
        """A request has come in."""
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self) -> None:
        """Its answer, or the connection, has ended."""
        self.in_flight -= 1

    def asked(self, ids: Sequence[str]) -> None:
        """These ids were asked for in a call that was taken."""
        for video_id in ids:
            self._deliveries.setdefault(video_id, 0)

    def settle(self, outcome: str, ids: Sequence[str]) -> None:
        """An answer with this outcome was written whole, or broken off as meant."""
        if outcome == GOOD:
            self.good += 1
            self._deliver(ids)
        elif outcome == REFUSED:
            self.refused += 1
        elif outcome == QUOTA:
            self.refused_by_quota += 1
        else:
            self.faulted[outcome] += 1

    def delivered_more_than(self, times: int, at_most: int) -> list[str]:
        """Up to `at_most` ids that went out in more than `times` good answers."""
        more = (video_id for video_id, count in self._deliveries.items() if count > times)
        return [video_id for video_id, _ in zip(more, range(at_most), strict=False)]

    def report(self) -> dict[str, Any]:
        """The books as the report shows them."""
        return {
            "calls": self.calls,
            "good": self.good,
            "slow": self.slow,
            "faulted": dict(sorted(self.faulted.items())),
            "refused": self.refused,
            "refused_by_quota": self.refused_by_quota,
            "gone": self.gone,
            "ids": {
                "distinct": len(self._deliveries),
                "delivered_once": self._delivered_once,
                "delivered_more": self._delivered_more,
            },
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "keys_in_urls": self.keys_in_urls,
        }

    def _deliver(self, ids: Sequence[str]) -> None:
        deliveries = self._deliveries
        for video_id in set(ids):
            times = deliveries[video_id] = deliveries.get(video_id, 0) + 1
            if times == 1:
                self._delivered_once += 1
            elif times == 2:
                self._delivered_once -= 1
                self._delivered_more += 1
