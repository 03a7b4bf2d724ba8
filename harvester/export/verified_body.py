"""Stored bodies, verified. Raise LedgerDamaged if one is damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from harvester.errors import LedgerDamaged
from harvester.model import StoredResponse
from harvester.support.gzip_body import BodyError

T = TypeVar("T")


def plain_body(response: StoredResponse) -> bytes:
    """Return the decompressed body."""
    return _undamaged(response, response.body.raw)


def verify_checksum(response: StoredResponse) -> None:
    """Verify the stored body without decompressing it."""
    _undamaged(response, response.body.verify)


def _undamaged(response: StoredResponse, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except BodyError as error:
        raise damaged(response, str(error)) from error


def damaged(response: StoredResponse, how: str) -> LedgerDamaged:
    """Return the error for a damaged body: `how` says what is wrong."""
    return LedgerDamaged(
        f"The stored body of call {response.call_id} is damaged: {how}.",
        state="The ledger was only read.",
        next_step="Run harvester verify to see every damaged call.",
    )
