"""What people do to a ledger between runs: requeue, remove, mend quota days."""
