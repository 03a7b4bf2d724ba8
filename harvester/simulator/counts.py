"""What the simulator counts: what was asked, what was answered, and which ids went out whole."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from .answers import GOOD, QUOTA, REFUSED


class Counts:
    """Once nothing is under way, calls = good + faulted + refused + refused_by_quota + gone."""

    def __init__(self) -> None:
        self.calls = self.slow = self.gone = self.in_flight = self.max_in_flight = self.keys_in_urls = 0
        self._outcomes: Counter[str] = Counter()
        # one dict for all ids keeps 631,348 of them in some 60 MB
        self._deliveries: dict[str, int] = {}

    def begin(self) -> None:
        """A request has come in."""
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def asked(self, ids: Sequence[str]) -> None:
        """These ids were asked for in a call that was taken."""
        for video_id in ids:
            self._deliveries.setdefault(video_id, 0)

    def settle(self, outcome: str, ids: Sequence[str]) -> None:
        """An answer with this outcome was written whole, or broken off as meant."""
        self._outcomes[outcome] += 1
        if outcome == GOOD:
            for video_id in set(ids):
                self._deliveries[video_id] = self._deliveries.get(video_id, 0) + 1

    def delivered_more_than(self, times: int, at_most: int) -> list[str]:
        """Up to `at_most` ids that went out in more than `times` good answers."""
        return list(islice((video_id for video_id, count in self._deliveries.items() if count > times), at_most))

    def report(self) -> dict[str, Any]:
        """The counts, ready for JSON."""
        own = (GOOD, REFUSED, QUOTA)
        times = Counter(min(count, 2) for count in self._deliveries.values())
        return {
            "calls": self.calls,
            "good": self._outcomes[GOOD],
            "slow": self.slow,
            "faulted": {name: number for name, number in sorted(self._outcomes.items()) if name not in own},
            "refused": self._outcomes[REFUSED],
            "refused_by_quota": self._outcomes[QUOTA],
            "gone": self.gone,
            "ids": {"distinct": len(self._deliveries), "delivered_once": times[1], "delivered_more": times[2]},
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "keys_in_urls": self.keys_in_urls,
        }
