"""What a database brings to a ledger: one thread that writes, and snapshots for readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from harvester.ledger.group_commit import GroupCommit
from harvester.ledger.queries import AnyQuery, AnyRow


class Connector(ABC):
    """One process's way into a ledger. See `SqliteConnector` and `PostgresConnector`."""

    writer: GroupCommit
    """Runs the transactions."""
    unclosed: dict[int, str]
    """Runs of this process whose closing failed, and the reasons why they had ended."""
    return_seconds: float = 0.0
    """So long a run may be without its connection after a restart of the server."""

    @abstractmethod
    async def read(self, *queries: AnyQuery) -> list[Sequence[AnyRow]]:
        """The rows of each query, all from one snapshot."""

    @abstractmethod
    async def close(self) -> None:
        """Wait for what is under way, then close all connections."""

    def as_written(self, text: str) -> str:
        """How an id, or what is none, stands in this database."""
        return text

    def as_given(self, text: str) -> str:
        """What was written so."""
        return text
