"""A video resource as the API's discovery document describes it (youtube v3, revision 20261104).

Every field is optional, as in the API. The parts that only a video's owner may ask for (fileDetails, processingDetails,
suggestions, monetizationDetails, ageGating, projectDetails, brandPartner) are left out: an API key never gets them.
A field that is not known here, or holds what its type can't, is not lost: see `leftovers`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec

MOST_COUNT = 2**63 - 1
"""Counts are uint64 in the API; this is the most that an int64 column holds."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNT)]
Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An object that holds these fields and no others."""


class Thumbnail(Known, frozen=True):
    url: str | None = None
    width: int | None = None
    height: int | None = None


class Thumbnails(Known, frozen=True):
    default: Thumbnail | None = None
    medium: Thumbnail | None = None
    high: Thumbnail | None = None
    standard: Thumbnail | None = None
    maxres: Thumbnail | None = None
    fhd: Thumbnail | None = None
    qhd: Thumbnail | None = None
    uhd: Thumbnail | None = None
    shortsAspectRatio: Thumbnail | None = None


class Localization(Known, frozen=True):
    title: str | None = None
    description: str | None = None


class Snippet(Known, frozen=True):
    publishedAt: Moment | None = None
    channelId: str | None = None
    channelTitle: str | None = None
    title: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    categoryId: str | None = None
    liveBroadcastContent: str | None = None
    defaultLanguage: str | None = None
    defaultAudioLanguage: str | None = None
    localized: Localization = Localization()
    thumbnails: Thumbnails | None = None


class RegionRestriction(Known, frozen=True):
    allowed: list[str] | None = None
    blocked: list[str] | None = None


class CountryRestriction(Known, frozen=True):
    allowed: bool | None = None
    exception: list[str] | None = None


class ContentDetails(Known, frozen=True):
    duration: str | None = None
    dimension: str | None = None
    definition: str | None = None
    caption: bool | None = None
    licensedContent: bool | None = None
    projection: str | None = None
    hasCustomThumbnail: bool | None = None
    regionRestriction: RegionRestriction | None = None
    countryRestriction: CountryRestriction | None = None
    # Seventy rating systems, of which a video has one or none. Two of their properties are lists: leftovers.
    contentRating: dict[str, str] | None = None


class Status(Known, frozen=True):
    uploadStatus: str | None = None
    privacyStatus: str | None = None
    license: str | None = None
    embeddable: bool | None = None
    publicStatsViewable: bool | None = None
    madeForKids: bool | None = None
    selfDeclaredMadeForKids: bool | None = None
    containsSyntheticMedia: bool | None = None
    publishAt: Moment | None = None
    failureReason: str | None = None
    rejectionReason: str | None = None


class Statistics(Known, frozen=True):
    viewCount: Count | None = None
    likeCount: Count | None = None
    dislikeCount: Count | None = None
    favoriteCount: Count | None = None
    commentCount: Count | None = None


class TopicDetails(Known, frozen=True):
    topicCategories: list[str] | None = None
    topicIds: list[str] | None = None
    relevantTopicIds: list[str] | None = None


class LiveStreamingDetails(Known, frozen=True):
    scheduledStartTime: Moment | None = None
    scheduledEndTime: Moment | None = None
    actualStartTime: Moment | None = None
    actualEndTime: Moment | None = None
    concurrentViewers: Count | None = None
    activeLiveChatId: str | None = None


class Location(Known, frozen=True):
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None


class RecordingDetails(Known, frozen=True):
    recordingDate: Moment | None = None
    locationDescription: str | None = None
    location: Location = Location()


class Player(Known, frozen=True):
    embedHtml: str | None = None
    embedWidth: int | None = None
    embedHeight: int | None = None


class PaidProductPlacementDetails(Known, frozen=True):
    hasPaidProductPlacement: bool | None = None


class Video(Known, frozen=True):
    """One `youtube#video`. An object of it that is not there is an empty one, but for those that stay nested."""

    id: str
    etag: str | None = None
    kind: str | None = None
    snippet: Snippet = Snippet()
    contentDetails: ContentDetails = ContentDetails()
    status: Status = Status()
    statistics: Statistics = Statistics()
    topicDetails: TopicDetails = TopicDetails()
    liveStreamingDetails: LiveStreamingDetails = LiveStreamingDetails()
    recordingDetails: RecordingDetails = RecordingDetails()
    paidProductPlacementDetails: PaidProductPlacementDetails = PaidProductPlacementDetails()
    player: Player = Player()
    localizations: dict[str, Localization] | None = None
