"""`json`: the responses as one array, streamed in load order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from harvester.export.compression import gzip_member
from harvester.export.counters import Counters
from harvester.export.prefetch import ahead
from harvester.export.verified_body import plain_body, verify_checksum
from harvester.ledger.reader import LedgerReader
from harvester.model import Span, StoredResponse

PLAIN_AT_A_HOP, PACKED_AT_A_HOP = 8, 32
"""Bodies that share a switch of threads: one or two megabytes."""


def json_file(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the responses whose first id is in the span, decompressed, as one array; `[]` without any.

    Raises LedgerDamaged at the first body that is not what was stored.
    """
    return _array(plain_body, bytes, PLAIN_AT_A_HOP, counters, reader.responses(span))


def json_gzip_file(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """Yield the same as a gzip file of concatenated members.

    Bodies that were received as gzip are copied: compressing them again would cost more than the rest of an export. All
    readers of gzip files read all members; a one-shot `zlib.decompressobj`, and curl and some browsers with
    `Content-Encoding: gzip`, stop after the first. Raises LedgerDamaged at the first body that is not what was stored.
    """
    return _array(_gzip_body, gzip_member, PACKED_AT_A_HOP, counters, reader.responses(span))


def _array(
    body_of: Callable[[StoredResponse], bytes],
    pack: Callable[[bytes], bytes],
    at_a_hop: int,
    counters: Counters,
    responses: Iterable[StoredResponse],
) -> Iterator[bytes]:
    opening, comma = pack(b"["), pack(b",")
    before = opening
    for body in ahead(body_of, counters.over(responses), at_a_hop=at_a_hop):
        yield before
        yield body
        before = comma
    yield pack(b"[]\n" if before is opening else b"]\n")


def _gzip_body(response: StoredResponse) -> bytes:
    if response.body.encoding == "gzip":
        verify_checksum(response)
        return response.body.data
    return gzip_member(plain_body(response))
