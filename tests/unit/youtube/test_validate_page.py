"""What makes an answer good: each check broken alone, damage of every kind, and whatever bytes may come."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.model import Answer, Outcome, Verdict
from harvester.youtube import validate_body
from harvester.youtube.classify import classify
from harvester.youtube.endpoints import VIDEOS_BATCH_GET_STATS
from harvester.youtube.error_body import MAX_MESSAGE_CHARS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ASKED = ("aaaaaaaaaaA", "bbbbbbbbbbE", "ccccccccccI")
JSON_HEADERS = {"content-type": "application/json; charset=UTF-8"}


def good_page(**changes: Any) -> dict[str, Any]:
    items = [{"kind": "youtube#video", "id": id_, "snippet": {"title": "Ünï\r😀"}} for id_ in ASKED[:2]]
    return {"kind": "youtube#videoListResponse", "etag": "e", "items": items, "pageInfo": {}} | changes


def sort(body: bytes, status: int = 200, **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Answer(status, JSON_HEADERS | named, body), ASKED, NOW)


def sort_page(**changes: Any) -> Outcome:
    return sort(json.dumps(good_page(**changes)).encode())


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_good_answer_keeps_the_wire_bytes(encoding: str) -> None:
    raw = json.dumps(good_page(), ensure_ascii=False).encode()
    wire = gzip.compress(raw, mtime=0) if encoding == "gzip" else raw
    outcome = sort(wire, content_encoding=encoding, retry_after="5")
    assert (outcome.verdict, outcome.reason, outcome.http_status) == (Verdict.GOOD, "ok", 200)
    assert outcome.found == set(ASKED[:2])
    assert outcome.retry_after_seconds is None
    body = outcome.body
    assert body is not None
    assert (body.data, body.encoding, body.raw_bytes, body.item_count) == (wire, encoding, len(raw), 2)
    assert body.sha256 == hashlib.sha256(wire).digest()


def test_all_absent_is_good() -> None:
    outcome = sort_page(items=[])
    assert (outcome.verdict, outcome.found) == (Verdict.GOOD, frozenset())


def test_several_gzip_members_are_one_body() -> None:
    raw = json.dumps(good_page()).encode()
    wire = gzip.compress(raw[:40]) + gzip.compress(b"") + gzip.compress(raw[40:])
    outcome = sort(wire, content_encoding="gzip")
    assert outcome.verdict is Verdict.GOOD
    assert outcome.body is not None
    assert outcome.body.raw_bytes == len(raw)


def test_what_the_schema_grew_is_let_pass() -> None:
    numbers = [1.5e300, 2**64 - 1, -(2**63), -0.0, 5e-324]
    item = {"id": ASKED[0], "new": {"deep": [*numbers, None, True, "\u2028", nested(25)]}}
    assert sort_page(items=[item], kindred="x", nextPageToken="y").verdict is Verdict.GOOD


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


@pytest.mark.parametrize("title", [r"\ud83d cut", r"\udc00", r"\ude00\ud83d", r"\uD83D\ud83d\ude00", r"\\\udfff"])
def test_a_lone_surrogate_is_let_pass_and_kept(title: str) -> None:
    body = PAGE.replace(b'"etag"', b'"%b": "%b", "etag"' % (title.encode(), title.encode()))
    outcome = sort(body)
    assert (outcome.verdict, outcome.reason) == (Verdict.GOOD, "ok")
    assert outcome.body is not None
    assert outcome.body.data == body


@pytest.mark.parametrize("space", [b" ", b"\n", b"\r\n\t "])
def test_white_space_is_let_pass(space: bytes) -> None:
    assert sort(space + json.dumps(good_page(), indent=1).encode() + space).verdict is Verdict.GOOD


def test_a_body_larger_than_the_parser_keeps_is_let_pass() -> None:
    assert sort_page(etag="x" * (5 << 20)).verdict is Verdict.GOOD


PAGE = json.dumps(good_page()).encode()
ITEM = {"id": ASKED[0]}


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        ("wrong_kind", good_page(kind="youtube#channelListResponse")),
        ("wrong_kind", good_page(kind=None)),
        ("wrong_kind", {"items": []}),
        ("wrong_kind", {"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}]}}),
        ("wrong_kind", [good_page()]),
        ("wrong_kind", "text"),
        ("wrong_kind", None),
        ("no_items", {"kind": "youtube#videoListResponse"}),
        ("no_items", good_page(items=None)),
        ("no_items", good_page(items={"id": ASKED[0]})),
        ("bad_item", good_page(items=[{}])),
        ("bad_item", good_page(items=[ITEM, None])),
        ("bad_item", good_page(items=[{"id": 7}])),
        ("bad_item", good_page(items=[{"id": {"videoId": ASKED[0]}}])),
        ("bad_item", good_page(items=[ASKED[0]])),
        ("unexpected_id", good_page(items=[ITEM, {"id": "dddddddddd0"}])),
        ("unexpected_id", good_page(items=[{"id": ASKED[0].upper()}])),
        ("unexpected_id", good_page(items=[{"id": ""}])),
        ("id_twice", good_page(items=[ITEM, ITEM])),
        ("too_many_items", good_page(items=[ITEM] * 51)),
    ],
)
def test_a_page_with_one_flaw_is_a_fault(reason: str, body: Any) -> None:
    outcome = sort(json.dumps(body).encode())
    # With the right kind and a list of items, it is the API that speaks: it is up.
    of_the_batch = reason in ("bad_item", "unexpected_id", "id_twice", "too_many_items")
    verdict = Verdict.UNACCEPTABLE if of_the_batch else Verdict.TRY_AGAIN
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert (outcome.body, outcome.found) == (None, frozenset())
    assert outcome.message


def with_names(names: str) -> bytes:
    return b'{"kind": "youtube#videoListResponse", %b}' % names.encode()


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        ("name_twice", with_names('"items": [{"id": "aaaaaaaaaaA"}], "items": []')),
        ("name_twice", with_names('"items": [], "it\\u0065ms": [{"id": "aaaaaaaaaaA"}]')),
        ("name_twice", with_names('"items": [], "kind": "youtube#videoListResponse"')),
        ("name_twice", with_names('"items": [], "etag": "e", "etag": "f"')),
        ("name_twice", with_names('"items": [{"id": "aaaaaaaaaaA", "id": "bbbbbbbbbbE"}]')),
        ("name_twice", with_names('"items": [{"id": "aaaaaaaaaaA", "snippet": {}, "snippet": {}}]')),
        ("too_deep", json.dumps(good_page(etag=nested(32))).encode()),
        ("too_deep", PAGE.replace(b'"e"', b'{"a":' * 990 + b"1" + b"}" * 990)),
        ("too_deep", PAGE.replace(b'"e"', b"[" * 100_000 + b"]" * 100_000)),
        ("bad_number", PAGE.replace(b'"e"', b"9" * 5000)),
        ("bad_number", PAGE.replace(b'"e"', b"18446744073709551616")),
        ("bad_number", PAGE.replace(b'"e"', b"-9223372036854775809")),
        ("bad_number", PAGE.replace(b'"e"', b"1e400")),
        (
            "too_deep",
            PAGE.replace(b'"e"', rb'["\ud83d", ' + b"[" * 40 + b"]" * 41),
        ),
    ],
)
def test_a_page_that_not_every_reader_can_read_is_a_fault(reason: str, body: bytes) -> None:
    outcome = sort(body)
    assert (outcome.verdict, outcome.reason) == (Verdict.UNACCEPTABLE, reason)
    assert outcome.message


def test_statistics_go_through_the_same_door() -> None:
    for reason, more in (("ok", b""), ("name_twice", b', "items": []'), ("bad_number", b', "n": 1e400')):
        body = b'{"kind": "youtube#batchGetStatsResponse", "items": [{"id": "aaaaaaaaaaA"}]%b}' % more
        assert classify(Answer(200, JSON_HEADERS, body), ASKED, NOW, VIDEOS_BATCH_GET_STATS).reason == reason


@pytest.mark.parametrize("levels", [validate_body.MAX_DEPTH - 1, validate_body.MAX_DEPTH])
def test_the_deepest_page_that_is_let_pass(levels: int) -> None:
    """The limit is taken off one that simdjson has, and does not let itself be asked for."""
    outcome = sort_page(etag=nested(levels))
    assert (outcome.verdict is Verdict.GOOD) == (levels < validate_body.MAX_DEPTH)


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        ("empty_body", b""),
        ("empty_body", b" \r\n"),
        ("cut_body", PAGE[:-1]),
        ("cut_body", PAGE[:20]),
        ("cut_body", b'{"kind": "youtube#videoListResponse", "items": null, "etag'),
        ("bad_json", PAGE + b"}"),
        ("bad_json", PAGE + PAGE),
        ("bad_json", PAGE + b"],[" + PAGE),
        ("bad_json", PAGE + b',"0123456789abcdef"],[' + PAGE),
        ("bad_json", PAGE + b"," + PAGE),
        ("bad_json", b"\xef\xbb\xbf" + PAGE),
        ("bad_json", PAGE.replace(b'"e"', b"NaN")),
        ("bad_json", PAGE.replace(b'"e"', b'"\x00"')),
        ("bad_json", PAGE.replace(b'"e"', b'"\xff"')),
        ("bad_json", PAGE.replace(b'"e"', b'"' + b"x" * 65_500 + b"\xf0\x9f\x98" + b'"')),
        ("bad_json", PAGE.replace(b"youtube#videoListResponse", b"\xff")),
        ("html", b"\n <!DOCTYPE html><html>"),
    ],
)
def test_a_damaged_body_is_a_fault(reason: str, body: bytes) -> None:
    plain = sort(body)
    assert (plain.verdict, plain.reason) == (Verdict.TRY_AGAIN, reason)
    packed = sort(gzip.compress(body, mtime=0), content_encoding="gzip")
    assert (packed.verdict, packed.reason) == (Verdict.TRY_AGAIN, reason)


@pytest.mark.parametrize("at", range(65_500, 65_560, 7))
def test_a_character_across_two_steps_is_whole(at: int) -> None:
    body = json.dumps(good_page(etag="x" * at + "😀" * 20_000), ensure_ascii=False).encode()
    assert sort(body).verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("reason", "body", "encoding"),
    [
        ("bad_gzip", PAGE, "gzip"),
        ("bad_gzip", gzip.compress(PAGE, mtime=0) + b"garbage", "gzip"),
        ("bad_gzip", gzip.compress(PAGE, mtime=0)[:-8] + b"\x00" * 8, "gzip"),
        ("bad_gzip", zlib.compress(PAGE), "gzip"),
        ("cut_body", gzip.compress(PAGE, mtime=0)[:-1], "gzip"),
        ("cut_body", gzip.compress(PAGE, mtime=0)[:5], "gzip"),
        ("cut_body", gzip.compress(PAGE, mtime=0) + gzip.compress(PAGE, mtime=0)[:30], "gzip"),
        ("bad_json", gzip.compress(PAGE, mtime=0), "identity"),
        ("empty_body", b"", "gzip"),
        ("bad_encoding", gzip.compress(PAGE, mtime=0), "br"),
        ("bad_encoding", gzip.compress(gzip.compress(PAGE, mtime=0), mtime=0), "gzip, gzip"),
    ],
)
def test_a_body_packed_badly_is_a_fault(reason: str, body: bytes, encoding: str) -> None:
    outcome = sort(body, content_encoding=encoding)
    assert (outcome.verdict, outcome.reason) == (Verdict.TRY_AGAIN, reason)


def test_a_web_page_is_no_answer_even_where_it_parses() -> None:
    assert sort(PAGE, content_type="text/html; charset=utf-8").reason == "html"


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206])
def test_only_200_is_good(status: int) -> None:
    outcome = sort(PAGE, status)
    assert (outcome.verdict, outcome.reason) == (Verdict.TRY_AGAIN, f"http_{status}")


def test_a_bomb_is_a_fault_within_bounds() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * 2**20
    data = b"".join(bomb.compress(block) for _ in range(validate_body.MAX_RAW_BYTES // 2**20 + 1)) + bomb.flush()
    assert len(data) < 100_000
    outcome = sort(data, content_encoding="gzip")
    assert (outcome.verdict, outcome.reason) == (Verdict.TRY_AGAIN, "body_too_large")


def test_the_bound_itself_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, wire in (("gzip", gzip.compress(PAGE, mtime=0)), ("identity", PAGE)):
        monkeypatch.setattr(validate_body, "MAX_RAW_BYTES", len(PAGE))
        assert sort(wire, content_encoding=encoding).verdict is Verdict.GOOD
        monkeypatch.setattr(validate_body, "MAX_RAW_BYTES", len(PAGE) - 1)
        assert sort(wire, content_encoding=encoding).reason == "body_too_large"


HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "content-encoding", "retry-after"]),
    st.text(max_size=40) | st.sampled_from(["gzip", "text/html", "application/json", "Wed, 21 Oct 2026 07:28:00 GMT"]),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(ASKED)
JSON_VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "details", "reason", "metadata", "message", "items", "id", "kind"]),
            inner,
        )
    ),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=400)
    | st.binary(max_size=400).map(gzip.compress)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | st.tuples(st.integers(0, len(PAGE)), st.binary(max_size=3)).map(
        lambda cut: PAGE[: cut[0]] + cut[1] + PAGE[cut[0] + 1 :]
    )
)
ANY_STATUS = st.integers(0, 999) | st.sampled_from([200, 400, 403, 429, 503])


def is_good_page(answer: Answer) -> bool:
    """An independent reading, by the standard library, of what a good answer is."""
    packed = answer.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")
    body = json.loads((gzip.decompress(answer.body) if packed else answer.body).decode("utf-8"))
    ids = [item["id"] for item in body["items"]]
    return (
        answer.status == 200
        and body["kind"] == "youtube#videoListResponse"
        and isinstance(body["items"], list)
        and len(set(ids)) == len(ids) <= 50
        and set(ids) <= set(ASKED)
    )


@settings(deadline=None)
@given(status=ANY_STATUS, headers=HEADERS, body=BODIES)
@example(status=200, headers={}, body=PAGE)
@example(status=200, headers={"content-encoding": "gzip"}, body=gzip.compress(PAGE, mtime=0))
def test_classify_never_raises_and_good_is_good(status: int, headers: dict[str, str], body: bytes) -> None:
    answer = Answer(status, headers, body)
    outcome = classify(answer, ASKED, NOW)
    assert (outcome.body is not None) == (outcome.verdict is Verdict.GOOD)
    assert len(outcome.message) <= MAX_MESSAGE_CHARS
    assert outcome.message.isprintable()
    assert outcome.reason.isidentifier()
    assert outcome.retry_after_seconds is None or 0 <= outcome.retry_after_seconds <= 900
    if outcome.verdict is Verdict.GOOD:
        assert is_good_page(answer)
