"""The metadata that Datasette shows with a published SQLite database."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from harvester._version import __version__
from harvester.config import ExportSettings, noun_of
from harvester.errors import ConfigError
from harvester.export.manifest import Manifest
from harvester.export.storage.destination import Destination
from harvester.export.storage.open import target_at
from harvester.export.storage.ownership import check_replaceable, owned_by_marker
from harvester.support.sanitize import count

SUFFIX = ".metadata.json"
MARKS = (b'"about": "youtube-harvester',)
"""Identifies such a file of harvester."""


def metadata_at(settings: ExportSettings, *, force: bool) -> Destination:
    """Return the destination next to the database. Raises DestinationRefused if something else is there, unless
    `force`."""
    if settings.format != "sqlite":
        raise ConfigError(
            f"Datasette opens SQLite databases, and the export is {settings.format}.",
            state="Nothing was written.",
            next_step="Name a database: harvester export songs.db --datasette-metadata",
        )
    place = target_at(settings.uri, settings, manifest=False).beside(SUFFIX)
    check_replaceable(place, owned_by_marker(MARKS), force=force)
    return place


def metadata(manifest: Manifest) -> bytes:
    """Return the file for `datasette songs.db --metadata songs.db.metadata.json`."""
    tables: dict[str, dict[str, Any]] = {
        "videos": {
            "description": "A row is a YouTube video, as the YouTube Data API described it at fetched_at.",
            "label_column": "snippet_title",
            "sort_desc": "statistics_viewCount",
            "columns": _COLUMNS,
        },
        "tags": {"description": "A row is a tag of a video.", "columns": _IN_LIST},
        "topics": {"description": "A row is a topic of a video, as an address of Wikipedia.", "columns": _IN_LIST},
    }
    if manifest.table == "statistics":
        tables = {}
    if manifest.history:
        tables["statistics"] = {"description": "A row is a fetch of a video's counts.", "sort": "id"}
    held = count(manifest.videos, noun_of(manifest.table))
    about = {
        "title": "YouTube videos",
        "description": f"{held}, exported at {manifest.exported_at:%Y-%m-%dT%H:%M:%SZ}.",
        "source": "YouTube Data API v3",
        "source_url": "https://developers.google.com/youtube/v3/docs/videos",
        "about": f"youtube-harvester {__version__}",
        # Datasette names a database by its file, without the extension.
        "databases": {PurePosixPath(manifest.file).stem: {"tables": tables}},
    }
    return json.dumps(about, indent=2).encode() + b"\n"


_COLUMNS = {
    "snippet_publishedAt": "UTC",
    "contentDetails_duration": "Seconds; null where the API's text is no duration",
    "contentDetails_duration_iso": "As the API writes it",
    "statistics_viewCount": "Null where it is hidden",
    "other_json": "What the API sent and no column holds",
    "fetched_at": "When the response came, UTC. It may be kept for 30 days.",
}
_IN_LIST = {"position": "In the video's list, from 0 on"}
