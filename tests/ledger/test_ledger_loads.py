"""The table of loads: each source that was read, what it brought, and whether it was read to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NoReturn

import pytest
from ledger_kit import NOW, Database, counts, video_ids

from harvester import loader
from harvester.errors import LedgerUnusable, SourceUnavailable
from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.loader import load, load_all
from harvester.model import Addition
from harvester.sources.classify_ids import IdChunk, is_video_id
from harvester.support.addresses import source_name

WRITTEN = "2026-11-23T10:30:00.000000Z"


def chunk(ids: Sequence[str]) -> IdChunk:
    return IdChunk(len(ids), list(dict.fromkeys(ids)), frozenset(i for i in ids if not is_video_id(i)), ())


async def test_a_load_is_entered_with_what_it_brought(ledger: Ledger, database: Database, reader: LedgerReader) -> None:
    ids = video_ids(6)
    first = [chunk([*ids[:3], "bad", ids[0]]), chunk([ids[0], ids[3]])]
    await load(ledger, first, source="first.csv", now=lambda: NOW)
    await load(ledger, [chunk([*ids[2:5], "bad", "worse"])], source="second.csv", now=lambda: NOW)
    dump = database.dump()
    assert dump["loads"] == [
        (1, "first.csv", WRITTEN, 7, 5, 1, 0, WRITTEN),
        (2, "second.csv", WRITTEN, 5, 2, 1, 0, WRITTEN),
    ]
    assert [(row[1], row[-1]) for row in dump["videos"]] == [
        *((text, 1) for text in (*ids[:3], "bad", ids[3])),
        (ids[4], 2),
        ("worse", 2),
    ]
    assert reader.findings() == []


async def test_a_load_that_was_cut_off_counts_what_it_brought_and_has_no_end(
    ledger: Ledger, database: Database
) -> None:
    def failing() -> Iterator[IdChunk]:
        yield chunk(video_ids(3))
        raise SourceUnavailable("It ended in the middle.")

    with pytest.raises(SourceUnavailable):
        await load(ledger, failing(), source="cut.csv", now=lambda: NOW)
    assert database.dump()["loads"] == [(1, "cut.csv", WRITTEN, 3, 3, 0, 0, None)]
    assert await counts(ledger) == {"pending": 3}


async def test_a_source_is_closed_where_the_ledger_can_t_be_opened() -> None:
    closed = []

    def source() -> Generator[IdChunk, None, None]:
        try:
            yield chunk(video_ids(3))
        finally:
            closed.append("at once")

    def opening() -> NoReturn:
        raise LedgerUnusable("It can't be opened.")

    with pytest.raises(LedgerUnusable) as raised:  # which holds all that was under way
        await load_all(opening, [("ids.csv", source())])
    assert closed == ["at once"], raised


async def test_what_was_read_ahead_is_in_the_ledger_where_the_source_fails(ledger: Ledger, database: Database) -> None:
    ids = video_ids(6)

    def failing() -> Iterator[IdChunk]:
        for start in range(0, 6, 2):
            yield chunk(ids[start : start + 2])
        raise SourceUnavailable("It ended in the middle.")

    with pytest.raises(SourceUnavailable):
        await load(ledger, failing(), source="cut.csv", now=lambda: NOW)
    assert [row[1] for row in database.dump()["videos"]] == ids


async def test_no_more_is_read_ahead_than_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "READ_AHEAD_IDS", 5)
    read: list[str] = []
    added: list[Sequence[str]] = []
    most_ahead = 0

    class SlowLedger:
        async def last_position(self) -> int:
            return 0

        async def add(self, ids: Sequence[str], *_: Any) -> Addition:
            nonlocal most_ahead
            for _ in range(50):  # far longer than it takes to read on
                await asyncio.sleep(0)
            most_ahead = max(most_ahead, len(read) - sum(map(len, added)))
            added.append(ids)
            return Addition(len(ids), 0, ())

    def chunks() -> Iterator[IdChunk]:
        for video_id in video_ids(30):
            read.append(video_id)
            yield chunk([video_id])

    loaded = await load(SlowLedger(), chunks())  # type: ignore[arg-type]
    assert (loaded.rows, loaded.new, most_ahead) == (30, 30, 6)
    assert [video_id for ids in added for video_id in ids] == read


async def test_ids_of_earlier_versions_have_no_load(ledger: Ledger, database: Database, reader: LedgerReader) -> None:
    await ledger.add(video_ids(2), [], 0)
    assert [row[-1] for row in database.dump()["videos"]] == [None, None]
    assert reader.findings() == []


async def test_a_load_whose_ids_do_not_add_up_is_found(
    ledger: Ledger, database: Database, reader: LedgerReader
) -> None:
    await load(ledger, [chunk(video_ids(4))], source="ids.csv", now=lambda: NOW)
    database.damage("UPDATE loads SET new = 5")
    assert reader.findings() == ["Load 1 brought 5 ids of which 0 were removed, but 4 are there."]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("-", "standard input"),
        ("songs/list.csv", "songs/list.csv"),
        ("s3://bucket/key.csv", "s3://bucket/key.csv"),
        ("https://user:word@host:8443/ids.csv?token=secret", "https://host:8443/ids.csv"),
        ("list\x1b[31m.csv", "list [31m.csv"),
    ],
)
def test_a_source_is_named_without_secrets(uri: str, name: str) -> None:
    assert source_name(uri) == name
