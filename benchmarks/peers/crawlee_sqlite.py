"""Crawlee with its SQL storage on SQLite: the queue of requests and the answers in one database."""

import asyncio
import json
import logging
import sqlite3
import time
import warnings

from contract import HEADERS, full, read_job, tell
from crawlee import ConcurrencySettings, Request
from crawlee.configuration import Configuration
from crawlee.crawlers import HttpCrawler, HttpCrawlingContext
from crawlee.storage_clients import SqlStorageClient

warnings.filterwarnings("ignore", message="The SqlStorageClient is experimental")
logging.disable(logging.WARNING)


async def main() -> None:
    job = read_job()
    database = job.out / "crawlee.db"
    c = job.concurrency
    crawler = HttpCrawler(
        configuration=Configuration(storage_dir=str(job.out), purge_on_start=False),
        storage_client=SqlStorageClient(connection_string=f"sqlite+aiosqlite:///{database}"),
        # one number thrice: it scales neither up nor down
        concurrency_settings=ConcurrencySettings(min_concurrency=c, max_concurrency=c, desired_concurrency=c),
        max_request_retries=0,
        configure_logging=False,
    )

    @crawler.router.default_handler
    async def keep(context: HttpCrawlingContext) -> None:
        await context.push_data(json.loads(await context.http_response.read()))

    began = time.perf_counter()
    await crawler.run([Request.from_url(url, headers=HEADERS) for url in job.urls])
    seconds = time.perf_counter() - began
    with sqlite3.connect(database) as connection:
        kept = connection.execute("SELECT data FROM dataset_records").fetchall()
    ok = sum(full(json.loads(answer)) for (answer,) in kept)
    durable = "queue and answers; the next run first waits out the dead leases"
    tell(job, "crawlee", ok=ok, seconds=seconds, kept="sqlite", durable=durable)


asyncio.run(main())
