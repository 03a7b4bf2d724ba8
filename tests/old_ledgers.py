"""Ledgers of earlier versions, each in the middle of a crawl, as a run that died left them."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from harvester.ledger.sqlite import migrate

Row = dict[str, Any]

REVISIONS = sorted(file.name[:4] for file in (migrate.migrations_folder() / "versions").glob("0*.py"))
IDS = [f"{number:010}A" for number in range(1, 9)]
"""Of them 1 and 2 are fetched, 3 and 4 claimed, 5 is failed, 6 missing, and 7 and 8 are pending."""
STATES = (2, 2, 1, 1, 4, 3, 0, 0)
DAY, THEN = "2026-10-01", "2026-10-01T10:00:00.000000Z"


def make_old_ledger(engine: Engine, revision: str, folder: Path) -> None:
    newer = [f"{later}_*" for later in REVISIONS if later > revision]
    migrations = shutil.copytree(migrate.migrations_folder(), folder, ignore=shutil.ignore_patterns(*newer))
    with pytest.MonkeyPatch.context() as patch, engine.connect() as db:
        if db.dialect.name == "sqlite":
            # As `prepare` does: a migration may rebuild a table that others refer to.
            db.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        patch.setattr(migrate, "migrations_folder", lambda: migrations)
        migrate.migrate(db)
        for table, row in rows(revision):
            columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
            db.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)
        for state in range(6):
            counted = {"state": state, "videos": STATES.count(state)}
            db.execute(text("UPDATE video_states SET videos = :videos WHERE code = :state"), counted)
        if db.dialect.name == "postgresql":
            _move_sequences(db)
        db.commit()


def _move_sequences(db: Connection) -> None:
    for table in ("runs", "calls", "prunings", "statistics_calls"):
        if db.scalar(text(f"SELECT to_regclass('{table}')")):
            db.execute(text(f"SELECT setval('{table}_id_seq', coalesce(max(id), 1)) FROM {table}"))


def rows(revision: str) -> Iterator[tuple[str, Row]]:
    """What is in its tables."""
    process = {"host": "elsewhere", "boot": "boot", "pid": 1, "process_started": "1"}
    yield "runs", {"id": 1, "started_at": THEN, "lease_until": THEN} | process
    calls = list(_calls(revision))
    states = [call["state"] for call in calls]
    sums = {"calls": len(calls), "calls_ok": states.count("ok"), "calls_failed": states.count("failed")}
    elsewhere = {"units_elsewhere": 5} if revision >= "0006" else {}
    yield "quota_days", {"day": DAY, "units_limit": 1000, "units_reserved": 11 * len(calls)} | sums | elsewhere
    yield from (("calls", call | {"quota_day": DAY, "units": 11}) for call in calls)
    for position, (video_id, state) in enumerate(zip(IDS, STATES, strict=True), 1):
        call = (1, 1, 2, 2, 3, 4, None, None)[position - 1]
        yield "videos", {"position": position, "video_id": video_id, "state": state, "call_id": call}
    yield "responses", {"call_id": 1} | a_body(IDS[:2])
    yield "responses", {"call_id": 4} | a_body([])
    if revision >= "0003":
        sizes = {"responses": 1, "videos": 1, "raw_bytes": 9, "stored_bytes": 9}
        yield "prunings", {"id": 1, "pruned_at": THEN, "fetched_before": THEN} | sizes
        yield "pruned_responses", {"call_id": 5, "pruning_id": 1}
    if "0004" <= revision < "0007":
        yield "refreshes", {"old_call_id": 1, "call_id": 6}
    if "0005" <= revision < "0007":
        spent = {"units_limit": 1000, "units_reserved": 3, "calls": 3, "closed_by_server_at": THEN}
        yield "statistics_days", {"day": DAY} | spent | elsewhere
        for number, state in enumerate(("failed", "ok", "open"), 1):
            yield "statistics_calls", _call(number, state, 2) | {"quota_day": DAY, "units": 1, "of_call": 1}
        yield "statistics", {"of_call": 1, "call_id": 2} | a_body(IDS[:1])
    if revision >= "0007":
        yield from _calls_of_endpoints()


def _calls(revision: str) -> Iterator[Row]:
    """The fifth brought what was pruned, the sixth refreshes what the first brought."""
    places = [("ok", 1, 2), ("open", 3, 4), ("failed", 5, 5), ("ok", 6, 6), ("ok", 7, 7), ("open", 1, 2)]
    there = 6 if revision >= "0004" else 5 if revision >= "0003" else 4
    for number, (state, first, last) in enumerate(places[:there], 1):
        of = {"of_call": 1} if number == 6 and revision >= "0007" else {}
        yield _call(number, state, last - first + 1) | {"first_position": first, "last_position": last} | of


def _calls_of_endpoints() -> Iterator[tuple[str, Row]]:
    """Calls for statistics, since they stand among the others."""
    sums = {"calls": 3, "calls_ok": 1, "calls_failed": 1, "stored_bytes": len(a_body(IDS[:1])["body"])}
    spent = {"units_limit": 1000, "units_reserved": 3, "closed_by_server_at": THEN, "units_elsewhere": 5}
    yield "quota_days", {"day": DAY, "bucket": "statistics"} | sums | spent
    of = {"bucket": "statistics", "endpoint": "videos.batchGetStats", "of_call": 1, "first_position": 1}
    for number, state in enumerate(("failed", "ok", "open"), 7):
        yield "calls", _call(number, state, 2) | of | {"last_position": 2, "quota_day": DAY, "units": 1}
    yield "responses", {"call_id": 8} | a_body(IDS[:1])


def _call(number: int, state: str, ids: int) -> Row:
    end = {"state": state, "finished_at": None if state == "open" else THEN}
    return {"id": number, "run_id": 1, "ids": ids, "attempt": 1, "started_at": THEN} | end


def a_body(ids: list[str]) -> Row:
    """A response with these ids, as it is stored."""
    raw = json.dumps({"items": [{"id": video_id} for video_id in ids]}).encode()
    data = gzip.compress(raw, mtime=0)
    sizes = {"raw_bytes": len(raw), "stored_bytes": len(data), "item_count": len(ids), "fetched_at": THEN}
    return {"encoding": "gzip", "sha256": hashlib.sha256(data).digest(), "body": data} | sizes
