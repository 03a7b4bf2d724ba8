"""The simulated channels and playlists, determined by the seed and their names.

A channel's handle says how large it is: `@songs-30000` has 30,000 uploads, `@news-500-12` has 500 on the simulator's
first day and 12 more on each later one. Its ids contain the name as well: channel `UCsongs-30000__________A`, uploads
playlist `UUsongs-30000__________A`, newest first. The playlist `PLsongs-30000_____…` (34 characters) has the same
videos in mixed order, some of them twice, and new ones at its end. `@NAME-0` has no uploads playlist, as real channels
without uploads; the playlists of a `@private…` channel may not be read. No other channels and playlists exist.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import gcd

from .ids import make_ids

_NAME = re.compile(r"(?P<word>[a-z][a-z0-9]*)-(?P<uploads>[0-9]{1,6})(?:-(?P<a_day>[0-9]{1,4}))?", re.ASCII)
_MAX_NAME_LENGTH = 21
_PLAYLIST_LENGTH = 34
_PAD = "_"
_REPEATED_EVERY = 100
_LONGEST_SECONDS = 15 * 365 * 86_400


@dataclass(frozen=True)
class Channel:
    """A channel; `uploads` are those of the first day, `a_day` those of each later day. Its playlists are ids."""

    name: str
    uploads: int
    a_day: int
    private: bool
    id: str
    uploads_playlist: str
    mixed_playlist: str

    def size(self, day: int) -> int:
        """Return the number of uploads on the simulator's `day`-th day, from 0."""
        return self.uploads + day * self.a_day

    def published(self, index: int, first_day: date) -> datetime:
        """Return when the `index`-th upload, from the oldest, was published."""
        start = datetime.combine(first_day, time(), UTC)
        if index >= self.uploads:
            return start + timedelta(days=(index - self.uploads) // self.a_day + 1)
        return start - (self.uploads - index) * timedelta(seconds=min(3_600, _LONGEST_SECONDS // self.uploads))

    def video_ids(self, seed: int, indices: Iterable[int]) -> Iterator[str]:
        """Yield the ids of these uploads."""
        digest = hashlib.sha1(f"channel:{seed}:{self.name}".encode(), usedforsecurity=False).digest()
        for index in indices:
            yield next(make_ids(int.from_bytes(digest[:6], "big"), 1, index))


@dataclass(frozen=True)
class Playlist:
    """A playlist of a channel: `mixed`, or the uploads, newest first."""

    channel: Channel
    mixed: bool

    @property
    def id(self) -> str:
        """The playlist id."""
        return self.channel.mixed_playlist if self.mixed else self.channel.uploads_playlist

    def indices(self, day: int, start: int, stop: int) -> list[int]:
        """Return which uploads stand at the positions from `start` to before `stop`."""
        size = self.channel.size(day)
        positions = range(start, min(stop, size))
        return [self._mixed(position) if self.mixed else size - 1 - position for position in positions]

    def _mixed(self, position: int) -> int:
        count = self.channel.uploads
        if position >= count:
            return position
        if position % _REPEATED_EVERY == _REPEATED_EVERY - 1:
            position -= 1
        step = next(step for step in range(count * 5 // 8 + 1, 2 * count + 2) if gcd(step, count) == 1)
        return (position * step + 1) % count


def channel_named(name: str) -> Channel | None:
    """Return the channel with this handle, with or without `@`, in any case; None if there is none."""
    name = name.removeprefix("@").lower()
    match = _NAME.fullmatch(name)
    if match is None or len(name) > _MAX_NAME_LENGTH:
        return None
    key, mixed = f"{name:{_PAD}<{_MAX_NAME_LENGTH}}A", f"PL{name:{_PAD}<{_PLAYLIST_LENGTH - 2}}"
    is_private = match["word"].startswith("private")
    return Channel(name, int(match["uploads"]), int(match["a_day"] or 0), is_private, f"UC{key}", f"UU{key}", mixed)


def channel_of_id(channel_id: str) -> Channel | None:
    """Return the channel with this id, or None."""
    found = channel_named(channel_id[2:-1].rstrip(_PAD))
    return found if found is not None and found.id == channel_id else None


def playlist_of_id(playlist_id: str) -> Playlist | None:
    """Return the playlist with this id, or None."""
    mixed = playlist_id.startswith("PL")
    channel = channel_named((playlist_id[2:] if mixed else playlist_id[2:-1]).rstrip(_PAD))
    if channel is None or not channel.uploads:
        return None
    playlist = Playlist(channel, mixed)
    return playlist if playlist.id == playlist_id else None
