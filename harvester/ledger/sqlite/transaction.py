"""The statements of a transaction in SQLite, which `transaction_runner.py` begins and commits."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

import msgspec

from harvester.ledger.sqlite import statements
from harvester.ledger.transactions.transaction import Move, Row, Transaction
from harvester.model import VideoState

PRIVATE_USE = range(0xF0000, 0xFFFFE)
"""Code points without a meaning, to stand in for NUL: more than a chunk has ids."""

# Loading changes pages all over the index by id. A crawl, which goes by position, needs a quarter of this cache.
_MORE_CACHE = "PRAGMA cache_size = -32768"
# They take a tenth and half of the time of the standard library's.
_as_json = msgspec.json.Encoder().encode
_read_json = msgspec.json.Decoder().decode
_NO_CHANGE = {state.label: 0 for state in VideoState}


class SqliteTransaction(Transaction):
    """Runs every statement at once: there are no round trips to save."""

    sql = statements
    moves = """(
    SELECT json_extract(value, '$[0]') AS first, json_extract(value, '$[1]') AS last,
        json_extract(value, '$[2]') AS call
    FROM json_each(:moves)
) AS given"""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__()
        self._db = db

    def rows(self, statement: str, **values: Any) -> list[Row]:
        return self._execute(statement, values).fetchall()

    def row(self, statement: str, **values: Any) -> Row | None:
        row: Row | None = self._execute(statement, values).fetchone()
        return row

    def pick(self, statement: str, **values: Any) -> Sequence[Sequence[Any]]:
        row = self.row(as_lists(statement), **values) or ()
        columns = [_read_json(column) for column in row]
        return columns if columns[0] else []

    def change(self, statement: str, **values: Any) -> int:
        return self._execute(statement, values).rowcount

    def later(self, statement: str, *, moved: int | None = None, **values: Any) -> None:
        changed = self._execute(statement, values).rowcount
        if moved is not None and changed != moved:
            raise AssertionError("the ids picked are the ids moved")

    def insert(self, statement: str, columns: Mapping[str, Sequence[Any]], **values: Any) -> Sequence[int]:
        rows = list(zip(*columns.values(), strict=True))
        values["rows"] = rows
        last = self._execute(statement, values).lastrowid
        assert last is not None
        return range(last - len(rows) + 1, last + 1)  # nobody else inserts meanwhile

    def insert_bodies(self, statement: str, rows: Sequence[Row]) -> None:
        """Insert in powers of two: each statement waits for the GIL, and the driver keeps the values of each."""
        start = 0
        while left := len(rows) - start:
            size = 1 << left.bit_length() - 1
            more = f", ({', '.join('?' * len(rows[0]))})" * (size - 1)
            self._db.execute(statement + more, list(chain.from_iterable(rows[start : start + size])))
            start += size

    def _ranges(self, moves: Sequence[Move]) -> dict[str, Any]:
        return {"moves": moves}

    def flush_counts(self) -> None:
        self.flush_day_counts()
        if any(self._states.values()):
            self._db.execute(statements.COUNT_STATES, _NO_CHANGE | self._states)

    def rewind_scan_position(self, position: int) -> None:
        self.later(statements.REWIND_SCAN_POSITION, position=position)

    def advance_scan_position(self, position: int) -> None:
        self.later(statements.ADVANCE_SCAN_POSITION, position=position + 1)

    def close_good(self, call_ids: list[int], statuses: list[int | None], ends: list[str]) -> Collection[int]:
        """Close calls. Of several, those still open are read first, as one list: an UPDATE returns row by row."""
        if len(call_ids) == 1:
            values = {"call_id": call_ids[0], "http_status": statuses[0], "now": ends[0]}
            return call_ids if self.change(statements.CLOSE_GOOD_CALL, **values) else ()
        still_open: list[int] = _read_json(self.value(statements.OPEN_AMONG, calls=call_ids))
        self._execute(statements.CLOSE_GOOD_CALLS, {"calls": list(zip(call_ids, statuses, ends, strict=True))})
        return set(still_open)

    def add(self, ids: Sequence[str], invalid: Collection[str], load_id: int | None) -> tuple[int, int, int | None]:
        self._db.execute(_MORE_CACHE)
        before: int = self.value(statements.LAST_POSITION)
        nul = _stand_in_for_nul(ids)
        arguments = {"ids": _listed(ids, nul), "nul": nul, "load_id": load_id}
        if invalid or nul:
            new = self.change(statements.INSERT_TEXTS, invalid=_listed(invalid, nul), **arguments)
        else:
            new = self.change(statements.INSERT_IDS, **arguments)
        new_invalid = self.value(statements.NEW_INVALID, last_position=before) if invalid and new else 0
        return new, new_invalid, before + 1 if new else None

    def known(self, ids: Sequence[str], up_to: int) -> list[tuple[int, bool]]:
        nul = _stand_in_for_nul(ids)
        rows = self.rows(statements.KNOWN_IDS, ids=_listed(ids, nul), nul=nul, known_up_to=up_to)
        return [(position, bool(is_invalid)) for position, is_invalid in rows]

    def _execute(self, statement: str, values: dict[str, Any]) -> sqlite3.Cursor:
        for name, value in values.items():
            if type(value) is list:
                values[name] = _as_json(value).decode()
        return self._db.execute(query_of(statement), values)


@cache
def query_of(statement: str) -> str:
    """The statement with lists as JSON, and without locks of rows: the transaction has locked the file."""
    statement = re.sub(r"\bIN :(\w+)", r"IN (SELECT value FROM json_each(:\1))", statement)
    return re.sub(r"\bFOR UPDATE( OF \w+| SKIP LOCKED)?", "", statement)


@cache
def as_lists(query: str) -> str:
    """The query for one row, a JSON list for each column: fifty rows would take the GIL fifty times."""
    columns = query.partition("SELECT ")[2].partition(" FROM ")[0].split(", ")
    return f"SELECT {', '.join(f'json_group_array({column})' for column in columns)} FROM ({query})"  # noqa: S608


def _stand_in_for_nul(texts: Sequence[str]) -> str:
    """A character that none of the texts holds; empty where no stand-in is needed."""
    together = "".join(texts)
    if "\0" not in together:
        return ""
    present = set(together)
    return next(character for character in map(chr, PRIVATE_USE) if character not in present)


def _listed(texts: Collection[str], nul: str) -> str:
    """The texts as a JSON list, unescaped: SQLite refuses invalid Unicode before anything is stored."""
    return json.dumps([text.replace("\0", nul) for text in texts] if nul else list(texts), ensure_ascii=False)
