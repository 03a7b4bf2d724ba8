"""The transactions that open runs, renew their leases and close them."""

from __future__ import annotations

from datetime import datetime

from harvester.ledger.transactions.recover_dead_runs import abandon_calls
from harvester.ledger.transactions.transaction import Transaction, instant
from harvester.model import ProcessIdentity


def open_run(tx: Transaction, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
    """Record a run. Returns its id."""
    run_id: int = tx.value(tx.sql.NEXT_RUN_ID)
    tx.lock_run(run_id)  # before other processes see the run
    tx.later(
        tx.sql.OPEN_RUN,
        run_id=run_id,
        host=process.host,
        boot=process.boot,
        pid=process.pid,
        process_started=process.started,
        now=instant(now),
        lease_until=instant(lease_until + tx.clock_lead()),
    )
    return run_id


def renew_lease(tx: Transaction, run_id: int, lease_until: datetime) -> None:
    """Extend the run's lease to `lease_until`, and reopen a run that was taken for dead."""
    tx.later(tx.sql.RENEW_LEASE, run_id=run_id, lease_until=instant(lease_until + tx.clock_lead()))


def close_run(tx: Transaction, run_id: int, now: datetime, reason: str) -> None:
    """Abandon the run's open calls, and note why it ended."""
    abandon_calls(tx, run_id, now, reason)
    tx.later(tx.sql.CLOSE_RUN, run_id=run_id, now=instant(now), reason=reason)
