"""The answers of `channels.list` and `playlistItems.list`."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from .answers import Answer
from .content.catalogue import Channel, Playlist, channel_named, channel_of_id, playlist_of_id
from .content.videos import Content
from .error_bodies import ERRORS

CHANNELS_KIND, PAGE_KIND = "youtube#channelListResponse", "youtube#playlistItemListResponse"
MAX_PAGE_SIZE = 50
DEFAULT_PAGE_SIZE = 5
MAX_SERVED = 20_000
"""Items of a playlist that can be read, however many it has."""


class Refusal(Exception):
    """A request that the API refuses, and its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Listings:
    """The channels and playlists of one seed. A page token expires `token_days` days after that of its page."""

    def __init__(self, content: Content, seed: int, first_day: date, token_days: int) -> None:
        self._content = content
        self._seed = seed
        self._first_day = first_day
        self._token_days = token_days

    def channels(self, ids: Sequence[str], query: Mapping[str, str], parts: Sequence[str]) -> dict[str, Any]:
        """Return the answer of `channels.list`; without `items` if no channel is found. Raises Refusal."""
        handle, username = query.get("forHandle"), query.get("forUsername")
        if [bool(ids), handle is not None, username is not None].count(True) != 1:
            raise Refusal(ERRORS["400_missing_parameter"])
        found = map(channel_of_id, dict.fromkeys(ids)) if ids else [channel_named(handle or username or "")]
        items = [self._channel(channel, parts) for channel in found if channel is not None]
        page_info = {"totalResults": len(items), "resultsPerPage": DEFAULT_PAGE_SIZE}
        answer = {"kind": CHANNELS_KIND, "etag": self._etag(*ids, handle, username), "pageInfo": page_info}
        return answer | {"items": items} if items else answer

    def page(self, query: Mapping[str, str], parts: Sequence[str]) -> dict[str, Any]:
        """Return the answer of `playlistItems.list`. Raises Refusal."""
        if "playlistId" not in query:
            raise Refusal(ERRORS["400_missing_parameter"])
        size = query.get("maxResults", str(DEFAULT_PAGE_SIZE))
        if not size.isdecimal() or int(size) > MAX_PAGE_SIZE:
            raise Refusal(ERRORS["400_bad_request"])
        playlist = playlist_of_id(query["playlistId"])
        if playlist is None:
            raise Refusal(ERRORS["404_playlist_not_found"])
        if playlist.channel.private:
            raise Refusal(ERRORS["403_playlist_items_not_accessible"])
        return self._page(playlist, self._position(query.get("pageToken")), int(size), parts)

    def _page(self, playlist: Playlist, start: int, size: int, parts: Sequence[str]) -> dict[str, Any]:
        day = self._content.day
        total = playlist.channel.size(day)
        served = min(total, MAX_SERVED)
        indices = playlist.indices(day, start, min(start + size, served))
        video_ids = list(playlist.channel.video_ids(self._seed, indices))
        placed = zip(range(start, start + len(indices)), indices, video_ids, strict=True)
        more = {"nextPageToken": _token(start + size, day)} if size and start + size < served else {}
        before = {"prevPageToken": _token(max(0, start - size), day)} if start else {}
        return {
            "kind": PAGE_KIND,
            "etag": self._etag(playlist.id, start, day, *parts),
            **more,
            **before,
            "items": [self._item(playlist, *each, parts) for each in placed],
            "pageInfo": {"totalResults": total, "resultsPerPage": size},
        }

    def _position(self, token: str | None) -> int:
        if token is None:
            return 0
        position, issued = read_token(token)
        if not issued <= self._content.day <= issued + self._token_days:
            raise Refusal(ERRORS["400_invalid_page_token"])
        return position

    def _channel(self, channel: Channel, parts: Sequence[str]) -> dict[str, Any]:
        day = self._content.day
        uploads = channel.size(day)
        title = channel.name.replace("-", " ").title()
        known = {
            "snippet": {
                "title": title,
                "description": f"{uploads:,} simulated uploads & more <{channel.name}>",
                "customUrl": f"@{channel.name}",
                "publishedAt": _moment(channel, 0, self._first_day),
                "thumbnails": _thumbnails(channel.id),
                "localized": {"title": title, "description": ""},
                "country": "FR",
            },
            "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": channel.uploads_playlist}},
            "statistics": {
                "viewCount": str(uploads * 12_345),
                "subscriberCount": str(uploads * 67),
                "hiddenSubscriberCount": False,
                "videoCount": str(uploads),
            },
            "status": {"privacyStatus": "public", "isLinked": True, "longUploadsStatus": "longUploadsUnspecified"},
        }
        head = {"kind": "youtube#channel", "etag": self._etag(channel.id, day), "id": channel.id}
        return head | {name: value for name, value in known.items() if name in parts}

    def _item(
        self, playlist: Playlist, position: int, index: int, video_id: str, parts: Sequence[str]
    ) -> dict[str, Any]:
        exists = self._content.exists(video_id)
        moment = _moment(playlist.channel, index, self._first_day)
        known: dict[str, Any] = {
            "contentDetails": {"videoId": video_id} | ({"videoPublishedAt": moment} if exists else {}),
            "status": {"privacyStatus": "public" if exists else "private"},
        }
        if "snippet" in parts:
            video = self._content.resource(video_id, ["snippet"])
            known = {"snippet": _snippet(playlist, position, video_id, video, moment)} | known
        item_id = base64.urlsafe_b64encode(f"{playlist.id}.{position:016X}".encode()).decode().rstrip("=")
        head = {"kind": "youtube#playlistItem", "etag": self._etag(item_id, video_id), "id": item_id}
        return head | {name: value for name, value in known.items() if name in parts}

    def _etag(self, *of: object) -> str:
        digest = hashlib.sha1(f"{self._seed}:{of}".encode(), usedforsecurity=False).digest()
        return base64.urlsafe_b64encode(digest).decode()[:27]


def page_of(answer: Mapping[str, Any]) -> str | None:
    """Return a text that names a page among all pages, or None for other answers and for an empty page."""
    if answer["kind"] != PAGE_KIND or not answer["items"]:
        return None
    return str(answer["items"][0]["id"])


def read_token(token: str) -> tuple[int, int]:
    """Return the position and the day of a page token. Raises Refusal."""
    try:
        raw = base64.b64decode(f"{token}=", altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 8 or raw[:1] != b"\x08" or raw[4:5] != b"\x10":
        raise Refusal(ERRORS["400_invalid_page_token"])
    return int.from_bytes(raw[1:4], "big"), int.from_bytes(raw[5:], "big")


def _token(position: int, day: int) -> str:
    """Return a page token: as Google's, a position in URL-safe base64, here with the day of its page."""
    raw = b"\x08" + position.to_bytes(3, "big") + b"\x10" + day.to_bytes(3, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _moment(channel: Channel, index: int, first_day: date) -> str:
    return f"{channel.published(index, first_day):%Y-%m-%dT%H:%M:%SZ}" if channel.uploads else "2026-01-01T00:00:00Z"


def _thumbnails(of: str) -> dict[str, Any]:
    sizes = {"default": 88, "medium": 240, "high": 800}
    return {
        name: {"url": f"https://yt3.ggpht.com/{of}=s{side}", "width": side, "height": side}
        for name, side in sizes.items()
    }


def _snippet(
    playlist: Playlist, position: int, video_id: str, video: dict[str, Any] | None, moment: str
) -> dict[str, Any]:
    """Return the snippet of an item; that of a deleted or private video (`video` is None) says little."""
    channel = playlist.channel
    if video is None:
        word = "Private" if ord(video_id[0]) % 2 else "Deleted"
        text = "This video is private." if word == "Private" else "This video is unavailable."
        about: dict[str, Any] = {"title": f"{word} video", "description": text, "thumbnails": {}}
        owner = {}
    else:
        about = {name: video["snippet"][name] for name in ("title", "description", "thumbnails")}
        owner = {"videoOwnerChannelTitle": channel.name, "videoOwnerChannelId": channel.id}
    return {
        "publishedAt": moment,
        "channelId": channel.id,
        **about,
        "channelTitle": channel.name,
        "playlistId": playlist.id,
        "position": position,
        "resourceId": {"kind": "youtube#video", "videoId": video_id},
        **owner,
    }
