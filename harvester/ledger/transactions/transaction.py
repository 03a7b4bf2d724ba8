"""What the transactions may ask of a database: the interface that SQLite and PostgreSQL implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from types import ModuleType
from typing import Any, Literal

from harvester.model import Bucket

Move = tuple[int, int, int]
"""The positions from the first to the last that belong, or shall belong, to a call: first, last, call."""

Row = tuple[Any, ...]

Lock = Literal["adding", "taking halves"]
"""What one transaction does at a time, whatever others run at the same time."""

_NO_CHANGE = dict.fromkeys(
    ("ok", "failed", "abandoned", "refund", "fetched", "missing", "raw_bytes", "stored_bytes"), 0
)


class Transaction(ABC):
    """One transaction. Statements run in the order in which they are given, with their values by name.

    A value that is a list is one to the statement: JSON in SQLite, an array in PostgreSQL. Counts by state and the sums
    of a day are kept back until the end: the rows that all transactions change are written once, and held briefly.
    """

    sql: ModuleType
    """The statements of this database, by name: `sqlite.statements` or `postgres.statements`."""

    def __init__(self) -> None:
        self._days: dict[tuple[Bucket, str], dict[str, int]] = {}
        self._states: dict[str, int] = {}

    # --- statements

    @abstractmethod
    def rows(self, statement: str, **values: Any) -> list[Row]:
        """All rows that it gives."""

    @abstractmethod
    def row(self, statement: str, **values: Any) -> Row | None:
        """The one row that it gives, if any."""

    def value(self, statement: str, **values: Any) -> Any:
        """The one value that it always gives."""
        row = self.row(statement, **values)
        assert row is not None, "such a statement always gives a row"
        return row[0]

    @abstractmethod
    def columns(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        """The rows of one of the PICK statements, column by column; empty where there are none."""

    @abstractmethod
    def change(self, statement: str, **values: Any) -> int:
        """How many rows it changed."""

    @abstractmethod
    def later(self, statement: str, *, moved: int | None = None, **values: Any) -> None:
        """Run it before the next statement that has an answer, or before the commit. `moved`: how many ids it will
        move, where that is known."""

    @abstractmethod
    def delete_of(self, statement: str, call_ids: list[int]) -> None:
        """Run it for all of these calls, before the next answer."""

    @abstractmethod
    def insert(self, statement: str, columns: Mapping[str, Sequence[Any]], **values: Any) -> Sequence[int]:
        """Insert a row for each place in these columns, which all have the same length; their ids, in that order."""

    @abstractmethod
    def insert_bodies(self, statement: str, rows: Sequence[Row]) -> None:
        """Insert rows whose values stand in the order of the statement's columns, before the next answer."""

    @abstractmethod
    def move(self, statement: str, moves: Sequence[Move], **values: Any) -> int:
        """Run one of the moving statements over all of these; how many ids were moved."""

    @abstractmethod
    def move_later(self, statement: str, moves: Sequence[Move], ids: int | None = None, **values: Any) -> None:
        """As `move`, without an answer. `ids`: how many will be moved, where that is known."""

    # --- sums, kept back until the end

    def count(self, **changes: int) -> None:
        """Move the counts kept by state, named in lower case, by so much."""
        _add(self._states, changes)

    def count_day(self, bucket: Bucket, day: date | str, **changes: int) -> None:
        """Move the sums of a quota day: see COUNT_DAY."""
        _add(self._days.setdefault((bucket, str(day)), {}), changes)

    def flush_day_counts(self) -> None:
        """Write the sums of days now: what this transaction gives back to a day is there to be spent."""
        # In one order, so that no two transactions wait for each other.
        for bucket, day in sorted(self._days):
            self.later(self.sql.COUNT_DAY, bucket=bucket, day=day, **(_NO_CHANGE | self._days[bucket, day]))
        self._days.clear()

    @abstractmethod
    def flush_counts(self) -> None:
        """Give all that was kept back, before the commit."""

    # --- where claims begin to look for pending ids

    @abstractmethod
    def rewind_scan_position(self, position: int) -> None:
        """From there, or from before it."""

    @abstractmethod
    def advance_scan_position(self, position: int) -> None:
        """From behind it: what was pending up to there was claimed."""

    # --- what the databases do by means of their own

    @abstractmethod
    def pick_pending(self, limit: int) -> Sequence[Sequence[Any]]:
        """Positions, ids and attempts of the first pending ids that are no suspects, column by column."""

    @abstractmethod
    def close_good(self, call_ids: list[int], statuses: list[int | None], ends: list[str]) -> Collection[int]:
        """Close these calls as good; those of them that were still open."""

    @abstractmethod
    def add(self, ids: Sequence[str], invalid: Collection[str], load_id: int | None) -> tuple[int, int, int | None]:
        """Append those of the ids that are new: how many, how many of them invalid, and the first one's position."""

    @abstractmethod
    def known(self, ids: Sequence[str], up_to: int) -> list[tuple[int, bool]]:
        """The position of each of the ids that stands at most there, and whether it is invalid."""

    @abstractmethod
    def lock(self, what: Lock) -> None:
        """Wait until no other transaction does this, and keep others from it until this one ends."""

    @abstractmethod
    def lock_run(self, run_id: int) -> None:
        """Show others that this run's process lives, for as long as it does."""

    @abstractmethod
    def clock_lead(self) -> timedelta:
        """How far the clock that leases go by is ahead of this host's."""

    @abstractmethod
    def sweep(self) -> None:
        """Delete what killed processes left beside their claims."""


def _add(sums: dict[str, int], changes: Mapping[str, int]) -> None:
    """As `Counter.update`, which takes three times as long for so few."""
    for name, change in changes.items():
        sums[name] = sums.get(name, 0) + change
