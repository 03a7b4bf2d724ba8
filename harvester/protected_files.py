"""Files that no command may replace: source, settings, ledger and key file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.errors import DestinationRefused
from harvester.support.addresses import path_of
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from harvester.config import Config, ExportSettings

_OF_SQLITE = ("-wal", "-shm", "-journal")
_BACKUP = ".before-"
_BESIDE = (".manifest.json", ".metadata.json")
_SOURCE, _LEDGER = "the source of the ids", "the ledger"


@dataclass(frozen=True, slots=True)
class Protected:
    """Paths and addresses, each with a description. Files are compared by identity, not by spelling."""

    places: tuple[tuple[str, str], ...] = ()

    def refuse(self, uri: str, *, folder: bool = False) -> None:
        """Raise DestinationRefused if `uri` is protected or, as a `folder`, holds something protected."""
        for place, what in self.places:
            if _same(uri, place):
                raise _refusal(uri, "is", what)
            if folder and _within(uri, place):
                raise _refusal(uri, "holds", what)

    def refuse_export(self, settings: ExportSettings) -> None:
        """The same for the destination of an export, and for what is written next to it."""
        self.refuse(settings.uri, folder=settings.max_part_bytes is not None)
        for suffix in _BESIDE:
            self.refuse(settings.uri.rstrip("/") + suffix)


def protected_by(config: Config, loaded: Iterable[str] = ()) -> Protected:
    """Return what these settings name, and the sources that were `loaded`."""
    places: list[tuple[str, str]] = []
    if config.source.uri not in (None, "-"):
        places.append((str(config.source.uri), _SOURCE))
    for uri in loaded:
        # As it was typed, here or beside the settings.
        places.extend((str(path), _SOURCE) for path in ({uri, _beside(uri, config.file)}))
    if config.file is not None:
        places.append((str(config.file), "the settings file"))
    if config.ledger.path is not None:
        places.extend((str(path), what) for path, what in _of_ledger(config.ledger.path))
    if key_file := os.environ.get("YOUTUBE_API_KEY_FILE"):
        places.append((key_file, "the file of the API key"))
    return Protected(tuple(places))


def _beside(uri: str, settings: Path | None) -> str:
    return uri if "://" in uri or settings is None else str(settings.parent / uri)


def _of_ledger(ledger: Path) -> Iterator[tuple[Path, str]]:
    """The file, what SQLite keeps next to it, also where that is not there now, and copies from before an upgrade."""
    yield ledger, _LEDGER
    for suffix in _OF_SQLITE:
        yield ledger.with_name(ledger.name + suffix), f"a file of {_LEDGER}"
    if ledger.parent.is_dir():
        for file in ledger.parent.iterdir():
            if file.name.startswith(ledger.name + _BACKUP):
                yield file, f"a copy of {_LEDGER}"


def _refusal(uri: str, verb: str, what: str) -> DestinationRefused:
    return DestinationRefused(
        f"Can't write to {shown(uri)}: it {verb} {what}, which is never replaced, not even with --force.",
        state="Nothing was written.",
        next_step="Choose another destination.",
    )


def _same(one: str, other: str) -> bool:
    return (key := _identity(one)) is not None and key == _identity(other)


def _identity(uri: str) -> tuple[object, ...] | None:
    """What two names of one place have in common; None for what is neither on S3 nor on a disk."""
    if (key := _s3_key(uri)) is not None:
        return "s3", key
    if (path := _local(uri)) is None:
        return None
    # Device and inode see through links and spellings.
    if (found := _stat(path)) is not None:
        return found.st_dev, found.st_ino
    # The file system may take upper and lower case for the same.
    return (os.path.realpath(path).casefold(),)


def _within(folder: str, place: str) -> bool:
    key, of_folder = _s3_key(place), _s3_key(folder)
    if of_folder is not None:
        return key is not None and f"{key}/".startswith(f"{of_folder}/")
    above, below = _local(folder), _local(place)
    if above is None or below is None or (wanted := _stat(above)) is None:
        return False
    # The name and the target of its links: neither may be replaced.
    parents = (*below.absolute().parents, *Path(os.path.realpath(below)).parents)
    return any((found := _stat(parent)) is not None and os.path.samestat(found, wanted) for parent in parents)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _local(uri: str) -> Path | None:
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return Path(uri).expanduser()
    return path_of(uri) if scheme.lower() == "file" else None


def _s3_key(uri: str) -> str | None:
    """Bucket and key as one text, without what different programs spell differently; None for what is not on S3."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.lower() not in ("s3", "s3a"):
        return None
    return re.sub("/+", "/", rest.partition("?versionId=")[0]).strip("/")
