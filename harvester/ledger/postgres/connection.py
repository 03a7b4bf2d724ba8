"""How a PostgreSQL ledger is opened, for writing and for reading, and what its errors mean."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.pool import NullPool

from harvester.errors import HarvesterError, LedgerDamaged, LedgerUnavailable, LedgerUnusable
from harvester.support.addresses import name_of
from harvester.support.sanitize import shown

# Defaults for what the address does not set: notice within a minute that a server is gone.
_PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "application_name": "harvester",
}
_WRITING = {
    # Each hot statement has its index, which the planner might not choose for a table that was just filled.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # How long a run that hangs in a transaction, for example on a suspended machine, can block others.
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "60s",
    # A host that is gone is noticed by the server, which then releases its advisory locks.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# Limits of the server, its database or this user, which would end a long read or a run that waits: a session may lift
# them for itself. Not every version has all of them.
_LIMITS = ["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "idle_session_timeout"]
_NO_LIMITS = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = ANY(%s) AND setting <> '0'"
# Committed means on disk, whatever the server's default; where that asks for more, as for replicas, it stays so.
_ON_DISK = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"

# Its warnings only repeat what follows from an error that is raised anyway.
logging.getLogger("psycopg").setLevel(logging.ERROR)

_SAFE = "What was committed before is safe."
_REFUSED = ("28", "3D", "42501")
_FULL = ("53100", "53200")
_READ_ONLY = "25006"
_CANCELLED = ("55P03", "57014")
_TIME_LIMITS = ("25P03", "25P04", "57P05")
_SNAPSHOT_TOO_OLD = "72000"
_DAMAGED = "XX00"
_NO_LEDGER = ("42P01", "42703", "3F000")
# A refused connection has no error code, so it is recognised by the server's English message.
_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied for database",
    "is not permitted to log in",
)


class ReadingConnection(psycopg.Connection):
    """A connection that only reads, and ignores errors at the end of a transaction whose connection has ended."""

    def commit(self) -> None:
        with suppress(psycopg.Error):
            super().commit()

    def rollback(self) -> None:
        with suppress(psycopg.Error):
            super().rollback()


def clock_lead(ask: Callable[[], datetime]) -> timedelta:
    """How far a server's clock is ahead of this host's, to the second; zero where they may agree.

    `ask` returns the server's time, which is of a moment between its call and its return, however long that takes.
    """
    asked_at, servers, told_at = datetime.now(UTC), ask(), datetime.now(UTC)
    return timedelta(seconds=round((servers - min(max(servers, asked_at), told_at)).total_seconds()))


def connect(url: str, kind: type[psycopg.Connection] = psycopg.Connection) -> psycopg.Connection:
    """Connect in autocommit mode: transactions begin with an explicit BEGIN."""
    # libpq's message about an address that it can't parse quotes a part of it, perhaps of the password.
    try:
        conninfo = make_conninfo(url)
        conninfo = make_conninfo(url, **{key: value for key, value in _PATIENCE.items() if f"{key}=" not in conninfo})
    except psycopg.ProgrammingError:
        raise LedgerUnusable(
            f"The address of the ledger {name_of(url)} cannot be understood.",
            state="Nothing was changed.",
            next_step="Fix ledger.url: postgresql://user@host/database. Letters that mean something in an address are "
            "written as %40 for @ and the like; parameters are those of libpq.",
        ) from None
    with ExitStack() as closed_on_error:
        db = closed_on_error.enter_context(closing(kind.connect(conninfo, autocommit=True)))
        db.execute(_NO_LIMITS, [_LIMITS])
        closed_on_error.pop_all()
    return db


def connect_for_writing(url: str) -> psycopg.Connection:
    """Connect, with the session's settings for a writer."""
    with ExitStack() as closed_on_error:
        db = closed_on_error.enter_context(closing(connect(url)))
        settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _WRITING.items())
        db.execute(f"SELECT {settings}".encode())  # the texts are those above
        db.execute(_ON_DISK)
        closed_on_error.pop_all()
    return db


def reading_engine(url: str) -> Engine:
    """An engine that cannot write, and whose transactions each see one snapshot."""
    return _engine(lambda: _connect_for_reading(url))


def writing_engine(url: str) -> Engine:
    """An engine for migrations and copies, through SQLAlchemy."""
    return _engine(lambda: connect(url), isolation_level="READ COMMITTED")


def _engine(connector: Callable[[], psycopg.Connection], **options: Any) -> Engine:
    # Without hstore, whose type SQLAlchemy would look up at each new connection.
    return create_engine(
        "postgresql+psycopg://", creator=connector, poolclass=NullPool, use_native_hstore=False, **options
    )


def _connect_for_reading(url: str) -> psycopg.Connection:
    db = connect(url, ReadingConnection)
    # Not set by SQLAlchemy, which would reset them at the end; that fails once the connection has ended.
    db.autocommit, db.isolation_level, db.read_only = False, psycopg.IsolationLevel.REPEATABLE_READ, True
    return db


@contextmanager
def ledger_errors(url: str) -> Iterator[None]:
    """Turn the database's errors into harvester's."""
    try:
        yield
    except psycopg.Error as error:
        raise explain(error, url) from error
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        raise explain(error.orig, url) from error
    except PendingRollbackError as error:
        # Read from again, after an error that ended the connection.
        raise explain(psycopg.OperationalError("the connection was ended"), url) from error


def explain(error: psycopg.Error, url: str) -> HarvesterError:
    """The harvester error for an error of PostgreSQL; a plain HarvesterError where it is not a known one."""
    code, what, name = error.sqlstate or "", _sentence(error), name_of(url)
    if code.startswith(_REFUSED) or (not code and any(refusal in what for refusal in _REFUSALS)):
        return LedgerUnusable(
            f"The ledger {name} cannot be opened: {what}.",
            state="Nothing was changed.",
            next_step="Fix ledger.url, the password (PGPASSWORD or ~/.pgpass), or the rights of that user.",
        )
    if code.startswith(_NO_LEDGER):
        return LedgerUnusable(
            f"{name} is not the ledger that this harvester knows: {what}.",
            state="It was left as it is.",
            next_step="Run harvester init to prepare it, or set ledger.url.",
        )
    if code.startswith(_DAMAGED) and code != "XX000":
        return damaged_error(url, what)
    if not is_outside(error):
        return HarvesterError(f"The ledger refused a transaction: {what}.", state=_SAFE)
    if code in _FULL:
        next_step = "Make room on the server's disk, then run the command again: it continues where it stopped."
    elif code == _READ_ONLY:
        next_step = "This server is a standby: name the primary, or add target_session_attrs=read-write to ledger.url."
    elif code in _CANCELLED:
        next_step = "See in pg_stat_activity what holds it, then run the command again."
    elif code in _TIME_LIMITS:
        next_step = "See which time limit of the server it was, then run the command again."
    else:
        next_step = "See that the server runs and can be reached, then run the command again."
    return LedgerUnavailable(f"The ledger {name} cannot be used now: {what}.", state=_SAFE, next_step=next_step)


def is_outside(error: psycopg.Error) -> bool:
    """Whether the server or the network failed, rather than the statement."""
    if ends_connection(error) or error.sqlstate in (*_TIME_LIMITS, _SNAPSHOT_TOO_OLD, _READ_ONLY):
        return True
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return True
    # Without a code, it is libpq's own error about an invalid answer.
    return not error.sqlstate and isinstance(error, psycopg.InternalError)


def ends_connection(error: psycopg.Error) -> bool:
    """Whether the server ends the session with this error."""
    return error.diag.severity_nonlocalized in ("FATAL", "PANIC")


def damaged_error(url: str, how: str) -> LedgerDamaged:
    """Return the error for a damaged ledger: `how` says what is wrong."""
    return LedgerDamaged(
        f"The ledger {name_of(url)} is damaged: {how}.",
        state="Nothing was repaired or thrown away.",
        next_step="Restore it from a backup.",
    )


def _sentence(error: psycopg.Error) -> str:
    """The first line of the message, without the values that a second one may contain."""
    message: Any = error.diag.message_primary or str(error)
    return shown(next(iter(message.strip().splitlines()), type(error).__name__).rstrip("."))
