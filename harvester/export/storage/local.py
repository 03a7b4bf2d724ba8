"""Local files that are replaced by rename: at any moment the name holds the whole old or new file."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from harvester.errors import ConfigError, HarvesterError
from harvester.export.manifest import SUFFIX
from harvester.export.storage.destination import Destination, ExistingFile, PublishedFile, overtaken
from harvester.export.storage.local_draft import FileDraft, abandoned_drafts, alone_in, drafted, explained, explanation
from harvester.export.storage.ownership import SQLITE_MAGIC, describes_file
from harvester.support.atomic_write import followed
from harvester.support.sanitize import shown

_READ_BYTES = 1 << 20

log = logging.getLogger(__name__)


class LocalTarget(Destination):
    """A file on this machine. Of a symbolic link, the target is replaced."""

    def __init__(self, path: Path) -> None:
        self.path, self.uri, self.name = path, str(path), path.name

    def publish(self, chunks: Iterable[bytes], *, content_type: str) -> PublishedFile:
        """See Destination. The bytes and their name are on disk when this returns. An old file's mode is kept."""
        place = self._place()
        with explained(self.path):
            _refuse_database(place)
        with drafted(place, self.path) as draft:
            published = draft.write_all(chunks, self.path)
            with explained(self.path):
                draft.finish()
                draft.replace_target()
        return published

    def publish_with_manifest(
        self,
        chunks: Iterable[bytes],
        manifest_of: Callable[[PublishedFile], bytes],
        *,
        content_type: str,
        replacing: ExistingFile | None,
        expected_bytes: int,
    ) -> PublishedFile:
        """See Destination. Both are on disk, hidden, before the first is renamed: see `finish_interrupted`."""
        place, beside = self._place(), self.beside(SUFFIX)
        with drafted(place, self.path) as draft, drafted(beside._place(), beside.path) as note:
            published = draft.write_all(chunks, self.path)
            with explained(beside.path):
                note.write(manifest_of(published))
                note.finish()
                note.sync_folder()
            with explained(self.path):
                draft.finish()
                with alone_in(place.parent):
                    if self.existing() != replacing:
                        raise overtaken(self.uri)
                    draft.replace_target()
                    replace_manifest(note, beside.path)
        return published

    def existing(self) -> ExistingFile | None:
        with explained(self.path, "read"):
            try:
                return as_existing(self._place().stat())
            except FileNotFoundError:
                return None

    def finish_interrupted(self) -> bool:
        beside, folder = self.beside(SUFFIX), self._place().parent
        with explained(beside.path):
            place = followed(beside.path)
            if not (place.parent.is_dir() and folder.is_dir() and any(True for _ in abandoned_drafts(place))):
                return True
            with alone_in(folder):
                for draft in abandoned_drafts(place):
                    if describes_file(draft.read(), self):
                        draft.replace_target(place.name)
                        log.info("%s: completed an export that was cut off before its manifest", beside.uri)
                        return True
        return True

    def undisturbed(self) -> AbstractContextManager[None]:
        return alone_in(self._place().parent)

    def read(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    yield chunk
        except FileNotFoundError:
            raise
        except OSError as error:
            raise explanation(f"Can't read {shown(self.uri)}", error) from error

    def open(self) -> BinaryIO:
        with explained(self.path, "read"):
            return self.path.open("rb")

    def remove(self) -> None:
        with explained(self.path):
            self.path.unlink(missing_ok=True)

    def beside(self, suffix: str) -> LocalTarget:
        return LocalTarget(self.path.with_name(self.path.name + suffix))

    def _place(self) -> Path:
        """Resolve links. Raises ConfigError if the path can't be written."""
        with explained(self.path):
            place = followed(self.path)
            _check_place(place)
            return place


def as_existing(about: os.stat_result) -> ExistingFile:
    """Return what is at a destination, by its stat result."""
    version = (about.st_dev, about.st_ino, about.st_mtime_ns)
    return ExistingFile(version, about.st_size, changed_at=about.st_mtime)


def replace_manifest(note: FileDraft, path: Path) -> None:
    """Replace the manifest: the last step of an export. Its draft was on disk before the first step."""
    try:
        with explained(path):
            note.replace_target()
    except HarvesterError as error:
        error.state = "The data is published; its manifest is not, or is the one before."
        raise


def refuse_missing_folder(place: Path) -> None:
    """Raise ConfigError if the folder of `place` does not exist."""
    if not place.parent.is_dir():
        raise ConfigError(
            f"Can't export to {shown(str(place))}: there is no folder {shown(str(place.parent))}.",
            state="Nothing was written.",
            next_step="Create the folder, or choose another destination.",
        )


def _check_place(place: Path) -> None:
    refuse_missing_folder(place)
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise ConfigError(f"Can't export to {shown(str(place))}: it is not a file.", state="Nothing was written.")


def _refuse_database(place: Path) -> None:
    with suppress(FileNotFoundError), place.open("rb") as file:
        if file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC:
            raise ConfigError(
                f"Can't export to {shown(str(place))}: it is a database, perhaps the ledger itself.",
                state="Nothing was written.",
                next_step="Choose another destination.",
            )
