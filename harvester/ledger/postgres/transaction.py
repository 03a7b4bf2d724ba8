"""A transaction in PostgreSQL, which writes last the rows that all transactions change.

`transaction_runner.py` begins and commits it, and runs it again after a lost connection or a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any

import psycopg

from harvester.ledger.postgres import statements as sql
from harvester.ledger.postgres.connection import clock_lead
from harvester.ledger.transactions.transaction import Lock, Move, Row, Transaction
from harvester.model import VideoState

# PostgreSQL can't store a NUL: no id has one, but an invalid text may. A NUL is written as this character and a 0, and
# the character itself as twice that.
_ESCAPE = "\U0010fffd"
_CODES = {state.label: int(state) for state in VideoState}


class PostgresTransaction(Transaction):
    """Writes sums last and in one order, the days' first: the rows that every run writes are locked for a moment only,
    and transactions do not deadlock.

    Statements without a result (`later`) are buffered and sent together with the next one that has a result: the round
    trip is most of what a statement costs. `locked_runs`: the runs whose locks the connection holds; the
    transaction runner keeps that set.
    """

    sql = sql
    moves = "unnest(%(firsts)s::bigint[], %(lasts)s::bigint[], %(calls)s::bigint[]) AS given (first, last, call)"

    def __init__(self, db: psycopg.Connection, locked_runs: set[int] | None = None) -> None:
        super().__init__()
        self._db = db
        self._locked_runs = set() if locked_runs is None else locked_runs
        self._waiting: list[tuple[Callable[[], psycopg.Cursor | None], int | None]] = []
        """What runs each statement, and how many rows it will change, where that is known."""
        self._rewind_scan_position: int | None = None
        self._advance_scan_position: int | None = None

    def rows(self, statement: str, **values: Any) -> list[Row]:
        return self._ask(statement, values).fetchall()

    def row(self, statement: str, **values: Any) -> Row | None:
        return self._ask(statement, values).fetchone()

    def pick(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        return list(zip(*self.rows(statement, **values), strict=True))

    def change(self, statement: str, **values: Any) -> int:
        return self._ask(statement, values).rowcount

    def later(self, statement: str, *, moved: int | None = None, **values: Any) -> None:
        self._waiting.append((partial(self._db.execute, _query(statement), values), moved))

    def insert(self, statement: str, columns: Mapping[str, Sequence[Any]], **values: Any) -> Sequence[int]:
        return [row_id for (row_id,) in self.rows(statement, **columns, **values)]

    def insert_bodies(self, statement: str, rows: Sequence[Row]) -> None:
        self._waiting.append((partial(self._db.cursor().executemany, statement.encode(), rows), None))

    def _ranges(self, moves: Sequence[Move]) -> dict[str, Any]:
        firsts, lasts, calls = map(list, zip(*moves, strict=True))
        return {"firsts": firsts, "lasts": lasts, "calls": calls}

    def flush_counts(self) -> None:
        """Buffer the counts and sums for the next statement that has a result."""
        self.flush_day_counts()
        states = {_CODES[label]: change for label, change in self._states.items() if change}
        if not states and self._rewind_scan_position is None and self._advance_scan_position is None:
            return
        self.later(sql.TAKE_TURN)
        if states:
            self.later(sql.COUNT_STATES, codes=list(states), changes=list(states.values()))
        if self._rewind_scan_position is not None:
            self.later(sql.REWIND_SCAN_POSITION, position=self._rewind_scan_position)
        if self._advance_scan_position is not None:
            self.later(sql.ADVANCE_SCAN_POSITION, to=self._advance_scan_position)

    def rewind_scan_position(self, position: int) -> None:
        """Buffer the position until the end, since all transactions change its row."""
        self._rewind_scan_position = min(position, self._rewind_scan_position or position)

    def advance_scan_position(self, position: int) -> None:
        """Buffer the position until the end, as `rewind_scan_position` does."""
        self._advance_scan_position = max(position, self._advance_scan_position or 0)

    def pick_pending(self, limit: int) -> Sequence[Sequence[Any]]:
        """Where no other ids are left, wait for those that another transaction has locked: it may yet release them."""
        return super().pick_pending(limit) or self.pick(sql.PICK_PENDING.replace("SKIP LOCKED", ""), limit=limit)

    def close_good(self, call_ids: list[int], statuses: list[int | None], ends: list[str]) -> Collection[int]:
        rows = self.rows(sql.CLOSE_GOOD_CALLS, ids=call_ids, statuses=statuses, ends=ends)
        return {call_id for (call_id,) in rows}

    def add(self, ids: Sequence[str], invalid: Collection[str], load_id: int | None) -> tuple[int, int, int | None]:
        never = frozenset(invalid)
        distinct = list(dict.fromkeys(ids))
        states = [int(VideoState.INVALID if text in never else VideoState.PENDING) for text in distinct]
        row = self.row(sql.INSERT_IDS, ids=[escaped(text) for text in distinct], states=states, load_id=load_id)
        assert row is not None, "counts are always given"
        return row[0], row[1], row[2]

    def known(self, ids: Sequence[str], up_to: int) -> list[tuple[int, bool]]:
        rows = self.rows(sql.KNOWN_IDS, ids=[escaped(text) for text in ids], known_up_to=up_to)
        return [(position, is_invalid) for position, is_invalid in rows]

    def lock(self, what: Lock) -> None:
        """Take an advisory lock: transactions run side by side, unlike in SQLite."""
        self.later(sql.LOCK_UNTIL_COMMIT, what=what)

    def lock_run(self, run_id: int) -> None:
        """Take the run's advisory lock, which lasts as long as the connection; a reconnection takes it again."""
        self._locked_runs.add(run_id)
        self.later(sql.LOCK_RUN, run_id=run_id)

    def clock_lead(self) -> timedelta:
        """The lead of the server's clock, to the second. Leases are stored by it, since all hosts share it."""
        return clock_lead(lambda: self.value(sql.CLOCK))

    def delete_stale_tokens(self) -> None:
        self.later(sql.DELETE_STALE_TOKENS)

    def _ask(self, statement: str, values: Mapping[str, Any]) -> psycopg.Cursor:
        if not self._waiting:
            return self._db.execute(_query(statement), values)
        waiting, self._waiting = self._waiting, []
        with self._db.pipeline():
            answers = [(run(), rows) for run, rows in waiting]
            asked = self._db.execute(_query(statement), values)
        for answer, rows in answers:
            if rows is not None and (answer is None or answer.rowcount != rows):
                raise AssertionError("what is locked is what is changed")
        return asked


@cache
def _query(statement: str) -> bytes:
    """The statement with lists as arrays, and values named as psycopg names them."""
    statement = re.sub(r"\bNOT IN :([a-z_]+)", r"<> ALL(:\1)", statement)
    statement = re.sub(r"\bIN :([a-z_]+)", r"= ANY(:\1)", statement)
    return re.sub(r"(?<![:\w]):([a-z_]+)", r"%(\1)s", statement).encode()


def escaped(text: str) -> str:
    """The text in the form in which it is stored."""
    if "\0" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, 2 * _ESCAPE).replace("\0", f"{_ESCAPE}0")


def unescaped(text: str) -> str:
    """The text that is stored in the form of `escaped`."""
    if _ESCAPE not in text:
        return text
    return _ESCAPE.join(part.replace(f"{_ESCAPE}0", "\0") for part in text.split(2 * _ESCAPE))
