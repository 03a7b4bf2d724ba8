"""The simulated videos, determined by seed and id."""

import hashlib
import json
import random
import struct
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from ..faults import FaultLevel, FaultPlan
from .ids import WELL_FORMED
from .style import Style, style_of
from .templates import ID_MARK, PARTS, POOL_SIZE, Template, build_template

MISSING_SHARE = 0.07

_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
# whether it exists, which template, which counts; the rest of the 20 bytes is for the etag only
_DRAW = struct.Struct("<IHH12x")
_SHARE_OF_VIEWS = {"viewCount": 1.0, "likeCount": 0.027, "favoriteCount": 0.0, "commentCount": 0.0013}
_COUNT_SETS = 32


@dataclass(frozen=True)
class Form:
    """A template rendered for some parts.

    tail: what follows the head, split at the id. ending: the statistics, with a place for each count, and the last
    brace. shares: the counts as shares of the views. views: of several sizes, those of the first day and how many each
    later day adds.
    """

    tail: list[bytes]
    ending: bytes
    shares: tuple[float, ...]
    views: tuple[tuple[int, int], ...]


class Content:
    """The simulated videos of one seed. A share of `missing_share` of all ids does not exist.

    Views, likes and comments grow by the `day`, from 0, differently fast.
    """

    def __init__(self, seed: int, missing_share: float = MISSING_SHARE) -> None:
        self.style = style_of(seed)
        self._seed = seed
        fields = self.style.fields(("kind", b'"youtube#video"'), ("etag", b'"%b"'), ("id", b'"%b"'))
        self._head = b"{" + fields
        self._missing_below = int(missing_share * 2**32)
        self._hash = hashlib.sha1(f"content:{seed}".encode(), usedforsecurity=False)
        # on first use, so that starting is fast and a pool is made once
        self._form = cache(self._rendered)
        self.day = 0

    def exists(self, video_id: str) -> bool:
        """Whether the video exists; an ill-formed id never does."""
        return self._drawn(video_id) is not None

    def resource(self, video_id: str, parts: Sequence[str] = PARTS) -> dict[str, Any] | None:
        """Return the `youtube#video` resource, or None if it does not exist."""
        return next(map(json.loads, self.items([video_id], parts)), None)

    def items(self, ids: Sequence[str], parts: Sequence[str] = PARTS) -> Iterator[bytes]:
        """Yield the JSON of those of `ids` that exist, with these parts, in the same order."""
        wanted = tuple(part for part in PARTS if part in parts)
        for video_id in ids:
            if (digest := self._drawn(video_id)) is not None:
                _, index, size = _DRAW.unpack(digest)
                form = self._form(wanted, index % POOL_SIZE)
                first, more = form.views[size % _COUNT_SETS]
                counts = tuple(int((first + self.day * more) * share) for share in form.shares)
                raw = video_id.encode()
                yield self._head % (_etag(digest), raw) + raw.join(form.tail) + form.ending % counts

    def etag(self, ids: Sequence[str], parts: Sequence[str]) -> bytes:
        """Return the etag of the answer to a batch."""
        return _etag(self._digest(",".join((*ids, *parts)).encode()))

    def _digest(self, raw: bytes) -> bytes:
        hasher = self._hash.copy()
        hasher.update(raw)
        return hasher.digest()

    def _drawn(self, video_id: str) -> bytes | None:
        """Return what decides about the video; None if it does not exist."""
        digest = self._digest(video_id.encode())
        return digest if WELL_FORMED.fullmatch(video_id) and _DRAW.unpack(digest)[0] >= self._missing_below else None

    def _rendered(self, parts: tuple[str, ...], index: int) -> Form:
        template, style = build_template(self._seed, index), self.style
        ending, shares = b"}", {}
        if "statistics" in parts:
            shares = {name: share for name, share in _SHARE_OF_VIEWS.items() if name in template.counts}
            ending = style.comma + style.fields(("statistics", style.spell(dict.fromkeys(shares, "%d")))) + b"}"
        views = _views(template, f"{self._seed}:{index}")
        return Form(_tail(template, parts, style), ending, tuple(shares.values()), views)


TrueState = Literal["fetched", "missing", "failed"]


def truth(video_id: str, seed: int = 0, faults: FaultLevel = "none", missing_share: float = MISSING_SHARE) -> TrueState:
    """Return the state of `video_id` after a correct crawl, whatever faults occur; "failed": a poison video."""
    if FaultPlan(faults, seed).poison_of(video_id) is not None:
        return "failed"
    return "fetched" if Content(seed, missing_share).exists(video_id) else "missing"


def _etag(digest: bytes) -> bytes:
    return b2a_base64(digest, newline=False)[:27].translate(_TO_URL_SAFE)


def _tail(template: Template, parts: Sequence[str], style: Style) -> list[bytes]:
    """Return the text from the comma after the id to the end of the last part before the statistics, split at the
    id."""
    names = [name for name in ("snippet", "contentDetails", "status", "topicDetails") if name in parts]
    fields = [(name, style.spell(template.parts[name])) for name in names if template.parts[name] is not None]
    tail = b"".join(style.comma + style.fields(field) for field in (fields[::-1] if style.reverse else fields))
    return tail.split(style.spell(ID_MARK).strip(b'"'))


def _views(template: Template, seed: str) -> tuple[tuple[int, int], ...]:
    """Return views of the first day, and views a day: one, and from a ten thousandth to a tenth of the first."""
    first, more = random.Random(f"counts:{seed}"), random.Random(f"growth:{seed}")
    views = [first.randrange(template.views_below) for _ in range(_COUNT_SETS)]
    return tuple((each, 1 + int(each * 10 ** more.uniform(-4, -1))) for each in views)
