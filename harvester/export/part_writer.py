"""The parts of an export, from what is ordered to what is written: by this process, or by others that it hands to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from harvester.export.counters import Counters
from harvester.export.formats.registry import format_of
from harvester.export.manifest import Part
from harvester.export.part_names import last_position, part_name
from harvester.export.storage.destination import DraftFile, Place
from harvester.ledger.reader import LedgerReader
from harvester.model import Span
from harvester.support.progress import Advance, ProgressCallback, no_progress


@dataclass(frozen=True, slots=True)
class PartOrder:
    """A part to be made. Nothing but the ledger has to be added to it: it may be pickled and made anywhere."""

    format: str
    compression: str
    span: Span
    inputs: str
    """A digest of what it is made of."""
    most_bytes: int | None
    """None where it can't be cut any smaller."""
    place: Place

    @property
    def name(self) -> str:
        return part_name(self.span, self.inputs, format_of(self.format, self.compression).suffix)


@dataclass(frozen=True, slots=True)
class PartResult:
    """A part that is written, and how many responses went into it where whole responses are published."""

    part: Part
    responses: int
    written: DraftFile


NextOrder: TypeAlias = Callable[[], PartOrder | None]
"""None while there is nothing to order. A part that came out too large brings new orders."""


class PartMaker(Protocol):
    """Makes what is ordered, until nothing is ordered any more and all is made; in any order."""

    def __call__(
        self, reader: LedgerReader, next_order: NextOrder, watch: ProgressCallback
    ) -> Generator[tuple[PartOrder, PartResult | None], None, None]:
        """Each order with what was made of it; None where that came out larger than it may be.

        `watch` hears of the parts that are being made, and after one was taken in. Closing the generator ends all that
        is under way.
        """
        ...


def make_here(
    reader: LedgerReader, next_order: NextOrder, watch: ProgressCallback
) -> Generator[tuple[PartOrder, PartResult | None], None, None]:
    """In this process, one after another."""
    while (order := next_order()) is not None:
        yield order, make(reader, order, watch)


def make(reader: LedgerReader, order: PartOrder, watch: ProgressCallback = no_progress) -> PartResult | None:
    """Assemble one part and write it to its place; None where it comes out larger than it may be."""
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
    return PartResult(part, counters.responses, written)


class _TooLargeError(Exception):
    """A part came out larger than it may be."""


def counted(
    chunks: Iterable[bytes], counters: Counters, watch: ProgressCallback, most_bytes: int | None = None
) -> Iterator[bytes]:
    """The chunks, while `watch` hears of videos and bytes. No more than `most_bytes` of them."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if most_bytes is not None and size > most_bytes:
            raise _TooLargeError
        yield chunk
        watch(Advance(counters.videos, bytes=size))
