"""How many connections this process may have open at once, by the system's limit of open files."""

from __future__ import annotations

import logging
import os
import resource

from harvester.errors import OutsideError
from harvester.support.sanitize import count

log = logging.getLogger(__name__)

RESERVED = 16
"""Files for everything but calls: readers of the ledger, name lookups, the report and health checks at the end."""
_MIN_LEFT = 4
"""With fewer left, not even one call at a time works."""
_ASSUMED_OPEN = 32
"""Files assumed to be open if the system does not say."""


def affordable(concurrency: int) -> int:
    """Return how many calls at once the limit of open files allows, at most `concurrency`.

    The limit is raised as far as this user may. Raises OutsideError if it allows none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _open_now() + RESERVED + concurrency
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return concurrency
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (OSError, ValueError):
        limit = soft
    left = limit - _open_now()
    if left < _MIN_LEFT:
        raise OutsideError(
            f"This process may open {limit} files, and there is no room left for a call.",
            state="Nothing was sent.",
            next_step="Raise the limit (ulimit -n 1024), then run it again.",
        )
    room = min(concurrency, max(1, left - RESERVED))
    if room < concurrency:
        log.warning(
            "%s at once, not %d: this process may open no more than %d files (ulimit -n)",
            count(room, "call"),
            concurrency,
            limit,
        )
    return room


def _open_now() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 (it is only counted)
    except OSError:
        return _ASSUMED_OPEN
