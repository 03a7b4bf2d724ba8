"""Local folders of parts: new parts are written to a hidden folder next to it, then renamed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import ConfigError, StorageUnavailable
from harvester.export.manifest import SUFFIX, is_part
from harvester.export.storage.destination import KEPT, DraftFile, ExistingFile
from harvester.export.storage.local import LocalTarget, as_existing, refuse_missing_folder, replace_manifest
from harvester.export.storage.local_draft import (
    FileDraft,
    alone_in,
    draft_name,
    drafted,
    explained,
    is_draft_of,
    is_own,
    lock,
    mode_after,
    names_in,
    open_folder,
    still_named,
)
from harvester.export.storage.parts_folder import Draft, Folder, Found
from harvester.support.atomic_write import followed
from harvester.support.sanitize import shown

_LOCK, _NEW = "lock", "new"
_APPEARING = "appearing"
"""Marks a draft whose parts are being renamed: parts without a manifest are then known to be harvester's."""


class LocalFolder(Folder):
    """A folder on this machine. Of a symbolic link, the target."""

    def __init__(self, path: Path) -> None:
        self.path, self.uri, self.name = path, str(path), path.name

    @contextmanager
    def draft(self, *, force: bool = False) -> Iterator[_Draft]:
        with explained(self.path):
            place = followed(self.path)
            _check_place(place)
            _clear_up(self, place)
            with alone_in(place.parent):
                found = self.look()
            self.admit(found, force=force)
            draft = _Draft(self, place, found)
        try:
            yield draft
        finally:
            draft.discard()

    def files(self) -> dict[str, ExistingFile]:
        """See Folder. Hidden ones too: a folder with them belongs to something else. Entries that are no files get a
        slash after the name, unlike any part."""
        with explained(self.path, "read"), suppress(FileNotFoundError), os.scandir(self.path) as entries:
            files = {
                e.name if e.is_file(follow_symlinks=False) else f"{e.name}/": as_existing(e.stat(follow_symlinks=False))
                for e in entries
            }
            return dict(sorted(files.items()))
        return {}

    def file(self, name: str) -> LocalTarget:
        return LocalTarget(self.path / name)

    def beside(self, suffix: str) -> LocalTarget:
        return LocalTarget(self.path.with_name(self.path.name + suffix))


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A name in a draft, for any process with access to the folder. Each attempt writes a new file and renames it."""

    place: Path
    """The folder to be changed."""
    draft: Path
    inode: int
    """The draft's inode: another folder of that name is not written to."""
    name: str

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> DraftFile:
        """See Place. The bytes are on disk when this returns."""
        with self._opened() as folder:
            with explained(self.place):
                attempt = FileDraft(Path(_NEW, self.name), folder)
            with closing(attempt):
                written = attempt.write_all(chunks, self.place / self.name)
                with explained(self.place):
                    attempt.finish()
                    attempt.replace_target()
        return DraftFile(written)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            folder = open_folder(self.draft)
        except (FileNotFoundError, NotADirectoryError):
            raise self._unseen() from None
        try:
            if os.fstat(folder).st_ino != self.inode:
                raise self._unseen()
            yield folder
        finally:
            os.close(folder)

    def _unseen(self) -> ConfigError:
        return ConfigError(
            f"Can't write to {shown(str(self.place))}: what is exported there can't be seen from this machine.",
            state=KEPT,
            next_step="Export to s3://bucket/folder, or to a folder on a disk that all machines share.",
        )


class _Draft(Draft):
    """A hidden folder next to the one to be changed, private to this user and locked while its writer lives."""

    def __init__(self, folder: LocalFolder, place: Path, found: Found) -> None:
        super().__init__(folder, found)
        self._place = place
        self._manifest = folder.beside(SUFFIX).path
        self._stack = ExitStack()
        self._parent = _open(place.parent, self._stack)
        self._name, self._folder = _create_locked(place.name, self._parent, self._stack)
        os.mkdir(_NEW, dir_fd=self._folder)
        self._new = _open(_NEW, self._stack, self._folder)
        self._mode = stat.S_IMODE(os.fstat(self._new).st_mode)

    def place(self, name: str, *, content_type: str) -> LocalPlace:
        return LocalPlace(self._place, self._place.with_name(self._name), os.fstat(self._folder).st_ino, name)

    def keep(self, name: str, written: DraftFile) -> None:
        with explained(self._place, "read"):
            about = os.stat(name, dir_fd=self._new, follow_symlinks=False)
        if about.st_size != written.published.bytes or not stat.S_ISREG(about.st_mode):
            raise StorageUnavailable(
                f"{shown(str(self._place / name))} is not what was written: it has {about.st_size:,} bytes.",
                state=KEPT,
                next_step="Export again.",
            )
        super().keep(name, written)

    def drop(self, name: str) -> None:
        with explained(self._place), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._new)

    def commit(self, manifest: bytes, names: Collection[str]) -> None:
        """See Draft. The manifest is on disk, hidden, before anything is renamed."""
        with drafted(followed(self._manifest), self._manifest) as self._note:
            with explained(self._manifest):
                self._note.write(manifest)
                self._note.finish()
                self._note.sync_folder()
            super().commit(manifest, names)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with explained(self._place), alone_in(self._place.parent):
            yield

    def _appear(self) -> None:
        os.mkdir(_APPEARING, dir_fd=self._folder)
        os.fsync(self._folder)
        with suppress(FileExistsError):
            os.mkdir(self._place.name, dir_fd=self._parent)
        target = _open(self._place.name, self._stack, self._parent)
        with suppress(PermissionError):  # another user's
            os.fchmod(target, mode_after(self._place.name, self._mode, self._parent))
        for name in self._kept:
            os.rename(name, name, src_dir_fd=self._new, dst_dir_fd=target)
        os.fsync(target)
        os.fsync(self._parent)

    def _switch(self, manifest: bytes) -> None:
        replace_manifest(self._note, self._manifest)

    def _remove(self, names: Iterable[str]) -> None:
        _unlink(names, self._place)

    def discard(self) -> None:
        if not self._leaves_any:
            with suppress(OSError):
                shutil.rmtree(self._name, dir_fd=self._parent)
        self._stack.close()


def _open(path: Path | str, stack: ExitStack, dir_fd: int | None = None) -> int:
    """Open a folder until the stack is closed."""
    folder = open_folder(path, dir_fd)
    stack.callback(os.close, folder)
    return folder


def _create_locked(name: str, parent: int, stack: ExitStack) -> tuple[str, int]:
    """Create a private hidden folder, locked until the stack is closed. Returns its name and descriptor."""
    while True:
        draft = draft_name(name)
        os.mkdir(draft, 0o700, dir_fd=parent)
        with suppress(FileNotFoundError):
            folder = _open(draft, stack, parent)
            if is_own(folder, parent, private=True):
                fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
                stack.callback(os.close, fd)
                if lock(fd, unsupported=True) and still_named(_LOCK, fd, folder):
                    return draft, folder
        # Another export removed it as abandoned before it was locked.


def _unlink(names: Iterable[str], place: Path) -> None:
    with explained(place), suppress(FileNotFoundError), ExitStack() as stack:
        folder = _open(place, stack)
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        os.fsync(folder)


def _check_place(place: Path) -> None:
    refuse_missing_folder(place)
    if place.exists() and not place.is_dir():
        raise ConfigError(
            f"Can't export parts to {shown(str(place))}: it is not a folder.",
            state="Nothing was written.",
            next_step="Name a folder for the parts, or leave out --max-part-bytes.",
        )


def _clear_up(folder: LocalFolder, place: Path) -> None:
    """Remove the leftovers of this user's killed exports."""
    with ExitStack() as stack:
        parent = _open(place.parent, stack)
        for name in names_in(parent):
            if is_draft_of(place.name, name):
                with suppress(OSError), ExitStack() as opened:
                    _clear_up_draft(name, folder, place, parent, opened)


def _clear_up_draft(draft: str, folder: LocalFolder, place: Path, parent: int, stack: ExitStack) -> None:
    opened = _open(draft, stack, parent)
    if not is_own(opened, parent, private=True):
        return
    fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=opened)
    stack.callback(os.close, fd)
    if lock(fd, unsupported=False):
        if _APPEARING in names_in(opened):
            _remove_unnamed(folder, place)
        shutil.rmtree(draft, dir_fd=parent)


def _remove_unnamed(folder: LocalFolder, place: Path) -> None:
    """Remove the parts of an export that was killed before its manifest, or just after."""
    with alone_in(place.parent):
        found = folder.look()
        if found.manifest is not None or found.manifest_file is None:
            known = found.known()
            _unlink([name for name in found.files if is_part(name) and name not in known], place)
