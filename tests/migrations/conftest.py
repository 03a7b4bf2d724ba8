"""Here every ledger is made by the migrations themselves."""

import pytest
from fresh_ledgers import by_alembic

from harvester.ledger.sqlite import migrate


@pytest.fixture(autouse=True)
def alembic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "migrate", by_alembic)
