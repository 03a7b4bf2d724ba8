"""Log lines on stderr: plain for people, JSON for machines. Nothing in them acts on a terminal."""

from __future__ import annotations

import json
import logging
import time

from harvester.config import LogSettings
from harvester.text import shown

MOST_CHARACTERS = 2000


def set_up_logging(settings: LogSettings, verbosity: int) -> None:
    """Let harvester's loggers write to stderr. `verbosity` above 0 is DEBUG, below 0 WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if settings.format == "json" else _TextLines())
    level = settings.level if verbosity == 0 else "DEBUG" if verbosity > 0 else "WARNING"
    root = logging.getLogger("harvester")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False


def _instant(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_instant(record)} {record.levelname:<7} {shown(record.getMessage(), MOST_CHARACTERS)}"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": shown(record.getMessage(), MOST_CHARACTERS),
        }
        return json.dumps(line, ensure_ascii=False)
