"""Whether an application's own SQL goes on working: the same statements on SQLite's file and on PostgreSQL."""

import contextlib
import sqlite3
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from support.orms import Application, Statement

Postgres = psycopg2.extensions.connection
Row = tuple[Any, ...]
_REFUSALS: dict[str, tuple[type[psycopg2.Error], ...]] = {
    "primary key": (psycopg2.errors.UniqueViolation,),
    "unique": (psycopg2.errors.UniqueViolation,),
    "not null": (psycopg2.errors.NotNullViolation,),
    # PostgreSQL 18 has a code of its own for ON DELETE RESTRICT.
    "foreign key": (psycopg2.errors.ForeignKeyViolation, psycopg2.errors.RestrictViolation),
    "check": (psycopg2.errors.CheckViolation,),
}
_WORDS = {
    "primary key": "UNIQUE",
    "unique": "UNIQUE",
    "not null": "NOT NULL",
    "foreign key": "FOREIGN KEY",
    "check": "CHECK",
}


def application_sql_works(
    application: Application, path: Path, postgres: Postgres, *, schema: str = "public"
) -> list[str]:
    """What of the application's own SQL does not do the same on both sides, in words.

    The same SELECTs give the same rows, the INSERTs without an id find a new one, and each violation is refused by a
    constraint of its kind. Both sides are left as they were.
    """
    with contextlib.closing(sqlite3.connect(path)) as sqlite, postgres.cursor() as cursor:
        sqlite.isolation_level = None
        sqlite.execute("PRAGMA foreign_keys = ON")
        sqlite.execute("BEGIN")
        cursor.execute("SAVEPOINT application")
        cursor.execute("SELECT set_config('search_path', quote_ident(%s), true)", (schema,))
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        try:
            found = [*_selects(application, sqlite, postgres), *_inserts(application, sqlite, postgres)]
            return [*found, *_violations(application, sqlite, postgres)]
        finally:
            sqlite.execute("ROLLBACK")
            cursor.execute("ROLLBACK TO SAVEPOINT application")


def _attempt(postgres: Postgres, statement: str) -> tuple[list[Row], psycopg2.Error | None]:
    """The rows, and the error, which takes nothing else with it."""
    with postgres.cursor() as cursor:
        cursor.execute("SAVEPOINT attempt")
        try:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description is not None else [], None
        except psycopg2.Error as error:
            cursor.execute("ROLLBACK TO SAVEPOINT attempt")
            return [], error


def _selects(application: Application, sqlite: sqlite3.Connection, postgres: Postgres) -> list[str]:
    found = []
    for statement in application.selects:
        expected = sqlite.execute(statement.sqlite).fetchall()
        rows, error = _attempt(postgres, statement.postgres)
        if error is not None:
            found.append(f"{statement.postgres}: {error}".strip())
        elif [tuple(map(_shown, row)) for row in rows] != [tuple(map(_shown, row)) for row in expected]:
            found.append(f"{statement.postgres}: {rows} instead of {expected}")
    return found


def _shown(value: Any) -> Any:
    """A value of a result: numbers by their value, times and JSON by their text's meaning."""
    if isinstance(value, bool | int | float | Decimal):
        return float(value)
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, uuid.UUID):
        return str(value).lower()
    return value if value is None or isinstance(value, bytes) else str(value)


def _inserts(application: Application, sqlite: sqlite3.Connection, postgres: Postgres) -> list[str]:
    found = []
    for statement in application.inserts:
        sqlite.execute(statement.sqlite)
        _, error = _attempt(postgres, statement.postgres)
        if error is not None:
            found.append(f"{statement.postgres}: {error}".strip())
    return found


def _violations(application: Application, sqlite: sqlite3.Connection, postgres: Postgres) -> list[str]:
    found = []
    for violation in application.violations:
        _refused_by_sqlite(sqlite, violation.statement, violation.kind)
        _, error = _attempt(postgres, violation.statement.postgres)
        if error is None:
            found.append(f"{violation.statement.postgres}: not refused, though it breaks a {violation.kind}")
        elif not isinstance(error, _REFUSALS[violation.kind]):
            found.append(f"{violation.statement.postgres}: refused, but not by a {violation.kind}: {error}".strip())
    return found


def _refused_by_sqlite(sqlite: sqlite3.Connection, statement: Statement, kind: str) -> None:
    """SQLite has to refuse it as well, or else the statement proves nothing."""
    sqlite.execute("SAVEPOINT attempt")
    try:
        sqlite.execute(statement.sqlite)
        if sqlite.execute("PRAGMA foreign_key_check").fetchall():
            raise sqlite3.IntegrityError("FOREIGN KEY constraint failed")
    except sqlite3.IntegrityError as error:
        if _WORDS[kind] not in str(error).upper():
            raise AssertionError(f"SQLite refuses it for another reason: {statement.sqlite}: {error}") from error
    else:
        raise AssertionError(f"SQLite does not refuse it: {statement.sqlite}")
    finally:
        sqlite.execute("ROLLBACK TO SAVEPOINT attempt")
