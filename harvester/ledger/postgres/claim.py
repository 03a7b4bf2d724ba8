"""The transaction that claims: units are reserved, calls opened and ids claimed, for as many lanes as wait, at once.

To each lane it is as if it had asked alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.transaction import Transaction
from harvester.ledger.transactions.claim import Claim
from harvester.ledger.transactions.transitions import Move, instant
from harvester.model import BATCH_SIZE, Batch, Budget, Denied

Picked = Sequence[tuple[Any, ...]]
"""Of each id of a batch: its position, itself, and its attempts so far."""


def claim_all(tx: Transaction, claims: Sequence[Claim]) -> list[Batch | Denied]:
    """A batch for each, or why there is none, in the order of asking."""
    claimed: list[Batch | Denied] = []
    for _, alike in groupby(claims, lambda claim: (claim.run_id, claim.budget, claim.among is None)):
        claimed += _claim_alike(tx, list(alike))
    return claimed


def _claim_alike(tx: Transaction, claims: Sequence[Claim]) -> list[Batch | Denied]:
    """For one run and one budget. Halves of refused batches go before all else, so that ids at fault are found soon."""
    if claims[0].among is not None:
        return [_claim_among(tx, claim) for claim in claims]
    halves = _claim_halves(tx, claims)
    rest = claims[len(halves) :]
    return halves + _claim_pending(tx, rest) if rest else halves


def _claim_halves(tx: Transaction, claims: Sequence[Claim]) -> list[Batch | Denied]:
    halves: list[Batch | Denied] = []
    if tx.row(sql.FIRST_SUSPECT_BATCH) is None:
        return halves
    # One transaction at a time: two that share a half would make two calls of it.
    tx.lock(sql.TAKING_HALVES)
    while len(halves) < len(claims) and (half := tx.row(sql.FIRST_SUSPECT_BATCH)) is not None:
        picked = tx.rows(sql.PICK_SUSPECTS, suspect_batch=half[0])
        halves += (claimed := _claim(tx, [claims[len(halves)]], [picked] if picked else []))
        if isinstance(claimed[0], Denied):
            break
    return halves


def _claim_pending(tx: Transaction, claims: Sequence[Claim]) -> list[Batch | Denied]:
    most = BATCH_SIZE * len(claims)
    picked = tx.rows(sql.PICK_PENDING, most=most) or tx.rows(sql.PICK_HELD, most=most)
    claimed = _claim(tx, claims, [picked[start : start + BATCH_SIZE] for start in range(0, len(picked), BATCH_SIZE)])
    last = next((batch.positions[-1] for batch in reversed(claimed) if isinstance(batch, Batch)), None)
    if last is not None:
        tx.look_on(last)
    elif not picked:
        tx.look_on(tx.value(sql.LAST_POSITION))
    return claimed


def _claim_among(tx: Transaction, claim: Claim) -> Batch | Denied:
    rows = tx.rows(sql.PICK_AMONG, positions=list(claim.among or ()))
    # They come in the order of their suspect_batch.
    picked = [row for row in rows if row[3] == rows[0][3]]
    return _claim(tx, [claim], [picked] if picked else [])[0]


def _claim(tx: Transaction, claims: Sequence[Claim], batches: Sequence[Picked]) -> list[Batch | Denied]:
    """What was picked, for those who asked first; nothing for those for whom nothing was left, or no units."""
    nothing = [Denied.NOTHING_PENDING] * (len(claims) - len(batches))
    if not batches:
        return [*nothing]
    paid, refusal = reserve(tx, claims[0].budget, len(batches))
    opened = _open(tx, list(zip(claims, batches[:paid], strict=False))) if paid else []
    return [*opened, *[refusal] * (len(batches) - paid), *nothing]


def _open(tx: Transaction, lots: Sequence[tuple[Claim, Picked]]) -> list[Batch]:
    budget, run_id = lots[0][0].budget, lots[0][0].run_id
    positions = [tuple(row[0] for row in picked) for _, picked in lots]
    calls = open_calls(tx, run_id, budget, [(at, 1, claim.now) for at, (claim, _) in zip(positions, lots, strict=True)])
    moves = [move for call_id, at in zip(calls, positions, strict=True) for move in _without_gaps(at, call_id)]
    picked_ids = sum(map(len, positions))
    tx.move_later(sql.CLAIM, moves, picked_ids)
    tx.count(pending=-picked_ids, claimed=picked_ids)
    return [
        Batch(
            call_id=call_id,
            quota_day=budget.day,
            units=budget.units_per_call,
            attempt=1,
            positions=at,
            ids=tuple(row[1] for row in picked),
            asked_before=max(row[2] for row in picked),
        )
        for call_id, at, (_, picked) in zip(calls, positions, lots, strict=True)
    ]


def _without_gaps(positions: Sequence[int], call_id: int) -> list[Move]:
    """As ranges in which no other position lies: what lies between them, another transaction may be claiming."""
    ends = [index for index, place in enumerate(positions, 1) if positions[index : index + 1] != (place + 1,)]
    return [(positions[start], positions[end - 1], call_id) for start, end in pairwise([0, *ends])]


def reserve(
    tx: Transaction, budget: Budget, calls: int, *, spent: str = sql.SPENT, units: str = sql.RESERVE_UNITS
) -> tuple[int, Denied]:
    """Reserve the units of as many of these calls as the day pays for: how many, and why not the others."""
    tx.post_days()  # what this transaction gives back to the day is there to be spent
    day = budget.day.isoformat()
    while True:
        already, closed = tx.row(spent, day=day) or (0, False)
        if closed:
            return 0, Denied.DAY_CLOSED
        paid = min(calls, max(0, budget.limit - already) // budget.units_per_call)
        price = paid * budget.units_per_call
        # It fails where there was no row yet to hold, and another transaction made it in the meantime.
        if not paid or tx.row(units, day=day, limit=budget.limit, units=price, calls=paid) is not None:
            return paid, Denied.BUDGET_SPENT


def open_calls(
    tx: Transaction, run_id: int, budget: Budget, calls: Sequence[tuple[Sequence[int], int, datetime]]
) -> list[int]:
    """Enter a call for each of these positions, attempt and beginning; their ids."""
    rows = tx.rows(
        sql.OPEN_CALLS,
        run_id=run_id,
        day=budget.day.isoformat(),
        units=budget.units_per_call,
        parts=budget.parts,
        ids=[len(positions) for positions, _, _ in calls],
        attempts=[attempt for _, attempt, _ in calls],
        firsts=[positions[0] for positions, _, _ in calls],
        lasts=[positions[-1] for positions, _, _ in calls],
        beginnings=[instant(now) for _, _, now in calls],
    )
    return [call_id for (call_id,) in rows]
