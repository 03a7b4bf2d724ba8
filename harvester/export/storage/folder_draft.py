"""How a folder of parts is changed, wherever it is: in which order, so that its readers never see a mixture.

A part never changes: its name holds a digest of what it is made of. New parts appear first, then one manifest takes the
place of the one before, at once, and then the parts that it does not name are removed. Whoever is killed in between
leaves the old set or the new one, by the manifest that stands there, and the next export removes what belongs to none.
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
    """See Draft. What is left to do differs from place to place."""

    def __init__(self, uri: str, look: Callable[[], Found], found: Found) -> None:
        self._uri = uri
        self._look = look
        self._found = found
        self._kept: dict[str, DraftFile] = {}
        self._leaves_any = False
        """Whether parts may be there that no manifest names: the next export has to be told."""

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
                raise  # by one whose parts may have the same names
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
        """Let no other export change the folder meanwhile."""

    @abstractmethod
    def _appear(self) -> None:
        """Give the parts that were kept their names."""

    @abstractmethod
    def _switch(self, manifest: bytes) -> None:
        """Put it in place of the one that was found. Raises Overtaken where that is no longer there."""

    @abstractmethod
    def _remove(self, names: Iterable[str]) -> None:
        """Those that are there."""
