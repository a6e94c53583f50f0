"""A second comparison, which shares no code with the product: SQLite's file beside PostgreSQL's tables, value by value.

It reads with plain sqlite3 and psycopg2. PostgreSQL gives every value as text under fixed settings; each type has one
simple rule that says whether that text is SQLite's value. It is meant for small databases: a table is held in memory.
"""

import contextlib
import json
import sqlite3
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from support.orms import Application, Statement

Postgres = psycopg2.extensions.connection
Row = tuple[Any, ...]
_UNITS: dict[str, Callable[[Decimal], Decimal]] = {
    # what a number counts → seconds since 1970
    "seconds": lambda number: number,
    "milliseconds": lambda number: number / 1_000,
    "microseconds": lambda number: number / 1_000_000,
    "nanoseconds": lambda number: number / 1_000_000_000,
    "julian days": lambda number: (number - Decimal("2440587.5")) * 86_400,
    "seconds since 2001": lambda number: number + 978_307_200,
}


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


@dataclass(frozen=True)
class Value:
    """A value of SQLite's, and the text that SQLite itself makes of it."""

    value: Any
    text: bytes | None


def _source_rows(sqlite: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[list[Value]]:
    pieces = ", ".join(f"{_quoted(column)}, CAST({_quoted(column)} AS TEXT)" for column in columns)
    kinds = ", ".join(f"typeof({_quoted(column)})" for column in columns)
    rows = sqlite.execute(f"SELECT {pieces}, {kinds} FROM {_quoted(table)}").fetchall()
    count = len(columns)
    return [[_value(row[2 * k], row[2 * k + 1], row[2 * count + k]) for k in range(count)] for row in rows]


def _value(value: Any, text: bytes | None, kind: bytes) -> Value:
    """Texts come as bytes as BLOBs do: the storage class tells them apart."""
    if kind == b"text":
        return Value(value.decode(), value)
    return Value(value, text)


def _target_rows(postgres: Postgres, table: str, columns: Sequence[str]) -> list[list[str | None]]:
    with postgres.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(_quoted(column) + '::text' for column in columns)} FROM {table}")
        return [list(row) for row in cursor.fetchall()]


# --- rows against rows ----------------------------------------------------------------------------------------------


def _by_key(
    table: str,
    columns: Sequence[str],
    rules: Sequence["Rule"],
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
    table: str, rules: Sequence["Rule"], source: list[list[Value]], target: list[list[str | None]]
) -> list[Difference]:
    """Without a key, the same rows have to be there equally often."""
    left = Counter(tuple(rule.of_source(v) for rule, v in zip(rules, row, strict=True)) for row in source)
    right = Counter(tuple(rule.of_target(t) for rule, t in zip(rules, row, strict=True)) for row in target)
    missing = [Difference(table, "the row is missing in PostgreSQL", row) for row in (left - right).elements()]
    return missing + [Difference(table, "the row is in PostgreSQL alone", row) for row in (right - left).elements()]


# --- values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """How both sides' values become comparable ones. What cannot be read is compared as it stands, and so differs."""

    source: Callable[[Value], Any]
    target: Callable[[str], Any]

    def of_source(self, value: Value) -> Any:
        """NULL, the value, or what stands for one that has no such meaning."""
        if value.value is None:
            return None
        try:
            return self.source(value)
        except (ValueError, TypeError, LookupError, OverflowError, InvalidOperation):
            return ("unreadable", repr(value.value))

    def of_target(self, text: str | None) -> Any:
        """NULL or the value."""
        return None if text is None else self.target(text)


def _rules(types: Sequence[str], source: list[list[Value]], target: list[list[str | None]]) -> list[Rule]:
    return [
        _rule(type_, [row[position] for row in source], [row[position] for row in target])
        for position, type_ in enumerate(types)
    ]


def _rule(type_: str, values: list[Value], texts: list[str | None]) -> Rule:
    if type_.startswith("timestamp") or type_ == "date":
        return _rule_of_times(values, texts)
    return _RULES.get(type_, Rule(_text, str))


def _text(value: Value) -> str:
    return (value.text or b"").decode()


def _boolean(value: Value) -> bool:
    return {"0": False, "1": True, "f": False, "t": True, "false": False, "true": True}[_text(value).lower()]


def _number(value: Value) -> Decimal:
    if isinstance(value.value, bytes):
        raise ValueError(value)
    return Decimal(repr(value.value) if isinstance(value.value, float) else str(value.value))


def _double(value: Value) -> float:
    if isinstance(value.value, bytes):
        raise ValueError(value)
    return float(value.value)


def _single(value: Value) -> bytes:
    return struct.pack("f", _double(value))


def _bytes(value: Value) -> bytes:
    return value.value if isinstance(value.value, bytes) else (value.text or b"")


def _uuid(value: Value) -> uuid.UUID:
    return uuid.UUID(bytes=value.value) if isinstance(value.value, bytes) else uuid.UUID(str(value.value))


def _json(text: str) -> Any:
    return _frozen(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _frozen(value: Any) -> Any:
    """With the kind beside the value: true is not 1 here."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return (type(value).__name__, value)


def _json_source(value: Value) -> Any:
    return _json(_text(value))


def _clock(value: Value) -> time:
    return time.fromisoformat(str(value.value))


_RULES = {
    "boolean": Rule(_boolean, lambda text: text == "true"),
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric"), Rule(_number, Decimal)),
    "double precision": Rule(_double, float),
    "real": Rule(_single, lambda text: struct.pack("f", float(text))),
    "bytea": Rule(_bytes, lambda text: bytes.fromhex(text.removeprefix("\\x"))),
    "uuid": Rule(_uuid, uuid.UUID),
    "json": Rule(_json_source, _json),
    "jsonb": Rule(_json_source, _json),
    "time without time zone": Rule(_clock, time.fromisoformat),
}


def _rule_of_times(values: list[Value], texts: list[str | None]) -> Rule:
    """Numbers count in the one unit that makes them the times that are there."""
    numbers = [value for value in values if isinstance(value.value, int | float)]
    present = {_target_time(text) for text in texts if text is not None}
    for unit in _UNITS.values():
        read = [_number_as_time(value, unit) for value in numbers]
        if numbers and all(moment in present for moment in read):
            return Rule(lambda value, unit=unit: _source_time(value, unit), _target_time)  # type: ignore[misc]
    return Rule(lambda value: _source_time(value, _UNITS["seconds"]), _target_time)


def _number_as_time(value: Value, unit: Callable[[Decimal], Decimal]) -> datetime | None:
    try:
        seconds = unit(_number(value))
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int((seconds * 1_000_000).to_integral_value()))
    except OverflowError:
        return None


def _source_time(value: Value, unit: Callable[[Decimal], Decimal]) -> datetime:
    if isinstance(value.value, int | float):
        found = _number_as_time(value, unit)
        if found is None:
            raise ValueError(value)
        return found
    return _read_time(str(value.value))


def _target_time(text: str) -> datetime | str:
    return text if text in ("infinity", "-infinity") or text.endswith("BC") else _read_time(text)


def _read_time(text: str) -> datetime:
    """ISO 8601 with up to six digits that count; a text without an offset is UTC."""
    whole, point, rest = text.replace(" +", "+").replace(" -", "-").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    if digits[6:].strip("0"):
        raise ValueError(f"{text} has more digits than microseconds")
    found = datetime.fromisoformat(whole + point + digits[:6].ljust(6, "0") + rest[len(digits) :] if point else whole)
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)


# --- the application's own SQL --------------------------------------------------------------------------------------

_REFUSALS: dict[str, tuple[type[psycopg2.Error], ...]] = {
    "primary key": (psycopg2.errors.UniqueViolation,),
    "unique": (psycopg2.errors.UniqueViolation,),
    "not null": (psycopg2.errors.NotNullViolation,),
    "foreign key": (psycopg2.errors.ForeignKeyViolation,),
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
        cursor.execute(f"SET LOCAL search_path = {_quoted(schema)}")
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
