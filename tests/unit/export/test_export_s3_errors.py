"""What S3 may answer, and how a stream becomes parts: no network needed."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from harvester.config import ExportSettings
from harvester.errors import ConfigError, CredentialsError, HarvesterError, LedgerDamaged, StorageUnavailable
from harvester.export.storage.open import target_at
from harvester.export.storage.s3 import S3Target
from harvester.export.storage.s3_errors import explained
from harvester.export.storage.s3_multipart_upload import MAX_PARTS, MIB, PART_BYTES, part_size, rechunk

URI = "s3://bucket/songs.json"


def refusal(code: str, status: int) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": "AKIASECRET"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "PutObject")  # type: ignore[arg-type]


def explain(error: Exception) -> HarvesterError:
    with pytest.raises(HarvesterError) as caught, explained(URI):
        raise error
    # With -v the causes are shown, and botocore's texts may hold secrets.
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, CredentialsError),
        ("InvalidAccessKeyId", 403, CredentialsError),
        ("SignatureDoesNotMatch", 403, CredentialsError),
        ("ExpiredToken", 400, CredentialsError),
        ("RequestTimeTooSkewed", 403, CredentialsError),
        ("SomethingNew", 403, CredentialsError),
        ("NoSuchBucket", 404, ConfigError),
        ("PermanentRedirect", 301, ConfigError),
        ("AccessControlListNotSupported", 400, ConfigError),
        ("SomethingNew", 400, ConfigError),
        ("InternalError", 500, StorageUnavailable),
        ("SlowDown", 503, StorageUnavailable),
        ("RequestTimeout", 400, StorageUnavailable),
        ("NoSuchUpload", 404, StorageUnavailable),
        ("SomethingNew", 502, StorageUnavailable),
    ],
)
def test_a_refusal_says_what_to_do(code: str, status: int, kind: type[HarvesterError]) -> None:
    error = explain(refusal(code, status))
    assert type(error) is kind
    assert error.exit_code == (4 if kind is StorageUnavailable else 3)
    assert code in error.what
    assert URI in error.what
    assert error.next_step
    assert "AKIASECRET" not in str(error)


def test_an_export_that_was_overtaken_is_told_so() -> None:
    assert "newer export" in explain(refusal("NoSuchUpload", 404)).next_step


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.NoCredentialsError(), CredentialsError),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), CredentialsError),
        (boto.CredentialRetrievalError(provider="process", error_msg="x"), CredentialsError),
        (boto.SSOTokenLoadError(error_msg="x"), CredentialsError),
        (boto.ProfileNotFound(profile="other"), ConfigError),
        (boto.ParamValidationError(report="Invalid bucket name"), ConfigError),
        (boto.EndpointConnectionError(endpoint_url="http://me:word@host"), StorageUnavailable),
        (boto.ConnectTimeoutError(endpoint_url="http://me:word@host"), StorageUnavailable),
        (boto.ReadTimeoutError(endpoint_url="http://me:word@host"), StorageUnavailable),
        (boto.ConnectionClosedError(endpoint_url="http://me:word@host"), StorageUnavailable),
        (boto.SSLError(endpoint_url="http://me:word@host", error="x"), StorageUnavailable),
        (boto.ProxyConnectionError(proxy_url="http://me:word@host"), StorageUnavailable),
        (boto.HTTPClientError(error=ValueError("Invalid header value b'password'")), StorageUnavailable),
        (boto.ConfigParseError(path="/nowhere", error="x"), ConfigError),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), StorageUnavailable),
    ],
)
def test_a_failure_on_the_way_says_what_to_do(error: BotoCoreError, kind: type[HarvesterError]) -> None:
    explanation = explain(error)
    assert type(explanation) is kind
    assert explanation.next_step
    assert "word" not in str(explanation)


@pytest.mark.parametrize("error", [LedgerDamaged("call 7"), KeyboardInterrupt(), OSError(28, "full")])
def test_what_is_not_s3s_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, explained(URI):
        raise error
    assert caught.value is error


def test_an_s3_address_is_a_bucket_and_a_key() -> None:
    target = target_at("s3://bucket/folder/songs.json", ExportSettings(region="eu-west-3", acl="public-read"))
    assert isinstance(target, S3Target)
    assert (target.bucket, target.key, target.name) == ("bucket", "folder/songs.json", "songs.json")
    assert target_at("S3://bucket/folder/songs.json", ExportSettings()).uri == target.uri
    assert target.options.metadata["harvester-manifest"] == "songs.json.manifest.json"
    beside = target.beside(".manifest.json")
    assert beside.uri == "s3://bucket/folder/songs.json.manifest.json"
    assert (beside.options.region, beside.options.acl) == ("eu-west-3", "public-read")


@pytest.mark.parametrize("chunks", [[], [b""], [b"abc"], [b"abcd"], [b"abcde", b"", b"f"], [b"abcdefghijkl"]])
def test_parts_are_of_one_size_but_the_last(chunks: list[bytes]) -> None:
    parts = list(rechunk(chunks, 4))
    assert b"".join(parts) == b"".join(chunks)
    assert all(len(part) == 4 for part in parts[:-1])
    assert len(parts[-1]) <= 4
    assert parts[-1] or len(parts) == 1


@pytest.mark.parametrize("expected", [0, 1, 2_500_000_000, 80 << 30, 1 << 40, 5 << 40])
def test_ten_thousand_parts_hold_half_as_much_again_as_expected(expected: int) -> None:
    size = part_size(expected)
    assert size * MAX_PARTS >= expected * 3 // 2
    assert size >= PART_BYTES
    assert size % MIB == 0


def test_an_ordinary_export_uses_small_parts() -> None:
    assert part_size(50 << 30) == PART_BYTES
