"""The API over HTTP: what it takes, what it refuses, what it costs, and what its report says."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from simulator_client import GZIP, PLAIN, UNTIL_REPORTED_SECONDS, Client, outcomes, simulated
from waiting import until

from harvester.simulator import make_ids

IDS = list(make_ids(1, 50))
NOON = datetime(2026, 11, 23, 20, tzinfo=UTC)


async def test_a_good_answer():
    async with simulated(seed=1) as client:
        reply = await client.ask(IDS)
        found = {item["id"] for item in reply.json["items"]}
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/json; charset=UTF-8"
        assert found == {video_id for video_id in IDS if client.truth(video_id) == "fetched"}
        assert int(reply.headers["Content-Length"]) == len(reply.raw)
        assert b"\n" not in reply.body.removesuffix(b"\n")


async def test_compression_wants_to_be_asked_for_twice():
    async with simulated(seed=1) as client:
        packed = await client.ask(IDS, GZIP)
        for headers in (PLAIN, PLAIN | {"User-Agent": "gzip"}, GZIP | {"User-Agent": "tests"}):
            plain = await client.ask(IDS, headers)
            assert "Content-Encoding" not in plain.headers
            assert plain.raw == packed.body
        assert packed.headers["Content-Encoding"] == "gzip"


async def test_answers_are_pretty_unless_told_otherwise():
    async with simulated(seed=1) as client:
        compact, pretty = await client.ask(IDS), await client.ask(IDS, prettyPrint="")
        assert pretty.json == compact.json
        assert pretty.body.startswith(b'{\n  "kind"')


async def test_ids_come_comma_separated_repeated_or_both():
    async with simulated(seed=1, missing_share=0) as client:
        url = f"{client.simulator.base_url}/videos?part=id&key=k&id={IDS[0]},{IDS[1]}&id={IDS[2]}"
        async with client.session.get(url) as reply:
            found = {item["id"] for item in (await reply.json())["items"]}
        assert found == set(IDS[:3])


async def test_absent_and_ill_formed_ids_are_left_out():
    async with simulated(seed=1, missing_share=1) as client:
        reply = await client.ask([*IDS[:3], "x", "an id! here"])
        assert (reply.status, reply.json["items"]) == (200, [])
        assert reply.json["pageInfo"] == {"totalResults": 0, "resultsPerPage": 0}


@pytest.mark.parametrize(
    ("params", "ids", "reason"),
    [
        ({"part": ""}, IDS, "required"),
        ({"part": "snippet,statistic"}, IDS, "unknownPart"),
        ({}, [], "missingRequiredParameter"),
        ({}, [*IDS, "elevenchars"], "invalidFilters"),
    ],
)
async def test_a_bad_request_is_refused_and_costs(params, ids, reason):
    async with simulated() as client:
        reply = await client.ask(ids, **params)
        assert (reply.status, reply.reason) == (400, reason)
        report = await client.control("report")
        assert (report["refused"], report["good"]) == (1, 0)
        assert [day["units"] for day in report["days"].values()] == [11]


async def test_keys():
    async with simulated(valid_key="right") as client:
        none, wrong, right = [await client.ask(IDS, key=key) for key in (None, "wrong", "right")]
        assert (none.status, none.reason, "details" in none.json["error"]) == (403, "forbidden", False)
        assert (wrong.status, wrong.reason) == (400, "badRequest")
        assert wrong.json["error"]["details"][0]["reason"] == "API_KEY_INVALID"
        assert right.status == 200
        report = await client.control("report")
        assert report["refused"] == 2
        # without a good key there is no project to charge
        assert [day["calls"] for day in report["days"].values()] == [1]


async def test_a_key_in_the_url_works_and_is_noticed():
    async with simulated(valid_key="right") as client:
        url = f"{client.simulator.base_url}/videos?part=id&id={IDS[0]}"
        async with client.session.get(f"{url}&key=right") as reply:
            assert reply.status == 200
        assert (await client.control("report"))["keys_in_urls"] == 1


async def test_the_day_s_units_end_and_come_back_at_pacific_midnight():
    async with simulated(daily_units=33, clock_start=NOON) as client:
        statuses = [(await client.ask(IDS)).status for _ in range(4)]
        assert statuses[:3] == [200] * 3
        forms = {statuses[3]}
        # two seconds before midnight in November: eight hours behind UTC
        await client.control("clock", {"now": "2026-11-24T07:59:58+00:00"})
        assert (await client.ask(IDS)).status == statuses[3]
        await client.control("clock", {"now": "2026-11-24T08:00:00+00:00"})
        statuses = [(await client.ask(IDS)).status for _ in range(4)]
        assert statuses[:3] == [200] * 3
        assert forms | {statuses[3]} == {403, 429}
        days = (await client.control("report"))["days"]
        assert days == {
            "2026-11-23": {"calls": 3, "units": 33, "refused_by_quota": 2, "elsewhere": 0},
            "2026-11-24": {"calls": 3, "units": 33, "refused_by_quota": 1, "elsewhere": 0},
        }


@pytest.mark.parametrize(
    ("midnight", "hours"),
    [(datetime(2026, 3, 8, 8, tzinfo=UTC), 23), (datetime(2026, 11, 1, 7, tzinfo=UTC), 25)],
)
async def test_days_of_daylight_saving_changes_have_their_true_length(midnight, hours):
    second = timedelta(seconds=1)
    async with simulated(daily_units=11, clock_start=midnight) as client:
        assert (await client.ask(IDS)).status == 200
        await client.control("clock", {"now": (midnight + timedelta(hours=hours) - second).isoformat()})
        assert (await client.ask(IDS)).status in (403, 429)
        await client.control("clock", {"now": (midnight + timedelta(hours=hours)).isoformat()})
        assert (await client.ask(IDS)).status == 200


async def test_both_quota_refusals_say_that_the_day_is_spent():
    bodies = {}
    for start in (NOON, NOON + timedelta(days=1)):
        async with simulated(daily_units=0, clock_start=start) as client:
            reply = await client.ask(IDS)
            bodies[reply.status] = reply
    assert b"\\u003ca href=" in bodies[403].body
    assert bodies[403].reason == "quotaExceeded"
    assert bodies[429].reason == "rateLimitExceeded"
    assert bodies[429].json["error"]["details"][0]["metadata"]["quota_unit"] == "1/d/{project}"


async def test_units_can_be_spent_by_someone_else():
    async with simulated(clock_start=NOON) as client:
        report = await client.control("quota", {"spend": 9_985})
        assert report["days"]["2026-11-23"]["elsewhere"] == 9_985
        assert [(await client.ask(IDS)).status == 200 for _ in range(2)] == [True, False]


async def test_a_minute_s_calls_end_too():
    async with simulated(per_minute_calls=2, clock_start=NOON) as client:
        replies = [await client.ask(IDS) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert replies[2].json["error"]["details"][0]["metadata"]["quota_unit"] == "1/min/{project}/{user}"
        await client.control("clock", {"now": (NOON + timedelta(minutes=1)).isoformat()})
        assert (await client.ask(IDS)).status == 200


async def test_the_report_says_what_was_asked_and_delivered():
    other = list(make_ids(1, 50, start=50))
    async with simulated(seed=1) as client:
        for ids in (IDS, other, IDS[:10]):
            await client.ask(ids)
        await client.control("faults", {"next": ["503", "slow"]})
        await client.ask(list(make_ids(1, 5, start=100)))
        await client.ask(list(make_ids(1, 5, start=105)))
        report = await client.control("report")
        assert report["ids"] == {"distinct": 110, "delivered_once": 95, "delivered_more": 10}
        assert (report["calls"], report["good"], report["slow"]) == (5, 4, 1)
        assert report["faulted"] == {"503": 1}
        assert sorted(await client.control("delivered?more=1")) == sorted(IDS[:10])
        assert len(await client.control("delivered")) == 105
        assert outcomes(report) == report["calls"]


async def test_calls_under_way_are_counted():
    async with simulated(latency_seconds=UNTIL_REPORTED_SECONDS) as client:
        asked = [asyncio.create_task(client.ask([video_id])) for video_id in IDS[:7]]
        await client.reports(in_flight=7)
        for call in asked:
            call.cancel()
        await client.reports(in_flight=0, max_in_flight=7, gone=7)


async def test_calls_that_have_ended_are_not_under_way():
    async with simulated() as client:
        await asyncio.gather(*(client.ask([video_id]) for video_id in IDS[:7]))
        report = await client.control("report")
        assert (report["in_flight"], report["good"]) == (0, 7)


async def test_a_client_that_goes_away_was_given_nothing():
    async with simulated(latency_seconds=UNTIL_REPORTED_SECONDS) as client:
        asked = asyncio.create_task(client.ask(IDS))
        await client.reports(in_flight=1)
        asked.cancel()
        report = await client.reports(in_flight=0)
        assert (report["calls"], report["gone"], report["good"], report["in_flight"]) == (1, 1, 0, 0)
        assert report["ids"] == {"distinct": 50, "delivered_once": 0, "delivered_more": 0}
        assert [day["units"] for day in report["days"].values()] == [11]


async def is_stuck(client: Client) -> bool:
    """One call is under way and no other comes, though the simulator had many a turn: each report is one."""
    reports = [await client.control("report") for _ in range(20)]
    return {(report["calls"], report["in_flight"]) for report in reports} == {(reports[0]["calls"], 1)}


async def test_a_client_that_reads_no_further_was_not_given_the_whole():
    async with simulated(seed=1) as client:
        port = int(re.findall(r":(\d+)/", client.simulator.base_url)[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
        wanted = f"part=snippet&prettyPrint=false&id={','.join(IDS)}"
        request = f"GET /youtube/v3/videos?{wanted} HTTP/1.1\r\nHost: x\r\nX-Goog-Api-Key: k\r\n\r\n"
        # twenty answers of 200 KB are more than the sockets' buffers hold
        writer.write(request.encode() * 40)
        await reader.readexactly(1_000)
        await until(partial(is_stuck, client))
        writer.transport.abort()
        report = await client.reports(in_flight=0)
        assert report["gone"] == 1
        assert report["good"] == report["calls"] - 1 < 40


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock", {"now": "2020-01-01T00:00:00+00:00"}),
        ("clock", {"now": "tomorrow"}),
        ("clock", {}),
        ("faults", {"next": ["no such fault"]}),
        ("faults", {"level": "wild"}),
        ("faults", {"nxt": []}),
        ("quota", {"spend": "much"}),
        ("quota", []),
    ],
)
async def test_a_wrong_control_is_refused(path, body):
    async with simulated() as client:
        assert "error" in await client.control(path, body)


async def test_the_report_is_plain_json_with_the_clock_in_it():
    async with simulated(clock_start=NOON, clock_speed=86_400) as client:
        report = await client.control("report")
        begun = datetime.fromisoformat(report["now"])
        assert begun >= NOON
        # A second of ours is a day of its.
        while datetime.fromisoformat((await client.control("report"))["now"]) < begun + timedelta(minutes=30):
            await asyncio.sleep(0)
        assert json.loads(json.dumps(report)) == report
