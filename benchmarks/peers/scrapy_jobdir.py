"""Scrapy with a JOBDIR, its way to go on after a stop, and a feed of one JSON line an answer."""

import time

import scrapy
from contract import HEADERS, full, read_job, tell
from scrapy.crawler import CrawlerProcess

job = read_job()
feed = job.out / "answers.jsonl"
counts = {"ok": 0}


class Videos(scrapy.Spider):
    name = "videos"

    async def start(self):
        for url in job.urls:
            yield scrapy.Request(url, headers=HEADERS)

    def parse(self, response):
        answer = response.json()
        counts["ok"] += full(answer)
        yield answer


process = CrawlerProcess(
    {
        "JOBDIR": str(job.out / "job"),
        "FEEDS": {feed: {"format": "jsonlines", "encoding": "utf8"}},
        "CONCURRENT_REQUESTS": job.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": job.concurrency,
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "RETRY_ENABLED": False,
        # it would take a fixed port
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "ERROR",
    }
)
began = time.perf_counter()
process.crawl(Videos)
process.start()
seconds = time.perf_counter() - began
with feed.open("rb") as lines:
    assert sum(1 for _ in lines) == counts["ok"], "the feed lacks answers"
durable = "the feed; what its list of seen requests had not flushed is asked again"
tell(job, "scrapy", ok=counts["ok"], seconds=seconds, kept="jsonl", durable=durable)
