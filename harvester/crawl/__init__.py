"""A run of the crawl: claim, fetch, settle, in concurrent calls, until the day's budget is spent."""
