"""Waiting for locks: how long, and who holds one that the load could not get.

A transaction that waited in vain is aborted and cannot ask any more, so a second, short connection does. Whoever may
not see other people's sessions still gets process, user and application; what a session's statement says is never
shown, only which kind of statement it is.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg2
from psycopg2 import sql
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl.core.text import visible

LOCK_TIMEOUT = "10s"
SHOWN_HOLDERS = 3
_WEAK = ("AccessShareLock", "RowShareLock")  # what readers hold: in the way of rebuilding only
_ASK_MILLISECONDS = 5_000

# A lock_timeout of the connection (its `options`, PGOPTIONS), the role, the database or the server counts. Only "none"
# does not, unless it was asked for in this very connection.
_TIMEOUT_IS_CHOSEN = "SELECT setting <> '0' OR source = 'client' FROM pg_settings WHERE name = 'lock_timeout'"

# A prepared transaction has no process; pg_locks shows it as -1/TRANSACTION (documentation of pg_locks).
_HOLDERS = """
WITH named AS (SELECT to_regclass(name)::oid AS oid FROM unnest({names}::text[]) AS name),
wanted AS (
    SELECT oid FROM named
    UNION SELECT confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid IN (SELECT oid FROM named)
    UNION SELECT indrelid FROM pg_index WHERE indexrelid IN (SELECT oid FROM named)
)
SELECT coalesce(t.relname, c.relname), l.mode, l.pid, a.usename, a.application_name, a.state,
       coalesce(a.xact_start, p.prepared), upper(substring(a.query from '^\\s*([A-Za-z]+)')), p.gid, p.owner
FROM pg_locks l
LEFT JOIN pg_class c ON c.oid = l.relation
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_prepared_xacts p ON l.virtualtransaction = '-1/' || p.transaction::text
WHERE l.granted AND l.pid IS DISTINCT FROM {own} AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND {which}
ORDER BY l.mode <> 'AccessExclusiveLock', coalesce(a.xact_start, p.prepared), l.pid, c.relname
"""
_ON_RELATIONS = """
l.locktype = 'relation' AND CASE
    WHEN EXISTS (SELECT FROM wanted WHERE oid IS NOT NULL) THEN l.relation IN (SELECT oid FROM wanted)
    ELSE c.relnamespace <> 'pg_catalog'::regnamespace
END
"""
_ADVISORY = "l.locktype = 'advisory' AND (l.classid::bigint << 32) + l.objid::bigint = {key} AND l.objsubid = 1"

Rows = Callable[[sql.Composable], list[tuple[Any, ...]]]


def choose_timeout(rows: Rows, run: Callable[[sql.Composable], object]) -> None:
    """Waits for locks at most `LOCK_TIMEOUT` in this transaction, unless a time was chosen by somebody."""
    if not rows(sql.SQL(_TIMEOUT_IS_CHOSEN))[0][0]:
        run(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))


def explain_timeout(engine: Engine, pid: int, statement: sql.Composable) -> str:
    """Who holds the lock that the session `pid` waited for in vain with `statement`, and what to do about it."""
    try:
        with engine.connect() as connection, contextlib.closing(connection.connection.cursor()) as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_ASK_MILLISECONDS}")
            cursor.execute(_query(sql.SQL(_ON_RELATIONS), own=pid, names=list(_tables_in(statement))))
            held = [_Holder(*row) for row in cursor.fetchall()]
    except (psycopg2.Error, SQLAlchemyError):
        return "who holds it could not be asked, since no second connection was to be had" + _ADVICE
    return _described(held) + _ADVICE


def explain_other_run(rows: Rows, key: int) -> str:
    """Who holds the lock of a run."""
    held = [_Holder(*row) for row in rows(_query(sql.SQL(_ADVISORY).format(key=sql.Literal(key)), own=0, names=[]))]
    return held[0].person() if held else "it has just finished"


_ADVICE = (
    ". Nothing was committed. Wait until it has finished or end it, then run again; to wait longer, "
    "add options=-c%20lock_timeout%3D60s to the URL (or set PGOPTIONS)."
)


def _query(which: sql.Composable, *, own: int, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(_HOLDERS).format(own=sql.Literal(own), names=sql.Literal(names), which=which)


def _tables_in(statement: sql.Composable) -> Iterator[str]:
    """The qualified names in a statement, quoted; columns are not qualified."""
    if isinstance(statement, sql.Composed):
        for part in statement.seq:
            yield from _tables_in(part)
    elif isinstance(statement, sql.Identifier) and len(statement.strings) > 1:
        yield ".".join('"' + part.replace('"', '""') + '"' for part in statement.strings)


class _Holder:
    """One lock of somebody else, and who that is as far as the server tells."""

    def __init__(self, *row: Any) -> None:
        self.relation, self.mode, self.pid, self.user, self.application, self.state = row[:6]
        self.since, self.keyword, self.prepared, self.owner = row[6:]

    @property
    def identity(self) -> object:
        return self.prepared or self.pid

    def person(self) -> str:
        """`pid 4242 (user app, application "psql", idle in transaction, since 10:15:02 UTC, last statement UPDATE)`."""
        if self.prepared is not None:
            who, parts = f'the prepared transaction "{self.prepared}"', [f"of {self.owner}"]
        else:
            who, parts = f"pid {self.pid}", [f"user {self.user}", f'application "{self.application or ""}"']
        parts += [self.state] if self.state else []
        parts += [f"since {_time(self.since)}"] if self.since else []
        parts += [f"last statement {self.keyword}"] if self.keyword else []
        return visible(f"{who} ({', '.join(parts)})")

    def __str__(self) -> str:
        mode = "".join(f" {letter}" if letter.isupper() else letter for letter in self.mode.removesuffix("Lock"))
        return f"{self.person()} holds {mode.strip().upper()} on {visible(str(self.relation))}"


def _described(held: Sequence[_Holder]) -> str:
    strong = [holder for holder in held if holder.mode not in _WEAK]
    people = list({holder.identity: holder for holder in reversed(strong or held)}.values())[::-1]
    if not people:
        return "who held it has let it go since"
    more = f", and {len(people) - SHOWN_HOLDERS} more" if len(people) > SHOWN_HOLDERS else ""
    return "; ".join(map(str, people[:SHOWN_HOLDERS])) + more


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
