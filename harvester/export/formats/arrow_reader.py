"""Turn lines of JSON into columns by Arrow's JSON reader, in a third of the time of Python objects.

Arrow reads usual videos, and refuses wrong types and duplicate names. Other unusual rows are found here. All of these
are decoded by `unknown_fields`: what has no column goes to `other_json`, the rest is read again by Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from harvester.export.formats import arrow_arrays, arrow_schema
from harvester.export.formats.arrow_schema import TIMESTAMP, arrow_type
from harvester.export.formats.stored_videos import Lines, no_video
from harvester.export.formats.unknown_fields import Decoded, decode_video
from harvester.export.formats.video_columns import DURATION, PATHS, Path, fields_of, is_list, is_map, is_struct, seconds
from harvester.export.formats.video_fields import USUAL_MOMENT_PATTERN, Count, Flag, KnownFields, Moment, Video

PIECE_ROWS = 20
"""Rows that are decoded one by one where Arrow refuses one of them."""

WINDOW = 1 << 18
"""Bytes that are searched twice while they are in the processor's cache."""
_NU = int.from_bytes(b"nu", "little")

_USUAL = {Count: r"^(?:0|[1-9][0-9]{0,17})$", Flag: r"^(?:true|false)$", Moment: USUAL_MOMENT_PATTERN}
"""Patterns of texts that certainly fit their column."""
# Fields of parts that are seldom asked for, or of few videos. No other field has such a name.
_RARE = frozenset(
    {"liveStreamingDetails", "recordingDetails", "paidProductPlacementDetails", "player", "localizations", "publishAt"}
    | {"fhd", "qhd", "uhd", "shortsAspectRatio", "hasCustomThumbnail", "countryRestriction", "failureReason"}
    | {"rejectionReason", "dislikeCount"}
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1900 = (datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


class ArrowReader:
    """Makes the columns of one export's videos, and remembers their rare fields. Thread-safe."""

    def __init__(self) -> None:
        self._schema = _USUAL_FIELDS

    def batch(self, lines: Lines) -> pa.RecordBatch:
        """Return videos as a batch of `arrow_schema.schema()`. Raises LedgerDamaged if one of them is no video."""
        try:
            videos, decoded = self._read(lines.videos)
        except (ValueError, RecursionError) as error:
            raise no_video(error) from error
        found = []
        for path, kind in PATHS:
            array = _column(videos, path, kind, decoded)
            if "_".join(path) == DURATION:
                found.append(_seconds(array))
            found.append(array)
        other: list[str | None] = [None] * len(videos)
        for row, (_, rest) in decoded.items():
            other[row] = rest
        found.append(arrow_arrays.texts(other))
        found.append(
            arrow_arrays.numbers(
                [(moment - _EPOCH) // timedelta(microseconds=1) for moment in lines.fetched_at], TIMESTAMP
            )
        )
        return pa.RecordBatch.from_arrays(found, schema=arrow_schema.schema())

    def _read(self, lines: list[bytes]) -> tuple[pa.StructArray, dict[int, Decoded]]:
        """Read the lines. Also returns the rows that were decoded, by number."""
        decoded: dict[int, Decoded] = {}
        text = b"\n".join(lines)
        try:
            videos = self._read_usual(text)
        except pa.ArrowInvalid:
            decoded = {row: decode_video(lines[row]) for row in _refused(lines)}
            videos = _read_mended(lines, decoded)
        unfit = {*_unfit(videos, Video), *_with_null(text)} - decoded.keys()
        for row in unfit | set(_unknown(videos, Video)) - decoded.keys():
            decoded[row] = decode_video(lines[row])
        if any(decoded[row][1] is not None for row in unfit):
            videos = _read_mended(lines, decoded)
        return videos, decoded

    def _read_usual(self, text: bytes) -> pa.StructArray:
        """Read by a schema without rare fields, which take Arrow time even if they are absent."""
        schema = self._schema  # another thread may change it meanwhile
        videos = _read(text, schema)
        if schema is _ALL_FIELDS or not _has_rare(videos, Video):
            return videos
        self._schema = _ALL_FIELDS
        return _read(text, _ALL_FIELDS)


def _read(text: bytes, types: pa.Schema) -> pa.StructArray:
    table = pj.read_json(
        pa.BufferReader(text),
        # One block, in this thread, because a batch is small.
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pj.ParseOptions(explicit_schema=types, unexpected_field_behavior="infer"),
    )
    table.validate(full=True)
    return table.combine_chunks().to_batches()[0].to_struct_array()


def _read_mended(lines: list[bytes], decoded: dict[int, Decoded]) -> pa.StructArray:
    """Read the lines, with decoded videos in place of those that were sent."""
    mended = [_as_sent(decoded[row][0]) if row in decoded else line for row, line in enumerate(lines)]
    try:
        return _read(b"\n".join(mended), _ALL_FIELDS)
    except pa.ArrowInvalid:  # unknown fields of several rows have contradictory types
        decoded |= {row: decode_video(line) for row, line in enumerate(lines) if row not in decoded}
        return _read(b"\n".join(_as_sent(decoded[row][0]) for row in range(len(lines))), _ALL_FIELDS)


def _refused(lines: list[bytes]) -> Iterator[int]:
    """Yield the rows of each PIECE_ROWS of which Arrow refuses one."""
    for start in range(0, len(lines), PIECE_ROWS):
        piece = lines[start : start + PIECE_ROWS]
        try:
            _read(b"\n".join(piece), _ALL_FIELDS)
        except pa.ArrowInvalid:
            yield from range(start, start + len(piece))


def _type_as_sent(kind: Any, rare: frozenset[str] = frozenset()) -> pa.DataType:
    """Return the type by which Arrow reads values of that kind."""
    if kind in _USUAL:
        return pa.string()
    if is_struct(kind):
        fields = {name: hint for name, hint in fields_of(kind).items() if name not in rare}
        return pa.struct([pa.field(name, _type_as_sent(hint, rare)) for name, hint in fields.items()])
    if is_map(kind):
        return pa.struct([])  # JSON has no maps: each name is an unknown field
    return pa.list_(pa.string()) if is_list(kind) else arrow_type(kind)


def _as_sent(video: Video) -> bytes:
    """Return the video as JSON with values of the types that Arrow expects."""
    plain = msgspec.to_builtins(video)
    for path, kind in PATHS:
        if kind is Count or kind is Flag:
            *above, name = path
            parent = plain
            for each in above:
                parent = parent[each]
            if parent[name] is not None:
                parent[name] = str(parent[name]).lower()
    return msgspec.json.encode(plain)


def _unfit(array: pa.StructArray, struct: type[KnownFields]) -> Iterator[int]:
    """Yield the rows with a value that may not fit its column."""
    for name, kind in fields_of(struct).items():
        values = _field(array, name)
        if values is None or values.null_count == len(values):
            continue
        if is_struct(kind):
            yield from _unfit(values, kind)
        elif kind is int and pc.min(values).as_py() < 0:
            yield from _rows_where(pc.less(values, 0))
        elif kind in _USUAL and not _are_usual(values, kind):
            yield from _rows_where(pc.invert(pc.match_substring_regex(values, _USUAL[kind])))


def _are_usual(values: pa.StringArray, kind: Any) -> bool:
    """Whether all values have the API's usual form, in a fraction of a pattern's time."""
    if kind is Flag:
        return {"true", "false", None}.issuperset(values.unique().to_pylist())
    try:
        if kind is Count:
            numbers = values.cast(pa.int64())
            return bool(pc.min(numbers).as_py() >= 0 and numbers.cast(pa.string()).equals(values))
        earliest = pc.min(values.cast(TIMESTAMP))
    except pa.ArrowInvalid:
        return False
    # Of the forms that Arrow reads, one alone is of this length, with a space for the T or without; it has a year 0.
    lengths = pc.min_max(pc.binary_length(values))
    if {*lengths.as_py().values()} != {len("2006-01-02T15:04:05Z")} or earliest.value < _YEAR_1900:
        return False
    return bool(pc.all(pc.match_substring(values, "T")).as_py())


def _unknown(array: pa.StructArray, struct: type[KnownFields] | None) -> Iterator[int]:
    """Yield the rows with a field that the struct lacks; None has no fields."""
    known = fields_of(struct) if struct else {}
    for field in array.type:
        values = array.field(field.name)
        if field.name not in known:
            yield from _rows_where(values.is_valid())
        elif is_struct(known[field.name]):
            yield from _unknown(values, known[field.name])
        elif is_map(known[field.name]):
            yield from _unknown(values, None)


def _has_rare(array: pa.StructArray, struct: type[KnownFields]) -> bool:
    """Whether a rare field was inferred, which needs its own type."""
    for name, kind in fields_of(struct).items():
        values = _field(array, name)
        if values is not None and (name in _RARE or (is_struct(kind) and _has_rare(values, kind))):
            return True
    return False


def _field(array: pa.StructArray, name: str) -> pa.Array | None:
    index = array.type.get_field_index(name)
    return None if index < 0 else array.field(index)


def _rows_where(mask: pa.BooleanArray) -> list[int]:
    found: list[int] = pc.indices_nonzero(mask).to_pylist() if mask.true_count else []
    return found


def _with_null(text: bytes) -> Iterator[int]:
    """Yield the rows that may contain a null, which Arrow does not distinguish from an absent field."""
    for place in _places(text):
        if text[max(0, place - 100) : place].rstrip(b" \t\n\r").endswith((b":", b"[", b",")):
            yield text.count(b"\n", 0, place)


def _places(text: bytes) -> list[int]:
    """Return the positions of `null`, by numpy in a fraction of the time of `bytes.find`."""
    data = np.frombuffer(text, np.uint8)
    found: list[int] = []
    for start in range(0, len(text), WINDOW):
        for shift in (start, start + 1):
            pairs = np.frombuffer(text, "<u2", max(0, min(WINDOW, len(text) - shift - 2) // 2), shift)
            places = 2 * np.flatnonzero(pairs == _NU) + shift
            found += places[(data[places + 2] == ord("l")) & (data[places + 3] == ord("l"))].tolist()
    return found


def _column(videos: pa.StructArray, path: Path, kind: Any, decoded: Mapping[int, Decoded]) -> pa.Array:
    values: pa.Array | None = videos
    for name in path:
        values = None if values is None else _field(values, name)
    if values is None:
        return pa.nulls(len(videos), arrow_type(kind))
    if is_map(kind):
        return _maps(values, path, kind, decoded)
    if is_struct(kind):
        return _structs(values, kind)
    return values if values.type == arrow_type(kind) else values.cast(arrow_type(kind))


def _structs(values: pa.StructArray, kind: type[KnownFields]) -> pa.StructArray:
    """Return the structs without unknown fields."""
    if values.type == arrow_type(kind):
        return values
    children = []
    for name, hint in fields_of(kind).items():
        found = _field(values, name)
        missing = pa.nulls(len(values), arrow_type(hint)) if found is None else found
        children.append(_structs(missing, hint) if is_struct(hint) else missing)
    return pa.StructArray.from_arrays(children, fields=list(arrow_type(kind)), mask=values.is_null())


def _maps(values: pa.StructArray, path: Path, kind: Any, decoded: Mapping[int, Decoded]) -> pa.Array:
    """Return the maps; empty except in decoded rows, which are all that have entries."""
    sizes = np.zeros(len(values), np.int32)
    entries: list[tuple[str, Any]] = []
    for row in sorted(decoded):
        found = attrgetter(".".join(path))(decoded[row][0]) or {}
        sizes[row] = len(found)
        entries += found.items()
    of = get_args(kind)[1]
    if is_struct(of):
        fields = [arrow_arrays.texts([getattr(item, name) for _, item in entries]) for name in fields_of(of)]
        items = pa.StructArray.from_arrays(fields, fields=list(arrow_type(of)))
    else:
        items = arrow_arrays.texts([item for _, item in entries])
    return arrow_arrays.maps(values, sizes, arrow_type(kind), arrow_arrays.texts([name for name, _ in entries]), items)


def _seconds(durations: pa.StringArray) -> pa.Int64Array:
    return arrow_arrays.numbers(list(map(seconds, durations.to_pylist())), pa.int64())


_ALL_FIELDS = pa.schema(list(_type_as_sent(Video)))
_USUAL_FIELDS = pa.schema(list(_type_as_sent(Video, _RARE)))
