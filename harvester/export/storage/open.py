"""Turn an address into a destination."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from harvester._version import __version__
from harvester.config import ExportSettings
from harvester.errors import ConfigError
from harvester.export.manifest import SUFFIX
from harvester.export.storage.destination import Destination
from harvester.export.storage.local import LocalTarget
from harvester.export.storage.local_parts_folder import LocalFolder
from harvester.export.storage.ownership import NAMES_MANIFEST
from harvester.export.storage.parts_folder import Folder
from harvester.support.sanitize import is_unicode, shown

if TYPE_CHECKING:
    from harvester.export.storage.s3_options import S3Options


def target_at(uri: str, settings: ExportSettings, *, manifest: bool = True) -> Destination:
    """Return the destination of a local path or `s3://bucket/key`. Raises ConfigError for anything else. Touches
    nothing.

    `manifest`: whether one will be written next to it, which is recorded in an object's metadata on S3.
    """
    place = _on_s3(uri)
    if place is None:
        return LocalTarget(_local(uri))
    bucket, key = place
    if key.endswith("/"):
        raise _no_object(uri)
    from harvester.export.storage.s3 import S3Target

    options = _options(settings, key)
    return S3Target(bucket, key, options if manifest else replace(options, metadata={}))


def folder_at(uri: str, settings: ExportSettings) -> Folder:
    """Return the folder of a local path or `s3://bucket/folder`. Raises ConfigError for anything else. Touches
    nothing."""
    place = _on_s3(uri)
    if place is None:
        return LocalFolder(_local(uri))
    from harvester.export.storage.s3_parts_folder import S3Folder

    bucket, prefix = place
    prefix = prefix.rstrip("/")
    return S3Folder(bucket, prefix, _options(settings, prefix))


def _on_s3(uri: str) -> tuple[str, str] | None:
    """Return bucket and key; None if the address is a local path."""
    scheme, separator, rest = uri.partition("://")
    if separator and scheme.lower() == "s3":
        bucket, _, key = rest.partition("/")
        # A name that is no UTF-8 comes with lone surrogates, which no key can have.
        if not bucket or not key.strip("/") or not is_unicode(key):
            raise _no_object(uri)
        return bucket, key
    if separator or uri in ("", "-"):
        raise ConfigError(
            f"Can't export to {shown(uri)!r}: it is neither a local path nor s3://bucket/key.",
            state="Nothing was written.",
            next_step="Name a path or s3://bucket/key; ./- is a file of that name.",
        )
    return None


def _local(uri: str) -> Path:
    """Return an absolute path, so that `.` has a name. The root has none, and no place for a manifest next to it."""
    path = Path(uri)
    if not path.name:
        path = path.absolute()
    if not path.name:
        raise ConfigError(f"{shown(uri)} names no file.", state="Nothing was written.")
    return path


def _no_object(uri: str) -> ConfigError:
    return ConfigError(
        f"{shown(uri)} names no object.",
        state="Nothing was written.",
        next_step="Write it as s3://bucket/folder/songs.json.",
    )


def _options(settings: ExportSettings, key: str) -> S3Options:
    from harvester.export.storage.s3_options import S3Options

    return S3Options(
        region=settings.region,
        acl=settings.acl,
        encryption=settings.encryption,
        kms_key_id=settings.kms_key_id,
        storage_class=settings.storage_class,
        metadata={
            "harvester-version": __version__,
            NAMES_MANIFEST: quote(key.rpartition("/")[2] + SUFFIX),
        },
    )
