"""Exports on Dask whose workers, scheduler or own process are killed: what was there stays, nothing is left over."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from children import Program
from dask_kit import (
    PARQUET,
    HeldReader,
    attempts,
    files,
    give_one_processor,
    go,
    gone,
    on,
    published,
    scheduler_and_worker,
)
from faulty_s3 import FaultyS3, Hold, Request
from waiting import LIMIT_SECONDS, until, wait_until

from harvester.errors import ClusterUnavailable
from harvester.export import OnDask
from harvester.export.dask import part_maker
from harvester.export.part_writer import NextOrder, PartOrder, PartResult
from harvester.ledger.reader import LedgerReader
from harvester.support.progress_callback import ProgressCallback

if TYPE_CHECKING:
    from conftest import S3
    from distributed import LocalCluster, Nanny

PARTS = ("--format", PARQUET[0], "--max-part-bytes", str(PARQUET[2]))


class Caught(Hold):
    """A Hold that notes what was sent where."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def __call__(self, request: Request) -> None:
        self.paths.append(request.path.partition("?")[0])
        super().__call__(request)


@pytest.fixture
def held(tmp_path: Path) -> Path:
    folder = tmp_path / "held"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("s3", ["rclone"], indirect=True)
def test_a_worker_that_is_killed_in_mid_upload_is_made_up_for(
    s3: S3, workers_s3: FaultyS3, cluster: str, ledger: Path, held: Path, alone: dict[str, bytes]
) -> None:
    (held / "go").touch()
    sent = Caught()
    workers_s3.on("part", sent, times=1)
    maker = OnDask(cluster, partial(HeldReader, held, ledger))
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(go, ledger, f"s3://{s3.bucket}/songs", PARQUET, maker)
        wait_until(sent.arrived.is_set)
        part = int(sent.paths[0].partition("part-")[2][:12])
        (killed,) = (pid for pid, began in attempts(held) if began == part)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len([pid for pid, began in attempts(held) if began == part]) == 2)
        # What the dead one had sent arrives late.
        sent.release()
        exporting.result(LIMIT_SECONDS)
    assert published(s3) == alone
    assert s3.uploads() == []


def test_parts_whose_worker_dies_before_they_are_taken_in_are_made_anew(
    dask_cluster: LocalCluster, cluster: str, ledger: Path, tmp_path: Path, alone: dict[str, bytes]
) -> None:
    ready = on(cluster, ledger)

    def maker(
        reader: LedgerReader, next_order: NextOrder, watch: ProgressCallback
    ) -> Generator[tuple[PartOrder, PartResult | None], None, None]:
        results = ready(reader, next_order, watch)
        yield next(results)
        tasks = dask_cluster.scheduler.tasks
        wait_until(lambda: {task.state for task in tasks.values()} == {"memory"})
        holders = [next(iter(task.who_has)).nanny for task in tasks.values()]
        workers = {nanny.address: nanny.pid for nanny in dask_cluster.workers.values()}
        os.kill(workers[max(holders, key=holders.count)], signal.SIGKILL)
        yield from results

    (tmp_path / "together").mkdir()
    go(ledger, str(tmp_path / "together" / "songs"), PARQUET, maker)
    assert files(tmp_path / "together") == alone


def given_up(
    ledger: Path, uri: str, held: Path, cluster: str, workers: int, deed: Callable[[], object]
) -> ClusterUnavailable:
    """What an export ends with, where that is done while so many workers stay in the middle of a part."""
    maker = OnDask(cluster, partial(HeldReader, held, ledger))
    other_parts = (*PARQUET[:2], PARQUET[2] - 1)  # of which none stands there already
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(go, ledger, uri, other_parts, maker)
        wait_until(lambda: len(attempts(held)) == workers)
        deed()
        try:
            with pytest.raises(ClusterUnavailable) as caught:
                exporting.result(LIMIT_SECONDS)
        finally:
            (held / "go").touch()
    assert caught.value.exit_code == 4
    return caught.value


def kill(*processes: int) -> None:
    for process in processes:
        os.kill(process, signal.SIGKILL)


def test_a_part_that_kills_its_workers_is_given_up(
    dask_cluster: LocalCluster,
    cluster: str,
    ledger: Path,
    held: Path,
    tmp_path: Path,
    alone: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask_cluster.scheduler, "allowed_failures", 0)
    uri = str(tmp_path / "alone" / "songs")
    error = given_up(ledger, uri, held, cluster, 2, lambda: kill(attempts(held)[0][0]))
    assert error.what == "Dask gave up on a part: 1 worker died over it."
    assert files(tmp_path / "alone") == alone


def test_where_all_workers_are_gone_it_does_not_wait_for_ever(
    cluster: str, ledger: Path, held: Path, tmp_path: Path, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Nanny

    start = Nanny.instantiate
    over = threading.Event()

    async def start_later(nanny: Nanny) -> object:
        await until(over.is_set)
        return await start(nanny)

    monkeypatch.setattr(Nanny, "instantiate", start_later)
    monkeypatch.setattr(part_maker, "NO_WORKER_SECONDS", 0.5)
    monkeypatch.setattr(part_maker, "LOOK_SECONDS", 0.02)
    uri = str(tmp_path / "alone" / "songs")
    try:
        error = given_up(ledger, uri, held, cluster, 2, lambda: kill(*(pid for pid, _ in attempts(held))))
    finally:
        over.set()
    assert error.what.startswith("The Dask cluster has no worker, and had none for ")
    assert files(tmp_path / "alone") == alone


@pytest.mark.parametrize(
    ("number", "seconds", "what"),
    [
        (signal.SIGKILL, part_maker.ANSWER_SECONDS, "scheduler is gone"),
        (signal.SIGSTOP, 1.0, "scheduler has not answered for 1 s"),
    ],
)
def test_a_scheduler_that_is_gone_ends_it(
    s3: S3,
    ledger: Path,
    held: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    seconds: float,
    what: str,
) -> None:
    monkeypatch.setattr(part_maker, "ANSWER_SECONDS", seconds)
    uri = f"s3://{s3.bucket}/songs"
    go(ledger, uri, ("jsonl", "none", 10 << 20))
    there = published(s3)
    with scheduler_and_worker(tmp_path) as (address, scheduler, worker):
        error = given_up(ledger, uri, held, address, 1, lambda: scheduler.send_signal(number))
        assert what in error.what
        assert "as it was" in error.state
        assert s3.uploads() == []
        scheduler.kill()
        # What its worker still had in hand comes to nothing, and the worker to its end.
        wait_until(lambda: gone([worker]))
    assert s3.uploads() == []
    assert published(s3) == there


def test_a_scheduler_that_is_asked_when_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask tries for 30 seconds to connect again."""
    from distributed import Client

    monkeypatch.setattr(part_maker, "ANSWER_SECONDS", 0.5)
    with scheduler_and_worker(tmp_path) as (address, scheduler, _), Client(address, set_as_default=False) as client:
        scheduler.kill()
        wait_until(lambda: client.status == "connecting")
        with pytest.raises(ClusterUnavailable, match="scheduler is gone"):
            part_maker._workers_of(client)


def test_a_cluster_of_its_own_ends_with_the_command(
    s3: S3, faulty: FaultyS3, harvester: Program, ledger: Path, alone: dict[str, bytes]
) -> None:
    """By Ctrl-C, which a terminal sends to all processes of the group, and by kill -9, which is sent to one."""
    shutil.copy(ledger, harvester.folder / "harvest.db")
    sent = Caught()
    faulty.on("part", sent)
    children = {}
    for number, name in enumerate(("stopped", "killed")):
        child = harvester.start("export", f"s3://{s3.bucket}/{name}/songs", *PARTS, "--dask", "local")
        give_one_processor(child.process.pid, number)
        children[name] = child
    wait_until(lambda: {path.split("/")[2] for path in sent.paths} == children.keys())
    workers = {name: psutil.Process(child.process.pid).children(recursive=True) for name, child in children.items()}
    for worker in workers["stopped"]:
        # As systemd does to all processes of a service: the command ends them, in good order.
        worker.terminate()
    os.killpg(children["stopped"].process.pid, signal.SIGINT)
    children["killed"].kill()
    sent.release()
    assert children["stopped"].wait() == 130
    # It may have had to take back an upload, and says so first.
    assert children["stopped"].stderr.splitlines()[-1].startswith("Interrupted.")
    wait_until(lambda: gone([*workers["stopped"], *workers["killed"]]))
    assert {upload.partition("/")[0] for upload in s3.uploads()} == {"killed"}
    faulty.heal()
    again = harvester.run("export", f"s3://{s3.bucket}/killed/songs", *PARTS, "--dask", "local")
    assert again.returncode == 0, again.stderr
    assert {line.split()[1] for line in again.stderr.splitlines()} == {"INFO"}, again.stderr
    assert s3.uploads() == []
    there = published(s3, "killed/")
    assert there.keys() == alone.keys()
    assert [name for name in alone if there[name] != alone[name]] == ["songs.manifest.json"]  # made at another time


LOOKING = """
import sys
from harvester.export.dask.cluster import PRELOAD, connected

def imported(module):
    return module in sys.modules

if __name__ == "__main__":
    with connected("local") as client:
        print(*client.run(imported, PRELOAD).values())
"""


def test_workers_of_a_cluster_of_its_own_begin_with_all_imported(tmp_path: Path) -> None:
    """By a process that nothing was forked from before: the server is one for all of a process."""
    script = tmp_path / "looking.py"
    script.write_text(LOOKING)
    looked = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=LIMIT_SECONDS)
    assert set(looked.stdout.split()) == {"True"}, looked
