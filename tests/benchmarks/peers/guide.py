"""The guide's way: read whole tables, convert row by row in Python, executemany with ON CONFLICT DO NOTHING.

    python guide.py SQLITE LIBPQ TABLE…

A script such as a careful reader of the guide would write it, foreign keys switched off for the time of the load.
"""

import json
import sqlite3
import sys

import psycopg2
from psycopg2 import sql

BOOLEANS = {
    "is_active",
    "enabled",
    "success",
    "acknowledged",
    "is_free",
    "is_featured",
    "is_verified",
    "is_shared",
}
DOCUMENTS = {"metadata", "keywords", "tags", "details", "data", "key_findings", "sources", "models"}


def main(sqlite: str, libpq: str, tables: list[str]) -> None:
    source = sqlite3.connect(f"file:{sqlite}?mode=ro", uri=True)
    source.row_factory = sqlite3.Row
    target = psycopg2.connect(libpq)
    with target.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in tables:
            migrate(source, cursor, table)
            target.commit()
        reset_sequences(cursor)
        target.commit()


def migrate(source: sqlite3.Connection, cursor: psycopg2.extensions.cursor, table: str) -> None:
    rows = source.execute(f'SELECT * FROM "{table}"').fetchall()
    if not rows:
        return
    columns = rows[0].keys()
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    cursor.executemany(statement, [tuple(convert(column, row[column]) for column in columns) for row in rows])


def convert(column: str, value: object) -> object:
    if value is None:
        return None
    if column in BOOLEANS:
        return bool(value)
    if column in DOCUMENTS and not isinstance(value, str):
        return json.dumps(value)
    return value


def reset_sequences(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE column_default LIKE 'nextval(%'"
    )
    for table, column in cursor.fetchall():
        cursor.execute(
            sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 1)) FROM {}").format(
                sql.Literal(table), sql.Literal(column), sql.Identifier(column), sql.Identifier(table)
            )
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
