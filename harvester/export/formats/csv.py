"""`csv`: one video a row, as RFC 4180 says; the scalar columns of Parquet, and lists of texts as JSON.

A null is nothing between its commas; every text is quoted, an empty one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harvester.export.counters import Counters
from harvester.export.formats import arrays
from harvester.export.formats.batches import made_of_batches
from harvester.export.formats.columns import schema
from harvester.export.formats.sqlite_rows import is_list_of_texts, moments_as_text
from harvester.ledger.reader import LedgerReader
from harvester.model import Span

FIELDS: tuple[pa.Field, ...] = tuple(
    field for field in schema() if not pa.types.is_nested(field.type) or is_list_of_texts(field.type)
)
HEADER = ",".join(field.name for field in FIELDS).encode() + b"\r\n"
FORMULA = b"=+-@\t\r\n"
"""What a spreadsheet may take for the beginning of a formula (OWASP, "CSV Injection")."""
GUARD = "'"

# Scalars by way of an array: `pyarrow.scalar` imports pandas.
_NOTHING, _QUOTE, _COMMA, _END, _OPEN, _BETWEEN, _CLOSE = arrays.texts(["", '"', ",", "\r\n", '["', '","', '"]'])
# In JSON these are escaped.
_ESCAPED = np.zeros(256, bool)
_ESCAPED[[*range(0x20), ord('"'), ord("\\")]] = True
_FORMULA = np.zeros(256, bool)
_FORMULA[list(FORMULA)] = True


def csv_file(reader: LedgerReader, span: Span, counters: Counters, *, safe: bool = False) -> Iterator[bytes]:
    """The fetched videos of the span in load order. Where `safe`, no text begins as a formula does."""
    yield HEADER
    yield from made_of_batches(reader, span, counters, partial(rows, safe=safe))


def rows(batch: pa.RecordBatch, *, safe: bool) -> bytes:
    """The rows of a batch, each with its end."""
    cells = [_cells(batch.column(field.name), safe) for field in FIELDS]
    # When it was fetched, the last one, is never null.
    cells[-1] = pc.binary_join_element_wise(cells[-1], _NOTHING, _END)
    text = pc.binary_join_element_wise(*cells, _COMMA, null_handling="replace", null_replacement="")
    _, offsets, data = text.buffers()
    return data.slice(0, np.frombuffer(offsets, np.int32)[len(text)]).to_pybytes()  # type: ignore[no-any-return]


def _cells(array: pa.Array, safe: bool) -> Any:
    if array.null_count == len(array):
        return _NOTHING
    if pa.types.is_timestamp(array.type):
        return moments_as_text(array)
    if pa.types.is_list(array.type):
        return _quoted(_as_json(array))
    return _quoted(array, safe) if pa.types.is_string(array.type) else array.cast(pa.string())


def _quoted(texts: pa.StringArray, safe: bool = False) -> pa.StringArray:
    """In quotes, those within doubled; with a GUARD where `safe` and it begins as a formula does."""
    offsets, data = _bytes_of(texts)
    pieces = [_QUOTE, texts, _QUOTE]
    if safe and (formulas := _begins_as_formula(offsets, data)).any():
        pieces.insert(1, arrays.texts([GUARD if formula else "" for formula in formulas]))
    quotes = np.flatnonzero(data == ord('"'))
    if len(quotes):
        moved = (offsets + np.searchsorted(quotes, offsets)).astype(np.int32)
        doubled = data.tobytes().replace(b'"', b'""')
        buffers = [texts.buffers()[0], pa.py_buffer(moved), pa.py_buffer(doubled)]
        pieces[-2] = pa.Array.from_buffers(pa.string(), len(texts), buffers)
    return pc.binary_join_element_wise(*pieces, _NOTHING)


def _bytes_of(texts: pa.StringArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Where each text begins and ends, and the bytes of all."""
    assert texts.offset == 0
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(texts) + 1)
    return bounds, np.frombuffer(data or b"", np.uint8)[: bounds[-1]]


def _begins_as_formula(offsets: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    found = np.diff(offsets) > 0
    found[found] = _FORMULA[data[offsets[:-1][found]]]
    return found


def _as_json(lists: pa.ListArray) -> pa.StringArray:
    entries = lists.flatten()
    if entries.null_count or _ESCAPED[_bytes_of(entries)[1]].any() or pc.min(lists.value_lengths()).as_py() == 0:
        return arrays.texts(
            [None if each is None else msgspec.json.encode(each).decode() for each in lists.to_pylist()]
        )
    return pc.binary_join_element_wise(_OPEN, pc.binary_join(lists, _BETWEEN), _CLOSE, _NOTHING)
