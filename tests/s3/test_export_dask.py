"""Folders of parts made by a Dask cluster: a real scheduler and two worker processes, one of which may be killed."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from children import Program, wait_until
from crawled_ledger import NOW, crawled_ledger, in_order, scattered
from dask_kit import HeldBooks, attempts
from distributed import LocalCluster

from harvester.config import ExportSettings
from harvester.errors import ClusterUnavailable, ConfigError, HarvesterError, LedgerDamaged, LedgerUnavailable
from harvester.export import Manifest, OnDask, export, on_dask
from harvester.export.formats import FORMATS
from harvester.export.local_folder import LocalPlace
from harvester.export.making import Maker, Order, make_here
from harvester.export.parts import survey
from harvester.export.s3_upload import MIB
from harvester.export.storage import folder_at
from harvester.ledger.books import SqliteBooks
from harvester.model import EVERYTHING
from harvester.watch import Advance, Watch, nobody

if TYPE_CHECKING:
    from conftest import S3

VIDEOS = 400
KINDS = [("parquet", "none", 150_000), ("jsonl", "gzip", 60_000), ("json", "none", 500_000)]
PARQUET = KINDS[0]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its neighbours in the load order came by calls far apart, so that figures mislead and parts have to be halved."""
    path = tmp_path_factory.mktemp("ledger") / "harvest.db"
    crawled_ledger(path, VIDEOS, scattered(VIDEOS))
    return path


@pytest.fixture(scope="module")
def cluster(moto_account: dict[str, str]) -> Iterator[str]:
    """Its address. The workers have an account of their own."""
    with LocalCluster(
        2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", env=moto_account
    ) as running:
        yield running.scheduler_address


def go(ledger: Path, uri: str, kind: tuple[str, str, int], maker: Maker = make_here, watch: Watch = nobody) -> Manifest:
    chosen: dict[str, Any] = dict(zip(("format", "compression", "max_part_bytes"), kind, strict=True))
    settings = ExportSettings(uri=uri, region="eu-west-3", **chosen)
    with SqliteBooks(ledger) as books:
        return export(books, settings, ledger_name="l", now=NOW, maker=maker, watch=watch)


def files(folder: Path) -> dict[str, bytes]:
    """Hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def on(cluster: str, ledger: Path) -> OnDask:
    return OnDask(cluster, partial(SqliteBooks, ledger))


@pytest.fixture
def alone(ledger: Path, tmp_path: Path) -> dict[str, bytes]:
    """What this process makes of it by itself: parts and manifest."""
    (tmp_path / "alone").mkdir()
    go(ledger, str(tmp_path / "alone" / "songs"), PARQUET)
    return files(tmp_path / "alone")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
def test_it_is_byte_for_byte_what_one_machine_writes(
    cluster: str, ledger: Path, tmp_path: Path, kind: tuple[str, str, int]
) -> None:
    for name in ("alone", "together"):
        (tmp_path / name).mkdir()
    go(ledger, str(tmp_path / "alone" / "songs"), kind)
    seen: list[Advance] = []
    manifest = go(ledger, str(tmp_path / "together" / "songs"), kind, on(cluster, ledger), seen.append)
    assert files(tmp_path / "together") == files(tmp_path / "alone")
    assert len(manifest.parts or ()) > 3
    done = [advance.done for advance in seen]
    assert done == sorted(done)
    assert len(set(done)) == len(manifest.parts or ())
    assert (done[-1], seen[-1].total, seen[-1].bytes) == (manifest.videos, manifest.videos, manifest.bytes)


def test_parts_that_come_out_too_large_are_halved_there_too(cluster: str, ledger: Path, tmp_path: Path) -> None:
    kind = ("jsonl", "none", 50_000)
    for name, maker in (("alone", make_here), ("together", on(cluster, ledger))):
        (tmp_path / name).mkdir()
        manifest = go(ledger, str(tmp_path / name / "songs"), kind, maker)
    with SqliteBooks(ledger) as books:
        assert len(manifest.parts or ()) > len(survey(books, FORMATS["jsonl", "none"], 50_000).spans)
    assert files(tmp_path / "together") == files(tmp_path / "alone")


def test_workers_send_to_s3_by_their_own_credentials(
    s3: S3, cluster: str, ledger: Path, alone: dict[str, bytes]
) -> None:
    go(ledger, f"s3://{s3.bucket}/deep/songs", PARQUET, on(cluster, ledger))
    listed = s3.client.list_objects_v2(Bucket=s3.bucket)["Contents"]
    there = {entry["Key"].removeprefix("deep/"): s3.content(entry["Key"]) for entry in listed}
    assert there == alone
    assert s3.uploads() == []


def test_no_credential_is_in_what_travels(s3: S3) -> None:
    with folder_at(f"s3://{s3.bucket}/songs", ExportSettings(region="eu-west-3")).draft() as draft:
        place = draft.place("part-000000000001.json", content_type="application/json")
        travels = pickle.dumps(Order("json", "none", EVERYTHING, 100, place))
    assert s3.bucket.encode() in travels
    account = [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")]
    assert not [secret for secret in account if secret.encode() in travels]


def test_a_part_that_is_sent_twice_is_the_same_part(s3: S3) -> None:
    chunks = [bytes([number]) * MIB for number in range(13)]
    with folder_at(f"s3://{s3.bucket}/songs", ExportSettings(region="eu-west-3")).draft() as draft:
        place = pickle.dumps(draft.place("part-000000000001.json", content_type="application/json"))
        for _ in range(2):
            written = pickle.loads(place).write(chunks, expected_bytes=0)
        draft.keep("part-000000000001.json", written)
        draft.commit()
    assert s3.content("songs/part-000000000001.json") == b"".join(chunks)
    assert s3.uploads() == []


def test_a_worker_that_is_killed_is_made_up_for(
    cluster: str, ledger: Path, tmp_path: Path, alone: dict[str, bytes]
) -> None:
    held, together = tmp_path / "held", tmp_path / "together"
    held.mkdir()
    together.mkdir()
    maker = OnDask(cluster, partial(HeldBooks, ledger, held))
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(go, ledger, str(together / "songs"), PARQUET, maker)
        wait_until(lambda: len(attempts(held)) == 2)
        assert not (together / "songs").exists()
        killed, first = attempts(held)[0]
        os.kill(killed, signal.SIGKILL)
        (held / "go").touch()
        exporting.result(60)
    assert files(together) == alone
    assert {pid for pid, began in attempts(held) if began == first} > {killed}


def test_a_part_that_fails_ends_it_and_what_was_there_stays(
    cluster: str, ledger: Path, tmp_path: Path, alone: dict[str, bytes]
) -> None:
    damaged, folder = tmp_path / "damaged.db", tmp_path / "alone"
    with sqlite3.connect(ledger) as source, sqlite3.connect(damaged) as copy:
        source.backup(copy)
        copy.execute("UPDATE responses SET sha256 = zeroblob(32) WHERE call_id = (SELECT max(call_id) FROM responses)")
    for connection in (source, copy):
        connection.close()
    with pytest.raises(LedgerDamaged, match=r"On the Dask worker tcp://127\.0\.0\.1:\d+: The stored body of call \d+"):
        go(damaged, str(folder / "songs"), ("json", "none", 300_000), on(cluster, damaged))
    assert files(folder) == alone
    (folder / "songs.manifest.json").unlink()
    with pytest.raises(LedgerDamaged):
        go(damaged, str(folder / "songs"), ("json", "none", 300_000), on(cluster, damaged))
    assert not (folder / "songs.manifest.json").exists()


class TestWhatCannotWork:
    def test_a_ledger_that_workers_do_not_see(self, cluster: str, ledger: Path, tmp_path: Path) -> None:
        with pytest.raises(HarvesterError, match="cannot be opened") as caught:
            go(ledger, str(tmp_path / "songs"), PARQUET, on(cluster, tmp_path / "nowhere" / "harvest.db"))
        assert (caught.value.exit_code, "on a shared disk" in caught.value.next_step) == (3, True)
        assert list(tmp_path.iterdir()) == []

    def test_a_ledger_that_moved_on_or_is_another(self, cluster: str, ledger: Path, tmp_path: Path) -> None:
        crawled_ledger(tmp_path / "other.db", 100, in_order(100))
        with pytest.raises(LedgerUnavailable, match="not as it was when the export began"):
            go(ledger, str(tmp_path / "songs"), PARQUET, on(cluster, tmp_path / "other.db"))
        assert not list(tmp_path.glob("*songs*"))

    def test_a_folder_that_workers_do_not_see(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="can't be seen from this machine"):
            LocalPlace(tmp_path / "songs", tmp_path / ".songs.draft", "part").write([b"x"], expected_bytes=1)

    def test_libraries_that_would_write_other_bytes(
        self, cluster: str, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there = dict(on_dask._tools())
        monkeypatch.setattr(on_dask, "_tools", lambda: tuple((there | {"pyarrow": "1.0"}).items()))
        with pytest.raises(ConfigError, match=rf"pyarrow is {there['pyarrow']} here and 1\.0 where") as caught:
            go(ledger, str(tmp_path / "songs"), PARQUET, on(cluster, ledger))
        assert "harvester[dask]" in caught.value.next_step

    def test_no_scheduler(self, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(on_dask, "_CONNECT_SECONDS", 0.3)
        with pytest.raises(ClusterUnavailable, match="There is no Dask scheduler at tcp://127"):
            go(ledger, str(tmp_path / "songs"), PARQUET, on("tcp://127.0.0.1:1", ledger))
        with pytest.raises(ConfigError, match="is no address of a Dask scheduler"):
            go(ledger, str(tmp_path / "songs"), PARQUET, on("http//x", ledger))
        assert list(tmp_path.iterdir()) == []

    def test_no_dask(self, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(ConfigError, match="needs what is not installed") as caught:
            go(ledger, str(tmp_path / "songs"), PARQUET, on("local", ledger))
        assert "harvester[dask]" in caught.value.next_step


def test_the_command_on_a_cluster_of_its_own(harvester: Program) -> None:
    crawled_ledger(harvester.folder / "harvest.db", 300, in_order(300))
    refused = harvester.run("export", "songs.jsonl", "--format", "jsonl", "--dask", "local")
    assert (refused.returncode, "Add --max-part-bytes" in refused.stderr) == (3, True)
    parts = ("--format", "jsonl", "--max-part-bytes", "300000")
    for arguments in (["alone", *parts], ["together", *parts, "--dask", "local"]):
        done = harvester.run("export", *arguments)
        assert done.returncode == 0, done.stderr
    assert [line.split()[1:2] for line in done.stderr.splitlines()] == [["INFO"]], done.stderr
    alone, together = (files(harvester.folder / name) for name in ("alone", "together"))
    assert together == alone
    assert len(alone) > 3
