"""A run whose closing failed, in a process that lives on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from harvester.errors import LedgerUnavailable
from harvester.ledger.ledger import Ledger
from harvester.ledger.process_identity import this_process
from harvester.ledger.sqlite.migrate import prepare
from harvester.ledger.sqlite.transaction_runner import SqliteTransactionRunner
from harvester.ledger.transactions import runs
from harvester.model import Batch, Budget

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)
BUDGET = Budget(date(2026, 11, 23), 10_000, 11)


def full(*_: object) -> None:
    raise LedgerUnavailable("the disk is full")


async def test_what_it_held_is_taken_back_by_the_next_run_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "harvest.db"
    prepare(path)
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        await ledger.add([f"{number:011}" for number in range(50)], (), 0)
        run = await ledger.open_run(this_process(), NOW, NOW + timedelta(minutes=5))
        assert isinstance(await ledger.claim(run, BUDGET, NOW), Batch)
        with monkeypatch.context() as patch:
            patch.setattr(runs, "close_run", full)
            with pytest.raises(LedgerUnavailable):
                await ledger.close_run(run, NOW, "interrupted")
    async with Ledger(SqliteTransactionRunner(path)) as ledger:
        again = await ledger.open_run(this_process(), NOW, NOW + timedelta(minutes=5))
        batch = await ledger.claim(again, BUDGET, NOW)
        assert isinstance(batch, Batch)
        assert len(batch) == 50
