"""The simulated API over HTTP, on 127.0.0.1 only."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.utils import formatdate
from functools import partial
from typing import Any, Self

from aiohttp import web

from .answers import Answer
from .api import CHANNELS, PLAYLIST_ITEMS, STATISTICS, VIDEOS, Api, Call
from .clock import SimulatedClock
from .settings import SimulatorSettings

HOST = "127.0.0.1"
BASE_PATH = "/youtube/v3"
_METHODS = {
    "videos": VIDEOS,
    "videos:batchGetStats": STATISTICS,
    "channels": CHANNELS,
    "playlistItems": PLAYLIST_ITEMS,
}
_IDS_SHOWN = 1_000
HANG_SECONDS = 60.0


class Simulator:
    """A simulated API: `async with Simulator(settings) as simulator: simulator.base_url`."""

    def __init__(self, settings: SimulatorSettings | None = None) -> None:
        self.settings = settings or SimulatorSettings()
        self.clock = SimulatedClock(self.settings.clock_start, self.settings.clock_speed)
        self.api = Api(self.settings, self.clock)
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def base_url(self) -> str:
        """The URL in place of `https://youtube.googleapis.com/youtube/v3`."""
        return f"http://{HOST}:{self._port}{BASE_PATH}"

    async def start(self) -> None:
        """Bind and serve. Raises OSError if the port is in use."""
        app = web.Application()
        app.on_response_prepare.append(self._date)
        for path, method in _METHODS.items():
            # google-api-python-client appends the whole path to an endpoint that has it already
            for prefix in (BASE_PATH, BASE_PATH * 2):
                app.router.add_get(f"{prefix}/{path}", partial(self._answer, method))
        app.add_routes(control_routes(self.api))
        # notice a client that goes away while its call waits
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.settings.port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections and release the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _date(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Set the Date of every answer to this clock's time, which Retry-After and quota days use."""
        response.headers["Date"] = formatdate(self.clock.now().timestamp(), usegmt=True)

    async def _answer(self, method: str, request: web.Request) -> web.StreamResponse:
        counts = self.api.counts
        counts.begin(method)
        try:
            call = _read_call(method, request)
            counts.keys_in_urls += "key" in request.query
            return await self._send(request, self.api.answer(call), call)
        except ConnectionError:
            counts.gone += 1
            return web.Response()
        except asyncio.CancelledError:
            counts.gone += 1
            raise
        finally:
            counts.in_flight -= 1

    async def _send(self, request: web.Request, answer: Answer, call: Call) -> web.StreamResponse:
        if delay := self.settings.latency_seconds + answer.delay_seconds:
            await asyncio.sleep(delay)
        if answer.outcome == "cut_body":
            return await self._send_half(request, answer, call)
        if answer.outcome not in ("drop", "hang"):
            return await self._send_whole(request, answer, call)
        self.api.counts.settle(answer, call.method)
        if answer.outcome == "hang":
            # cancelled when the client gives up: the purpose of a hang
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(HANG_SECONDS)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _send_whole(self, request: web.Request, answer: Answer, call: Call) -> web.Response:
        body, headers = _written(answer, call)
        response = web.Response(status=answer.status, body=body, headers=headers)
        if request.transport is not None:
            # writing then only ends when the last byte was passed to the peer's socket
            request.transport.set_write_buffer_limits(0)
        await response.prepare(request)
        await response.write_eof()
        if request.transport is None:
            raise ConnectionResetError
        # only whole videos count as delivered
        self.api.counts.settle(answer, call.method, call.ids if call.method == VIDEOS else ())
        self.api.counts.slow += answer.delay_seconds > 0
        return response

    async def _send_half(self, request: web.Request, answer: Answer, call: Call) -> web.StreamResponse:
        body, headers = _written(answer, call)
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        self.api.counts.settle(answer, call.method)
        if request.transport is not None:
            request.transport.close()
        return response


def _written(answer: Answer, call: Call) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of an answer."""
    gzipped = call.gzipped and answer.compressible
    headers = {"Content-Type": answer.content_type, "Vary": "Origin, X-Origin, Referer", "Server": "simulator"}
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    if answer.retry_after is not None:
        headers["Retry-After"] = answer.retry_after
    return answer.sent(gzipped=gzipped), headers


def control_routes(api: Api) -> list[web.RouteDef]:
    """Return routes under /_simulator/ that show the counts of `api` and change its clock, quota and faults."""

    async def report(request: web.Request) -> web.Response:
        return web.json_response(api.report())

    async def delivered(request: web.Request) -> web.Response:
        times = int(request.query.get("more", "0"))
        return web.json_response(api.counts.delivered_more_than(times, _IDS_SHOWN))

    def set_faults(body: dict[str, Any]) -> None:
        if unknown := body.keys() - {"next", "level"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        if "level" in body:
            api.set_level(body["level"])
        api.script(body.get("next", []))

    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "clock": lambda body: api.clock.jump_to(datetime.fromisoformat(body["now"])),
        "quota": lambda body: api.spend(int(body["spend"])),
        "faults": set_faults,
    }

    async def change(request: web.Request) -> web.Response:
        """Apply the JSON of a request and answer with the report; 400 says what was wrong."""
        try:
            changes[request.match_info["what"]](await request.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(api.report())

    return [
        web.get("/_simulator/report", report),
        web.get("/_simulator/delivered", delivered),
        web.post(f"/_simulator/{{what:{'|'.join(changes)}}}", change),
    ]


def _read_call(method: str, request: web.Request) -> Call:
    query, headers = request.query, request.headers
    return Call(
        method=method,
        query=query,
        ids=_listed(query.getall("id", [])),
        parts=_listed(query.getall("part", [])),
        key=headers.get("X-Goog-Api-Key") or query.get("key"),
        # Google compresses for clients that say so in both headers
        gzipped="gzip" in headers.get("Accept-Encoding", "") and "gzip" in headers.get("User-Agent", ""),
        pretty=query.get("prettyPrint", "true").lower() != "false",
    )


def _listed(values: list[str]) -> list[str]:
    """Split values that are comma-separated, repeated, or both."""
    return [item for value in values for item in value.split(",") if item]


def serve(settings: SimulatorSettings | None = None, *, until_stdin_closes: bool = False) -> None:
    """Serve until SIGINT or SIGTERM. The first line on stdout is the base URL.

    With `until_stdin_closes`, also end when the process at the other end of stdin is gone.
    """
    asyncio.run(_serve(settings, until_stdin_closes))


async def _serve(settings: SimulatorSettings | None, until_stdin_closes: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)

    def read_stdin() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    if until_stdin_closes:
        loop.add_reader(0, read_stdin)
    async with Simulator(settings) as simulator:
        sys.stdout.write(f"{simulator.base_url}\n")
        sys.stdout.flush()
        await stop.wait()
