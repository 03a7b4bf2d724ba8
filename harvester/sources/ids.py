"""Texts as ids: stripped, distinct in first-seen order, and sorted into valid, unusual and invalid."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

VIDEO_ID = re.compile("[A-Za-z0-9_-]{11}")
KNOWN_ID = re.compile("[A-Za-z0-9_-]{10}[048AEIMQUYcgkosw]")
"""What every known id looks like: 64 bits leave the last character sixteen choices."""

UNUSUAL_SHOWN = 5
KEPT_CHARACTERS = 200
CUT_TEXT = re.compile(r".{200}…sha256:[0-9a-f]{12}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class IdChunk:
    """The ids of some consecutive rows of a source."""

    rows: int
    """Rows read for this chunk, duplicates included."""
    ids: list[str]
    """Distinct within the chunk, in first-seen order, valid and invalid texts alike."""
    invalid: frozenset[str]
    """Those of `ids` that cannot be video ids; an empty cell is the invalid id ""."""
    unusual: tuple[str, ...]
    """A few well-formed ids whose last character no known id has: worth a warning, still asked for."""


def is_video_id(text: str) -> bool:
    """Whether this is eleven characters of the alphabet of video ids."""
    return VIDEO_ID.fullmatch(text) is not None


def make_chunk(texts: pd.Series[str]) -> IdChunk:
    """The chunk that a column of texts, duplicates and all, comes to."""
    import pandas as pd

    distinct = pd.Series(texts.unique(), dtype="str")
    known = distinct.str.fullmatch(KNOWN_ID.pattern).tolist()
    ids: list[str] = distinct.tolist()
    if not all(known):
        ids = list(dict.fromkeys(text if fits else tidy(text) for text, fits in zip(ids, known, strict=True)))
    return _chunk(len(texts), ids, all_known=all(known))


def tidy(text: str) -> str:
    """Without the white space around it; a text too long to be anyone's id is cut, and stays distinct."""
    text = text.strip()
    if len(text) <= KEPT_CHARACTERS or CUT_TEXT.fullmatch(text):
        return text
    return cut(text[:KEPT_CHARACTERS], hashlib.sha256(text.encode()).hexdigest())


def cut(head: str, sha256: str) -> str:
    """What is kept of an absurdly long text."""
    return f"{head[:KEPT_CHARACTERS]}…sha256:{sha256[:12]}"


def _chunk(rows: int, ids: list[str], *, all_known: bool = False) -> IdChunk:
    strange = [] if all_known else [text for text in ids if not KNOWN_ID.fullmatch(text)]
    unusual = [text for text in strange if is_video_id(text)]
    return IdChunk(rows, ids, frozenset(strange).difference(unusual), tuple(unusual[:UNUSUAL_SHOWN]))


class Limit:
    """The first `most` distinct ids of a source, over all its chunks. Holds no more ids than that."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    @property
    def reached(self) -> bool:
        return len(self._seen) >= self._most

    def cut(self, chunk: IdChunk, texts: Iterable[str]) -> IdChunk:
        """The part of the chunk up to the row that brings the last id wanted."""
        if not self._most:
            return IdChunk(0, [], frozenset(), ())
        for index, text in enumerate(chunk.ids):
            self._seen.add(text)
            if len(self._seen) == self._most:
                row = next(number for number, raw in enumerate(texts, 1) if tidy(raw) == text)
                return _chunk(row, chunk.ids[: index + 1])
        return chunk
