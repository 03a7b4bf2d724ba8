"""The interfaces of destinations: files and folders, local or on S3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from harvester.errors import Overtaken
from harvester.export.manifest import Part
from harvester.support.sanitize import shown


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


class Destination(Protocol):
    """A name that always holds a whole file: the new one or the previous one."""

    @property
    def uri(self) -> str: ...

    @property
    def name(self) -> str:
        """The last part of the address, without folder or bucket."""
        ...

    def publish(self, chunks: Iterable[bytes], *, content_type: str, expected_bytes: int = 0) -> PublishedFile:
        """Replace what is there by the chunks, all or nothing.

        The chunks are taken in the calling thread, and their exceptions are passed on. `expected_bytes` is a rough
        upper estimate. Raises ConfigError or CredentialsError if the destination can't be written, StorageUnavailable
        if it can't be for now.
        """
        ...

    def publish_with_manifest(
        self,
        chunks: Iterable[bytes],
        manifest_of: Callable[[PublishedFile], bytes],
        *,
        content_type: str,
        replacing: ExistingFile | None,
        expected_bytes: int = 0,
    ) -> PublishedFile:
        """Publish the chunks as `publish` does, then the manifest that `manifest_of` returns.

        Raises Overtaken, and changes nothing, if what is there is no longer `replacing`.
        """
        ...

    def standing(self) -> ExistingFile | None:
        """Return what is there; None if nothing is."""
        ...

    def finish_interrupted(self) -> bool:
        """Complete an export that was killed between the file and its manifest.

        Returns whether that is always possible here, so that file and manifest match from now on.
        """
        ...

    def undisturbed(self) -> AbstractContextManager[None]:
        """Keep other exports from changing the file or its manifest, if possible here. For a moment only."""
        ...

    def read(self) -> Iterator[bytes]:
        """Yield what is published. Raises FileNotFoundError if nothing is."""
        ...

    def open(self) -> BinaryIO:
        """Open what is published, as a seekable file."""
        ...

    def remove(self) -> None:
        """Remove what is published, if anything is."""
        ...

    def beside(self, suffix: str) -> Destination:
        """Return the destination with `suffix` appended to the name."""
        ...


class Place(Protocol):
    """Where a file of a draft is written, by any process. It can be pickled, and holds no credentials: a process uses
    its own."""

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> DraftFile:
        """Write the file. It may be written twice, even at the same time, with the same result."""
        ...


class Draft(Protocol):
    """The files of a folder while they are written, invisible before `commit`."""

    def unchanged(self) -> Iterator[Part]:
        """Yield the unchanged parts of the previous manifest."""
        ...

    def place(self, name: str, *, content_type: str) -> Place:
        """Begin a file. It belongs to the draft once it is kept."""
        ...

    def keep(self, name: str, written: DraftFile) -> None:
        """Add a file that was written at its place. Raises StorageUnavailable if it is missing."""
        ...

    def drop(self, name: str) -> None:
        """Discard a file that was begun."""
        ...

    def commit(self, manifest: bytes, names: Collection[str]) -> None:
        """Publish the files of the draft, then replace the manifest in one step, then remove all files except those
        named.

        Raises Overtaken if the folder or its manifest have changed since the draft was begun.
        """
        ...


class Folder(Protocol):
    """A folder with the parts of an export. Parts never change; the manifest says which are valid, and is replaced at
    once."""

    @property
    def uri(self) -> str: ...

    @property
    def name(self) -> str: ...

    def draft(self, *, force: bool = False) -> AbstractContextManager[Draft]:
        """Begin a draft; what is not committed at the end is discarded.

        Raises ConfigError if the folder holds other files than parts, and DestinationRefused if harvester did not write
        the parts, unless `force`.
        """
        ...

    def names(self) -> list[str]:
        """The names of the files in the folder, sorted, without hidden ones."""
        ...

    def file(self, name: str) -> Destination:
        """Return the destination of a file in the folder."""
        ...

    def beside(self, suffix: str) -> Destination:
        """Return the destination next to the folder, with `suffix` appended to its name."""
        ...


def overtaken(uri: str) -> Overtaken:
    """Return the error for a destination that another export replaced."""
    return Overtaken(
        f"Another export was published at {shown(uri)} after this one began.",
        state="That one stands there, whole and with its manifest; the ledger was only read.",
        next_step="Export again, one after another.",
    )
