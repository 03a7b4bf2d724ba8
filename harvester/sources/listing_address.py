"""Channels and playlists in what a user types: handles, ids and YouTube addresses. Pure."""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import parse_qs, unquote

from harvester.listing_types import ListingKind, Target
from harvester.sources.video_id import ADDRESS, WRAPPING, id_of_address, is_video_id

_IN_HANDLES = "_-.·"
_MAX_HANDLE_LENGTH = 100
_CHANNEL_ID = re.compile("UC[A-Za-z0-9_-]{22}")
_PLAYLIST_ID = re.compile("(?:VL)?((?:PL|UU|OL|FL|PU|EC|SP|RD|UL|TL)[A-Za-z0-9_-]{10,})", re.ASCII)
_ANY_LIST = re.compile("(?:VL)?([A-Za-z0-9_-]{2,100})", re.ASCII)
_ESCAPED = re.compile(r"\\(?=[?&=])")
"""As shells that complete an address write it."""

# Not RDCLAK5uy_…, which are playlists that YouTube Music edits.
_MIX = re.compile("(?:RD(?!CLAK5uy_)|UL|TL)")
_PRIVATE = frozenset({"WL", "LL", "LM", "HL"})
_LEGACY_PATHS = frozenset({"c", "user"})
_PAGES_OF_YOUTUBE = frozenset({"feed", "results", "playlist", "watch", "shorts", "live", "embed", "browse", "channel"})

LOAD = "harvester load adds videos"
OPEN_IT = "open it in a browser and take the @handle that the page shows"


class NotATarget(ValueError):
    """A text that names no channel and no playlist that can be listed. Its message is a clause: 'is …'."""


def read_target(text: str) -> Target:
    """Return the channel or playlist that a text names.

    Accepted are `@handle`, channel ids (`UC…`), playlist ids (`PL…`, `UU…`, `OL…` and others), and the addresses of
    their pages; `watch?v=…&list=…` is the playlist. White space, invisible characters and quotation marks around it are
    removed. Raises NotATarget.
    """
    bare = _ESCAPED.sub("", html.unescape(text)).strip(WRAPPING)
    if address := ADDRESS.match(bare):
        return _of_address(bare, unquote(address["path"] or ""), address["query"] or "")
    if "://" in bare or "/" in bare:
        raise NotATarget("is no address of a channel or a playlist of YouTube")
    bare = unquote(bare)
    return _channel(bare) or _playlist(bare, _PLAYLIST_ID) or _unknown(bare)


def _of_address(text: str, path: str, query: str) -> Target:
    values = parse_qs(query.lstrip("?"))
    # the last two: addresses of RSS feeds
    for name in ("list", "channel_id", "playlist_id"):
        if value := values.get(name, [""])[0].strip(WRAPPING):
            return _channel(value) or _playlist(value, _ANY_LIST) or _unknown(value)
    first, second, *_ = [*filter(None, path.split("/")), "", ""]
    if target := _channel(first if first.startswith("@") else second):
        return target
    if first == "browse" and (target := _playlist(second, _PLAYLIST_ID)):
        return target
    if id_of_address(text):
        raise NotATarget(f"is the address of a video; {LOAD}")
    if first in _LEGACY_PATHS or (first and not second and first not in _PAGES_OF_YOUTUBE):
        raise NotATarget(f"is an address from which the API finds no channel; {OPEN_IT}")
    raise NotATarget("is the address of no channel and no playlist")


def _channel(text: str) -> Target | None:
    handle = unicodedata.normalize("NFC", text.lower())
    if handle.startswith("@") and _is_handle(handle[1:]):
        return Target(ListingKind.CHANNEL, handle)
    return Target(ListingKind.CHANNEL, text) if _CHANNEL_ID.fullmatch(text) else None


def _is_handle(text: str) -> bool:
    """Whether it is letters of any script, their marks, digits and a few signs."""
    plain = (char.isalnum() or char in _IN_HANDLES or unicodedata.category(char)[0] == "M" for char in text)
    return 0 < len(text) < _MAX_HANDLE_LENGTH and all(plain)


def _playlist(text: str, form: re.Pattern[str]) -> Target | None:
    if text in _PRIVATE:
        raise NotATarget("is a playlist that only its owner can read")
    if not (match := form.fullmatch(text)) or is_video_id(text):
        return None
    if _MIX.match(match[1]):
        raise NotATarget("is a mix, which YouTube makes up for each viewer: the API does not list it")
    return Target(ListingKind.PLAYLIST, match[1])


def _unknown(text: str) -> Target:
    if is_video_id(text):
        raise NotATarget(f"is a video; {LOAD}")
    if text.startswith("UC"):
        raise NotATarget(f"is not a channel id, which has 24 characters: it has {len(text)}")
    if _is_handle(text) and "." not in text:
        raise NotATarget(f"is neither a channel nor a playlist; if it is a handle, write @{text}")
    raise NotATarget("is neither a channel nor a playlist" if text else "is empty")
