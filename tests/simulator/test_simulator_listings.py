"""`channels.list` and `playlistItems.list`: channels of any size, page by page, that grow and have holes."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from simulator_client import PLAIN, Client, Reply, outcomes, simulated
from simulator_schema import discovery_document, problems

from harvester.simulator import channel_named, make_ids, playlist_of_id
from harvester.simulator.content.style import STYLES

SCHEMAS = discovery_document()["schemas"]
NOON = datetime(2026, 11, 23, 20, tzinfo=UTC)
PARTS = "snippet,contentDetails,status"


async def channels(client: Client, ids=(), part="snippet,contentDetails,statistics,status", **query: str) -> Reply:
    return await client.ask(ids, call="channels", part=part, **query)


async def page(client: Client, playlist: str, token: str = "", part=PARTS, **query: str) -> Reply:
    query = {"maxResults": "50"} | query
    return await client.ask([], call="playlistItems", part=part, playlistId=playlist, pageToken=token, **query)


async def pages(client: Client, playlist: str, part=PARTS) -> list[dict[str, Any]]:
    """All pages of a playlist, from the first on."""
    read = [(await page(client, playlist, part=part)).json]
    while token := read[-1].get("nextPageToken"):
        read.append((await page(client, playlist, token, part)).json)
    return read


def videos_of(read: list[dict[str, Any]]) -> list[str]:
    return [item["contentDetails"]["videoId"] for each in read for item in each["items"]]


def uploads(name: str) -> str:
    channel = channel_named(name)
    assert channel is not None
    return channel.uploads_playlist


@pytest.mark.parametrize("seed", range(len(STYLES)))
async def test_answers_keep_to_the_discovery_schema_in_every_style(seed: int):
    async with simulated(seed=seed, missing_share=0.3) as client:
        found = (await channels(client, forHandle="@songs-120")).json
        assert problems(found, "ChannelListResponse", SCHEMAS) == []
        [channel] = found["items"]
        assert channel["contentDetails"]["relatedPlaylists"]["uploads"] == uploads("songs-120")
        packed = await page(client, uploads("songs-120"))
        assert packed.headers["Content-Encoding"] == "gzip"
        assert problems(packed.json, "PlaylistItemListResponse", SCHEMAS) == []
        plain = await client.ask(
            [], PLAIN, call="playlistItems", part=PARTS, playlistId=uploads("songs-120"), maxResults="50"
        )
        assert plain.raw == packed.body
        assert (await page(client, uploads("songs-120"), prettyPrint="")).json == packed.json


async def test_a_channel_is_found_by_handle_name_and_id():
    async with simulated() as client:
        found = [
            (await channels(client, **query)).json["items"]
            for query in ({"forHandle": "@Songs-7"}, {"forHandle": "songs-7"}, {"forUsername": "songs-7"})
        ]
        [channel] = found[0]
        assert found == [[channel]] * 3
        other = channel_named("news-0")
        assert other is not None
        both = (await channels(client, [other.id, channel["id"], "UCunknown"])).json
        assert [each["id"] for each in both["items"]] == [other.id, channel["id"]]
        assert len(channel["id"]) == 24
        unknown = await channels(client, forHandle="@nobody")
        assert (unknown.status, "items" in unknown.json) == (200, False)
        assert unknown.json["pageInfo"]["totalResults"] == 0


async def test_pages_lead_forward_and_backward_through_every_upload_once():
    async with simulated(seed=4, missing_share=0.2) as client:
        read = await pages(client, uploads("songs-173"))
        ids = videos_of(read)
        assert len(read) == math.ceil(173 / 50)
        assert len(set(ids)) == 173
        assert {each["pageInfo"]["totalResults"] for each in read} == {173}
        assert (await page(client, uploads("songs-173"), read[2]["prevPageToken"])).json["items"] == read[1]["items"]
        assert "prevPageToken" not in read[0]
        items = [item for each in read for item in each["items"]]
        assert [item["snippet"]["position"] for item in items] == list(range(173))
        dates = [item["snippet"]["publishedAt"] for item in items]
        assert dates == sorted(dates, reverse=True)
        for item in items:
            exists = client.truth(item["contentDetails"]["videoId"]) == "fetched"
            assert ("videoPublishedAt" in item["contentDetails"]) is exists
            assert item["status"]["privacyStatus"] == ("public" if exists else "private")
            assert exists or item["snippet"]["title"] in ("Deleted video", "Private video")
        channel = channel_named("songs-173")
        assert channel is not None
        assert ids == list(channel.video_ids(4, reversed(range(173))))


async def test_a_user_s_playlist_is_in_mixed_order_with_some_videos_twice():
    async with simulated(seed=4, clock_start=NOON) as client:
        channel = channel_named("songs-220-3")
        assert channel is not None
        ids = videos_of(await pages(client, channel.mixed_playlist))
        assert len(ids) == 220
        assert len(set(ids)) == 218
        assert set(ids) < set(videos_of(await pages(client, channel.uploads_playlist)))
        await client.control("clock", {"now": (NOON + timedelta(days=1)).isoformat()})
        grown = videos_of(await pages(client, channel.mixed_playlist))
        assert (grown[:220], len(grown)) == (ids, 223)


async def test_uploads_grow_each_day_and_shift_the_pages_that_are_read():
    async with simulated(clock_start=NOON) as client:
        first = await page(client, uploads("news-100-4"))
        await client.control("clock", {"now": (NOON + timedelta(days=1)).isoformat()})
        second = await page(client, uploads("news-100-4"), first.json["nextPageToken"])
        assert second.json["pageInfo"]["totalResults"] == 104
        assert videos_of([second.json])[:4] == videos_of([first.json])[-4:]
        [newest, *_] = (await page(client, uploads("news-100-4"))).json["items"]
        assert newest["contentDetails"]["videoId"] not in videos_of([first.json, second.json])
        assert newest["snippet"]["publishedAt"] == "2026-11-24T00:00:00Z"
        [channel] = (await channels(client, forHandle="@news-100-4")).json["items"]
        assert channel["statistics"]["videoCount"] == "104"


async def test_at_most_20_000_items_of_a_playlist_are_served():
    async with simulated() as client:
        whole = await pages(client, uploads("songs-30000"), "contentDetails")
        assert len(whole) == 400
        assert len(set(videos_of(whole))) == 20_000
        assert whole[-1]["pageInfo"] == {"totalResults": 30_000, "resultsPerPage": 50}
        report = await client.control("report")
        assert report["pages"] == {"distinct": 400, "delivered_once": 400, "delivered_more": 0}
        assert report["endpoints"] == {"playlistItems.list": {"calls": 400, "good": 400, "units": 400}}
        assert [day["units"] for day in report["days"].values()] == [400]


async def test_a_page_token_expires_after_a_day():
    async with simulated(clock_start=NOON) as client:
        token = (await page(client, uploads("songs-200"))).json["nextPageToken"]
        for days, status in ((1, 200), (2, 400)):
            await client.control("clock", {"now": (NOON + timedelta(days=days)).isoformat()})
            reply = await page(client, uploads("songs-200"), token)
            assert reply.status == status
        assert reply.reason == "invalidPageToken"
        for wrong in ("CDIQAA", "nonsense!", "é", "AAAAAAAAAAA"):
            assert (await page(client, uploads("songs-200"), wrong)).reason == "invalidPageToken"


@pytest.mark.parametrize(
    ("playlist", "query", "status", "reason"),
    [
        ("PLnothing", {}, 404, "playlistNotFound"),
        ("UC" + uploads("songs-9")[2:], {}, 404, "playlistNotFound"),
        (uploads("empty-0"), {}, 404, "playlistNotFound"),
        (uploads("private-9"), {}, 403, "playlistItemsNotAccessible"),
        (uploads("songs-9"), {"maxResults": "51"}, 400, "badRequest"),
        (uploads("songs-9"), {"part": "statistics"}, 400, "unknownPart"),
        ("", {}, 400, "missingRequiredParameter"),
    ],
)
async def test_what_can_t_be_listed_is_refused_and_costs_a_unit(playlist, query, status, reason):
    async with simulated() as client:
        reply = await page(client, playlist, **query)
        assert (reply.status, reply.reason) == (status, reason)
        report = await client.control("report")
        assert report["endpoints"]["playlistItems.list"] == {"calls": 1, "good": 0, "units": 1}
        assert outcomes(report) == report["refused"] == 1


async def test_channels_are_asked_for_in_one_way():
    async with simulated() as client:
        assert (await channels(client)).reason == "missingRequiredParameter"
        assert (await channels(client, ["UCx"], forHandle="@songs-9")).reason == "missingRequiredParameter"
        assert (await channels(client, list(make_ids(1, 51)))).reason == "invalidFilters"


async def test_faults_quota_and_keys_are_those_of_videos():
    async with simulated(daily_units=13, valid_key="k") as client:
        ask = {"key": "k"}
        await client.control("faults", {"next": ["wrong_kind", "no_items", "503", "400_invalid_page_token"]})
        assert (await channels(client, forHandle="@songs-9", **ask)).json["kind"] == "youtube#videoListResponse"
        emptied = (await channels(client, forHandle="@songs-9", **ask)).json
        assert (emptied["pageInfo"]["totalResults"], "items" in emptied) == (1, False)
        assert (await page(client, uploads("songs-9"), **ask)).status == 503
        assert (await page(client, uploads("songs-9"), **ask)).reason == "invalidPageToken"
        assert (await page(client, uploads("songs-9"), key="other")).status == 400
        assert (await client.ask(list(make_ids(1, 50)), **ask)).status in (403, 429)
        assert [(await page(client, uploads("songs-9"), **ask)).status for _ in range(9)] == [200] * 9
        assert (await page(client, uploads("songs-9"), **ask)).status in (403, 429)
        report = await client.control("report")
        assert outcomes(report) == report["calls"]
        assert sum(each["units"] for each in report["endpoints"].values()) == 13


def test_ids_and_playlists_lead_back_to_their_channel():
    for name in ("songs-30000", "a-1", "songs12345678-999999", "news-1-9999"):
        channel = channel_named(name)
        assert channel is not None
        assert len(channel.id) == 24
        for playlist_id in (channel.uploads_playlist, channel.mixed_playlist):
            playlist = playlist_of_id(playlist_id)
            assert playlist is not None
            assert (playlist.channel, playlist.id) == (channel, playlist_id)
    for wrong in ("songs", "songs-", "-5", "songs-1234567", "songs1234567890-999999", "", "songs-5-6-7", "ünï-5"):
        assert channel_named(wrong) is None


@pytest.mark.parametrize("count", [1, 2, 3, 7, 99, 150])
def test_a_mixed_order_is_an_order(count: int):
    playlist = playlist_of_id(channel_named(f"x-{count}").mixed_playlist)
    indices = playlist.indices(0, 0, count)
    repeated = count // 100
    assert len(indices) == count
    assert len(set(indices)) == count - repeated
    assert count < 7 or sum(abs(a - b) > 1 for a, b in pairwise(indices)) > count // 2
