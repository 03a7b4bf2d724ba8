"""Checks of the settings, the key, the time zone and the versions of what is installed."""

from __future__ import annotations

import platform
import re
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from harvester._version import __version__
from harvester.config import Config
from harvester.doctor.finding import Finding, misconfigured, ok, problem, warning
from harvester.errors import HarvesterError
from harvester.support.api_key import api_key, api_key_file
from harvester.support.sanitize import shown

PACIFIC = "America/Los_Angeles"
"""Not imported from `quota`, whose import fails if the zone is missing."""

_KEY_SHAPES = re.compile(r"AIza[0-9A-Za-z_-]{35}|AQ\.[0-9A-Za-z_-]{20,}")
"""The older and the newer form of Google's keys. Neither is documented, so another form is only a warning."""

_OTHERS_READ = 0o044

LIBRARIES = ("aiohttp", "alembic", "boto3", "msgspec", "pandas", "pyarrow", "s3fs", "SQLAlchemy", "zstandard")
OLDEST_SQLITE = (3, 37, 0)
"""Strict tables need it."""


def check_config(path: Path | None, read: Callable[[], Config]) -> tuple[Finding, Config | None]:
    """Check the settings that `read` returns; `path` is their file, if any."""
    try:
        settings = read()
    except HarvesterError as error:
        return problem("config", error), None
    if path is None:
        what = "There is no config.toml: the defaults are used."
        return warning("config", what, "Run harvester init to write one."), settings
    return ok("config", f"{shown(str(path.absolute()))} works."), settings


def check_key(settings: Config | None) -> Finding:
    """Check whether there is a key that can be sent. Neither it nor its length is shown."""
    try:
        value = api_key().get_secret_value()
    except HarvesterError as error:
        return problem("key", error)
    host = urlsplit(settings.youtube.base_url).hostname if settings else None
    if host and not host.endswith(".googleapis.com"):
        return ok("key", "There is a key. What it looks like is not judged: youtube.base_url is not Google's.")
    if not _KEY_SHAPES.fullmatch(value):
        what = "There is a key, but it does not look like one of Google's."
        return warning("key", what, "Copy it from the console again.")
    file = api_key_file()
    if file is not None and file.stat().st_mode & _OTHERS_READ:
        name = shown(str(file))
        return warning("key", f"There is a key, but others on this machine may read {name}.", f"chmod 600 {name}")
    return ok("key", "There is a key, and it looks like one of Google's.")


def check_time_zone() -> Finding:
    """Check whether this machine knows the zone of the quota's day."""
    fix = "Install the package tzdata, and look at PYTHONTZPATH if it is set."
    try:
        zone = ZoneInfo(PACIFIC)
        winter, summer = (datetime(2026, month, 15, 12, tzinfo=zone).utcoffset() for month in (1, 7))
    except (LookupError, ValueError, OSError):
        return misconfigured("time zone", f"The time zone {PACIFIC} can't be read.", fix)
    if (winter, summer) != (timedelta(hours=-8), timedelta(hours=-7)):
        return misconfigured("time zone", f"The time zone {PACIFIC} is not what it should be.", fix)
    return ok("time zone", f"{PACIFIC} is known, with its summer time.")


def versions() -> dict[str, str | None]:
    """Return the versions of harvester, Python, SQLite and the most important libraries; None of what is missing."""
    here: dict[str, str | None] = {
        "harvester": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    return here | {name: _version(name) for name in LIBRARIES}


def check_versions() -> Finding:
    """Check the versions."""
    here = versions()
    if lost := [name for name, number in here.items() if number is None]:
        fix = "Install it again, in the source's folder: pip install ."
        return misconfigured("versions", f"Not installed: {', '.join(lost)}.", fix)
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(str(number) for number in OLDEST_SQLITE)
        what = f"Python brings SQLite {sqlite3.sqlite_version}; the ledger needs {oldest}."
        return misconfigured("versions", what, "Use a newer Python.")
    return ok("versions", ", ".join(f"{name} {number}" for name, number in here.items()) + ".")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
