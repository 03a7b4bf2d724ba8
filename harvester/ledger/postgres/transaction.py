"""One transaction, and what it is to write last: the rows that all transactions change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import psycopg

from harvester.ledger.moving import Move
from harvester.ledger.postgres import statements as sql
from harvester.model import VideoState

_NO_CHANGE = dict.fromkeys(
    ("ok", "failed", "abandoned", "refund", "fetched", "missing", "raw_bytes", "stored_bytes"), 0
)
_CODES = {state.label: int(state) for state in VideoState}


class Transaction:
    """Statements run at once. Sums are kept back until the end and are then written in one order, the days' first: so
    the rows that every run writes are held for a moment, and no two transactions wait for each other."""

    def __init__(self, db: psycopg.Connection) -> None:
        self._db = db
        self._days: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._states: Counter[str] = Counter()
        self._look_back: int | None = None
        self._look_on: int | None = None

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._db.execute(statement.encode(), values).fetchall()

    def row(self, statement: str, **values: Any) -> tuple[Any, ...] | None:
        return self._db.execute(statement.encode(), values).fetchone()

    def value(self, statement: str, **values: Any) -> Any:
        row = self.row(statement, **values)
        assert row is not None, "such a statement always gives a row"
        return row[0]

    def change(self, statement: str, **values: Any) -> int:
        """How many rows it changed."""
        return self._db.execute(statement.encode(), values).rowcount

    def change_each(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._db.cursor() as cursor:
            cursor.executemany(statement.encode(), rows)

    def lock(self, what: int) -> None:
        """One of the advisory locks of `statements`, until the end of the transaction."""
        self._db.execute(sql.LOCK_UNTIL_COMMIT.encode(), {"locks": sql.LOCKS, "what": what})

    def move(self, statement: str, moves: Sequence[Move], **values: Any) -> int:
        """Run one of the moving statements over all of these; how many ids were moved."""
        firsts, lasts, calls = (list(column) for column in zip(*moves, strict=True))
        return self.change(statement, firsts=firsts, lasts=lasts, calls=calls, **values)

    def release(self, moves: Sequence[Move]) -> None:
        """Claimed ids become pending again."""
        released = self.move(sql.RELEASE, moves)
        self.look_back(min(first for first, _, _ in moves))
        self.count(claimed=-released, pending=released)

    # --- kept back

    def count(self, **changes: int) -> None:
        """Move the counts kept by state, named in lower case, by so much."""
        self._states.update(changes)

    def count_day(self, day: date | str, **changes: int) -> None:
        self._days[str(day)].update(changes)

    def look_back(self, position: int) -> None:
        """Claims look from there on, or from before it."""
        self._look_back = min(position, self._look_back or position)

    def look_on(self, position: int) -> None:
        """What was pending up to there was claimed."""
        self._look_on = max(position, self._look_on or 0)

    def post_days(self) -> None:
        for day in sorted(self._days):
            self.change(sql.COUNT_DAY, day=day, **(_NO_CHANGE | self._days[day]))
        self._days.clear()

    def post(self) -> None:
        """Write what was kept back."""
        self.post_days()
        states = {_CODES[label]: change for label, change in self._states.items() if change}
        if not states and self._look_back is None and self._look_on is None:
            return
        self.value(sql.TAKE_TURN)
        if states:
            self.change(sql.COUNT_STATES, codes=list(states), changes=list(states.values()))
        if self._look_back is not None:
            self.change(sql.LOOK_BACK, position=self._look_back)
        if self._look_on is not None:
            self.change(sql.LOOK_ON, to=self._look_on)
