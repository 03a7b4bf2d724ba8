"""Drafts of local files: hidden beside the place that they are to take, and locked while their writer lives.

Others may be able to write to the folder too. So every name is opened within the folder's descriptor and without
following links, new names are random, and a draft that another user made is neither read nor removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import ConfigError, HarvesterError, StorageUnavailable
from harvester.support.sanitize import shown

DRAFT_SUFFIX = ".harvester-draft"
_WRITE_BUFFER_BYTES = 1 << 16
"""Smaller than a body: those go straight to the file, which is three times as fast as through a large buffer."""
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""What time does not heal."""
LOCK_SECONDS = 30.0
"""How long to wait for other exports that rename their files in the same folder, which each does in an instant."""
_LOOK_SECONDS = 0.02
KEPT = "What stood there before is as it was; the ledger was only read."


def draft_name(name: str) -> str:
    """A new name for a draft of the file or folder `name`, that nobody can foresee."""
    return f".{name}.{secrets.token_hex(6)}{DRAFT_SUFFIX}"


def is_draft_of(name: str, draft: str) -> bool:
    """Whether `draft` is a name as `draft_name(name)` gives it, and of no longer name."""
    return re.fullmatch(re.escape(f".{name}.") + "[0-9a-f]{12}" + re.escape(DRAFT_SUFFIX), draft) is not None


class FileDraft:
    """A new file, readable by this user alone until it takes its place."""

    def __init__(self, place: Path) -> None:
        self._place = place.name
        self._folder = open_folder(place.parent)
        try:
            self._name, fd, ordinary_mode = _create_locked(self._folder, place.name)
            self._file = os.fdopen(fd, "wb", buffering=_WRITE_BUFFER_BYTES)
            self._mode = mode_after(place.name, ordinary_mode, self._folder)
        except BaseException:
            os.close(self._folder)
            raise

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def finish(self) -> None:
        """Put all of it on disk, and its hidden name too."""
        self._file.flush()
        os.fchmod(self._file.fileno(), self._mode)
        os.fsync(self._file.fileno())

    def sync_folder(self) -> None:
        """Put on disk which names its folder holds."""
        os.fsync(self._folder)

    def replace_target(self) -> None:
        """Rename it to the name that it is for, durably. After `finish`."""
        if not still_named(self._name, self._file.fileno(), self._folder):
            raise OSError(errno.ESTALE, "another program took the draft away")
        os.replace(self._name, self._place, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self.sync_folder()
        self._name = ""

    def close(self) -> None:
        """Remove it where it has not taken its place. Safe to repeat."""
        if self._name:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
            self._name = ""
        with suppress(OSError):
            self._file.close()  # flushes what is left, which fails again on a full disk
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


@contextmanager
def drafted(place: Path, shown_as: Path) -> Iterator[FileDraft]:
    """A draft for that place, which is closed at the end. Drafts that killed exports left are removed first."""
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
    """A draft of this user whose writer is gone. It is locked here, until the next one is asked for."""

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
    """Drafts of that very file, one after another.

    The lock goes with the process, however that ends; so a draft that can be locked is nobody's, on any machine that
    shares the folder.
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
    """The locked descriptor of a regular file of this user; None where it is anything else, or somebody writes it."""
    try:
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file).st_mode) and is_own(file, folder) and lock(file, unsupported=False):
        return file
    os.close(file)
    return None


def _create_locked(folder: int, place: str) -> tuple[str, int, int]:
    """A new locked draft, readable by this user alone, and the mode of an ordinary new file here."""
    while True:
        name = draft_name(place)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
        try:
            # The umask can't be asked for without changing it, in every thread: a new file shows it.
            ordinary_mode = stat.S_IMODE(os.fstat(fd).st_mode)
            os.fchmod(fd, 0o600)
            if lock(fd, unsupported=True) and still_named(name, fd, folder):
                return name, fd, ordinary_mode
        except BaseException:
            os.close(fd)
            os.unlink(name, dir_fd=folder)
            raise
        os.close(fd)  # another export took it for abandoned between the two calls


def mode_after(name: str, ordinary_mode: int, folder: int) -> int:
    """The mode of what takes the place of `name`: the old one, but no wider than usual where another user set it."""
    try:
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return ordinary_mode
    mode = stat.S_IMODE(about.st_mode)
    return mode if about.st_uid == os.geteuid() else mode & ordinary_mode


def open_folder(path: Path | str, dir_fd: int | None = None) -> int:
    """A descriptor of that folder, whose last name is no link."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


def names_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def is_own(fd: int, folder: int, *, private: bool = False) -> bool:
    """Whether this user made it and, where it is `private`, nobody else could change it.

    True for everything on a file system that keeps no owners, as FAT.
    """
    return _is_own(fd, private=private) or not _keeps_owners(folder)


def _is_own(fd: int, *, private: bool) -> bool:
    about = os.fstat(fd)
    return about.st_uid == os.geteuid() and not (private and stat.S_IMODE(about.st_mode) & 0o077)


def _keeps_owners(folder: int) -> bool:
    """As a new file in that folder shows."""
    name = f".{secrets.token_hex(12)}{DRAFT_SUFFIX}"
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        os.unlink(name, dir_fd=folder)
        return _is_own(fd, private=True)
    finally:
        os.close(fd)


def lock(fd: int, *, unsupported: bool) -> bool:
    """Whether the lock is ours now; `unsupported` is the answer on a file system that has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unsupported
    return True


def still_named(name: str, fd: int, folder: int) -> bool:
    """Whether `name` in the folder is the very file or folder that `fd` is open on."""
    try:
        return os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Let no other export rename anything in that folder meanwhile. For an instant only.

    Where the file system knows no locks on folders (NFS), nothing is held.
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
    """The error for what the operating system refused."""
    what = f"{failure}: {error.strerror}."
    if error.errno in _REFUSED:
        return ConfigError(what, state=KEPT, next_step="Choose a place that this user may use.")
    return StorageUnavailable(what, state=KEPT, next_step="Make room, or choose another disk; then go again.")
