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
    """Yield the responses whose first id is in the span, as one array."""
    return json_array(counters.over(reader.responses(span)))


def json_gzip_file(reader: LedgerReader, span: Span, counters: Counters) -> Iterator[bytes]:
    """The same, as a gzip file."""
    return json_array_gzip(counters.over(reader.responses(span)))


def json_array(responses: Iterable[StoredResponse]) -> Iterator[bytes]:
    """Yield one UTF-8 JSON array of the decompressed bodies; `[]` without any.

    Raises LedgerDamaged at the first body that is not what was stored.
    """
    return _array(ahead(plain_body, responses, at_a_hop=PLAIN_AT_A_HOP), bytes)


def json_array_gzip(responses: Iterable[StoredResponse]) -> Iterator[bytes]:
    """Yield `json_array` as a gzip file of concatenated members.

    Bodies that were received as gzip are copied: compressing them again would cost more than the rest of an export. All
    readers of gzip files read all members; a one-shot `zlib.decompressobj`, and curl and some browsers with
    `Content-Encoding: gzip`, stop after the first. Raises LedgerDamaged at the first body that is not what was stored.
    """
    return _array(ahead(_gzip_body, responses, at_a_hop=PACKED_AT_A_HOP), gzip_member)


def _array(bodies: Iterator[bytes], pack: Callable[[bytes], bytes]) -> Iterator[bytes]:
    opening, comma = pack(b"["), pack(b",")
    before = opening
    for body in bodies:
        yield before
        yield body
        before = comma
    yield pack(b"[]\n" if before is opening else b"]\n")


def _gzip_body(response: StoredResponse) -> bytes:
    if response.body.encoding == "gzip":
        verify_checksum(response)
        return response.body.data
    return gzip_member(plain_body(response))
