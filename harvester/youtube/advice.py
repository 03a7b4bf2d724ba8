"""What a person can do about a refusal that no waiting heals. Pure."""

from __future__ import annotations

from harvester.model import Outcome, Verdict

_CREDENTIALS = "https://console.cloud.google.com/apis/credentials"
_LIBRARY = "https://console.cloud.google.com/apis/library/youtube.googleapis.com"

_WRONG_KEY = f"Check YOUTUBE_API_KEY: the API does not know this key. Copy it again from {_CREDENTIALS}."
_EXPIRED = f"The key has expired: renew it, or make a new one in the same project, at {_CREDENTIALS}."
_NO_KEY = "The API saw no key: set YOUTUBE_API_KEY, and let no proxy drop the header X-Goog-Api-Key."
_NOT_ENABLED = (
    f"Enable the YouTube Data API v3 in the key's project at {_LIBRARY}, wait a few minutes, and run it again."
)
_SERVICE_BLOCKED = (
    f"The key's API restrictions leave out the YouTube Data API v3: add it to what the key may call at {_CREDENTIALS}."
)
_REFERRER_BLOCKED = (
    "The key is restricted to web sites, and this program is none: set its application restriction "
    f"to IP addresses or to none at {_CREDENTIALS}."
)
_ADDRESS_BLOCKED = (
    f"The key may not be used from this machine's IP address: add the address to the key at {_CREDENTIALS}."
)
_RESTRICTED = f"Look at the restrictions of the key at {_CREDENTIALS}: they leave out this use of it."
_SUSPENDED = "The key's project is suspended or deleted: see its page in the Google Cloud console."
_PARTS = "Mend youtube.parts: the API does not take this list of parts."
_BASE_URL = "Mend youtube.base_url: there is no API at that address."
_FORBIDDEN = (
    f"The API refuses this key: see that it is not restricted against this use at {_CREDENTIALS}, that "
    "the YouTube Data API v3 is enabled, and that youtube.parts asks for nothing that only owners may see."
)

_BY_REASON = {
    "API_KEY_INVALID": _WRONG_KEY,
    "keyInvalid": _WRONG_KEY,
    "keyExpired": _EXPIRED,
    "SERVICE_DISABLED": _NOT_ENABLED,
    "accessNotConfigured": _NOT_ENABLED,
    "API_KEY_SERVICE_BLOCKED": _SERVICE_BLOCKED,
    "API_KEY_HTTP_REFERRER_BLOCKED": _REFERRER_BLOCKED,
    "ipRefererBlocked": _REFERRER_BLOCKED,
    "API_KEY_IP_ADDRESS_BLOCKED": _ADDRESS_BLOCKED,
    "CONSUMER_SUSPENDED": _SUSPENDED,
    "CONSUMER_INVALID": _SUSPENDED,
    "http_404": _BASE_URL,
}


def advice(outcome: Outcome) -> str:
    """What to do about a KEY_REFUSED, in one sentence or two; empty for any other verdict."""
    if outcome.verdict is not Verdict.KEY_REFUSED:
        return ""
    message = outcome.message.lower()
    # An expired and a missing key share their reasons with a wrong one; only the text tells.
    if "expired" in message:
        return _EXPIRED
    if "unregistered callers" in message or "missing a valid api key" in message:
        return _NO_KEY
    if outcome.reason in _BY_REASON:
        return _BY_REASON[outcome.reason]
    if outcome.reason.startswith("API_KEY_"):
        return _RESTRICTED
    return _PARTS if outcome.http_status == 400 and "part" in outcome.reason.lower() else _FORBIDDEN
