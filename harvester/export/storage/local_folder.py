"""Folders of parts on this machine: written beside, and put in place of the old folder whole."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import ConfigError, StorageUnavailable
from harvester.export.manifest import SUFFIX
from harvester.export.parts import refuse_foreign_files
from harvester.export.storage.destination import Meter, Written
from harvester.export.storage.local import (
    LocalTarget,
    finish_interrupted,
    overtaken,
    refuse_missing_folder,
    take_place_of_manifest,
)
from harvester.export.storage.local_draft import (
    KEPT,
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
from harvester.export.storage.ownership import admit_folder, describes_folder
from harvester.support.atomic_write import followed
from harvester.support.sanitize import shown

_LOCK, _NEW, _OLD = "lock", "new", "old"
_OVERTAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)


class LocalFolder:
    """A folder on this machine. Where `path` is a symbolic link, the folder that it leads to is replaced.

    Two renames put a new folder in place of an old one. Between them, for some microseconds, there is none; a process
    that was killed just there left the old one hidden, and the next export begins by putting it back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def uri(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @contextmanager
    def draft(self, *, force: bool = False) -> Iterator[_Draft]:
        """See Folder."""
        with explained(self.path):
            place = followed(self.path)
            _check_place(place)
            _clear_up(place)
        finish_interrupted(self.beside(SUFFIX), place.parent, lambda text: describes_folder(text, self))
        with explained(self.path):
            with alone_in(place.parent):
                sizes = _sizes(place)
                # Hidden files too: the whole old folder goes.
                refuse_foreign_files(self.uri, sizes)
                admit_folder(self, sizes, force=force)
            draft = _Draft(place, self.beside(SUFFIX))
        try:
            yield draft
        finally:
            draft.discard()

    def names(self) -> list[str]:
        """See Folder."""
        with explained(self.path, "read"):
            return sorted(name for name in _sizes(self.path) if not name.startswith((".", "_")))

    def file(self, name: str) -> LocalTarget:
        """See Folder."""
        return LocalTarget(self.path / name)

    def beside(self, suffix: str) -> LocalTarget:
        """See Folder."""
        return LocalTarget(self.path.with_name(self.path.name + suffix))


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A name in a draft, for any process that sees that folder. Each attempt writes a new file and renames it."""

    place: Path
    """The folder that is to be replaced."""
    draft: Path
    inode: int
    """Of the draft: another folder of that name is not written to."""
    name: str

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> Written:
        """See Place. The bytes are on disk when this returns."""
        with self._opened() as folder:
            meter, attempt = Meter(), f"{self.name}.{secrets.token_hex(6)}"
            how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with explained(self.place):
                    file = os.fdopen(os.open(attempt, how, 0o666, dir_fd=folder), "wb")
                with file:
                    for chunk in meter.over(chunks):
                        with explained(self.place):
                            file.write(chunk)
                    with explained(self.place):
                        file.flush()
                        os.fsync(file.fileno())
                with explained(self.place):
                    os.replace(attempt, f"{_NEW}/{self.name}", src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(attempt, dir_fd=folder)
                raise
        return Written(meter.published(str(self.place / self.name)))

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


class _Draft:
    """A hidden folder beside the one to be replaced: this user's alone, and locked while its writer lives."""

    def __init__(self, place: Path, manifest: LocalTarget) -> None:
        self._place = place
        self._manifest = manifest
        self._stack = ExitStack()
        self._parent = _open(place.parent, self._stack)
        self._replacing = self._standing()
        self._name, self._folder = _create_locked(place.name, self._parent, self._stack)
        os.mkdir(_NEW, dir_fd=self._folder)
        self._new = _open(_NEW, self._stack, self._folder)

    def place(self, name: str, *, content_type: str) -> LocalPlace:
        """See Draft."""
        return LocalPlace(self._place, self._place.with_name(self._name), os.fstat(self._folder).st_ino, name)

    def keep(self, name: str, written: Written) -> None:
        """See Draft."""
        with explained(self._place, "read"):
            about = os.stat(name, dir_fd=self._new, follow_symlinks=False)
        if about.st_size != written.published.bytes or not stat.S_ISREG(about.st_mode):
            raise StorageUnavailable(
                f"{shown(str(self._place / name))} is not what was written: it has {about.st_size:,} bytes.",
                state=KEPT,
                next_step="Export again.",
            )

    def drop(self, name: str) -> None:
        """See Draft."""
        with explained(self._place), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._new)

    def commit(self, manifest: bytes) -> None:
        """See Draft. Before anything is renamed, the old manifest and the new one are on disk, hidden: whichever
        describes the folder that stands there is put in place after a kill."""
        path = self._manifest.path
        with drafted(followed(path), path) as new, drafted(followed(path), path) as old:
            with explained(path):
                _fill(new, manifest)
                with suppress(FileNotFoundError):
                    _fill(old, b"".join(self._manifest.read()))
                os.fsync(self._new)
                os.fsync(self._folder)
            with explained(self._place), alone_in(self._place.parent):
                if self._standing() != self._replacing:
                    raise overtaken(str(self._place))
                self._manifest.remove()
                self._change_places(old)
                take_place_of_manifest(new, path)

    def _change_places(self, old_manifest: FileDraft) -> None:
        try:
            self._swap()
        except OSError as error:
            if error.errno in _OVERTAKEN:
                raise overtaken(str(self._place)) from error
            if self._standing() == self._replacing:
                with suppress(OSError):
                    old_manifest.take_place()
            raise

    def _swap(self) -> None:
        name = self._place.name
        if self._replacing is not None:
            os.fchmod(self._new, mode_after(name, stat.S_IMODE(os.fstat(self._new).st_mode), self._parent))
            os.rename(name, _OLD, src_dir_fd=self._parent, dst_dir_fd=self._folder)
        try:
            os.rename(_NEW, name, src_dir_fd=self._folder, dst_dir_fd=self._parent)
        except OSError:
            # Where another export was faster, its folder stands, and that is newer than this old one.
            _put_back(self._folder, name, self._parent)
            raise
        os.fsync(self._parent)

    def _standing(self) -> tuple[int, int] | None:
        try:
            about = os.stat(self._place.name, dir_fd=self._parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return about.st_dev, about.st_ino

    def discard(self) -> None:
        with suppress(OSError):
            shutil.rmtree(self._name, dir_fd=self._parent)
        self._stack.close()


def _fill(draft: FileDraft, data: bytes) -> None:
    draft.write(data)
    draft.finish()
    draft.sync_folder()


def _open(path: Path | str, stack: ExitStack, dir_fd: int | None = None) -> int:
    """A descriptor of that folder, until the stack is closed."""
    folder = open_folder(path, dir_fd)
    stack.callback(os.close, folder)
    return folder


def _create_locked(name: str, parent: int, stack: ExitStack) -> tuple[str, int]:
    """A new hidden folder, open to this user alone: its name, and its descriptor. Locked until the stack is closed."""
    while True:
        draft = draft_name(name)
        os.mkdir(draft, 0o700, dir_fd=parent)
        folder = _open(draft, stack, parent)
        if is_own(folder, parent, private=True):
            with suppress(FileNotFoundError):
                fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
                stack.callback(os.close, fd)
                if lock(fd, unsupported=True) and still_named(_LOCK, fd, folder):
                    return draft, folder
        # Another export took it for abandoned before it was locked.


def _sizes(folder: Path) -> dict[str, int]:
    """The files in it with their lengths, in order; what is no file has a slash after its name, as no part has."""
    try:
        with os.scandir(folder) as entries:
            found = {
                (e.name if e.is_file(follow_symlinks=False) else f"{e.name}/"): e.stat(follow_symlinks=False).st_size
                for e in entries
            }
    except FileNotFoundError:
        return {}
    return dict(sorted(found.items()))


def _check_place(place: Path) -> None:
    refuse_missing_folder(place)
    if place.exists() and not place.is_dir():
        raise ConfigError(
            f"Can't export parts to {shown(str(place))}: it is not a folder.",
            state="Nothing was written.",
            next_step="Name a folder for the parts, or leave out --max-part-bytes.",
        )


def _clear_up(place: Path) -> None:
    """Remove what killed exports of this user left, and undo what one of them had half done."""
    with ExitStack() as stack:
        parent = _open(place.parent, stack)
        for name in names_in(parent):
            if is_draft_of(place.name, name):
                with suppress(OSError), ExitStack() as opened:
                    _clear_up_draft(name, place.name, parent, opened)


def _clear_up_draft(draft: str, place: str, parent: int, stack: ExitStack) -> None:
    folder = _open(draft, stack, parent)
    if not is_own(folder, parent, private=True):
        return
    fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    stack.callback(os.close, fd)
    if lock(fd, unsupported=False):
        _put_back(folder, place, parent)
        shutil.rmtree(draft, dir_fd=parent)


def _put_back(draft: int, place: str, parent: int) -> None:
    """Where the old folder is in the draft and no folder stands in its place, it goes back there."""
    try:
        os.stat(place, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        with suppress(FileNotFoundError):
            os.rename(_OLD, place, src_dir_fd=draft, dst_dir_fd=parent)
