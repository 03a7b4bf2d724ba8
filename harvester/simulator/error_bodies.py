"""Error bodies in the forms of Google's front ends; names begin with the HTTP status."""

from typing import Any

from .answers import Answer
from .content.style import PRETTY

HTML_TYPE = "text/html; charset=UTF-8"

_PROJECT = "projects/424242424242"
_CONSOLE = "https://console.developers.google.com/apis/api"
_SERVICE = "youtube.googleapis.com"
_OVERVIEW = f"{_CONSOLE}/{_SERVICE}/overview?project=424242424242"
_QUOTAS = f"{_CONSOLE}/youtube/quotas?project=424242424242"
_OF_PARAMETER = {"location": "parameters.", "locationType": "other"}
_OF_PART = {"location": "part", "locationType": "parameter"}
_ITEM_DOMAIN = "youtube.playlistItem"
_OF_PLAYLIST = {"location": "playlistId", "locationType": "parameter"}

_BAD_KEY = "API key not valid. Please pass a valid API key."
_OLD_KEY = "API key expired. Please renew the API key."
_NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)
_BLOCKED = "Requests to this API youtube method youtube.api.v3.V3DataVideoService.List are blocked."
_REFERER = "Requests from referer <empty> are blocked."
_UNUSED = (
    "has not been used in project 424242424242 before or it is disabled. "
    f"Enable it by visiting {_OVERVIEW} then retry. If you enabled this API recently, "
    "wait a few minutes for the action to propagate to our systems and retry."
)
_SPENT = (
    "The request cannot be completed because you have exceeded your "
    '<a href="/youtube/v3/getting-started#quota">quota</a>.'
)
_DAILY = (
    "Daily Limit Exceeded. The quota will be reset at midnight Pacific Time (PT). "
    f"You may monitor your quota usage and adjust limits in the API Console: {_QUOTAS}"
)
_EXHAUSTED = "Resource has been exhausted (e.g. check quota)."
_NO_FILTER = "No filter selected. Expected one of: myRating, chart, id"
_NO_PLAYLIST = "The playlist identified with the request's <code>playlistId</code> parameter cannot be found."
_NO_ACCESS = "The request is not properly authorized to retrieve the specified playlist items."


def _error(
    code: int,
    reason: str,
    message: str,
    domain: str = "global",
    *details: dict[str, Any],
    status: str | None = None,
    where: dict[str, str] | None = None,
) -> Answer:
    """Today's form: code, message, errors, then status and details if the front end sends them."""
    errors = [{"message": message, "domain": domain, "reason": reason, **(where or {})}]
    more = ({"status": status} if status else {}) | ({"details": list(details)} if details else {})
    return Answer(code, PRETTY.document({"error": {"code": code, "message": message, "errors": errors, **more}}))


def _legacy(code: int, reason: str, message: str, domain: str = "usageLimits", **more: str) -> Answer:
    """The older form, still in use: the list first, no status, no details."""
    errors = [{"domain": domain, "reason": reason, "message": message, **more}]
    return Answer(code, PRETTY.document({"error": {"errors": errors, "code": code, "message": message}}))


def _type(name: str, **more: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{name}", **more}


def _info(reason: str, **metadata: str) -> dict[str, Any]:
    metadata = {"service": _SERVICE, **metadata}
    return _type("ErrorInfo", reason=reason, domain="googleapis.com", metadata=metadata)


def _bad_key(message: str) -> Answer:
    details = _info("API_KEY_INVALID"), _type("LocalizedMessage", locale="en-US", message=message)
    return _error(400, "badRequest", message, "global", *details, status="INVALID_ARGUMENT")


def _forbidden(message: str, reason: str) -> Answer:
    return _error(403, "forbidden", message, "global", _info(reason, consumer=_PROJECT), status="PERMISSION_DENIED")


def _exceeded(per: str) -> str:
    return (
        f"Quota exceeded for quota metric 'Queries' and limit 'Queries per {per}' of service '{_SERVICE}' for "
        "consumer 'project_number:424242424242'."
    )


def _limit(per: str, quota_limit: str, unit: str, value: str, **more: str) -> Answer:
    """A 429 of the quota system; only `unit` and the message distinguish a day from a minute."""
    info = _info(
        "RATE_LIMIT_EXCEEDED",
        consumer=_PROJECT,
        quota_limit=quota_limit,
        quota_limit_value=value,
        quota_location="global",
        quota_metric=f"{_SERVICE}/default",
        quota_unit=unit,
        **more,
    )
    return _error(429, "rateLimitExceeded", _exceeded(per), "global", info, status="RESOURCE_EXHAUSTED")


def unknown_part(name: str) -> Answer:
    """The refusal of a part that does not exist; its message is the bare name."""
    return _error(400, "unknownPart", name, "youtube.part", where=_OF_PART)


def _html(title: str, sentence: str) -> bytes:
    """An HTML page of a front end without a JSON answer."""
    return (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
        f"  <title>{title}</title>\n"
        "  <style>*{margin:0;padding:0}body{margin:7% auto 0;max-width:390px;padding:30px 0 15px}</style>\n"
        f"  <p><b>{title}</b>\n  <p>{sentence}\n"
    ).encode()


SIGN_IN_PAGE = _html("Sign in to the network", "This network asks you to sign in first – it’s free.")
_SERVER_ERROR_PAGE = _html(
    "Error 502 (Server Error)!!1",
    "The server met with a passing error – please try again in 30 seconds. <ins>That’s all.</ins>",
)

ERRORS = {
    "400_api_key_invalid": _bad_key(_BAD_KEY),
    "400_api_key_expired": _bad_key(_OLD_KEY),
    "400_key_invalid": _legacy(400, "keyInvalid", "Bad Request"),
    "400_key_expired": _legacy(400, "keyExpired", "Bad Request"),
    "403_no_key": _error(403, "forbidden", _NO_KEY, status="PERMISSION_DENIED"),
    "403_key_service_blocked": _forbidden(_BLOCKED, "API_KEY_SERVICE_BLOCKED"),
    "403_referer_blocked": _forbidden(_REFERER, "API_KEY_HTTP_REFERRER_BLOCKED"),
    "403_service_disabled": _error(
        403,
        "accessNotConfigured",
        f"YouTube Data API v3 {_UNUSED}",
        "usageLimits",
        _type("Help", links=[{"description": "Google developers console API activation", "url": _OVERVIEW}]),
        _info("SERVICE_DISABLED", consumer=_PROJECT),
        status="PERMISSION_DENIED",
        where={"extendedHelp": "https://console.developers.google.com"},
    ),
    "403_access_not_configured": _legacy(
        403, "accessNotConfigured", f"Access Not Configured. YouTube Data API {_UNUSED}", extendedHelp=_OVERVIEW
    ),
    "403_playlist_items_not_accessible": _error(
        403, "playlistItemsNotAccessible", _NO_ACCESS, _ITEM_DOMAIN, where=_OF_PLAYLIST
    ),
    "403_quota": _error(403, "quotaExceeded", _SPENT, "youtube.quota"),
    "403_quota_old_order": _legacy(403, "quotaExceeded", _SPENT, "youtube.quota"),
    "403_daily_limit": _legacy(403, "dailyLimitExceeded", _DAILY, extendedHelp=_QUOTAS),
    "403_rate_limit": _error(403, "rateLimitExceeded", _exceeded("minute"), "usageLimits", status="PERMISSION_DENIED"),
    "403_user_rate_limit": _legacy(403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
    "404_playlist_not_found": _error(404, "playlistNotFound", _NO_PLAYLIST, _ITEM_DOMAIN, where=_OF_PLAYLIST),
    "429": _error(429, "rateLimitExceeded", _EXHAUSTED, status="RESOURCE_EXHAUSTED"),
    "429_per_minute": _limit("minute per user", "defaultPerMinutePerUser", "1/min/{project}/{user}", "1800"),
    "429_per_day": _limit("day", "defaultPerDayPerProject", "1/d/{project}", "10000", window_start_time="1795507200"),
    "400_bad_request": _error(400, "badRequest", "Bad Request", status="INVALID_ARGUMENT"),
    "400_invalid_filter": _error(
        400,
        "invalidFilters",
        "The request specifies an invalid filter parameter.",
        "youtube.parameter",
        where=_OF_PARAMETER,
    ),
    "400_invalid_page_token": _error(
        400,
        "invalidPageToken",
        "The request specifies an invalid page token.",
        "youtube.parameter",
        where={"location": "pageToken", "locationType": "parameter"},
    ),
    "400_missing_parameter": _error(
        400, "missingRequiredParameter", _NO_FILTER, "youtube.parameter", where=_OF_PARAMETER
    ),
    "400_missing_part": _error(400, "required", "Required parameter: part", where=_OF_PART),
    "400_unknown_part": unknown_part("statistic"),
    "500": _legacy(500, "backendError", "Backend Error", "global"),
    "500_null": Answer(500, PRETTY.document({"error": {"code": 500, "message": None}})),
    "502_html": Answer(502, _SERVER_ERROR_PAGE, content_type=HTML_TYPE),
    "503": _legacy(503, "backendError", "Backend Error", "global"),
}
