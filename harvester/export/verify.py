"""Verify an export against its manifest, and against a ledger that has not changed since."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harvester.config import ExportSettings, noun_of
from harvester.errors import ConfigError, HarvesterError, LedgerDamaged, StorageUnavailable
from harvester.export.counters import Counters
from harvester.export.cut_parts import Cutter, made_with
from harvester.export.formats.registry import Format, format_of
from harvester.export.json_array_reader import Unreadable
from harvester.export.manifest import SUFFIX, Manifest, Part, counts_of, from_json, is_part, sum_of
from harvester.export.read_back import ids_in
from harvester.export.storage.destination import Destination, Meter
from harvester.export.storage.open import folder_at
from harvester.export.storage.ownership import manifest_text
from harvester.export.storage.parts_folder import Folder
from harvester.export.storage.s3_client import clients_kept
from harvester.ledger.reader import LedgerReader
from harvester.model import EVERYTHING
from harvester.support.progress_callback import Advance, ProgressCallback, no_progress
from harvester.support.sanitize import count, shown

log = logging.getLogger(__name__)

_MAX_FINDING_CHARS = 1000
_IDS_AT_ONCE = 5000
_IDS_LOOKED_UP = 500
_MAX_LOOKS = 5
"""Attempts to verify a destination to which others keep publishing."""


@clients_kept()
def check_published(
    uri: str, reader: LedgerReader, settings: ExportSettings, *, watch: ProgressCallback = no_progress
) -> list[str]:
    """Return what is wrong with the file or folder at `uri`, a sentence each; empty if nothing is. Writes nothing.

    Every file must have the length and the sha256 of the manifest, be valid, and hold as many videos as the manifest
    says. If the ledger has not changed (no response was fetched after the export began, and the counts by state are the
    same), the published ids must be its fetched ids, each once, and assembling it again must give the same bytes,
    except for Parquet and newly compressed files, whose bytes depend on the version of a library.

    Raises ConfigError if nothing is there; ConfigError, CredentialsError or StorageUnavailable if the destination can't
    be read.
    """
    folder = folder_at(uri, settings)
    for _ in range(_MAX_LOOKS):
        seen, refusal, findings = _seen(uri, folder), None, []
        try:
            findings = _findings(uri, folder, reader, watch)
        except ConfigError as error:
            refusal = error
        # If another export was published meanwhile, its file may have been compared with the previous manifest.
        if not (refusal or findings) or _seen(uri, folder) == seen:
            if refusal:
                raise refusal
            # A manifest may come from anywhere: what it contains is sanitised when shown.
            return [shown(finding, _MAX_FINDING_CHARS) for finding in findings]
        log.info("another export was published at %s meanwhile: it is looked at anew", shown(uri))
    raise StorageUnavailable(
        f"One export after another is published at {shown(uri)}: none of them stood there long enough to be read.",
        state="Nothing was changed.",
        next_step="Verify it when they are done.",
    )


def _seen(uri: str, folder: Folder) -> tuple[object, ...]:
    """Return the versions of the files and the manifest: another export changes them."""
    with suppress(HarvesterError, OSError):
        beside = folder.beside(SUFFIX)
        with beside.undisturbed():
            if Path(uri).is_dir():
                return (beside.existing(), *(folder.file(name).existing() for name in folder.names()))
            return beside.existing(), folder.beside("").existing()
    return ()


def _findings(uri: str, folder: Folder, reader: LedgerReader, watch: ProgressCallback) -> list[str]:
    beside = folder.beside(SUFFIX)
    manifest, findings = _read_manifest(beside)
    _refuse_nothing(uri, folder, manifest)
    if manifest is None:
        return findings
    try:
        form = format_of(manifest.format, manifest.compression, manifest.table)
    except ConfigError as error:
        return [f"{beside.uri}: {error.what}"]
    if misfit := _misfit(uri, beside, manifest):
        return [misfit]
    return _Verification(folder, manifest, form, reader, watch).findings()


def _read_manifest(place: Destination) -> tuple[Manifest | None, list[str]]:
    try:
        text = manifest_text(place)
        if text is None:
            return None, [f"{place.uri} is too long for a manifest."]
        return from_json(text), []
    except FileNotFoundError:
        return None, [
            f"There is no manifest at {place.uri}: the export never came to its end, or was moved. "
            "Run harvester export to publish it anew."
        ]
    except ValueError as error:
        return None, [f"{place.uri} is no manifest: {error}."]


def _refuse_nothing(uri: str, folder: Folder, manifest: Manifest | None) -> None:
    """Raise ConfigError if there is no file or folder of that name."""
    if Path(uri).is_dir():
        return
    with suppress(FileNotFoundError):
        next(folder.beside("").read(), b"")
        return
    if folder.names():
        return
    place = folder.beside(SUFFIX).uri
    beside = f"There is no manifest at {place} either." if manifest is None else f"Its manifest {place} is there."
    raise ConfigError(
        f"There is no file at {shown(uri)}.",
        state=f"{shown(beside)} Nothing was changed.",
        next_step="Look at the name; or publish it with harvester export.",
    )


def _misfit(uri: str, beside: Destination, manifest: Manifest) -> str:
    """Return why the manifest can't be that of what is there; empty if it can."""
    if manifest.parts is None:
        return f"{uri} is a folder, its manifest speaks of one file." if Path(uri).is_dir() else ""
    if Path(uri).is_file():
        return f"{uri} is one file, its manifest speaks of a folder of parts."
    names = [part.file for part in manifest.parts]
    if names != sorted(set(names)) or not all(map(is_part, names)):
        return f"{beside.uri} does not name numbered parts in order, each of them once."
    return ""


class _Verification:
    """Compares the published files with their manifest, then with the ledger."""

    def __init__(
        self, folder: Folder, manifest: Manifest, form: Format, reader: LedgerReader, watch: ProgressCallback
    ) -> None:
        self._folder, self._manifest, self._form, self._reader = folder, manifest, form, reader
        self._way = _Way(watch, manifest, times=3 if form.stable else 2)
        self._ids = _Ids()
        whole = Part(manifest.file, manifest.videos, manifest.bytes, manifest.sha256, EVERYTHING.first, None)
        self._files = [(folder.beside(""), whole)]
        """Every published file with its manifest entry."""
        if manifest.parts is not None:
            self._files = [(folder.file(part.file), part) for part in manifest.parts]

    def findings(self) -> list[str]:
        """Return what is wrong, a sentence each."""
        found = [*self._contradictions(), *self._changed_files()]
        return found or self._unlike_counts() or self._unlike_ledger()

    def _contradictions(self) -> Iterator[str]:
        """Yield those of the manifest, and files of the folder that it does not name."""
        manifest, counts = self._manifest, self._manifest.counts
        through = counts.get("pending", 0) + counts.get("claimed", 0) == 0
        # Earlier versions called a crawl without a valid id complete.
        if manifest.complete != through and counts.get("total", 0) > counts.get("invalid", 0):
            yield "The manifest's `complete` contradicts its own counts."
        if (parts := manifest.parts) is None:
            return
        if strange := sorted(set(self._folder.names()) - {part.file for part in (*parts, *manifest.superseded)}):
            held = f"{self._folder.uri} holds {strange[0]}"
            yield f"{held}, of which its manifest does not speak; readers take it for a part."
        sums = sum(part.bytes for part in parts), sum(part.videos for part in parts), sum_of(parts)
        if sums != (manifest.bytes, manifest.videos, manifest.sha256):
            yield "The manifest's sums contradict its own parts."

    def _changed_files(self) -> Iterator[str]:
        for target, part in self._files:
            meter = Meter()
            try:
                meter.drain(self._way.over_bytes(target.read()))
            except FileNotFoundError:
                yield f"There is a manifest, but no file at {target.uri}."
                continue
            if meter.bytes != part.bytes:
                yield f"{target.uri} holds {count(meter.bytes, 'byte')}, its manifest says {part.bytes:,}."
            if meter.sha256 != part.sha256:
                yield (
                    f"{target.uri} is not the file that its manifest speaks of (sha256 {meter.sha256}, not "
                    f"{part.sha256[:64]}): it was changed, or an export was cut off before its manifest. Export again"
                    f"{' with --force' if part.inputs else ''}."
                )

    def _unlike_counts(self) -> list[str]:
        """Read the ids of all files. Return a sentence if one can't be read, or does not hold as many as it should."""
        manifest = self._manifest
        for target, part in self._files:
            before = self._ids.number
            try:
                with closing(target.open()) as file:
                    self._ids.count(self._way.over_ids(ids_in(file, manifest.format, manifest.compression)))
            except Unreadable as error:
                return [f"{target.uri} can't be read as {manifest.format}: {error}."]
            if self._ids.number - before != part.videos:
                held = count(self._ids.number - before, noun_of(manifest.table))
                return [f"{target.uri} holds {held}, its manifest says {part.videos:,}."]
        return []

    def _unlike_ledger(self) -> list[str]:
        manifest, reader = self._manifest, self._reader
        progress, newest = reader.progress(), reader.newest_response()
        foreign = self._foreign()
        if any(manifest.counts.get(state) != number for state, number in counts_of(progress).items()):
            log.info("the ledger has moved on since the export: it was compared with its manifest alone")
            return foreign
        if newest is not None and newest > manifest.exported_at:
            log.info("responses were fetched after the export: it was compared with its manifest alone")
            return foreign
        responses, _, _ = reader.totals()
        if responses != manifest.responses:
            made_of = count(manifest.responses, "response")
            return [f"The export was made of {made_of}, the ledger holds {responses:,}.", *foreign]
        if manifest.history is not None and manifest.history != reader.history_size():
            log.info("statistics were deleted after the export: it was compared with its manifest alone")
            return foreign
        if manifest.table == "videos" and self._ids != self._fetched():
            return ["The published ids are not the ledger's fetched ids, each of them once.", *foreign]
        if self._form.differences is not None:
            ((target, _),) = self._files
            with closing(target.open()) as file:
                return list(self._form.differences(file, reader))
        return self._assembled_again() if self._form.stable else self._made_of_others()

    def _fetched(self) -> _Ids:
        stored = _Ids()
        for chunk in self._reader.fetched(EVERYTHING, _IDS_AT_ONCE):
            stored.count(video_id for video_id, _ in chunk)
        return stored

    def _foreign(self) -> list[str]:
        """Return a sentence if the export is of another ledger: a ledger forgets no id that a call was paid for."""
        # No id has other characters, and not every database accepts them.
        odd = [video_id for video_id in self._ids.first if not (video_id.isascii() and video_id.isprintable())]
        unknown = odd or self._reader.unknown(self._ids.first)
        if not unknown:
            return []
        return [
            f"It was exported from another ledger, {shown(self._manifest.ledger)!r}: "
            f"it holds the video {unknown[0]}, which is not in this one."
        ]

    def _assembled_again(self) -> list[str]:
        for _, part in self._files:
            meter = Meter()
            try:
                meter.drain(self._way.over_bytes(self._form.assemble(self._reader, part.span, Counters())))
            except LedgerDamaged as error:
                return [error.what]
            if meter.sha256 != part.sha256:
                return ["The ledger, exported again, gives other bytes than the manifest speaks of."]
        return []

    def _made_of_others(self) -> list[str]:
        """Return a sentence if a part was made of other responses than the ledger holds, as far as this version
        knows."""
        manifest = self._manifest
        if manifest.parts is None or manifest.max_part_bytes is None or manifest.made_with != made_with():
            return []
        cutter = Cutter(self._reader, self._form, manifest.max_part_bytes)
        for part in manifest.parts:
            if manifest.videos and cutter.inputs(part.span) != part.inputs:
                return [f"{part.file} was not made of the responses that the ledger holds. Export again with --force."]
        return []


class _Way:
    """The progress of a verification. The export is read several times: each is an equal share."""

    def __init__(self, watch: ProgressCallback, manifest: Manifest, times: int) -> None:
        self._watch = watch
        self._videos = manifest.videos
        self._bytes_in_all = times * manifest.bytes
        self._bytes = 0
        self._bytes_a_video = manifest.bytes / manifest.videos if manifest.videos else 0.0
        self._ids = 0

    def over_bytes(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self._bytes += len(chunk)
            self._tell()

    def over_ids(self, ids: Iterable[str]) -> Iterator[str]:
        for video_id in ids:
            yield video_id
            self._ids += 1
            self._tell()

    def _tell(self) -> None:
        done = self._bytes + int(self._ids * self._bytes_a_video)
        share = min(1.0, done / self._bytes_in_all) if self._bytes_in_all else 1.0
        self._watch(Advance(int(share * self._videos), self._videos, done))


@dataclass(slots=True)
class _Ids:
    """Ids by number and by a sum of their hashes, which do not depend on their order."""

    number: int = 0
    hashes: int = 0
    first: list[str] = field(default_factory=list, compare=False)
    """The first ids, as many as are looked up in a ledger."""

    def count(self, ids: Iterable[str]) -> None:
        for video_id in ids:
            self.number += 1
            if self.number <= _IDS_LOOKED_UP:
                self.first.append(video_id)
            spelled = video_id.encode(errors="surrogatepass")
            self.hashes += int.from_bytes(hashlib.blake2b(spelled, digest_size=16).digest())
