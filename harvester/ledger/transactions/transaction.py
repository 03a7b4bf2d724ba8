"""The interface through which transactions use a database, and the ranges of positions by which they move ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import ModuleType
from typing import Any, Literal

from harvester.listing_types import ListingState
from harvester.model import Bucket

Move = tuple[int, int, int]
"""A range of positions whose ids belong, or will belong, to a call: first, last, call."""

Row = tuple[Any, ...]

Lock = Literal["adding", "taking halves"]
"""Work that only one transaction at a time may do."""

_NO_CHANGE = dict.fromkeys(
    ("ok", "failed", "abandoned", "refund", "fetched", "missing", "raw_bytes", "stored_bytes", "listed"), 0
)


def instant(moment: datetime) -> str:
    """The instant in UTC as the ledger writes it; such texts sort by time."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


class Transaction(ABC):
    """One transaction. Statements run in the order in which they are given, with their values by name.

    A list is passed as one value: JSON in SQLite, an array in PostgreSQL. Counts by state and the sums of a day are
    buffered until the end, so that the rows that all transactions change are written once, and locked briefly.
    """

    sql: ModuleType
    """The statements by name: `sqlite.statements` or `postgres.statements`, which hold those of `statements` too."""

    moves: str
    """How a moving statement reads its ranges: see `_ranges`."""

    def __init__(self) -> None:
        self._days: dict[tuple[Bucket, str], dict[str, int]] = {}
        self._states: dict[str, int] = {}

    # --- statements

    @abstractmethod
    def rows(self, statement: str, **values: Any) -> list[Row]:
        """All rows that the statement returns."""

    @abstractmethod
    def row(self, statement: str, **values: Any) -> Row | None:
        """The one row that the statement returns, if any."""

    def value(self, statement: str, **values: Any) -> Any:
        """The one value of a statement that always returns a row."""
        row = self.row(statement, **values)
        assert row is not None, "such a statement always gives a row"
        return row[0]

    @abstractmethod
    def pick(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        """The rows of one of the PICK statements, column by column; empty where there are none. Ids that another
        transaction is picking are left out."""

    @abstractmethod
    def change(self, statement: str, **values: Any) -> int:
        """Run the statement. Returns how many rows it changed."""

    @abstractmethod
    def later(self, statement: str, *, moved: int | None = None, **values: Any) -> None:
        """Run the statement before the next one that returns something, or before the commit. `moved`: how many ids
        it will move, where that is known."""

    @abstractmethod
    def insert(self, statement: str, columns: Mapping[str, Sequence[Any]], **values: Any) -> Sequence[int]:
        """Insert rows, given as columns of the same length. Returns their ids, in order."""

    @abstractmethod
    def insert_bodies(self, statement: str, rows: Sequence[Row]) -> None:
        """Insert rows with values in the order of the statement's columns, as `later`."""

    def move(self, statement: str, moves: Sequence[Move], **values: Any) -> int:
        """Run a moving statement over all of these ranges. Returns how many ids were moved."""
        return self.change(statement.format(moves=self.moves), **self._ranges(moves), **values)

    def move_later(self, statement: str, moves: Sequence[Move], ids: int | None = None, **values: Any) -> None:
        """Run a moving statement, as `later`. `ids`: how many will be moved, where that is known."""
        self.later(statement.format(moves=self.moves), moved=ids, **self._ranges(moves), **values)

    @abstractmethod
    def _ranges(self, moves: Sequence[Move]) -> dict[str, Any]:
        """The values that `moves` reads."""

    def release(self, moves: Sequence[Move]) -> None:
        """Make claimed ids pending again. The next claim reads from the first of them on, over all that is settled."""
        released = self.move(self.sql.RELEASE, moves)
        self.rewind_scan_position(min(first for first, _, _ in moves))
        self.count(claimed=-released, pending=released)

    def release_listing(self, listing_id: int) -> None:
        """Make a claimed listing pending again."""
        self.later(self.sql.MOVE_LISTING, listing_id=listing_id, state=ListingState.PENDING.value)

    # --- sums, buffered until the end

    def count(self, **changes: int) -> None:
        """Add to the counts kept per state; states are named in lower case."""
        _add(self._states, changes)

    def count_day(self, bucket: Bucket, day: date | str, **changes: int) -> None:
        """Add to the sums of a quota day: see COUNT_DAY."""
        _add(self._days.setdefault((bucket, str(day)), {}), changes)

    def flush_day_counts(self) -> None:
        """Write the buffered sums of days now, so that units which this transaction refunds can be spent."""
        # In one order, so that no two transactions wait for each other.
        for bucket, day in sorted(self._days):
            self.later(self.sql.COUNT_DAY, bucket=bucket, day=day, **(_NO_CHANGE | self._days[bucket, day]))
        self._days.clear()

    @abstractmethod
    def flush_counts(self) -> None:
        """Write all buffered counts and sums, before the commit."""

    # --- the scan position, where claims begin to look for pending ids

    @abstractmethod
    def rewind_scan_position(self, position: int) -> None:
        """Move the scan position back to `position` if it is beyond it."""

    @abstractmethod
    def advance_scan_position(self, position: int) -> None:
        """Move the scan position forward past `position`; nothing up to there is pending."""

    # --- what each database does in its own way

    def pick_pending(self, limit: int) -> Sequence[Sequence[Any]]:
        """Positions, ids and attempts of the first pending ids that are no suspects, column by column."""
        return self.pick(self.sql.PICK_PENDING, limit=limit)

    @abstractmethod
    def close_good(self, call_ids: list[int], statuses: list[int | None], ends: list[str]) -> Collection[int]:
        """Close these calls as good. Returns those that were still open."""

    @abstractmethod
    def add(self, ids: Sequence[str], invalid: Collection[str], load_id: int | None) -> tuple[int, int, int | None]:
        """Append the ids that are new. Returns how many, how many of them invalid, and the first one's position."""

    @abstractmethod
    def known(self, ids: Sequence[str], up_to: int) -> list[tuple[int, bool]]:
        """The position of each of the ids up to position `up_to`, and whether it is invalid."""

    # --- what SQLite has no need of: a transaction holds the file's write lock, and there is one clock

    def lock(self, what: Lock) -> None:  # noqa: B027
        """Wait until no other transaction does `what`, and keep others from it until this one ends."""

    def lock_run(self, run_id: int) -> None:  # noqa: B027
        """Mark the run as alive, for as long as its process lives."""

    def clock_lead(self) -> timedelta:
        """How far the clock that leases are stored by is ahead of this host's."""
        return timedelta(0)

    def delete_stale_tokens(self) -> None:  # noqa: B027
        """Delete the commit tokens of killed processes."""


def _add(sums: dict[str, int], changes: Mapping[str, int]) -> None:
    """Add `changes` to `sums`. `Counter.update` takes three times as long for so few."""
    for name, change in changes.items():
        sums[name] = sums.get(name, 0) + change


def moves_of(positions: Sequence[int], call_id: int) -> list[Move]:
    """The ids of a call as ranges without gaps: another transaction may be claiming the ids in the gaps."""
    if positions[-1] - positions[0] == len(positions) - 1:
        return [(positions[0], positions[-1], call_id)]
    ends = [place for place, (this, following) in enumerate(pairwise(positions), 1) if following != this + 1]
    return [(positions[start], positions[end - 1], call_id) for start, end in pairwise([0, *ends, len(positions)])]
