"""Answers of channels.list and playlistItems.list: what is read of them, and which are refused."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from harvester.config import QuotaSettings
from harvester.listing_types import Channel, Page
from harvester.model import Answer, Outcome, Verdict
from harvester.youtube.classify import classify
from harvester.youtube.endpoints import CHANNELS_LIST, PLAYLIST_ITEMS_LIST, VIDEOS_LIST, Endpoint

NOW = datetime(2026, 11, 23, tzinfo=UTC)
JSON = {"content-type": "application/json; charset=UTF-8"}
IDS = [f"{number:010}A" for number in range(60)]
UC, UU = "UCaaaaaaaaaaaaaaaaaaaaaa", "UUaaaaaaaaaaaaaaaaaaaaaa"
CHANNEL = {
    "kind": "youtube#channel",
    "id": UC,
    "snippet": {"title": "A  channel\n", "publishedAt": "2010-01-01T00:00:00Z"},
    "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": UU}},
    "statistics": {"videoCount": "7"},
}


def item(video_id: object = None) -> dict[str, Any]:
    return {"kind": "youtube#playlistItem", "id": "x", "contentDetails": {"videoId": video_id}}


def answered(endpoint: Endpoint, body: object, *, asked: str = "@somebody", status: int = 200) -> Outcome:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(Answer(status, JSON, data), [asked], NOW, endpoint)


def channels(*items: object, **more: object) -> Outcome:
    body = {"kind": CHANNELS_LIST.answer_kind, "items": list(items)} | more
    return answered(CHANNELS_LIST, {name: value for name, value in body.items() if value is not None})


def page(*items: object, **more: object) -> Outcome:
    body = {"kind": PLAYLIST_ITEMS_LIST.answer_kind, "items": list(items)} | more
    return answered(PLAYLIST_ITEMS_LIST, {name: value for name, value in body.items() if value is not None}, asked=UU)


def refused(endpoint: Endpoint, status: int, reason: str) -> Outcome:
    error = {"error": {"code": status, "message": "no", "errors": [{"reason": reason, "message": "no"}]}}
    return answered(endpoint, error, status=status)


def test_a_page_is_its_ids_in_order_the_next_token_and_the_total() -> None:
    outcome = page(*map(item, [IDS[1], IDS[0], IDS[1]]), nextPageToken="EAAaBlBUOkNESQ", pageInfo={"totalResults": 120})
    assert (outcome.verdict, outcome.listed) == (
        Verdict.GOOD,
        Page((IDS[1], IDS[0], IDS[1]), 3, "EAAaBlBUOkNESQ", 120),
    )


def test_items_that_name_no_video_are_counted_only() -> None:
    nameless = [item(), item("not an id"), item(f"{IDS[0]}x"), {"id": "x"}, {"contentDetails": None}, {}]
    assert page(*nameless, item(IDS[0])).listed == Page((IDS[0],), 7, None, None)
    assert page().listed == Page((), 0, None, None)


@pytest.mark.parametrize(
    ("outcome", "verdict", "reason"),
    [
        (page(items=None), Verdict.TRY_AGAIN, "no_items"),
        (page(*map(item, IDS[:51])), Verdict.UNACCEPTABLE, "too_many_items"),
        (page(item(7)), Verdict.UNACCEPTABLE, "bad_item"),
        (page("text"), Verdict.UNACCEPTABLE, "bad_item"),
        (page(item(IDS[0]), nextPageToken=7), Verdict.UNACCEPTABLE, "bad_item"),
        (page(item(IDS[0]), nextPageToken=""), Verdict.UNACCEPTABLE, "bad_item"),
        (page(item(IDS[0]), nextPageToken="x" * 1001), Verdict.UNACCEPTABLE, "bad_item"),
        (page(item(IDS[0]), nextPageToken="a\u0000"), Verdict.UNACCEPTABLE, "bad_item"),
        (page(item(IDS[0]), kind="youtube#videoListResponse"), Verdict.TRY_AGAIN, "wrong_kind"),
        (page(item(IDS[0]), pageInfo={"totalResults": "many"}), Verdict.UNACCEPTABLE, "bad_item"),
        (
            answered(PLAYLIST_ITEMS_LIST, b'{"kind": "youtube#playlistItemListResponse", "it'),
            Verdict.TRY_AGAIN,
            "cut_body",
        ),
        (answered(PLAYLIST_ITEMS_LIST, b""), Verdict.TRY_AGAIN, "empty_body"),
        (answered(PLAYLIST_ITEMS_LIST, b"[]"), Verdict.TRY_AGAIN, "wrong_kind"),
        (page(item(IDS[0]), deep=json.loads("[" * 40 + "1" + "]" * 40)), Verdict.UNACCEPTABLE, "too_deep"),
        (page(item(IDS[0]), big=2**70), Verdict.UNACCEPTABLE, "bad_number"),
        (channels(CHANNEL, CHANNEL), Verdict.UNACCEPTABLE, "too_many_items"),
        (channels({"snippet": {}}), Verdict.UNACCEPTABLE, "bad_item"),
        (channels(CHANNEL | {"id": "U C"}), Verdict.UNACCEPTABLE, "bad_item"),
        (channels(items=None), Verdict.TRY_AGAIN, "no_items"),
        (channels(items=None, pageInfo={"totalResults": 1}), Verdict.TRY_AGAIN, "no_items"),
    ],
)
def test_what_is_not_of_the_documented_form_is_refused(outcome: Outcome, verdict: Verdict, reason: str) -> None:
    assert (outcome.verdict, outcome.reason, outcome.listed) == (verdict, reason, None)


def test_a_name_that_comes_twice_is_refused() -> None:
    body = b'{"kind": "youtube#playlistItemListResponse", "items": [{"id": "a", "id": "b"}]}'
    assert answered(PLAYLIST_ITEMS_LIST, body).reason == "name_twice"


def test_a_channel_is_its_id_title_uploads_and_the_resource_as_sent() -> None:
    listed = channels(CHANNEL).listed
    assert isinstance(listed, Channel)
    assert (listed.channel_id, listed.title, listed.uploads_id) == (UC, "A channel", UU)
    assert json.loads(listed.resource) == CHANNEL


def test_a_channel_without_its_parts_has_no_uploads() -> None:
    assert channels({"id": UC}).listed == Channel(UC, "", "", f'{{"id": "{UC}"}}')


@pytest.mark.parametrize("items", [{"items": []}, {"items": None, "pageInfo": {"totalResults": 0}}])
def test_a_channel_that_does_not_exist_is_a_good_answer(items: dict[str, Any]) -> None:
    outcome = channels(**items)
    assert (outcome.verdict, outcome.reason, outcome.listed) == (Verdict.GOOD, "channelNotFound", None)


def test_a_channel_that_was_not_asked_for_is_refused() -> None:
    body = {"kind": CHANNELS_LIST.answer_kind, "items": [CHANNEL]}
    assert answered(CHANNELS_LIST, body, asked=UC).verdict is Verdict.GOOD
    assert answered(CHANNELS_LIST, body, asked="UCbbbbbbbbbbbbbbbbbbbbbb").reason == "unexpected_id"


def test_lone_surrogates_and_gzip_are_read_as_with_videos() -> None:
    body = json.dumps({"kind": CHANNELS_LIST.answer_kind, "items": [CHANNEL | {"snippet": {"title": "cut \ud83d"}}]})
    packed = Answer(200, JSON | {"content-encoding": "gzip"}, gzip.compress(body.encode()))
    listed = classify(packed, ["@somebody"], NOW, CHANNELS_LIST).listed
    assert isinstance(listed, Channel)
    assert listed.title == "cut \ufffd"


@pytest.mark.parametrize(
    ("endpoint", "status", "reason"),
    [
        (PLAYLIST_ITEMS_LIST, 404, "playlistNotFound"),
        (PLAYLIST_ITEMS_LIST, 403, "playlistItemsNotAccessible"),
        (PLAYLIST_ITEMS_LIST, 400, "invalidPageToken"),
        (PLAYLIST_ITEMS_LIST, 403, "watchLaterNotAccessible"),
        (CHANNELS_LIST, 404, "channelNotFound"),
        (CHANNELS_LIST, 403, "channelForbidden"),
    ],
)
def test_a_refusal_of_what_was_asked_for_is_an_answer_of_that_endpoint_alone(
    endpoint: Endpoint, status: int, reason: str
) -> None:
    outcome = refused(endpoint, status, reason)
    assert (outcome.verdict, outcome.reason, outcome.http_status) == (Verdict.GOOD, reason, status)
    assert refused(VIDEOS_LIST, status, reason).verdict in (Verdict.MISCONFIGURED, Verdict.BATCH_REFUSED)


@pytest.mark.parametrize("endpoint", [CHANNELS_LIST, PLAYLIST_ITEMS_LIST])
@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (403, "quotaExceeded", Verdict.QUOTA_DOUBTED),
        (403, "rateLimitExceeded", Verdict.SLOW_DOWN),
        (400, "keyInvalid", Verdict.MISCONFIGURED),
        (403, "forbidden", Verdict.MISCONFIGURED),
        (400, "badRequest", Verdict.BATCH_REFUSED),
        (503, "playlistNotFound", Verdict.TRY_AGAIN),
    ],
)
def test_all_other_refusals_are_as_those_of_videos(
    endpoint: Endpoint, status: int, reason: str, verdict: Verdict
) -> None:
    assert refused(endpoint, status, reason).verdict is refused(VIDEOS_LIST, status, reason).verdict is verdict


def test_what_is_asked_for_is_named_as_the_api_wants_it() -> None:
    assert CHANNELS_LIST.query(["@somebody"]) == {"forHandle": "@somebody"}
    assert CHANNELS_LIST.query([UC]) == {"id": UC}
    assert PLAYLIST_ITEMS_LIST.query([UU]) == {"playlistId": UU, "maxResults": "50"}
    assert PLAYLIST_ITEMS_LIST.query([UU], "T") == {"playlistId": UU, "maxResults": "50", "pageToken": "T"}
    assert VIDEOS_LIST.query(IDS[:2]) == {"id": ",".join(IDS[:2])}


def test_each_endpoint_has_its_price() -> None:
    settings = QuotaSettings(units_per_call=11, units_per_channel=2, units_per_page=3)
    prices = [endpoint.quota(settings).units_per_call for endpoint in (VIDEOS_LIST, CHANNELS_LIST, PLAYLIST_ITEMS_LIST)]
    assert prices == [11, 2, 3]
