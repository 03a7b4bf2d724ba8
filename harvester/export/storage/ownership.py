"""Decide whether harvester wrote what is at a destination: only that is replaced without --force."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeAlias
from urllib.parse import quote

from harvester.errors import ConfigError, DestinationRefused
from harvester.export.manifest import SUFFIX, Manifest, from_json
from harvester.export.storage.destination import Destination, ExistingFile, Meter
from harvester.support.sanitize import count, shown

log = logging.getLogger(__name__)

NAMES_MANIFEST = "harvester-manifest"
"""The metadata key of an object on S3 that names its manifest."""
SQLITE_MAGIC = b"SQLite format 3\0"
"""The first bytes of a SQLite database, such as a ledger."""
SQLITE_BESIDE = ("-journal", "-wal")
"""Files of SQLite next to a database that is being changed."""
SQLITE_EXPORT_ID = 0x59545648
"""The application_id of exported databases, which distinguishes them from ledgers: YTVH."""
_SQLITE_ID_AT = slice(68, 72)
_HEAD_BYTES = 1 << 16
_MAX_MANIFEST_BYTES = 8 << 20

OwnershipCheck: TypeAlias = Callable[[Destination, ExistingFile], str]
"""Returns why harvester did not write what is there; empty if it did."""


def check_replaceable(target: Destination, judge: OwnershipCheck, *, force: bool) -> ExistingFile | None:
    """Return what is at the target and may be replaced; None if nothing is there.

    Raises DestinationRefused if harvester did not write it, unless `force`. A database that is no export is never
    replaced: it may be the ledger of another crawl. What this account may not read is replaced, with a warning.
    """
    existing = target.existing()
    if existing is None or existing.bytes == 0:
        return existing
    if existing.version is None:
        log.warning("%s: this account may not read it, so whether harvester wrote it can't be told", shown(target.uri))
        return existing
    reason = judge(target, existing)
    if not reason:
        return existing
    head = _head(target)
    if head.startswith(SQLITE_MAGIC) and int.from_bytes(head[_SQLITE_ID_AT]) != SQLITE_EXPORT_ID:
        raise DestinationRefused(
            f"Can't write to {shown(target.uri)}: it is a database, perhaps a ledger.",
            state="Nothing was written.",
            next_step="Choose another destination, or remove it yourself.",
        )
    if force:
        return existing
    raise foreign_file_error(target.uri, reason)


def admit_file(target: Destination, *, force: bool) -> ExistingFile | None:
    """The same for a file with a manifest. An export that was killed between the two is completed first."""
    exact = target.finish_interrupted()
    # Between another export's file and its manifest, the file would not be recognised.
    with target.undisturbed():
        existing = check_replaceable(target, partial(_by_manifest, exact=exact), force=force)
        beside = target.beside(SUFFIX)
        if existing is None and not force and beside.existing() is not None and read_manifest(beside) is None:
            raise foreign_file_error(beside.uri, "it is no manifest")
    return existing


def foreign_file_error(uri: str, reason: str) -> DestinationRefused:
    """Return the error for a destination that harvester did not write, with the `reason`."""
    return DestinationRefused(
        f"Can't write to {shown(uri)}: harvester did not write what stands there ({reason}).",
        state="Nothing was written.",
        next_step="Choose another destination, or add --force to replace it.",
    )


def _by_manifest(target: Destination, existing: ExistingFile, *, exact: bool) -> str:
    """Check a published file by the manifest or, on S3, by metadata that name the manifest.

    If `exact`, the length must be that of the manifest too: otherwise the file was changed.
    """
    if existing.metadata.get(NAMES_MANIFEST) == quote(target.name + SUFFIX):
        return ""
    manifest = read_manifest(target.beside(SUFFIX))
    if manifest is None:
        return "there is no manifest next to it"
    if manifest.file != target.name or manifest.parts is not None:
        return "the manifest next to it names something else"
    if exact and manifest.bytes != existing.bytes:
        has = count(existing.bytes, "byte")
        return f"it has {has}, and its manifest says {manifest.bytes:,}: it was changed since"
    return ""


def owned_by_marker(marks: tuple[bytes, ...]) -> OwnershipCheck:
    """Return the check of files that harvester marks at their beginning."""

    def judge(target: Destination, _: ExistingFile) -> str:
        head = _head(target)
        return "" if all(mark in head for mark in marks) else "it does not say that harvester made it"

    return judge


def refuse_open_database(target: Destination, format_name: str) -> None:
    """Raise ConfigError if another program is writing to a published database, or was killed while doing so.

    SQLite would apply its journal of the old file to the new one.
    """
    if format_name != "sqlite":
        return
    for suffix in SQLITE_BESIDE:
        beside = target.beside(suffix)
        if (existing := beside.existing()) is not None and existing.bytes > 0:
            raise ConfigError(
                f"{shown(beside.uri)} is there: another program has the database open to change it, or was killed.",
                state="Nothing was written.",
                next_step=f"Close that program, or open and close it once: sqlite3 {shown(target.uri)} .tables",
            )


def read_manifest(target: Destination) -> Manifest | None:
    """Read a manifest; None if there is none, or another file."""
    try:
        text = manifest_text(target)
    except FileNotFoundError:
        return None
    return None if text is None else parse(text)


def manifest_text(target: Destination) -> bytes | None:
    """Read the whole file; None if it is too long for a manifest. Raises FileNotFoundError if there is none."""
    text = bytearray()
    for chunk in target.read():
        text += chunk
        if len(text) > _MAX_MANIFEST_BYTES:
            return None
    return bytes(text)


def parse(text: bytes) -> Manifest | None:
    """Parse a manifest; None if the text is none."""
    try:
        return from_json(text)
    except ValueError:
        return None


def describes_file(text: bytes, target: Destination) -> bool:
    """Whether the text is the manifest of the bytes at the target."""
    manifest, existing = parse(text), target.existing()
    if manifest is None or manifest.parts is not None or existing is None:
        return False
    if manifest.file != target.name or manifest.bytes != existing.bytes:
        return False
    meter = Meter()
    meter.drain(target.read())
    return meter.sha256 == manifest.sha256


def _head(target: Destination) -> bytes:
    for chunk in target.read():
        return chunk[:_HEAD_BYTES]
    return b""
