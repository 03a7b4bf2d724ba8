"""Answers, faulty answers, and their counts."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import islice
from typing import Any, Literal

from isal import isal_zlib

from .content.style import Style
from .errors import ERRORS, HTML_TYPE, JSON_TYPE, SIGN_IN_PAGE, ErrorAnswer

Ending = Literal["whole", "cut", "drop", "hang"]
# good: a whole list of videos. refused: a justified 4xx. quota: the day is spent. Otherwise a fault's name.
GOOD, REFUSED, QUOTA = "good", "refused", "quota"

SLOW_SECONDS = 0.3
HANG_SECONDS = 60.0
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Answer:
    """Status, body, and how the connection ends. `outcome` is how it is counted.

    cut: half the body, then the connection closes. drop: it closes at once. hang: nothing for a minute. `page` names
    the page of a playlist in it.
    """

    status: int
    body: bytes
    outcome: str
    content_type: str = JSON_TYPE
    compressible: bool = True
    retry_after: str | None = None
    delay_seconds: float = 0.0
    ending: Ending = "whole"
    page: str | None = None

    def sent(self, *, gzipped: bool) -> bytes:
        """Return the body as it is sent. Without compression, damaged gzip becomes damaged JSON."""
        if not gzipped:
            return _half_text(self.body) if self.outcome in ("cut_gzip", "bad_gzip") else self.body
        packed = isal_zlib.compress(self.body, 1, 16 + isal_zlib.MAX_WBITS)
        middle = len(packed) // 2
        match self.outcome:
            case "cut_gzip":
                return packed[:middle]
            case "bad_gzip":
                spoilt = bytes(byte ^ 0x5A for byte in packed[middle : middle + 64])
                return packed[:middle] + spoilt + packed[middle + 64 :]
        return packed


def error_answer(error: ErrorAnswer, outcome: str) -> Answer:
    """Return an error as an answer."""
    return Answer(error.status, error.body, outcome, error.content_type)


def faulty(name: str, good: Answer, now: datetime, unexpected: dict[str, Any]) -> Answer:
    """Return the answer in place of `good` for the fault `name`. Raises KeyError for an unknown name.

    `unexpected` is a video resource that nobody asked for.
    """
    # quota_untrue: short bursts have been answered as if the day were spent
    error, waits, as_date = ("403_quota" if name == "quota_untrue" else name).partition("_retry_after")
    if error in ERRORS:
        until = format_datetime(now + timedelta(seconds=RETRY_AFTER_SECONDS), usegmt=True)
        retry_after = (until if as_date else str(RETRY_AFTER_SECONDS)) if waits else None
        return replace(error_answer(ERRORS[error], name), retry_after=retry_after)
    if name in _ENDINGS:
        return replace(good, outcome=name, ending=_ENDINGS[name])
    if name == "slow":
        return replace(good, delay_seconds=SLOW_SECONDS)
    match name:
        case "empty_200":
            return Answer(200, b"", name, compressible=False)
        case "html_200":
            return Answer(200, SIGN_IN_PAGE, name, HTML_TYPE, compressible=False)
        case "cut_gzip" | "bad_gzip":
            return replace(good, outcome=name)
    return replace(good, outcome=name, body=_spoilt_json(name, good.body, unexpected))


_KIND = re.compile(rb"youtube#(\w+)Response")
_ENDINGS: dict[str, Ending] = {"drop": "drop", "hang": "hang", "cut_body": "cut"}


def _spoilt_json(name: str, plain: bytes, unexpected: dict[str, Any]) -> bytes:
    match name:
        case "cut_json":
            return _half_text(plain)
        case "wrong_kind":
            return _KIND.sub(_other_kind, plain, count=1)
    answer = json.loads(plain)
    match name:
        case "no_items":
            answer.pop("items", None)
        case "unexpected_id":
            answer.setdefault("items", []).append(unexpected)
        case _:
            raise KeyError(name)
    return Style().spell(answer)


def _half_text(body: bytes) -> bytes:
    return body[: len(body) // 2].decode(errors="ignore").encode()


def _other_kind(match: re.Match[bytes]) -> bytes:
    return b"youtube#%bResponse" % (b"videoList" if match[1] == b"channelList" else b"channelList")


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
