"""Cut a large export into parts, and find those that an earlier export has made already."""

from __future__ import annotations

import hashlib
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import version

from harvester._version import __version__
from harvester.errors import ConfigError
from harvester.export.counters import Counters
from harvester.export.formats.registry import FORMATS, Format
from harvester.export.manifest import Part, last_position
from harvester.ledger.reader import LedgerReader
from harvester.model import EVERYTHING, Span

_LIBRARIES = ("msgspec", "pyarrow", "zstandard")
MAX_PARTS = 10_000
"""With more, the manifest would be as large as a part."""


class Cutter:
    """Cuts the load order into spans, and digests the inputs of each without reading a body.

    A span is halved until it is expected to fit a part. So the end of one part does not depend on the others: new or
    refreshed videos change only the parts that hold them. Memory: 48 bytes for each stored response.
    """

    def __init__(self, reader: LedgerReader, form: Format, most_bytes: int) -> None:
        self._reader, self._form, self._most_bytes = reader, form, most_bytes
        self._firsts, self._sums, self._checksums = array("q"), array("q", [0]), bytearray()
        for size in reader.sizes():
            self._firsts.append(size.first_position)
            self._sums.append(self._sums[-1] + form.expected_bytes(1, size.raw_bytes, size.stored_bytes))
            self._checksums += size.sha256
        name = next(name for name, each in FORMATS.items() if each is form)
        self._of_nothing = hashlib.sha256(repr((name, most_bytes, tools())).encode())

    def spans(self) -> Iterator[Span]:
        """Yield the spans of the whole load order. Raises ConfigError if there would be more than MAX_PARTS."""
        room = self._most_bytes - self._empty_bytes()
        for number, span in enumerate(self._cut(EVERYTHING, room)):
            if number == MAX_PARTS:
                raise _too_small(self._most_bytes, f"the export would have more than {MAX_PARTS:,} parts")
            yield span

    def inputs(self, span: Span) -> str:
        """Return a digest of the inputs of a part of that span: the same digest means the same bytes. Empty without
        any."""
        if self._form.whole_responses:
            start, end = self._within(span)
            made_of: Iterable[bytes] = [bytes(self._checksums[32 * start : 32 * end])] if end > start else []
        else:
            made_of = (repr(row).encode() for row in self._reader.inputs(span))
        digest, empty = self._of_nothing.copy(), True
        for row in made_of:
            digest.update(row)
            empty = False
        return "" if empty else digest.hexdigest()

    def inputs_of_nothing(self) -> str:
        """Return the digest of the part of an export without videos."""
        return self._of_nothing.hexdigest()

    def halves(self, span: Span) -> tuple[Span, Span] | None:
        """Halve a span so that both halves hold something; None if a single position holds all of it."""
        held = self._held_ends(span)
        if held is None:
            return None
        first, last = span.first, span.last
        while last > first:
            middle = (first + last) // 2
            if held[1] <= middle:
                last = middle
            elif held[0] > middle:
                first = middle + 1
            else:
                return Span(first, middle), Span(middle + 1, last)
        return None

    def _cut(self, span: Span, room: int) -> Iterator[Span]:
        start, end = self._within(span)
        halves = self.halves(span) if end - start > 1 and self._sums[end] - self._sums[start] > room else None
        if halves is None:
            yield span
        else:
            for half in halves:
                yield from self._cut(half, room)

    def _within(self, span: Span) -> tuple[int, int]:
        """Return the range of responses, in load order, that begin in the span."""
        return bisect_left(self._firsts, span.first), bisect_right(self._firsts, span.last)

    def _held_ends(self, span: Span) -> tuple[int, int] | None:
        """Return the first and the last position in the span that holds something."""
        start, end = self._within(span)
        held = [self._firsts[start], self._firsts[end - 1]] if end > start else []
        if not self._form.whole_responses:
            held += self._reader.fetched_ends(span) or ()
        return (min(held), max(held)) if held else None

    def _empty_bytes(self) -> int:
        """The bytes of a file without videos: a Parquet file's columns alone take some thousands."""
        nothing = Span(EVERYTHING.last, EVERYTHING.last)
        length = sum(map(len, self._form.assemble(self._reader, nothing, Counters())))
        if length > self._most_bytes:
            raise _too_small(self._most_bytes, f"a part without any video has {length:,} bytes")
        return length


class Reusable:
    """The unchanged parts of an earlier export that was cut by the same size."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = {(part.first_position, part.inputs): part for part in parts if part.inputs}
        self._ends = {
            part.first_position: part.span.last
            for part in sorted(self._parts.values(), key=lambda part: part.first_position)
        }
        self._firsts = list(self._ends)

    def of(self, span: Span, cutter: Cutter, inputs: str) -> list[Part] | None:
        """Return the parts of the span, none if it is empty; None if it has to be made."""
        if not inputs:
            return []
        if part := self._parts.get((span.first, inputs)):
            return [replace(part, last_position=last_position(span))]
        if not self._are_smaller(span) or (halves := cutter.halves(span)) is None:
            return None
        found: list[Part] = []
        for half in halves:
            parts = self.of(half, cutter, cutter.inputs(half))
            if parts is None:
                return None
            found += parts
        return found

    def _are_smaller(self, span: Span) -> bool:
        """Whether the span came out too large before and was halved. Halving it then gives the same parts again, if
        nothing in them changed."""
        first = bisect_left(self._firsts, span.first)
        within = self._firsts[first : bisect_right(self._firsts, span.last)]
        if not within or (end := self._ends[within[-1]]) > span.last:
            return False
        return (within[0], end) != (span.first, span.last) or len(within) > 1


@cache
def tools() -> tuple[tuple[str, str], ...]:
    """Return the libraries that decide the bytes of a part, with their versions."""
    libraries = tuple((name, version(name)) for name in _LIBRARIES)
    return ("harvester", __version__), ("zlib", zlib.ZLIB_RUNTIME_VERSION), *libraries


def made_with() -> str:
    """The same, as in a manifest."""
    return ", ".join(map(" ".join, tools()))


def _too_small(most_bytes: int, why: str) -> ConfigError:
    return ConfigError(
        f"export.max_part_bytes is too small at {most_bytes:,}: {why}.",
        state="Nothing was written.",
        next_step="Choose larger parts: 100,000,000 bytes and more suit most readers.",
    )
