"""Videos as they were sent: the simulator's, and real ones where they are."""

from __future__ import annotations

import gzip
from functools import cache

from outside_data import outside_data

from harvester.simulator import Content, make_ids

RECORDED = "recorded_videos.jsonl.gz"


@cache
def synthetic_videos(count: int = 400) -> tuple[bytes, ...]:
    """The simulator's."""
    return tuple(Content(1).items(list(make_ids(1, count))))


@cache
def recorded_videos() -> tuple[bytes, ...]:
    """As the API sent them, each id once."""
    lines = gzip.decompress(outside_data(RECORDED).read_bytes()).splitlines()
    by_id = {line.partition(b'"id": "')[2][:11]: line for line in lines}
    return tuple(by_id.values())
