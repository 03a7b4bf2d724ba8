"""Conditional writes: an object is put in place only of what stood there before, or of nothing.

Stores that know no conditions answer 501, and are asked without; those that take no notice of them can't be told from
others. So each writer looks before and after it too, which leaves such a store a moment of some milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from harvester.export.storage.destination import ExistingFile, overtaken

Condition: TypeAlias = Mapping[str, Any]
"""As the operations that make an object appear take it."""
ANYTHING: Condition = {}
NOTHING: Condition = {"IfNoneMatch": "*"}


def in_place_of(standing: ExistingFile | None) -> Condition:
    """That this very object, or nothing, stands there; no condition where the account may not look."""
    if standing is None:
        return NOTHING
    return ANYTHING if standing.version is None else {"IfMatch": f'"{standing.version}"'}


def version(etag: str) -> str:
    """Of an ETag, which some stores give between quotation marks here and without them there."""
    return etag.strip('"')


def conditionally(send: Callable[..., Any], condition: Condition) -> Any:
    """What `send` answers with that condition. Raises Overtaken where it does not hold."""
    try:
        return send(**condition)
    except ClientError as error:
        if not condition:
            raise
        code = error.response.get("Error", {}).get("Code")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 501 or code == "NotImplemented":
            return send()
        gone = "IfMatch" in condition and code in ("NoSuchKey", "404")
        if status == 412 or code in ("PreconditionFailed", "ConditionalRequestConflict") or gone:
            raise overtaken(_place(send)) from None
        raise


def _place(send: Callable[..., Any]) -> str:
    keywords = getattr(send, "keywords", {})
    return f"s3://{keywords.get('Bucket', '')}/{keywords.get('Key', '')}"
