"""A bucket to test against, on two implementations: moto's server and `rclone serve s3`, processes of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
from children import ForkedSimulator, Program
from crawled_ledger import crawled_ledger, scattered
from dask_kit import PARQUET, files, go
from faulty_s3 import FaultyS3
from s3_kit import PART
from waiting import wait_until

from harvester.export.storage import s3_client
from harvester.export.storage.s3 import S3Target
from harvester.simulator import SimulatorSettings, make_ids

if TYPE_CHECKING:
    from distributed import LocalCluster
    from types_boto3_s3 import S3Client

# Port 0, and 127.0.0.1 because moto listens on every interface unless told. It ends with its standard input,
# so a test run that is killed leaves no server behind. It accepts parts smaller than S3 does, and keeps all in memory.
# For each request it would look twice which services its package has.
MOTO = """
import os, sys
os.environ |= {"S3_UPLOAD_PART_MIN_SIZE": "1048576", "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "100000000"}
import moto.backends
from moto.server import ThreadedMotoServer
services = frozenset(moto.backends.list_of_moto_modules())
moto.backends.list_of_moto_modules = lambda: services
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://127.0.0.1:%d" % server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
# rclone does not watch its standard input, so this one does it for it. The address stands in its log.
RCLONE = """
import subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
sys.stdin.read()
server.terminate()
server.wait()
"""

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "not-a-secret-only-a-test"
REGION: Final = "eu-west-3"
ACCOUNT_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
UNWANTED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3")


@dataclass(frozen=True, slots=True)
class S3:
    """An empty bucket of the test's own; the environment already leads boto3 and s3fs to it."""

    endpoint: str
    bucket: str
    client: S3Client

    def content(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def uploads(self) -> list[str]:
        """The keys of all uploads that were begun and not ended."""
        try:
            listed = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        except self.client.exceptions.NoSuchUpload:
            return []  # rclone's word for a bucket that never saw one
        return [upload["Key"] for upload in listed]


@contextmanager
def _serving(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT
        )
    with server:
        yield server
        assert server.stdin is not None
        server.stdin.close()
        try:
            server.wait(5)  # pause: one that stays is killed
        except subprocess.TimeoutExpired:
            server.kill()


def _address_in(log: Path, server: subprocess.Popen[bytes]) -> str:
    def reported() -> str | None:
        assert server.poll() is None, f"the S3 server did not start: {log.read_text()}"
        found = re.search(r"http://127\.0\.0\.1:[1-9][0-9]*\b(?=[\s/\]])", log.read_text())
        return found[0] if found else None

    wait_until(reported)
    return str(reported())


@pytest.fixture(scope="session")
def moto_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("moto") / "log"
    with _serving(MOTO, log=log) as server:
        yield _address_in(log, server)


@pytest.fixture(scope="session")
def rclone_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "buckets").mkdir()
    program = Path(sys.executable).with_name("rclone")
    serve = [str(program), "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", f"{KEY},{SECRET}"]
    places = ["--config", str(folder / "rclone.conf"), "--cache-dir", str(folder / "cache"), str(folder / "buckets")]
    log = folder / "log"
    with _serving(RCLONE, *serve, *places, log=log) as server:
        yield _address_in(log, server)


@cache
def _loader(search_path: str | None = None) -> Any:
    from botocore.loaders import create_loader

    return create_loader(search_path)


class Clients:
    """S3 clients of this process, kept for the next who wants one in the same environment: making one takes long."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, S3Client] = {}
        self._close: list[Callable[[], None]] = []

    def of(self, key: Hashable, make: Callable[[], S3Client]) -> S3Client:
        if key not in self._kept:
            self._kept[key] = client = make()
            self._close.append(client.close)
            client.close = lambda: None  # type: ignore[method-assign]
        return self._kept[key]

    def of_program(
        self, region: str | None, ranges: bool, make: Callable[..., S3Client] = s3_client._client
    ) -> S3Client:
        """What the program asks for. An account's file may change while its path stays, so that it is read anew."""
        attempts = s3_client._ATTEMPTS
        if any(Path(os.environ[name]).exists() for name in ACCOUNT_FILES):
            return make(region, ranges)
        ours = {*ACCOUNT_FILES, "PYTEST_CURRENT_TEST"}
        environment = frozenset((name, value) for name, value in os.environ.items() if name not in ours)
        return self.of((region, ranges, attempts, environment), partial(make, region, ranges))

    def close(self) -> None:
        for close in self._close:
            close()


@pytest.fixture(scope="session")
def s3_clients() -> Iterator[Clients]:
    clients = Clients()
    yield clients
    clients.close()


@pytest.fixture
def s3(
    request: pytest.FixtureRequest,
    s3_clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> S3:
    """A fresh bucket, with the environment set so that only this server can be reached as S3.

    On moto's server, unless the test is marked with `on_both`.
    """
    import boto3

    # The models of AWS's services are read once and not for every client: half of a test's time.
    monkeypatch.setattr("botocore.session.create_loader", _loader)
    endpoint: str = request.getfixturevalue(f"{getattr(request, 'param', 'moto')}_address")
    for name in UNWANTED:
        monkeypatch.delenv(name, raising=False)
    nowhere = tmp_path_factory.mktemp("no-aws")
    for name in ACCOUNT_FILES:
        monkeypatch.setenv(name, str(nowhere / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(s3_client, "_client", s3_clients.of_program)
    session = boto3.session.Session
    client = s3_clients.of(
        endpoint, lambda: session(KEY, SECRET, region_name=REGION).client("s3", endpoint_url=endpoint)
    )
    bucket = f"test-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3(endpoint=endpoint, bucket=bucket, client=client)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process exports goes up in parts of that size, a twelfth of the usual."""
    monkeypatch.setitem(S3Target.__init__.__kwdefaults__, "part_bytes", PART)


@pytest.fixture
def faulty(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """A proxy before that server, which the environment leads to; `s3.client` goes past it."""
    with FaultyS3(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        yield proxy


@pytest.fixture(scope="session")
def harvested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose export has three parts: 5,000 videos of the simulated API."""
    folder = tmp_path_factory.mktemp("harvested")
    ids = "\n".join(make_ids(1, 5000))
    with ForkedSimulator(SimulatorSettings(seed=1)) as simulator:
        program = Program(folder)
        program.env |= {"HARVESTER_YOUTUBE__BASE_URL": simulator.base_url, "YOUTUBE_API_KEY": "key-of-the-simulator"}
        assert program.here("load", "-", stdin=f"song\n{ids}\n".encode()).returncode == 0
        assert program.here("run").returncode == 0
    return folder / "harvest.db"


@pytest.fixture
def crawled(harvester: Program, harvested: Path) -> Program:
    """The program in a folder with that ledger."""
    shutil.copy(harvested, harvester.folder / "harvest.db")
    return harvester


@pytest.fixture(scope="package")
def _front(moto_address: str) -> Iterator[FaultyS3]:
    with FaultyS3(moto_address) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def dask_cluster(_front: FaultyS3) -> Iterator[LocalCluster]:
    """Two workers. They have an account of their own, and know S3 by another address than the tests. Who is killed is
    started again."""
    import dask
    from distributed import LocalCluster

    account = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
    env = account | {"AWS_ENDPOINT_URL": _front.address, "NO_PROXY": "127.0.0.1"}
    # Who is started again need not import everything again.
    settings = {"distributed.worker.multiprocessing-method": "forkserver"}
    settings["distributed.deploy.lost-worker-timeout"] = "5 minutes"
    place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with dask.config.set(settings), LocalCluster(2, threads_per_worker=1, env=env, **place) as running:
        yield running


@pytest.fixture
def cluster(dask_cluster: LocalCluster) -> str:
    """The address of its scheduler, with both workers there."""
    wait_until(lambda: len(dask_cluster.scheduler.workers) == 2)
    address: str = dask_cluster.scheduler_address
    return address


@pytest.fixture
def workers_s3(s3: S3, _front: FaultyS3) -> Iterator[FaultyS3]:
    """The test's S3, as the workers of the cluster see it."""
    _front.upstream = urlsplit(s3.endpoint).netloc
    _front.asked.clear()
    yield _front
    _front.heal()


VIDEOS = 300


@pytest.fixture(scope="package")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its neighbours in the load order came by calls far apart, so that figures mislead and parts have to be halved."""
    path = tmp_path_factory.mktemp("ledger") / "harvest.db"
    crawled_ledger(path, VIDEOS, scattered(VIDEOS))
    return path


@pytest.fixture(scope="package")
def _alone(ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    go(ledger, str(folder / "songs"), PARQUET)
    return folder


@pytest.fixture
def alone(_alone: Path, tmp_path: Path) -> dict[str, bytes]:
    """What this process makes of that ledger by itself, parts and manifest. It lies in `tmp_path / "alone"` too."""
    shutil.copytree(_alone, tmp_path / "alone")
    return files(_alone)
