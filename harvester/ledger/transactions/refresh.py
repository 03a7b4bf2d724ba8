"""The transactions of a refresh: fetch the ids of a stored response again, or their statistics.

The ids stay fetched by the call of that response for as long as the new call, which names it as `of_call`, is under
way, so an export meanwhile sees either the old response or the new one. Which responses are old: `refresh_queries.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from harvester.ledger.transactions.claim import first_batch, open_calls
from harvester.ledger.transactions.prune import delete_responses, prune
from harvester.ledger.transactions.reserve_units import reserve
from harvester.ledger.transactions.settle import Settlement, close_good, count_good, store
from harvester.ledger.transactions.transaction import Transaction, instant, moves_of
from harvester.model import Batch, BatchKind, Budget, Denied, Stored, VideoState


def claim(
    tx: Transaction,
    run_id: int,
    budget: Budget,
    now: datetime,
    of_call: int,
    before: datetime,
    kind: BatchKind = BatchKind.REFRESH,
) -> Batch | Denied:
    """Reserve the units of one call for the ids of a stored response: to replace it, or to store their statistics.

    `of_call` is the response's call. The response or its newest statistics must be older than `before`, and no call
    under way may ask for the same. The ids stay fetched. A refresh deletes a response without any video instead.
    `budget` is of the endpoint that `kind` needs. Returns the batch, of this kind, or why there is none.
    """
    tx.later(tx.sql.LOCK_RESPONSE, call_id=of_call)
    found = tx.row(tx.sql.OLD_RESPONSE, of_call=of_call, endpoint=budget.endpoint, before=instant(before))
    if found is None:
        return Denied.NOTHING_PENDING
    if found[0] == 0:
        if kind is BatchKind.REFRESH:
            prune(tx, [of_call], before, now)
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(tx, budget, 1)
    if not paid:
        return refusal
    positions, ids = zip(*tx.rows(tx.sql.FETCHED_BY, of_call=of_call), strict=True)
    (call_id,) = open_calls(tx, run_id, budget, [(positions, 1, now)], of_call)
    return first_batch(budget, call_id, positions, ids, kind=kind, of_call=of_call)


def settle(tx: Transaction, settlements: Sequence[Settlement]) -> list[bool]:
    """Replace each old response by the new one, and delete the old one as in pruning."""
    return [_replace_response(tx, one) for one in settlements]


def settle_statistics(tx: Transaction, settlements: Sequence[Settlement]) -> list[bool]:
    """Store statistics, and keep those of before. Whether their response is still stored makes no difference."""
    closed = close_good(tx, settlements)
    settled = [one for one in settlements if one.batch.call_id in closed]
    store(tx, settled)
    for one in settled:
        count_good(tx, one)
    return [one.batch.call_id in closed for one in settlements]


def _replace_response(tx: Transaction, settlement: Settlement) -> bool:
    batch, now = settlement.batch, settlement.now
    old_call = batch.of_call
    assert old_call is not None, "it was claimed here"
    # Locked before the call is, as in pruning.
    old_sizes = tx.row(tx.sql.LOCK_RESPONSE, call_id=old_call) or ()
    if not close_good(tx, [settlement]):
        return False
    store(tx, [settlement])
    missing = [(position, position, old_call) for position in settlement.missing]
    if missing:
        tx.move_later(tx.sql.RENEW, missing, state=int(VideoState.MISSING), new_call=batch.call_id)
    whole = moves_of(batch.positions, old_call)
    kept = len(batch) - len(missing)  # during a refresh nothing else moves these ids
    tx.move_later(tx.sql.RENEW, whole, kept, state=int(VideoState.FETCHED), new_call=batch.call_id)
    tx.count(fetched=-len(missing), missing=len(missing))
    count_good(tx, settlement)
    delete_responses(tx, [old_call], Stored(1, len(batch), *old_sizes), before=now, now=now)
    return True
