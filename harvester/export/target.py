"""What a place of publication must be able to do, whatever holds the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Published:
    """What now stands at `uri`. `sha256` is hex, of the very bytes there."""

    uri: str
    bytes: int
    sha256: str


class Meter:
    """Counts and hashes the bytes that flow by."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.bytes += len(chunk)
            self._hash.update(chunk)
            yield chunk

    def drain(self, chunks: Iterable[bytes]) -> None:
        for _ in self.over(chunks):
            pass

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def published(self, uri: str) -> Published:
        return Published(uri, self.bytes, self.sha256)


class Target(Protocol):
    """One name that holds a whole file or the file before it, never a part of one."""

    @property
    def uri(self) -> str: ...

    @property
    def name(self) -> str:
        """The last part of the address: no folder, no bucket."""
        ...

    def publish(self, chunks: Iterable[bytes], *, content_type: str, expected_bytes: int = 0) -> Published:
        """Put the chunks in place of what was there, all of them or none.

        The chunks are taken in the calling thread; what they raise comes out as it is. `expected_bytes` is
        a rough upper estimate. Raises ConfigError or CredentialsError where this place can't be written to,
        StorageUnavailable where it can't for now.
        """
        ...

    def read(self) -> Iterator[bytes]:
        """What is published, in chunks. Raises FileNotFoundError where nothing is."""
        ...

    def beside(self, suffix: str) -> Target:
        """The place next to this one whose name is longer by `suffix`."""
        ...
