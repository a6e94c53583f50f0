"""Tools for the tests of the load: SQLite files by statement, PostgreSQL by query, the whole state of a target."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2.extensions
import pytest
from conftest import Database
from sqlalchemy import make_url

import etl
from etl.observer import Observer
from etl.rejects import file_name
from etl.report import Report, TableReport

Row = tuple[Any, ...]
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
nightly = pytest.mark.skipif(not NIGHTLY, reason="nightly: HYPOTHESIS_PROFILE=nightly")


@contextlib.contextmanager
def sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a SQLite file, committed and closed at the end."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
        connection.commit()


def processes_in(folder: Path) -> list[psutil.Process]:
    """Everything alive that works inside of `folder` or names it in its command line, with the facts it had then.

    A backend may end at any moment: what a test wants to know is in `info`, and never asked for later.
    """
    facts = ("cmdline", "cwd", "environ", "status", "uids")
    return [
        process
        for process in psutil.process_iter(facts)
        if process.pid != os.getpid()
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and any(str(folder) in text for text in (process.info["cwd"] or "", *(process.info["cmdline"] or ())))
    ]


def make_sqlite(path: Path, *statements: str) -> Path:
    """A SQLite file made by these statements, or changed by them where there is one."""
    with sqlite(path) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def series(count: int, select: str) -> str:
    """`SELECT select` for n = 1 … count, as SQLite spells it."""
    return f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT {select} FROM s"


@contextlib.contextmanager
def connected(database: Database, role: str | None = None) -> Iterator[psycopg2.extensions.connection]:
    """A psycopg2 connection of its own, committed at the end where nothing failed; `role` after SET ROLE."""
    connection = database.engine().raw_connection()
    try:
        driver = connection.driver_connection
        assert isinstance(driver, psycopg2.extensions.connection)
        if role:
            with driver.cursor() as cursor:
                cursor.execute(f"SET ROLE {role}")
        yield driver
        driver.commit()
    finally:
        connection.close()


def execute(database: Database, *statements: str) -> None:
    """Runs statements in one transaction and commits."""
    with connected(database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def query(database: Database, statement: str) -> list[Row]:
    """All rows of a query."""
    with connected(database) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def value(database: Database, statement: str) -> Any:
    """The one value of a query."""
    ((found,),) = query(database, statement)
    return found


def state(database: Database) -> dict[str, object]:
    """Everything that a run may change: columns, constraints, indexes, sequences, and the contents of every table."""
    found: dict[str, object] = {
        "columns": query(database, _COLUMNS),
        "constraints": query(database, _CONSTRAINTS),
        "indexes": query(database, _INDEXES),
    }
    for (name,) in query(database, _RELATIONS.format("'S'")):
        found[name] = query(database, f"SELECT last_value, is_called FROM {name}")
    for (name,) in query(database, _RELATIONS.format("'r', 'p'")):
        found[name] = query(
            database, f"SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {name} t"
        )
    return found


def contents(database: Database, *tables: str) -> dict[str, list[str]]:
    """The rows of some tables as text, sorted."""
    return {table: sorted(text for (text,) in query(database, f"SELECT t::text FROM {table} t")) for table in tables}


def books(report: Report) -> dict[str, tuple[int | None, int | None, int | None, int | None]]:
    """Per table of the report: source, loaded, present, rejected rows; fails where a table's sum is not 0."""
    for table in report.tables:
        assert not table.unaccounted_rows, table
    return {
        table.name: (table.source_rows, table.loaded_rows, table.present_rows, table.rejected_rows)
        for table in report.tables
    }


def table_report(report: Report, name: str) -> TableReport:
    """One table of the report."""
    return next(table for table in report.tables if table.name == name)


def rejects(report: Report, table: str, kind: str = "rejects") -> list[dict[str, Any]]:
    """The lines of a table's reject file (or of its `dropped` file); none where there is no file."""
    assert report.folder is not None
    path = report.folder / kind / file_name(f"{table}.ndjson")
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


_RELATIONS = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg_temp%'
  AND c.relkind IN ({})
ORDER BY 1
"""
_COLUMNS = """
SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text = 'public' AND attnum > 0 ORDER BY 1, 2
"""
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), condeferrable, condeferred, convalidated,
       obj_description(oid, 'pg_constraint'),
       (SELECT string_agg(tgenabled::text, '' ORDER BY tgenabled) FROM pg_trigger g WHERE tgconstraint = x.oid)
FROM pg_constraint x WHERE connamespace::regnamespace::text = 'public' ORDER BY 1, 2
"""
_INDEXES = """
SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid, indisprimary, indisclustered, indisreplident,
       obj_description(indexrelid, 'pg_class'),
       (SELECT spcname FROM pg_class x JOIN pg_tablespace t ON t.oid = x.reltablespace WHERE x.oid = indexrelid),
       (SELECT count(*) FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND objid = indexrelid AND deptype = 'x'),
       (SELECT string_agg(attnum || ':' || attstattarget, ' ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = indexrelid AND attstattarget >= 0)
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace::regnamespace::text = 'public' ORDER BY 1, 2
"""


def load(
    database: Database,
    sqlite_path: Path,
    report_folder: Path,
    *,
    role: str | None = None,
    tables: tuple[str, ...] = (),
    dry_run: bool = False,
    create_schema: bool = False,
    extra_columns: str = "stop",
    keep_constraints: bool = False,
    validate: bool = False,
    batch_rows: int = 50_000,
    observer: Observer | None = None,
) -> Report:
    """`etl.migrate` into the test's database; `role` is taken on in it, as if connected so."""
    return etl.migrate(
        sqlite_path,
        url_as(database, role),
        tables=tables,
        dry_run=dry_run,
        create_schema=create_schema,
        extra_columns=extra_columns,
        keep_constraints=keep_constraints,
        validate=validate,
        batch_rows=batch_rows,
        report_folder=report_folder,
        observer=observer,
    )


def url_as(database: Database, role: str | None = None) -> str:
    """The database's URL; with `role`, each connection begins with SET ROLE."""
    url = make_url(database.url)
    if role:
        url = url.update_query_dict({"options": f"-c role={role}"})
    return url.render_as_string(hide_password=False)
