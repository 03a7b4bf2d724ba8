"""Ids that came before, as far as a fixed memory holds them: a play log names each song many times.

What it says has been seen has been; what it has forgotten is let through again, and the ledger knows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FIRST_BITS = 21
SECOND_BITS = 20
MULTIPLIERS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class RecentIds:
    """Texts of eleven bytes, each in a slot of its own by hash; put out by another, it has one more. 36 MiB."""

    def __init__(self, first_bits: int = FIRST_BITS, second_bits: int = SECOND_BITS) -> None:
        self._first = _Slots(first_bits)
        self._second = _Slots(second_bits)

    def unseen(self, piece: bytes, starts: Any) -> Any:
        """The numbers of those texts, of the ones that start there, that are not remembered. From now on they are."""
        if not len(starts):
            return np.zeros(0, dtype=np.int64)
        # the first eight bytes and the last four: one byte is in both
        heads = np.ndarray(len(piece) - 7, "<u8", piece, strides=(1,))[starts]
        tails = np.ndarray(len(piece) - 3, "<u4", piece, strides=(1,))[starts + 7]
        new = np.flatnonzero(self._first.lacks(heads, tails))
        new = new[self._second.lacks(heads[new], tails[new])]
        self._second.put(*self._first.put(heads[new], tails[new]))
        return new


class _Slots:
    def __init__(self, bits: int) -> None:
        # an empty slot holds eleven NULs, which no plain text does
        self._heads = np.zeros(1 << bits, dtype="<u8")
        self._tails = np.zeros(1 << bits, dtype="<u4")
        self._shift = np.uint64(64 - bits)

    def lacks(self, heads: Any, tails: Any) -> Any:
        slots = self._slots(heads, tails)
        lacks = self._heads[slots] != heads
        lacks |= self._tails[slots] != tails
        return lacks

    def put(self, heads: Any, tails: Any) -> tuple[Any, Any]:
        """Put them in; what they put out."""
        slots = self._slots(heads, tails)
        heads_out, tails_out = self._heads[slots], self._tails[slots]
        # where two want one slot, the last has it in both
        self._heads[slots] = heads
        self._tails[slots] = tails
        full = np.flatnonzero(heads_out)
        return heads_out[full], tails_out[full]

    def _slots(self, heads: Any, tails: Any) -> Any:
        first, second = MULTIPLIERS
        mixed = heads * first
        mixed ^= tails * second
        mixed *= first
        mixed >>= self._shift
        return mixed.view(np.int64)
