"""What people do to a ledger between runs: requeue, prune, remove, fix quota days."""
