"""The interface of destinations: files, local or on S3."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from harvester.errors import Overtaken
from harvester.support.sanitize import shown

KEPT = "What stood there before is as it was; the ledger was only read."
"""The state after an error in an export."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """What was published at `uri`. `sha256` is in hex."""

    uri: str
    bytes: int
    sha256: str
    version: Hashable = field(default=None, compare=False)
    """As in ExistingFile, if known."""


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A written file of a draft, with what the draft needs to publish it."""

    published: PublishedFile
    receipt: Any = None


@dataclass(frozen=True, slots=True)
class ExistingFile:
    """What is at a destination now. Another file there has another version."""

    version: Hashable
    """None if this account may not read it."""
    bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The metadata of an object on S3."""
    changed_at: float = field(default=0.0, compare=False)
    """Seconds since 1970, by the clock of the store."""


class Meter:
    """Counts and hashes bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks, and count and hash them."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def add(self, chunk: bytes | bytearray) -> None:
        """Count and hash a chunk."""
        self.bytes += len(chunk)
        self._hash.update(chunk)

    def drain(self, chunks: Iterable[bytes]) -> None:
        """Count and hash all chunks."""
        for _ in self.over(chunks):
            pass

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def published(self, uri: str) -> PublishedFile:
        """Return what was published at `uri`."""
        return PublishedFile(uri, self.bytes, self.sha256)


class Destination(ABC):
    """A name that always holds a whole file: the new one or the previous one."""

    uri: str
    name: str
    """The last part of the address, without folder or bucket."""

    @abstractmethod
    def publish(self, chunks: Iterable[bytes], *, content_type: str) -> PublishedFile:
        """Replace what is there by the chunks, all or nothing.

        The chunks are taken in the calling thread, and their exceptions are passed on. Raises ConfigError or
        CredentialsError if the destination can't be written, StorageUnavailable if it can't be for now.
        """

    @abstractmethod
    def publish_with_manifest(
        self,
        chunks: Iterable[bytes],
        manifest_of: Callable[[PublishedFile], bytes],
        *,
        content_type: str,
        replacing: ExistingFile | None,
        expected_bytes: int,
    ) -> PublishedFile:
        """Publish the chunks as `publish` does, then the manifest that `manifest_of` returns.

        `expected_bytes` is a rough upper estimate. Raises Overtaken, and changes nothing, if what is there is no longer
        `replacing`.
        """

    @abstractmethod
    def existing(self) -> ExistingFile | None:
        """Return what is there; None if nothing is."""

    def finish_interrupted(self) -> bool:
        """Complete an export that was killed between the file and its manifest.

        Returns whether that is always possible here, so that file and manifest match from now on.
        """
        return False

    def undisturbed(self) -> AbstractContextManager[None]:
        """Keep other exports from changing the file or its manifest, if possible here. For a moment only."""
        return nullcontext()

    @abstractmethod
    def read(self) -> Iterator[bytes]:
        """Yield what is published. Raises FileNotFoundError if nothing is."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """Open what is published, as a seekable file."""

    @abstractmethod
    def remove(self) -> None:
        """Remove what is published, if anything is."""

    @abstractmethod
    def beside(self, suffix: str) -> Destination:
        """Return the destination with `suffix` appended to the name."""


def overtaken(uri: str) -> Overtaken:
    """Return the error for a destination that another export replaced."""
    return Overtaken(
        f"Another export was published at {shown(uri)} after this one began.",
        state="That one stands there, whole and with its manifest; the ledger was only read.",
        next_step="Export again, one after another.",
    )
