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
from harvester.export.formats.registry import Format, format_of
from harvester.export.json_array_reader import Unreadable
from harvester.export.manifest import SUFFIX, Manifest, Part, counts_of, from_json, is_part, sum_of
from harvester.export.parts import Cutter, made_with
from harvester.export.read_back import ids_in
from harvester.export.storage.destination import Destination, Meter
from harvester.export.storage.folder import Folder
from harvester.export.storage.open import folder_at, target_at
from harvester.export.storage.ownership import manifest_text
from harvester.export.storage.s3_client import clients_kept
from harvester.ledger.reader import LedgerReader
from harvester.model import EVERYTHING
from harvester.support.progress import Advance, ProgressCallback, no_progress
from harvester.support.sanitize import count, shown

log = logging.getLogger(__name__)

_MOST_FINDING_CHARS = 1000
_IDS_AT_ONCE = 5000
_IDS_LOOKED_UP = 500
_MOST_LOOKS = 5
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
    for _ in range(_MOST_LOOKS):
        seen, refusal, findings = _seen(uri, settings), None, []
        try:
            findings = _findings(uri, reader, settings, watch)
        except ConfigError as error:
            refusal = error
        # If another export was published meanwhile, its file may have been compared with the previous manifest.
        if not (refusal or findings) or _seen(uri, settings) == seen:
            if refusal:
                raise refusal
            # A manifest may come from anywhere: what it contains is sanitised when shown.
            return [shown(finding, _MOST_FINDING_CHARS) for finding in findings]
        log.info("another export was published at %s meanwhile: it is looked at anew", shown(uri))
    raise StorageUnavailable(
        f"One export after another is published at {shown(uri)}: none of them stood there long enough to be read.",
        state="Nothing was changed.",
        next_step="Verify it when they are done.",
    )


def _seen(uri: str, settings: ExportSettings) -> tuple[object, ...]:
    """Return the versions of the files and the manifest: another export changes them."""
    with suppress(HarvesterError, OSError):
        folder = folder_at(uri, settings)
        beside = folder.beside(SUFFIX)
        with beside.undisturbed():
            if Path(uri).is_dir():
                return (beside.standing(), *(folder.file(name).standing() for name in folder.names()))
            return beside.standing(), target_at(uri, settings).standing()
    return ()


def _findings(uri: str, reader: LedgerReader, settings: ExportSettings, watch: ProgressCallback) -> list[str]:
    folder = folder_at(uri, settings)
    manifest, findings = _read_manifest(folder.beside(SUFFIX))
    _refuse_nothing(uri, folder, manifest, settings)
    if manifest is None:
        return findings
    try:
        form = format_of(manifest.format, manifest.compression, manifest.table)
    except ConfigError as error:
        return [f"{folder.beside(SUFFIX).uri}: {error.what}"]
    if misfit := _misfit(uri, folder, manifest):
        return [misfit]
    files = _files(uri, folder, manifest, settings)
    way = _Way(watch, manifest, times=3 if form.stable else 2)
    findings = [*_against_manifest(folder, manifest), *_read_through(files, way)]
    if findings:
        return findings
    ids = _Ids()
    for target, part in files:
        before = ids.number
        try:
            with closing(target.open()) as file:
                ids.count(way.over_ids(ids_in(file, manifest.format, manifest.compression)))
        except Unreadable as error:
            return [f"{target.uri} can't be read as {manifest.format}: {error}."]
        if ids.number - before != part.videos:
            held = count(ids.number - before, noun_of(manifest.table))
            return [f"{target.uri} holds {held}, its manifest says {part.videos:,}."]
    return _against_ledger(reader, manifest, form, files, ids, way)


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


def _refuse_nothing(uri: str, folder: Folder, manifest: Manifest | None, settings: ExportSettings) -> None:
    """Raise ConfigError if there is no file or folder of that name."""
    if _is_there(uri, folder, settings):
        return
    place = folder.beside(SUFFIX).uri
    beside = f"There is no manifest at {place} either." if manifest is None else f"Its manifest {place} is there."
    raise ConfigError(
        f"There is no file at {shown(uri)}.",
        state=f"{shown(beside)} Nothing was changed.",
        next_step="Look at the name; or publish it with harvester export.",
    )


def _is_there(uri: str, folder: Folder, settings: ExportSettings) -> bool:
    if Path(uri).is_dir():
        return True
    try:
        next(target_at(uri.rstrip("/"), settings).read(), b"")
    except FileNotFoundError:
        return bool(folder.names())
    return True


def _misfit(uri: str, folder: Folder, manifest: Manifest) -> str:
    """Return why the manifest can't be that of what is there; empty if it can."""
    if manifest.parts is None:
        return f"{uri} is a folder, its manifest speaks of one file." if Path(uri).is_dir() else ""
    if Path(uri).is_file():
        return f"{uri} is one file, its manifest speaks of a folder of parts."
    names = [part.file for part in manifest.parts]
    if names != sorted(set(names)) or not all(map(is_part, names)):
        return f"{folder.beside(SUFFIX).uri} does not name numbered parts in order, each of them once."
    return ""


def _files(uri: str, folder: Folder, manifest: Manifest, settings: ExportSettings) -> list[tuple[Destination, Part]]:
    """Return every published file with its manifest entry."""
    if manifest.parts is not None:
        return [(folder.file(part.file), part) for part in manifest.parts]
    whole = Part(manifest.file, manifest.videos, manifest.bytes, manifest.sha256, EVERYTHING.first, None)
    return [(target_at(uri, settings), whole)]


def _against_manifest(folder: Folder, manifest: Manifest) -> Iterator[str]:
    """Yield contradictions of the manifest, and files of the folder that it does not name."""
    counts = manifest.counts
    through = counts.get("pending", 0) + counts.get("claimed", 0) == 0
    # Earlier versions called a crawl without a valid id complete.
    if manifest.complete != through and counts.get("total", 0) > counts.get("invalid", 0):
        yield "The manifest's `complete` contradicts its own counts."
    if manifest.parts is None:
        return
    if strange := sorted(set(folder.names()) - {part.file for part in (*manifest.parts, *manifest.superseded)}):
        yield f"{folder.uri} holds {strange[0]}, of which its manifest does not speak; readers take it for a part."
    if (sum(part.bytes for part in manifest.parts), sum(part.videos for part in manifest.parts)) != (
        manifest.bytes,
        manifest.videos,
    ) or sum_of(manifest.parts) != manifest.sha256:
        yield "The manifest's sums contradict its own parts."


def _read_through(files: Iterable[tuple[Destination, Part]], way: _Way) -> Iterator[str]:
    for target, part in files:
        meter = Meter()
        try:
            meter.drain(way.over_bytes(target.read()))
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


def _against_ledger(
    reader: LedgerReader,
    manifest: Manifest,
    form: Format,
    files: list[tuple[Destination, Part]],
    ids: _Ids,
    way: _Way,
) -> list[str]:
    progress, newest = reader.progress(), reader.newest_response()
    foreign = _foreign(reader, manifest, ids)
    if any(manifest.counts.get(state) != number for state, number in counts_of(progress).items()):
        log.info("the ledger has moved on since the export: it was compared with its manifest alone")
        return foreign
    if newest is not None and newest > manifest.exported_at:
        log.info("responses were fetched after the export: it was compared with its manifest alone")
        return foreign
    responses, _, _ = reader.totals()
    if responses != manifest.responses:
        return [
            f"The export was made of {count(manifest.responses, 'response')}, the ledger holds {responses:,}.",
            *foreign,
        ]
    if manifest.history is not None and manifest.history != reader.history_size():
        log.info("statistics were deleted after the export: it was compared with its manifest alone")
        return foreign
    stored = _Ids()
    for chunk in reader.fetched(EVERYTHING, _IDS_AT_ONCE) if manifest.table == "videos" else ():
        stored.count(video_id for video_id, _ in chunk)
    if manifest.table == "videos" and ids != stored:
        return ["The published ids are not the ledger's fetched ids, each of them once.", *foreign]
    if form.differences is not None:
        ((target, _),) = files
        with closing(target.open()) as file:
            return list(form.differences(file, reader))
    return _assembled_again(reader, files, form, way) if form.stable else _made_of_others(reader, manifest, form)


def _foreign(reader: LedgerReader, manifest: Manifest, ids: _Ids) -> list[str]:
    """Return a sentence if the export is of another ledger: a ledger forgets no id that a call was paid for."""
    # No id has other characters, and not every database accepts them.
    odd = [video_id for video_id in ids.first if not (video_id.isascii() and video_id.isprintable())]
    unknown = odd or reader.unknown(ids.first)
    if not unknown:
        return []
    return [
        f"It was exported from another ledger, {shown(manifest.ledger)!r}: "
        f"it holds the video {unknown[0]}, which is not in this one."
    ]


def _assembled_again(reader: LedgerReader, files: list[tuple[Destination, Part]], form: Format, way: _Way) -> list[str]:
    for _, part in files:
        meter = Meter()
        try:
            meter.drain(way.over_bytes(form.assemble(reader, part.span, Counters())))
        except LedgerDamaged as error:
            return [error.what]
        if meter.sha256 != part.sha256:
            return ["The ledger, exported again, gives other bytes than the manifest speaks of."]
    return []


def _made_of_others(reader: LedgerReader, manifest: Manifest, form: Format) -> list[str]:
    """Return a sentence if a part was made of other responses than the ledger holds, as far as this version knows."""
    if manifest.parts is None or manifest.max_part_bytes is None or manifest.made_with != made_with():
        return []
    cutter = Cutter(reader, form, manifest.max_part_bytes)
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
