"""Error bodies, in the structures that Google's front ends send; names begin with the HTTP status."""

import json
from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"

_PROJECT = "projects/424242424242"
_CONSUMER = "project_number:424242424242"
_CONSOLE = "https://console.developers.google.com/apis/api/youtube.googleapis.com/overview?project=424242424242"
_SERVICE = "youtube.googleapis.com"


@dataclass(frozen=True)
class ErrorAnswer:
    """An HTTP status with the bytes that come with it."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE


def to_json(value: Any, *, pretty: bool) -> bytes:
    """UTF-8 JSON as Google writes it: nothing escaped but controls and the characters of HTML."""
    if pretty:
        text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode()


def _error(
    code: int,
    reason: str,
    message: str,
    *,
    domain: str = "global",
    status: str | None = None,
    details: list[dict[str, Any]] | None = None,
    where: dict[str, str] | None = None,
) -> ErrorAnswer:
    """Today's form: code, message, errors, then status and details where the front end has them."""
    error: dict[str, Any] = {
        "code": code,
        "message": message,
        "errors": [{"message": message, "domain": domain, "reason": reason, **(where or {})}],
    }
    if status is not None:
        error["status"] = status
    if details is not None:
        error["details"] = details
    return ErrorAnswer(code, to_json({"error": error}, pretty=True))


def _legacy(code: int, reason: str, message: str, *, domain: str, **more: str) -> ErrorAnswer:
    """The older form, still met: the list first, no status, no details."""
    errors = [{"domain": domain, "reason": reason, "message": message, **more}]
    return ErrorAnswer(code, to_json({"error": {"errors": errors, "code": code, "message": message}}, pretty=True))


def _info(reason: str, **metadata: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": _SERVICE, **metadata},
    }


def _localized(message: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.LocalizedMessage"
    return {"@type": kind, "locale": "en-US", "message": message}


def _limit(per: str, quota_limit: str, unit: str, value: str, **more: str) -> ErrorAnswer:
    """A 429 of the quota system; only `unit` and the words tell a day from a minute."""
    message = (
        f"Quota exceeded for quota metric 'Queries' and limit 'Queries per {per}' "
        f"of service '{_SERVICE}' for consumer '{_CONSUMER}'."
    )
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
    return _error(429, "rateLimitExceeded", message, status="RESOURCE_EXHAUSTED", details=[info])


def _key_errors() -> dict[str, ErrorAnswer]:
    not_valid = "API key not valid. Please pass a valid API key."
    expired = "API key expired. Please renew the API key."
    no_key = (
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API."
    )
    blocked = "Requests to this API youtube method youtube.api.v3.V3DataVideoService.List are blocked."
    referer = "Requests from referer <empty> are blocked."
    denied = "PERMISSION_DENIED"

    def bad_key(message: str) -> ErrorAnswer:
        details = [_info("API_KEY_INVALID"), _localized(message)]
        return _error(400, "badRequest", message, status="INVALID_ARGUMENT", details=details)

    def forbidden(message: str, reason: str) -> ErrorAnswer:
        details = [_info(reason, consumer=_PROJECT)]
        return _error(403, "forbidden", message, status=denied, details=details)

    return {
        "400_api_key_invalid": bad_key(not_valid),
        "400_api_key_expired": bad_key(expired),
        "400_key_invalid": _legacy(400, "keyInvalid", "Bad Request", domain="usageLimits"),
        "400_key_expired": _legacy(400, "keyExpired", "Bad Request", domain="usageLimits"),
        "403_no_key": _error(403, "forbidden", no_key, status=denied),
        "403_key_service_blocked": forbidden(blocked, "API_KEY_SERVICE_BLOCKED"),
        "403_referer_blocked": forbidden(referer, "API_KEY_HTTP_REFERRER_BLOCKED"),
        **_service_errors(),
    }


def _service_errors() -> dict[str, ErrorAnswer]:
    unused = (
        "has not been used in project 424242424242 before or it is disabled. "
        f"Enable it by visiting {_CONSOLE} then retry. If you enabled this API recently, "
        "wait a few minutes for the action to propagate to our systems and retry."
    )
    help_link = {
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"description": "Google developers console API activation", "url": _CONSOLE}],
    }
    return {
        "403_service_disabled": _error(
            403,
            "accessNotConfigured",
            f"YouTube Data API v3 {unused}",
            domain="usageLimits",
            status="PERMISSION_DENIED",
            details=[help_link, _info("SERVICE_DISABLED", consumer=_PROJECT)],
            where={"extendedHelp": "https://console.developers.google.com"},
        ),
        "403_access_not_configured": _legacy(
            403,
            "accessNotConfigured",
            f"Access Not Configured. YouTube Data API {unused}",
            domain="usageLimits",
            extendedHelp=_CONSOLE,
        ),
    }


def _quota_errors() -> dict[str, ErrorAnswer]:
    spent = (
        "The request cannot be completed because you have exceeded your "
        '<a href="/youtube/v3/getting-started#quota">quota</a>.'
    )
    console = "https://console.developers.google.com/apis/api/youtube/quotas?project=424242424242"
    daily = (
        "Daily Limit Exceeded. The quota will be reset at midnight Pacific Time (PT). "
        f"You may monitor your quota usage and adjust limits in the API Console: {console}"
    )
    per_minute = (
        f"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service '{_SERVICE}' "
        f"for consumer '{_CONSUMER}'."
    )
    exhausted = "Resource has been exhausted (e.g. check quota)."
    return {
        "403_quota": _error(403, "quotaExceeded", spent, domain="youtube.quota"),
        "403_quota_old_order": _legacy(403, "quotaExceeded", spent, domain="youtube.quota"),
        "403_daily_limit": _legacy(403, "dailyLimitExceeded", daily, domain="usageLimits", extendedHelp=console),
        "403_rate_limit": _error(
            403, "rateLimitExceeded", per_minute, domain="usageLimits", status="PERMISSION_DENIED"
        ),
        "403_user_rate_limit": _legacy(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits"),
        "429": _error(429, "rateLimitExceeded", exhausted, status="RESOURCE_EXHAUSTED"),
        "429_per_minute": _limit("minute per user", "defaultPerMinutePerUser", "1/min/{project}/{user}", "1800"),
        "429_per_day": _limit(
            "day", "defaultPerDayPerProject", "1/d/{project}", "10000", window_start_time="1795507200"
        ),
    }


def _request_errors() -> dict[str, ErrorAnswer]:
    filters = "The request specifies an invalid filter parameter."
    missing = "No filter selected. Expected one of: myRating, chart, id"
    no_part = "Required parameter: part"
    where = {"location": "parameters.", "locationType": "other"}
    at_part = {"location": "part", "locationType": "parameter"}
    return {
        "400_bad_request": _error(400, "badRequest", "Bad Request", status="INVALID_ARGUMENT"),
        "400_invalid_filter": _error(400, "invalidFilters", filters, domain="youtube.parameter", where=where),
        "400_missing_parameter": _error(
            400, "missingRequiredParameter", missing, domain="youtube.parameter", where=where
        ),
        "400_missing_part": _error(400, "required", no_part, domain="global", where=at_part),
        "400_unknown_part": unknown_part("statistic"),
    }


def unknown_part(name: str) -> ErrorAnswer:
    """The refusal of a part that does not exist; its message is the bare name."""
    at_part = {"location": "part", "locationType": "parameter"}
    return _error(400, "unknownPart", name, domain="youtube.part", where=at_part)


def _html(title: str, sentence: str) -> bytes:
    """A page as a front end makes it when no JSON comes from behind."""
    return (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
        f"  <title>{title}</title>\n"
        "  <style>*{margin:0;padding:0}body{margin:7% auto 0;max-width:390px;padding:30px 0 15px}</style>\n"
        f"  <p><b>{title}</b>\n  <p>{sentence}\n"
    ).encode()


SIGN_IN_PAGE = _html("Sign in to the network", "This network asks you to sign in first – it’s free.")


def _server_errors() -> dict[str, ErrorAnswer]:
    page = _html(
        "Error 502 (Server Error)!!1",
        "The server met with a passing error – please try again in 30 seconds. <ins>That’s all.</ins>",
    )
    return {
        "500": _legacy(500, "backendError", "Backend Error", domain="global"),
        "500_null": ErrorAnswer(500, to_json({"error": {"code": 500, "message": None}}, pretty=True)),
        "502_html": ErrorAnswer(502, page, HTML_TYPE),
        "503": _legacy(503, "backendError", "Backend Error", domain="global"),
    }


ERRORS = {**_key_errors(), **_quota_errors(), **_request_errors(), **_server_errors()}
