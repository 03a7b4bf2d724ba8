"""What the settings say of S3 reaches the server, by single requests and multipart uploads alike. And checksums."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faulty_s3 import FaultyS3, Request, refuse
from memory_reader import MemoryReader
from s3_kit import KEY, LEAST_PART, PART, findings, go, large_reader, on_both, pair, parts, small_reader, target
from waiting import LIMIT_SECONDS

from harvester._version import __version__
from harvester.config import ExportSettings, load_config
from harvester.errors import ConfigError, CredentialsError, StorageUnavailable
from harvester.export import check_published
from harvester.export.storage import s3_client
from harvester.export.storage.s3_multipart_upload import MAX_PARTS, MIB, PART_BYTES, part_size

if TYPE_CHECKING:
    from conftest import S3

KMS_KEY = "arn:aws:kms:eu-west-3:123456789012:key/12345678-1234-1234-1234-123456789012"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
at_every_size = pytest.mark.parametrize("size", ["put", "multipart", "folder"])


@pytest.fixture(autouse=True)
def small_parts_and_short_waits(small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "_ATTEMPTS", 2)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)


def published(s3: S3, size: str, **settings: Any) -> dict[str, Any]:
    """What the server says of what was published so; of the first part of a folder."""
    if size == "folder":
        go(s3, small_reader(), "deep/songs", max_part_bytes=40, **settings)
        return head(s3, parts(s3, "deep/songs")[0])
    go(s3, large_reader(1) if size == "multipart" else small_reader(), **settings)
    return head(s3, KEY)


def head(s3: S3, key: str, **options: Any) -> dict[str, Any]:
    return dict(s3.client.head_object(Bucket=s3.bucket, Key=key, **options))


def metadata(found: dict[str, Any]) -> dict[str, str]:
    """rclone capitalises their names."""
    return {name.lower(): value for name, value in found["Metadata"].items()}


def grantees(s3: S3, key: str) -> set[str | None]:
    grants = s3.client.get_object_acl(Bucket=s3.bucket, Key=key)["Grants"]
    return {grant["Grantee"].get("URI") for grant in grants}


@on_both
@at_every_size
def test_metadata_lead_to_the_manifest_and_the_version(s3: S3, size: str) -> None:
    name = "songs" if size == "folder" else "songs.json"
    assert metadata(published(s3, size)) == {
        "harvester-manifest": f"{name}.manifest.json",
        "harvester-version": __version__,
    }
    assert head(s3, f"deep/{name}.manifest.json")["Metadata"] == {}


@on_both
def test_metadata_are_ascii_whatever_the_name(s3: S3) -> None:
    go(s3, small_reader(), "é à/chansons ñ.json")
    assert metadata(head(s3, "é à/chansons ñ.json"))["harvester-manifest"] == "chansons%20%C3%B1.json.manifest.json"
    assert findings(s3, small_reader(), "é à/chansons ñ.json") == []


@at_every_size
def test_encryption_under_a_key_of_ones_own(s3: S3, size: str) -> None:
    found = published(s3, size, encryption="aws:kms", kms_key_id=KMS_KEY)
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)
    beside = head(s3, ("deep/songs" if size == "folder" else KEY) + ".manifest.json")
    assert (beside["ServerSideEncryption"], beside["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
@at_every_size
def test_encryption(s3: S3, size: str, encryption: str) -> None:
    assert published(s3, size, encryption=encryption)["ServerSideEncryption"] == encryption


@at_every_size
def test_storage_class(s3: S3, size: str) -> None:
    assert published(s3, size, storage_class="STANDARD_IA")["StorageClass"] == "STANDARD_IA"


def test_a_storage_class_that_is_none_names_the_setting(s3: S3) -> None:
    with pytest.raises(ConfigError, match="InvalidStorageClass") as caught:
        go(s3, small_reader(), storage_class="CHEAP")
    assert "export.storage_class" in caught.value.next_step
    assert caught.value.exit_code == 3


@at_every_size
def test_acl(s3: S3, size: str) -> None:
    published(s3, size, acl="authenticated-read")
    key = parts(s3, "deep/songs")[0] if size == "folder" else KEY
    assert AUTHENTICATED in grantees(s3, key)


def test_unasked_nothing_of_it_is_sent(s3: S3, faulty: FaultyS3) -> None:
    """A bucket's own defaults hold, and a bucket whose ACLs are switched off refuses none."""
    seen: list[set[str]] = []
    for operation in ("put", "create"):
        faulty.on(operation, noting(seen))
    published(s3, "multipart")
    published(s3, "put")
    sent = set().union(*seen)
    assert "x-amz-meta-harvester-version" in sent
    assert not sent & {"x-amz-acl", "x-amz-server-side-encryption", "x-amz-storage-class"}


def noting(seen: list[set[str]]) -> Any:
    def act(request: Request) -> None:
        seen.append({name.lower() for name in request.headers})
        request.forward()

    return act


@on_both
@pytest.mark.parametrize(
    ("form", "compression", "content_type"),
    [
        ("json", "none", "application/json"),
        ("json", "gzip", "application/gzip"),
        ("json", "zstd", "application/zstd"),
        ("jsonl", "none", "application/x-ndjson"),
        ("jsonl", "gzip", "application/gzip"),
        ("jsonl", "zstd", "application/zstd"),
        ("parquet", "none", "application/vnd.apache.parquet"),
    ],
)
def test_content_types(s3: S3, form: str, compression: str, content_type: str) -> None:
    go(s3, small_reader(), "songs", format=form, compression=compression)
    found = head(s3, "songs")
    assert found["ContentType"] == content_type
    assert not found.get("ContentEncoding")
    assert head(s3, "songs.manifest.json")["ContentType"] == "application/json"
    assert findings(s3, small_reader(), "songs") == []


def test_the_region_is_what_requests_are_signed_for(s3: S3, faulty: FaultyS3) -> None:
    signed: list[str] = []

    def note(request: Request) -> None:
        signed.append(request.headers["Authorization"].split("/")[2])
        request.forward()

    faulty.on("put", note)
    go(s3, small_reader(), region="ap-south-1")
    assert set(signed) == {"ap-south-1"}


class TestChecksums:
    def test_the_object_is_stored_with_one(self, s3: S3) -> None:
        assert published(s3, "multipart")["ETag"].endswith('-3"')
        assert head(s3, KEY, ChecksumMode="ENABLED")["ChecksumCRC32"]

    @on_both
    @pytest.mark.parametrize("operation", ["part", "put"])
    def test_they_are_sent(self, s3: S3, faulty: FaultyS3, operation: str) -> None:
        seen: list[set[str]] = []
        faulty.on(operation, noting(seen))
        published(s3, "put" if operation == "put" else "multipart")
        assert seen
        assert all("x-amz-checksum-crc32" in names for names in seen)

    def test_a_part_that_was_stored_as_something_else_is_not_published(self, s3: S3, faulty: FaultyS3) -> None:
        go(s3, small_reader())
        before = pair(s3)
        faulty.on("part", wrong_answer, number=2)
        with pytest.raises(StorageUnavailable, match="stored something else than was sent") as caught:
            go(s3, large_reader(1))
        assert caught.value.exit_code == 4
        assert pair(s3) == before
        assert s3.uploads() == []

    def test_in_a_folder_too(self, s3: S3, faulty: FaultyS3) -> None:
        faulty.on("part", wrong_answer)
        with pytest.raises(StorageUnavailable, match="stored something else than was sent"):
            go(s3, small_reader(), "deep/songs", max_part_bytes=40)
        assert "Contents" not in s3.client.list_objects_v2(Bucket=s3.bucket)
        assert s3.uploads() == []


def wrong_answer(request: Request) -> None:
    """The server says that it stored something else."""
    status, headers, body = request.ask()
    kept = {name: value for name, value in headers if name.lower() != "x-amz-checksum-crc32"}
    request.answer(status, kept | {"x-amz-checksum-crc32": "AAAAAA=="}, body)


class TestAccounts:
    @on_both
    @pytest.mark.parametrize("place", ["credentials", "config"])
    def test_a_profile_of_the_usual_files(self, s3: S3, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        with pytest.raises(CredentialsError):
            go(s3, small_reader())
        variable = {"credentials": "AWS_SHARED_CREDENTIALS_FILE", "config": "AWS_CONFIG_FILE"}[place]
        heading = {"credentials": "exporter", "config": "profile exporter"}[place]
        text = f"[{heading}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        Path(os.environ[variable]).write_text(text, encoding="ascii")
        monkeypatch.setenv("AWS_PROFILE", "exporter")
        go(s3, small_reader())
        assert findings(s3, small_reader()) == []

    def test_a_profile_that_is_not_there(self, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(ConfigError, match="nobody") as caught:
            go(s3, small_reader())
        assert caught.value.exit_code == 3

    def test_who_may_not_read_back(self, s3: S3, faulty: FaultyS3) -> None:
        go(s3, small_reader())
        faulty.on("get", refuse(403, "AccessDenied"))
        with pytest.raises(CredentialsError) as caught:
            check_published(f"s3://{s3.bucket}/{KEY}", MemoryReader([]), ExportSettings())  # type: ignore[arg-type]
        assert "s3:GetObject" in caught.value.next_step


class Together:
    """Lets requests pass once so many are there at the same time."""

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number)
        self.met = 0

    def __call__(self, request: Request) -> None:
        request.body()
        self._barrier.wait(LIMIT_SECONDS)
        self.met += 1
        request.forward()


@on_both
def test_parts_are_sent_several_at_once(s3: S3, faulty: FaultyS3) -> None:
    together = Together(4)
    faulty.on("part", together, times=4)
    chunks = (bytes([number]) * PART for number in range(6))
    target(s3).publish(chunks, content_type="application/json")
    assert together.met == 4
    assert len(s3.content("songs.json")) == 6 * PART


@pytest.mark.parametrize(
    "expected", [0, 1, 5 * MIB, 80_000 * MIB, 3_000_000_000, 10**12, 5 * 2**40 * 2 // 3], ids=lambda n: f"{n:,}"
)
def test_half_as_much_again_as_expected_fits_ten_thousand_parts(expected: int) -> None:
    size = part_size(expected)
    assert size * MAX_PARTS >= expected * 3 // 2
    assert LEAST_PART <= PART_BYTES <= size <= 5 * 2**30
    assert size % MIB == 0
    assert size == PART_BYTES or (size - MIB) * MAX_PARTS < expected * 3 / 2


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('kms_key_id = "k"', "export.kms_key_id"),
        ('kms_key_id = "k"\nencryption = "AES256"', "export.kms_key_id"),
        ('format = "parquet"\ncompression = "gzip"', "export.compression"),
        ('encryption = "rot13"', "export.encryption"),
        ("max_part_bytes = 0", "export.max_part_bytes"),
        ('max_part_bytes = "5 GB"', "export.max_part_bytes"),
        ('acl = "everybody"', "export.acl"),
        ("storage_class = 1", "export.storage_class"),
        ('compression = "lzma"', "export.compression"),
        ("part_bytes = 5", "export.part_bytes"),
    ],
)
def test_settings_that_contradict_each_other_or_are_none(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "config.toml").write_text(f"[export]\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.toml")
    assert key in str(caught.value)
    assert caught.value.exit_code == 3
