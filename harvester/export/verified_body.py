"""Stored bodies, with their checksums verified."""

from __future__ import annotations

import hashlib

from harvester.errors import LedgerDamaged
from harvester.model import StoredResponse
from harvester.support.gzip_body import BodyError, unpack
from harvester.support.sanitize import count


def plain_body(response: StoredResponse) -> bytes:
    """Return the decompressed body. Raises LedgerDamaged if it is damaged."""
    body = response.body
    verify_checksum(response)
    try:
        plain = unpack(body.data, body.encoding, body.raw_bytes)
    except BodyError as error:
        raise damaged(response, str(error)) from error
    if len(plain) != body.raw_bytes:
        raise damaged(response, f"it holds {count(len(plain), 'byte')}, not {body.raw_bytes:,}")
    return plain


def verify_checksum(response: StoredResponse) -> None:
    """Raise LedgerDamaged if the stored body does not match its checksum."""
    body = response.body
    if body.encoding not in ("gzip", "identity"):
        raise damaged(response, f"its encoding {body.encoding!r} is unknown")
    if hashlib.sha256(body.data).digest() != body.sha256:
        raise damaged(response, "its checksum does not match")


def damaged(response: StoredResponse, how: str) -> LedgerDamaged:
    """Return the error for a damaged body: `how` says what is wrong."""
    return LedgerDamaged(
        f"The stored body of call {response.call_id} is damaged: {how}.",
        state="The ledger was only read.",
        next_step="Run harvester verify to see every damaged call.",
    )
