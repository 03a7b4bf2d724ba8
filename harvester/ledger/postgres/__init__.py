"""A ledger in PostgreSQL, shared by any number of machines: the extra `youtube-harvester[postgres]`."""
