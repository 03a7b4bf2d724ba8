"""Endpoints under /_simulator/: what tests read and turn while the simulator runs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from .api import Api

_IDS_SHOWN = 1_000


def control_routes(api: Api) -> list[web.RouteDef]:
    """Routes that show the counts of `api` and change its clock, quota and faults."""

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

    return [
        web.get("/_simulator/report", report),
        web.get("/_simulator/delivered", delivered),
        web.post(
            "/_simulator/clock", _changing(api, lambda body: api.clock.jump_to(datetime.fromisoformat(body["now"])))
        ),
        web.post("/_simulator/quota", _changing(api, lambda body: api.spend(int(body["spend"])))),
        web.post("/_simulator/faults", _changing(api, set_faults)),
    ]


def _changing(api: Api, change: Callable[[dict[str, Any]], None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that applies the JSON it is sent and answers with the report; 400 says what was wrong."""

    async def handler(request: web.Request) -> web.Response:
        try:
            change(await request.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(api.report())

    return handler
