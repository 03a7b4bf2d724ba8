"""What is accepted can be read by everyone who reads it later: mutated answers, and every reader of those accepted.

`HARVESTER_TEST_MUTATIONS=1000000 pytest -s tests/unit/youtube/test_validate_body.py` tries so many and tells what
became of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.json
import pytest
import simdjson
from answer_mutations import ASKED, mutated_answer

from harvester.export.formats.arrow_reader import ArrowReader
from harvester.export.formats.csv.write_csv import HEADER, row_by_fields, text_of
from harvester.export.formats.stored_videos import Excerpt, Lines, on_one_line, videos_of, with_statistics
from harvester.export.read_back import ids_in
from harvester.ledger import verify
from harvester.model import Answer, Body, StoredResponse, Verdict
from harvester.report.page.videos import sample
from harvester.support.json_text import parse_text, without_lone_surrogates
from harvester.youtube.classify import classify

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANSWERS = int(os.environ.get("HARVESTER_TEST_MUTATIONS", "1200"))
REASONS = {"ok", "bad_json", "cut_body", "wrong_kind", "no_items", "bad_item", "unexpected_id", "id_twice"}
REASONS |= {"name_twice", "too_deep", "bad_number"}

_ID = pa.schema([("id", pa.string())])
_ARROW_PAGE = pa.schema([("items", pa.list_(pa.struct([("id", pa.string())])))])


def by_arrow(text: bytes, schema: pa.Schema) -> list[dict[str, Any]]:
    """As who reads millions of lines does it: the columns are named, and nothing is guessed from the first lines."""
    options = pyarrow.json.ParseOptions(
        explicit_schema=schema, unexpected_field_behavior="ignore", newlines_in_values=True
    )
    rows: list[dict[str, Any]] = pyarrow.json.read_json(io.BytesIO(text), parse_options=options).to_pylist()
    return rows


def ids_of(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]


def lines_of(body: bytes) -> list[bytes]:
    return [on_one_line(raw) + b"\n" for raw in parse_text(videos_of, body).values()]


def in_json(body: bytes) -> list[str]:
    return list(ids_in(io.BytesIO(b"[" + body + b"," + body + b"]\n"), "json", "none"))[: len(ids_of(json.loads(body)))]


def in_parquet(body: bytes) -> list[str]:
    lines = [line.removesuffix(b"\n") for line in lines_of(body)]
    if not lines:
        return []
    columns = ArrowReader().batch(Lines(lines, [NOW] * len(lines)))
    columns.validate(full=True)
    for rest in columns.column("other_json").to_pylist():
        assert rest is None or json.loads(rest)
    ids: list[str] = columns.column("id").to_pylist()
    return ids


def in_csv(body: bytes) -> list[str]:
    """Usual videos have a shorter way to their rows; the bytes are those of the long one."""
    lines = {video_id: on_one_line(raw) for video_id, raw in parse_text(videos_of, body).items()}
    stored = StoredResponse(1, 1, Body(body, "identity", len(body), hashlib.sha256(body).digest(), 0), NOW)
    videos, text = text_of(Excerpt([(video_id, 1) for video_id in lines], [stored], []), safe=False)
    assert text == b"".join(row_by_fields(line, NOW, safe=False) for line in lines.values())
    assert videos == len(lines)
    return list(ids_in(io.BytesIO(HEADER + text), "csv", "none"))


def in_sample(body: bytes) -> list[str]:
    stored = Body(body, "identity", len(body), hashlib.sha256(body).digest(), 0)
    return [video.video_id for video in sample([StoredResponse(1, 1, stored, NOW)], 50)]


def with_newer(body: bytes) -> list[str]:
    newest = b'{"items":[{"id":"aaaaaaaaaaA","statistics":{"viewCount":"7"}}]}'
    renewed = json.loads(parse_text(with_statistics, body, newest))
    for item in renewed["items"]:
        assert item["id"] != "aaaaaaaaaaA" or item["statistics"]["viewCount"] == "7"
    return ids_of(renewed)


def as_newer(body: bytes) -> list[str]:
    """As if it were the statistics."""
    before = json.dumps({"items": [{"id": video_id} for video_id in ids_of(json.loads(body))]}).encode()
    return ids_of(json.loads(parse_text(with_statistics, before, body)))


Reader = Callable[[bytes], Iterable[str]]
PARSERS: dict[str, Reader] = {
    "msgspec": lambda text: ids_of(msgspec.json.decode(text)),
    "simdjson": lambda text: ids_of(simdjson.Parser().parse(text, recursive=True)),
    "Arrow": lambda text: ids_of(by_arrow(text, _ARROW_PAGE)[0]),
}
"""They refuse texts with lone surrogates, as is documented: those are read without them."""
READERS: dict[str, Reader] = {
    "json.loads, fetch_all": lambda body: ids_of(json.loads(body)),
    "verify": lambda body: [item.id for item in parse_text(verify._DECODER.decode, body).items],
    "json, verify --export": in_json,
    "jsonl, verify --export": lambda body: ids_in(io.BytesIO(b"".join(lines_of(body))), "jsonl", "none"),
    "jsonl, json.loads": lambda body: [json.loads(line)["id"] for line in lines_of(body)],
    "jsonl, msgspec": lambda body: [msgspec.json.decode(line)["id"] for line in lines_of(body)],
    "jsonl, simdjson": lambda body: [simdjson.Parser().parse(line, recursive=True)["id"] for line in lines_of(body)],
    "jsonl, Arrow": lambda body: [by_arrow(line, _ID)[0]["id"] for line in lines_of(body)],
    "parquet": in_parquet,
    "csv": in_csv,
    "with newer statistics": with_newer,
    "as newer statistics": as_newer,
    "sample": in_sample,
}


@pytest.mark.timeout(120 + ANSWERS // 100)
def test_what_is_accepted_can_be_read_by_everyone() -> None:
    reasons: Counter[str] = Counter()
    lone = 0
    for seed in range(ANSWERS):
        body = mutated_answer(seed)
        outcome = classify(Answer(200, {"content-type": "application/json"}, body), ASKED, NOW)
        reasons[outcome.reason] += 1
        if outcome.verdict is not Verdict.GOOD:
            assert outcome.message
            continue
        text = without_lone_surrogates(body)
        lone += text != body
        for name, reader in READERS.items():
            assert_reads(seed, name, reader, body, outcome.found)
        for name, reader in PARSERS.items():
            assert_reads(seed, name, reader, text, outcome.found)
    print(f"\n{ANSWERS:,} answers, {len(READERS) + len(PARSERS)} readers; lone surrogates in {lone:,} accepted ones")
    print(", ".join(f"{reason} {number:,}" for reason, number in reasons.most_common()))
    assert set(reasons) <= REASONS | {"empty_body", "html"}
    assert set(reasons) >= REASONS
    assert reasons["ok"] > ANSWERS / 10 > lone > ANSWERS / 100


def assert_reads(seed: int, name: str, reader: Reader, text: bytes, ids: frozenset[str]) -> None:
    try:
        found = list(reader(text))
    except Exception as error:
        raise AssertionError(f"seed {seed}: {name} can't read {text!r}") from error
    assert sorted(found) == sorted(ids), f"seed {seed}: {name} finds {found} in {text!r}"
