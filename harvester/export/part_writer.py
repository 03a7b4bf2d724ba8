"""Write the parts of an export, in this process or by a PartMaker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from harvester.export.counters import Counters
from harvester.export.formats.registry import format_of
from harvester.export.manifest import Part, last_position
from harvester.export.storage.destination import DraftFile
from harvester.export.storage.parts_folder import Place
from harvester.ledger.reader import LedgerReader
from harvester.model import Span
from harvester.support.progress_callback import Advance, ProgressCallback


@dataclass(frozen=True, slots=True)
class PartOrder:
    """A part to make. It can be pickled, and made wherever the ledger can be read."""

    name: str
    """The part's file name."""
    format: str
    compression: str
    span: Span
    inputs: str
    """A digest of what it is made of."""
    most_bytes: int | None
    """None if it can't be cut any smaller."""
    place: Place


@dataclass(frozen=True, slots=True)
class PartResult:
    """A written part."""

    part: Part
    written: DraftFile


NextOrder: TypeAlias = Callable[[], PartOrder | None]
"""Returns None while there is nothing to order. A part that comes out too large leads to new orders."""
Results: TypeAlias = Generator[tuple[PartOrder, PartResult | None], None, None]
"""Yields each order with its result; None if the part came out too large. Closing it ends the parts under way."""
PartMaker: TypeAlias = Callable[[LedgerReader, NextOrder, ProgressCallback], Results]
"""Makes all parts that are ordered, in any order, and calls back with the progress of those under way."""


def make_here(reader: LedgerReader, next_order: NextOrder, watch: ProgressCallback) -> Results:
    """Make the parts in this process, one after another."""
    while (order := next_order()) is not None:
        yield order, make(reader, order, watch)


def make(reader: LedgerReader, order: PartOrder, watch: ProgressCallback) -> PartResult | None:
    """Write one part to its place. Returns None if it comes out too large."""
    form, counters = format_of(order.format, order.compression), Counters()
    chunks = counted(form.assemble(reader, order.span, counters), counters, watch, order.most_bytes)
    try:
        written = order.place.write(chunks, expected_bytes=order.most_bytes or 0)
    except _TooLargeError:
        return None
    part = Part(
        file=order.name,
        videos=counters.videos,
        bytes=written.published.bytes,
        sha256=written.published.sha256,
        first_position=order.span.first,
        last_position=last_position(order.span),
        inputs=order.inputs,
    )
    return PartResult(part, written)


class _TooLargeError(Exception):
    """A part came out too large."""


def counted(
    chunks: Iterable[bytes], counters: Counters, watch: ProgressCallback, most_bytes: int | None = None
) -> Iterator[bytes]:
    """Yield the chunks, at most `most_bytes`, and call `watch` with videos and bytes."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if most_bytes is not None and size > most_bytes:
            raise _TooLargeError
        yield chunk
        watch(Advance(counters.videos, bytes=size))
