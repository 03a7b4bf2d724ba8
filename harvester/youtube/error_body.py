"""Parse Google's error bodies, in which any field may be missing, null or of another type. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harvester.model import Answer
from harvester.support.gzip_body import BodyError, decompress
from harvester.youtube.validate_body import encoding_of, is_html

MAX_ERROR_BYTES = 1024 * 1024
"""Most bytes of an error body that is parsed. The largest one recorded has 2 KB."""

MAX_MESSAGE_CHARS = 300
MAX_ENTRIES = 20
"""Most entries of `errors` and of `details` that are looked at."""

_MAX_TEXT_CHARS = 4000
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TAG = re.compile(r"<[A-Za-z/!][^<>]*>")
_TITLE = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
# Google names a suspended consumer by its key: "Consumer 'api_key:AIza…' has been suspended" (ErrorInfo
# CONSUMER_SUSPENDED, in many public bug reports).
_KEY = re.compile(r"""((?i:api[_ ]?key:\s*|key=))[^\s'"&]+|AIza[\w-]+""")


@dataclass(frozen=True, slots=True)
class ApiError:
    """The fields of an error body; empty where it has none."""

    message: str = ""
    """One line for people, cleaned, without any key."""
    status: str = ""
    """Such as `RESOURCE_EXHAUSTED`."""
    reasons: tuple[str, ...] = ()
    """`errors[].reason`"""
    detail_reasons: tuple[str, ...] = ()
    """`details[].reason` (google.rpc.ErrorInfo)"""
    per_day: bool = False
    """A quota of a whole day is named."""
    about_part: bool = False
    """The error is about the `part` parameter, which is the same for every batch."""
    about_key: bool = False
    """The text is about an API key."""

    @property
    def reason(self) -> str:
        """The API's own reason, or empty."""
        return next(iter(self.reasons + self.detail_reasons), "")

    @property
    def words(self) -> tuple[str, ...]:
        """Every word that names the kind of error, the most specific first."""
        return (*self.reasons, *self.detail_reasons, *([self.status] if self.status else []))


def read_error(answer: Answer) -> ApiError:
    """Parse the body of an answer other than 200. Never raises: the ApiError may be empty."""
    try:
        raw = decompress(answer.body, encoding_of(answer), MAX_ERROR_BYTES)
        if is_html(answer):
            return ApiError(message=_title(raw))
        # Leniently, because an invalid character in a message must not hide that the quota is spent.
        content = json.loads(raw.decode("utf-8-sig", "replace"))
    except (BodyError, ValueError, RecursionError):
        return ApiError()
    # Some Google front ends wrap the object in a list of one.
    body = _object(content[0] if isinstance(content, list) and content else content)
    error = body.get("error")
    if isinstance(error, str):
        # The form of OAuth errors: a word and a sentence.
        error = {"message": body.get("error_description") or error, "errors": [{"reason": error}]}
    return _read_object(_object(error))


def _read_object(error: dict[str, Any]) -> ApiError:
    errors, details = list(_objects(error.get("errors"))), list(_objects(error.get("details")))
    texts = [_text(entry.get("message")) for entry in (error, *errors, *details)]
    folded = " ".join(texts).lower()
    return ApiError(
        message=clean(next(filter(None, texts), "")),
        status="".join(_words([error.get("status")])),
        reasons=_words([entry.get("reason") for entry in errors]),
        detail_reasons=_words([entry.get("reason") for entry in details]),
        per_day="per day" in folded or any(_names_day(entry) for entry in details),
        about_part=any(_names_part(entry) for entry in errors),
        about_key="api key" in folded,
    )


def _names_day(detail: dict[str, Any]) -> bool:
    metadata = _object(detail.get("metadata"))
    unit, limit = _text(metadata.get("quota_unit")), _text(metadata.get("quota_limit"))
    return unit.startswith("1/d/") or "PerDay" in limit


def _names_part(entry: dict[str, Any]) -> bool:
    return (
        entry.get("location") == "part" or entry.get("domain") == "youtube.part" or entry.get("reason") == "unknownPart"
    )


def clean(text: str) -> str:
    """Return one line that is safe in a terminal and a log: no control or bidi characters, tags or keys, at most 300
    characters."""
    kept = "".join(_plain(char) for char in text[:_MAX_TEXT_CHARS])
    # Google's text for an empty referrer looks like a tag.
    kept = kept.replace("<empty>", "(empty)")
    while (stripped := _TAG.sub("", kept)) != kept:
        kept = stripped
    line = " ".join(_KEY.sub(r"\1[hidden]", kept).split())
    return line if len(line) <= MAX_MESSAGE_CHARS else line[: MAX_MESSAGE_CHARS - 1] + "…"


def _plain(char: str) -> str:
    if char.isspace():
        return " "
    # Control characters; bidi marks and other invisible ones; surrogates, which no stream can encode; unassigned ones.
    return "" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") else char


def _title(raw: bytes) -> str:
    match = _TITLE.search(raw[:_MAX_TEXT_CHARS].decode("utf-8", "replace"))
    return clean(match[1]) if match else ""


def _words(values: list[Any]) -> tuple[str, ...]:
    """Return those that can be used in logs and counts: short words."""
    return tuple(value for value in values if isinstance(value, str) and _WORD.fullmatch(value))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (entry for entry in value[:MAX_ENTRIES] if isinstance(entry, dict))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
