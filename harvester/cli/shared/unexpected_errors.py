"""Translate exceptions of the operating system and of libraries to HarvesterError; the rest are bugs of harvester."""

from __future__ import annotations

import errno
import sys
from types import TracebackType

from harvester.errors import DISK_FULL, ConfigError, HarvesterError, OutsideError
from harvester.support.sanitize import shown

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
_NAMED_WRONGLY = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
    *(errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
)
_LIBRARIES = frozenset(
    (
        *("aiobotocore", "aiohttp", "aiosqlite", "alembic", "boto3", "botocore", "dask", "distributed", "fsspec"),
        *("pandas", "psycopg", "pyarrow", "s3fs", "s3transfer", "sqlalchemy", "sqlite3", "urllib3"),
    )
)
"""Libraries whose exceptions are about a database, files or the network."""
_SAFE = "What was committed before is safe."


def explain(error: Exception) -> HarvesterError | None:
    """Translate an exception to a HarvesterError; None for a bug of harvester."""
    if isinstance(error, OSError) and error.errno is not None:
        return _of_the_system(error)
    if isinstance(error, MemoryError) or str(error) == "can't start new thread":
        return OutsideError(
            f"This machine has no more room for harvester: {error or 'out of memory'}.",
            state=_SAFE,
            next_step="Look at its memory and at the limits of this user (ulimit -a), or lower run.concurrency.",
        )
    library = _library(type(error).__module__) or _raised_in(error.__traceback__)
    if library is None and not isinstance(error, OSError):
        return None
    first_line = next(iter(str(error).splitlines()), "")
    return OutsideError(
        f"{library or 'The network'} failed: {type(error).__name__}: {shown(first_line)}".rstrip(": "),
        state=_SAFE,
        next_step="Run the command again. If it says the same, run it with -v and report what it says.",
    )


def _of_the_system(error: OSError) -> HarvesterError:
    place = f"{shown(str(error.filename))}: " if error.filename else ""
    what = f"{place}{error.strerror}."
    if error.errno in _NO_DESCRIPTOR:
        return OutsideError(
            f"This process may not open as many files as it needs: {what}",
            state=_SAFE,
            next_step="Raise the limit (ulimit -n 1024), or lower run.concurrency, and run the command again.",
        )
    if error.errno in DISK_FULL:
        return OutsideError(what, state=_SAFE, next_step="Make room on the disk, then run the command again.")
    if error.errno in _NAMED_WRONGLY and error.filename:
        return ConfigError(what, state=_SAFE, next_step="Fix the name, or the rights of this user.")
    return OutsideError(what, state=_SAFE, next_step="Look at the system and the network, then run the command again.")


def _library(module: str) -> str | None:
    name = module.partition(".")[0].lstrip("_")
    return name if name in _LIBRARIES else None


def _raised_in(trace: TracebackType | None) -> str | None:
    """Return the library whose code raised it, except the standard library; None if that is harvester."""
    modules = []
    while trace is not None:
        modules.append(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    for module in reversed(modules):
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names:
            return _library(module)
    return None
