"""How far the crawl is: a summary, and how it is shown."""
