"""Versions of harvester, Python, SQLite and the most important libraries."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version

from harvester._version import __version__
from harvester.doctor.finding import Finding, misconfigured, ok

LIBRARIES = ("aiohttp", "alembic", "boto3", "pandas", "pyarrow", "pydantic", "s3fs", "SQLAlchemy", "zstandard")
OLDEST_SQLITE = (3, 37, 0)
"""Strict tables need it."""


def found() -> dict[str, str | None]:
    """Return each with its version; None if it is not installed."""
    here: dict[str, str | None] = {
        "harvester": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    return here | {name: _version(name) for name in LIBRARIES}


def check_versions() -> Finding:
    """Check the versions."""
    here = found()
    if lost := [name for name, number in here.items() if number is None]:
        return misconfigured(
            "versions",
            f"Not installed: {', '.join(lost)}.",
            "Install it again, in the source's folder: pip install .",
        )
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
