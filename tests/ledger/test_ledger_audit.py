"""`verify` finds each way in which a ledger can be inconsistent, in a sentence each; otherwise it finds nothing."""

from __future__ import annotations

import gzip
import hashlib
from contextlib import closing

import pytest
from ledger_kit import NOW, Database, a_batch, a_body, a_fault, a_run, good, video_ids

from harvester.ledger.ledger import Ledger
from harvester.model import GiveBack

IDS = video_ids(310)
"""Of call 1, all but the first two are fetched; call 2 failed for good, 3 was released, 4 is under way, 5 abandoned."""


@pytest.fixture(autouse=True)
async def good_reader(ledger: Ledger, run: int, database: Database) -> None:
    await ledger.add([*IDS, "bad"], ["bad"], 0)
    settled, failed, released, _held = [await a_batch(ledger, run) for _ in range(4)]
    await ledger.settle(settled, good(settled, missing=IDS[:2]), NOW)
    await ledger.give_back(failed, a_fault(), GiveBack.FAIL, NOW)
    await ledger.give_back(released, a_fault(), GiveBack.RELEASE, NOW)
    other = await a_run(ledger)
    await a_batch(ledger, other)
    await ledger.close_run(other, NOW, "stopped")


def found(database: Database) -> list[str]:
    reader = database.reader()
    try:
        return reader.findings()
    finally:
        reader.close()


def put_body(database: Database, data: bytes, *, raw_bytes: int | None = None, items: int = 48) -> None:
    """In the place of call 1's, with a checksum that fits."""
    raw = len(gzip.decompress(data)) if raw_bytes is None else raw_bytes
    database.damage(
        "UPDATE responses SET body = ?, stored_bytes = ?, sha256 = ?, raw_bytes = ?, item_count = ?",
        (data, len(data), hashlib.sha256(data).digest(), raw, items),
    )


def test_a_consistent_ledger_has_no_findings(database: Database) -> None:
    assert found(database) == []


def test_an_empty_ledger_has_no_findings(tmp_path_factory: pytest.TempPathFactory, database: Database) -> None:
    with closing(type(database)(tmp_path_factory.mktemp("empty"))) as empty:  # type: ignore[call-arg]
        assert found(empty) == []


DAMAGE = {
    "a kept count": (
        "UPDATE video_states SET videos = videos + 1 WHERE name = 'pending'",
        ["161 ids are counted as pending, but 160 are."],
    ),
    "from where claims look": (
        "UPDATE video_states SET first_position = first_position + 1 WHERE code = 0",
        [f"{IDS[100]} is pending, but lies before the place from where claims look: it would never be asked for."],
    ),
    "a state": (
        "UPDATE videos SET state = 3 WHERE position = 3",
        [
            "48 ids are counted as fetched, but 47 are.",
            "2 ids are counted as missing, but 3 are.",
            f"{IDS[2]} is missing by call 1, but stands in its response.",
        ],
    ),
    "an id gone": (
        "DELETE FROM videos WHERE position = 3",
        [
            "48 ids are counted as fetched, but 47 are.",
            f"{IDS[2]} stands in the response of call 1, but is not fetched by it.",
        ],
    ),
    "claimed by a call that is closed": (
        "UPDATE videos SET call_id = 3 WHERE position = 151",
        [f"{IDS[150]} is claimed by call 3, which is failed."],
    ),
    "claimed by a call that is not there": (
        "UPDATE videos SET call_id = 99 WHERE position = 151",
        [
            "Row 151 of videos refers to a row of calls that is not there.",
            f"{IDS[150]} is claimed by call 99, which is not there.",
        ],
    ),
    "claimed by no call": (
        "UPDATE videos SET call_id = NULL WHERE position = 151",
        [f"{IDS[150]} is claimed by call None, which is not there."],
    ),
    "fetched by a call that failed": (
        "UPDATE videos SET call_id = 2 WHERE position = 3",
        [
            f"{IDS[2]} is fetched by call 2, which is failed.",
            f"{IDS[2]} stands in the response of call 1, but is not fetched by it.",
        ],
    ),
    "missing by a call under way": (
        "UPDATE videos SET call_id = 4 WHERE position = 1",
        [f"{IDS[0]} is missing by call 4, which is open."],
    ),
    "failed by a call that went well": (
        "UPDATE videos SET call_id = 1 WHERE position = 51",
        [f"{IDS[50]} is failed by call 1, which is ok."],
    ),
    "units": (
        "UPDATE quota_days SET units_reserved = 44",
        ["2026-11-23 counts 44 units, but its calls add up to 55."],
    ),
    "units above the limit": (
        "UPDATE quota_days SET units_limit = 54",
        ["2026-11-23 spent 55 of 54 units."],
    ),
    "calls": (
        "UPDATE quota_days SET calls = 6",
        ["2026-11-23 counts 6 calls, but its calls add up to 5."],
    ),
    "good calls": (
        "UPDATE quota_days SET calls_ok = 0",
        ["2026-11-23 counts 0 good calls, but its calls add up to 1."],
    ),
    "failed calls": (
        "UPDATE quota_days SET calls_failed = 1",
        ["2026-11-23 counts 1 failed call, but its calls add up to 2."],
    ),
    "abandoned calls": (
        "UPDATE quota_days SET calls_abandoned = 0",
        ["2026-11-23 counts 0 abandoned calls, but its calls add up to 1."],
    ),
    "a day without calls": (
        "INSERT INTO quota_days (day, units_limit, units_reserved) VALUES ('2026-11-24', 100, 11)",
        ["2026-11-24 counts 11 units, but its calls add up to 0."],
    ),
    "a response gone": (
        "DELETE FROM responses",
        ["Call 1 was answered, but its response is not stored."],
    ),
    "a response of another call": (
        "UPDATE responses SET call_id = 2",
        [
            "Call 1 was answered, but its response is not stored.",
            "48 ids are fetched by call 1, which has no stored response.",
            *(f"{video_id} stands in the response of call 2, but is not fetched by it." for video_id in IDS[2:7]),
        ],
    ),
    "a checksum": (
        "UPDATE responses SET sha256 = zeroblob(32)",
        ["The stored response of call 1 cannot be read: it does not match its checksum."],
    ),
    "a body": (
        "UPDATE responses SET body = zeroblob(stored_bytes)",
        ["The stored response of call 1 cannot be read: it does not match its checksum."],
    ),
    "a size": (
        "UPDATE responses SET raw_bytes = raw_bytes + 1",
        ["The stored response of call 1 cannot be read: it is {raw} bytes long, not {more}."],
    ),
    "a size too small": (
        "UPDATE responses SET raw_bytes = raw_bytes - 1",
        ["The stored response of call 1 cannot be read: the body is larger than {less} bytes."],
    ),
    "a stored size": (
        "UPDATE responses SET stored_bytes = stored_bytes + 1",
        ["The stored response of call 1 is {stored} bytes long, not {stored_more}."],
    ),
    "an item count": (
        "UPDATE responses SET item_count = 47",
        ["The stored response of call 1 holds 48 items, not 47."],
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_each_damage_is_found_and_said(database: Database, what: str) -> None:
    statement, sentences = DAMAGE[what]
    body = a_body(IDS[2:50])
    raw, stored = body.raw_bytes, len(body.data)
    sizes = {"raw": raw, "more": raw + 1, "less": raw - 1, "stored": stored, "stored_more": stored + 1}
    database.damage(statement)
    assert found(database) == [sentence.format(**sizes) for sentence in sentences]


def test_an_item_that_is_not_in_its_body_is_found(database: Database) -> None:
    put_body(database, a_body(IDS[3:50]).data, items=47)
    assert found(database) == [f"{IDS[2]} is fetched by call 1, but does not stand in its response."]


def test_an_unexpected_id_in_a_body_is_found(database: Database) -> None:
    put_body(database, a_body([*IDS[2:50], "unexpected"]).data, items=49)
    assert found(database) == ["unexpected stands in the response of call 1, but is not fetched by it."]


def test_an_id_of_another_call_in_a_body_is_found(database: Database) -> None:
    put_body(database, a_body([*IDS[2:50], IDS[60]]).data, items=49)
    assert found(database) == [f"{IDS[60]} stands in the response of call 1, but is not fetched by it."]


def test_an_id_twice_in_a_body_is_found(database: Database) -> None:
    put_body(database, a_body([*IDS[2:50], IDS[2]]).data, items=49)
    assert found(database) == ["The response of call 1 holds an id twice."]


NESTED = b'{"items": [], "x": ' + b"[" * 5000 + b"]" * 5000 + b"}"


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"{}", b'{"items": [{"etag": "x"}]}', b'{"items": [{"id": "\xff"}]}', NESTED]
)
def test_a_body_that_is_no_response_is_found(database: Database, raw: bytes) -> None:
    put_body(database, gzip.compress(raw))
    (sentence,) = found(database)
    assert sentence.startswith("The stored response of call 1 cannot be read: ")


def test_a_body_with_half_a_character_is_as_good_as_another(database: Database) -> None:
    raw = a_body(IDS[2:50]).raw()
    put_body(database, gzip.compress(raw.replace(b'"items"', rb'"cut": "\ud83d", "items"', 1)))
    assert found(database) == []


def test_a_body_cut_short_is_found(database: Database) -> None:
    whole = a_body(IDS[2:50])
    put_body(database, whole.data[:-20], raw_bytes=whole.raw_bytes)
    cut = "the body ends in the middle of its compressed data"
    assert found(database) == [f"The stored response of call 1 cannot be read: {cut}."]


def test_of_many_findings_of_a_kind_a_few_are_shown(database: Database) -> None:
    database.damage("UPDATE videos SET call_id = 2 WHERE state = 1")
    assert found(database) == [f"{video_id} is claimed by call 2, which is failed." for video_id in IDS[150:155]]
