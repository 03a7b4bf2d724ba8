"""What every script here is given and what it tells: `python SCRIPT BASE_URL IDS_FILE OUT_DIR CONCURRENCY`."""

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlencode

BATCH = 50
KEY = "any"
PARTS = "snippet,contentDetails,status,statistics,topicDetails"
# Google compresses only for agents that say "gzip" here too
HEADERS = {"X-Goog-Api-Key": KEY, "Accept-Encoding": "gzip", "User-Agent": "peer (gzip)"}


@dataclass(frozen=True)
class Job:
    """One crawl: every id once, fifty to a call."""

    base_url: str
    ids: list[str]
    out: Path
    concurrency: int

    @property
    def batches(self) -> list[list[str]]:
        return [self.ids[start : start + BATCH] for start in range(0, len(self.ids), BATCH)]

    @property
    def urls(self) -> list[str]:
        queries = ({"part": PARTS, "id": ",".join(batch), "prettyPrint": "false"} for batch in self.batches)
        return [f"{self.base_url}/videos?{urlencode(query)}" for query in queries]


def read_job() -> Job:
    """The job as the command line puts it."""
    base_url, ids_file, out, concurrency = sys.argv[1:]
    return Job(base_url, Path(ids_file).read_text().split(), Path(out), int(concurrency))


def tell(job: Job, package: str, *, ok: int, seconds: float, kept: str, durable: str) -> None:
    """One JSON line. `ok` are the calls whose 50 videos were kept, `durable` what outlives a kill -9."""
    reported = {"tool": package, "version": version(package), "calls": len(job.batches), "ok": ok, "seconds": seconds}
    print(json.dumps(reported | {"kept": kept, "durable": durable}), flush=True)


def full(answer: object) -> bool:
    """Whether this is the list of videos of a whole batch."""
    return isinstance(answer, dict) and len(answer.get("items", ())) == BATCH
