"""Make Arrow arrays of Python values without `pyarrow.array`, which imports pandas: 48 MB and half a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def numbers(values: Sequence[int | None], kind: pa.DataType) -> pa.Array:
    """Make an array of a type of eight bytes."""
    data = np.array([0 if value is None else value for value in values], np.int64)
    return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(data)])


def texts(values: Sequence[str | None]) -> pa.StringArray:
    """Make an array of texts."""
    if values.count(None) == len(values):
        return pa.nulls(len(values), pa.string())
    pieces = [b"" if value is None else value.encode() for value in values]
    lengths = np.array(list(map(len, pieces)), np.int32)
    buffers = [_validity(values), _offsets(lengths), pa.py_buffer(b"".join(pieces))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def maps(
    like: pa.Array, sizes: npt.NDArray[np.int32], kind: pa.MapType, keys: pa.Array, items: pa.Array
) -> pa.MapArray:
    """Make maps with `sizes` entries each, null where `like` is."""
    entries = pa.StructArray.from_arrays([keys, items], fields=[kind.key_field, kind.item_field])
    return pa.Array.from_buffers(kind, len(sizes), [like.buffers()[0], _offsets(sizes)], children=[entries])


def _validity(values: Sequence[object]) -> pa.Buffer | None:
    if None not in values:
        return None
    return pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))


def _offsets(lengths: npt.NDArray[np.int32]) -> pa.Buffer:
    return pa.py_buffer(np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)]))
