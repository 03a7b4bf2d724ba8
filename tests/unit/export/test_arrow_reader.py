"""Columns by Arrow's reader: what it takes for granted, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from waiting import LIMIT_SECONDS

from harvester.errors import LedgerDamaged
from harvester.export.formats import arrow_reader
from harvester.export.formats.arrow_reader import ArrowReader
from harvester.export.formats.arrow_schema import schema
from harvester.export.formats.stored_videos import Lines

NOW = datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC)
LIVE = {
    "id": "live",
    "liveStreamingDetails": {"scheduledStartTime": "2020-02-29T01:02:03Z"},
    "status": {"license": "x"},
}


def read(*videos: object, reader: ArrowReader | None = None) -> pa.RecordBatch:
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in videos]
    batch = (reader or ArrowReader()).batch(Lines(lines, [NOW] * len(lines)))
    batch.validate(full=True)
    assert batch.schema == schema()
    return batch


def test_rare_fields_have_their_types_whichever_batch_brings_them_first() -> None:
    reader = ArrowReader()
    for videos in ([{"id": "a"}], [LIVE], [{"id": "b"}], [LIVE, {"id": "c"}]):
        found = read(*videos, reader=reader).column("liveStreamingDetails_scheduledStartTime").to_pylist()
        wanted = datetime(2020, 2, 29, 1, 2, 3, tzinfo=UTC)
        assert found == [wanted if video is LIVE else None for video in videos]


def test_threads_that_meet_a_rare_field_together_disturb_none_of_each_other() -> None:
    for _ in range(20):
        reader = ArrowReader()
        with ThreadPoolExecutor(4) as pool:
            batches = list(pool.map(reader.batch, [Lines([json.dumps(LIVE).encode()] * 50, [NOW] * 50)] * 8))
        assert all(batch == batches[0] for batch in batches)


def test_one_odd_row_changes_none_beside_it() -> None:
    plain = [{"id": f"{number}", "statistics": {"viewCount": str(number)}} for number in range(100)]
    odd = [
        b'{"id": "x", "statistics": {"viewCount": "1", "viewCount": "7"}}',
        {"id": "y", "statistics": {"viewCount": -1}},
    ]
    batch = read(*plain[:50], *odd, *plain[50:])
    assert batch.column("statistics_viewCount").to_pylist() == [*range(50), 7, None, *range(50, 100)]
    rest = batch.column("other_json").to_pylist()
    assert [row for row, each in enumerate(rest) if each is not None] == [51]
    assert rest[51] == '{"statistics":{"viewCount":-1}}'


def test_unknown_fields_that_contradict_each_other_are_kept_all() -> None:
    news = [b"1", b'"one"', b"[1]", b'{"a":1}', b"true", b"1.50", b"null"]
    batch = read(*(b'{"id":"%d","new":%b,"snippet":{"title":"t"}}' % (row, new) for row, new in enumerate(news)))
    assert batch.column("other_json").to_pylist() == [f'{{"new":{new.decode()}}}' for new in news]
    assert batch.column("snippet_title").to_pylist() == ["t"] * len(news)


def test_null_is_told_from_nothing_and_from_the_word() -> None:
    batch = read(
        b'{"id":"a","snippet":{"title": \n null}}'.replace(b"\n", b" "),
        {"id": "b", "snippet": {"title": "null, :null,null"}},
        b'{"id":"c","snippet":{"tags":["a",null]}}',
        {"id": "d"},
    )
    assert batch.column("other_json").to_pylist() == [
        '{"snippet":{"title":null}}',
        None,
        '{"snippet":{"tags":["a",null]}}',
        None,
    ]


def test_what_is_no_video_is_damage() -> None:
    for text in (b'{"id":"a","snippet":{"title":"\xff"}}', b'{"id":5}', b"[]"):
        with pytest.raises(LedgerDamaged):
            read(b'{"id":"b"}', text)


def test_pandas_is_not_imported_for_it() -> None:
    """48 MB, which would be a third of what an export may take."""
    program = """
import sys
from datetime import UTC, datetime
from harvester.export.formats.arrow_reader import ArrowReader
from harvester.export.formats.stored_videos import Lines
video = b'{"id":"-a","new":1,"snippet":{"publishedAt":"2020-01-01T00:00:00Z","tags":["a"]},"contentDetails":' \
    b'{"duration":"PT1M","caption":"true","contentRating":{"ytRating":"x"}},"statistics":{"viewCount":"5"}}'
ArrowReader().batch(Lines([video] * 3, [datetime(2020, 1, 1, tzinfo=UTC)] * 3))
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.stdout.strip() == "False", done.stderr


def test_every_null_is_found_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_reader, "WINDOW", 16)
    for before in range(40):
        text = b" " * before + b":null" + b"nul" * 3
        assert arrow_reader._places(text) == [before + 1]
        assert arrow_reader._places(b" " * before + b":null") == [before + 1]
        assert list(arrow_reader._with_null(b"\n" + text)) == [1]
    assert [arrow_reader._places(b"null"[:length]) for length in range(5)] == [[], [], [], [], [0]]
