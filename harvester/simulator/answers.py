"""An answer before it is sent, and what a fault makes of a good one."""

import gzip
import json
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from .deflate import gzipped_if
from .errors import ERRORS, HTML_TYPE, JSON_TYPE, SIGN_IN_PAGE, ErrorAnswer
from .style import Style

Ending = Literal["whole", "cut", "drop", "hang"]
# good: a whole list of videos. refused: a 4xx that is deserved. quota: the day is spent. Else a fault's name.
GOOD, REFUSED, QUOTA = "good", "refused", "quota"

SLOW_SECONDS = 0.3
HANG_SECONDS = 60.0
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Answer:
    """Status, body as it goes over the wire, and how it ends. `outcome` is what it counts as.

    cut: half the body, then the connection closes. drop: it closes at once. hang: nothing for a minute.
    """

    status: int
    body: bytes
    outcome: str
    content_type: str = JSON_TYPE
    gzipped: bool = False
    retry_after: str | None = None
    delay_seconds: float = 0.0
    ending: Ending = "whole"


def error_answer(error: ErrorAnswer, outcome: str, *, gzipped: bool) -> Answer:
    """An error body as the answer, compressed if the client takes that."""
    return Answer(error.status, gzipped_if(gzipped, error.body), outcome, error.content_type, gzipped)


def faulty(name: str, good: Answer, now: datetime, unexpected: dict[str, Any]) -> Answer:
    """The answer to give instead of `good` under the fault `name`; raises KeyError for an unknown name.

    `unexpected` is a video resource that nobody asked for.
    """
    if name in ERRORS:
        return error_answer(ERRORS[name], name, gzipped=good.gzipped)
    if name in _ERRORS_WITH_MORE:
        answer = error_answer(ERRORS[_ERRORS_WITH_MORE[name]], name, gzipped=good.gzipped)
        if name.endswith("_date"):
            until = now + timedelta(seconds=RETRY_AFTER_SECONDS)
            return replace(answer, retry_after=format_datetime(until, usegmt=True))
        return replace(answer, retry_after=str(RETRY_AFTER_SECONDS) if name.endswith("_after") else None)
    if name in _ENDINGS:
        return replace(good, outcome=name, ending=_ENDINGS[name])
    if name == "slow":
        return replace(good, delay_seconds=SLOW_SECONDS)
    return _damaged(name, good, unexpected)


# quota_untrue: a short burst of traffic has been seen to be answered as if the day were spent
_ERRORS_WITH_MORE = {
    "503_retry_after": "503",
    "503_retry_after_date": "503",
    "429_retry_after": "429",
    "quota_untrue": "403_quota",
}
_ENDINGS: dict[str, Ending] = {"drop": "drop", "hang": "hang", "cut_body": "cut"}


def _damaged(name: str, good: Answer, unexpected: dict[str, Any]) -> Answer:
    """A 200 with a damaged body."""
    match name:
        case "empty_200":
            return Answer(200, b"", name)
        case "html_200":
            return Answer(200, SIGN_IN_PAGE, name, HTML_TYPE)
        case "cut_gzip" if good.gzipped:
            return replace(good, body=good.body[: len(good.body) // 2], outcome=name)
        case "bad_gzip" if good.gzipped:
            middle = len(good.body) // 2
            spoilt = bytes(byte ^ 0x5A for byte in good.body[middle : middle + 64])
            return replace(good, body=good.body[:middle] + spoilt + good.body[middle + 64 :], outcome=name)
    plain = gzip.decompress(good.body) if good.gzipped else good.body
    spoilt = _spoilt_json(name, plain, unexpected)
    return replace(good, body=gzipped_if(good.gzipped, spoilt), outcome=name)


def _spoilt_json(name: str, plain: bytes, unexpected: dict[str, Any]) -> bytes:
    match name:
        # without compression, damaged gzip becomes damaged JSON
        case "cut_json" | "cut_gzip" | "bad_gzip":
            return plain[: len(plain) // 2].decode(errors="ignore").encode()
        case "wrong_kind":
            return re.sub(rb"youtube#(videoList|batchGetStats)Response", b"youtube#channelListResponse", plain, count=1)
    answer = json.loads(plain)
    match name:
        case "no_items":
            del answer["items"]
        case "unexpected_id":
            answer["items"].append(unexpected)
        case _:
            raise KeyError(name)
    return Style().spell(answer)
