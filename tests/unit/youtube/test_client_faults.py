"""What each fault of the network becomes, and that the key shows in none of them."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from harvester.clock import SystemClock
from harvester.config import YouTubeSettings
from harvester.model import Outcome, Verdict
from harvester.support.secret import Secret
from harvester.youtube import network_errors
from harvester.youtube.client import MAX_WIRE_BYTES, YouTubeClient
from harvester.youtube.network_errors import outcome_of

KEY = "AIza-key-of-the-tests"
IDS = ("aaaaaaaaaaA", "bbbbbbbbbbE")
PAGE = json.dumps({"kind": "youtube#videoListResponse", "items": [{"id": id_} for id_ in IDS]}).encode()
Wire = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def client_of(base_url: str, timeout_seconds: float = 20, max_wire_bytes: int = MAX_WIRE_BYTES) -> YouTubeClient:
    return YouTubeClient(
        YouTubeSettings(base_url=base_url),
        Secret(KEY),
        concurrency=4,
        timeout_seconds=timeout_seconds,
        clock=SystemClock(),
        max_wire_bytes=max_wire_bytes,
    )


@asynccontextmanager
async def wire(talk: Wire) -> AsyncIterator[str]:
    """A bare socket server, for answers that no HTTP server would give."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/youtube/v3"
    finally:
        server.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def request_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def says(body: bytes, length: int | None = None, extra: bytes = b"") -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (
        extra,
        size,
        body,
    )


async def fetch_from(talk: Wire, **more: Any) -> Outcome:
    async with wire(talk) as url, client_of(url, **more) as client:
        return await client.fetch(IDS)


async def test_a_server_that_never_answers() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    outcome = await fetch_from(talk, timeout_seconds=1)
    assert (outcome.verdict, outcome.reason, outcome.sent) == (Verdict.TRY_AGAIN, "timeout", True)


async def test_a_server_that_drips_is_bounded_as_a_whole() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(says(PAGE[:1], length=len(PAGE)))
        for at in range(1, len(PAGE)):
            await writer.drain()
            await asyncio.sleep(0.05)  # pause: it drips
            writer.write(PAGE[at : at + 1])

    outcome = await fetch_from(talk, timeout_seconds=1)
    assert (outcome.reason, outcome.sent) == ("timeout", True)


async def test_cancellation_passes_through() -> None:
    arrived = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with wire(talk) as url, client_of(url) as client:
        task = asyncio.create_task(client.fetch(IDS))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_refused_connection_was_not_sent() -> None:
    async with client_of(f"http://127.0.0.1:{free_port()}") as client:
        outcome = await client.fetch(IDS)
    assert (outcome.verdict, outcome.reason, outcome.sent) == (Verdict.TRY_AGAIN, "connect_failed", False)
    assert "127.0.0.1" in outcome.message


async def test_a_name_that_does_not_resolve_was_not_sent() -> None:
    async with client_of("https://nonexistent.invalid", timeout_seconds=10) as client:
        outcome = await client.fetch(IDS)
    # Where a sandbox drops name queries instead of answering them, the wait for a connection ends first.
    assert outcome.reason in ("dns_failed", "connect_failed")
    assert (outcome.verdict, outcome.sent) == (Verdict.TRY_AGAIN, False)


async def test_a_failed_handshake_was_not_sent() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read(1)

    async with wire(talk) as url, client_of(url.replace("http:", "https:")) as client:
        outcome = await client.fetch(IDS)
    assert (outcome.reason, outcome.sent) == ("tls_failed", False)


async def test_a_handshake_that_hangs_was_not_sent() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    async with wire(talk) as url, client_of(url.replace("http:", "https:"), timeout_seconds=0.4) as client:
        outcome = await client.fetch(IDS)
    assert (outcome.reason, outcome.sent) == ("connect_failed", False)


@pytest.mark.parametrize(
    ("fault", "reason", "sent"),
    [
        (TimeoutError(), "timeout", True),
        (aiohttp.SocketTimeoutError(), "timeout", True),
        (aiohttp.ConnectionTimeoutError(), "connect_failed", False),
        (aiohttp.ServerDisconnectedError(), "disconnected", True),
        (aiohttp.ClientOSError(104, "reset"), "disconnected", True),
        (ConnectionResetError(), "disconnected", True),
        (aiohttp.ClientConnectionResetError(), "disconnected", True),
        (aiohttp.ClientPayloadError(), "cut_body", True),
        (aiohttp.ClientError(), "transport", True),
        (ssl.SSLError(1, "bad record"), "transport", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_faults_by_type(fault: Exception, reason: str, sent: bool) -> None:
    outcome = outcome_of(fault)
    assert (outcome.verdict, outcome.reason, outcome.sent) == (Verdict.TRY_AGAIN, reason, sent)
    assert outcome.message


async def test_no_answer_before_the_end() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)

    outcome = await fetch_from(talk)
    assert (outcome.reason, outcome.sent) == ("disconnected", True)


async def test_a_connection_that_breaks_when_used_again_is_not_asked_twice() -> None:
    asked = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await request_of(reader)
        asked += 1
        writer.write(says(PAGE))
        await request_of(reader)
        asked += 1

    async with wire(talk) as url, client_of(url) as client:
        assert (await client.fetch(IDS)).verdict is Verdict.GOOD
        outcome = await client.fetch(IDS)
    assert (outcome.reason, outcome.sent) == ("disconnected", True)
    assert asked == 2


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"], ids=["length", "chunked"])
async def test_a_body_cut_by_the_network(head: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        if head:
            writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n%x\r\n" % len(PAGE) + PAGE)
        else:
            writer.write(says(PAGE[:30], length=len(PAGE)))

    outcome = await fetch_from(talk)
    assert (outcome.verdict, outcome.reason, outcome.sent) == (Verdict.TRY_AGAIN, "cut_body", True)


async def test_a_body_without_length_cut_in_its_json() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PAGE[:-5])

    assert (await fetch_from(talk)).reason == "cut_body"


async def test_what_is_no_http() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"SSH-2.0-nobody\r\n\r\n")

    outcome = await fetch_from(talk)
    assert (outcome.reason, outcome.sent) == ("bad_http", True)


async def test_a_body_over_the_bound_is_dropped() -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request_of(reader)
        writer.write(says(b"", length=2**40))
        while True:
            writer.write(b" " * 2**16)
            await writer.drain()
            sent += 2**16

    outcome = await fetch_from(talk, max_wire_bytes=2**20)
    assert (outcome.verdict, outcome.reason, outcome.sent) == (Verdict.TRY_AGAIN, "body_too_large", True)
    assert (outcome.http_status, outcome.body) == (200, None)
    assert sent < 2**26


async def test_the_key_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await request_of(reader)
        assert KEY.encode() in head
        writer.write(says(b'{"error": {"message": "%s"}}' % KEY.encode()).replace(b"200 OK", b"403 Forbidden"))

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(f"{KEY}\r\n\r\n".encode())

    shown = [repr(await fetch_from(talk)) for talk in (echo, broken)]
    async with client_of(f"http://127.0.0.1:{free_port()}") as client:
        shown += [repr(client), str(client), repr(await client.fetch(IDS))]
    assert "[hidden]" in shown[0]
    assert KEY not in "\n".join(shown) + caplog.text


def test_each_exception_of_aiohttp_has_a_row_or_does_not_occur() -> None:
    """A new one is decided on here, and not by the fallback `transport`."""
    rows = tuple(kind for kind, *_ in (*network_errors._UNSENT, *network_errors._SENT))
    by_itself = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientHttpProxyError)
    kinds = {
        kind for kind in vars(aiohttp).values() if isinstance(kind, type) and issubclass(kind, aiohttp.ClientError)
    }
    others = {kind.__name__ for kind in kinds if not issubclass(kind, (*rows, *by_itself))}
    bases = {"ClientError", "ClientConnectionError", "ServerConnectionError", "RedirectClientError"}
    of_urls = {"InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError"}
    of_redirects = {"InvalidUrlRedirectClientError", "NonHttpUrlRedirectClientError"}
    assert others == bases | of_urls | of_redirects | {"ServerFingerprintMismatch"}
