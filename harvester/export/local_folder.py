"""Folders of parts on this machine: written beside, and put in place of the old folder whole."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import ConfigError, StorageUnavailable
from harvester.export.local import DRAFT_SUFFIX, LocalTarget, explained, lock, still_named
from harvester.export.parts import refuse_strangers
from harvester.export.target import Meter, Written
from harvester.files import sync_folder
from harvester.text import shown

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
    def draft(self) -> Iterator[_Draft]:
        """See Folder."""
        with explained(self.path):
            place = Path(os.path.realpath(self.path))
            _check_place(place)
            _clear_up(place)
            # Hidden files too: the whole old folder goes.
            refuse_strangers(self.uri, _everything_in(place))
            draft = _Draft(place)
        try:
            yield draft
        finally:
            draft.discard()

    def names(self) -> list[str]:
        """See Folder."""
        with explained(self.path, "read"):
            return [name for name in _everything_in(self.path) if not name.startswith((".", "_"))]

    def file(self, name: str) -> LocalTarget:
        """See Folder."""
        return LocalTarget(self.path / name)

    def beside(self, suffix: str) -> LocalTarget:
        """See Folder."""
        return LocalTarget(self.path.with_name(self.path.name + suffix))


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A name in a draft, for whoever sees that folder. Each attempt writes a file of its own, and renames it."""

    place: Path
    """The folder that is to be replaced."""
    draft: Path
    name: str

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> Written:
        """See Place. The bytes are on disk when this returns."""
        if not self.draft.is_dir():
            raise ConfigError(
                f"Can't write to {shown(str(self.place))}: what is exported there can't be seen from this machine.",
                state="What stood there before is as it was; the ledger was only read.",
                next_step="Export to s3://bucket/folder, or to a folder on a disk that all machines share.",
            )
        meter = Meter()
        attempt = self.draft / f"{self.name}.{secrets.token_hex(6)}"
        try:
            with explained(self.place):
                file = attempt.open("wb")
            with file:
                for chunk in meter.over(chunks):
                    with explained(self.place):
                        file.write(chunk)
                with explained(self.place):
                    file.flush()
                    os.fsync(file.fileno())
            with explained(self.place):
                attempt.replace(self.draft / _NEW / self.name)
        except BaseException:
            attempt.unlink(missing_ok=True)
            raise
        return Written(meter.published(str(self.place / self.name)))


class _Draft:
    """A hidden folder beside the one to be replaced, and locked while its writer lives."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._folder, self._lock = _create_locked(place)
        (self._folder / _NEW).mkdir()

    def place(self, name: str, *, content_type: str) -> LocalPlace:
        """See Draft."""
        return LocalPlace(self._place, self._folder, name)

    def keep(self, name: str, written: Written) -> None:
        """See Draft."""
        with explained(self._place, "read"):
            length = (self._folder / _NEW / name).stat().st_size
        if length != written.published.bytes:
            raise StorageUnavailable(
                f"{shown(str(self._place / name))} is not what was written: it has {length:,} bytes.",
                state="What stood there before is as it was; the ledger was only read.",
                next_step="Export again.",
            )

    def drop(self, name: str) -> None:
        """See Draft."""
        with explained(self._place):
            (self._folder / _NEW / name).unlink(missing_ok=True)

    def commit(self) -> None:
        """See Draft."""
        with explained(self._place):
            new, old = self._folder / _NEW, self._folder / _OLD
            sync_folder(new)
            try:
                self._swap(new, old)
            except OSError as error:
                if error.errno not in _OVERTAKEN:
                    raise
                raise StorageUnavailable(
                    f"Another export put its parts at {shown(str(self._place))} at the same moment.",
                    next_step="Export again, one after another.",
                ) from error
            sync_folder(self._place.parent)

    def _swap(self, new: Path, old: Path) -> None:
        if self._place.exists():
            new.chmod(stat.S_IMODE(self._place.stat().st_mode))
            self._place.rename(old)
        try:
            new.rename(self._place)
        except OSError:
            # Where another export was faster, its folder stands, and that is newer than this old one.
            if old.exists() and not self._place.exists():
                old.rename(self._place)
            raise

    def discard(self) -> None:
        with suppress(OSError):
            shutil.rmtree(self._folder)
        os.close(self._lock)


def _create_locked(place: Path) -> tuple[Path, int]:
    """A new hidden folder, open to this user alone, and its lock."""
    while True:
        folder = place.with_name(f".{place.name}.{secrets.token_hex(6)}{DRAFT_SUFFIX}")
        folder.mkdir(0o700)
        with suppress(FileNotFoundError):
            fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if lock(fd, unsupported=True) and still_named(folder / _LOCK, fd):
                return folder, fd
            os.close(fd)
        # Another export took it for abandoned before it was locked.


def _everything_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def _check_place(place: Path) -> None:
    name = shown(str(place))
    if not place.parent.is_dir():
        raise ConfigError(
            f"Can't export to {name}: there is no folder {shown(str(place.parent))}.",
            state="Nothing was written.",
            next_step="Create the folder, or choose another destination.",
        )
    if place.exists() and not place.is_dir():
        raise ConfigError(
            f"Can't export parts to {name}: it is not a folder.",
            state="Nothing was written.",
            next_step="Name a folder for the parts, or leave out --max-part-bytes.",
        )


def _clear_up(place: Path) -> None:
    """Remove what killed exports left, and undo what one of them had half done."""
    for folder in place.parent.iterdir():
        if not (folder.name.startswith(f".{place.name}.") and folder.name.endswith(DRAFT_SUFFIX) and folder.is_dir()):
            continue
        with suppress(OSError):
            fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if lock(fd, unsupported=False):
                    if (folder / _OLD).exists() and not place.exists():
                        (folder / _OLD).rename(place)
                    shutil.rmtree(folder)
            finally:
                os.close(fd)
