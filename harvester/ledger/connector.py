"""The connection of a process to a ledger: one thread that writes, and snapshots to read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from harvester.ledger.group_commit import GroupCommit
from harvester.ledger.queries import AnyQuery, AnyRow


class Connector(ABC):
    """The connection of one process to a ledger: see `SqliteConnector` and `PostgresConnector`."""

    writer: GroupCommit
    """Runs the transactions."""
    unclosed: dict[int, str]
    """Runs of this process that could not be closed, with the reasons why they had ended."""
    return_seconds: float = 0.0
    """How long a run may be without a connection after a restart of the server."""

    @abstractmethod
    async def read(self, *queries: AnyQuery) -> list[Sequence[AnyRow]]:
        """The rows of each query, all from one snapshot."""

    @abstractmethod
    async def close(self) -> None:
        """Wait for the transactions under way, then close all connections."""

    def as_written(self, text: str) -> str:
        """The form in which this database stores an id or an invalid text."""
        return text

    def as_given(self, text: str) -> str:
        """The text that is stored in that form: the inverse of `as_written`."""
        return text
