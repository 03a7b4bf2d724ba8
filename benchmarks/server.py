"""A server that stands for the API as cheaply as can be, so that it is never what is measured.

Whole answers are made before it serves: header and gzipped body of each batch of 50 consecutive ids, found by the ids
as they stand in the URL. It knows no key, no quota and no fault: those are for the simulator, which lends the content.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import os
import re
import subprocess
import sys
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from isal import isal_zlib

from harvester.simulator import Content, make_ids
from harvester.simulator.content.render import render_list

BATCH = 50
HOST = "127.0.0.1"
BASE_PATH = "/youtube/v3"

_IDS = re.compile(rb"/videos\?(?:[^ ]*&)?id=([^& ]+)")
_TAKES_GZIP = re.compile(rb"\r\naccept-encoding:[^\r]*gzip", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_ENCODED_COMMA = re.compile(rb"%2c", re.IGNORECASE)
# 240 KB become 36, in a sixth of the time that zlib takes for as much
_DEFLATE_LEVEL = 1


class Answers:
    """Every answer of a crawl of `calls` batches, ready to be written, and how often they were asked for."""

    def __init__(self, calls: int, seed: int) -> None:
        content = Content(seed, missing_share=0)
        ids = list(make_ids(seed, calls * BATCH))
        self.served = 0
        self.unknown = 0
        self._by_ids: dict[bytes, bytes] = {}
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            body = isal_zlib.compress(render_list(content, batch), _DEFLATE_LEVEL, 16 + isal_zlib.MAX_WBITS)
            self._by_ids[",".join(batch).encode()] = _http(body, gzipped=True)

    def find(self, head: bytes) -> bytes:
        """The answer to the request with this head; 404 for ids in any other grouping."""
        if head.startswith(b"GET /counts "):
            return _http(json.dumps({"calls": self.served, "unknown": self.unknown}).encode())
        if head.startswith(b"HEAD "):  # a run asks for the time first
            return _http(b"")
        asked = _IDS.search(head)
        answer = self._by_ids.get(_ENCODED_COMMA.sub(b",", asked[1])) if asked else None
        if answer is None:
            self.unknown += 1
            return _http(b'{"error":{"code":404,"message":"not one of the batches"}}', status=b"404 Not Found")
        self.served += 1
        if _TAKES_GZIP.search(head):
            return answer
        return _http(gzip.decompress(answer.partition(b"\r\n\r\n")[2]))


def _http(body: bytes, *, status: bytes = b"200 OK", gzipped: bool = False) -> bytes:
    encoding = b"Content-Encoding: gzip\r\n" if gzipped else b""
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json; charset=UTF-8\r\n%bContent-Length: %d\r\n\r\n"
    return head % (status, encoding, len(body)) + body


class Connection(asyncio.Protocol):
    """One client's connection: requests without a body, one after another or many at once."""

    def __init__(self, answers: Answers, latency_seconds: float) -> None:
        self._answers = answers
        self._latency_seconds = latency_seconds
        self._unread = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._unread = (self._unread + data).split(b"\r\n\r\n")
        if not heads:
            return
        out = b"".join([self._answers.find(head) for head in heads]) if heads[1:] else self._answers.find(heads[0])
        last = _CLOSE.search(heads[-1]) is not None
        if self._latency_seconds:
            asyncio.get_running_loop().call_later(self._latency_seconds, self._write, out, last)
        else:
            self._write(out, last)

    def _write(self, out: bytes, last: bool) -> None:
        assert self._transport is not None
        self._transport.write(out)
        if last:
            self._transport.close()


class BenchServer:
    """The server as a child process: `with BenchServer(calls=1000) as server: server.base_url`.

    `ids` are all ids that it knows, in the order to ask for them: fifty by fifty.
    """

    def __init__(self, calls: int, *, latency_ms: int = 0, seed: int = 1) -> None:
        self.base_url = ""
        self.ids = list(make_ids(seed, calls * BATCH))
        self._options = [f"--calls={calls}", f"--latency-ms={latency_ms}", f"--seed={seed}"]
        self._child: subprocess.Popen[str] | None = None

    def counts(self) -> dict[str, Any]:
        """How many calls it has answered, and how many asked for something else."""
        connection = HTTPConnection(urlsplit(self.base_url).netloc, timeout=10)
        try:
            connection.request("GET", "/counts")
            counts: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return counts

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.server", *self._options]
        top = Path(__file__).parents[1]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=top, text=True)
        assert self._child.stdout is not None
        self.base_url = self._child.stdout.readline().strip()
        if not self.base_url:
            self.__exit__(None, None, None)
            raise RuntimeError("the server ended before it served")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child is not None
        # its standard input ends, and so does it
        self._child.communicate()
        self._child = None


async def serve(calls: int, latency_ms: int, seed: int) -> None:
    """Serve until standard input ends; the first line on stdout is the base URL."""
    answers = Answers(calls, seed)
    gc.freeze()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def read_stdin() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            ended.set()

    loop.add_reader(0, read_stdin)
    server = await loop.create_server(partial(Connection, answers, latency_ms / 1000), HOST, 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(f"http://{HOST}:{port}{BASE_PATH}", flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="batches of 50 ids that it can be asked for")
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(serve(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
