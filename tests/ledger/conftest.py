"""The ledger's tests run over every database in DATABASES: what they say holds for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import postgres_kit  # noqa: F401 (it brings a database)
import pytest
from ledger_kit import DATABASES, NOW, Alive, Database, MakeLedger, a_process, a_run

from harvester.ledger.ledger import Ledger
from harvester.ledger.reader import LedgerReader
from harvester.model import ProcessIdentity


@pytest.fixture(params=sorted(DATABASES, reverse=True))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with closing(DATABASES[request.param](tmp_path)) as database:
        yield database


@pytest.fixture
def living() -> set[ProcessIdentity]:
    """The processes of this host that live. Take one out and it is dead."""
    return {a_process(pid) for pid in range(1, 10)}


@pytest.fixture
async def make_ledger(database: Database, living: set[ProcessIdentity]) -> AsyncIterator[MakeLedger]:
    """Opens the ledger once more, as another process would."""
    alive: Alive = living.__contains__
    async with AsyncExitStack() as opened:

        def make() -> Ledger:
            ledger = database.ledger(alive)
            opened.push_async_callback(ledger.close)
            return ledger

        yield make


@pytest.fixture
def ledger(make_ledger: MakeLedger) -> Ledger:
    return make_ledger()


@pytest.fixture
async def run(ledger: Ledger) -> int:
    """A run of process 1, open."""
    return await a_run(ledger, now=NOW)


@pytest.fixture
def reader(database: Database) -> Iterator[LedgerReader]:
    """A snapshot that begins with the first question."""
    with closing(database.reader()) as opened:
        yield opened
