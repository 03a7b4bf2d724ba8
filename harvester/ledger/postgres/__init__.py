"""A ledger in PostgreSQL, shared by any number of machines: the extra `harvester[postgres]`."""
