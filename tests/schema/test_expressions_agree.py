"""A translated expression has the value in PostgreSQL that SQLite gives the original, for every row."""

import contextlib
import sqlite3
from collections.abc import Iterator

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.database import Server, fresh_database
from support.expressions import COLUMNS, POSTGRES_TABLE, converted, expressions, plain, rows, sqlite_table, truth
from support.targets import connected

from etl.schema.expressions import Translated, implied_by_type, translate_check, translate_index, translate_where

Databases = tuple[sqlite3.Connection, psycopg2.extensions.connection]


@pytest.fixture(scope="module")
def databases(server: Server) -> Iterator[Databases]:
    """The same table in both; nothing is ever written afterwards."""
    with (
        fresh_database(server) as database,
        connected(database) as postgres,
        contextlib.closing(sqlite_table()) as sqlite,
    ):
        marks = ", ".join(["%s"] * (len(COLUMNS) + 1))
        with postgres.cursor() as cursor:
            cursor.execute(POSTGRES_TABLE)
            for number, row in enumerate(rows()):
                values = [converted(name, value) for name, value in zip(COLUMNS, row, strict=True)]
                cursor.execute(f"INSERT INTO x VALUES ({marks})", [number, *values])
        postgres.commit()
        yield sqlite, postgres


def _values(databases: Databases, source: str, target: str) -> tuple[list[object], list[object]] | None:
    """Both sides' values in the rows' order; None where the arithmetic goes beyond 64 bits or floating point."""
    sqlite, postgres = databases
    expected = [value for (value,) in sqlite.execute(f"SELECT ({source}) FROM x ORDER BY rowid")]
    with postgres.cursor() as cursor:
        try:
            cursor.execute(f"SELECT ({target}) FROM x ORDER BY row_number")
            return expected, [value for (value,) in cursor.fetchall()]
        except psycopg2.errors.NumericValueOutOfRange:
            return None
        finally:
            postgres.rollback()


def _reads(databases: Databases, source: str) -> bool:
    """Whether SQLite takes it for an expression at all, and for these rows."""
    try:
        databases[0].execute(f"SELECT ({source}) FROM x").fetchall()
    except sqlite3.Error:
        return False
    return True


@given(data=st.data())
def test_conditions_agree(databases: Databases, data: st.DataObject) -> None:
    source = data.draw(expressions())
    found = translate_where(source, COLUMNS)
    if isinstance(found, Translated) and _reads(databases, source):
        values = _values(databases, source, found.sql)
        assert values is None or [truth(v) for v in values[0]] == values[1], (source, found.sql)


@given(data=st.data())
def test_values_agree(databases: Databases, data: st.DataObject) -> None:
    source = data.draw(expressions())
    found = translate_index(source, COLUMNS)
    if isinstance(found, Translated) and _reads(databases, source) and not _of_another_form(source, found.sql):
        values = _values(databases, source, found.sql)
        assert values is None or list(map(plain, values[0])) == list(map(plain, values[1])), (source, found.sql)


def _of_another_form(source: str, target: str) -> bool:
    """A column alone, whose values the load converts, or a text without its upper case for NOCASE."""
    return source.strip("()") in COLUMNS or (target.startswith("lower(") and "lower" not in source)


_IMPLIED = [
    "f IN (0, 1)",
    "f = 0 OR f = 1",
    "f BETWEEN 0 AND 1",
    "f >= 0 AND f <= 1",
    "j IS NULL OR json_valid(j)",
    "j IS NULL OR json_valid(j) = 1",
    "typeof(n) = 'integer'",
    "t IS NULL OR typeof(t) = 'text'",
    "typeof(t) IN ('text', 'null')",
    "length(v) <= 20",
    "day IS date(day)",
    "day IS NULL OR date(day) IS NOT NULL",
    "day = strftime('%Y-%m-%d', day)",
]


@given(data=st.data())
def test_a_check_refuses_the_same_rows(databases: Databases, data: st.DataObject) -> None:
    conditions = st.one_of(expressions(), st.sampled_from(_IMPLIED))
    source = " AND ".join(data.draw(st.lists(conditions, min_size=1, max_size=3)))
    found = translate_check(source, COLUMNS)
    if not _reads(databases, source):
        return
    passes = [value is None or bool(value) for (value,) in databases[0].execute(f"SELECT ({source}) FROM x")]
    if implied_by_type(source, COLUMNS):
        assert all(passes), source
    if isinstance(found, Translated):
        values = _values(databases, source, found.sql)
        assert values is None or passes == [value is not False for value in values[1]], (source, found.sql)


@pytest.mark.parametrize("condition", _IMPLIED)
def test_what_the_type_keeps_is_met(databases: Databases, condition: str) -> None:
    assert implied_by_type(condition, COLUMNS)
    assert all(value in (None, 1) for (value,) in databases[0].execute(f"SELECT ({condition}) FROM x"))
