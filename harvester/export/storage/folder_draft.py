"""The order in which a folder of parts is changed, so that its readers never see a mixture.

A part never changes: its name holds a digest of what it is made of. New parts appear first, then the manifest is
replaced in one step, then the parts that it does not name are removed. After a kill in between, the manifest describes
the old or the new parts, and the next export removes all others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, suppress

from harvester.errors import HarvesterError, Overtaken
from harvester.export.manifest import Part
from harvester.export.storage.destination import DraftFile, overtaken
from harvester.export.storage.ownership import Found


class FolderDraft(ABC):
    """The common part of drafts: see Draft."""

    def __init__(self, uri: str, look: Callable[[], Found], found: Found) -> None:
        self._uri = uri
        self._look = look
        self._found = found
        self._kept: dict[str, DraftFile] = {}
        self._leaves_any = False
        """Whether parts may be left that no manifest names, which the next export has to remove."""

    def unchanged(self) -> Iterator[Part]:
        """See Draft."""
        return self._found.unchanged()

    def commit(self, manifest: bytes, names: Collection[str]) -> None:
        """See Draft."""
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
