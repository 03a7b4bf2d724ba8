"""The transaction that claims: reserves units, opens calls and claims ids, for all waiting workers at once.

Units: `reserve_units.py`. Claims of dead runs: `recover_dead_runs.py`. SQL: `statements.py`, here and of each database.

Each worker gets the same result as if it had asked alone. One statement of each kind serves all workers: after each,
the thread has to take the GIL back from the event loop, or waits for a round trip to the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from harvester.ledger.transactions.reserve_units import reserve
from harvester.ledger.transactions.transaction import Transaction, instant, moves_of
from harvester.model import BATCH_SIZE, Batch, Budget, Denied


class _Picked(NamedTuple):
    """The ids picked for a batch, with their positions and their attempts so far."""

    positions: Sequence[int]
    ids: Sequence[str]
    attempts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Claim:
    """A request for a batch: see `Ledger.claim`."""

    run_id: int
    budget: Budget
    now: datetime
    among: Sequence[int] | None = None


def claim_all(tx: Transaction, claims: Sequence[Claim]) -> list[Batch | Denied]:
    """Claim a batch for each request. Returns the batches, or why there is none, in order."""
    claimed: list[Batch | Denied] = []
    for (_, _, chosen), group in groupby(claims, lambda claim: (claim.run_id, claim.budget, claim.among is not None)):
        alike = list(group)
        if chosen:
            claimed += [_claim_among(tx, claim) for claim in alike]
        else:
            halves = _claim_halves(tx, alike)
            rest = alike[len(halves) :]
            claimed += halves + (_claim_pending(tx, rest) if rest else [])
    return claimed


def _claim_halves(tx: Transaction, claims: Sequence[Claim]) -> list[Batch | Denied]:
    """Claim halves of split batches before anything else, so that ids at fault are found soon."""
    halves: list[Batch | Denied] = []
    if tx.row(tx.sql.FIRST_SUSPECT_BATCH) is None:
        return halves
    # Two transactions that share a half would make two calls of it.
    tx.lock("taking halves")
    while len(halves) < len(claims) and (half := tx.row(tx.sql.FIRST_SUSPECT_BATCH)) is not None:
        columns = tx.pick(tx.sql.PICK_SUSPECTS, suspect_batch=half[0])
        halves += (claimed := _claim(tx, [claims[len(halves)]], [_Picked(*columns)] if columns else []))
        if isinstance(claimed[0], Denied):
            break
    return halves


def _claim_pending(tx: Transaction, claims: Sequence[Claim]) -> list[Batch | Denied]:
    columns = tx.pick_pending(BATCH_SIZE * len(claims))
    starts = range(0, len(columns[0]), BATCH_SIZE) if columns else ()
    batches = [_Picked(*(column[start : start + BATCH_SIZE] for column in columns)) for start in starts]
    claimed = _claim(tx, claims, batches)
    last = next((batch.positions[-1] for batch in reversed(claimed) if isinstance(batch, Batch)), None)
    if last is not None:
        tx.advance_scan_position(last)
    elif not batches:
        tx.advance_scan_position(tx.value(tx.sql.LAST_POSITION))
    return claimed


def _claim_among(tx: Transaction, claim: Claim) -> Batch | Denied:
    columns = tx.pick(tx.sql.PICK_AMONG, positions=list(claim.among or ()))
    if not columns:
        return Denied.NOTHING_PENDING
    *picked, batches = columns
    # The rows are sorted by suspect_batch.
    alike = batches.count(batches[0])
    return _claim(tx, [claim], [_Picked(*(column[:alike] for column in picked))])[0]


def _claim(tx: Transaction, claims: Sequence[Claim], batches: Sequence[_Picked]) -> list[Batch | Denied]:
    """Claim the picked batches for the first requests; deny those for which no ids or units are left."""
    nothing = [Denied.NOTHING_PENDING] * (len(claims) - len(batches))
    if not batches:
        return [*nothing]
    paid, refusal = reserve(tx, claims[0].budget, len(batches))
    opened = _open(tx, claims[:paid], batches[:paid]) if paid else []
    return [*opened, *[refusal] * (len(batches) - paid), *nothing]


def _open(tx: Transaction, claims: Sequence[Claim], batches: Sequence[_Picked]) -> list[Batch]:
    budget = claims[0].budget
    positions = [tuple(picked.positions) for picked in batches]
    asked = [(at, 1, claim.now) for at, claim in zip(positions, claims, strict=True)]
    calls = open_calls(tx, claims[0].run_id, budget, asked)
    ids = sum(map(len, positions))
    first, last = positions[0][0], positions[-1][-1]
    full = all(len(at) == BATCH_SIZE for at in positions[:-1])
    if full and last - first + 1 == ids and calls[-1] - calls[0] + 1 == len(calls):
        tx.later(tx.sql.CLAIM_RANGE, moved=ids, first=first, last=last, call=calls[0])
    else:
        moves = [move for call_id, at in zip(calls, positions, strict=True) for move in moves_of(at, call_id)]
        tx.move_later(tx.sql.CLAIM, moves, ids)
    tx.count(pending=-ids, claimed=ids)
    return [
        first_batch(budget, call_id, at, tuple(picked.ids), asked_before=max(picked.attempts))
        for call_id, at, picked in zip(calls, positions, batches, strict=True)
    ]


def first_batch(budget: Budget, call_id: int, positions: tuple[int, ...], ids: tuple[str, ...], **more: Any) -> Batch:
    """The batch of a call that is the first one for these ids."""
    return Batch(call_id, budget.day, budget.units_per_call, 1, positions, ids, bucket=budget.bucket, **more)


def open_calls(
    tx: Transaction,
    run_id: int,
    budget: Budget,
    calls: Sequence[tuple[Sequence[int], int, datetime]],
    of_call: int | None = None,
    listing_id: int | None = None,
) -> Sequence[int]:
    """Open a call for each of these positions, attempt and beginning. Returns their ids. `of_call`: see `Batch`."""
    columns: dict[str, Sequence[int | str]] = {
        "ids": [len(positions) for positions, _, _ in calls],
        "attempts": [attempt for _, attempt, _ in calls],
        "firsts": [positions[0] for positions, _, _ in calls],
        "lasts": [positions[-1] for positions, _, _ in calls],
        "beginnings": [instant(now) for _, _, now in calls],
    }
    return tx.insert(
        tx.sql.OPEN_CALLS,
        columns,
        run_id=run_id,
        bucket=budget.bucket,
        day=budget.day.isoformat(),
        units=budget.units_per_call,
        parts=budget.parts,
        endpoint=budget.endpoint,
        of_call=of_call,
        listing_id=listing_id,
    )
