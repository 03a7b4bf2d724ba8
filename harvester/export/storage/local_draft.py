"""Drafts of local files: hidden next to their destination, and locked while their writer lives.

Others may write to the folder too. So files are opened relative to the folder's descriptor and without following links,
new names are random, and drafts of other users are neither read nor removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import ConfigError, HarvesterError, StorageUnavailable
from harvester.export.storage.destination import KEPT, Meter, PublishedFile
from harvester.support.sanitize import shown

DRAFT_SUFFIX = ".harvester-draft"
_WRITE_BUFFER_BYTES = 1 << 16
"""Smaller than a body: bodies are then written directly, which is three times as fast as through a large buffer."""
_CACHED_BYTES = 32 << 20
"""Bytes after which they are sent to disk: fsync has little to do then, and the page cache uses its memory again."""
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors that retrying does not change."""
LOCK_SECONDS = 30.0
"""Seconds to wait for other exports that rename files in the same folder, which takes each a moment."""
_LOOK_SECONDS = 0.02


def draft_name(name: str) -> str:
    """Return a new, unpredictable name for a draft of `name`."""
    return f".{name}.{secrets.token_hex(6)}{DRAFT_SUFFIX}"


def is_draft_of(name: str, draft: str) -> bool:
    """Whether `draft` is a name that `draft_name(name)` can return."""
    return re.fullmatch(re.escape(f".{name}.") + "[0-9a-f]{12}" + re.escape(DRAFT_SUFFIX), draft) is not None


class FileDraft:
    """A new file, readable only by this user until it is renamed. `place` may be relative to an open folder."""

    def __init__(self, place: Path, dir_fd: int | None = None) -> None:
        self._place = place.name
        self._folder = open_folder(place.parent, dir_fd)
        try:
            self._name, fd, ordinary_mode = _create_locked(self._folder, place.name)
            self._file = os.fdopen(fd, "wb", buffering=_WRITE_BUFFER_BYTES)
            self._mode = mode_after(place.name, ordinary_mode, self._folder)
        except BaseException:
            os.close(self._folder)
            raise

    def write(self, chunk: bytes) -> None:
        """Write the chunk, without filling the page cache."""
        before = self._file.tell()
        self._file.write(chunk)
        if before // _CACHED_BYTES < (before + len(chunk)) // _CACHED_BYTES and hasattr(os, "posix_fadvise"):
            # Linux begins to write what is said not to be needed, and frees what is written already.
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def write_all(self, chunks: Iterable[bytes], shown_as: Path) -> PublishedFile:
        """Write the chunks, whose own exceptions are passed on, and return what will be at `shown_as`."""
        meter = Meter()
        for chunk in meter.over(chunks):
            with explained(shown_as):
                self.write(chunk)
        return meter.published(str(shown_as))

    def finish(self) -> None:
        """Sync the file and its hidden name to disk."""
        self._file.flush()
        os.fchmod(self._file.fileno(), self._mode)
        os.fsync(self._file.fileno())

    def sync_folder(self) -> None:
        """Sync the folder's entries to disk."""
        os.fsync(self._folder)

    def replace_target(self) -> None:
        """Rename the draft to its target, durably. Call it after `finish`."""
        if not still_named(self._name, self._file.fileno(), self._folder):
            raise OSError(errno.ESTALE, "another program took the draft away")
        os.replace(self._name, self._place, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self.sync_folder()
        self._name = ""

    def close(self) -> None:
        """Remove the draft unless it was renamed. Safe to repeat."""
        if self._name:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
            self._name = ""
        with suppress(OSError):
            self._file.close()  # flushes the rest, which fails again on a full disk
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


@contextmanager
def drafted(place: Path, shown_as: Path) -> Iterator[FileDraft]:
    """Yield a draft for `place`, closed at the end. Drafts of killed exports are removed first."""
    with explained(shown_as):
        for abandoned in abandoned_drafts(place):
            abandoned.remove()
        draft = FileDraft(place)
    try:
        yield draft
    finally:
        draft.close()


@dataclass(frozen=True, slots=True)
class AbandonedDraft:
    """A draft of this user whose writer is gone, locked until the next one is yielded."""

    name: str
    file: int
    folder: int

    def read(self) -> bytes:
        return os.pread(self.file, os.fstat(self.file).st_size, 0)

    def remove(self) -> None:
        with suppress(OSError):
            os.unlink(self.name, dir_fd=self.folder)

    def replace_target(self, place: str) -> None:
        os.replace(self.name, place, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        os.fsync(self.folder)


def abandoned_drafts(place: Path) -> Iterator[AbandonedDraft]:
    """Yield the abandoned drafts of that file.

    A lock ends with its process, so a draft that can be locked is abandoned, on any machine that shares the folder.
    """
    folder = open_folder(place.parent)
    try:
        for name in names_in(folder):
            if is_draft_of(place.name, name) and (file := _own_unlocked(name, folder)) is not None:
                try:
                    yield AbandonedDraft(name, file, folder)
                finally:
                    os.close(file)
    finally:
        os.close(folder)


def _own_unlocked(name: str, folder: int) -> int | None:
    """Open and lock a regular file of this user; None if it is anything else, or is being written."""
    try:
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file).st_mode) and is_own(file, folder) and lock(file, unsupported=False):
        return file
    os.close(file)
    return None


def _create_locked(folder: int, place: str) -> tuple[str, int, int]:
    """Create a locked draft, readable only by this user. Also returns the mode of an ordinary new file."""
    while True:
        name = draft_name(place)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
        try:
            # The umask can't be read without changing it for all threads, but a new file shows it.
            ordinary_mode = stat.S_IMODE(os.fstat(fd).st_mode)
            os.fchmod(fd, 0o600)
            if lock(fd, unsupported=True) and still_named(name, fd, folder):
                return name, fd, ordinary_mode
        except BaseException:
            os.close(fd)
            os.unlink(name, dir_fd=folder)
            raise
        os.close(fd)  # another export removed it as abandoned between the two calls


def mode_after(name: str, ordinary_mode: int, folder: int) -> int:
    """Return the mode for the new file `name`: the old one's, but not wider than usual if another user set it."""
    try:
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return ordinary_mode
    mode = stat.S_IMODE(about.st_mode)
    return mode if about.st_uid == os.geteuid() else mode & ordinary_mode


def open_folder(path: Path | str, dir_fd: int | None = None) -> int:
    """Open a folder, without following a link."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


def names_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def is_own(fd: int, folder: int, *, private: bool = False) -> bool:
    """Whether this user made the file and, if `private`, nobody else could change it.

    True for everything on a file system without owners, such as FAT.
    """
    return _is_own(fd, private=private) or not _keeps_owners(folder)


def _is_own(fd: int, *, private: bool) -> bool:
    about = os.fstat(fd)
    return about.st_uid == os.geteuid() and not (private and stat.S_IMODE(about.st_mode) & 0o077)


def _keeps_owners(folder: int) -> bool:
    """Whether the file system keeps owners, tried by a new file."""
    name = f".{secrets.token_hex(12)}{DRAFT_SUFFIX}"
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        os.unlink(name, dir_fd=folder)
        return _is_own(fd, private=True)
    finally:
        os.close(fd)


def lock(fd: int, *, unsupported: bool) -> bool:
    """Lock a file. Returns whether that succeeded; `unsupported` on a file system without locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unsupported
    return True


def still_named(name: str, fd: int, folder: int) -> bool:
    """Whether `name` in the folder is the file or folder that `fd` has open."""
    try:
        return os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Keep other exports from renaming anything in that folder. For a moment only.

    Does nothing if the file system has no locks on folders (NFS).
    """
    folder = open_folder(path)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while not lock(folder, unsupported=True):
            if time.monotonic() > end:
                raise StorageUnavailable(
                    f"Another program holds a lock on the folder {shown(str(path))}.",
                    state=KEPT,
                    next_step="Export again when that is done.",
                )
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(folder)


@contextmanager
def explained(path: Path, doing: str = "write") -> Iterator[None]:
    """Translate OSError to HarvesterError."""
    try:
        yield
    except OSError as error:
        raise explanation(f"Can't {doing} {shown(str(path))}", error) from error


def explanation(failure: str, error: OSError) -> HarvesterError:
    """Return the harvester error for an OSError."""
    what = f"{failure}: {error.strerror}."
    if error.errno in _REFUSED:
        return ConfigError(what, state=KEPT, next_step="Choose a place that this user may use.")
    return StorageUnavailable(what, state=KEPT, next_step="Make room, or choose another disk; then go again.")
