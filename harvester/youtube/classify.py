"""Turn an HTTP answer into an Outcome. Pure; never raises, whatever the bytes are.

The order of the checks matters: the API uses one `reason` for several errors (a day's quota and a minute's are both
`rateLimitExceeded`, a wrong key and a malformed request are both `badRequest`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from harvester.model import Answer, Outcome, Verdict
from harvester.support.gzip_body import BodyError
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST, VIDEOS_LIST, Endpoint
from harvester.youtube.error_body import ApiError, read_error
from harvester.youtube.listing_answers import read_channel, read_page
from harvester.youtube.validate_body import is_html, read_good

MAX_RETRY_AFTER_SECONDS = 900.0
"""A longer `Retry-After` is cut to 15 minutes: to ask again then costs one call, to wait for hours costs the day."""

# developers.google.com/youtube/v3/docs/errors and core_errors; the upper-case ones: google.api.ErrorReason.
_QUOTA_WORDS = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_RATE_WORDS = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "servingLimitExceeded", "concurrentLimitExceeded"}
    | {"RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
)
_KEY_WORDS = frozenset(
    {"keyInvalid", "keyExpired", "accessNotConfigured", "forbidden"}
    | {"SERVICE_DISABLED", "CONSUMER_INVALID", "CONSUMER_SUSPENDED"}
)

# A 200 of the right kind that parses: the API is up, so a smaller batch says more than the same one again.
_OF_THE_BATCH = frozenset(
    {"bad_item", "bad_number", "id_twice", "name_twice", "unexpected_id", "too_deep", "too_many_items"}
)

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def classify(answer: Answer, asked: Collection[str], now: datetime, endpoint: Endpoint = VIDEOS_LIST) -> Outcome:
    """Classify the answer of `endpoint` to a call for the ids `asked`. `now` (aware) is for a Retry-After that is a
    date."""
    outcome = _good_or_fault(answer, asked, endpoint) if answer.status == 200 else _refusal(answer, endpoint)
    outcome = replace(outcome, answered_on=date_of(answer.headers.get("date", "")))
    if outcome.verdict is Verdict.GOOD:
        return outcome
    wait = retry_after_seconds(answer.headers.get("retry-after", ""), now)
    return replace(outcome, retry_after_seconds=wait)


def retry_after_seconds(value: str, now: datetime) -> float | None:
    """Return a Retry-After in seconds from `now`, from 0 to MAX_RETRY_AFTER_SECONDS; None if it is invalid.

    Both forms of RFC 9110, 10.2.3: seconds (a fraction is accepted) or an HTTP date.
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    moment = date_of(text)
    return None if moment is None else min(max(0.0, (moment - now).total_seconds()), MAX_RETRY_AFTER_SECONDS)


def date_of(value: str) -> datetime | None:
    """Parse the `Date` header; None if it is invalid."""
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _good_or_fault(answer: Answer, asked: Collection[str], endpoint: Endpoint) -> Outcome:
    try:
        if endpoint is CHANNELS_LIST:
            channel = read_channel(answer, asked, endpoint.answer_kind)
            return Outcome(Verdict.GOOD, "ok" if channel else "channelNotFound", answer.status, listed=channel)
        if endpoint is PLAYLIST_ITEMS_LIST:
            return Outcome(Verdict.GOOD, "ok", answer.status, listed=read_page(answer, endpoint.answer_kind))
        body, found = read_good(answer, asked, endpoint.answer_kind)
    except BodyError as fault:
        verdict = Verdict.UNACCEPTABLE if fault.reason in _OF_THE_BATCH else Verdict.TRY_AGAIN
        return Outcome(verdict, fault.reason, http_status=answer.status, message=str(fault))
    return Outcome(Verdict.GOOD, "ok", http_status=answer.status, body=body, found=found)


def _refusal(answer: Answer, endpoint: Endpoint) -> Outcome:
    error = read_error(answer)
    if 400 <= answer.status < 500 and error.reason in endpoint.definite:
        return Outcome(Verdict.GOOD, error.reason, http_status=answer.status, message=error.message)
    verdict, reason = _verdict(answer, error)
    return Outcome(verdict, reason, http_status=answer.status, message=error.message)


def _verdict(answer: Answer, error: ApiError) -> tuple[Verdict, str]:
    status, plain = answer.status, f"http_{answer.status}"
    if status < 400:
        # A redirect is not followed, because the key would be sent along; another 2xx brings no videos.
        return Verdict.TRY_AGAIN, plain
    own = error.reason or plain
    if status == 408 or status >= 500:
        return Verdict.TRY_AGAIN, own
    if status in (403, 429) and error.per_day:
        return Verdict.DAY_SPENT, own
    if word := _first(error, _QUOTA_WORDS):
        return Verdict.QUOTA_DOUBTED, word
    if word := _first(error, _RATE_WORDS):
        return Verdict.SLOW_DOWN, word
    if status == 429:
        return Verdict.SLOW_DOWN, own
    if word := _misconfiguration(answer, error):
        return Verdict.MISCONFIGURED, word
    return Verdict.BATCH_REFUSED, own


def _first(error: ApiError, known: frozenset[str]) -> str:
    return next((word for word in error.words if word in known), "")


def _misconfiguration(answer: Answer, error: ApiError) -> str:
    """Return the reason of a refusal that applies to every batch: it stops the run and fails no id. Empty for
    others."""
    for word in error.detail_reasons:
        if word.startswith("API_KEY_") or word in _KEY_WORDS:
            return word
    if word := _first(error, _KEY_WORDS):
        return word
    if answer.status == 407:
        return "http_407"  # from the proxy, not from the API
    if answer.status in (401, 403):
        # No 403 of videos.list is about an id: those that may not be seen are absent from a 200.
        return error.reason or f"http_{answer.status}"
    if answer.status == 400 and error.about_part:
        # A malformed request to the API, a wrong setting to the user: `youtube.parts` is sent with every batch.
        return error.reason if "part" in error.reason.lower() else "unknownPart"
    if error.about_key:
        return "API_KEY_INVALID"
    if answer.status == 404 and is_html(answer):
        # From Google's front end or another host: there is no API at `youtube.base_url`.
        return "http_404"
    return ""
