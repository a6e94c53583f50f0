"""PostgreSQL by query, and the whole state of a target."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2.extensions
from sqlalchemy import make_url

from support.database import Database

Row = tuple[Any, ...]


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


def url_as(database: Database, role: str | None = None) -> str:
    """The database's URL; with `role`, each connection begins with SET ROLE."""
    url = make_url(database.url)
    if role:
        url = url.update_query_dict({"options": f"-c role={role}"})
    return url.render_as_string(hide_password=False)
