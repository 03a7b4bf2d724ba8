"""The transactions of a SQLite ledger: each function is one, and runs whole in the writer's thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any

from harvester.ledger import statements as sql
from harvester.model import (
    Addition,
    Batch,
    Budget,
    CallState,
    Denied,
    GiveBack,
    Outcome,
    ProcessIdentity,
    VideoState,
)

Picked = list[list[Any]]
"""Position, id and attempts so far of each id of a batch."""

SPARSE = 4
"""Where the ids of a batch lie further apart than this, they are named one by one instead of as a range."""

_NO_CHANGE = {state.label: 0 for state in VideoState}

PRIVATE_USE = range(0xF0000, 0xFFFFE)
"""Code points that stand for nothing: more of them than a chunk has ids."""


def instant(moment: datetime) -> str:
    """UTC as the ledger writes it: it sorts as text."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


# --- runs


def open_run(db: sqlite3.Connection, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
    values = {
        "host": process.host,
        "boot": process.boot,
        "pid": process.pid,
        "process_started": process.started,
        "now": instant(now),
        "lease_until": instant(lease_until),
    }
    run_id = db.execute(sql.OPEN_RUN, values).lastrowid
    assert run_id is not None
    return run_id


def renew_lease(db: sqlite3.Connection, run_id: int, lease_until: datetime) -> None:
    db.execute(sql.RENEW_LEASE, {"run_id": run_id, "lease_until": instant(lease_until)})


def close_run(db: sqlite3.Connection, run_id: int, now: datetime, reason: str) -> None:
    _abandon(db, run_id, now, reason)
    db.execute(sql.CLOSE_RUN, {"run_id": run_id, "now": instant(now), "reason": reason})


def recover(
    db: sqlite3.Connection, me: ProcessIdentity, now: datetime, is_alive: Callable[[ProcessIdentity], bool]
) -> int:
    abandoned = 0
    for run_id, host, boot, pid, started, lease_until in db.execute(sql.OPEN_RUNS).fetchall():
        owner = ProcessIdentity(host, boot, pid, started)
        if (owner.host, owner.boot) == (me.host, me.boot):
            dead = not is_alive(owner)
        else:
            dead = lease_until < instant(now)
        if dead:
            abandoned += _abandon(db, run_id, now, "process died")
            db.execute(sql.CLOSE_RUN, {"run_id": run_id, "now": instant(now), "reason": "died"})
    return abandoned


def _abandon(db: sqlite3.Connection, run_id: int, now: datetime, reason: str) -> int:
    """Give back all that a run still holds. The units stay spent: the API may have counted them."""
    lost = db.execute(sql.ABANDON_CALLS, {"run_id": run_id, "now": instant(now), "reason": reason}).fetchall()
    for call_id, day, first, last in lost:
        where = {"first": first, "last": last, "call_id": call_id}
        released = db.execute(sql.RELEASE.format(which=sql.IN_RANGE), where).rowcount
        _count(db, pending=released, claimed=-released)
        db.execute(sql.COUNT_ABANDONED_CALL, {"day": day})
    return len(lost)


# --- claiming


def claim(
    db: sqlite3.Connection, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None
) -> Batch | Denied:
    suspect_batch, picked = _pick(db, among)
    if not picked:
        return Denied.NOTHING_PENDING
    positions = tuple(position for position, _, _ in picked)
    call_id = _reserve_call(db, run_id, positions, budget, 1, now)
    if isinstance(call_id, Denied):
        return call_id
    # Without `among`, the pending ids between the first and the last picked are the picked ones and no others.
    moved = _move(db, sql.CLAIM, positions, among is None, call_id=call_id, suspect_batch=suspect_batch)
    assert moved == len(picked), "the ids picked are the ids claimed"
    _count(db, pending=-moved, claimed=moved)
    return Batch(
        call_id=call_id,
        quota_day=budget.day,
        units=budget.units_per_call,
        attempt=1,
        positions=positions,
        ids=tuple(video_id for _, video_id, _ in picked),
        asked_before=max(attempts for _, _, attempts in picked),
    )


def retry(
    db: sqlite3.Connection, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime
) -> Batch | Denied:
    if not _close_failed(db, batch, fault, now):
        return Denied.NOTHING_PENDING
    attempt = batch.attempt + 1
    call_id = _reserve_call(db, run_id, batch.positions, budget, attempt, now)
    if isinstance(call_id, Denied):
        _release(db, batch)
        return call_id
    _move(db, sql.RECLAIM, batch.positions, True, call_id=call_id, old_call_id=batch.call_id)
    return Batch(
        call_id=call_id,
        quota_day=budget.day,
        units=budget.units_per_call,
        attempt=attempt,
        positions=batch.positions,
        ids=batch.ids,
        asked_before=batch.asked_before + 1,
    )


def _pick(db: sqlite3.Connection, among: Sequence[int] | None) -> tuple[int | None, Picked]:
    """The next batch: half of a refused one before all else, so that the id at fault is found soon."""
    if among is not None:
        rows = _rows(db, sql.PICK_AMONG, {"positions": json.dumps(list(among))})
        suspect_batch = rows[0][3] if rows else None
        return suspect_batch, [row[:3] for row in rows if row[3] == suspect_batch]
    if (row := db.execute(sql.FIRST_SUSPECT_BATCH).fetchone()) is not None:
        return row[0], _rows(db, sql.PICK_SUSPECTS, {"suspect_batch": row[0]})
    return None, _rows(db, sql.PICK_PENDING, {})


def _rows(db: sqlite3.Connection, pick: str, values: dict[str, Any]) -> Picked:
    rows: Picked = json.loads(db.execute(pick, values).fetchone()[0])
    return rows


def _reserve_call(
    db: sqlite3.Connection, run_id: int, positions: tuple[int, ...], budget: Budget, attempt: int, now: datetime
) -> int | Denied:
    day = budget.day.isoformat()
    units = budget.units_per_call
    reserved = db.execute(sql.RESERVE_UNITS, {"day": day, "limit": budget.limit, "units": units}).rowcount
    if not reserved:
        closed = db.execute(sql.DAY_IS_CLOSED, {"day": day}).fetchone()[0]
        return Denied.DAY_CLOSED if closed else Denied.BUDGET_SPENT
    values = {
        "run_id": run_id,
        "day": day,
        "units": units,
        "ids": len(positions),
        "attempt": attempt,
        "first": positions[0],
        "last": positions[-1],
        "now": instant(now),
    }
    call_id = db.execute(sql.OPEN_CALL, values).lastrowid
    assert call_id is not None
    return call_id


# --- settling


def settle(db: sqlite3.Connection, batch: Batch, outcome: Outcome, now: datetime) -> bool:
    body = outcome.body
    assert body is not None, "only a good answer settles"
    if not _close_call(db, batch, CallState.OK, outcome, now, batch.units):
        return False
    missing = [p for p, video_id in zip(batch.positions, batch.ids, strict=True) if video_id not in outcome.found]
    if missing:
        _move(db, sql.SETTLE, missing, False, state=VideoState.MISSING, call_id=batch.call_id)
    if len(missing) < len(batch):
        _move(db, sql.SETTLE, batch.positions, True, state=VideoState.FETCHED, call_id=batch.call_id)
    sizes = {"raw_bytes": body.raw_bytes, "stored_bytes": len(body.data)}
    values = {
        "call_id": batch.call_id,
        "encoding": body.encoding,
        "item_count": body.item_count,
        "now": instant(now),
        "sha256": body.sha256,
        "body": body.data,
    }
    db.execute(sql.STORE_RESPONSE, values | sizes)
    fetched = len(batch) - len(missing)
    _count(db, claimed=-len(batch), fetched=fetched, missing=len(missing))
    day = batch.quota_day.isoformat()
    db.execute(sql.COUNT_GOOD_CALL, {"day": day, "fetched": fetched, "missing": len(missing)} | sizes)
    return True


def give_back(db: sqlite3.Connection, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
    if not _close_failed(db, batch, fault, now):
        return False
    if how is GiveBack.FAIL:
        failed = _move(db, sql.SETTLE, batch.positions, True, state=VideoState.FAILED, call_id=batch.call_id)
        _count(db, claimed=-failed, failed=failed)
    elif how is GiveBack.SPLIT and len(batch) > 1:
        middle = (len(batch) + 1) // 2
        for half, positions in enumerate((batch.positions[:middle], batch.positions[middle:])):
            # A call's id is its own, so no two halves of the ledger share a number.
            suspect_batch = 2 * batch.call_id + half
            _move(db, sql.SUSPECT, positions, True, suspect_batch=suspect_batch, call_id=batch.call_id)
        _count(db, claimed=-len(batch), pending=len(batch))
    else:
        _release(db, batch)
    return True


def close_day(db: sqlite3.Connection, day: date, now: datetime) -> None:
    db.execute(sql.CLOSE_DAY, {"day": day.isoformat(), "now": instant(now)})


def _release(db: sqlite3.Connection, batch: Batch) -> None:
    released = _move(db, sql.RELEASE, batch.positions, True, call_id=batch.call_id)
    _count(db, claimed=-released, pending=released)


def _close_failed(db: sqlite3.Connection, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """Close as failed. What was never sent cost nothing, so its units go back to the day."""
    units = batch.units if fault.sent else 0
    if not _close_call(db, batch, CallState.FAILED, fault, now, units):
        return False
    db.execute(sql.COUNT_FAILED_CALL, {"day": batch.quota_day.isoformat(), "refund": batch.units - units})
    return True


def _close_call(
    db: sqlite3.Connection, batch: Batch, state: CallState, outcome: Outcome, now: datetime, units: int
) -> bool:
    values = {
        "call_id": batch.call_id,
        "state": state.value,
        "http_status": outcome.http_status,
        "reason": outcome.reason if state is CallState.FAILED else None,
        "now": instant(now),
        "units": units,
    }
    return db.execute(sql.CLOSE_CALL, values).rowcount == 1


# --- moving and counting


def _move(db: sqlite3.Connection, statement: str, positions: Sequence[int], by_range: bool, **values: Any) -> int:
    """Run one of the moving statements over these positions.

    A range costs less than a list, where `by_range` allows it (the statement's other conditions leave out whatever
    else lies between) and the ids do not lie so far apart that reading over the gaps costs more.
    """
    first, last = positions[0], positions[-1]
    if by_range and last - first < SPARSE * len(positions):
        return db.execute(statement.format(which=sql.IN_RANGE), values | {"first": first, "last": last}).rowcount
    listed = values | {"positions": json.dumps(positions)}
    return db.execute(statement.format(which=sql.IN_LIST), listed).rowcount


def _count(db: sqlite3.Connection, **changes: int) -> None:
    """Move the counts kept by state, named in lower case, by so much."""
    db.execute(sql.COUNT_STATES, _NO_CHANGE | changes)


# --- loading


def last_position(db: sqlite3.Connection) -> int:
    position: int = db.execute(sql.LAST_POSITION).fetchone()[0]
    return position


def add(db: sqlite3.Connection, ids: Sequence[str], invalid: Collection[str], known_up_to: int) -> Addition:
    before = last_position(db)
    nul = _stand_in_for_nul(ids)
    given = {"ids": _listed(ids, nul), "nul": nul}
    if invalid or nul:
        new = db.execute(sql.ADD_TEXTS, given | {"invalid": _listed(invalid, nul)}).rowcount
    else:
        new = db.execute(sql.ADD_IDS, given).rowcount
    new_invalid = 0
    if invalid and new:
        new_invalid = db.execute(sql.NEW_INVALID, {"last_position": before}).fetchone()[0]
    _count(db, pending=new - new_invalid, invalid=new_invalid)
    known: list[tuple[int, bool]] = []
    if known_up_to and new < len(ids):
        rows = db.execute(sql.KNOWN, given | {"known_up_to": known_up_to})
        known = [(position, bool(is_invalid)) for position, is_invalid in rows]
    return Addition(new, new_invalid, known)


def _stand_in_for_nul(texts: Sequence[str]) -> str:
    """A character that none of the texts holds; empty where no stand-in is needed."""
    together = "".join(texts)
    if "\0" not in together:
        return ""
    present = set(together)
    return next(character for character in map(chr, PRIVATE_USE) if character not in present)


def _listed(texts: Collection[str], nul: str) -> str:
    """As a JSON list, unescaped: what is no Unicode text is refused when it is bound, before anything is stored."""
    return json.dumps([text.replace("\0", nul) for text in texts] if nul else list(texts), ensure_ascii=False)
