"""How a large export is cut: stretches of the load order, each of which is assembled without the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvester.errors import ConfigError
from harvester.export.counters import Counters
from harvester.export.formats.registry import Format
from harvester.ledger.protocol import LedgerReader
from harvester.model import EVERYTHING, Span
from harvester.support.sanitize import shown

_PART = re.compile(r"part-[0-9]{12}\.(json|jsonl|parquet|csv)(\.gz|\.zst)?")
MOST_PARTS = 10_000
"""More are of no use to a reader, and their manifest would be as large as a part."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is to be exported, from the ledger's own figures."""

    responses: int
    expected_bytes: int
    spans: tuple[Span, ...]


def survey(books: LedgerReader, form: Format, most_bytes: int | None) -> Survey:
    """What there is, and where to cut it: not at all where `most_bytes` is None."""
    responses, raw_bytes, stored_bytes = books.totals()
    spans = (EVERYTHING,) if most_bytes is None else tuple(_cut(books, form, most_bytes))
    return Survey(responses, form.expected_bytes(responses, raw_bytes, stored_bytes), spans)


def _cut(books: LedgerReader, form: Format, most_bytes: int) -> Iterator[Span]:
    """Cut the load order so that each span comes to about `most_bytes` at most.

    The cut depends on what is stored alone, so that each process that assembles a span gets the same bytes.
    Raises ConfigError where `most_bytes` is so small that it can't be meant.
    """
    held = empty = _empty_bytes(books, form, most_bytes)
    first, cuts = EVERYTHING.first, 0
    for size in books.sizes():
        expected = form.expected_bytes(1, size.raw_bytes, size.stored_bytes)
        if held + expected > most_bytes and size.first_position > first and held > empty:
            yield Span(first, size.first_position - 1)
            first, held, cuts = size.first_position, empty, cuts + 1
            if cuts == MOST_PARTS:
                raise _too_small(most_bytes, f"the export would have more than {MOST_PARTS:,} parts")
        held += expected
    yield Span(first, EVERYTHING.last)


def _empty_bytes(books: LedgerReader, form: Format, most_bytes: int) -> int:
    """The length of a file that holds no video: a Parquet file's columns alone take some thousands."""
    nothing = Span(EVERYTHING.last, EVERYTHING.last)
    length = sum(map(len, form.assemble(books, nothing, Counters())))
    if length > most_bytes:
        raise _too_small(most_bytes, f"a part without any video has {length:,} bytes")
    return length


def _too_small(most_bytes: int, why: str) -> ConfigError:
    return ConfigError(
        f"export.max_part_bytes is too small at {most_bytes:,}: {why}.",
        state="Nothing was written.",
        next_step="Choose larger parts: 100,000,000 bytes and more suit most readers.",
    )


def halves(span: Span, last_position: int) -> tuple[Span, Span] | None:
    """The span in two; None where it is a single position."""
    last = min(span.last, last_position)
    if last <= span.first:
        return None
    middle = (span.first + last) // 2
    return Span(span.first, middle), Span(middle + 1, span.last)


def part_name(span: Span, form: Format) -> str:
    """Numbered by the load position that it begins at: in order, whatever the other parts are."""
    return f"part-{span.first:012}{form.suffix}"


def is_part(name: str) -> bool:
    """Whether a file is named as a part is."""
    return _PART.fullmatch(name) is not None


def refuse_foreign_files(uri: str, names: Iterable[str]) -> None:
    """Readers take a folder for one table: raises ConfigError where other files lie in it, which would be lost too."""
    foreign = next((name for name in names if not is_part(name)), None)
    if foreign is not None:
        raise ConfigError(
            f"Can't export to {shown(uri)}: it holds {shown(foreign, 100)!r}, which is no part of an export.",
            state="Nothing was written.",
            next_step="Choose a folder of its own for the export: --force does not remove other files.",
        )
