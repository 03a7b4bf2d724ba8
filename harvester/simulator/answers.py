"""Answers and their counts."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from isal import isal_zlib

JSON_TYPE = "application/json; charset=UTF-8"
# good: a whole list of videos. refused: a justified 4xx. quota: the day is spent. Otherwise a fault's name.
GOOD, REFUSED, QUOTA = "good", "refused", "quota"


@dataclass(frozen=True)
class Answer:
    """Status and body. `outcome` is how it is counted; `page` names the page of a playlist in it.

    Some outcomes are ends of the connection. cut_body: after half the body. drop: at once. hang: after a minute.
    """

    status: int
    body: bytes
    outcome: str = REFUSED
    content_type: str = JSON_TYPE
    compressible: bool = True
    retry_after: str | None = None
    delay_seconds: float = 0.0
    page: str | None = None

    def sent(self, *, gzipped: bool) -> bytes:
        """Return the body as it is sent. Without compression, damaged gzip becomes damaged JSON."""
        if not gzipped:
            return half_text(self.body) if self.outcome in ("cut_gzip", "bad_gzip") else self.body
        packed = isal_zlib.compress(self.body, 1, 16 + isal_zlib.MAX_WBITS)
        middle = len(packed) // 2
        match self.outcome:
            case "cut_gzip":
                return packed[:middle]
            case "bad_gzip":
                spoilt = bytes(byte ^ 0x5A for byte in packed[middle : middle + 64])
                return packed[:middle] + spoilt + packed[middle + 64 :]
        return packed


def half_text(body: bytes) -> bytes:
    """Return half of a text, without half of a character."""
    return body[: len(body) // 2].decode(errors="ignore").encode()


class Counts:
    """Counts of requests and answers, and of ids and pages in complete answers.

    Once nothing is under way, calls = good + faulted + refused + refused_by_quota + gone.
    """

    def __init__(self) -> None:
        self.calls = self.slow = self.gone = self.in_flight = self.max_in_flight = self.keys_in_urls = 0
        self._outcomes: Counter[str] = Counter()
        # one dict for all ids keeps 631,348 of them in some 60 MB
        self._deliveries: dict[str, int] = {}
        self._pages: Counter[str] = Counter()
        self._methods: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def begin(self, method: str) -> None:
        """Count a request."""
        self.calls += 1
        self._methods[method]["calls"] += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def asked(self, ids: Sequence[str]) -> None:
        """Count the ids of an accepted call."""
        for video_id in ids:
            self._deliveries.setdefault(video_id, 0)

    def charge(self, method: str, units: int) -> None:
        """Count the units of a call."""
        self._methods[method]["units"] += units

    def settle(self, answer: Answer, method: str, ids: Sequence[str] = ()) -> None:
        """Count an answer that was written completely, or broken off intentionally, and the ids or the page in it."""
        self._outcomes[answer.outcome] += 1
        if answer.outcome == GOOD:
            self._methods[method]["good"] += 1
            if answer.page is not None:
                self._pages[answer.page] += 1
            for video_id in set(ids):
                self._deliveries[video_id] = self._deliveries.get(video_id, 0) + 1

    def delivered_more_than(self, times: int, at_most: int) -> list[str]:
        """Return up to `at_most` ids that were in more than `times` good answers."""
        return list(islice((video_id for video_id, count in self._deliveries.items() if count > times), at_most))

    def report(self) -> dict[str, Any]:
        """Return the counts, for JSON."""
        own = (GOOD, REFUSED, QUOTA)
        return {
            "calls": self.calls,
            "good": self._outcomes[GOOD],
            "slow": self.slow,
            "faulted": {name: number for name, number in sorted(self._outcomes.items()) if name not in own},
            "refused": self._outcomes[REFUSED],
            "refused_by_quota": self._outcomes[QUOTA],
            "gone": self.gone,
            "ids": _times(self._deliveries),
            "pages": _times(self._pages),
            "endpoints": {
                method: {name: count[name] for name in ("calls", "good", "units")}
                for method, count in sorted(self._methods.items())
            },
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "keys_in_urls": self.keys_in_urls,
        }


def _times(deliveries: Mapping[str, int]) -> dict[str, int]:
    times = Counter(min(count, 2) for count in deliveries.values())
    return {"distinct": len(deliveries), "delivered_once": times[1], "delivered_more": times[2]}
