"""Copy a ledger to another place, from a file to a server or back: streamed, resumable, compared at the end.

Until the comparison has succeeded, the version of the copy is a mark that no command works with. The mark contains a
fingerprint of the source: an interrupted copy continues if the source is still the same, or else begins anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Table, delete, func, insert, inspect, select, text, tuple_, update

from harvester.errors import LedgerDamaged, LedgerUnusable
from harvester.ledger import open as ledger_open
from harvester.ledger.schema import commit_tokens, metadata, responses, video_states, videos
from harvester.ledger.sqlite import connection
from harvester.ledger.sqlite.migrate import COPYING, REVISION
from harvester.support.addresses import file_of, name_of
from harvester.support.progress_callback import Advance, ProgressCallback, no_progress

CHUNK_ROWS = {"responses": 64}
"""Rows copied in one transaction: some megabytes of responses; CHUNK of other tables."""
CHUNK = 20_000
# The commit tokens of a server mean nothing in another database.
TABLES = [table for table in metadata.sorted_tables if table not in (video_states, commit_tokens)]
# Every write to a ledger changes one of these tables, or the number of responses.
_TELLING = ("video_states", "quota_days", "runs", "prunings", "loads", "listings")

Row: TypeAlias = Sequence[Any]


def copy(source_url: str, target_url: str, progress: ProgressCallback = no_progress) -> int:
    """Copy the current state of the source to the target. Returns how many rows. The source is only read."""
    ledger_open.check(source_url)
    with _opened(source_url, writing=False) as source, source.connect() as snapshot, snapshot.begin():
        mark = COPYING + _fingerprint(snapshot)
        if _mark_of(target_url) != mark:
            _begin(target_url, mark)
        with _opened(target_url, writing=True) as target:
            total = sum(_count(snapshot, table) for table in TABLES)
            done = _fill(snapshot, target, _translation(source_url, target_url), total, progress)
            _compare(snapshot, target, target_url, _translation(target_url, source_url))
            _finish(snapshot, target)
    return done


def _fingerprint(db: Connection) -> str:
    digest = hashlib.sha256()
    for name in _TELLING:
        table = metadata.tables[name]
        for row in db.execute(select(table).order_by(*_key(table))):
            digest.update(repr(tuple(row)).encode())
    # Statistics are deleted without another trace.
    digest.update(str(_count(db, responses)).encode())
    return digest.hexdigest()[:16]


def _mark_of(url: str) -> str | None:
    """The mark of an interrupted copy; None where there is nothing yet, or an empty ledger."""
    file = file_of(url)
    if file is not None and not file.exists():
        return None
    with _opened(url, writing=False) as engine, engine.connect() as db:
        if "alembic_version" not in inspect(db).get_table_names():
            return None
        version = db.scalar(text("SELECT version_num FROM alembic_version"))
        if version is not None and version.startswith(COPYING):
            return str(version)
        if "videos" in inspect(db).get_table_names() and any(_count(db, table) for table in TABLES):
            raise LedgerUnusable(
                f"{name_of(url)} holds a ledger already.",
                state="Nothing was changed.",
                next_step="Copy to a new file, or to an empty database or schema.",
            )
    return None


def _begin(url: str, mark: str) -> None:
    """Make an empty ledger with the mark of the copy."""
    if _mark_of(url) is None:
        ledger_open.prepare(url)
    with _opened(url, writing=True) as engine, engine.begin() as db:
        for table in reversed(TABLES):
            db.execute(delete(table))
        db.execute(text("UPDATE alembic_version SET version_num = :mark"), {"mark": mark})


def _fill(
    snapshot: Connection, target: Engine, translate: Callable[[str], str], total: int, progress: ProgressCallback
) -> int:
    done = 0
    for table in TABLES:
        key = _key(table)
        with target.begin() as db:
            done += _count(db, table)
            last = db.execute(select(*key).order_by(*(column.desc() for column in key)).limit(1)).one_or_none()
        with closing(_rows(snapshot, table, last)) as rows:
            while chunk := [_translated(table, row, translate) for row in islice(rows, _rows_at_once(table))]:
                with target.begin() as db:
                    _insert(db, table, chunk)
                done += len(chunk)
                progress(Advance(done, total, note=table.name))
    return done


def _insert(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    if db.dialect.name == "sqlite":
        names = table.columns.keys()
        db.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        return
    driver: Any = db.connection.driver_connection
    columns = ", ".join(table.columns.keys())
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)


def _compare(snapshot: Connection, target: Engine, target_url: str, translate: Callable[[str], str]) -> None:
    """Compare all rows, as both databases return them."""
    with target.connect() as db:
        for table in TABLES:
            theirs = (_translated(table, row, translate) for row in _rows(db, table))
            if _digest(_rows(snapshot, table)) != _digest(theirs):
                raise LedgerDamaged(
                    f"The copy in {name_of(target_url)} differs from the ledger in its table {table.name}.",
                    state="The ledger was not touched, and no command works with the copy.",
                    next_step="Remove the copy, and copy anew.",
                )


def _finish(snapshot: Connection, target: Engine) -> None:
    """Copy the counts by state and set the version, in one transaction."""
    with target.begin() as db:
        for row in snapshot.execute(select(video_states)):
            db.execute(
                update(video_states)
                .where(video_states.c.code == row.code)
                .values(videos=row.videos, first_position=row.first_position)
            )
        if db.dialect.name != "sqlite":
            for table in map(metadata.tables.__getitem__, ("runs", "calls", "prunings", "loads", "listings")):
                following = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
                db.execute(select(func.setval(f"{table.name}_id_seq", following, False)))
        db.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": REVISION})


def _rows(db: Connection, table: Table, after: Row | None = None) -> Generator[Row, None, None]:
    """All rows, or those whose key is behind `after`, by their key."""
    key = _key(table)
    query = select(table).order_by(*key)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    with closing(db.execution_options(yield_per=_rows_at_once(table)).execute(query)) as rows:
        yield from rows


def _rows_at_once(table: Table) -> int:
    return CHUNK_ROWS.get(table.name, CHUNK)


def _digest(rows: Iterable[Row]) -> bytes:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(tuple(row)).encode("utf-8", "surrogatepass"))
    return digest.digest()


def _translation(source_url: str, target_url: str) -> Callable[[str], str]:
    """The function that translates invalid texts for the other database: see `postgres.transaction.escaped`."""
    if (file_of(source_url) is None) == (file_of(target_url) is None):
        return str
    from harvester.ledger.postgres.transaction import escaped, unescaped

    return escaped if file_of(target_url) is None else unescaped


def _translated(table: Table, row: Row, translate: Callable[[str], str]) -> Row:
    if table is not videos:
        return tuple(row)
    position, video_id, *rest = row
    return (position, translate(video_id), *rest)


def _key(table: Table) -> list[Any]:
    return list(table.primary_key.columns)


def _count(db: Connection, table: Table) -> int:
    return db.scalar(select(func.count()).select_from(table)) or 0


@contextmanager
def _opened(url: str, *, writing: bool) -> Iterator[Engine]:
    """Open an engine; errors are turned into harvester's, and the engine is disposed of at the end."""
    if (file := file_of(url)) is not None:
        errors = connection.ledger_errors(file)
        engine = connection.writing_engine(file) if writing else connection.reading_engine(file)
    else:
        postgres = ledger_open.postgres("connection", url)
        errors = postgres.ledger_errors(url)
        engine = postgres.writing_engine(url) if writing else postgres.reading_engine(url)
    try:
        with errors:
            yield engine
    finally:
        engine.dispose()
