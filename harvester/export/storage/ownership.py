"""Whether harvester wrote what stands at a destination: only that is replaced without --force."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote

from harvester.errors import ConfigError, DestinationRefused
from harvester.export.manifest import SUFFIX, Manifest, Part, from_json
from harvester.export.part_names import is_part
from harvester.export.storage.destination import Destination, ExistingFile, Folder, Meter
from harvester.support.sanitize import count, shown

log = logging.getLogger(__name__)

NAMES_MANIFEST = "harvester-manifest"
"""The metadata of an object on S3 that names its manifest."""
SQLITE_MAGIC = b"SQLite format 3\0"
"""What a file begins with that is a SQLite database, as ledgers are."""
SQLITE_BESIDE = ("-journal", "-wal")
"""What SQLite keeps beside a database while it is changed."""
SQLITE_EXPORT_ID = 0x59545648
"""The application_id of databases that harvester exports, by which they are told from ledgers: YTVH."""
_SQLITE_ID_AT = slice(68, 72)
_HEAD_BYTES = 1 << 16
_MOST_MANIFEST_BYTES = 8 << 20

OwnershipCheck: TypeAlias = Callable[[Destination, ExistingFile], str]
"""Why harvester did not write what stands there; empty where it did."""


def check_replaceable(target: Destination, judge: OwnershipCheck, *, force: bool) -> ExistingFile | None:
    """What stands at the target and may be replaced; None where nothing does.

    Raises DestinationRefused where harvester did not write it, unless `force`. A database that is no export is never
    replaced: it may be the ledger of another crawl. Where a store does not let this account look, it can't be told
    and is replaced, with a warning.
    """
    standing = target.standing()
    if standing is None or standing.bytes == 0:
        return standing
    if standing.version is None:
        log.warning("%s: this account may not read it, so whether harvester wrote it can't be told", shown(target.uri))
        return standing
    reason = judge(target, standing)
    if not reason:
        return standing
    head = _head(target)
    if head.startswith(SQLITE_MAGIC) and int.from_bytes(head[_SQLITE_ID_AT]) != SQLITE_EXPORT_ID:
        raise DestinationRefused(
            f"Can't write to {shown(target.uri)}: it is a database, perhaps a ledger.",
            state="Nothing was written.",
            next_step="Choose another destination, or remove it yourself.",
        )
    if force:
        return standing
    raise foreign_file_error(target.uri, reason)


def admit_file(target: Destination, *, force: bool) -> ExistingFile | None:
    """The same for a file with a manifest. An export that was cut off between the two is completed first."""
    exact = target.finish_interrupted()
    # Another export has a moment between the file and its manifest, in which neither would be known as ours.
    with target.undisturbed():
        standing = check_replaceable(target, by_manifest(exact=exact), force=force)
        if standing is None:
            refuse_foreign_manifest(target.beside(SUFFIX), force=force)
    return standing


def foreign_file_error(uri: str, reason: str) -> DestinationRefused:
    return DestinationRefused(
        f"Can't write to {shown(uri)}: harvester did not write what stands there ({reason}).",
        state="Nothing was written.",
        next_step="Choose another destination, or add --force to replace it.",
    )


def by_manifest(*, exact: bool) -> OwnershipCheck:
    """The judge of published files: its manifest names it or, on S3, its metadata name the manifest.

    Where it is `exact`, the length must be that of the manifest too: otherwise the file was changed since.
    """

    def judge(target: Destination, standing: ExistingFile) -> str:
        if standing.metadata.get(NAMES_MANIFEST) == quote(target.name + SUFFIX):
            return ""
        manifest = read_manifest(target.beside(SUFFIX))
        if manifest is None:
            return "there is no manifest next to it"
        if manifest.file != target.name or manifest.parts is not None:
            return "the manifest next to it names something else"
        if exact and manifest.bytes != standing.bytes:
            has = count(standing.bytes, "byte")
            return f"it has {has}, and its manifest says {manifest.bytes:,}: it was changed since"
        return ""

    return judge


def owned_by_marker(marks: tuple[bytes, ...]) -> OwnershipCheck:
    """The judge of what says at its beginning that harvester made it."""

    def judge(target: Destination, _: ExistingFile) -> str:
        head = _head(target)
        return "" if all(mark in head for mark in marks) else "it does not say that harvester made it"

    return judge


def refuse_open_database(target: Destination, name: str) -> None:
    """Raise ConfigError where another program is writing to a published database, or was killed while it did.

    SQLite would apply what it left beside the old file to the new one.
    """
    if name != "sqlite":
        return
    for suffix in SQLITE_BESIDE:
        beside = target.beside(suffix)
        if (standing := beside.standing()) is not None and standing.bytes > 0:
            raise ConfigError(
                f"{shown(beside.uri)} is there: another program has the database open to change it, or was killed.",
                state="Nothing was written.",
                next_step=f"Close that program, or open and close it once: sqlite3 {shown(target.uri)} .tables",
            )


def refuse_foreign_manifest(target: Destination, *, force: bool) -> None:
    """Raise DestinationRefused where the name of the manifest is taken by a file that is none."""
    if not force and target.standing() is not None and read_manifest(target) is None:
        raise foreign_file_error(target.uri, "it is no manifest")


@dataclass(frozen=True, slots=True)
class Found:
    """What was in a folder, and beside it, when an export began."""

    files: Mapping[str, ExistingFile]
    manifest_standing: ExistingFile | None
    manifest: Manifest | None = field(compare=False)
    """None where nothing stands there, or something else."""

    @classmethod
    def beside(cls, folder: Folder, files: Mapping[str, ExistingFile]) -> Found:
        place = folder.beside(SUFFIX)
        standing = place.standing()  # before it is read: what is replaced is no newer than what was read
        return cls(files, standing, read_manifest(place) if standing else None)

    def known(self) -> dict[str, int]:
        """Each part that the manifest names, with its length."""
        if self.manifest is None:
            return {}
        return {part.file: part.bytes for part in (*(self.manifest.parts or ()), *self.manifest.superseded)}

    def unnamed(self) -> list[str]:
        """The parts of which it does not speak."""
        known = self.known()
        return [name for name in self.files if is_part(name) and name not in known]

    def unchanged(self) -> Iterator[Part]:
        """The parts of the manifest that stand there as it says, and were not touched since it was written."""
        if self.manifest is None or self.manifest_standing is None:
            return
        for part in self.manifest.parts or ():
            standing = self.files.get(part.file)
            if standing and standing.bytes == part.bytes and standing.changed_at <= self.manifest_standing.changed_at:
                yield part


def admit_folder(folder: Folder, found: Found, *, force: bool, made: Callable[[str], bool] = lambda _: False) -> None:
    """Raise DestinationRefused where harvester did not write the parts that were found, unless `force`.

    Of those that no manifest names, `made` is asked whether harvester made it.
    """
    if force:
        return
    manifest = found.manifest
    if not found.files:
        if found.manifest_standing is not None and manifest is None:
            raise foreign_file_error(folder.beside(SUFFIX).uri, "it is no manifest")
        return
    if manifest is None:
        if not all(map(made, found.files)):
            raise foreign_file_error(folder.uri, "there is no manifest next to it")
        return
    if manifest.file != folder.name or manifest.parts is None:
        raise foreign_file_error(folder.uri, "the manifest next to it names something else")
    said = found.known()
    for name, standing in found.files.items():
        if said.get(name) != standing.bytes and not made(name):
            raise foreign_file_error(
                folder.uri, f"its manifest knows no {shown(name, 100)} of {count(standing.bytes, 'byte')}"
            )


def read_manifest(target: Destination) -> Manifest | None:
    """What it says; None where nothing is there, or something else."""
    try:
        text = manifest_text(target)
    except FileNotFoundError:
        return None
    return None if text is None else parse(text)


def manifest_text(target: Destination) -> bytes | None:
    """All that stands there; None where it is too long for a manifest. Raises FileNotFoundError where nothing is."""
    text = bytearray()
    for chunk in target.read():
        text += chunk
        if len(text) > _MOST_MANIFEST_BYTES:
            return None
    return bytes(text)


def parse(text: bytes) -> Manifest | None:
    """The manifest that the text is; None where it is none."""
    try:
        return from_json(text)
    except ValueError:
        return None


def describes_file(text: bytes, target: Destination) -> bool:
    """Whether it is the manifest of the very bytes that stand there."""
    manifest, standing = parse(text), target.standing()
    if manifest is None or manifest.parts is not None or standing is None:
        return False
    if manifest.file != target.name or manifest.bytes != standing.bytes:
        return False
    meter = Meter()
    meter.drain(target.read())
    return meter.sha256 == manifest.sha256


def _head(target: Destination) -> bytes:
    for chunk in target.read():
        return chunk[:_HEAD_BYTES]
    return b""
