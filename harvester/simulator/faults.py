"""The fault of an answer: a pure function of the seed, the ids and the attempt; and the answer with it."""

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal, get_args

from .answers import Answer, half_text
from .content.style import Style
from .error_bodies import ERRORS, HTML_TYPE, SIGN_IN_PAGE

FaultLevel = Literal["none", "mild", "hostile"]
Poison = Literal["400_bad_request", "503"]
LEVELS: tuple[FaultLevel, ...] = get_args(FaultLevel)

# Shares of all answers. Hangs are rare because each costs the client a timeout of real time.
MILD = {"500": 0.002, "503": 0.005, "502_html": 0.003, "429": 0.004, "slow": 0.004, "drop": 0.002}
HOSTILE = {
    "500": 0.006,
    "500_null": 0.002,
    "503": 0.013,
    "503_retry_after": 0.003,
    "503_retry_after_date": 0.002,
    "502_html": 0.008,
    "429": 0.009,
    "429_per_minute": 0.005,
    "429_retry_after": 0.003,
    "403_rate_limit": 0.004,
    "403_user_rate_limit": 0.003,
    "quota_untrue": 0.002,
    "slow": 0.015,
    "drop": 0.010,
    "cut_body": 0.008,
    "cut_gzip": 0.004,
    "cut_json": 0.005,
    "bad_gzip": 0.005,
    "empty_200": 0.003,
    "html_200": 0.003,
    "wrong_kind": 0.002,
    "no_items": 0.003,
    "unexpected_id": 0.002,
    "hang": 0.0002,
}
RATES: dict[FaultLevel, dict[str, float]] = {"none": {}, "mild": MILD, "hostile": HOSTILE}

# Every error body can also be requested by its name.
FAULT_NAMES = frozenset(HOSTILE) | frozenset(ERRORS)

# Every fourth attempt of a batch has no fault, so a client that tries five times succeeds.
SPARED_EVERY = 4
SLOW_SECONDS = 0.3
RETRY_AFTER_SECONDS = 1
REFUSED_ONE_IN = 20_000
UNAVAILABLE_ONE_IN = 40_000


class FaultPlan:
    """Draws faults for batches, the same for the same level and seed."""

    def __init__(self, level: FaultLevel, seed: int) -> None:
        if level not in RATES:
            raise ValueError(f"no fault level {level!r}: one of {', '.join(LEVELS)}")
        self.level = level
        self._rates = RATES[level]
        self._hash = hashlib.blake2b(f"faults:{seed}".encode(), digest_size=8)
        self._salt = zlib.crc32(f"poison:{seed}".encode())

    def draw(self, ids: Sequence[str], attempt: int) -> str | None:
        """Return the fault of the `attempt`-th answer (from 0) to this batch, or None. Without poison videos."""
        if not self._rates or attempt % SPARED_EVERY == SPARED_EVERY - 1:
            return None
        drawn = self._draw_any(ids, attempt)
        if drawn == "quota_untrue" and attempt > 0:
            return None
        # a wrong quota refusal is followed by a good answer
        if drawn is not None and attempt == 1 and self._draw_any(ids, 0) == "quota_untrue":
            return None
        return drawn

    def poison_of(self, video_id: str) -> Poison | None:
        """Return how every batch with this id is answered, or None for a harmless id."""
        if self.level != "hostile":
            return None
        mark = zlib.crc32(video_id.encode(), self._salt)
        if mark % REFUSED_ONE_IN == 0:
            return "400_bad_request"
        # a separate share from the ids refused above
        return "503" if mark % UNAVAILABLE_ONE_IN == 1 else None

    def _draw_any(self, ids: Sequence[str], attempt: int) -> str | None:
        hasher = self._hash.copy()
        hasher.update(f"{attempt}:{','.join(ids)}".encode())
        point = int.from_bytes(hasher.digest(), "big") / 2**64
        for name, rate in self._rates.items():
            if point < rate:
                return name
            point -= rate
        return None


def faulty(name: str, good: Answer, now: datetime, unexpected: dict[str, Any]) -> Answer:
    """Return the answer in place of `good` for the fault `name`. Raises KeyError for an unknown name.

    `unexpected` is a video resource that nobody asked for.
    """
    # quota_untrue: short bursts have been answered as if the day were spent
    error, waits, as_date = ("403_quota" if name == "quota_untrue" else name).partition("_retry_after")
    if error in ERRORS:
        until = format_datetime(now + timedelta(seconds=RETRY_AFTER_SECONDS), usegmt=True)
        retry_after = (until if as_date else str(RETRY_AFTER_SECONDS)) if waits else None
        return replace(ERRORS[error], outcome=name, retry_after=retry_after)
    match name:
        case "slow":
            return replace(good, delay_seconds=SLOW_SECONDS)
        case "empty_200":
            return Answer(200, b"", name, compressible=False)
        case "html_200":
            return Answer(200, SIGN_IN_PAGE, name, HTML_TYPE, compressible=False)
        case "cut_gzip" | "bad_gzip" | "cut_body" | "drop" | "hang":
            return replace(good, outcome=name)
    return replace(good, outcome=name, body=_spoilt_json(name, good.body, unexpected))


_KIND = re.compile(rb"youtube#(\w+)Response")


def _spoilt_json(name: str, plain: bytes, unexpected: dict[str, Any]) -> bytes:
    match name:
        case "cut_json":
            return half_text(plain)
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


def _other_kind(match: re.Match[bytes]) -> bytes:
    return b"youtube#%bResponse" % (b"videoList" if match[1] == b"channelList" else b"channelList")
