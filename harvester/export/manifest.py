"""The manifest of an export: what it holds, whether it is complete, checksums, and the names of parts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from harvester.ledger.records import LoadRecord, PartsAsked
from harvester.model import EVERYTHING, Progress, Span, VideoState

SUFFIX = ".manifest.json"
_PART = re.compile(r"part-[0-9]{12}(-[0-9a-f]{16})?\.(json|jsonl|parquet|csv)(\.gz|\.zst)?")
"""Parts of earlier versions have no digest in their names."""

# A manifest may come from anywhere, so its values are validated.
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a folder of parts."""

    file: str
    videos: Count
    bytes: Count
    sha256: Sha256
    first_position: Count
    """The load position at which it begins."""
    last_position: Count | None
    """The last load position; None if it holds all that is left."""
    inputs: str = ""
    """A digest of what it is made of; empty in manifests of earlier versions."""

    @property
    def span(self) -> Span:
        """The load positions that it holds."""
        return Span(self.first_position, EVERYTHING.last if self.last_position is None else self.last_position)


@dataclass(frozen=True, slots=True)
class LoadedFrom:
    """A source that was loaded."""

    source: str
    """A local path without its folder."""
    loaded_at: datetime
    rows: Count
    new: Count
    """Ids that no earlier load had added, including invalid ones."""
    removed: Count
    finished: bool
    """Whether the source was read to its end."""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """The parts with which stored responses were asked for."""

    parts: tuple[str, ...] | None
    """None in responses of versions that did not record them."""
    responses: Count


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `DEST.manifest.json` says. Keys may be added, never renamed.

    The file appears first, then the manifest. So for a moment, or after an export was killed between the two, a new
    file has no manifest or the old one: a manifest is only valid for the file with its `sha256`.
    """

    file: str
    """The name of the published file or folder, without its parent."""
    format: str
    compression: str
    complete: bool
    """There are valid ids, and none is pending or claimed."""
    counts: dict[str, int]
    """Ids by state, and their `total`, when the export began."""
    responses: Count
    """Stored responses that the ledger held when the export began."""
    videos: Count
    """Video resources in the file, or in all parts."""
    bytes: Count
    """Length of the published file, or of all parts, as they are stored."""
    sha256: Sha256
    """Hex, of the published file, as it is stored; of a folder, see `sum_of`."""
    exported_at: datetime
    """When the export began, in UTC."""
    ledger: str
    """The ledger's name, without its folder."""
    source: str | None
    """Where the ids came from, if from one load; a local path without its folder."""
    harvester: str
    """The version that wrote the file."""
    parts: tuple[Part, ...] | None = None
    """The files of a folder, in load order; absent for a single file, as are the next two."""
    superseded: tuple[Part, ...] = ()
    """Parts of the previous manifest that are kept for its readers."""
    max_part_bytes: Count | None = None
    loads: tuple[LoadedFrom, ...] = ()
    """Every load that added ids, in order, except those of earlier versions."""
    asked_for: tuple[AskedFor, ...] = ()
    """The parts that the calls of the stored responses asked for."""
    made_with: str | None = None
    """Of a SQLite database and of a folder: the libraries whose versions decide the bytes."""
    table: Literal["videos", "statistics"] = "videos"
    """What a row is. Of statistics, `videos` counts the rows."""
    history: Count | None = None
    """Answers with statistics alone that the ledger held; only where the file has a table of statistics."""


def to_json(manifest: Manifest) -> bytes:
    """Return the manifest as UTF-8 JSON."""
    fields = _in_utf8(msgspec.to_builtins(manifest))
    for key in ("parts", "superseded", "max_part_bytes") if manifest.parts is None else ():
        del fields[key]
    for key in ("made_with", "history"):
        if fields[key] is None:
            del fields[key]
    if manifest.table == "videos":
        del fields["table"]
    return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"


def _in_utf8(value: Any) -> Any:
    """Names of files need not be UTF-8, and JSON must be: their other bytes are written as `\\xe9`."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {key: _in_utf8(each) for key, each in value.items()}
    return [_in_utf8(each) for each in value] if isinstance(value, list | tuple) else value


def last_position(span: Span) -> int | None:
    """Return the last position as in a manifest."""
    return span.last if span.last < EVERYTHING.last else None


def part_name(span: Span, inputs: str, suffix: str) -> str:
    """Return the name of a part: its first load position and a digest of its inputs, so that a file of that name never
    changes."""
    return f"part-{span.first:012}-{inputs[:16]}{suffix}"


def is_part(name: str) -> bool:
    """Whether a name is that of a part."""
    return _PART.fullmatch(name) is not None


def sum_of(parts: Iterable[Part]) -> str:
    """Return the sha256 of a folder: that of its parts' sha256 (32 bytes each) in order."""
    return hashlib.sha256(b"".join(bytes.fromhex(part.sha256) for part in parts)).hexdigest()


def from_json(text: bytes) -> Manifest:
    """Parse a manifest. Raises ValueError, with the reason, if it is none. Unknown keys are ignored."""
    manifest = msgspec.json.decode(text, type=Manifest)
    if manifest.exported_at.tzinfo is None:
        raise ValueError("exported_at names no time zone")
    return manifest


def counts_of(progress: Progress) -> dict[str, int]:
    """Return the counts by state, with the names of `harvester status --json`."""
    return {"total": progress.total} | {state.label: progress.videos.get(state, 0) for state in VideoState}


def left_to_ask(progress: Progress) -> int:
    """Return how many ids are pending or claimed; with any, an export is not complete."""
    return progress.videos.get(VideoState.PENDING, 0) + progress.videos.get(VideoState.CLAIMED, 0)


def is_complete(progress: Progress) -> bool:
    """Whether a crawl is complete: it has valid ids, and none is left."""
    return progress.asked_for > 0 and left_to_ask(progress) == 0


def loads_of(loads: Iterable[LoadRecord]) -> tuple[LoadedFrom, ...]:
    """Return the loads of which ids are left."""
    return tuple(
        LoadedFrom(
            source=without_secrets(load.source),
            loaded_at=load.loaded_at,
            rows=load.rows,
            new=load.new,
            removed=load.removed,
            finished=load.finished_at is not None,
        )
        for load in loads
        if load.new > load.removed
    )


def asked_for(asked: Iterable[PartsAsked]) -> tuple[AskedFor, ...]:
    """Return the ledger's records for the manifest, with the parts as a list."""
    return tuple(
        AskedFor(None if each.parts is None else tuple(each.parts.split(",")), each.responses) for each in asked
    )


def without_secrets(address: str) -> str:
    """Return an address without user, password and query; of a local path, its last part."""
    if "://" not in address:
        return PurePosixPath(address.replace("\\", "/")).name
    parts = urlsplit(address)
    if parts.scheme in ("s3", "http", "https") and parts.hostname:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return PurePosixPath(parts.path).name
