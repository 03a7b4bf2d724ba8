"""From an address to the place that it names."""

from __future__ import annotations

from pathlib import Path

from harvester.errors import ConfigError
from harvester.export.local import LocalTarget
from harvester.export.s3 import S3Target
from harvester.export.target import Target
from harvester.text import shown


def target_at(uri: str, *, region: str | None = None, acl: str = "private") -> Target:
    """A local path, or `s3://bucket/key`. Raises ConfigError for anything else. Touches nothing yet."""
    scheme, separator, rest = uri.partition("://")
    if separator and scheme.lower() == "s3":
        bucket, _, key = rest.partition("/")
        if not bucket or not key or key.endswith("/"):
            raise ConfigError(
                f"{shown(uri)} names no object.",
                state="Nothing was written.",
                next_step="Write it as s3://bucket/folder/songs.json.",
            )
        return S3Target(bucket, key, region=region, acl=acl)
    if separator or uri in ("", "-"):
        raise ConfigError(f"Can't export to {shown(uri)!r}: it is neither a local path nor s3://bucket/key.")
    return LocalTarget(Path(uri))
