"""The methods of the API that harvester calls: where each is, what it costs, and what a good answer holds.

Answers about channels and playlists are read in `listing_answers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from msgspec.structs import replace

from harvester.config import QuotaSettings, YouTubeSettings
from harvester.listing_types import INVALID_PAGE_TOKEN, PAGE_SIZE
from harvester.model import BATCH_SIZE, Bucket, Budget


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of the API. Source: the discovery document of the YouTube Data API v3."""

    name: str
    """As in Google's documentation, and in the ledger's calls."""
    path: str
    """Appended to `youtube.base_url`."""
    answer_kind: str
    """The `kind` of a good answer. Of videos, its `items` have an `id` each: one that was asked for, none twice."""
    bucket: Bucket = "default"
    """The daily quota in which its calls are counted."""
    ids_per_call: int = BATCH_SIZE
    units_per_call: int | None = None
    """None: as `quota.units_per_call` says."""
    parts: str | None = None
    """The parts to ask for, comma-separated. None: those of `youtube.parts`."""
    price: Literal["units_per_call", "units_per_channel", "units_per_page"] = "units_per_call"
    """The setting of [quota] that holds the units of a call in the default bucket."""
    definite: frozenset[str] = frozenset()
    """Reasons of refusals that are about what was asked for. They count as answers, since asking again is no use."""
    well_known_id: str = "jNQXAC9IVRw"
    """What to ask for, to see whether the API answers at all. By default the first video on YouTube."""

    def query(self, ids: Sequence[str], page_token: str | None = None) -> dict[str, str]:
        """Return the parameters that ask for `ids`, and for the page of `page_token`."""
        if self is PLAYLIST_ITEMS_LIST:
            page = {"pageToken": page_token} if page_token else {}
            return {"playlistId": ids[0], "maxResults": str(PAGE_SIZE)} | page
        return {"forHandle" if self is CHANNELS_LIST and ids[0].startswith("@") else "id": ",".join(ids)}

    def quota(self, settings: QuotaSettings) -> QuotaSettings:
        """Return the units that its calls may spend a day, and the units of each."""
        if self.bucket == "default":
            return replace(settings, units_per_call=getattr(settings, self.price))
        return QuotaSettings(daily_units=settings.statistics_daily_units, units_per_call=self.units_per_call or 1)

    def asked(self, settings: YouTubeSettings) -> str:
        """Return the parts that its calls ask for, as the ledger records them."""
        return self.parts or settings.asked


def budget_of(endpoint: Endpoint, quota: QuotaSettings, parts: str | None) -> Budget:
    """Return what calls of `endpoint` may spend on any day, by `Endpoint.quota`; `parts` is what they ask for."""
    return Budget(date.min, quota.spendable_units, quota.units_per_call, parts, endpoint.name, endpoint.bucket)


VIDEOS_LIST = Endpoint("videos.list", "videos", "youtube#videoListResponse")
VIDEOS_BATCH_GET_STATS = Endpoint(
    "videos.batchGetStats",
    "videos:batchGetStats",
    "youtube#batchGetStatsResponse",
    bucket="statistics",
    units_per_call=1,
    parts="id,statistics",
)
CHANNELS_LIST = Endpoint(
    "channels.list",
    "channels",
    "youtube#channelListResponse",
    ids_per_call=1,
    parts="id,snippet,contentDetails,statistics",
    price="units_per_channel",
    definite=frozenset({"channelNotFound", "channelForbidden", "channelClosed", "channelSuspended"}),
    well_known_id="UC_x5XG1OV2P6uZZ5FSM9Ttw",
)
PLAYLIST_ITEMS_LIST = Endpoint(
    "playlistItems.list",
    "playlistItems",
    "youtube#playlistItemListResponse",
    ids_per_call=1,
    parts="contentDetails",
    price="units_per_page",
    definite=frozenset(
        {"playlistNotFound", "playlistItemsNotAccessible", "playlistOperationUnsupported", INVALID_PAGE_TOKEN}
        | {"watchHistoryNotAccessible", "watchLaterNotAccessible"}
    ),
    well_known_id="UU_x5XG1OV2P6uZZ5FSM9Ttw",
)
