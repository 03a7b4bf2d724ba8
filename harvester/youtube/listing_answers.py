"""Read what channels.list and playlistItems.list answer. Pure. Their bodies are checked as those with videos are."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, TypeVar

import msgspec

from harvester.listing_types import PAGE_SIZE, Channel, Page
from harvester.model import Answer
from harvester.support.gzip_body import BodyError
from harvester.support.sanitize import shown
from harvester.youtube.validate_body import read_text

T = TypeVar("T")

MAX_TITLE_CHARS = 200
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]*\Z", max_length=100)]
_Token = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]+\Z", max_length=1000)]


class _PageInfo(msgspec.Struct, rename="camel"):
    total_results: int | None = None


class _Video(msgspec.Struct, rename="camel"):
    video_id: str | None = None


class _PlaylistItem(msgspec.Struct, rename="camel"):
    content_details: _Video | None = None


class _PlaylistPage(msgspec.Struct, rename="camel"):
    items: list[_PlaylistItem] | None = None
    next_page_token: _Token | None = None
    prev_page_token: _Token | None = None
    page_info: _PageInfo | None = None


class _Snippet(msgspec.Struct):
    title: str = ""


class _Playlists(msgspec.Struct):
    uploads: _Id = ""


class _ChannelDetails(msgspec.Struct, rename="camel"):
    related_playlists: _Playlists | None = None


class _Channel(msgspec.Struct, rename="camel"):
    id: _Id
    snippet: _Snippet | None = None
    content_details: _ChannelDetails | None = None


class _ChannelsPage(msgspec.Struct, rename="camel"):
    items: list[msgspec.Raw] | None = None
    page_info: _PageInfo | None = None


def read_page(answer: Answer, kind: str) -> Page:
    """Return the page in a 200. Items without a video's id are counted only. Raises BodyError for any other body."""
    page = _decoded(_PlaylistPage, read_text(answer, kind))
    if page.items is None:
        raise BodyError("no_items", "the body has no items")
    if len(page.items) > PAGE_SIZE:
        raise BodyError("too_many_items", f"the body has more than {PAGE_SIZE} items")
    named = (item.content_details.video_id or "" for item in page.items if item.content_details is not None)
    total = page.page_info.total_results if page.page_info is not None else None
    ids = tuple(filter(_VIDEO_ID.fullmatch, named))
    return Page(ids, len(page.items), page.next_page_token, total, page.prev_page_token)


def read_channel(answer: Answer, asked: Collection[str], kind: str) -> Channel | None:
    """Return the channel in a 200; None if the API says that there is none. Raises BodyError for any other body."""
    page = _decoded(_ChannelsPage, read_text(answer, kind))
    if not page.items:
        # The API leaves out the items where there are none.
        if page.items is None and (page.page_info is None or page.page_info.total_results != 0):
            raise BodyError("no_items", "the body has no items")
        return None
    if len(page.items) > 1:
        raise BodyError("too_many_items", "the body has more than the one channel that was asked for")
    channel = _decoded(_Channel, bytes(page.items[0]))
    if all(not text.startswith("@") and text != channel.id for text in asked):
        raise BodyError("unexpected_id", "the body has a channel that was not asked for")
    details = channel.content_details
    return Channel(
        channel_id=channel.id,
        title=shown(channel.snippet.title if channel.snippet else "", MAX_TITLE_CHARS),
        uploads_id=details.related_playlists.uploads if details and details.related_playlists else "",
        resource=bytes(page.items[0]).decode(),
    )


def _decoded(kind: type[T], text: bytes) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise BodyError("bad_item", f"the body is not of the form that the API documents: {error}") from None
