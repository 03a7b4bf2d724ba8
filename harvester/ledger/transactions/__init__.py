"""The transactions that change a SQLite ledger, one module a kind."""
