"""Each fault, by its name, does on the wire what it says."""

import asyncio
import gzip
import json
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from simulator_client import PLAIN, outcomes, simulated
from waiting import LIMIT_SECONDS

from harvester.simulator import FaultPlan, make_ids
from harvester.simulator.error_bodies import ERRORS

IDS = list(make_ids(1, 50))
LEGACY = {"400_key_invalid", "400_key_expired", "403_quota_old_order", "403_daily_limit", "403_user_rate_limit"}
LEGACY |= {"403_access_not_configured", "500", "503"}


async def _faulted(name, **settings):
    """The reply under this fault, and the report afterwards."""
    async with simulated(seed=1, **settings) as client:
        await client.control("faults", {"next": [name]})
        reply = await client.ask(IDS)
        report = await client.control("report")
        assert outcomes(report) == report["calls"] == 1
        assert (await client.ask(IDS)).status == 200
        return reply, report


@pytest.mark.parametrize("name", sorted(ERRORS))
async def test_an_error_body(name):
    reply, report = await _faulted(name)
    assert reply.status == int(name[:3])
    assert report["faulted"] == {name: 1}
    assert report["good"] == report["ids"]["delivered_once"] == 0
    if name == "502_html":
        assert reply.headers["Content-Type"].startswith("text/html")
        assert reply.body.startswith(b"<!DOCTYPE html>")
    elif name == "500_null":
        assert reply.json == {"error": {"code": 500, "message": None}}
    else:
        error = reply.json["error"]
        assert error["code"] == reply.status
        assert error["errors"][0]["message"] == error["message"]
        assert (next(iter(error)) == "errors") == (name in LEGACY)
        assert "\\u003c" in reply.body.decode() or b"<" not in reply.body


@pytest.mark.parametrize("name", ["503_retry_after", "429_retry_after"])
async def test_retry_after_in_seconds(name):
    reply, _ = await _faulted(name)
    assert (reply.status, reply.headers["Retry-After"]) == (int(name[:3]), "1")


async def test_retry_after_as_a_date_of_the_simulated_clock():
    start = datetime(2031, 5, 1, 12, tzinfo=UTC)
    reply, _ = await _faulted("503_retry_after_date", clock_start=start)
    until = parsedate_to_datetime(reply.headers["Retry-After"])
    sent = parsedate_to_datetime(reply.headers["Date"])
    assert sent.year == 2031
    assert 0 <= (until - sent).total_seconds() <= 2


async def test_an_untrue_quota_error_takes_nothing_off_the_day():
    reply, report = await _faulted("quota_untrue")
    assert (reply.status, reply.reason) == (403, "quotaExceeded")
    assert report["refused_by_quota"] == 0


async def test_slow_is_late_but_good():
    began = asyncio.get_running_loop().time()
    reply, report = await _faulted("slow")
    assert asyncio.get_running_loop().time() - began >= 0.3
    assert (reply.status, report["good"], report["slow"], report["faulted"]) == (200, 1, 1, {})


@pytest.mark.parametrize("headers", [None, PLAIN])
async def test_a_dropped_connection(headers):
    async with simulated(seed=1) as client:
        await client.control("faults", {"next": ["drop"]})
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.ask(IDS, *([headers] if headers else []))
        report = await client.control("report")
        assert report["faulted"] == {"drop": 1}
        assert outcomes(report) == 1


async def test_a_cut_body_promises_more_than_it_brings():
    async with simulated(seed=1) as client:
        whole = len((await client.ask(IDS)).raw)
        await client.control("faults", {"next": ["cut_body"]})
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.ask(IDS)
        port = client.session, client.simulator.base_url.split(":")[2].split("/")[0]
        await client.control("faults", {"next": ["cut_body"]})
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port[1]))
        query = f"part=snippet,contentDetails,status,statistics,topicDetails&prettyPrint=false&id={','.join(IDS)}"
        lines = (f"GET /youtube/v3/videos?{query} HTTP/1.1", "Host: x", "X-Goog-Api-Key: k")
        asks = ("Accept-Encoding: gzip", "User-Agent: gzip", "", "")
        writer.write("\r\n".join((*lines, *asks)).encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert f"Content-Length: {whole}".encode() in head
        assert len(body) == whole // 2
        report = await client.control("report")
        assert report["faulted"] == {"cut_body": 2}
        assert report["ids"] == {"distinct": 50, "delivered_once": 50, "delivered_more": 0}


async def test_a_hang_ends_when_the_client_gives_up():
    async with simulated(seed=1) as client:
        await client.control("faults", {"next": ["hang"]})
        asked = asyncio.create_task(client.ask(IDS))
        await client.reports(in_flight=1)
        asked.cancel()
        report = await client.reports(in_flight=0)
        assert (report["faulted"], report["gone"]) == ({"hang": 1}, 0)


async def test_a_hang_does_not_keep_the_simulator_from_ending():
    async with simulated(seed=1) as client:
        await client.control("faults", {"next": ["hang"]})
        asked = asyncio.create_task(client.ask(IDS))
        await client.reports(in_flight=1)
        await asyncio.wait_for(client.simulator.stop(), LIMIT_SECONDS)
        with pytest.raises(aiohttp.ClientError):
            await asked


@pytest.mark.parametrize("name", ["bad_gzip", "cut_gzip"])
async def test_damaged_gzip(name):
    reply, _ = await _faulted(name)
    assert (reply.status, reply.headers["Content-Encoding"]) == (200, "gzip")
    assert int(reply.headers["Content-Length"]) == len(reply.raw)
    with pytest.raises((zlib.error, EOFError, gzip.BadGzipFile)):
        gzip.decompress(reply.raw)


@pytest.mark.parametrize("name", ["cut_json", "bad_gzip", "cut_gzip"])
async def test_damage_without_compression_is_half_a_json(name):
    async with simulated(seed=1) as client:
        await client.control("faults", {"next": [name]})
        reply = await client.ask(IDS, PLAIN)
        assert reply.status == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(reply.raw)


async def test_cut_json_is_whole_gzip():
    reply, _ = await _faulted("cut_json")
    assert reply.body.startswith(b'{"kind":"youtube#videoListResponse"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)


async def test_a_200_that_is_none():
    empty, _ = await _faulted("empty_200")
    assert (empty.status, empty.raw) == (200, b"")
    page, _ = await _faulted("html_200")
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.raw.startswith(b"<!DOCTYPE html>")
    kind, _ = await _faulted("wrong_kind")
    assert kind.json["kind"] == "youtube#channelListResponse"
    bare, _ = await _faulted("no_items")
    assert bare.json.keys() == {"kind", "etag", "pageInfo"}


async def test_an_unexpected_id_was_not_asked_for():
    reply, _ = await _faulted("unexpected_id")
    unexpected = {item["id"] for item in reply.json["items"]} - set(IDS)
    assert len(unexpected) == 1


def _with_poison(kind: str) -> tuple[str, list[str]]:
    """A poison video, and the batch that it stands in."""
    plan = FaultPlan("hostile", 1)
    for start in range(0, 500_000, 50):
        batch = list(make_ids(1, 50, start))
        for video_id in batch:
            if plan.poison_of(video_id) == kind:
                return video_id, batch
    raise AssertionError(f"no {kind} among 500,000 ids")


@pytest.mark.parametrize(("kind", "status"), [("400_bad_request", 400), ("503", 503)])
async def test_poison_spoils_every_batch_that_it_is_in_and_no_other(kind, status):
    poison, batch = _with_poison(kind)
    healthy = [video_id for video_id in batch if video_id != poison]
    async with simulated(seed=1, faults="hostile") as client:
        assert client.truth(poison) == "failed"
        for ids in [batch, batch[25:], batch[:25], [poison]] * 3:
            if poison in ids:
                reply = await client.ask(ids)
                assert reply.status == status
                assert "details" not in reply.json["error"]
        await client.control("faults", {"level": "none"})
        assert (await client.ask(healthy)).status == 200
        assert (await client.ask(batch)).status == 200
        report = await client.control("report")
        assert outcomes(report) == report["calls"]
        assert report["refused"] == (9 if status == 400 else 0)
        assert report["faulted"] == ({} if status == 400 else {"503_poison": 9})


async def test_five_attempts_get_every_batch_through():
    async with simulated(seed=1, faults="hostile", daily_units=10**6) as client:
        for start in range(0, 7_500, 50):
            batch = list(make_ids(1, 50, start))
            if any(client.truth(video_id) == "failed" for video_id in batch):
                continue
            for _ in range(5):
                try:
                    reply = await asyncio.wait_for(client.ask(batch), 10)  # pause: some hang
                    if reply.status == 200 and "items" in reply.json:
                        break
                except (aiohttp.ClientError, TimeoutError, EOFError, OSError, ValueError, zlib.error):
                    continue
            else:
                raise AssertionError(f"batch {start} never came through")
        report = await client.control("report")
        assert sum(report["faulted"].values()) >= 5
        assert outcomes(report) == report["calls"]
