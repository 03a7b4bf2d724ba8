"""Statistics over time."""
