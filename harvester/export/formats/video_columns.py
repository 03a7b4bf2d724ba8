"""The columns of a video: the fields that `Video` declares, flattened with `_`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, TypeAlias, get_origin, get_type_hints

import msgspec

from harvester.export.formats.video_fields import (
    CountryRestriction,
    KnownFields,
    Moment,
    RegionRestriction,
    Thumbnails,
    Video,
)

Path: TypeAlias = tuple[str, ...]

NESTED = (Thumbnails, RegionRestriction, CountryRestriction)
"""Objects that stay one column each, as structs, because their fields only have a meaning together."""

DURATION = "contentDetails_duration"
# RFC 3339, appendix A, without years and months, whose length in seconds is not known.
_NUMBER = r"([0-9]{1,18})"
_DURATION = re.compile(rf"P(?=.)(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)


@lru_cache(maxsize=100_000)
def seconds(duration: str | None) -> int | None:
    """Return an ISO 8601 duration such as `PT4M13S` or `P0D` in seconds; None if it is none."""
    if duration is None or (match := _DURATION.fullmatch(duration)) is None:
        return None
    total = sum(int(number) * unit for number, unit in zip(match.groups("0"), _SECONDS, strict=True))
    return total if total < 2**63 else None


@cache
def fields_of(struct: type[KnownFields]) -> dict[str, Any]:
    """Return the fields of a struct and their types."""
    hints = get_type_hints(struct)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(struct)}


@cache
def is_struct(kind: Any) -> bool:
    """Whether values of that kind are objects with known fields."""
    return isinstance(kind, type) and issubclass(kind, KnownFields)


def is_list(kind: Any) -> bool:
    """Whether values of that kind are lists."""
    return get_origin(kind) is list


@cache
def is_map(kind: Any) -> bool:
    """Whether values of that kind are maps."""
    return get_origin(kind) is dict


def _flattened(struct: type[KnownFields], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield path and type of each column."""
    for name, hint in fields_of(struct).items():
        path = (*above, name)
        if is_struct(hint) and hint not in NESTED:
            yield from _flattened(hint, path)
        else:
            yield path, hint


def _field_columns() -> Iterator[tuple[Path, str, Any]]:
    """Yield path, name and kind of each column. A duration has two: its seconds, and the text that was sent."""
    for path, kind in PATHS:
        name = "_".join(path)
        if name == DURATION:
            yield path, name, int
            yield path, f"{name}_iso", kind
        else:
            yield path, name, kind


PATHS = tuple(_flattened(Video))
"""Path and kind of each field that is a column."""
FIELD_COLUMNS = tuple(_field_columns())
COLUMNS: tuple[tuple[str, Any], ...] = (
    *((name, kind) for _, name, kind in FIELD_COLUMNS),
    ("other_json", str),
    ("fetched_at", Moment),
)
"""Name and kind of each column of a table: the fields', the seconds of a duration, and what harvester adds."""
