"""The server of the tests' own, and a ledger in it."""

from __future__ import annotations

import pytest
from postgres_server import PostgresServer, the_server


@pytest.fixture
def server() -> PostgresServer:
    return the_server()


@pytest.fixture
def url(server: PostgresServer) -> str:
    """A ledger, prepared and empty."""
    return server.new_database()


@pytest.fixture
def ledger_url(url: str) -> str:
    """That of `prepare_crawl`."""
    return url
