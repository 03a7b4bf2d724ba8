"""The interface of folders of parts, and the order in which one is changed, so that its readers never see a mixture.

A part never changes: its name holds a digest of what it is made of. New parts appear first, then the manifest is
replaced in one step, then the parts that it does not name are removed; with `export.keep_superseded` it names those
of the export before too. After a kill in between, the manifest describes
the old or the new parts, and the next export removes all others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from harvester.errors import ConfigError, HarvesterError, Overtaken
from harvester.export.manifest import SUFFIX, Manifest, Part, is_part
from harvester.export.storage.destination import Destination, DraftFile, ExistingFile, overtaken
from harvester.export.storage.ownership import foreign_file_error, read_manifest
from harvester.support.sanitize import count, shown


class Folder(ABC):
    """A folder with the parts of an export. Parts never change; the manifest says which are valid, and is replaced at
    once."""

    uri: str
    name: str

    @abstractmethod
    def draft(self, *, force: bool = False) -> AbstractContextManager[Draft]:
        """Begin a draft; what is not committed at the end is discarded.

        Raises ConfigError if the folder holds other files than parts, and DestinationRefused if harvester did not write
        the parts, unless `force`.
        """

    def names(self) -> list[str]:
        """The names of the files in the folder, sorted, without hidden ones."""
        return [name for name in self.files() if not name.startswith((".", "_"))]

    @abstractmethod
    def files(self) -> Mapping[str, ExistingFile]:
        """What is in the folder, by name, sorted."""

    @abstractmethod
    def file(self, name: str) -> Destination:
        """Return the destination of a file in the folder."""

    @abstractmethod
    def beside(self, suffix: str) -> Destination:
        """Return the destination next to the folder, with `suffix` appended to its name."""

    def look(self) -> Found:
        """Return what is in the folder, and the manifest next to it."""
        files, beside = self.files(), self.beside(SUFFIX)
        existing = beside.existing()  # before it is read, so that what is replaced is not newer than what was read
        return Found(files, existing, read_manifest(beside) if existing else None)

    def admit(self, found: Found, *, force: bool, made: Callable[[str], bool] = lambda _: False) -> None:
        """Raise as `draft` does if what was found may not be replaced.

        `made` says of a part that the manifest does not name whether harvester wrote it.
        """
        # Also with `force`: readers take a folder for one table.
        if foreign := next((name for name in found.files if not is_part(name)), None):
            raise ConfigError(
                f"Can't export to {shown(self.uri)}: it holds {shown(foreign, 100)!r}, which is no part of an export.",
                state="Nothing was written.",
                next_step="Choose a folder of its own for the export: --force does not remove other files.",
            )
        if force:
            return
        manifest = found.manifest
        if not found.files:
            if found.manifest_file is not None and manifest is None:
                raise foreign_file_error(self.beside(SUFFIX).uri, "it is no manifest")
        elif manifest is None:
            if not all(map(made, found.files)):
                raise foreign_file_error(self.uri, "there is no manifest next to it")
        elif manifest.file != self.name or manifest.parts is None:
            raise foreign_file_error(self.uri, "the manifest next to it names something else")
        else:
            lengths = found.known()
            for name, existing in found.files.items():
                if lengths.get(name) != existing.bytes and not made(name):
                    held = f"{shown(name, 100)} of {count(existing.bytes, 'byte')}"
                    raise foreign_file_error(self.uri, f"its manifest knows no {held}")


@dataclass(frozen=True, slots=True)
class Found:
    """What was in a folder and next to it when an export began."""

    files: Mapping[str, ExistingFile]
    manifest_file: ExistingFile | None
    manifest: Manifest | None = field(compare=False)
    """None if there is none, or another file."""

    def known(self) -> dict[str, int]:
        """The length of each part that the manifest names."""
        if self.manifest is None:
            return {}
        return {part.file: part.bytes for part in (*(self.manifest.parts or ()), *self.manifest.superseded)}

    def unchanged(self) -> Iterator[Part]:
        """Yield the parts of the manifest that match it, and were not modified since it was written."""
        if self.manifest is None or self.manifest_file is None:
            return
        for part in self.manifest.parts or ():
            existing = self.files.get(part.file)
            if existing and existing.bytes == part.bytes and existing.changed_at <= self.manifest_file.changed_at:
                yield part


class Place(Protocol):
    """Where a file of a draft is written, by any process. It can be pickled, and holds no credentials: a process uses
    its own."""

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> DraftFile:
        """Write the file. It may be written twice, even at the same time, with the same result."""
        ...


class Draft(ABC):
    """The files of a folder while they are written, invisible before `commit`."""

    def __init__(self, folder: Folder, found: Found) -> None:
        self._uri = folder.uri
        self._look = folder.look
        self._found = found
        self._kept: dict[str, DraftFile] = {}
        self._leaves_any = False
        """Whether parts may be left that no manifest names, which the next export has to remove."""

    def unchanged(self) -> Iterator[Part]:
        """Yield the unchanged parts of the previous manifest."""
        return self._found.unchanged()

    @abstractmethod
    def place(self, name: str, *, content_type: str) -> Place:
        """Begin a file. It belongs to the draft once it is kept."""

    def keep(self, name: str, written: DraftFile) -> None:
        """Add a file that was written at its place. Raises StorageUnavailable if it is missing."""
        self._kept[name] = written

    @abstractmethod
    def drop(self, name: str) -> None:
        """Discard a file that was begun."""

    def commit(self, manifest: bytes, names: Collection[str]) -> None:
        """Publish the files of the draft, then replace the manifest in one step, then remove all files except those
        named.

        Raises Overtaken if the folder or its manifest have changed since the draft was begun.
        """
        with self._alone():
            if self._look() != self._found:
                raise overtaken(self._uri)
            self._leaves_any = True
            try:
                self._appear()
            except Overtaken:
                raise  # by another export, whose parts may have the same names
            except BaseException:
                with suppress(HarvesterError):
                    self._remove(self._kept.keys() - self._found.files.keys())
                    self._leaves_any = False
                raise
            self._switch(manifest)
            try:
                self._remove(self._found.files.keys() - set(names))
            except HarvesterError as error:
                error.state = "The data is published; parts of the export before are still in the folder."
                raise
            self._leaves_any = False

    @abstractmethod
    def discard(self) -> None:
        """Remove what was not committed."""

    @abstractmethod
    def _alone(self) -> AbstractContextManager[None]:
        """Keep other exports from changing the folder."""

    @abstractmethod
    def _appear(self) -> None:
        """Give the kept parts their names."""

    @abstractmethod
    def _switch(self, manifest: bytes) -> None:
        """Replace the manifest that was found. Raises Overtaken if that is no longer there."""

    @abstractmethod
    def _remove(self, names: Iterable[str]) -> None:
        """Remove those that exist."""
