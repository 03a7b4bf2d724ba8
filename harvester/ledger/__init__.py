"""The checkpoint database: every id with its state, every call with its units, every response."""
