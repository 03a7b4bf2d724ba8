"""The transaction that claims: units are reserved, calls opened and ids claimed, for as many lanes as wait, at once.

A statement costs the writer's thread less than to get Python's lock back from the event loop after it, so one of each
kind does for all. To each lane it is as if it had asked alone.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from harvester.ledger.sqlite import statements as sql
from harvester.ledger.transactions.transitions import count, instant, move, moves_of
from harvester.model import BATCH_SIZE, Batch, Budget, Denied


class _Picked(NamedTuple):
    """Of each id of a batch: its position, itself, and its attempts so far."""

    positions: list[int]
    ids: list[str]
    attempts: list[int]

    def part(self, start: int) -> _Picked:
        """A batch of it, from that one on."""
        those = slice(start, start + BATCH_SIZE)
        return _Picked(self.positions[those], self.ids[those], self.attempts[those])


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that is asked for: see `Ledger.claim`."""

    run_id: int
    budget: Budget
    now: datetime
    among: Sequence[int] | None = None


def claim_all(db: sqlite3.Connection, claims: Sequence[Claim]) -> list[Batch | Denied]:
    """A batch for each, or why there is none, in the order of asking."""
    claimed: list[Batch | Denied] = []
    for _, alike in groupby(claims, lambda claim: (claim.run_id, claim.budget, claim.among is None)):
        claimed += _claim_alike(db, list(alike))
    return claimed


def _claim_alike(db: sqlite3.Connection, claims: Sequence[Claim]) -> list[Batch | Denied]:
    """For one run and one budget. Halves of refused batches go before all else, so that ids at fault are found soon."""
    if claims[0].among is not None:
        return [_claim_among(db, claim) for claim in claims]
    halves: list[Batch | Denied] = []
    while len(halves) < len(claims) and (half := db.execute(sql.FIRST_SUSPECT_BATCH).fetchone()) is not None:
        picked = _Picked(*_columns(db, sql.PICK_SUSPECTS, suspect_batch=half[0]))
        halves += (claimed := _claim(db, [claims[len(halves)]], [picked], suspect_batch=half[0]))
        if isinstance(claimed[0], Denied):
            break
    rest = claims[len(halves) :]
    return halves + _claim_pending(db, rest) if rest else halves


def _claim_pending(db: sqlite3.Connection, claims: Sequence[Claim]) -> list[Batch | Denied]:
    picked = _Picked(*_columns(db, sql.PICK_PENDING, most=BATCH_SIZE * len(claims)))
    batches = [picked.part(start) for start in range(0, len(picked.ids), BATCH_SIZE)]
    claimed = _claim(db, claims, batches)
    last = next((batch.positions[-1] for batch in reversed(claimed) if isinstance(batch, Batch)), None)
    if last is not None:
        db.execute(sql.LOOK_FROM, {"position": last + 1})
    elif not batches:
        db.execute(sql.LOOK_FROM_END)
    return claimed


def _claim_among(db: sqlite3.Connection, claim: Claim) -> Batch | Denied:
    *columns, batches = _columns(db, sql.PICK_AMONG, positions=json.dumps(list(claim.among or ())))
    if not batches:
        return Denied.NOTHING_PENDING
    # They come in the order of their suspect_batch.
    alike = batches.count(batches[0])
    picked = _Picked(*(column[:alike] for column in columns))
    return _claim(db, [claim], [picked], suspect_batch=batches[0])[0]


def _columns(db: sqlite3.Connection, pick: str, **values: Any) -> list[list[Any]]:
    return [json.loads(column) for column in db.execute(pick, values).fetchone()]


def _claim(
    db: sqlite3.Connection, claims: Sequence[Claim], batches: Sequence[_Picked], suspect_batch: int | None = None
) -> list[Batch | Denied]:
    """What was picked, for those who asked first; nothing for those for whom nothing was left, or no units."""
    nothing = [Denied.NOTHING_PENDING] * (len(claims) - len(batches))
    if not batches:
        return [*nothing]
    budget = claims[0].budget
    paid, refusal = reserve(db, budget, len(batches))
    opened: list[Batch | Denied] = []
    if paid:
        lots = list(zip(claims, batches[:paid], strict=False))
        opened += _open(db, lots, suspect_batch)
    return [*opened, *[refusal] * (len(batches) - paid), *nothing]


def _open(db: sqlite3.Connection, lots: Sequence[tuple[Claim, _Picked]], suspect_batch: int | None) -> Sequence[Batch]:
    budget, run_id = lots[0][0].budget, lots[0][0].run_id
    positions = [tuple(picked.positions) for _, picked in lots]
    first_call = open_calls(
        db, run_id, budget, [(where, 1, claim.now) for where, (claim, _) in zip(positions, lots, strict=True)]
    )
    # Without `among`, the pending ids between the first and the last picked are the picked ones and no others.
    by_range = lots[0][0].among is None
    moves = [
        entry
        for call_id, where in enumerate(positions, first_call)
        for entry in moves_of(where, call_id, by_range=by_range)
    ]
    moved = move(db, sql.CLAIM, moves, suspect_batch=suspect_batch)
    assert moved == sum(map(len, positions)), "the ids picked are the ids claimed"
    count(db, pending=-moved, claimed=moved)
    return [
        Batch(
            call_id=call_id,
            quota_day=budget.day,
            units=budget.units_per_call,
            attempt=1,
            positions=where,
            ids=tuple(picked.ids),
            asked_before=max(picked.attempts),
        )
        for call_id, where, (_, picked) in zip(range(first_call, first_call + len(lots)), positions, lots, strict=True)
    ]


def reserve(
    db: sqlite3.Connection, budget: Budget, calls: int, *, spent: str = sql.SPENT, units: str = sql.RESERVE_UNITS
) -> tuple[int, Denied]:
    """Reserve the units of as many of these calls as the day pays for: how many, and why not the others."""
    values = {"day": budget.day.isoformat(), "limit": budget.limit}
    already, closed = db.execute(spent, values).fetchone() or (0, False)
    if closed:
        return 0, Denied.DAY_CLOSED
    paid = min(calls, max(0, budget.limit - already) // budget.units_per_call)
    if paid:
        reserved = db.execute(units, values | {"units": paid * budget.units_per_call, "calls": paid}).rowcount
        assert reserved == 1, "the day pays for what was found to fit"
    return paid, Denied.BUDGET_SPENT


def open_calls(
    db: sqlite3.Connection, run_id: int, budget: Budget, calls: Sequence[tuple[Sequence[int], int, datetime]]
) -> int:
    """Enter a call for each of these positions, attempt and beginning; the first one's id, which the others follow."""
    first_id: int = db.execute(sql.NEXT_CALL).fetchone()[0]
    rows = [
        (first_id + number, len(positions), attempt, positions[0], positions[-1], instant(now))
        for number, (positions, attempt, now) in enumerate(calls)
    ]
    values = {"run_id": run_id, "day": budget.day.isoformat(), "units": budget.units_per_call}
    values["parts"] = budget.parts
    db.execute(sql.OPEN_CALLS, values | {"calls": json.dumps(rows)})
    return first_id
