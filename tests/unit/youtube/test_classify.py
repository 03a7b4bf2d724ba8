"""What a refusal means: the error table, bodies with holes, Retry-After, and messages fit to be shown."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outside_data import outside_data

from harvester.model import Answer, Outcome, Verdict
from harvester.youtube.classify import classify, retry_after_seconds
from harvester.youtube.error_body import MAX_MESSAGE_CHARS, clean
from harvester.youtube.refusal_advice import advice

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ASKED = ("aaaaaaaaaaA", "bbbbbbbbbbE", "ccccccccccI")
JSON_HEADERS = {"content-type": "application/json; charset=UTF-8"}
CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "api_errors.json").read_text("utf-8"))


def answer_of(case: dict[str, Any]) -> Answer:
    headers = {"content-type": case.get("content_type", JSON_HEADERS["content-type"])}
    if "retry_after" in case:
        headers["retry-after"] = case["retry_after"]
    body = case["text"] if "text" in case else json.dumps(case["body"])
    return Answer(case["status"], headers, body.encode())


def sort(body: bytes, status: int = 200, **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Answer(status, JSON_HEADERS | named, body), ASKED, NOW)


def sort_error(error: Any, status: int = 403) -> Outcome:
    return sort(json.dumps({"error": error}).encode(), status)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_error_table(case: dict[str, Any]) -> None:
    outcome = classify(answer_of(case), ASKED, NOW)
    assert (outcome.verdict.value, outcome.reason) == (case["verdict"], case["reason"])
    assert outcome.retry_after_seconds == case.get("wait")
    assert outcome.http_status == case["status"]
    assert (outcome.body, outcome.found, outcome.sent) == (None, frozenset(), True)
    if "message" in case:
        assert outcome.message == case["message"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_error_table_gzipped(case: dict[str, Any]) -> None:
    plain = answer_of(case)
    packed = Answer(plain.status, plain.headers | {"content-encoding": "gzip"}, gzip.compress(plain.body))
    assert classify(packed, ASKED, NOW) == classify(plain, ASKED, NOW)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_advice_belongs_to_refusals_of_the_key_or_the_settings(case: dict[str, Any]) -> None:
    sentence = advice(classify(answer_of(case), ASKED, NOW))
    if case["verdict"] == "misconfigured":
        assert case["advice"] in sentence
    else:
        assert sentence == ""


def test_table_has_every_verdict_but_good() -> None:
    # What can't be accepted is a 200: see test_page.
    assert {case["verdict"] for case in CASES} == {verdict.value for verdict in Verdict} - {"good", "unacceptable"}


EXPECTED_OF_RECORDED = {
    "unknown_part": Verdict.MISCONFIGURED,
    "invalid_filters": Verdict.BATCH_REFUSED,
    "missing_required_parameter": Verdict.BATCH_REFUSED,
    "resource_exhausted_plain": Verdict.SLOW_DOWN,
    "per_minute_429": Verdict.SLOW_DOWN,
    "per_minute_403_drive": Verdict.SLOW_DOWN,
    "user_rate_limit_legacy": Verdict.SLOW_DOWN,
    "daily_bucket_429_search": Verdict.DAY_SPENT,
    "daily_bucket_429_default": Verdict.DAY_SPENT,
}


def expected_of_recorded(line: dict[str, Any]) -> Verdict:
    if line["name"] in EXPECTED_OF_RECORDED:
        return EXPECTED_OF_RECORDED[line["name"]]
    if line["retry"].startswith("never"):
        return Verdict.MISCONFIGURED
    return Verdict.QUOTA_DOUBTED if "daily reset" in line["retry"] else Verdict.TRY_AGAIN


def test_recorded_bodies() -> None:
    lines = [json.loads(line) for line in outside_data("observed_errors.jsonl").read_text("utf-8").splitlines()]
    assert lines
    for line in lines:
        html = outside_data("google_502.html").read_bytes()
        body = html if line["body"] is None else json.dumps(line["body"]).encode()
        outcome = classify(Answer(line["http_status"], {"content-type": line["content_type"]}, body), ASKED, NOW)
        assert outcome.verdict is expected_of_recorded(line), line["name"]
        assert outcome.message or line["name"] == "code_500_null_message"


WRONG: list[Any] = [None, 7, True, "text", [], {}, [None], [[]], ["a"], [7], {"a": 1}, "\ud800", "x" * 5000]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("field", ["errors", "status", "details", "message", "code"])
def test_one_field_of_the_wrong_type_hides_no_other(field: str, value: Any) -> None:
    error = {
        "code": 403,
        "message": "API quota",
        "status": "PERMISSION_DENIED",
        "errors": [{"reason": "quotaExceeded", "message": "API quota"}],
        "details": [{"reason": "ANY", "metadata": {"quota_unit": "1/min"}}],
    }
    outcome = sort_error(error | {field: value})
    assert outcome.verdict is (Verdict.MISCONFIGURED if field == "errors" else Verdict.QUOTA_DOUBTED)
    del error[field]
    assert sort_error(error).verdict is (Verdict.MISCONFIGURED if field == "errors" else Verdict.QUOTA_DOUBTED)


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("depth", ["error", "reason", "metadata", "quota_unit", "location"])
def test_a_deeper_field_of_the_wrong_type_never_raises(depth: str, value: Any) -> None:
    bodies = {
        "error": {"error": value},
        "reason": {"error": {"errors": [{"reason": value}], "details": [{"reason": value}]}},
        "metadata": {"error": {"details": [{"metadata": value}]}},
        "quota_unit": {"error": {"details": [{"metadata": {"quota_unit": value, "quota_limit": value}}]}},
        "location": {"error": {"errors": [{"location": value, "domain": value}]}},
    }
    body = json.dumps(bodies[depth]).encode()
    assert sort(body, 400).verdict is Verdict.BATCH_REFUSED
    assert sort(body, 403).verdict is Verdict.MISCONFIGURED
    assert sort(body, 429).verdict is Verdict.SLOW_DOWN
    assert sort(body, 503).verdict is Verdict.TRY_AGAIN


def test_a_broken_character_does_not_hide_the_quota() -> None:
    body = b'{"error": {"message": "\xff\xfe", "errors": [{"reason": "quotaExceeded"}]}}'
    assert sort(body, 403).verdict is Verdict.QUOTA_DOUBTED


def test_an_error_in_a_list_of_one() -> None:
    assert sort(b'[{"error": {"errors": [{"reason": "quotaExceeded"}]}}]', 403).reason == "quotaExceeded"


def test_a_reason_that_is_no_word_is_not_taken_over() -> None:
    assert sort_error({"errors": [{"reason": "\x1b[31mred\n"}]}, 503).reason == "http_503"
    assert sort_error({"errors": [{"reason": "r" * 65}]}, 503).reason == "http_503"


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"error":' * 200_000, b"9" * 10_000])
@pytest.mark.parametrize("status", [200, 400, 403, 503])
def test_depth_and_length_never_raise(body: bytes, status: int) -> None:
    assert sort(body, status).verdict is not Verdict.GOOD


def test_a_huge_error_body_is_not_looked_into() -> None:
    body = json.dumps({"error": {"errors": [{"reason": "quotaExceeded"}], "pad": "x" * 2**20}}).encode()
    assert sort(body, 403).reason == "http_403"
    assert sort(gzip.compress(body), 403, content_encoding="gzip").reason == "http_403"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("999999999", 900.0),
        ("9" * 400, 900.0),
        ("Fri, 20 Nov 2026 12:00:45 GMT", 45.0),
        ("Fri, 20 Nov 2026 13:00:45 +0100", 45.0),
        ("Fri, 20 Nov 2026 12:00:45 -0000", 45.0),
        ("Friday, 20-Nov-26 12:00:45 GMT", 45.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2099 11:00:00 GMT", 900.0),
        ("", None),
        ("-5", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("soon", None),
        ("Fri, 99 Nov 2026 12:00:45 GMT", None),
        ("Fri, 20 Nov 99999 12:00:45 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW) == seconds
    for status in (200, 403, 408, 429, 500, 503):
        assert sort(b"", status, retry_after=value).retry_after_seconds == seconds


@settings(deadline=None)
@given(st.text(max_size=60) | st.datetimes().map(lambda when: when.strftime("%a, %d %b %Y %H:%M:%S GMT")))
def test_retry_after_is_never_negative_and_never_raises(value: str) -> None:
    for now in (NOW, NOW + timedelta(days=10_000)):
        seconds = retry_after_seconds(value, now)
        assert seconds is None or 0 <= seconds <= 900


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('your <a href="/x#quota">quota</a>.', "your quota."),
        ("a\r\nb\tc\x1b[31md\x00\x9be", "a b c[31mde"),
        ("a\u202eb\u2066c\u200fd\u061ce\ufefff\u200bg", "abcdefg"),
        ("<<b>script>alert(1)</script>", "alert(1)"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("\ud800é😀", "é😀"),
        ("Consumer 'api_key:AIza-not-a-key' is gone", "Consumer 'api_key:[hidden]' is gone"),
        ("https://x/?key=secret&part=id", "https://x/?key=[hidden]&part=id"),
        ("AI\u200bza<b></b>Sy-not-a-key, sorry", "[hidden], sorry"),
        ("API key not valid. Please pass a valid API key.", "API key not valid. Please pass a valid API key."),
        ("", ""),
    ],
)
def test_messages_are_cleaned(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert sort_error({"message": text}).message == shown


def test_long_messages_are_cut_and_keys_go_first() -> None:
    message = clean("x" * 290 + " AIzaSyNotAKeyNotAKeyNotAKey " + "y" * 100)
    assert len(message) == MAX_MESSAGE_CHARS
    assert "Sy" not in message
    assert message.endswith("…")


@settings(deadline=None)
@given(st.text(max_size=600))
def test_a_cleaned_message_is_bounded_and_can_be_printed(text: str) -> None:
    once = clean(text)
    assert len(once) <= MAX_MESSAGE_CHARS
    assert once.isprintable()
    once.encode("utf-8")
