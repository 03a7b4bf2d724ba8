"""The transactions that change a ledger, one module for each kind, written once for both databases."""
