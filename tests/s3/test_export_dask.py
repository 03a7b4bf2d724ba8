"""Folders of parts made by a Dask cluster, of a real scheduler and two worker processes: what comes of it."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from children import Program
from crawled_ledger import crawl, crawled_ledger, in_order
from dask_kit import PARQUET, HeldPostgresReader, HeldReader, Kind, attempts, files, go, on, published
from faulty_s3 import FaultyS3
from forks import ForkedProcess
from postgres_server import PostgresServer
from s3_kit import on_both
from waiting import LIMIT_SECONDS, wait_until

from harvester import app
from harvester.app import Harvester
from harvester.config import ExportSettings, isolated_config
from harvester.errors import ClusterUnavailable, ConfigError, HarvesterError, LedgerDamaged, LedgerUnavailable
from harvester.export import OnDask
from harvester.export.cut_parts import Cutter
from harvester.export.dask import cluster as dask_cluster
from harvester.export.dask import part_maker
from harvester.export.formats.registry import FORMATS
from harvester.export.part_writer import PartOrder
from harvester.export.storage.local_parts_folder import LocalPlace
from harvester.export.storage.open import folder_at
from harvester.export.storage.s3_multipart_upload import MIB
from harvester.ledger.copy import copy
from harvester.ledger.ledger import Ledger
from harvester.ledger.postgres.reader import PostgresReader
from harvester.ledger.postgres.transaction_runner import PostgresTransactionRunner
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.model import EVERYTHING
from harvester.simulator import make_ids
from harvester.support.progress_callback import Advance

if TYPE_CHECKING:
    from conftest import S3

HALVED = ("jsonl", "none", 200_000)
KINDS = [PARQUET, HALVED, ("json", "none", 400_000)]


def test_a_cluster_changes_nothing_for_the_programs_of_other_tests(cluster: str, harvester: Program) -> None:
    assert isinstance(harvester.start("--version").process, ForkedProcess)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
def test_it_is_byte_for_byte_what_one_machine_writes(cluster: str, ledger: Path, tmp_path: Path, kind: Kind) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder in (alone, together):
        folder.mkdir()
    go(ledger, str(alone / "songs"), kind)
    seen: list[Advance] = []
    manifest = go(ledger, str(together / "songs"), kind, on(cluster, ledger), seen.append)
    assert files(together) == files(alone)
    parts = len(manifest.parts or ())
    assert parts > 3
    done = [advance.done for advance in seen]
    assert done == sorted(done)
    # A worker may have said all of a part's videos before it ended, so that those do not grow with each.
    assert {advance.note.split()[0] for advance in seen} >= {str(number) for number in range(1, parts + 1)}
    assert (done[-1], seen[-1].total, seen[-1].bytes) == (manifest.videos, manifest.videos, manifest.bytes)
    if kind == HALVED:
        with SqliteReader(ledger) as reader:
            assert parts > len(list(Cutter(reader, FORMATS["jsonl", "none"], kind[2]).spans()))


def test_parts_workers_and_how_far_a_part_is_are_seen(
    cluster: str, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_maker, "LOOK_SECONDS", 0.001)
    held = tmp_path / "held"
    held.mkdir()
    seen: list[Advance] = []
    maker = OnDask(cluster, partial(HeldReader, held, ledger, after=1))
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(go, ledger, str(tmp_path / "songs"), ("jsonl", "none", 10 << 20), maker, seen.append)
        wait_until(lambda: seen and seen[-1].done)
        assert seen[-1].note == "0 of 1 part, 2 workers"
        (held / "go").touch()
        manifest = exporting.result(LIMIT_SECONDS)
    assert 0 < min(advance.done for advance in seen if advance.done) < manifest.videos
    assert (seen[-1].done, seen[-1].note) == (manifest.videos, "1 of 1 part, 2 workers")


@on_both
def test_workers_send_to_s3_by_their_own_account(
    s3: S3, workers_s3: FaultyS3, cluster: str, ledger: Path, alone: dict[str, bytes]
) -> None:
    go(ledger, f"s3://{s3.bucket}/deep/songs", PARQUET, on(cluster, ledger))
    assert published(s3, "deep/") == alone
    assert s3.uploads() == []
    assert workers_s3.asked == ["part"] * (len(alone) - 1)


def test_no_credential_is_in_what_travels(s3: S3) -> None:
    with folder_at(f"s3://{s3.bucket}/songs", ExportSettings(region="eu-west-3")).draft() as draft:
        place = draft.place("part-000000000001.json", content_type="application/json")
        travels = pickle.dumps(PartOrder("part", "json", "none", EVERYTHING, "", 100, place))
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
        draft.commit(b"{}", ["part-000000000001.json"])
    assert s3.content("songs/part-000000000001.json") == b"".join(chunks)
    assert s3.uploads() == []


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    started = PostgresServer()
    yield started
    started.remove()


def test_beside_a_run_at_a_server_all_parts_are_of_one_moment(
    cluster: str,
    ledger: Path,
    server: PostgresServer,
    tmp_path: Path,
    alone: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, folder, held = server.url(server.empty_database()), tmp_path / "songs", tmp_path / "held"
    copy(f"sqlite:///{ledger}", url)
    held.mkdir()
    monkeypatch.setattr(app, "open_reader", partial(HeldPostgresReader, held))
    export = {"uri": str(folder), "format": PARQUET[0], "max_part_bytes": PARQUET[2]}
    harvester = Harvester(isolated_config({"ledger": {"url": url}, "export": export}))
    ids = list(make_ids(1, 400))
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(harvester.export, dask=cluster)
        wait_until(lambda: len(attempts(held)) == 2)
        asyncio.run(crawl(Ledger(PostgresTransactionRunner(url)), ids[300:], [range(301, 401)], missing_share=0.0))
        (held / "go").touch()
        counts = exporting.result(LIMIT_SECONDS).counts
    assert files(folder) == {name.removeprefix("songs/"): alone[name] for name in alone if name.startswith("songs/")}
    with PostgresReader(url) as now:
        assert (counts["total"], now.progress().total) == (300, 400)
        name = now.share()
    with pytest.raises(LedgerUnavailable, match="does not have the snapshot that is exported"):
        PostgresReader(url, name)


def test_a_part_that_fails_ends_it_and_what_was_there_stays(
    cluster: str, ledger: Path, tmp_path: Path, alone: dict[str, bytes]
) -> None:
    damaged, folder = tmp_path / "damaged.db", tmp_path / "alone"
    with sqlite3.connect(ledger) as source, sqlite3.connect(damaged) as copied:
        source.backup(copied)
        copied.execute(
            "UPDATE responses SET sha256 = zeroblob(32) WHERE call_id = (SELECT max(call_id) FROM responses)"
        )
    for connection in (source, copied):
        connection.close()
    with pytest.raises(LedgerDamaged, match=r"On the Dask worker tcp://127\.0\.0\.1:\d+: The stored body of call \d+"):
        go(damaged, str(folder / "songs"), ("json", "none", 300_000), on(cluster, damaged))
    assert files(folder) == alone


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
            LocalPlace(tmp_path / "songs", tmp_path / ".songs.draft", 1, "part").write([b"x"], expected_bytes=1)

    def test_libraries_that_would_write_other_bytes(
        self, cluster: str, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there = dict(part_maker.tools())
        monkeypatch.setattr(part_maker, "tools", lambda: tuple((there | {"pyarrow": "1.0"}).items()))
        with pytest.raises(ConfigError, match=rf"pyarrow is {there['pyarrow']} here and 1\.0 where") as caught:
            go(ledger, str(tmp_path / "songs"), PARQUET, on(cluster, ledger))
        assert "youtube-harvester[dask]" in caught.value.next_step

    def test_a_scheduler_that_knows_no_such_harvester(self, cluster: str, ledger: Path, tmp_path: Path) -> None:
        class Unknown:
            def __reduce__(self) -> tuple[object, ...]:
                return import_module, ("harvester_of_tomorrow",)

        with pytest.raises(ConfigError, match="it has no harvester, or another one") as caught:
            go(ledger, str(tmp_path / "songs"), PARQUET, OnDask(cluster, Unknown()))  # type: ignore[arg-type]
        assert "youtube-harvester[dask]" in caught.value.next_step

    def test_no_scheduler(self, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dask_cluster, "ANSWER_SECONDS", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for port in (1, silent.getsockname()[1]):
                with pytest.raises(ClusterUnavailable, match=f"No Dask scheduler answers at tcp://127.0.0.1:{port}"):
                    go(ledger, str(tmp_path / "songs"), PARQUET, on(f"tcp://127.0.0.1:{port}", ledger))
        with pytest.raises(ConfigError, match="is no address of a Dask scheduler"):
            go(ledger, str(tmp_path / "songs"), PARQUET, on("http//x", ledger))
        assert list(tmp_path.iterdir()) == []

    def test_no_dask(self, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(ConfigError, match="needs what is not installed") as caught:
            go(ledger, str(tmp_path / "songs"), PARQUET, on("local", ledger))
        assert "youtube-harvester[dask]" in caught.value.next_step
