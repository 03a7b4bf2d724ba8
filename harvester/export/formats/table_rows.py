"""Turn videos into rows of plain values, for CSV and SQLite.

msgspec decodes a video in half the time of Arrow's columns, which would have to be split into values again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from harvester.export.formats.stored_videos import Lines, no_video
from harvester.export.formats.unknown_fields import decode_video
from harvester.export.formats.video_columns import COLUMNS, DURATION, FIELD_COLUMNS, NESTED, is_map, seconds
from harvester.export.formats.video_fields import Moment

Row: TypeAlias = Sequence[Any]


def _is_plain(kind: Any) -> bool:
    return kind not in NESTED and not is_map(kind)


TABLE_COLUMNS = tuple((name, kind) for name, kind in COLUMNS if _is_plain(kind))
"""Name and kind of the columns with single values or lists of texts."""
_MOMENTS = [index for index, (_, kind) in enumerate(TABLE_COLUMNS) if kind is Moment]
_SECONDS = next(index for index, (name, _) in enumerate(TABLE_COLUMNS) if name == DURATION)
_values = attrgetter(*(".".join(path) for path, _, kind in FIELD_COLUMNS if _is_plain(kind)))


def table_rows(lines: Lines) -> Iterator[list[Any]]:
    """Yield the values of TABLE_COLUMNS of each video; times as text. Raises LedgerDamaged if one of them is no
    video."""
    for line, fetched_at in zip(lines.videos, lines.fetched_at, strict=True):
        try:
            video, rest = decode_video(line)
        except (ValueError, RecursionError) as error:
            raise no_video(error) from error
        row = [*_values(video), rest, isoformat(fetched_at)]
        row[_SECONDS] = seconds(row[_SECONDS])
        for index in _MOMENTS:
            if (moment := row[index]) is not None:
                row[index] = moment_as_text(moment)
        yield row


def moment_as_text(moment: str) -> str:
    """Return a time as the API writes it, `2010-05-01T12:00:00Z`; with six decimals if it is not a whole second."""
    if len(moment) == len("2010-05-01T12:00:00Z"):
        return moment
    return isoformat(datetime.fromisoformat(moment))


@lru_cache(maxsize=64)
def isoformat(moment: datetime) -> str:
    """Return a time in UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
