"""Tools that know nothing of harvesting."""
