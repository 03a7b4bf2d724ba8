"""The methods of the API that harvester calls: where each is, what it costs, and what a good answer holds."""

from __future__ import annotations

from dataclasses import dataclass

from harvester.config import QuotaSettings, YouTubeSettings
from harvester.model import BATCH_SIZE, Bucket


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of the API. Source: the discovery document of the YouTube Data API v3."""

    name: str
    """As Google's documents call it, and as the ledger notes it in each call."""
    path: str
    """Behind `youtube.base_url`."""
    answer_kind: str
    """The `kind` of a good answer. Its `items` have an `id` each: one that was asked for, none twice."""
    bucket: Bucket = "default"
    """The daily quota that its calls are counted in."""
    ids_per_call: int = BATCH_SIZE
    units_per_call: int | None = None
    """None: as `quota.units_per_call` says."""
    parts: str | None = None
    """The parts to ask for, comma-separated. None: those of `youtube.parts`."""

    def quota(self, settings: QuotaSettings) -> QuotaSettings:
        """What its calls may spend a day, and what each costs, in units."""
        if self.bucket == "default":
            return settings
        return QuotaSettings(daily_units=settings.statistics_daily_units, units_per_call=self.units_per_call or 1)

    def asked(self, settings: YouTubeSettings) -> str:
        """The parts that its calls ask for, as the ledger notes them."""
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
