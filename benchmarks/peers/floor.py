"""The floor: a bare aiohttp client that reads every body, gunzips it and throws it away. In harvester's environment."""

import asyncio
import time

import aiohttp
from contract import HEADERS, read_job, tell
from yarl import URL


async def main() -> None:
    job = read_job()
    urls = iter([URL(url, encoded=True) for url in job.urls])
    good = 0
    connector = aiohttp.TCPConnector(limit=job.concurrency)
    began = time.perf_counter()
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def lane() -> None:
            nonlocal good
            for url in urls:
                async with session.get(url) as response:
                    good += response.status == 200 and len(await response.read()) > 0

        await asyncio.gather(*(lane() for _ in range(job.concurrency)))
    seconds = time.perf_counter() - began
    tell(job, "aiohttp", ok=good, seconds=seconds, kept="nothing", durable="nothing")


asyncio.run(main())
