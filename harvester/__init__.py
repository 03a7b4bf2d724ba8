"""A resumable, quota-aware, multi-day harvester of YouTube video metadata."""

from harvester._version import __version__

__all__ = ["__version__"]
