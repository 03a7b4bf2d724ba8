"""Folders of parts on S3: all are uploaded first, and then all completed, so that they appear together or not at all.

S3 knows no rename. What stands between the completion of the first part and of the last is a matter of requests, not
of a whole export; a reader who waits for the manifest sees no part of that.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harvester.errors import CredentialsError, HarvesterError
from harvester.export.manifest import SUFFIX
from harvester.export.parts import is_part, refuse_foreign_files
from harvester.export.storage.destination import Meter, Standing, Written
from harvester.export.storage.ownership import NAMES_MANIFEST, admit_folder
from harvester.export.storage.s3 import S3Target
from harvester.export.storage.s3_client import CONNECTIONS, S3Options, connected
from harvester.export.storage.s3_condition import in_place_of, overtaken, version
from harvester.export.storage.s3_errors import explained
from harvester.export.storage.s3_sweep import OpenUpload, abort_all, open_uploads
from harvester.export.storage.s3_upload import Buffers, Upload, cut, part_size
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

_DELETED_AT_ONCE = 1000
CHANGING = ".harvester-draft"
"""In the folder while its parts are changed: then there is no manifest that tells who wrote them."""


class S3Folder:
    """All keys that begin with `prefix` and a slash."""

    def __init__(self, bucket: str, prefix: str, options: S3Options | None = None) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.options = options or S3Options()

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def name(self) -> str:
        return self.prefix.rpartition("/")[2]

    @contextmanager
    def draft(self, *, force: bool = False) -> Iterator[_Draft]:
        """See Folder."""
        found = self.objects()
        sizes = {name: standing.bytes for name, standing in _visible(found).items()}
        refuse_foreign_files(self.uri, sizes)
        # Where an export was cut off while it changed the parts, some are of no manifest.
        made = self._made if CHANGING not in found else sizes.__contains__
        admit_folder(self, sizes, force=force, made=made)
        with connected(self.uri, self.options.region) as client:
            begun_before = self._open_uploads(client)
            draft = _Draft(self, client, found)
            try:
                yield draft
            finally:
                draft.discard()
            abort_all(client, self.bucket, begun_before)

    def names(self) -> list[str]:
        """See Folder."""
        return list(_visible(self.objects()))

    def objects(self) -> dict[str, Standing]:
        """All objects in the folder, in order."""
        with connected(self.uri, self.options.region) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")
            entries = [entry for page in pages for entry in page.get("Contents", [])]
        found = {e["Key"].removeprefix(f"{self.prefix}/"): Standing(version(e["ETag"]), e["Size"]) for e in entries}
        return dict(sorted(found.items()))

    def _made(self, name: str) -> bool:
        """Whether the object says that it is a part of an export to this folder."""
        standing = self.file(name).standing()
        return standing is not None and standing.metadata.get(NAMES_MANIFEST) == quote(self.name + SUFFIX)

    def _open_uploads(self, client: S3Client) -> list[OpenUpload]:
        """Of parts alone: others may be uploading other things to keys that begin so."""
        found = open_uploads(client, self.bucket, f"{self.prefix}/", folder=True)
        return [upload for upload in found if is_part(upload[0].removeprefix(f"{self.prefix}/"))]

    def file(self, name: str) -> S3Target:
        """See Folder."""
        return S3Target(self.bucket, f"{self.prefix}/{name}", self.options)

    def beside(self, suffix: str) -> S3Target:
        """See Folder."""
        return S3Target(self.bucket, self.prefix + suffix, replace(self.options, metadata={}))


def _visible(objects: Mapping[str, Standing]) -> dict[str, Standing]:
    """Those that a reader would see."""
    return {name: standing for name, standing in objects.items() if name and not name.startswith((".", "_"))}


@dataclass(frozen=True)
class S3Place:
    """An upload that was begun, for the process that sends it. Another process connects by its own environment."""

    uri: str
    region: str | None
    which: dict[str, Any]
    client: S3Client | None = None
    """Of the process that began it; it stays there."""

    def __reduce__(self) -> tuple[type[S3Place], tuple[str, str | None, dict[str, Any]]]:
        return S3Place, (self.uri, self.region, self.which)

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> Written:
        """See Place. What fails leaves the upload open, for its draft to take back."""
        size, meter, buffers = part_size(expected_bytes), Meter(), Buffers()
        with nullcontext(self.client) if self.client else connected(self.uri, self.region) as client:
            receipt = Upload(client, self.which).send(cut(chunks, size, buffers.take), size, meter, buffers)
        return Written(meter.published(self.uri), receipt)


class _Draft:
    """Uploads that are begun or sent, and not yet completed."""

    def __init__(self, folder: S3Folder, client: S3Client, found: Mapping[str, Standing]) -> None:
        self._folder = folder
        self._client = client
        self._found = found
        """What was in the folder when the draft was begun."""
        self._uploads: dict[str, Upload] = {}
        self._kept: dict[str, Written] = {}

    def place(self, name: str, *, content_type: str) -> S3Place:
        """See Draft."""
        target = self._folder.file(name)
        self._uploads[name] = upload = target.begin(self._client, content_type)
        return S3Place(target.uri, target.options.region, upload.which, self._client)

    def keep(self, name: str, written: Written) -> None:
        """See Draft."""
        self._kept[name] = written

    def drop(self, name: str) -> None:
        """See Draft."""
        self._uploads.pop(name).abort()

    def commit(self, manifest: bytes) -> None:
        """See Draft. An object in the folder says that its parts are being changed, and keeps other exports from it."""
        note = self._folder.file(CHANGING)
        # Explained here, so that the caller can say in what state this leaves the folder.
        with explained(self._folder.uri):
            noted = self._begin(note)
        beside = self._folder.beside(SUFFIX)
        try:
            with explained(self._folder.uri):
                beside.remove()
                self._change_parts()
                self._check_that_all_are_mine(noted)
        except HarvesterError as error:
            error.state = "The folder may hold the old parts, the new ones or some of both: it has no manifest now."
            raise
        try:
            beside.publish_instead([manifest], content_type="application/json", replacing=None)
        except HarvesterError as error:
            error.state = "The data is published; its manifest is not."
            raise
        with suppress(HarvesterError):
            note.remove()

    def _begin(self, note: S3Target) -> Standing:
        """Raises Overtaken where another export has changed the folder, or is about to."""
        before = self._found.get(CHANGING)
        if before is None:
            # Nothing is there: a user who may remove nothing is told before anything is changed.
            self._folder.file(f"{CHANGING}.{secrets.token_hex(8)}").remove()
        if self._folder.objects() != self._found:
            raise overtaken(self._folder.uri)
        mine = secrets.token_hex(16).encode()
        put = note.publish_instead([mine], content_type="text/plain", replacing=before)
        return Standing(put.version, put.bytes)

    def _change_parts(self) -> None:
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="export") as pool:
            list(pool.map(self._finish, self._kept))
        self._delete(sorted(_visible(self._found).keys() - self._kept.keys()))

    def _check_that_all_are_mine(self, noted: Standing) -> None:
        found = self._folder.objects()
        # Not by their ETags: some stores show another one than they answered with.
        lengths = {name: standing.bytes for name, standing in _visible(found).items()}
        mine = {name: written.published.bytes for name, written in self._kept.items()}
        if lengths != mine or found.get(CHANGING) != noted:
            raise overtaken(self._folder.uri)

    def _delete(self, names: Sequence[str]) -> None:
        keys: list[ObjectIdentifierTypeDef] = [{"Key": f"{self._folder.prefix}/{name}"} for name in names]
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            batch = keys[start : start + _DELETED_AT_ONCE]
            answer = self._client.delete_objects(Bucket=self._folder.bucket, Delete={"Objects": batch, "Quiet": True})
            # A refusal of one key comes within an answer that is none.
            if refused := answer.get("Errors"):
                raise CredentialsError(
                    f"S3 refused to delete {shown(refused[0].get('Key', 'a part'))} of the export before: "
                    f"{shown(refused[0].get('Code', 'unknown'))}.",
                    next_step="Let this user have s3:DeleteObject on the folder's keys, and export again.",
                )

    def discard(self) -> None:
        for upload in self._uploads.values():
            upload.abort()
        self._uploads.clear()

    def _finish(self, name: str) -> None:
        condition = in_place_of(self._found.get(name))
        self._folder.file(name).finish(self._uploads[name], self._kept[name], condition)
        del self._uploads[name]
