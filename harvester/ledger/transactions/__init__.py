"""The transactions that change a ledger, one module a kind, written once for every database."""
