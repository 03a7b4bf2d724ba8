"""`sqlite`: databases and their check."""
