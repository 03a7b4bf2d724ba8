"""`videos:batchGetStats`: counts alone, from a quota of its own, under the same faults."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from simulator_client import outcomes, simulated

from harvester.simulator import make_ids

IDS = list(make_ids(1, 50))
COUNTS = {"viewCount", "likeCount", "commentCount"}


@pytest.fixture
async def client():
    async with simulated(seed=1, daily_units=11) as opened:
        yield opened


async def test_counts_are_one_more_and_are_no_deliveries(client):
    statistics = partial(client.ask, call="videos:batchGetStats", part="id,statistics")
    videos = {video["id"]: video for video in (await client.ask(IDS)).json["items"]}
    answer = (await statistics(IDS)).json
    assert answer["kind"] == "youtube#batchGetStatsResponse"
    assert {item["id"] for item in answer["items"]} == set(videos)
    for item in answer["items"]:
        assert item["kind"] == "youtube#videoStats"
        before = videos[item["id"]]["statistics"]
        assert item["statistics"] == {name: str(int(n) + 1) for name, n in before.items() if name in COUNTS}
    # The day of the videos is spent, that of the statistics is not.
    assert [(await client.ask(IDS)).status in (403, 429), (await statistics(IDS)).status] == [True, 200]
    report = await client.control("report")
    assert [day["units"] for day in report["statistics_days"].values()] == [2]
    assert [day["units"] for day in report["days"].values()] == [11]
    assert (report["ids"]["delivered_once"], report["ids"]["delivered_more"]) == (len(IDS), 0)
    assert outcomes(report) == report["calls"] == 4


async def test_what_is_asked_wrongly_is_refused(client):
    statistics = partial(client.ask, call="videos:batchGetStats")
    assert (await statistics(IDS, part="id,topicDetails")).status == 400
    assert (await statistics([*IDS, "AAAAAAAAAAA"], part="id")).status == 400
    assert (await statistics(IDS, part="id", key=None)).status == 403


async def test_faults_are_the_same(client):
    await client.control("faults", {"next": ["wrong_kind", "no_items", "503"]})
    statistics = partial(client.ask, IDS, call="videos:batchGetStats", part="id,statistics")
    assert (await statistics()).json["kind"] == "youtube#channelListResponse"
    assert "items" not in (await statistics()).json
    assert (await statistics()).status == 503


def _views(reply):
    return {
        video["id"]: int(video["statistics"]["viewCount"])
        for video in reply.json["items"]
        if "viewCount" in video.get("statistics", {})
    }


async def test_views_grow_by_the_day_differently_fast():
    start = datetime(2026, 11, 23, 20, tzinfo=UTC)
    async with simulated(seed=1, units_per_call=1, clock_start=start) as client:
        statistics = partial(client.ask, IDS, call="videos:batchGetStats", part="id,statistics")
        daily = []
        for hours in (0, 11, 24, 72):
            await client.control("clock", {"now": (start + timedelta(hours=hours)).isoformat()})
            daily.append(_views(await client.ask(IDS)))
            assert _views(await statistics()) == {video_id: views + 1 for video_id, views in daily[-1].items()}
        first, same_day, second, fourth = daily
        assert first == same_day == _views(await _fresh(IDS))
        growth = {video_id: second[video_id] - views for video_id, views in first.items()}
        assert min(growth.values()) > 0
        assert len(set(growth.values())) > len(growth) // 2
        assert all(fourth[video_id] == views + 3 * growth[video_id] for video_id, views in first.items())


async def _fresh(ids):
    async with simulated(seed=1, units_per_call=1) as client:
        return await client.ask(ids)
