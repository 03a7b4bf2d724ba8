"""Answers of S3 endpoints, for sources and exports."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harvester.errors import ConfigError
from harvester.support.sanitize import shown, without_secrets

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

CHECK_ENDPOINT = (
    "Check AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL: let it name the S3 API itself, with https:// if it wants TLS."
)
NO_CHECKSUMS = (
    "Some stores that speak S3 know no x-amz-checksum headers: set AWS_REQUEST_CHECKSUM_CALCULATION=when_required."
)
SESSION_OVER = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
WRONG_REGION = frozenset(
    {"PermanentRedirect", "IllegalLocationConstraintException", "AuthorizationHeaderMalformed", "301"}
)

_MAX_MESSAGE_CHARS = 200
_ACCESS_KEY = re.compile(r"A[KS]IA[A-Z0-9]+")
# Answers of stores without checksums, as users of boto3 report them.
_CHECKSUM_CODES = frozenset(
    {"NotImplemented", "XAmzContentSHA256Mismatch", "InvalidRequest", "AuthorizationHeaderMalformed", "InvalidArgument"}
)


_TEMPORARY = "Where the credentials are temporary the session may be over: sign in again."


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of S3, in words that may be shown."""

    code: str
    status: int
    message: str
    """The store's own message; empty if it has none, or if it might contain credentials."""
    region: str
    """The bucket's region, if S3 says that it is another one."""

    @property
    def hint(self) -> str:
        """A possible cause of a refused request, to be shown before other advice."""
        if self.code == "400":
            return f"{_TEMPORARY} "  # a failed HEAD has no more
        # The store may have refused headers that it does not know.
        if os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION", "").lower() == "when_required":
            return ""
        unknown = self.code in _CHECKSUM_CODES or self.status == 501 or "checksum" in self.message.lower()
        return f"{NO_CHECKSUMS} " if unknown else ""


def refusal_of(error: ClientError) -> Refusal:
    """Return the refusal that a ClientError of botocore describes."""
    about: Mapping[str, Any] = error.response.get("Error", {})
    answer: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    status = int(answer.get("HTTPStatusCode", 0))
    region = about.get("Region") or answer.get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
    message = "" if status in (401, 403) else str(about.get("Message", ""))
    message = _ACCESS_KEY.sub("[hidden]", without_secrets(message, ()))
    code = shown(str(about.get("Code") or f"HTTP {status}"), 100)
    return Refusal(code, status, shown(message, _MAX_MESSAGE_CHARS), shown(str(region), 40))


def refuse_redirect(status: int, headers: Mapping[str, str]) -> None:
    """Raise ConfigError for a redirect without a region: botocore would ask for it and be redirected again.

    `headers` are in lower case.
    """
    if 300 <= status < 400 and status != 304 and "x-amz-bucket-region" not in headers:
        raise redirected(status, headers.get("location", ""))


def redirected(status: int, location: str) -> ConfigError:
    """Return the error for an endpoint that redirects."""
    try:
        address = urlsplit(location)
        host = shown(address.netloc.rpartition("@")[2])
        where = f" to {shown(address.scheme)}://{host}" if host else ""
    except ValueError:
        where = ""
    return ConfigError(
        f"The S3 endpoint redirects ({status}{where}), and no bucket is there.", next_step=CHECK_ENDPOINT
    )


def not_s3(why: str) -> ConfigError:
    """Return the error for an endpoint that is not S3."""
    return ConfigError(f"What answers at the S3 endpoint is not S3: {why}.", next_step=CHECK_ENDPOINT)
