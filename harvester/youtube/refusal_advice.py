"""Advice on refusals that only a person can resolve. Pure."""

from __future__ import annotations

from harvester.model import Outcome, Verdict
from harvester.support.proxy_and_tls import TRUST_IT

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
_DELETED = (
    "The key's project is deleted: undelete it at "
    "https://console.cloud.google.com/iam-admin/projects?pendingDeletion=true, or make a key in another project at "
    f"{_CREDENTIALS}."
)
_ADDRESS_OR_REFERRER_BLOCKED = (
    "The key is restricted to IP addresses or to web sites, and the API does not say which: add this machine's IP "
    f"address to the key, or set its application restriction to none, at {_CREDENTIALS}."
)
_APP_BLOCKED = (
    f"Look at the restrictions of the key at {_CREDENTIALS}: it is for Android or iOS apps, and this program is none. "
    "Restrict it to IP addresses or not at all."
)
_REFERRER_BLOCKED = (
    "The key is restricted to web sites, and this program is none: set its application restriction "
    f"to IP addresses or to none at {_CREDENTIALS}."
)
_ADDRESS_BLOCKED = (
    "The key is restricted to IP addresses, and this machine's is none of them: add the address that the API names "
    f"to the key at {_CREDENTIALS}."
)
_RESTRICTED = f"Look at the restrictions of the key at {_CREDENTIALS}: they leave out this use of it."
_SUSPENDED = "The key's project is suspended or deleted: see its page in the Google Cloud console."
_PARTS = "Fix youtube.parts: the API does not take this list of parts."
_BASE_URL = "Fix youtube.base_url: there is no API at that address."
_PROXY = (
    "Look at the proxy that HTTPS_PROXY or HTTP_PROXY names: whether it wants a user and password "
    "(http://user:password@host:port), and whether it lets this machine reach the API. NO_PROXY names the hosts that "
    "are reached without it."
)
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
    "API_KEY_ANDROID_APP_BLOCKED": _APP_BLOCKED,
    "API_KEY_IOS_APP_BLOCKED": _APP_BLOCKED,
    "ipRefererBlocked": _ADDRESS_OR_REFERRER_BLOCKED,
    "API_KEY_IP_ADDRESS_BLOCKED": _ADDRESS_BLOCKED,
    "CONSUMER_SUSPENDED": _SUSPENDED,
    "CONSUMER_INVALID": _SUSPENDED,
    "http_404": _BASE_URL,
    "http_407": _PROXY,
    "proxy_refused": _PROXY,
    "tls_failed": TRUST_IT,
}

_BY_TEXT = (
    # Several refusals share a reason (`forbidden`, `badRequest`, `accessNotConfigured`): only the text tells.
    ("expired", _EXPIRED),
    ("unregistered callers", _NO_KEY),
    ("missing a valid api key", _NO_KEY),
    ("scheduled for deletion", _DELETED),
    ("has been deleted", _DELETED),
    ("per-ip or per-referer", _ADDRESS_OR_REFERRER_BLOCKED),
    ("has an ip address restriction", _ADDRESS_BLOCKED),
    ("requests from referer", _REFERRER_BLOCKED),
    ("referrer restriction", _REFERRER_BLOCKED),
    ("android client application", _APP_BLOCKED),
    ("ios client application", _APP_BLOCKED),
    ("has not been used in project", _NOT_ENABLED),
)


def advice(outcome: Outcome) -> str:
    """Return what to do about a MISCONFIGURED; empty for any other verdict."""
    if outcome.verdict is not Verdict.MISCONFIGURED:
        return ""
    message = outcome.message.lower()
    if outcome.sent and (known := next((advice for text, advice in _BY_TEXT if text in message), None)):
        return known
    if outcome.reason in _BY_REASON:
        return _BY_REASON[outcome.reason]
    if outcome.reason.startswith("API_KEY_"):
        return _RESTRICTED
    return _PARTS if outcome.http_status == 400 and "part" in outcome.reason.lower() else _FORBIDDEN
