"""Folders of parts on S3: new parts are uploaded first, and completed at the end, before their manifest."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harvester.errors import CredentialsError, HarvesterError
from harvester.export.manifest import SUFFIX, is_part
from harvester.export.storage.destination import DraftFile, ExistingFile, overtaken
from harvester.export.storage.ownership import NAMES_MANIFEST
from harvester.export.storage.parts_folder import Draft, Folder, Found
from harvester.export.storage.s3 import S3Target
from harvester.export.storage.s3_client import CONNECTIONS, connected
from harvester.export.storage.s3_errors import explained
from harvester.export.storage.s3_multipart_upload import (
    OpenUpload,
    Upload,
    abort_all,
    in_place_of,
    open_uploads,
    part_size,
    rechunk,
    version,
)
from harvester.export.storage.s3_options import S3Options
from harvester.support.sanitize import shown

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

_DELETED_AT_ONCE = 1000
CHANGING = ".harvester-draft"
"""An object in the folder while its parts change: it keeps other exports away, and marks parts without a manifest as
harvester's."""
DEAD_SECONDS = 10.0
"""Seconds without a change in the folder after which an export that changes it counts as dead. Between two changes it
makes two requests."""
_LOOK_SECONDS = 0.2


class S3Folder(Folder):
    """All keys that begin with `prefix` and a slash."""

    def __init__(self, bucket: str, prefix: str, options: S3Options | None = None) -> None:
        self.bucket, self.prefix, self.options = bucket, prefix, options or S3Options()
        self.uri, self.name = f"s3://{bucket}/{prefix}", prefix.rpartition("/")[2]

    @contextmanager
    def draft(self, *, force: bool = False) -> Iterator[_Draft]:
        changing = self.changing()
        found = self.look()
        self.admit(found, force=force, made=self._made if changing is None else found.files.__contains__)
        with connected(self.uri, self.options.region) as client:
            begun_before = self._open_uploads(client)
            draft = _Draft(self, client, found, changing)
            try:
                yield draft
            except BaseException:
                draft.discard()
                unheard = [upload for upload in self._open_uploads(client) if upload[0] in draft.beginning]
                abort_all(client, self.bucket, set(unheard) - set(begun_before))
                raise
            draft.discard()
            abort_all(client, self.bucket, begun_before)

    def changing(self) -> ExistingFile | None:
        """Return the mark of an export that is changing the folder, if any."""
        return self.file(CHANGING).existing()

    def files(self) -> dict[str, ExistingFile]:
        """See Folder. Without hidden ones."""
        with connected(self.uri, self.options.region) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")
            found = {e["Key"].removeprefix(f"{self.prefix}/"): e for page in pages for e in page.get("Contents", [])}
        return {
            name: ExistingFile(version(e["ETag"]), e["Size"], changed_at=e["LastModified"].timestamp())
            for name, e in sorted(found.items())
            if name and not name.startswith((".", "_"))
        }

    def _made(self, name: str) -> bool:
        """Whether the object's metadata say that it is a part of an export to this folder."""
        existing = self.file(name).existing()
        return existing is not None and existing.metadata.get(NAMES_MANIFEST) == quote(self.name + SUFFIX)

    def _open_uploads(self, client: S3Client) -> list[OpenUpload]:
        """Return open uploads of parts only: others may upload to other keys with this prefix."""
        found = open_uploads(client, self.bucket, f"{self.prefix}/", folder=True)
        return [upload for upload in found if is_part(upload[0].removeprefix(f"{self.prefix}/"))]

    def file(self, name: str) -> S3Target:
        return S3Target(self.bucket, f"{self.prefix}/{name}", self.options)

    def beside(self, suffix: str) -> S3Target:
        return S3Target(self.bucket, self.prefix + suffix, replace(self.options, metadata={}))


@dataclass(frozen=True, slots=True)
class S3Place:
    """A begun upload, for the process that sends it. Another process uses credentials of its own environment."""

    uri: str
    region: str | None
    upload_ref: dict[str, Any]

    def write(self, chunks: Iterable[bytes], *, expected_bytes: int) -> DraftFile:
        """See Place. After a failure the upload stays open, and its draft aborts it."""
        size, used = part_size(expected_bytes), list[bytearray]()
        with connected(self.uri, self.region) as client:
            return Upload(client, self.upload_ref).send(rechunk(chunks, size, used), size, used)


class _Draft(Draft):
    """Uploads that are not yet completed."""

    def __init__(self, folder: S3Folder, client: S3Client, found: Found, changing: ExistingFile | None) -> None:
        super().__init__(folder, found)
        self._folder = folder
        self._client = client
        self._changing = changing
        """The mark of another export, found when this one began: it changes the folder, or was killed while doing
        so."""
        self._begun = time.monotonic()
        self._uploads: dict[str, Upload] = {}
        self.beginning: set[str] = set()
        """Keys whose upload may have been begun though its answer was not read, for example because of Ctrl-C."""

    def place(self, name: str, *, content_type: str) -> S3Place:
        target = self._folder.file(name)
        self.beginning.add(target.key)
        self._uploads[name] = upload = target.begin(self._client, content_type)
        self.beginning.discard(target.key)
        return S3Place(target.uri, target.options.region, upload.upload_ref)

    def drop(self, name: str) -> None:
        self._uploads.pop(name).abort()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with explained(self._uri):
            if self._changing is None:
                # Removes nothing, but fails before anything is changed if the user may not remove.
                self._folder.file(f"{CHANGING}.{secrets.token_hex(8)}").remove()
            while self._changing and time.monotonic() < self._begun + DEAD_SECONDS:
                if self._folder.changing() != self._changing:
                    raise overtaken(self._uri)
                time.sleep(_LOOK_SECONDS)
            self._say_changing()
        try:
            yield
        finally:
            if not self._leaves_any:
                with suppress(HarvesterError):
                    self._folder.file(CHANGING).remove()

    def _say_changing(self) -> None:
        """Write the mark of a change. Raises Overtaken if another export has one."""
        mine = secrets.token_hex(16).encode()
        mark, condition = self._folder.file(CHANGING), in_place_of(self._changing)
        put = mark.publish([mine], content_type="text/plain", condition=condition)
        self._changing = ExistingFile(put.version, put.bytes)

    def _appear(self) -> None:
        with explained(self._uri):
            with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="export") as pool:
                list(pool.map(self._finish, list(self._kept)))
            self._say_changing()

    def _finish(self, name: str) -> None:
        self._folder.file(name).finish(self._uploads[name], self._kept[name])
        del self._uploads[name]

    def _switch(self, manifest: bytes) -> None:
        condition = in_place_of(self._found.manifest_file)
        self._folder.beside(SUFFIX).publish([manifest], content_type="application/json", condition=condition)

    def _remove(self, names: Iterable[str]) -> None:
        keys: list[ObjectIdentifierTypeDef] = [{"Key": f"{self._folder.prefix}/{name}"} for name in sorted(names)]
        with explained(self._uri):
            for start in range(0, len(keys), _DELETED_AT_ONCE):
                batch = keys[start : start + _DELETED_AT_ONCE]
                answer = self._client.delete_objects(
                    Bucket=self._folder.bucket, Delete={"Objects": batch, "Quiet": True}
                )
                # Refusals of single keys are within a successful answer.
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
