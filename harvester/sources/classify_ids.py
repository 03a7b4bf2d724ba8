"""Turn texts into ids: distinct in first-seen order, and sorted into valid, unusual and invalid ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from harvester.sources.video_id import KNOWN_ID, is_video_id, read_id

ID_CHARACTERS = 11
KNOWN_LINES = re.compile(rf"(?:{KNOWN_ID.pattern}\n)*")
REMEMBERED_IDS = 1 << 20

UNUSUAL_SHOWN = 5
KEPT_CHARACTERS = 200
CUT_TEXT = re.compile(r".{200}…sha256:[0-9a-f]{12}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of some consecutive rows of a source."""

    rows: int
    texts: list[str]
    """In the order of the rows; repeated ones may be left out."""


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
    """A few well-formed ids with a last character that no known id has: worth a warning, but still asked for."""
    invalid_rows: int = field(default=0, compare=False)
    """Rows whose text is one of `invalid`."""


def make_chunk(texts: Texts, earlier: set[str]) -> IdChunk:
    """Make a chunk of these texts, without the known ids of earlier chunks, to which up to REMEMBERED_IDS are added."""
    ids = [text for text in dict.fromkeys(texts.texts) if text not in earlier]
    if are_known(ids):
        chunk, known = IdChunk(texts.rows, ids, frozenset(), ()), iter(ids)
    else:
        read = {text: read_text(text) for text in ids}
        ids = [text for text in dict.fromkeys(read.values()) if text not in earlier]
        chunk = _chunk(texts.rows, ids, (read.get(text, text) for text in texts.texts))
        known = filter(KNOWN_ID.fullmatch, ids)
    earlier.update(islice(known, REMEMBERED_IDS - len(earlier)))
    return chunk


def are_known(ids: list[str]) -> bool:
    """Whether all of them have the form of known ids: one match, which a line end within a text cannot defeat."""
    lines = "\n".join([*ids, ""])
    return len(lines) == len(ids) * (ID_CHARACTERS + 1) and KNOWN_LINES.fullmatch(lines) is not None


def read_text(text: str) -> str:
    """Return the id in a text, or the text itself. A very long text is truncated, but stays distinct."""
    if KNOWN_ID.fullmatch(text):
        return text
    text = read_id(text)
    if len(text) <= KEPT_CHARACTERS or CUT_TEXT.fullmatch(text):
        return text
    return cut(text[:KEPT_CHARACTERS], hashlib.sha256(text.encode()).hexdigest())


def cut(head: str, sha256: str) -> str:
    """Return what is kept of a very long text."""
    return f"{head[:KEPT_CHARACTERS]}…sha256:{sha256[:12]}"


def _chunk(rows: int, ids: list[str], texts: Iterable[str]) -> IdChunk:
    """Make a chunk; `texts` are those of the rows."""
    strange = [text for text in ids if not KNOWN_ID.fullmatch(text)]
    unusual = [text for text in strange if is_video_id(text)]
    invalid = frozenset(strange).difference(unusual)
    invalid_rows = sum(text in invalid for text in texts) if invalid else 0
    return IdChunk(rows, ids, invalid, tuple(unusual[:UNUSUAL_SHOWN]), invalid_rows)


class Limit:
    """Limits a source to its first `most` distinct ids. Holds no more ids than that."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._seen: set[str] = set()

    @property
    def reached(self) -> bool:
        """Whether the limit is reached."""
        return len(self._seen) >= self.most

    def cut(self, chunk: IdChunk, texts: Sequence[str]) -> IdChunk:
        """Return the chunk up to the row with the last wanted id."""
        if not self.most:
            return IdChunk(0, [], frozenset(), ())
        for index, text in enumerate(chunk.ids):
            self._seen.add(text)
            if len(self._seen) == self.most:
                row = next(number for number, raw in enumerate(texts, 1) if read_text(raw) == text)
                return _chunk(row, chunk.ids[: index + 1], map(read_text, texts[:row]))
        return chunk
