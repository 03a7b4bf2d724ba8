"""Translate errors of S3 and the network to harvester's, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harvester.errors import ConfigError, CredentialsError, HarvesterError, StorageUnavailable
from harvester.export.storage.destination import KEPT
from harvester.support.s3_refusals import SESSION_OVER, WRONG_REGION, not_s3, refusal_of
from harvester.support.sanitize import shown, without_secrets

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

# Perhaps only the answer was lost: then the new object is there.
_WHOLE = "What stands there is whole, if perhaps the old one; the ledger was only read."

_CERTIFICATES = (
    "Check AWS_ENDPOINT_URL; AWS_CA_BUNDLE (or REQUESTS_CA_BUNDLE, SSL_CERT_FILE) names the PEM file of certificates "
    "to trust."
)
_IDENTITY = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names."
_CREDENTIALS = {
    "AccessDenied": "Let this user have s3:PutObject and s3:AbortMultipartUpload on that key "
    "(s3:PutObjectAcl for an ACL, s3:GetObject to verify; s3:ListBucket and s3:DeleteObject for a folder of parts), "
    "or use another account.",
    "403": "Let this user have s3:GetObject on that key.",
    "InvalidAccessKeyId": _IDENTITY,
    "SignatureDoesNotMatch": _IDENTITY,
    "AuthorizationHeaderMalformed": "Set export.region to the bucket's region. " + _IDENTITY,
    **dict.fromkeys(SESSION_OVER, "The session is over: sign in again, and export again."),
    "RequestTimeTooSkewed": "Set this machine's clock: it is minutes away from S3's.",
    "AccountProblem": "Ask the owner of the AWS account.",
    "AllAccessDisabled": "Ask the owner of the bucket.",
}
_CONFIG = {
    "NoSuchBucket": "Create the bucket, or fix export.uri.",
    "InvalidBucketName": "Fix export.uri.",
    "KeyTooLongError": "Fix export.uri.",
    "PermanentRedirect": "Set export.region to the bucket's region.",
    "IllegalLocationConstraintException": "Set export.region to the bucket's region.",
    "AccessControlListNotSupported": 'The bucket has ACLs switched off: set export.acl = "private".',
    "InvalidStorageClass": "Fix export.storage_class.",
    "KMS.NotFoundException": "Fix export.kms_key_id: it names no key of the bucket's region.",
    "KMS.DisabledException": "Switch the key of export.kms_key_id on, or name another.",
    "EntityTooLarge": "S3 takes no object of that size: export with --compression gzip.",
}

_PASSING = {
    "RequestTimeout": "Export again later.",
    "SlowDown": "Export again later.",
    "OperationAborted": "Export again later.",
    "NoSuchUpload": "A newer export to the same place was faster, or the bucket's rules end uploads that take so "
    "long. Export again.",
}


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Translate botocore's exceptions. Others, such as LedgerDamaged, are passed on.

    Without their cause, because botocore's messages may contain secrets: texts of S3, the password in AWS_ENDPOINT_URL,
    an invalid session token.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ConfigError as error:
        error.state = error.state or KEPT
        raise
    except ResponseParserError:
        not_xml = not_s3("its answer is no XML")
        not_xml.state = KEPT
        raise not_xml from None
    except ClientError as error:
        raise _refusal(shown(uri), error) from None
    except BotoCoreError as error:
        raise _failure(shown(uri), error) from None


def is_absence(error: ClientError) -> bool:
    """Whether S3 says that an existing bucket has no such object."""
    return error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404")


def is_refusal(error: ClientError) -> bool:
    """Whether S3 refused the request, so that retrying does not help."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status in (301, 307, 400, 401, 403, 405)


def _refusal(uri: str, error: ClientError) -> HarvesterError:
    refusal = refusal_of(error)
    code, status = refusal.code, refusal.status
    why = f" ({refusal.message.rstrip('.')})" if refusal.message and refusal.message != code else ""
    what = f"S3 refused {error.operation_name} for {uri}: {code}{why}."
    if code in _CREDENTIALS:
        return CredentialsError(what, state=KEPT, next_step=refusal.hint + _CREDENTIALS[code])
    if code in _CONFIG:
        region = f' It is "{refusal.region}".' if refusal.region and code in WRONG_REGION else ""
        return ConfigError(what, state=KEPT, next_step=_CONFIG[code] + region)
    if status in (401, 403):
        return CredentialsError(what, state=KEPT, next_step=_IDENTITY)
    if status == 501 or (300 <= status < 500 and status not in (408, 429) and code not in _PASSING):
        return ConfigError(what, state=KEPT, next_step=f"{refusal.hint}Check export.uri and export.region.")
    return StorageUnavailable(what, state=_WHOLE, next_step=_PASSING.get(code, "Export again later."))


def _failure(uri: str, error: BotoCoreError) -> HarvesterError:
    from botocore import exceptions as boto

    kind = type(error).__name__
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return CredentialsError(f"There are no AWS credentials for {uri}.", state=KEPT, next_step=_IDENTITY)
    signed_out = (boto.CredentialRetrievalError, boto.TokenRetrievalError, boto.SSOError, boto.LoginError)
    if isinstance(error, signed_out):
        return CredentialsError(f"The AWS credentials for {uri} can't be had ({kind}).", next_step=_IDENTITY)
    unreached = f"S3 can't be reached for {uri}"
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ConfigError(f"{unreached}: its TLS certificate is not trusted.", state=KEPT, next_step=_CERTIFICATES)
    if isinstance(error, boto.SSLError):
        hint = "Check AWS_ENDPOINT_URL and the network, and export again."
        return StorageUnavailable(f"{unreached}: TLS failed.", state=_WHOLE, next_step=hint)
    broken_off = (boto.IncompleteReadError, boto.FlexibleChecksumError)
    if isinstance(error, (boto.ConnectionError, boto.HTTPClientError, *broken_off)):
        hint = "Check the network, export.region and AWS_ENDPOINT_URL, and export again."
        return StorageUnavailable(f"{unreached} ({kind}).", state=_WHOLE, next_step=hint)
    what = f"{uri} can't be used ({kind}): {shown(without_secrets(str(error), ()))}"
    return ConfigError(what, state=KEPT, next_step="Check export.uri and the AWS settings.")
