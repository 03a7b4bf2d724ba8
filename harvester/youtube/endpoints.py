"""The methods of the API that harvester calls: where each is, what it costs, and what a good answer holds."""

from __future__ import annotations

from dataclasses import dataclass

from harvester.config import QuotaSettings, YouTubeSettings
from harvester.model import BATCH_SIZE, Bucket


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of the API. Source: the discovery document of the YouTube Data API v3."""

    name: str
    """As in Google's documentation, and in the ledger's calls."""
    path: str
    """Appended to `youtube.base_url`."""
    answer_kind: str
    """The `kind` of a good answer. Its `items` have an `id` each: one that was asked for, none twice."""
    bucket: Bucket = "default"
    """The daily quota in which its calls are counted."""
    ids_per_call: int = BATCH_SIZE
    units_per_call: int | None = None
    """None: as `quota.units_per_call` says."""
    parts: str | None = None
    """The parts to ask for, comma-separated. None: those of `youtube.parts`."""

    def quota(self, settings: QuotaSettings) -> QuotaSettings:
        """Return the units that its calls may spend a day, and the units of each."""
        if self.bucket == "default":
            return settings
        return QuotaSettings(daily_units=settings.statistics_daily_units, units_per_call=self.units_per_call or 1)

    def asked(self, settings: YouTubeSettings) -> str:
        """Return the parts that its calls ask for, as the ledger records them."""
        return self.parts or settings.asked


VIDEOS_LIST = Endpoint("videos.list", "videos", "youtube#videoListResponse")
VIDEOS_BATCH_GET_STATS = Endpoint(
    "videos.batchGetStats",
    "videos:batchGetStats",
    "youtube#batchGetStatsResponse",
    bucket="statistics",
    units_per_call=1,
    parts="id,statistics",
)
