"""Memory is bounded by settings: four times the crawl takes no more of it, whichever call brought which video."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from crawled_ledger import Calls, crawled_ledger, in_order, scattered

from harvester.config import ExportSettings
from harvester.export import check_published, export, json_array_reader, verify
from harvester.export.formats import parquet, stored_videos
from harvester.export.formats.csv import write_csv
from harvester.ledger.sqlite.reader import SqliteReader

MOST_GROWTH = 1.3
VIDEOS = 300
"""Of the smaller crawl: enough to fill what is bounded, with the limits of the test."""
LIMITS = [
    (stored_videos, "ROWS_AT_ONCE", 20),
    (stored_videos, "PAGES_HELD", 2),
    (write_csv, "ROWS_IN_A_PIECE", 20),
    (parquet, "BATCH_ROWS", 20),
    (parquet, "ROW_GROUP_ROWS", 60),
    (json_array_reader, "STEP_CHARACTERS", 1 << 14),
    (verify, "_IDS_AT_ONCE", 20),
]
KINDS: dict[str, dict[str, Any]] = {
    "one csv file": {"format": "csv"},
    "one parquet file": {"format": "parquet"},
    "one jsonl file": {"format": "jsonl"},
    "gzip parts": {"format": "json", "compression": "gzip", "max_part_bytes": 100_000},
}


def peak_bytes(ledger: Path, settings: ExportSettings) -> int:
    """The most that Python and Arrow hold at once, to the byte: a process's size has too much else in it."""
    before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        with SqliteReader(ledger) as reader:
            export(reader, settings, ledger_name="l", now=datetime(2026, 11, 23, 12, tzinfo=UTC))
            if settings.format != "parquet":  # its footer grows with the row groups, which are tiny here
                assert check_published(settings.uri, reader, ExportSettings()) == []
        return tracemalloc.get_traced_memory()[1] + pool.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


@pytest.mark.parametrize(
    ("layout", "batch", "kinds"),
    [
        (in_order, 50, ["one csv file", "one parquet file", "gzip parts"]),
        (scattered, 3, ["one jsonl file"]),
    ],
)
def test_four_times_the_crawl_takes_no_more_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: Callable[[int, int], Calls],
    batch: int,
    kinds: list[str],
) -> None:
    for module, limit, value in LIMITS:
        monkeypatch.setattr(module, limit, value)
    for size in (1, 4):
        crawled_ledger(tmp_path / str(size), size * VIDEOS, layout(size * VIDEOS, batch))
    for kind in kinds:
        small, large = (
            peak_bytes(tmp_path / str(size), ExportSettings(uri=str(tmp_path / f"{kind}-{size}"), **KINDS[kind]))
            for size in (1, 4)
        )
        print(f"{kind}: {small:,} and {large:,} bytes, {large / small:.2f} times")
        assert large < MOST_GROWTH * small, kind
