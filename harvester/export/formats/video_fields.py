"""A video resource as the API's discovery document describes it (youtube v3, revision 20261104).

Every field is optional, as in the API, and ABSENT if it was not sent. Parts that only a video's owner may ask for
(fileDetails, processingDetails, suggestions, monetizationDetails, ageGating, projectDetails, brandPartner) are left
out: an API key never gets them. Unknown fields and unexpected values are kept: see `unknown_fields`.
"""

from __future__ import annotations

from typing import Annotated, Any, NewType, TypeAlias

import msgspec

MAX_COUNT = 2**63 - 1
"""The largest count in an int64 column; counts are uint64 in the API."""

Pixels: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
"""A number in the API's JSON."""
Count = NewType("Count", Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)])
"""A number that the API sends as text: `"12"`."""
Flag = NewType("Flag", bool)
"""`"true"` or `"false"`, as text."""

# Times that a UTC timestamp of microseconds and Python's datetime can hold: no finer fraction, no 30th of February, no
# leap second, no year that a conversion to UTC could move out of 1 to 9999.
_ODD_YEAR = r"(?!0000|(?:0001|9999).*[^Z]\Z)"
_DAY = r"-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_LEAP_DAY = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
_TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
MOMENT_PATTERN = rf"\A{_ODD_YEAR}(?:[0-9]{{4}}{_DAY}|{_LEAP_DAY}){_TIME}{_ZONE}\Z"
USUAL_MOMENT_PATTERN = rf"^(?:19|20)[0-9]{{2}}{_DAY}{_TIME}Z$"
"""For RE2, which has no look-ahead: most times, in the form that the API sends."""
Moment = NewType("Moment", Annotated[str, msgspec.Meta(pattern=MOMENT_PATTERN)])
"""An RFC 3339 time, still as text; its column is a timestamp."""

ABSENT: Any = None
"""A field that was not sent. It is not part of the types, so that a null that was sent, or the text `"null"`, fits none
and is kept as a leftover."""


class KnownFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An object with these fields."""


class Thumbnail(KnownFields, frozen=True):
    """An image of a video."""

    url: str = ABSENT
    width: Pixels = ABSENT
    height: Pixels = ABSENT


class Thumbnails(KnownFields, frozen=True):
    """The images of a video, by size."""

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
    """Title and description in one language."""

    title: str = ABSENT
    description: str = ABSENT


class Snippet(KnownFields, frozen=True):
    """Part `snippet`."""

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
    """Countries in which a video is allowed or blocked."""

    allowed: list[str] = ABSENT
    blocked: list[str] = ABSENT


class CountryRestriction(KnownFields, frozen=True):
    """Countries in which a video is allowed, or not, with exceptions."""

    allowed: bool = ABSENT
    exception: list[str] = ABSENT


class ContentDetails(KnownFields, frozen=True):
    """Part `contentDetails`."""

    duration: str = ABSENT
    dimension: str = ABSENT
    definition: str = ABSENT
    caption: Flag = ABSENT
    licensedContent: bool = ABSENT
    projection: str = ABSENT
    hasCustomThumbnail: bool = ABSENT
    regionRestriction: RegionRestriction = ABSENT
    countryRestriction: CountryRestriction = ABSENT
    # Seventy rating systems, of which a video has at most one. Two properties are lists, which become leftovers.
    contentRating: dict[str, str] = ABSENT


class Status(KnownFields, frozen=True):
    """Part `status`."""

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
    """Part `statistics`."""

    viewCount: Count = ABSENT
    likeCount: Count = ABSENT
    dislikeCount: Count = ABSENT
    favoriteCount: Count = ABSENT
    commentCount: Count = ABSENT


class TopicDetails(KnownFields, frozen=True):
    """Part `topicDetails`."""

    topicCategories: list[str] = ABSENT
    topicIds: list[str] = ABSENT
    relevantTopicIds: list[str] = ABSENT


class LiveStreamingDetails(KnownFields, frozen=True):
    """Part `liveStreamingDetails`."""

    scheduledStartTime: Moment = ABSENT
    scheduledEndTime: Moment = ABSENT
    actualStartTime: Moment = ABSENT
    actualEndTime: Moment = ABSENT
    concurrentViewers: Count = ABSENT
    activeLiveChatId: str = ABSENT


class Location(KnownFields, frozen=True):
    """A place: latitude and longitude in degrees, altitude in metres."""

    latitude: float = ABSENT
    longitude: float = ABSENT
    altitude: float = ABSENT


class RecordingDetails(KnownFields, frozen=True):
    """Part `recordingDetails`."""

    recordingDate: Moment = ABSENT
    locationDescription: str = ABSENT
    location: Location = Location()


class Player(KnownFields, frozen=True):
    """Part `player`."""

    embedHtml: str = ABSENT
    embedWidth: Count = ABSENT
    embedHeight: Count = ABSENT


class PaidProductPlacementDetails(KnownFields, frozen=True):
    """Part `paidProductPlacementDetails`."""

    hasPaidProductPlacement: bool = ABSENT


class Video(KnownFields, frozen=True):
    """One `youtube#video`. A missing object is an empty one, except for those that stay nested."""

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
