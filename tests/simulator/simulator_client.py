"""A bare client: what comes over the wire, undecoded."""

import gzip
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from waiting import until

from harvester.simulator import SimulatorSettings, truth
from harvester.simulator.content.templates import PARTS
from harvester.simulator.server import Simulator

GZIP = {"Accept-Encoding": "gzip", "User-Agent": "tests (gzip)"}
PLAIN = {"Accept-Encoding": "identity", "User-Agent": "tests"}
UNTIL_REPORTED_SECONDS = 3_600.0
"""The latency of an API whose calls the test ends itself."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.raw) if self.headers.get("Content-Encoding") == "gzip" else self.raw

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return self.json["error"]["errors"][0]["reason"]


@dataclass(frozen=True)
class Client:
    simulator: Simulator
    session: aiohttp.ClientSession

    async def ask(
        self,
        ids: Sequence[str],
        headers: dict[str, str] = GZIP,
        key: str | None = "any",
        call: str = "videos",
        **params: str,
    ) -> Reply:
        asked = {"part": ",".join(PARTS), "id": ",".join(ids), "prettyPrint": "false"} | params
        sent = headers | ({"X-Goog-Api-Key": key} if key else {})
        query = {name: value for name, value in asked.items() if value}
        async with self.session.get(f"{self.simulator.base_url}/{call}", params=query, headers=sent) as got:
            return Reply(got.status, got.headers, await got.read())

    def truth(self, video_id: str) -> str:
        """The state in which this id must end, at the settings' level of faults."""
        settings = self.simulator.settings
        return truth(video_id, settings.seed, settings.faults, settings.missing_share)

    async def control(self, path: str, body: Any = None) -> Any:
        url = self.simulator.base_url.replace("/youtube/v3", f"/_simulator/{path}")
        async with self.session.request("GET" if body is None else "POST", url, json=body) as got:
            return await got.json()

    async def reports(self, **expected: Any) -> Any:
        """Wait until the report says so."""

        async def finished() -> bool:
            nonlocal report
            report = await self.control("report")
            return bool(report.items() >= expected.items())

        report: Any = {}
        await until(finished)
        return report


@asynccontextmanager
async def simulated(**settings: Any) -> AsyncIterator[Client]:
    async with (
        Simulator(SimulatorSettings(**settings)) as simulator,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        # aiohttp repeats a GET, unasked, when the connection is dropped; there is no public way to say no
        session._retry_connection = False
        yield Client(simulator, session)


def outcomes(report: dict[str, Any]) -> int:
    """All the ways in which the report says that calls ended."""
    ways = ("good", "refused", "refused_by_quota", "gone", "in_flight")
    return sum(report[way] for way in ways) + sum(report["faulted"].values())
