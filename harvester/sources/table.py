"""CSV, by pandas: one column of it, as text, a bounded number of rows and bytes at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from harvester.errors import ConfigError
from harvester.sources.ids import Texts
from harvester.sources.layout import Header

if TYPE_CHECKING:
    from pandas.io.parsers import TextFileReader

FIRST_ROWS = 10_000
"""Enough to learn how wide a row is."""
CHUNK_BYTES = 64 << 20
"""Wide rows make a chunk of fewer rows, so that it stays near this."""
CHUNK_BYTES_MOST = 512 << 20
"""A chunk that has not ended after this is an endless row: a quote that nobody closed."""


def table_texts(
    blocks: Iterator[bytes], header: Header, shown: str, chunk_rows: int, rows_before: int = 0
) -> Iterator[Texts]:
    """A column of the rows in `blocks`, where the header no longer stands.

    A row with too few fields has the empty text; fields past the header's are let go. `rows_before` is for errors.
    """
    feed = _Feed(blocks)
    wanted = min(chunk_rows, FIRST_ROWS)
    with _explained(feed, shown, rows_before), io.BufferedReader(feed) as file, _csv_reader(file, header) as reader:
        while True:
            before = feed.delivered
            feed.budget = before + CHUNK_BYTES_MOST
            try:
                texts: list[str] = reader.get_chunk(wanted)[header.index].tolist()
            except StopIteration:
                return
            if not texts:
                return
            feed.rows += len(texts)
            # both, because bytes come by the buffer: a small chunk may seem to have cost none
            row_bytes = max(feed.delivered // feed.rows, (feed.delivered - before) // len(texts), 1)
            wanted = max(1, min(chunk_rows, CHUNK_BYTES // row_bytes))
            yield Texts(len(texts), texts)


def _csv_reader(file: io.BufferedReader[_Feed], header: Header) -> TextFileReader:
    import pandas as pd

    return pd.read_csv(
        cast(IO[bytes], file),
        sep=header.delimiter,
        header=None,
        names=list(range(header.width)),
        usecols=[header.index],
        index_col=False,
        # ids that look like numbers, dates or nothing at all survive as they stand
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        skipinitialspace=True,
        encoding_errors="replace",
        low_memory=False,
        iterator=True,
    )


@contextmanager
def _explained(feed: _Feed, shown: str, rows_before: int) -> Iterator[None]:
    import pandas as pd

    try:
        yield
    except (pd.errors.ParserError, _EndlessRowError) as error:
        how = "a row has no end" if isinstance(error, _EndlessRowError) else str(error)
        raise ConfigError(
            f"{shown} is broken CSV somewhere after row {rows_before + feed.rows:,} of its data: {how}.",
            next_step="Look there for a quotation mark that is never closed, mend the file and load it again.",
        ) from error


class _EndlessRowError(Exception):
    pass


class _Feed(io.RawIOBase):
    """Blocks as a file, with a budget of bytes; counts what it gave and what came of it."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self.delivered = 0
        self.budget = CHUNK_BYTES_MOST
        self.rows = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        self.delivered += size
        if self.delivered > self.budget:
            raise _EndlessRowError
        return size
