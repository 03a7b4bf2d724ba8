"""`csv`: files and their rows."""
