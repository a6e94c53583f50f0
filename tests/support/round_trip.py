"""A second comparison, which shares no code with the product: SQLite's file beside PostgreSQL's tables, value by value.

It reads with plain sqlite3 and psycopg2. PostgreSQL gives every value as text under fixed settings; each type has one
simple rule that says whether that text is SQLite's value. It is meant for small databases: a table is held in memory.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2.extensions

from support.round_trip_rules import Rule, Value, rule_for

Postgres = psycopg2.extensions.connection
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Names:
    """A source table's name in PostgreSQL, and its columns' by their names in SQLite."""

    table: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """What is not the same: a table, a column or a row that is on one side alone, or a value."""

    table: str
    what: str
    key: Row = ()
    column: str | None = None
    sqlite: Any = None
    postgres: Any = None


def lower_case(path: Path) -> dict[str, Names]:
    """The mapping where every name is in lower case, for all tables that are neither virtual nor SQLite's own."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {
            table: Names(table.lower(), {column: column.lower() for column in _columns(connection, table)})
            for table in _tables(connection)
        }


def differences(
    path: Path, postgres: Postgres, names: Mapping[str, Names], *, schema: str = "public"
) -> list[Difference]:
    """All that is not the same between the file and the schema.

    Args:
        path: the SQLite file.
        postgres: a connection to the database with the tables.
        names: what every source table and column is called there. A table or column that it lacks is a difference.
        schema: where the tables are.
    """
    found: list[Difference] = []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as sqlite, _settings(postgres):
        sqlite.text_factory = bytes
        for table in _tables(sqlite):
            if table not in names:
                found.append(Difference(table, "the table has no name in PostgreSQL"))
                continue
            found.extend(_table(sqlite, postgres, table, names[table], schema))
    return found


@contextlib.contextmanager
def _settings(postgres: Postgres) -> Iterator[None]:
    """What decides how PostgreSQL writes values."""
    with postgres.cursor() as cursor:
        cursor.execute("SAVEPOINT round_trip")
        for setting in ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "bytea_output = 'hex'", "extra_float_digits = 1"):
            cursor.execute(f"SET LOCAL {setting}")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK TO SAVEPOINT round_trip")


def _tables(sqlite: sqlite3.Connection) -> list[str]:
    """Tables that hold rows of their own, neither virtual nor one's shadow."""
    rows = sqlite.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").fetchall()
    plain = [(_word(name), _word(kind)) for name, kind in rows]
    return sorted(name for name, kind in plain if kind == "table" and not name.startswith("sqlite_"))


def _word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _columns(sqlite: sqlite3.Connection, table: str) -> list[str]:
    rows = sqlite.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", (table,)).fetchall()
    return [_word(name) for (name,) in rows]


def _key(sqlite: sqlite3.Connection, table: str) -> list[str]:
    """The primary key's columns, where it holds no NULL."""
    rows = sqlite.execute("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", (table,)).fetchall()
    key = [_word(name) for (name,) in rows]
    nulls = " OR ".join(f"{_quoted(column)} IS NULL" for column in key)
    if not key or sqlite.execute(f"SELECT 1 FROM {_quoted(table)} WHERE {nulls} LIMIT 1").fetchone():
        return []
    return key


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _table(sqlite: sqlite3.Connection, postgres: Postgres, table: str, names: Names, schema: str) -> list[Difference]:
    types = _types(postgres, names.table, schema)
    if types is None:
        return [Difference(table, "the table is not in PostgreSQL")]
    columns = _columns(sqlite, table)
    lacking = [column for column in columns if names.columns.get(column) not in types]
    found = [Difference(table, "the column is not in PostgreSQL", column=column) for column in lacking]
    shared = [column for column in columns if column not in lacking]
    source = _source_rows(sqlite, table, shared)
    target = _target_rows(postgres, f"{_quoted(schema)}.{_quoted(names.table)}", [names.columns[c] for c in shared])
    rules = _rules([types[names.columns[column]] for column in shared], source, target)
    key = [shared.index(column) for column in _key(sqlite, table) if column in shared]
    if key and len(key) == len(_key(sqlite, table)):
        return found + _by_key(table, shared, rules, key, source, target)
    return found + _by_contents(table, rules, source, target)


def _types(postgres: Postgres, table: str, schema: str) -> dict[str, str] | None:
    with postgres.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
            "JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE relname = %s AND nspname = %s AND attnum > 0 AND NOT attisdropped",
            (table, schema),
        )
        return dict(cursor.fetchall()) or None


def _source_rows(sqlite: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[list[Value]]:
    pieces = ", ".join(f"{_quoted(column)}, CAST({_quoted(column)} AS TEXT)" for column in columns)
    kinds = ", ".join(f"typeof({_quoted(column)})" for column in columns)
    rows = sqlite.execute(f"SELECT {pieces}, {kinds} FROM {_quoted(table)}").fetchall()
    count = len(columns)
    return [[_value(row[2 * k], row[2 * k + 1], row[2 * count + k]) for k in range(count)] for row in rows]


def _value(value: Any, text: bytes | None, kind: bytes) -> Value:
    """Texts come as bytes as BLOBs do: the storage class tells them apart."""
    if kind == b"text":
        return Value(value.decode(errors="surrogateescape"), value)
    return Value(value, text)


def _target_rows(postgres: Postgres, table: str, columns: Sequence[str]) -> list[list[str | None]]:
    with postgres.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(_quoted(column) + '::text' for column in columns)} FROM {table}")
        return [list(row) for row in cursor.fetchall()]


def _rules(types: Sequence[str], source: list[list[Value]], target: list[list[str | None]]) -> list[Rule]:
    return [
        rule_for(type_, [row[position] for row in source], [row[position] for row in target])
        for position, type_ in enumerate(types)
    ]


# --- rows against rows ----------------------------------------------------------------------------------------------


def _by_key(
    table: str,
    columns: Sequence[str],
    rules: Sequence[Rule],
    key: Sequence[int],
    source: list[list[Value]],
    target: list[list[str | None]],
) -> list[Difference]:
    """Rows that have one key are compared column by column."""
    targets = {tuple(rules[k].of_target(row[k]) for k in key): row for row in target}
    found = []
    for row in source:
        identity = tuple(rules[k].of_source(row[k]) for k in key)
        other = targets.pop(identity, None)
        shown = tuple(row[k].value for k in key)
        if other is None:
            found.append(Difference(table, "the row is missing in PostgreSQL", shown))
            continue
        for column, rule, value, text in zip(columns, rules, row, other, strict=True):
            if rule.of_source(value) != rule.of_target(text):
                found.append(Difference(table, "the values differ", shown, column, value.value, text))
    return found + [
        Difference(table, "the row is in PostgreSQL alone", tuple(row[k] for k in key)) for row in targets.values()
    ]


def _by_contents(
    table: str, rules: Sequence[Rule], source: list[list[Value]], target: list[list[str | None]]
) -> list[Difference]:
    """Without a key, the same rows have to be there equally often."""
    left = Counter(tuple(rule.of_source(v) for rule, v in zip(rules, row, strict=True)) for row in source)
    right = Counter(tuple(rule.of_target(t) for rule, t in zip(rules, row, strict=True)) for row in target)
    missing = [Difference(table, "the row is missing in PostgreSQL", row) for row in (left - right).elements()]
    return missing + [Difference(table, "the row is in PostgreSQL alone", row) for row in (right - left).elements()]
