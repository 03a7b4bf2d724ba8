"""The transactions of a refresh: an old response is asked for again, and stays until the new one takes its place.

Its ids stay fetched, by the old call, for as long as the new call is under way; a row of `refreshes` says which call
that is. So an export meanwhile sees the old response or the new one, whole.
"""

from __future__ import annotations

from datetime import datetime

from harvester.ledger.transactions.claim import open_calls
from harvester.ledger.transactions.quota_days import reserve
from harvester.ledger.transactions.requeue import delete_responses, prune
from harvester.ledger.transactions.settle import Settlement, close_failed, close_good, count_good, store
from harvester.ledger.transactions.transaction import Transaction
from harvester.ledger.transactions.transitions import instant, moves_of, one_by_one
from harvester.model import Batch, Budget, Denied, Outcome, VideoState


def claim(
    tx: Transaction, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
) -> Batch | Denied:
    """A call for the ids of that call's response. One that holds none is deleted: there is nothing to ask for."""
    tx.later(tx.sql.LOCK_RESPONSE, call_id=old_call)
    found = tx.row(tx.sql.OLD_RESPONSE, old_call=old_call, before=instant(before))
    if found is None:
        return Denied.NOTHING_PENDING
    if found[0] == 0:
        prune(tx, [old_call], before, now)
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(tx, budget, 1)
    if not paid:
        return refusal
    positions, ids = map(tuple, tx.columns(tx.sql.PICK_FETCHED_BY, old_call=old_call))
    (call_id,) = open_calls(tx, run_id, budget, [(positions, 1, now)])
    tx.later(tx.sql.ENTER_REFRESH, old_call=old_call, call_id=call_id)
    return Batch(call_id, budget.day, budget.units_per_call, 1, positions, ids, replaces=old_call)


def retry(tx: Transaction, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
    if not close_failed(tx, batch, fault, now):
        return Denied.NOTHING_PENDING
    paid, refusal = reserve(tx, budget, 1)
    if not paid:
        tx.later(tx.sql.END_REFRESH, old_call=batch.replaces)
        return refusal
    (call_id,) = open_calls(tx, run_id, budget, [(batch.positions, batch.attempt + 1, now)])
    tx.later(tx.sql.RETRY_REFRESH, old_call=batch.replaces, call_id=call_id)
    return batch.by_next_call(call_id, budget)


def settle(tx: Transaction, settlement: Settlement) -> bool:
    """The new response takes the place of the old one, which is deleted as a pruned one is."""
    batch, now = settlement.batch, settlement.now
    assert batch.replaces is not None, "another batch is not settled here"
    # Before the call, as a pruning has them.
    tx.later(tx.sql.LOCK_RESPONSE, call_id=batch.replaces)
    if not close_good(tx, [settlement]):
        return False
    store(tx, [settlement])
    missing = one_by_one(settlement.missing, batch.replaces)
    if missing:
        tx.move_later(tx.sql.RENEW, missing, state=int(VideoState.MISSING), new_call=batch.call_id)
    whole = moves_of(batch.positions, batch.replaces)
    kept = len(batch) - len(missing)  # while it is asked for again, nothing else moves an id
    tx.move_later(tx.sql.RENEW, whole, kept, state=int(VideoState.FETCHED), new_call=batch.call_id)
    tx.count(fetched=-len(missing), missing=len(missing))
    count_good(tx, settlement)
    tx.later(tx.sql.END_REFRESH, old_call=batch.replaces)
    delete_responses(tx, [batch.replaces], len(batch), before=now, now=now)
    return True


def give_back(tx: Transaction, batch: Batch, fault: Outcome, now: datetime) -> bool:
    """The old response stays as it was."""
    if not close_failed(tx, batch, fault, now):
        return False
    tx.later(tx.sql.END_REFRESH, old_call=batch.replaces)
    return True
