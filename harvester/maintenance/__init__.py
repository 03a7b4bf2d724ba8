"""What people do to a ledger between runs: requeue, remove, fix quota days."""
