"""The crawl of a run: claim, fetch and settle, in concurrent calls, until the day's budget is spent."""
