"""How S3 stores an object: encryption, ACL, storage class and metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class S3Options:
    """Options of stored objects. None leaves an option to the bucket, and the region to AWS's usual chain.

    `private` is S3's default, so it is not sent as an ACL: a bucket with ACLs disabled, as new ones are, would refuse
    it.
    """

    region: str | None = None
    acl: str = "private"
    encryption: str | None = None
    kms_key_id: str | None = None
    storage_class: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    """Sent with the object as `x-amz-meta-…`; ASCII."""

    def headers(self, content_type: str) -> dict[str, Any]:
        """Return the arguments for the operations that create an object."""
        wanted: dict[str, Any] = {
            "ContentType": content_type,
            "ACL": None if self.acl == "private" else self.acl,
            "ServerSideEncryption": self.encryption,
            "SSEKMSKeyId": self.kms_key_id,
            "StorageClass": self.storage_class,
            "Metadata": self.metadata or None,
        }
        return {name: value for name, value in wanted.items() if value is not None}
