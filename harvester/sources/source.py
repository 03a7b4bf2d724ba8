"""An opened source, whose failures are harvester's errors, whatever library reads it."""

from __future__ import annotations

import io
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harvester.errors import HarvesterError
from harvester.support import sanitize

AGAIN = "Run harvester load again; if it fails again, look at the network: harvester doctor."
STANDARD_INPUT = "standard input"
Failures = tuple[type[Exception], ...]
Explain = Callable[[Exception], HarvesterError]
OnRead = Callable[[int, int | None], None]
"""Called for each block with the bytes read so far, and their total if known."""


class Source(io.RawIOBase):
    """An opened source, whose failures are translated by `explain`.

    `shown` is its name for people, without the query of a URL, which may hold a signature. `path` is the name by which
    its format is guessed; "" for standard input.
    """

    def __init__(self, shown: str, path: str, file: Any, failures: Failures, explain: Explain) -> None:
        self.shown = shown
        self.path = path
        self._file = file
        self._failures = failures
        self._explain = explain
        self._bytes_read = 0
        self.size = _size(file)
        self.on_read: OnRead = lambda _, __: None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = bytes(self._file.read(size))
        except self._failures as error:
            raise self._explain(error) from error
        self._bytes_read += len(data)
        self.on_read(self._bytes_read, self.size)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())


def _size(file: Any) -> int | None:
    """Return the file's size if it is known before reading, as by files of s3fs and of the web."""
    if hasattr(file, "size"):
        return None if file.size is None else int(file.size)
    try:
        found = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None  # not a file of the operating system
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextmanager
def opened(shown: str, path: str, open_it: Callable[[], Any], failures: Failures, explain: Explain) -> Iterator[Source]:
    """Open a file as a source of these names, translate its failures, and close it."""
    try:
        file = open_it()
    except failures as error:
        raise explain(error) from error
    with file:
        yield Source(shown, path, file, failures, explain)


def as_argument(shown: str) -> str:
    """Return a source's name for people as an argument of a command."""
    return "-" if shown == STANDARD_INPUT else shlex.quote(sanitize.shown(shown))


def sentence(error: object) -> str:
    """Return an error's message without a full stop."""
    return str(error).strip().rstrip(".") or type(error).__name__
