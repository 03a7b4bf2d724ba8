"""A bucket to test against: moto's server as a process of its own, one for each pytest worker."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Port 0, and 127.0.0.1 because moto listens on every interface unless told. It ends with its standard input,
# so a test run that is killed leaves no server behind.
SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "not-a-secret-only-a-test"
REGION: Final = "eu-west-3"
UNWANTED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3")


@dataclass(frozen=True, slots=True)
class S3:
    """An empty bucket of the test's own; the environment already leads boto3 and s3fs to it."""

    endpoint: str
    bucket: str
    client: S3Client


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server, as in `http://127.0.0.1:43210`."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port, "moto's server did not start"
        yield f"http://127.0.0.1:{port}"
        server.kill()


@pytest.fixture(scope="session")
def s3_client(s3_server: str) -> Iterator[S3Client]:
    """A client of that server; one for all tests, because making one takes long."""
    import boto3

    client = boto3.session.Session(KEY, SECRET, region_name=REGION).client("s3", endpoint_url=s3_server)
    yield client
    client.close()


@pytest.fixture
def s3(
    s3_server: str, s3_client: S3Client, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> S3:
    """A fresh bucket, with the environment set so that only this server can be reached as S3."""
    for name in UNWANTED:
        monkeypatch.delenv(name, raising=False)
    nowhere = tmp_path_factory.mktemp("no-aws")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    bucket = f"test-{uuid.uuid4().hex}"
    s3_client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3(endpoint=s3_server, bucket=bucket, client=s3_client)
