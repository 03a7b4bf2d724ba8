"""How a large export is cut: stretches of the load order, each of which is assembled without the others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harvester.errors import ConfigError
from harvester.export.formats import Format
from harvester.ledger.protocol import Books
from harvester.model import EVERYTHING, Span
from harvester.text import shown

_PART = re.compile(r"part-[0-9]{12}\.(json|jsonl|parquet)(\.gz|\.zst)?")


@dataclass(frozen=True, slots=True)
class Survey:
    """What is to be exported, from the ledger's own figures."""

    responses: int
    expected_bytes: int
    spans: tuple[Span, ...]


def survey(books: Books, form: Format, most_bytes: int | None) -> Survey:
    """Cut the load order so that each span comes to about `most_bytes` at most, or not at all where that is None.

    The cut depends on what is stored alone, so that whoever assembles a span, alone or beside others, gets the same.
    """
    spans: list[Span] = []
    responses = total = held = 0
    first = EVERYTHING.first
    for size in books.sizes():
        expected = form.expected_bytes(size)
        if most_bytes is not None and held + expected > most_bytes and size.first_position > first and held:
            spans.append(Span(first, size.first_position - 1))
            first, held = size.first_position, 0
        responses += 1
        total += expected
        held += expected
    spans.append(Span(first, EVERYTHING.last))
    return Survey(responses, total, tuple(spans))


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


def refuse_strangers(uri: str, names: Iterable[str]) -> None:
    """Readers take a folder for one table: raises ConfigError where other files lie in it, which would be lost too."""
    stranger = next((name for name in names if not _PART.fullmatch(name)), None)
    if stranger is not None:
        raise ConfigError(
            f"Can't export to {shown(uri)}: it holds {shown(stranger, 100)!r}, which is no part of an export.",
            state="Nothing was written.",
            next_step="Choose a folder of its own for the export.",
        )
