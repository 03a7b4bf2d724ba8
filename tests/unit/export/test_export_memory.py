"""Memory is bounded by settings: four times the crawl takes no more of it, whichever call brought which video."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crawled_ledger import Calls, crawled_ledger, in_order, scattered
from waiting import LIMIT_SECONDS

MOST_GROWTH = 1.3
KINDS: dict[str, dict[str, Any]] = {
    "one jsonl file": {"format": "jsonl"},
    "one gzip file": {"format": "json", "compression": "gzip"},
    "one parquet file": {"format": "parquet"},
    "jsonl parts": {"format": "jsonl", "max_part_bytes": 2_000_000},
    "gzip parts": {"format": "json", "compression": "gzip", "max_part_bytes": 500_000},
    "parquet parts": {"format": "parquet", "max_part_bytes": 500_000},
}
# A process of its own for each export, but with the libraries loaded already: so many imports would take longer.
# The smaller crawl fills a group of rows too.
PEAKS = """
import json, os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
import pandas, pyarrow.parquet, zstandard
from harvester.config import ExportSettings
from harvester.export import check_published, export
from harvester.export.formats import parquet
from harvester.ledger.sqlite.reader import SqliteReader

parquet.BATCH_ROWS = parquet.ROW_GROUP_ROWS = 250

def peak_kib(ledger, settings):
    said, say = os.pipe()
    if not os.fork():
        with SqliteReader(Path(ledger)) as reader:
            export(reader, settings, ledger_name="l", now=datetime(2026, 11, 23, 12, tzinfo=UTC))
            if verify:
                assert check_published(settings.uri, reader, ExportSettings()) == []
        os.write(say, b"%d" % resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        os._exit(0)
    os.close(say)
    with open(said) as answer:
        peak = answer.read()
    assert os.wait()[1] == 0
    return int(peak)

folder, kinds, verify = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3] == "verify"
print(json.dumps({
    kind: [peak_kib(f"{folder}/{size}", ExportSettings(uri=f"{folder}/{kind}-{size}", **chosen)) for size in (1, 4)]
    for kind, chosen in kinds.items()
}))
"""


@pytest.mark.parametrize(
    ("layout", "videos", "batch", "kinds", "then"),
    [
        (in_order, 3000, 50, ["one jsonl file", "one parquet file", "gzip parts"], "verify"),
        (scattered, 1600, 3, ["jsonl parts", "parquet parts"], "end"),
    ],
)
def test_four_times_the_crawl_takes_no_more_memory(
    tmp_path: Path, layout: Callable[[int, int], Calls], videos: int, batch: int, kinds: list[str], then: str
) -> None:
    for size in (1, 4):
        crawled_ledger(tmp_path / str(size), size * videos, layout(size * videos, batch))
    line = [sys.executable, "-c", PEAKS, str(tmp_path), json.dumps({kind: KINDS[kind] for kind in kinds}), then]
    peaks = json.loads(subprocess.run(line, capture_output=True, check=True, timeout=LIMIT_SECONDS).stdout)
    assert peaks.keys() == set(kinds)
    for kind, (small, large) in peaks.items():
        print(f"{kind}: {small:,} and {large:,} KiB, {large / small:.2f} times")
        assert large < MOST_GROWTH * small, kind
