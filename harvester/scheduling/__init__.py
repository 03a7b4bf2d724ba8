"""The daily run: cron lines and systemd units, and pings to a health check."""
