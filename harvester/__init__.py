"""A resumable, quota-aware, multi-day harvester of YouTube video metadata.

The public API is `__all__`. Names are imported on first use, so that `import harvester` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harvester._version import __version__

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.clock import SystemClock
    from harvester.config import Config, load_config
    from harvester.crawl.run_report import RunReport
    from harvester.errors import HarvesterError
    from harvester.notebook import alt_fetch_all, fetch_all

__all__ = [
    "Config",
    "Harvester",
    "HarvesterError",
    "RunReport",
    "SystemClock",
    "__version__",
    "alt_fetch_all",
    "fetch_all",
    "load_config",
]

_HOMES = {
    "Config": "harvester.config",
    "Harvester": "harvester.app",
    "HarvesterError": "harvester.errors",
    "RunReport": "harvester.crawl.run_report",
    "SystemClock": "harvester.clock",
    "alt_fetch_all": "harvester.notebook",
    "fetch_all": "harvester.notebook",
    "load_config": "harvester.config",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
