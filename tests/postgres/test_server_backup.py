"""ledger backup of a ledger on a server: one SQLite file, of one snapshot, that is restored by ledger copy."""

from __future__ import annotations

from pathlib import Path

from crawled_ledger import crawled_ledger, in_order
from postgres_server import PostgresServer

from harvester.ledger import copy
from harvester.ledger.backup import backup, is_backup
from harvester.ledger.open import open_ledger, open_reader
from harvester.ledger.sqlite.reader import SqliteReader
from harvester.support.progress_callback import Advance


async def test_a_server_s_ledger_is_backed_up_while_it_is_written_and_restored_to_another(
    tmp_path: Path, server: PostgresServer
) -> None:
    crawled_ledger_in_thread(tmp_path / "source.db")
    url, other = (server.url(server.empty_database()) for _ in range(2))
    copy.copy(f"sqlite:///{tmp_path / 'source.db'}", url)
    with open_reader(url) as reader:
        before, runs = reader.progress(), reader.runs(9)

    target = tmp_path / "backup.db"
    seen: list[Advance] = []

    def watch(advance: Advance) -> None:
        seen.append(advance)
        if len(seen) == 1:  # the snapshot has been taken
            with copy._opened(url, writing=True) as engine, engine.begin() as db:
                db.exec_driver_sql("UPDATE runs SET host = 'another'")

    assert backup(url, target, watch) == before
    assert is_backup(target)
    with SqliteReader(target) as backed_up:
        assert [run.host for run in backed_up.runs(9)] == [run.host for run in runs]
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]

    copy.copy(f"sqlite:///{target}", other)
    with open_reader(other) as reader:
        assert reader.findings() == []
        assert reader.progress() == before
    async with open_ledger(other) as ledger:
        assert (await ledger.progress()).total == 600


def crawled_ledger_in_thread(path: Path) -> None:
    """It runs an event loop of its own."""
    from threading import Thread

    thread = Thread(target=crawled_ledger, args=(path, 600, in_order(600)[:8]))
    thread.start()
    thread.join()
