"""One transaction, and what it is to write last: the rows that all transactions change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import psycopg

from harvester.ledger.postgres import statements as sql
from harvester.ledger.transactions.transitions import Move
from harvester.model import VideoState

_NO_CHANGE = dict.fromkeys(
    ("ok", "failed", "abandoned", "refund", "fetched", "missing", "raw_bytes", "stored_bytes"), 0
)
_CODES = {state.label: int(state) for state in VideoState}


@dataclass(frozen=True, slots=True)
class _Waiting:
    run: Callable[[], psycopg.Cursor | None]
    rows: int | None = None
    """How many it will change, where that is known."""


class Transaction:
    """Sums are kept back until the end and are then written in one order, the days' first: so the rows that every run
    writes are held for a moment, and no two transactions wait for each other.

    Statements run in the order in which they are given. Those without an answer (`later`) wait for the next that has
    one and go to the server with it: the way there and back is most of what a statement costs.
    """

    def __init__(self, db: psycopg.Connection) -> None:
        self._db = db
        self._waiting: list[_Waiting] = []
        self._days: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._states: Counter[str] = Counter()
        self._look_back: int | None = None
        self._look_on: int | None = None

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._ask(statement, values).fetchall()

    def row(self, statement: str, **values: Any) -> tuple[Any, ...] | None:
        return self._ask(statement, values).fetchone()

    def value(self, statement: str, **values: Any) -> Any:
        row = self.row(statement, **values)
        assert row is not None, "such a statement always gives a row"
        return row[0]

    def change(self, statement: str, **values: Any) -> int:
        """How many rows it changed."""
        return self._ask(statement, values).rowcount

    def later(self, statement: str, **values: Any) -> None:
        self._waiting.append(_Waiting(partial(self._db.execute, statement.encode(), values)))

    def later_each(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Once for each of these rows."""
        self._waiting.append(_Waiting(partial(self._db.cursor().executemany, statement.encode(), rows)))

    def lock(self, what: str) -> None:
        """One of the advisory locks of `statements`, until the end of the transaction."""
        self.later(sql.LOCK_UNTIL_COMMIT, what=what)

    def move(self, statement: str, moves: Sequence[Move], **values: Any) -> int:
        """Run one of the moving statements over all of these; how many ids were moved."""
        return self.change(statement, **_columns(moves), **values)

    def move_later(self, statement: str, moves: Sequence[Move], ids: int | None = None, **values: Any) -> None:
        """`ids`: how many will be moved, where that is known."""
        self._waiting.append(_Waiting(partial(self._db.execute, statement.encode(), _columns(moves) | values), ids))

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
            self.later(sql.COUNT_DAY, day=day, **(_NO_CHANGE | self._days[day]))
        self._days.clear()

    def post(self) -> None:
        """Give all that was kept back. It is written by the next statement that has an answer."""
        self.post_days()
        states = {_CODES[label]: change for label, change in self._states.items() if change}
        if not states and self._look_back is None and self._look_on is None:
            return
        self.later(sql.TAKE_TURN)
        if states:
            self.later(sql.COUNT_STATES, codes=list(states), changes=list(states.values()))
        if self._look_back is not None:
            self.later(sql.LOOK_BACK, position=self._look_back)
        if self._look_on is not None:
            self.later(sql.LOOK_ON, to=self._look_on)

    def _ask(self, statement: str, values: Mapping[str, Any]) -> psycopg.Cursor:
        if not self._waiting:
            return self._db.execute(statement.encode(), values)
        waiting, self._waiting = self._waiting, []
        with self._db.pipeline():
            answers = [(one, one.run()) for one in waiting]
            asked = self._db.execute(statement.encode(), values)
        for one, answer in answers:
            assert one.rows is None or (answer and answer.rowcount == one.rows), "what is locked is what is changed"
        return asked


def _columns(moves: Sequence[Move]) -> dict[str, list[int]]:
    firsts, lasts, calls = (list(column) for column in zip(*moves, strict=True))
    return {"firsts": firsts, "lasts": lasts, "calls": calls}
