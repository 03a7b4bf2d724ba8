"""Proof of a published file: against its manifest, and against a ledger that has not moved on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from harvester.errors import ConfigError, LedgerDamaged
from harvester.export.assemble import Tally
from harvester.export.formats import Format, format_of
from harvester.export.manifest import SUFFIX, Manifest, counts_of, from_json
from harvester.export.storage import target_at
from harvester.export.target import Meter, Target
from harvester.ledger.protocol import Books
from harvester.model import StoredResponse
from harvester.text import shown

log = logging.getLogger(__name__)

_MOST_MANIFEST_BYTES = 1 << 20
_MOST_FINDING_CHARS = 1000


def check_published(uri: str, books: Books, *, region: str | None = None) -> list[str]:
    """What is wrong with the file at `uri`, a sentence each; empty where all is well. Writes nothing.

    The file is read through once and must have the length and the sha256 that its manifest states. Then the
    ledger: it has moved on where a response was fetched after the export began, or where the counts by state
    are others now; an older file is no fault, and nothing more is asked of it. Where the ledger has not
    moved, it is assembled once more and must give as many responses and videos and, byte for byte, the
    published file.

    Raises ConfigError, CredentialsError or StorageUnavailable where the place itself can't be read.
    """
    # A manifest may come from anywhere: what it says is quoted, and shown.
    return [shown(finding, _MOST_FINDING_CHARS) for finding in _findings(target_at(uri, region=region), books)]


def _findings(target: Target, books: Books) -> list[str]:
    manifest, findings = _read_manifest(target)
    if manifest is None:
        return findings
    try:
        form = format_of(manifest.format, manifest.compression)
    except ConfigError as error:
        return [f"{target.beside(SUFFIX).uri}: {error.what}"]
    return _against_manifest(target, manifest) or _against_ledger(books, manifest, form)


def _read_manifest(target: Target) -> tuple[Manifest | None, list[str]]:
    place = target.beside(SUFFIX)
    text = bytearray()
    try:
        for chunk in place.read():
            text += chunk
            if len(text) > _MOST_MANIFEST_BYTES:
                return None, [f"{place.uri} is too long for a manifest."]
        return from_json(bytes(text)), []
    except FileNotFoundError:
        return None, [f"There is no manifest at {place.uri}: the export never came to its end, or was moved."]
    except ValueError as error:
        return None, [f"{place.uri} is no manifest: {error}."]


def _against_manifest(target: Target, manifest: Manifest) -> list[str]:
    meter = Meter()
    try:
        meter.drain(target.read())
    except FileNotFoundError:
        return [f"There is a manifest, but no file at {target.uri}."]
    findings = []
    if meter.bytes != manifest.bytes:
        findings.append(f"{target.uri} holds {meter.bytes:,} bytes, its manifest says {manifest.bytes:,}.")
    if meter.sha256 != manifest.sha256:
        findings.append(
            f"{target.uri} is not the file that its manifest speaks of (sha256 {meter.sha256}, not "
            f"{manifest.sha256[:64]}): it was changed, or an export was cut off before its manifest. Export again."
        )
    if manifest.complete != (manifest.counts.get("pending", 0) + manifest.counts.get("claimed", 0) == 0):
        findings.append("The manifest's `complete` contradicts its own counts.")
    return findings


def _against_ledger(books: Books, manifest: Manifest, form: Format) -> list[str]:
    tally, meter, newest = Tally(), Meter(), _Newest()
    progress = books.progress()
    if any(manifest.counts.get(state) != count for state, count in counts_of(progress).items()):
        log.info("the ledger has moved on since the export: the file was compared with its manifest alone")
        return []
    try:
        meter.drain(form.assemble(newest.over(tally.over(books.responses()))))
    except LedgerDamaged as error:
        return [error.what]
    if newest.fetched_at is not None and newest.fetched_at > manifest.exported_at:
        log.info("responses were fetched after the export: the file was compared with its manifest alone")
        return []
    findings = []
    for what, published, now in (
        ("responses", manifest.responses, tally.responses),
        ("videos", manifest.videos, tally.videos),
    ):
        if published != now:
            findings.append(f"The file holds {published:,} {what}, the ledger {now:,}.")
    if not findings and meter.sha256 != manifest.sha256:
        findings.append("The ledger, exported again, gives other bytes than the manifest speaks of.")
    return findings


class _Newest:
    """Remembers when the newest response that flows by was fetched."""

    def __init__(self) -> None:
        self.fetched_at: datetime | None = None

    def over(self, responses: Iterable[StoredResponse]) -> Iterator[StoredResponse]:
        for response in responses:
            if self.fetched_at is None or response.fetched_at > self.fetched_at:
                self.fetched_at = response.fetched_at
            yield response
