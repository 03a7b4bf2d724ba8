"""A video resource as the API's discovery document describes it (youtube v3, revision 20261104).

Every field is optional, as in the API, and ABSENT where it was not sent. The parts that only a video's owner may ask
for (fileDetails, processingDetails, suggestions, monetizationDetails, ageGating, projectDetails, brandPartner) are left
out: an API key never gets them.
A field that is not known here, or holds what its type can't, is not lost: see `unknown_fields`.
"""

from __future__ import annotations

from typing import Annotated, Any, NewType, TypeAlias

import msgspec

MAX_COUNT = 2**63 - 1
"""Counts are uint64 in the API; this is the most that an int64 column holds."""

Pixels: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
"""A number in the API's JSON too."""
Count = NewType("Count", Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)])
"""A number that the API sends as text: `"12"`."""
Flag = NewType("Flag", bool)
"""`"true"` or `"false"`, as text."""

# What a timestamp of microseconds in UTC holds exactly, and Python's datetime too: no finer fraction, no 30th of
# February, no leap second, no year that a shift to UTC could take out of 1 to 9999.
_ODD_YEAR = r"(?!0000|(?:0001|9999).*[^Z]\Z)"
_DAY = r"-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_LEAP_DAY = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
_TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
MOMENT_PATTERN = rf"\A{_ODD_YEAR}(?:[0-9]{{4}}{_DAY}|{_LEAP_DAY}){_TIME}{_ZONE}\Z"
USUAL_MOMENT_PATTERN = rf"^(?:19|20)[0-9]{{2}}{_DAY}{_TIME}Z$"
"""For RE2, which has no look-ahead: most of them, in the form that the API sends."""
Moment = NewType("Moment", Annotated[str, msgspec.Meta(pattern=MOMENT_PATTERN)])
"""An instant as RFC 3339 writes it, still as text: the column makes of it a timestamp."""

ABSENT: Any = None
"""Stands for a field that was not sent. The types leave it out: a null that was sent, or lax decoding's text `"null"`,
is then no value of them and is kept as a leftover."""


class KnownFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An object that holds these fields and no others."""


class Thumbnail(KnownFields, frozen=True):
    url: str = ABSENT
    width: Pixels = ABSENT
    height: Pixels = ABSENT


class Thumbnails(KnownFields, frozen=True):
    default: Thumbnail = ABSENT
    medium: Thumbnail = ABSENT
    high: Thumbnail = ABSENT
    standard: Thumbnail = ABSENT
    maxres: Thumbnail = ABSENT
    fhd: Thumbnail = ABSENT
    qhd: Thumbnail = ABSENT
    uhd: Thumbnail = ABSENT
    shortsAspectRatio: Thumbnail = ABSENT


class Localization(KnownFields, frozen=True):
    title: str = ABSENT
    description: str = ABSENT


class Snippet(KnownFields, frozen=True):
    publishedAt: Moment = ABSENT
    channelId: str = ABSENT
    channelTitle: str = ABSENT
    title: str = ABSENT
    description: str = ABSENT
    tags: list[str] = ABSENT
    categoryId: str = ABSENT
    liveBroadcastContent: str = ABSENT
    defaultLanguage: str = ABSENT
    defaultAudioLanguage: str = ABSENT
    localized: Localization = Localization()
    thumbnails: Thumbnails = ABSENT


class RegionRestriction(KnownFields, frozen=True):
    allowed: list[str] = ABSENT
    blocked: list[str] = ABSENT


class CountryRestriction(KnownFields, frozen=True):
    allowed: bool = ABSENT
    exception: list[str] = ABSENT


class ContentDetails(KnownFields, frozen=True):
    duration: str = ABSENT
    dimension: str = ABSENT
    definition: str = ABSENT
    caption: Flag = ABSENT
    licensedContent: bool = ABSENT
    projection: str = ABSENT
    hasCustomThumbnail: bool = ABSENT
    regionRestriction: RegionRestriction = ABSENT
    countryRestriction: CountryRestriction = ABSENT
    # Seventy rating systems, of which a video has one or none. Two of their properties are lists: leftovers.
    contentRating: dict[str, str] = ABSENT


class Status(KnownFields, frozen=True):
    uploadStatus: str = ABSENT
    privacyStatus: str = ABSENT
    license: str = ABSENT
    embeddable: bool = ABSENT
    publicStatsViewable: bool = ABSENT
    madeForKids: bool = ABSENT
    selfDeclaredMadeForKids: bool = ABSENT
    containsSyntheticMedia: bool = ABSENT
    publishAt: Moment = ABSENT
    failureReason: str = ABSENT
    rejectionReason: str = ABSENT


class Statistics(KnownFields, frozen=True):
    viewCount: Count = ABSENT
    likeCount: Count = ABSENT
    dislikeCount: Count = ABSENT
    favoriteCount: Count = ABSENT
    commentCount: Count = ABSENT


class TopicDetails(KnownFields, frozen=True):
    topicCategories: list[str] = ABSENT
    topicIds: list[str] = ABSENT
    relevantTopicIds: list[str] = ABSENT


class LiveStreamingDetails(KnownFields, frozen=True):
    scheduledStartTime: Moment = ABSENT
    scheduledEndTime: Moment = ABSENT
    actualStartTime: Moment = ABSENT
    actualEndTime: Moment = ABSENT
    concurrentViewers: Count = ABSENT
    activeLiveChatId: str = ABSENT


class Location(KnownFields, frozen=True):
    latitude: float = ABSENT
    longitude: float = ABSENT
    altitude: float = ABSENT


class RecordingDetails(KnownFields, frozen=True):
    recordingDate: Moment = ABSENT
    locationDescription: str = ABSENT
    location: Location = Location()


class Player(KnownFields, frozen=True):
    embedHtml: str = ABSENT
    embedWidth: Count = ABSENT
    embedHeight: Count = ABSENT


class PaidProductPlacementDetails(KnownFields, frozen=True):
    hasPaidProductPlacement: bool = ABSENT


class Video(KnownFields, frozen=True):
    """One `youtube#video`. An object of it that is not there is an empty one, but for those that stay nested."""

    id: str
    etag: str = ABSENT
    kind: str = ABSENT
    snippet: Snippet = Snippet()
    contentDetails: ContentDetails = ContentDetails()
    status: Status = Status()
    statistics: Statistics = Statistics()
    topicDetails: TopicDetails = TopicDetails()
    liveStreamingDetails: LiveStreamingDetails = LiveStreamingDetails()
    recordingDetails: RecordingDetails = RecordingDetails()
    paidProductPlacementDetails: PaidProductPlacementDetails = PaidProductPlacementDetails()
    player: Player = Player()
    localizations: dict[str, Localization] = ABSENT
