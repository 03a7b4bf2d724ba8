"""The note beside a published file: what it is, whether it is all, and how to tell that it is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from harvester.ledger.load_records import LoadRecord
from harvester.model import PartsAsked, Progress, VideoState

SUFFIX = ".manifest.json"

# A manifest may come from anywhere: what is decoded keeps to these.
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
    """Where it begins in the load order."""
    last_position: Count | None
    """Where it ends; None where it has all that is left."""
    inputs: str = ""
    """A digest of what it is made of; empty in manifests of earlier versions."""


@dataclass(frozen=True, slots=True)
class LoadedFrom:
    """A source whose ids are in the ledger."""

    source: str
    """A local path without its folder."""
    loaded_at: datetime
    rows: Count
    new: Count
    """Ids that no earlier load had brought, invalid ones included."""
    removed: Count
    finished: bool
    """Whether the source was read to its end."""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """With which parts stored responses were asked for."""

    parts: tuple[str, ...] | None
    """None in responses of versions that did not note them."""
    responses: Count


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `DEST.manifest.json` says. Keys may be added, never renamed.

    The file appears first and the manifest after it. So for a moment, or for longer where an export was
    killed between the two, a new file has no manifest, or stands beside the old one: a manifest speaks of
    the file that has its `sha256`, and of no other.
    """

    file: str
    """The published file's name, or the folder's, without what it lies in."""
    format: str
    compression: str
    complete: bool
    """There are valid ids, and none was left to ask for: none pending, none claimed."""
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
    """The files of a folder, in load order; not there where a single file was published. Nor are the next two."""
    superseded: tuple[Part, ...] = ()
    """Parts of the manifest before that were kept, for its readers."""
    max_part_bytes: Count | None = None
    loads: tuple[LoadedFrom, ...] = ()
    """Every load that brought ids, in order; none of ids that earlier versions loaded."""
    asked_for: tuple[AskedFor, ...] = ()
    """The parts that the calls of the stored responses asked for."""
    made_with: str | None = None
    """Of a SQLite database and of a folder: the libraries by whose versions the same ledger gives the same bytes."""


def to_json(manifest: Manifest) -> bytes:
    said = _in_utf8(msgspec.to_builtins(manifest))
    for key in ("parts", "superseded", "max_part_bytes") if manifest.parts is None else ():
        del said[key]
    if manifest.made_with is None:
        del said["made_with"]
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def _in_utf8(value: Any) -> Any:
    """Names of files need not be UTF-8, and JSON must be: their other bytes are written as `\\xe9`."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {key: _in_utf8(each) for key, each in value.items()}
    return [_in_utf8(each) for each in value] if isinstance(value, list | tuple) else value


def sum_of(parts: Iterable[Part]) -> str:
    """The sha256 of a folder: of its parts' sha256 (32 bytes each) in order."""
    return hashlib.sha256(b"".join(bytes.fromhex(part.sha256) for part in parts)).hexdigest()


def from_json(text: bytes) -> Manifest:
    """Raises ValueError, with the reason, where the text is no manifest. Unknown keys are passed over."""
    manifest = msgspec.json.decode(text, type=Manifest)
    if manifest.exported_at.tzinfo is None:
        raise ValueError("exported_at names no time zone")
    return manifest


def counts_of(progress: Progress) -> dict[str, int]:
    """The names of `harvester status --json`."""
    return {"total": progress.total} | {state.label: progress.videos.get(state, 0) for state in VideoState}


def left_to_ask(progress: Progress) -> int:
    """Ids pending or claimed: while there are any, an export is not complete."""
    return progress.videos.get(VideoState.PENDING, 0) + progress.videos.get(VideoState.CLAIMED, 0)


def is_complete(progress: Progress) -> bool:
    """Whether a crawl is through: it has ids to ask for, and asked for all of them."""
    return progress.asked_for > 0 and left_to_ask(progress) == 0


def loads_of(loads: Iterable[LoadRecord]) -> tuple[LoadedFrom, ...]:
    """Those of which ids are left."""
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
    """The same as the ledger's, with the parts as a list."""
    return tuple(
        AskedFor(None if each.parts is None else tuple(each.parts.split(",")), each.responses) for each in asked
    )


def without_secrets(address: str) -> str:
    """An address that may be shown: no user, password or query, and of a local path the last part alone."""
    if "://" not in address:
        return PurePosixPath(address.replace("\\", "/")).name
    parts = urlsplit(address)
    if parts.scheme in ("s3", "http", "https") and parts.hostname:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return PurePosixPath(parts.path).name
