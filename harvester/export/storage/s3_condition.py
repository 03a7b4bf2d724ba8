"""Conditional writes: an object is replaced only if it has not changed.

Stores without conditions answer 501, and get the request without one; those that ignore conditions can't be recognised.
So each writer also reads before and after it, which leaves a gap of some milliseconds on such a store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from harvester.export.storage.destination import ExistingFile, overtaken

Condition: TypeAlias = Mapping[str, Any]
"""Arguments for the operations that create an object."""
ANYTHING: Condition = {}
NOTHING: Condition = {"IfNoneMatch": "*"}


def in_place_of(standing: ExistingFile | None) -> Condition:
    """Return the condition that this object, or nothing, is there; no condition if the account may not read."""
    if standing is None:
        return NOTHING
    return ANYTHING if standing.version is None else {"IfMatch": f'"{standing.version}"'}


def version(etag: str) -> str:
    """Return an ETag without quotation marks, which some stores add to some answers."""
    return etag.strip('"')


def conditionally(send: Callable[..., Any], condition: Condition, **arguments: Any) -> Any:
    """Call an operation that creates an object, on a condition. Raises Overtaken if it does not hold."""
    try:
        return send(**arguments, **condition)
    except ClientError as error:
        if not condition:
            raise
        code = error.response.get("Error", {}).get("Code")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 501 or code == "NotImplemented":
            return send(**arguments)
        gone = "IfMatch" in condition and code in ("NoSuchKey", "404")
        if status == 412 or code in ("PreconditionFailed", "ConditionalRequestConflict") or gone:
            raise overtaken(f"s3://{arguments['Bucket']}/{arguments['Key']}") from None
        raise
