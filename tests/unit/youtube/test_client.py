"""The client on a real wire: what it sends and what it keeps of the answer."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aioresponses import aioresponses
from waiting import until

from harvester._version import __version__
from harvester.clock import SystemClock
from harvester.config import YouTubeSettings
from harvester.model import Verdict
from harvester.support.secret import Secret
from harvester.youtube import Api
from harvester.youtube.client import MAX_WIRE_BYTES, MEMORY_BYTES, YouTubeClient

KEY = "not_a_key_0123456789"  # a form that only its owner knows as a key
IDS = ("-aaaaaaaaaA", "bbbbbbbbbbE", "cccccccc_cI")
PAGE = json.dumps({"kind": "youtube#videoListResponse", "items": [{"id": id_} for id_ in IDS[:2]]}).encode()
CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "api_errors.json").read_text("utf-8"))


def client_of(base_url: str, concurrency: int = 4, max_wire_bytes: int = MAX_WIRE_BYTES) -> YouTubeClient:
    return YouTubeClient(
        YouTubeSettings(base_url=base_url, parts=("snippet", "statistics")),
        Secret(KEY),
        concurrency=concurrency,
        timeout_seconds=20,
        clock=SystemClock(),
        max_wire_bytes=max_wire_bytes,
    )


@asynccontextmanager
async def api(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An HTTP server on a free port of this machine; yields its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/youtube/v3"
    finally:
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_what_is_sent() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=PAGE, content_type="application/json")

    async with api(handler) as url, client_of(url) as client:
        assert (await client.fetch(IDS)).verdict is Verdict.GOOD
    (request,) = seen
    assert (request.method, request.path) == ("GET", "/youtube/v3/videos")
    assert dict(request.query) == {"part": "snippet,statistics", "id": ",".join(IDS), "prettyPrint": "false"}
    assert "id=-aaaaaaaaaA,bbbbbbbbbbE,cccccccc_cI" in request.raw_path
    assert request.headers["X-Goog-Api-Key"] == KEY
    assert KEY not in request.raw_path
    assert request.headers["Accept-Encoding"] == "gzip"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"] == f"harvester/{__version__} (gzip)"
    assert "Cookie" not in request.headers


async def test_the_wire_bytes_are_kept_as_sent() -> None:
    packed = gzip.compress(PAGE, 1)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    async with api(handler) as url, client_of(url) as client:
        outcome = await client.fetch(IDS)
    assert outcome.found == set(IDS[:2])
    body = outcome.body
    assert body is not None
    assert (body.data, body.encoding, body.raw_bytes, body.item_count) == (packed, "gzip", len(PAGE), 2)
    assert body.sha256 == hashlib.sha256(packed).digest()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_error_table_through_the_client(case: dict[str, Any]) -> None:
    headers = {"Content-Type": case.get("content_type", "application/json; charset=UTF-8")}
    if "retry_after" in case:
        headers["Retry-After"] = case["retry_after"]
    body = case["text"] if "text" in case else json.dumps(case["body"])
    with aioresponses() as mocked:
        mocked.get(re.compile(".*/videos.*"), status=case["status"], body=body.encode(), headers=headers)
        async with client_of("https://api.invalid/youtube/v3") as client:
            outcome = await client.fetch(IDS)
    assert (outcome.verdict.value, outcome.reason) == (case["verdict"], case["reason"])
    assert outcome.retry_after_seconds == case.get("wait")
    assert outcome.sent


async def test_a_redirect_is_not_followed() -> None:
    visits: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})

    async with api(handler) as url, client_of(url) as client:
        outcome = await client.fetch(IDS)
    assert (outcome.verdict, outcome.reason) == (Verdict.TRY_AGAIN, "http_302")
    assert visits == ["/youtube/v3/videos"]


@pytest.mark.parametrize("count", [0, 51])
async def test_a_call_of_the_wrong_size_is_a_bug(count: int) -> None:
    async with client_of("https://api.invalid") as client:
        with pytest.raises(ValueError, match="1 to 50"):
            await client.fetch(["aaaaaaaaaaA"] * count)


async def test_use_outside_the_context_is_a_bug() -> None:
    client = client_of("https://api.invalid")
    with pytest.raises(RuntimeError):
        await client.fetch(IDS)
    async with client:
        pass
    with pytest.raises(RuntimeError):
        await client.fetch(IDS)


async def test_other_exceptions_propagate() -> None:
    with aioresponses() as mocked:
        mocked.get(re.compile(".*"), exception=KeyError("a bug"))
        async with client_of("https://api.invalid") as client:
            with pytest.raises(KeyError):
                await client.fetch(IDS)


async def test_a_body_of_the_bound_itself_is_read() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=PAGE, content_type="application/json")

    async with api(handler) as url:
        async with client_of(url, max_wire_bytes=len(PAGE)) as client:
            assert (await client.fetch(IDS)).verdict is Verdict.GOOD
        async with client_of(url, max_wire_bytes=len(PAGE) - 1) as client:
            assert (await client.fetch(IDS)).reason == "body_too_large"


async def test_no_more_connections_than_allowed() -> None:
    now, most = 0, 0
    full = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.02)  # pause: one more would show itself meanwhile
        now -= 1
        return web.Response(body=PAGE, content_type="application/json")

    async with api(handler) as url, client_of(url, concurrency=3) as client:
        outcomes = await asyncio.gather(*(client.fetch(IDS) for _ in range(12)))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.GOOD}
    assert most == 3


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=PAGE, content_type="application/json")

    async with api(handler) as url, client_of(url) as client:
        assert (await client.fetch(IDS)).verdict is Verdict.GOOD


async def test_an_api_that_repeats_the_key_is_not_repeated() -> None:
    error = {"message": f"what is {KEY}?", "errors": [{"reason": KEY}]}

    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": error}, status=400)

    async with api(handler) as url, client_of(url) as client:
        outcome = await client.fetch(IDS)
    assert KEY not in repr(outcome)
    assert (outcome.message, outcome.reason) == ("what is [hidden]?", "hidden")


def test_the_client_is_an_api() -> None:
    api: Api = client_of("https://api.invalid")
    assert repr(api) == "YouTubeClient('https://api.invalid', concurrency=4)"


async def test_large_bodies_are_held_a_few_at_a_time() -> None:
    body = PAGE[:-1] + b', "padding": "' + b"x" * 2_000_000 + b'"}'
    most = MEMORY_BYTES // MAX_WIRE_BYTES

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with api(handler) as url, client_of(url, concurrency=3 * most) as client:
        calls = [asyncio.create_task(client.fetch(IDS)) for _ in range(3 * most)]
        released: set[asyncio.Task[Any]] = set()

        def held() -> set[asyncio.Task[Any]]:
            return {call for call in calls if call.done()} - released

        while len(released) < len(calls):
            await until(lambda: len(held()) >= most)
            done = held()
            assert len(done) == most
            released.update(done)
            for call in done:
                call.result().done_with()
    assert all(call.result().verdict is Verdict.GOOD for call in calls)
