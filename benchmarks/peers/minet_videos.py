"""`minet youtube videos`, its command as it is, one call after another: it has no setting for more.

Nor has it one for the API's address, so that is put in its place here. And it dies on a video without a duration, as
the API returns some: here each has one, so that the crawl comes to its end.
"""

import csv
import sys
import time

from contract import BATCH, KEY, read_job, tell
from minet.cli.__main__ import main
from minet.youtube.types import YouTubeVideo
from minet.youtube.urls import YouTubeAPIURLFormatter

job = read_job()
YouTubeAPIURLFormatter.BASE_URL = job.base_url
from_payload = YouTubeVideo.from_payload


def with_duration(payload: dict) -> YouTubeVideo:
    payload["contentDetails"].setdefault("duration", "PT0S")
    return from_payload(payload)


YouTubeVideo.from_payload = with_duration
given, out = job.out / "ids.csv", job.out / "videos.csv"
given.write_text("\n".join(["video", *job.ids, ""]))
sys.argv = ["minet", "youtube", "videos", "video", "-i", str(given), "-o", str(out), "-k", KEY, "--silent"]
began = time.perf_counter()
try:
    main()
except SystemExit as end:
    if end.code:
        raise
seconds = time.perf_counter() - began
with out.open(newline="") as lines:
    found = sum(bool(row["title"]) for row in csv.DictReader(lines))
durable = "rows written until then; a restart begins anew and truncates them"
tell(job, "minet", ok=found // BATCH, seconds=seconds, kept="csv, chosen columns", durable=durable)
