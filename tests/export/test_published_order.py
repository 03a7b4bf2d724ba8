"""What is published depends on what was loaded and what was fetched, and not on which call brought it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crawled_ledger import Calls, crawled_ledger, in_order, scattered
from memory_reader import MemoryReader
from published import page_of, publish, reader_of
from sent import synthetic_videos

from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import EVERYTHING, Span

VIDEOS = 330


def shuffled(videos: int) -> Calls:
    """Batches of any size, in any order, of ids from anywhere."""
    rng = random.Random(5)
    positions = list(range(1, videos + 1))
    rng.shuffle(positions)
    calls = []
    while positions:
        size = rng.randint(1, 50)
        calls.append(sorted(positions[:size]))
        del positions[:size]
    return calls


class Refetched(MemoryReader):
    """The videos in this load order, each in the newest of the responses that hold it."""

    def __init__(self, pages: Sequence[bytes], order: Sequence[str]) -> None:
        super().__init__(reader_of(pages).stored)
        newest = {video_id: call_id for rows in super().fetched(EVERYTHING, 10**6) for video_id, call_id in rows}
        self._rows = [(video_id, newest[video_id]) for video_id in order]

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        rows = self._rows[span.first - 1 : span.last]
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


@pytest.mark.parametrize("other", [scattered, shuffled], ids=["scattered", "shuffled"])
def test_ledgers_that_asked_otherwise_publish_the_same(tmp_path: Path, other: Callable[[int], Calls]) -> None:
    lines, tables = [], []
    for name, calls in (("undisturbed", in_order(VIDEOS)), ("other", other(VIDEOS))):
        folder = tmp_path / name
        folder.mkdir()
        ids = crawled_ledger(folder / "harvest.db", VIDEOS, calls)
        with SqliteReader(folder / "harvest.db") as reader:
            lines.append(publish(reader, folder, "jsonl").read_bytes())
            tables.append(table_of(publish(reader, folder, "parquet")))
        fetched = tables[-1]["id"].to_pylist()
        assert fetched == [video_id for video_id in ids if video_id in set(fetched)]
        assert len(fetched) > VIDEOS * 0.8
    assert lines[0] == lines[1]
    assert tables[0].equals(tables[1])


def test_videos_that_were_fetched_again_stay_in_their_places(tmp_path: Path) -> None:
    named = {json.loads(raw)["id"]: raw for raw in synthetic_videos()[:300]}
    stale = [raw.replace(b'"statistics"', b'"stale"') for raw in named.values()]
    pages = [page_of(stale[start : start + 40]) for start in range(0, 300, 40)]
    mixed = list(named.values())
    random.Random(7).shuffle(mixed)
    pages += [page_of(mixed[start : start + 17]) for start in range(0, 300, 17)]
    publish(Refetched(pages, list(named)), tmp_path, "jsonl")
    assert (tmp_path / "songs.jsonl").read_bytes() == b"".join(raw + b"\n" for raw in named.values())
    assert table_of(publish(Refetched(pages, list(named)), tmp_path, "parquet"))["id"].to_pylist() == list(named)


def table_of(file: Path) -> pa.Table:
    """All but `fetched_at`."""
    return pq.read_table(file).drop_columns(["fetched_at"])
