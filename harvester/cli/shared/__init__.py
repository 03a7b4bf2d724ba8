"""What several commands share: the terminal, logs, signals, progress, files."""
