"""What a place of publication must be able to do, whatever holds the bytes."""

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
    """What now stands at `uri`. `sha256` is hex, of the very bytes there."""

    uri: str
    bytes: int
    sha256: str
    version: Hashable = field(default=None, compare=False)
    """As of ExistingFile, where it is known."""


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A file of a draft: what it will be once it is seen, and what its draft needs to let it be seen."""

    published: PublishedFile
    receipt: Any = None


@dataclass(frozen=True, slots=True)
class ExistingFile:
    """What stands at a target now. Another file there is another version."""

    version: Hashable
    """None where this account may not look."""
    bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What an object on S3 says of itself."""
    changed_at: float = field(default=0.0, compare=False)
    """Seconds since 1970, by the clock of where it stands."""


class Meter:
    """Counts and hashes the bytes that flow by."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def add(self, chunk: bytes | bytearray) -> None:
        self.bytes += len(chunk)
        self._hash.update(chunk)

    def drain(self, chunks: Iterable[bytes]) -> None:
        for _ in self.over(chunks):
            pass

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def published(self, uri: str) -> PublishedFile:
        return PublishedFile(uri, self.bytes, self.sha256)


class Destination(Protocol):
    """One name that holds a whole file or the file before it, never a part of one."""

    @property
    def uri(self) -> str: ...

    @property
    def name(self) -> str:
        """The last part of the address: no folder, no bucket."""
        ...

    def publish(self, chunks: Iterable[bytes], *, content_type: str, expected_bytes: int = 0) -> PublishedFile:
        """Put the chunks in place of what was there, all of them or none.

        The chunks are taken in the calling thread; what they raise comes out as it is. `expected_bytes` is
        a rough upper estimate. Raises ConfigError or CredentialsError where this place can't be written to,
        StorageUnavailable where it can't for now.
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
        """Publish the chunks as `publish` does, and then beside them their manifest, as `manifest_of` gives it.

        Raises Overtaken, and lets the other one stand, where what is to be replaced is no longer `replacing`.
        """
        ...

    def standing(self) -> ExistingFile | None:
        """What stands here; None where nothing does."""
        ...

    def finish_interrupted(self) -> bool:
        """Where an export was killed between the file and its manifest: put the manifest in place.

        Whether that is always possible, so that a file and its manifest fit each other from now on.
        """
        ...

    def undisturbed(self) -> AbstractContextManager[None]:
        """Let no other export change the file or its manifest meanwhile, where this place can. For an instant only."""
        ...

    def read(self) -> Iterator[bytes]:
        """What is published, in chunks. Raises FileNotFoundError where nothing is."""
        ...

    def open(self) -> BinaryIO:
        """What is published, to be read at any place."""
        ...

    def remove(self) -> None:
        """Take away what is published here, if anything is."""
        ...

    def beside(self, suffix: str) -> Destination:
        """The place next to this one whose name is longer by `suffix`."""
        ...


class Place(Protocol):
    """Where one file of a draft is written, by whichever process it is handed to. It can be pickled, and holds no
    credentials: they are that process's own."""

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> DraftFile:
        """Write it whole. Written twice, even at the same time, it is the same file."""
        ...


class Draft(Protocol):
    """The files of a folder while they are written: nothing is seen of them before `commit`."""

    def unchanged(self) -> Iterator[Part]:
        """The parts of the manifest before that stand there as it says."""
        ...

    def place(self, name: str, *, content_type: str) -> Place:
        """Begin one file. It belongs to the draft once it is kept."""
        ...

    def keep(self, name: str, written: DraftFile) -> None:
        """Take in a file that was written at its place. Raises StorageUnavailable where it is not there."""
        ...

    def drop(self, name: str) -> None:
        """Forget a file that was begun, whatever was written of it."""
        ...

    def commit(self, manifest: bytes, names: Collection[str]) -> None:
        """Let the files of the draft appear, then put `manifest` in place of the one before, at once, and at last
        remove all files but those named.

        Raises Overtaken where the folder or its manifest are no longer what they were when the draft was begun.
        """
        ...


class Folder(Protocol):
    """A folder that holds nothing but the parts of an export. A part never changes: the manifest says which are valid,
    and is replaced as a whole."""

    @property
    def uri(self) -> str: ...

    @property
    def name(self) -> str: ...

    def draft(self, *, force: bool = False) -> AbstractContextManager[Draft]:
        """Begin to change what is in the folder; whatever is not committed at the end is discarded.

        Raises ConfigError where the folder holds files that are no parts of an export, and DestinationRefused where
        harvester did not write those parts, unless `force`.
        """
        ...

    def names(self) -> list[str]:
        """Of the files in the folder, in order; hidden ones are passed over."""
        ...

    def file(self, name: str) -> Destination:
        """One file of the folder."""
        ...

    def beside(self, suffix: str) -> Destination:
        """The place next to the folder whose name is longer by `suffix`."""
        ...


def overtaken(uri: str) -> Overtaken:
    return Overtaken(
        f"Another export was published at {shown(uri)} after this one began.",
        state="That one stands there, whole and with its manifest; the ledger was only read.",
        next_step="Export again, one after another.",
    )
