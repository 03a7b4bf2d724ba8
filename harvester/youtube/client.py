"""One call of an endpoint over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import Self

import aiohttp
from yarl import URL

from harvester._version import __version__
from harvester.clock import Clock
from harvester.config import RunSettings, YouTubeSettings
from harvester.model import Answer, Outcome, Verdict
from harvester.support.batching_thread import BatchingThread, Done
from harvester.support.proxy_and_tls import Proxy, proxy_for, tls_context
from harvester.support.secret import Secret
from harvester.youtube.classify import classify, date_of
from harvester.youtube.endpoints import VIDEOS_LIST, Endpoint
from harvester.youtube.network_errors import NETWORK_FAULTS, outcome_of

MAX_WIRE_BYTES = 8 * 1024 * 1024
"""Most bytes of a body from the wire; a full batch has 50 KB. Decompressed: `validate_body.MAX_RAW_BYTES`."""

KEY_BEGINNING = 4
"""Characters of a key that are enough to recognise it."""

MEMORY_BYTES = 64 * 1024 * 1024
"""Most bytes of large bodies held at once, from the wire to the ledger."""
MIN_LARGE_BYTES, MAX_SMALL_BYTES = 256 * 1024, 1024 * 1024
"""From how many bytes on a body is large: the lower with a thousand calls under way, the upper with fifty. A full batch
has 50 KB as Google sends it, and 250 KB decompressed."""

TIME_PATIENCE_SECONDS = 10.0
"""How long to wait for the API's time."""

_READ_BUFFER_BYTES = 256 * 1024

ANSWERS_AT_ONCE = 64
"""Answers that are classified in one turn of the thread. With fewer, it and the event loop wait for each other more
often."""


class YouTubeClient:
    """The API over HTTP, for use as an async context manager.

    It sends one request a call and never repeats one by itself: each was paid for before it is sent. It holds at most
    `concurrency` connections; `timeout_seconds` bounds a call as a whole, half of it the connecting. The key is sent in
    a header, and is in no URL, message, exception or repr. Through a `proxy` an https API is reached by CONNECT: the
    proxy sees no key.
    """

    def __init__(
        self,
        settings: YouTubeSettings,
        key: Secret,
        *,
        concurrency: int,
        timeout_seconds: float,
        clock: Clock,
        max_wire_bytes: int = MAX_WIRE_BYTES,
        endpoint: Endpoint = VIDEOS_LIST,
        proxy: Proxy | None = None,
    ) -> None:
        self._base_url = settings.base_url
        self._proxy = proxy
        parts = endpoint.parts or ",".join(settings.parts)
        self._endpoint = endpoint
        self._url = URL(f"{settings.base_url}/{endpoint.path}").with_query(part=parts, prettyPrint="false")
        self._key = key
        self._concurrency = concurrency
        # The limit for connecting is shorter, so that the exception says which requests were certainly never sent.
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, connect=timeout_seconds / 2)
        self._clock = clock
        self._max_wire_bytes = max_wire_bytes
        share = MEMORY_BYTES // concurrency
        self._small_bytes = max(MIN_LARGE_BYTES, min(MAX_SMALL_BYTES, share))
        self._large = asyncio.Semaphore(max(1, MEMORY_BYTES // max_wire_bytes))
        self._session: aiohttp.ClientSession | None = None
        self._classify: BatchingThread[tuple[Answer, Sequence[str], datetime, Endpoint], Outcome] = BatchingThread(
            "answers", lambda calls: [Done(classify(*call)) for call in calls], ANSWERS_AT_ONCE
        )

    def __repr__(self) -> str:
        return f"YouTubeClient({self._base_url!r}, concurrency={self._concurrency})"

    async def __aenter__(self) -> Self:
        tls = tls_context() if self._url.scheme == "https" or self._proxy is not None else True
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            headers={
                # Not the key: these headers are sent with a CONNECT too, in clear text to a proxy.
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                # Google compresses only for agents that say "gzip" here too (its guide to performance).
                "User-Agent": f"harvester/{__version__} (gzip)",
            },
            # The bytes are stored as they came.
            auto_decompress=False,
            read_bufsize=_READ_BUFFER_BYTES,
            trust_env=False,
            proxy=self._proxy.url if self._proxy is not None else None,
        )
        # aiohttp would repeat a GET whose reused connection broke: a second request on one reservation. There is no
        # public switch (aiohttp 3.13); its own test client sets the same attribute.
        session._retry_connection = False
        self._session = session
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
            await self._classify.close()

    async def fetch(self, ids: Sequence[str], page_token: str | None = None) -> Outcome:
        """Ask once for `ids`, as many as the endpoint takes. Network faults are outcomes."""
        if not 0 < len(ids) <= self._endpoint.ids_per_call:
            raise ValueError(f"a call is for 1 to {self._endpoint.ids_per_call} ids, not {len(ids)}")
        async with AsyncExitStack() as held:
            try:
                answer = await self._get(self._url.extend_query(self._endpoint.query(ids, page_token)), held)
            except NETWORK_FAULTS as fault:
                return outcome_of(fault)
            if len(answer.body) > self._max_wire_bytes:
                return Outcome(Verdict.TRY_AGAIN, "body_too_large", http_status=answer.status)
            outcome = await self._classify((answer, ids, self._clock.now(), self._endpoint))
            if outcome.verdict is not Verdict.GOOD:
                return self._without_key(outcome)
            if len(answer.body) <= self._small_bytes:
                return outcome
            held.pop_all()
            return replace(outcome, done_with=self._large.release)

    async def time(self) -> datetime | None:
        """The API's time; None if it is unknown. It costs nothing: no key, no method of the API."""
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        host = self._url.origin()
        timeout = aiohttp.ClientTimeout(total=TIME_PATIENCE_SECONDS)
        try:
            async with self._session.head(host, allow_redirects=False, timeout=timeout) as response:
                return date_of(response.headers.get("Date", ""))
        except NETWORK_FAULTS:
            return None

    async def _get(self, url: URL, held: AsyncExitStack) -> Answer:
        """Send one GET. A body beyond the limit is cut off, and its connection dropped.

        The rest of a large body is read when there is room among the large ones that are held; `held` frees it again.
        """
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        key = {"X-Goog-Api-Key": self._key.get_secret_value()}
        async with self._session.get(url, headers=key, allow_redirects=False) as response:
            chunks: list[bytes] = []
            size = 0
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                if size <= self._small_bytes < size + len(chunk):
                    await held.enter_async_context(self._large)
                size += len(chunk)
                if size > self._max_wire_bytes:
                    response.close()
                    break
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, b"".join(chunks))

    def _without_key(self, outcome: Outcome) -> Outcome:
        """Remove the key from a message: Google names a suspended consumer by its key."""
        key = self._key.get_secret_value()
        if not key:
            return outcome
        message = outcome.message.replace(key, "[hidden]")
        # A message that was cut at its maximum length may end with the beginning of the key.
        for length in range(len(key) - 1, KEY_BEGINNING - 1, -1):
            message = message.replace(f"{key[:length]}…", "[hidden]…")
        return replace(outcome, message=message, reason=outcome.reason.replace(key, "hidden"))


def client_for(
    endpoint: Endpoint, settings: YouTubeSettings, run: RunSettings, key: Secret, clock: Clock, *, proxies: bool
) -> YouTubeClient:
    """The client of an endpoint, as a run uses it; with `proxies`, through the proxy of the environment, if any."""
    return YouTubeClient(
        settings,
        key,
        concurrency=run.concurrency,
        timeout_seconds=run.timeout_seconds,
        clock=clock,
        endpoint=endpoint,
        proxy=proxy_for(settings.base_url) if proxies else None,
    )
