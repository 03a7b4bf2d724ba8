"""Log lines on stderr: plain text or JSON, sanitised and without secrets."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

from harvester.support.sanitize import shown, shown_lines, without_secrets

if TYPE_CHECKING:
    from harvester.config import LogSettings

MAX_CHARACTERS = 2000
FIELDS = ("run_id", "call_id", "quota_day", "units", "attempt", "reason")
"""Fields of a JSON line about a run or a call, as `crawl/run_log.py` sets them."""
_SECRETS = (
    "YOUTUBE_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "HARVESTER_NOTIFY__URL",
    "HARVESTER_NOTIFY__WEBHOOK",
)
_MIN_SECRET_CHARACTERS = 8
"""Shorter values are no real secrets, and hiding them would only garble the lines."""


def set_up_logging(settings: LogSettings, verbosity: int) -> None:
    """Let harvester's loggers write to stderr. `verbosity` above 0 is DEBUG, below 0 no more than WARNING."""
    lines = _JsonLines() if settings.format == "json" else _TextLines()
    handler = _Stderr()
    handler.setFormatter(lines)
    level = logging.DEBUG if verbosity > 0 else logging.getLevelName(settings.level)
    if verbosity < 0:
        level = max(level, logging.WARNING)
    root = logging.getLogger("harvester")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
    # Warnings of libraries may contain texts of a server, and Python would write them unchanged.
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(lines)


def for_programs() -> bool:
    """Whether log lines are JSON, so that nothing else may be printed between them."""
    return any(isinstance(handler.formatter, _JsonLines) for handler in logging.getLogger("harvester").handlers)


def safe(text: str) -> str:
    """Make a text of several lines, such as a traceback, safe for stderr; remove the environment's secrets.

    harvester's own exceptions hold none; those of libraries may repeat their arguments.
    """
    return shown_lines(_without_secrets(text))


def _without_secrets(text: str) -> str:
    values = (os.environ.get(name, "").strip() for name in _SECRETS)
    return without_secrets(text, (value for value in values if len(value) >= _MIN_SECRET_CHARACTERS))


def _clean(text: str) -> str:
    return shown(_without_secrets(text), MAX_CHARACTERS)


def error_line(message: str, trace: str) -> str:
    """Return the JSON line of the error that ends a command, with the traceback unless `trace` is empty."""
    line = {"time": _instant(time.time()), "level": "ERROR", "logger": "harvester.cli", "message": safe(message)}
    # In ASCII, because stderr's escapes for other characters are not valid JSON.
    return json.dumps(line | ({"traceback": safe(trace)} if trace else {}))


def _instant(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class _Stderr(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr  # which rich replaces while it draws
        super().emit(record)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_instant(record.created)} {record.levelname:<7} {_clean(record.getMessage())}"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _instant(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        fields = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        return json.dumps(
            line | {name: value if isinstance(value, int) else _clean(str(value)) for name, value in fields.items()}
        )
