"""Local files that appear by rename: at any instant the name holds all of the old file or all of the new."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harvester.errors import ConfigError, HarvesterError, StorageUnavailable
from harvester.export.target import Meter, Published
from harvester.files import sync_folder
from harvester.text import shown

DRAFT_SUFFIX = ".harvester-draft"
_READ_BYTES = 1 << 20
_WRITE_BUFFER_BYTES = 1 << 16
"""Smaller than a body: those go straight to the file, which is three times as fast as through a large buffer."""
_SQLITE_MAGIC = b"SQLite format 3\0"
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
"""What time does not heal."""


class LocalTarget:
    """A file on this machine. Where `path` is a symbolic link, the file that it leads to is replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def uri(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    def publish(self, chunks: Iterable[bytes], *, content_type: str, expected_bytes: int = 0) -> Published:
        """See Target. The bytes and their name are on disk when this returns. An old file's mode is kept."""
        meter = Meter()
        with explained(self.path):
            place = Path(os.path.realpath(self.path))
            _check_place(place)
            _remove_abandoned_drafts(place)
            draft = _Draft(place)
        try:
            for chunk in meter.over(chunks):
                with explained(self.path):
                    draft.write(chunk)
            with explained(self.path):
                draft.take_place()
        except BaseException:
            draft.discard()
            raise
        return meter.published(self.uri)

    def read(self) -> Iterator[bytes]:
        """See Target."""
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    yield chunk
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _explanation(f"Can't read {shown(self.uri)}", error) from error

    def open(self) -> BinaryIO:
        """See Target."""
        with explained(self.path, "read"):
            return self.path.open("rb")

    def remove(self) -> None:
        """See Target."""
        with explained(self.path):
            self.path.unlink(missing_ok=True)

    def beside(self, suffix: str) -> LocalTarget:
        """See Target."""
        return LocalTarget(self.path.with_name(self.path.name + suffix))


class _Draft:
    """The file while it is written: in the same folder, as a rename needs, and locked while its writer lives.

    The lock goes with the process, however that ends; so a draft that can be locked is nobody's, on any
    machine that shares the folder, and may be removed.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._path, fd, ordinary_mode = _create_locked(place)
        self._file = os.fdopen(fd, "wb", buffering=_WRITE_BUFFER_BYTES)
        self._mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else ordinary_mode

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def take_place(self) -> None:
        self._file.flush()
        os.fchmod(self._file.fileno(), self._mode)
        os.fsync(self._file.fileno())
        self._path.replace(self._place)
        sync_folder(self._place.parent)
        self._file.close()

    def discard(self) -> None:
        with suppress(OSError):
            self._path.unlink()
        with suppress(OSError):
            self._file.close()  # flushes what is left, which fails again on a full disk


def _create_locked(place: Path) -> tuple[Path, int, int]:
    """A new locked draft, readable by this user alone, and the mode of an ordinary new file here."""
    while True:
        path = place.with_name(f".{place.name}.{secrets.token_hex(6)}{DRAFT_SUFFIX}")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            # The umask can't be asked for without changing it, in every thread: a new file shows it.
            ordinary_mode = stat.S_IMODE(os.fstat(fd).st_mode)
            os.fchmod(fd, 0o600)
            if lock(fd, unsupported=True) and still_named(path, fd):
                return path, fd, ordinary_mode
        except BaseException:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        os.close(fd)  # another export took it for abandoned between the two calls


def _remove_abandoned_drafts(place: Path) -> None:
    for path in place.parent.iterdir():
        if not (path.name.startswith(f".{place.name}.") and path.name.endswith(DRAFT_SUFFIX)):
            continue
        with suppress(OSError):
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if lock(fd, unsupported=False):
                    path.unlink()
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


def still_named(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _check_place(place: Path) -> None:
    name = shown(str(place))
    if not place.parent.is_dir():
        raise ConfigError(
            f"Can't export to {name}: there is no folder {shown(str(place.parent))}.",
            state="Nothing was written.",
            next_step="Create the folder, or choose another destination.",
        )
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise ConfigError(f"Can't export to {name}: it is not a file.", state="Nothing was written.")
    with place.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC:
            raise ConfigError(
                f"Can't export to {name}: it is a database, perhaps the ledger itself.",
                state="Nothing was written.",
                next_step="Choose another destination.",
            )


@contextmanager
def explained(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn the operating system's refusals into the house's errors."""
    try:
        yield
    except OSError as error:
        raise _explanation(f"Can't {doing} {shown(str(path))}", error) from error


def _explanation(failure: str, error: OSError) -> HarvesterError:
    what = f"{failure}: {error.strerror}."
    kept = "What stood there before is as it was; the ledger was only read."
    if error.errno in _REFUSED:
        return ConfigError(what, state=kept, next_step="Choose a place that this user may use.")
    return StorageUnavailable(what, state=kept, next_step="Make room, or choose another disk; then go again.")
