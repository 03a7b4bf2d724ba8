"""Loading: first-seen order, duplicates, texts that are no ids, and loads that are repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_kit import NOW, Database, a_batch, counts, good, states, video_ids

from harvester.errors import SourceUnavailable
from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.ledger.records import Loaded
from harvester.loader import load
from harvester.model import Addition, VideoState
from harvester.sources.classify_ids import IdChunk, is_video_id


def chunks_of(ids: Sequence[str], size: int = 40) -> list[IdChunk]:
    parts = [list(dict.fromkeys(ids[start : start + size])) for start in range(0, len(ids), size)]
    return [IdChunk(size, part, frozenset(i for i in part if not is_video_id(i)), ()) for part in parts]


def load_order(database: Database) -> list[tuple[int, str]]:
    return [(row[0], row[1]) for row in database.dump()["videos"]]


async def test_positions_are_dense_and_in_first_seen_order(ledger: Ledger, database: Database) -> None:
    a, b, c, d, e = video_ids(5)
    assert await ledger.add([d, a, d, c, a], [], 0) == Addition(3, 0, [])
    assert await ledger.add([c, b, a, e, b], [], 0) == Addition(2, 0, [])
    assert load_order(database) == [(1, d), (2, a), (3, c), (4, b), (5, e)]
    assert await ledger.last_position() == 5


async def test_an_empty_ledger_has_no_position(ledger: Ledger) -> None:
    assert await ledger.last_position() == 0
    assert await ledger.add([], [], 0) == Addition(0, 0, [])
    assert await ledger.last_position() == 0


async def test_invalid_texts_take_their_place_and_are_never_asked_for(
    ledger: Ledger, run: int, reader: LedgerReader
) -> None:
    a, b = video_ids(2)
    strange = ["", "https://youtu.be/x", "'; DROP TABLE videos; --", "🎵" * 20, '"\\']
    addition = await ledger.add([strange[0], a, *strange[1:], b, ""], strange, 0)
    assert addition == Addition(7, 5, [])
    assert await counts(ledger) == {"pending": 2, "invalid": 5}
    assert (await a_batch(ledger, run)).ids == (a, b)
    assert set(await states(ledger, strange)) == {VideoState.INVALID}
    assert reader.findings() == []


async def test_ids_that_differ_only_by_case_are_different(ledger: Ledger, run: int) -> None:
    ids = ["abcdefghij0", "ABCDEFGHIJ0", "aBcDeFgHiJ0"]
    assert (await ledger.add(ids, [], 0)).new == 3
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch, missing=[ids[1]]), NOW)
    assert await states(ledger, ids) == [VideoState.FETCHED, VideoState.MISSING, VideoState.FETCHED]
    assert await ledger.find(["ABCDEFGHIj0"]) == {}


async def test_ids_that_look_like_numbers_stay_texts(ledger: Ledger) -> None:
    ids = ["00000000001", "1", "1.0", "1e3", "0x10", "null", "true"]
    await ledger.add(ids, [], 0)
    places = await ledger.find(ids)
    assert [places[text].position for text in ids] == list(range(1, 8))


async def test_a_nul_does_not_end_a_text(ledger: Ledger, reader: LedgerReader) -> None:
    """Or else an invalid text would take the place of an id that begins like it, and the id would be lost."""
    (a,) = video_ids(1)
    strange = [a + "\0", a + "\0x", "\0", "\0\0", "\U000f0000"]
    assert await ledger.add([*strange, a], strange, 0) == Addition(6, 5, [])
    places = await ledger.find([*strange, a])
    assert [places[text].state for text in [*strange, a]] == [VideoState.INVALID] * 5 + [VideoState.PENDING]
    again = await ledger.add([*strange, a], strange, 6)
    assert again == Addition(0, 0, [(1, True), (2, True), (3, True), (4, True), (5, True), (6, False)])
    assert reader.findings() == []


async def test_what_is_no_unicode_is_refused_before_anything_is_stored(ledger: Ledger, database: Database) -> None:
    """Stored, it could never be read again, nor could its neighbours."""
    before = database.dump()
    with pytest.raises(UnicodeEncodeError):
        await ledger.add([*video_ids(1), "\ud800"], ["\ud800"], 0)
    assert database.dump() == before


async def test_ids_known_from_earlier_loads_are_told_apart_from_those_of_this_one(ledger: Ledger) -> None:
    a, b, c, d = video_ids(4)
    await ledger.add([a, "bad", b], ["bad"], 0)
    start = await ledger.last_position()
    assert await ledger.add([b, c], [], start) == Addition(1, 0, [(3, False)])
    addition = await ledger.add([c, "bad", a, d], ["bad"], start)
    assert (addition.new, addition.new_invalid) == (1, 0)
    assert sorted(addition.known) == [(1, False), (2, True)]


async def test_adding_again_leaves_every_state_alone(ledger: Ledger, run: int, database: Database) -> None:
    ids = video_ids(60)
    await ledger.add(ids, [], 0)
    batch = await a_batch(ledger, run)
    await ledger.settle(batch, good(batch, missing=batch.ids[:5]), NOW)
    before = database.dump()
    assert (await ledger.add(ids, [], 60)).new == 0
    assert database.dump() == before


async def test_repeated_after_a_cut_it_ends_as_if_it_had_not_been_cut(ledger: Ledger, database: Database) -> None:
    ids = [*video_ids(100), *video_ids(100, start=50), "bad", "bad", *video_ids(100, start=120)]
    for cut in (1, 3, 5):
        await load(ledger, chunks_of(ids)[:cut])
    await load(ledger, chunks_of(ids))
    assert load_order(database) == list(enumerate(dict.fromkeys(ids), 1))
    before = database.dump()
    repeated = await load(ledger, chunks_of(ids))
    assert repeated == Loaded(320, 221, 0, 221, 1, ("bad",))
    assert database.dump() == before


async def test_what_was_read_before_the_source_failed_is_in_the_ledger(ledger: Ledger, database: Database) -> None:
    ids = video_ids(80)

    def failing() -> Iterator[IdChunk]:
        yield from chunks_of(ids)
        raise SourceUnavailable("It ended in the middle.")

    with pytest.raises(SourceUnavailable):
        await load(ledger, failing())
    assert load_order(database) == list(enumerate(ids, 1))


async def test_a_ledger_that_fails_is_told_even_if_the_source_fails_too(ledger: Ledger) -> None:
    def failing() -> Iterator[IdChunk]:
        yield IdChunk(1, ["\ud800"], frozenset({"\ud800"}), ())
        raise SourceUnavailable("It ended in the middle.")

    with pytest.raises(UnicodeEncodeError) as caught:
        await load(ledger, failing())
    assert isinstance(caught.value.__context__, SourceUnavailable)


async def test_a_source_without_rows(ledger: Ledger) -> None:
    assert await load(ledger, []) == Loaded(0, 0, 0, 0, 0)


TEXTS = st.one_of(
    st.sampled_from(video_ids(12)),
    st.text(max_size=4),
    st.text(st.sampled_from("\0\x01\"\\'🎵\U000f0000"), max_size=3),
)


@given(first=st.lists(TEXTS, max_size=30), second=st.lists(TEXTS, max_size=30))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_whatever_the_texts_are_each_is_there_once(
    ledger: Ledger, database: Database, first: list[str], second: list[str]
) -> None:
    """The ledger of the examples before is the ledger that was there already."""
    before = [text for _, text in load_order(database)]
    start = await ledger.last_position()
    for ids in (first, second):
        await ledger.add(ids, [text for text in ids if not is_video_id(text)], start)
    order = load_order(database)
    assert order == list(enumerate(dict.fromkeys([*before, *first, *second]), 1))
    found = await ledger.find([text for _, text in order])
    assert {text: place.position for text, place in found.items()} == {text: position for position, text in order}
    invalid = sum(not is_video_id(text) for _, text in order)
    expected = {"pending": len(order) - invalid, "invalid": invalid}
    assert await counts(ledger) == {state: count for state, count in expected.items() if count}
