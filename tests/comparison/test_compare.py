"""The comparison of values, on rows that were written into both databases by hand: no cast of the load takes part."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from support.database import Database, Server
from support.loads import load
from support.sources import make_sqlite, sqlite
from support.targets import connected, execute, value

from etl.api import compare as reconcile
from etl.comparison.align import OrderError, align
from etl.comparison.compare import TableComparison, compare_table
from etl.comparison.fast_json import surely_same
from etl.comparison.meaning import is_json
from etl.comparison.target_side import prepare_session
from etl.core.difference_kinds import DifferenceKind
from etl.core.difference_kinds import DifferenceKind as Kind
from etl.core.plan import TablePlan
from etl.core.report import Status, TableReport
from etl.files.private_files import file_name
from etl.planning.from_catalogs import plan_between
from etl.reporting.report import Report
from etl.sample.build import make_sample
from etl.schema.unified import metadata
from etl.source.database import Source
from etl.target.session import Session

SAME = None
ONLY_WITH_A_KEY = (
    "text",
    "'0.30000000000000004'",
)  # 17 digits of a real in a text column: whole rows are spelled in one way only


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    """One database for all tests of this module that bring tables of their own."""
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield Database(server.admin.set(database=name).render_as_string(hide_password=False))
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass(frozen=True)
class Found:
    """A line of a differences file, without what a test does not look at."""

    key: object
    column: str | None
    kind: str
    shift: float | None = None


def lines(report: Report, table: str) -> list[dict[str, Any]]:
    """All differences of a table, from its file."""
    assert report.folder is not None
    path = report.folder / "differences" / file_name(f"{table}.ndjson")
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def found(report: Report, table: str) -> list[Found]:
    """All differences of a table: the key's only value, column, kind, shift."""
    return [
        Found(next(iter((line["key"] or {"": None}).values())), line["column"], line["kind"], line["shift_seconds"])
        for line in lines(report, table)
    ]


def books(report: Report, table: str) -> tuple[int | None, int | None, int | None, int | None]:
    """Matched, different, missing and extra rows of a table; fails where they do not add up."""
    books = next(item for item in report.tables if item.name == table and item.status is Status.MIGRATED)
    assert not books.unaccounted_rows, books
    return books.matched_rows, books.different_rows, books.missing_rows, books.extra_rows


def side_by_side(
    database: Database,
    folder: Path,
    *,
    source: Sequence[str],
    target: Sequence[str],
    table: str | None = None,
    assume_timezone: str = "UTC",
) -> Report:
    """Compares what the two lists of statements make."""
    path = make_sqlite(folder / "source.db", *source)
    execute(database, "DROP SCHEMA IF EXISTS public CASCADE", "CREATE SCHEMA public", *target)
    return reconcile(
        path,
        database.url,
        tables=(table,) if table else (),
        assume_timezone=assume_timezone,
        report_folder=folder / "report",
    )


# -- one cell at a time -------------------------------------------------------------------------------------------

# Target type, what SQLite stores, what PostgreSQL holds, the difference's kind (SAME: none).
CELLS: list[tuple[str, str, str, DifferenceKind | None]] = [
    ("text", "'ab'", "'ab'", SAME),
    ("text", "''", "''", SAME),
    ("text", "NULL", "NULL", SAME),
    ("text", "''", "NULL", Kind.NULL_AGAINST_VALUE),
    ("text", "NULL", "''", Kind.NULL_AGAINST_VALUE),
    ("text", "'NULL'", "'NULL'", SAME),
    ("text", "'\\N'", r"'\N'", SAME),
    ("text", "'a,\"b\"' || char(10) || '\\.' || char(13)", "'a,\"b\"' || chr(10) || '\\.' || chr(13)", SAME),
    ("text", "'새 폴더 🤖👍🏽'", "'새 폴더 🤖👍🏽'", SAME),
    ("text", "'새 폴더 🤖'", "'새 폴더 🤡'", Kind.CHANGED_TEXT),
    ("text", "'ab'", "'ac'", Kind.CHANGED_TEXT),
    ("text", "'ab'", "'ab '", Kind.WHITESPACE),
    ("text", "'a b' || char(13) || char(10)", "'a b' || chr(10)", Kind.WHITESPACE),
    ("text", "'Straße'", "'STRASSE'", Kind.CASE),
    ("text", "'é'", "U&'e\\0301'", Kind.NORMALISATION),
    ("text", "'가'", "U&'\\1100\\1161'", Kind.NORMALISATION),
    ("text", "'a' || char(0) || 'b'", "'ab'", Kind.NUL_REMOVED),
    ("text", "'abcdef'", "'abc'", Kind.TRUNCATED),
    ("text", "'abcdef'", "''", Kind.CHANGED_TEXT),
    ("text", "12", "'12'", SAME),
    ("text", "12", "'13'", Kind.CHANGED_TEXT),
    ("text", "0.1", "'0.1'", SAME),
    ("text", "0.1 + 0.2", "'0.3'", SAME),  # as SQLite prints it
    ("text", "0.1 + 0.2", "'0.30000000000000004'", SAME),  # as newer ones do
    ("text", "0.5", "'0.51'", Kind.CHANGED_TEXT),
    ("text", "x'6162'", "'ab'", Kind.OTHER),
    ("text", "CAST(x'61FF' AS TEXT)", "'a'", Kind.OTHER),
    ("character varying(5)", "'ab'", "'ab'", SAME),
    ("character(5)", "'ab'", "'ab'", SAME),
    ("character(5)", "'ab  '", "'ab'", SAME),
    ("character(5)", "'ab'", "'abc'", Kind.CHANGED_TEXT),
    ("character(5)", "''", "''", SAME),
    ("boolean", "1", "true", SAME),
    ("boolean", "0", "false", SAME),
    ("boolean", "'TRUE'", "true", SAME),
    ("boolean", "'f'", "false", SAME),
    ("boolean", "1", "false", Kind.BOOLEAN_FLIPPED),
    ("boolean", "'0'", "true", Kind.BOOLEAN_FLIPPED),
    ("boolean", "2", "true", Kind.OTHER),
    ("boolean", "0", "NULL", Kind.NULL_AGAINST_VALUE),
    ("integer", "2147483647", "2147483647", SAME),
    ("integer", "-5.0", "-5", SAME),
    ("integer", "'42'", "42", SAME),
    ("integer", "'+042'", "42", SAME),
    ("integer", "'42'", "43", Kind.OTHER),
    ("integer", "2.7", "2", Kind.LOST_DIGITS),
    ("integer", "2.7", "3", Kind.LOST_DIGITS),
    ("integer", "7", "8", Kind.OTHER),
    ("integer", "'7 apples'", "7", Kind.OTHER),
    ("smallint", "-32768", "-32768", SAME),
    ("bigint", "9223372036854775807", "9223372036854775807", SAME),
    ("bigint", "-9223372036854775808", "-9223372036854775808", SAME),
    ("bigint", "-9223372036854775807", "-9223372036854775807", SAME),  # the comparison's own mark
    ("bigint", "'x'", "-9223372036854775807", Kind.OTHER),
    ("bigint", "9007199254740993", "9007199254740992", Kind.LOST_DIGITS),
    ("bigint", "9007199254740993.0", "9007199254740992", SAME),  # a real, and that is what it holds
    ("double precision", "0.1", "0.1", SAME),
    ("double precision", "0.1 + 0.2", "0.30000000000000004", SAME),
    ("double precision", "0.1 + 0.2", "0.3", Kind.LOST_DIGITS),
    ("double precision", "1e308", "1e308", SAME),
    ("double precision", "5e-324", "5e-324", SAME),
    ("double precision", "-1.797e308", "-1.797e308", SAME),  # the comparison's own mark
    ("double precision", "9e999", "'Infinity'", SAME),
    ("double precision", "-9e999", "'-Infinity'", SAME),
    ("double precision", "1e308", "'Infinity'", Kind.OTHER),
    ("double precision", "1.5", "'NaN'", Kind.OTHER),
    ("double precision", "-0.0", "0.0", SAME),
    ("double precision", "3", "3", SAME),
    ("double precision", "9007199254740993", "9007199254740992", SAME),  # the type holds no more
    ("double precision", "'3.25'", "3.25", SAME),
    ("double precision", "'1e3'", "1000", SAME),
    ("double precision", "1.23456789", "1.2345678806304932", Kind.LOST_DIGITS),  # through a 4-byte float
    ("double precision", "2.5", "3.5", Kind.OTHER),
    ("real", "0.1", "0.1", SAME),
    ("real", "286.015625", "286.015625", SAME),
    ("real", "286.015625", "286", Kind.LOST_DIGITS),
    ("real", "16777217", "16777216", SAME),
    ("real", "1e300", "'Infinity'", Kind.OTHER),
    ("real", "1e-60", "0", Kind.LOST_DIGITS),
    ("real", "'0.7'", "0.7", SAME),
    ("real", "0.7", "0.8", Kind.OTHER),
    ("numeric", "0.1", "0.1", SAME),
    ("numeric", "'123456789012345678901234567890.123456789'", "123456789012345678901234567890.123456789", SAME),
    ("numeric", "'123456789012345678901234567890.123456789'", "123456789012345678901234567890", Kind.LOST_DIGITS),
    ("numeric", "9223372036854775807", "9223372036854775807", SAME),
    ("numeric", "9223372036854775807", "9223372036854775808", Kind.LOST_DIGITS),  # through a float
    ("numeric", "'1e3'", "1000", SAME),
    ("numeric", "' 1'", "1", Kind.OTHER),
    ("numeric(10,2)", "'1.5'", "1.5", SAME),
    ("numeric(10,2)", "19.99", "19.99", SAME),
    ("numeric(10,2)", "20", "20", SAME),
    ("numeric(10,2)", "0.125", "0.13", Kind.LOST_DIGITS),
    ("timestamp with time zone", "'2024-02-29 12:00:00'", "'2024-02-29 12:00:00+00'", SAME),
    ("timestamp with time zone", "'2024-02-29T12:00:00Z'", "'2024-02-29 12:00:00+00'", SAME),
    ("timestamp with time zone", "'2024-02-29'", "'2024-02-29 00:00:00+00'", SAME),
    ("timestamp with time zone", "'2024-02-29 12:00'", "'2024-02-29 12:00:00+00'", SAME),
    ("timestamp with time zone", "'2024-02-29T12:00:00+09:00'", "'2024-02-29 03:00:00+00'", SAME),
    ("timestamp with time zone", "'2024-02-29T12:00:00.123-0530'", "'2024-02-29 17:30:00.123+00'", SAME),
    ("timestamp with time zone", "'2024-02-29T12:00:00.123456+05:30'", "'2024-02-29 06:30:00.123456+00'", SAME),
    ("timestamp with time zone", "'2024-01-01 00:00:00.999999'", "'2024-01-01 00:00:00.999999+00'", SAME),
    ("timestamp with time zone", "'2024-01-01 00:00:00.1'", "'2024-01-01 00:00:00.1+00'", SAME),
    ("timestamp with time zone", "'2024-01-01 00:00:00.123456000Z'", "'2024-01-01 00:00:00.123456+00'", SAME),
    ("timestamp with time zone", "'1969-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999+00'", SAME),
    ("timestamp with time zone", "'9999-12-31 23:59:59'", "'9999-12-31 23:59:59+00'", SAME),
    ("timestamp with time zone", "'9999-12-31 23:59:59.999999'", "'9999-12-31 23:59:59.999999+00'", SAME),
    ("timestamp with time zone", "'0001-01-01 00:00:00'", "'0001-01-01 00:00:00+00'", SAME),
    # Each in a column of its own, as the unit of numbers belongs to the column.
    ("timestamptz(6)", "1700000000", "'2023-11-14 22:13:20+00'", SAME),
    ("timestamptz(6)", "-1700000000", "'1916-02-18 01:46:40+00'", SAME),
    ("timestamptz(6)", "1700000000.25", "'2023-11-14 22:13:20.25+00'", SAME),
    ("timestamptz(6)", "0", "'1970-01-01 00:00:00+00'", SAME),
    ("timestamptz(6)", "1700000001", "'2023-11-14 22:13:20+00'", Kind.TIME_SHIFTED),
    ("timestamptz(5)", "1700000000123", "'2023-11-14 22:13:20.123+00'", SAME),
    ("timestamptz(5)", "1700000000123.5", "'2023-11-14 22:13:20.1235+00'", SAME),
    ("timestamptz(5)", "76204800000", "'1972-06-01 00:00:00+00'", SAME),
    ("timestamptz(5)", "76204800000", "'4384-11-01 00:00:00+00'", Kind.TIME_SHIFTED),
    ("timestamp(6)", "1700000000123456", "'2023-11-14 22:13:20.123456'", SAME),
    ("timestamp(5)", "1700000000123456000", "'2023-11-14 22:13:20.123456'", Kind.LOST_SUBSECONDS),
    ("timestamp(4)", "2460000.5", "'2023-02-25 00:00:00'", SAME),
    ("timestamp(4)", "2460000.123456", "'2023-02-24 14:57:46.598'", SAME),
    ("timestamp with time zone", "'2024-02-29 12:00:00'", "'2024-02-29 21:00:00+00'", Kind.TIME_SHIFTED),
    ("timestamp with time zone", "'2024-02-29 12:00:00.123456'", "'2024-02-29 12:00:00.123+00'", Kind.LOST_SUBSECONDS),
    ("timestamp with time zone", "'2024-02-29 12:00:00.5'", "'2024-02-29 12:00:01+00'", Kind.LOST_SUBSECONDS),
    ("timestamp with time zone", "'2024-02-29 12:00:00.123456'", "'2024-02-29 12:00:00.123457+00'", Kind.TIME_SHIFTED),
    ("timestamp with time zone", "'9999-12-31 23:59:59'", "'infinity'", Kind.TIME_SHIFTED),
    ("timestamp with time zone", "'2024-02-29 12:00:00'", "'-infinity'", Kind.TIME_SHIFTED),
    ("timestamp with time zone", "'2024-02-29 12:00:00'", "'290000-01-01'", Kind.TIME_SHIFTED),
    ("timestamp with time zone", "'2024-02-29 12:00:00'", "'0044-03-15 BC'", Kind.TIME_SHIFTED),
    ("timestamp with time zone", "'2023-02-29 12:00:00'", "'2023-03-01 12:00:00+00'", Kind.OTHER),
    ("timestamp with time zone", "'2024-02-29 24:00:00'", "'2024-03-01 00:00:00+00'", Kind.OTHER),
    ("timestamp with time zone", "'0000-00-00'", "'0001-01-01'", Kind.OTHER),
    ("timestamp with time zone", "'now'", "'2024-03-01'", Kind.OTHER),
    ("timestamp with time zone", "'12:00'", "'2000-01-01 12:00:00+00'", Kind.OTHER),
    ("timestamp with time zone", "''", "NULL", Kind.NULL_AGAINST_VALUE),
    ("timestamp with time zone", "5", "'1970-01-01 00:00:05+00'", Kind.OTHER),
    ("timestamp without time zone", "'2024-02-29 12:00:00'", "'2024-02-29 12:00:00'", SAME),
    ("timestamp without time zone", "'2024-02-29T12:00:00+09:00'", "'2024-02-29 03:00:00'", SAME),
    ("timestamp without time zone", "'2024-02-29 12:00:00'", "'2024-02-29 13:00:00'", Kind.TIME_SHIFTED),
    ("jsonb", """'{"b": 1, "a": [true, null, "x"]}'""", """'{"a":[true,null,"x"],"b":1}'""", SAME),
    ("jsonb", """'{"a": 1, "a": 2}'""", """'{"a": 2}'""", Kind.JSON_CHANGED),
    ("jsonb", "'1.0'", "'1.00'", SAME),
    ("jsonb", "'[1.0, 100]'", "'[1, 1e2]'", SAME),
    ("jsonb", "'[12345678901234567890.123]'", "'[12345678901234567890.123]'", SAME),
    ("jsonb", "'[12345678901234567890.123]'", "'[12345678901234567890.124]'", Kind.JSON_CHANGED),
    ("jsonb", "'[9007199254740993]'", "'[9007199254740992]'", Kind.JSON_CHANGED),
    ("jsonb", "'[0.1]'", "'[0.10000000000000001]'", Kind.JSON_CHANGED),
    ("jsonb", "'1e400'", "'1e400'", SAME),
    ("jsonb", "'[1]'", "'[true]'", Kind.JSON_CHANGED),
    ("jsonb", "'[0]'", "'[false]'", Kind.JSON_CHANGED),
    ("jsonb", """'"\\u00e9"'""", """'"é"'""", SAME),
    ("jsonb", """'"a"'""", """'"b"'""", Kind.JSON_CHANGED),
    ("jsonb", "'null'", "'null'", SAME),
    ("jsonb", "'null'", "NULL", Kind.NULL_AGAINST_VALUE),
    ("jsonb", "3", "'3'", SAME),
    ("jsonb", "-0.5", "'-0.5'", SAME),
    ("jsonb", "0.1 + 0.2", "'0.30000000000000004'", SAME),
    ("jsonb", "0.1 + 0.2", "'0.3'", Kind.JSON_CHANGED),
    ("jsonb", "'[' || '1,1]'", "'[1, 1]'", SAME),
    ("jsonb", "'[]'", "'{}'", Kind.JSON_CHANGED),
    ("jsonb", "'{bad'", "'{}'", Kind.OTHER),
    ("json", """'{"b":1,  "a":2}'""", """'{"a": 2, "b": 1}'""", SAME),
    ("json", """'{"b":1}'""", """'{"b":2}'""", Kind.JSON_CHANGED),
    ("bytea", "x'00FF10'", r"'\x00ff10'", SAME),
    ("bytea", "x''", r"'\x'", SAME),
    ("bytea", "'é'", r"'\xc3a9'", SAME),
    ("bytea", "CAST(x'61FF' AS TEXT)", r"'\x61ff'", SAME),
    ("bytea", "x'00FF10'", r"'\x00ff11'", Kind.OTHER),
    ("bytea", "x'00FF10'", r"'\x00ff'", Kind.TRUNCATED),
    ("bytea", "7", r"'\x37'", Kind.OTHER),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", SAME),
    ("uuid", "'{A0EEBC99-9C0B-4EF8-BB6D6BB9BD380A11}'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", SAME),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", Kind.OTHER),
    ("uuid", "'nonsense'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", Kind.OTHER),
    ("date", "'2024-2-9'", "'2024-02-09'", SAME),
    ("date", "'2024-02-09'", "'2024-02-10'", Kind.TIME_SHIFTED),
    ("date", "'2024-02-09 17:45'", "'2024-02-09'", Kind.LOST_CLOCK),
    ("interval", "'90 minutes'", "'01:30:00'", SAME),
    ("integer[]", "'{1, 2}'", "'{1,2}'", SAME),
    ("time without time zone", "'7:05'", "'07:05:00'", SAME),
]


def table_of(type_name: str) -> str:
    """A table's name for a type."""
    return "t_" + "".join(letter if letter.isalnum() else "_" for letter in type_name)


def numbered_cells() -> dict[str, list[tuple[int, str, str, DifferenceKind | None]]]:
    """The cells by type, each with the id of its row."""
    tables: dict[str, list[tuple[int, str, str, DifferenceKind | None]]] = {}
    for number, (type_name, *cell) in enumerate(CELLS):
        tables.setdefault(type_name, []).append((number, *cell))  # type: ignore[arg-type]
    return tables


def statements(*, key: str) -> tuple[list[str], list[str]]:
    """Both sides' tables of cells, one a type; `key` is the SQL of the id column."""
    source, target = [], []
    for type_name, cells in numbered_cells().items():
        name = table_of(type_name)
        source.append(f"CREATE TABLE {name} ({key}, v)")
        target.append(f"CREATE TABLE {name} ({key}, v {type_name})")
        source.append(f"INSERT INTO {name} VALUES " + ", ".join(f"({n}, {one})" for n, one, _, _ in cells))
        target += [f"INSERT INTO {name} VALUES ({n}, {other})" for n, _, other, _ in cells]
    return source, target


@pytest.fixture(scope="module")
def compared(shared: Database, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All cells, compared by the key of their rows."""
    source, target = statements(key="id INTEGER PRIMARY KEY")
    return side_by_side(shared, tmp_path_factory.mktemp("cells"), source=source, target=target)


@pytest.mark.parametrize(
    ("number", "cell"), list(enumerate(CELLS)), ids=lambda item: "" if isinstance(item, int) else f"{item[:3]}"
)
def test_cell(compared: Report, number: int, cell: tuple[str, str, str, DifferenceKind | None]) -> None:
    mine = [item for item in found(compared, table_of(cell[0])) if item.key == number]
    assert [(item.column, item.kind) for item in mine] == ([("v", cell[3])] if cell[3] else [])


def test_books_of_cells_add_up(compared: Report) -> None:
    for type_name, cells in numbered_cells().items():
        different = sum(expected is not SAME for *_, expected in cells)
        assert books(compared, table_of(type_name)) == (len(cells) - different, different, 0, 0)


@pytest.fixture(scope="module")
def compared_without_key(shared: Database, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All cells in tables without a key: whole rows against whole rows."""
    source, target = statements(key="id INTEGER")
    return side_by_side(shared, tmp_path_factory.mktemp("multisets"), source=source, target=target)


@pytest.mark.parametrize("type_name", numbered_cells())
def test_multiset_agrees_with_cells(compared_without_key: Report, type_name: str) -> None:
    cells = numbered_cells()[type_name]
    unequal = sorted(
        number for number, _, other, expected in cells if expected is not SAME or (type_name, other) == ONLY_WITH_A_KEY
    )
    table = table_of(type_name)
    entries = lines(compared_without_key, table)
    assert sorted(line["source"]["id"] for line in entries if line["kind"] == "missing") == unequal
    assert sorted(int(line["target"]["id"]) for line in entries if line["kind"] == "extra") == unequal


# Types as keys: the two databases order most of them differently.
KEYS = {
    "text": [("'a'", "'a'"), ("'B'", "'B'"), ("'새'", "'새'"), ("'🤖'", "'🤖'"), ("'￿'", "'￿'"), ("12", "'12'")],
    "character(4)": [("'a '", "'a'"), ("'B'", "'B'"), ("'a!'", "'a!'")],
    "integer": [("'10'", "10"), ("9", "9"), ("-3.0", "-3")],
    "bigint": [("9223372036854775807", "9223372036854775807"), ("'-9223372036854775808'", "-9223372036854775808")],
    "uuid": [
        ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
        ("'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ],
    "date": [("'2024-2-9'", "'2024-02-09'"), ("'2024-01-10'", "'2024-01-10'")],
    "numeric": [("'10.50'", "10.5"), ("9", "9"), ("0.25", "0.25"), ("-1", "-1.000")],
    "double precision": [("10", "10"), ("9.5", "9.5"), ("-1e300", "-1e300")],
    "real": [("0.1", "0.1"), ("16777217", "16777216")],
    "boolean": [("'true'", "true"), ("0", "false")],
    "timestamp with time zone": [
        ("'2024-01-01T09:00:00+09:00'", "'2024-01-01 00:00:00+00'"),
        ("'2024-01-01 00:00:01'", "'2024-01-01 00:00:01+00'"),
        ("1700000000", "'2023-11-14 22:13:20+00'"),
    ],
    "bytea": [("x'FF00'", r"'\xff00'"), ("'a'", r"'\x61'")],
    "jsonb": [("""'{"b":1, "a":2}'""", """'{"a": 2, "b": 1}'"""), ("'[]'", "'[]'")],
}


@pytest.mark.parametrize("type_name", KEYS)
def test_odd_keys(shared: Database, tmp_path: Path, type_name: str) -> None:
    rows = KEYS[type_name]
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (k PRIMARY KEY, v)",
            *(f"INSERT INTO t VALUES ({one}, {number})" for number, (one, _) in enumerate(rows)),
        ],
        target=[
            f"CREATE TABLE t (k {type_name} PRIMARY KEY, v integer)",
            *(f"INSERT INTO t VALUES ({other}, {number})" for number, (_, other) in enumerate(rows)),
            "UPDATE t SET v = 77 WHERE v = 0",
        ],
    )
    assert books(report, "t") == (len(rows) - 1, 1, 0, 0)
    assert [item.column for item in found(report, "t")] == ["v"]


# -- zones --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "stored", "type_name", "held", "shift"),
    [
        ("Asia/Seoul", "'2024-01-01 09:00:00'", "timestamptz", "'2024-01-01 00:00:00+00'", None),
        ("Asia/Seoul", "'2024-01-01'", "timestamptz", "'2023-12-31 15:00:00+00'", None),
        ("Asia/Seoul", "'2024-01-01T00:00:00Z'", "timestamptz", "'2024-01-01 00:00:00+00'", None),
        ("Asia/Seoul", "'2024-01-01T00:00:00.5+01:00'", "timestamptz", "'2023-12-31 23:00:00.5+00'", None),
        ("Asia/Seoul", "1700000000", "timestamptz", "'2023-11-14 22:13:20+00'", None),
        ("Asia/Seoul", "'9999-12-31 23:59:59'", "timestamptz", "'9999-12-31 14:59:59+00'", None),
        ("Asia/Seoul", "'2024-01-01 09:00:00'", "timestamptz", "'2024-01-01 09:00:00+00'", 32400.0),
        ("Asia/Seoul", "'2024-01-01 09:00'", "timestamptz", "'2024-01-01 00:00:00+00'", None),
        ("Europe/Berlin", "'2024-07-01 12:00:00'", "timestamptz", "'2024-07-01 10:00:00+00'", None),
        ("Europe/Berlin", "'2024-01-01 12:00:00'", "timestamptz", "'2024-01-01 10:00:00+00'", -3600.0),
        ("Asia/Seoul", "'2024-01-01 09:00:00'", "timestamp", "'2024-01-01 09:00:00'", None),
        ("Asia/Seoul", "'2024-01-01T00:00:00Z'", "timestamp", "'2024-01-01 09:00:00'", None),
        ("Asia/Seoul", "'2024-01-01T00:00:00Z'", "timestamp", "'2024-01-01 00:00:00'", -32400.0),
    ],
)
def test_wall_clocks_are_read_in_the_assumed_zone(
    shared: Database, tmp_path: Path, zone: str, stored: str, type_name: str, held: str, shift: float | None
) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", f"INSERT INTO t VALUES (1, {stored}), (2, NULL)"],
        target=[
            f"CREATE TABLE t (id integer PRIMARY KEY, v {type_name})",
            f"INSERT INTO t VALUES (1, {held}), (2, NULL)",
        ],
        assume_timezone=zone,
    )
    assert [item.shift for item in found(report, "t")] == ([] if shift is None else [shift])


def test_a_shift_of_the_whole_column_is_told(shared: Database, tmp_path: Path) -> None:
    moments = [f"2024-01-{day:02} 00:00:00" for day in range(1, 29)]
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)",
            *(f"INSERT INTO t VALUES ({n}, '{moment}', '{moment}')" for n, moment in enumerate(moments)),
            "INSERT INTO t VALUES (99, NULL, NULL)",
        ],
        target=[
            "CREATE TABLE t (id integer PRIMARY KEY, a timestamptz, b timestamptz)",
            *(f"INSERT INTO t VALUES ({n}, '{moment}+09', '{moment}+00')" for n, moment in enumerate(moments)),
            "UPDATE t SET b = b + interval '1 hour' WHERE id < 3",
            "INSERT INTO t VALUES (99, NULL, NULL)",
        ],
    )
    totals = {(total.column, total.shift_seconds, total.whole_column, total.rows) for total in report.difference_kinds}
    assert totals == {("a", -32400.0, True, 28), ("b", 3600.0, False, 3)}


# -- rows ---------------------------------------------------------------------------------------------------------


def test_multisets_count_their_rows(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1,'x'),(1,'x'),(1,'x'),(NULL,'y'),(NULL,'y'),(2,'z')"],
        target=[
            "CREATE TABLE t (a int, b text)",
            "INSERT INTO t VALUES (1,'x'),(1,'x'),(NULL,'y'),(NULL,'y'),(NULL,'y'),(3,'z')",
        ],
    )
    assert books(report, "t") == (4, 0, 2, 2)
    assert [line["source"] for line in lines(report, "t") if line["kind"] == "missing"] == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": "z"},
    ] or books(report, "t") == (4, 0, 2, 2)


def test_thousands_of_equal_rows(shared: Database, tmp_path: Path) -> None:
    count = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 50000)"
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE t (a)", f"INSERT INTO t {count} SELECT 7 FROM s"],
        target=["CREATE TABLE t (a int)", "INSERT INTO t SELECT 7 FROM generate_series(1, 49990)"],
    )
    assert books(report, "t") == (49_990, 0, 10, 0)


def test_composite_keys_in_any_order_of_columns(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (v, a TEXT, b INTEGER, PRIMARY KEY (a, b))",
            """
            INSERT INTO t SELECT 'v' || b, a, b
            FROM (SELECT 'x' AS a UNION SELECT 'X' UNION SELECT 'é' UNION SELECT 'xy'),
                 (SELECT 1 AS b UNION SELECT 2 UNION SELECT 10 UNION SELECT -1)
            """,
        ],
        target=[
            "CREATE TABLE t (b bigint, a text, v text, PRIMARY KEY (b, a))",
            "INSERT INTO t SELECT b, a, 'v' || b FROM unnest(ARRAY['x','X','é','xy']) a, unnest(ARRAY[1,2,10,-1]) b",
            "DELETE FROM t WHERE a = 'x' AND b = 10",
            "INSERT INTO t VALUES (5, 'x', 'v5')",
            "UPDATE t SET v = 'w' WHERE a = 'é' AND b = -1",
        ],
    )
    assert books(report, "t") == (14, 1, 1, 1)
    keys = {line["kind"]: line["key"] for line in lines(report, "t")}
    assert keys == {
        "missing": {"b": 10, "a": "x"},
        "extra": {"b": "5", "a": "x"},
        "changed_text": {"b": -1, "a": "é"},
    }


def test_table_without_rowids(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
            "INSERT INTO t VALUES ('b', 1), ('a', 2), ('c', x'00')",
        ],
        target=[
            "CREATE TABLE t (k text PRIMARY KEY, v int)",
            "INSERT INTO t VALUES ('a', 2), ('b', 7), ('c', 0)",
        ],
    )
    assert books(report, "t") == (1, 2, 0, 0)
    assert [(item.key, item.kind) for item in found(report, "t")] == [("b", "other"), ("c", "other")]


def test_keys_that_the_source_has_twice_or_not_at_all(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (k TEXT, v)",
            "INSERT INTO t VALUES ('a', 1), ('a', 2), (NULL, 3), ('b', 4), (x'62', 5)",
        ],
        target=["CREATE TABLE t (k text PRIMARY KEY, v int)", "INSERT INTO t VALUES ('a', 1), ('b', 4)"],
    )
    assert books(report, "t") == (2, 0, 3, 0)


def test_everything_missing_everything_extra(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE a (id INTEGER PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)", "CREATE TABLE b (k TEXT)"],
        target=[
            "CREATE TABLE a (id int PRIMARY KEY)",
            "CREATE TABLE b (k text PRIMARY KEY)",
            "INSERT INTO b VALUES ('x')",
        ],
    )
    assert (books(report, "a"), books(report, "b")) == ((0, 0, 2, 0), (0, 0, 0, 1))
    assert report.exit_code == 3


def test_utf16_source(shared: Database, tmp_path: Path) -> None:
    path = tmp_path / "source.db"
    make_sqlite(
        path,
        "PRAGMA encoding = 'UTF-16le'",
        "CREATE TABLE t (k TEXT PRIMARY KEY, b BLOB, at TEXT)",
        "INSERT INTO t VALUES ('ｚ', x'00', '2024-01-01 00:00:00'), ('🤖', 'é', '2024-01-01'), ('새', NULL, NULL)",
    )
    execute(
        shared,
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "CREATE TABLE t (k text PRIMARY KEY, b bytea, at timestamptz)",
        r"INSERT INTO t VALUES ('ｚ', '\x00', '2024-01-01 00:00:00Z'), ('🤖', '\xc3a9', '2024-01-01 00:00:00Z'), "
        "('새', NULL, NULL)",
    )
    report = reconcile(path, shared.url, report_folder=tmp_path / "report")
    assert books(report, "t") == (3, 0, 0, 0), lines(report, "t")


def test_collations_do_not_matter(shared: Database, tmp_path: Path) -> None:
    collation = value(
        shared,
        "SELECT collname FROM pg_collation "
        "WHERE collnamespace = 'pg_catalog'::regnamespace AND collencoding IN (-1, 6) "
        "AND collname <> 'default' AND collprovider <> 'i' "
        "ORDER BY collname IN ('C', 'POSIX', 'ucs_basic'), collname LIMIT 1",
    )
    words = ["a", "B", "c", "Ä", "ä", "ab", "a-b", "a b", "Z", "z", "_", "é"]
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (k TEXT COLLATE NOCASE, v)",
            *(f"INSERT INTO t VALUES ('{word}', {n})" for n, word in enumerate(words)),
        ],
        target=[
            f'CREATE TABLE t (k text COLLATE "{collation}" PRIMARY KEY, v int)',
            *(f"INSERT INTO t VALUES ('{word}', {n})" for n, word in enumerate(words)),
        ],
    )
    assert books(report, "t") == (len(words), 0, 0, 0)


def test_rows_larger_than_any_batch(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
            "INSERT INTO t VALUES (1, printf('%.*c', 20000000, 'x')), (2, 'y'), (3, printf('%.*c', 9000000, 'z'))",
        ],
        target=[
            "CREATE TABLE t (id int PRIMARY KEY, v text)",
            "INSERT INTO t VALUES (1, repeat('x', 20000000)), (2, 'y'), (3, repeat('z', 8999999) || 'Z')",
        ],
    )
    assert [(item.key, item.kind) for item in found(report, "t")] == [(3, "case_only")]
    (sample,) = report.differences
    assert len(str(sample["source"])) < 1_000


def test_deeply_nested_json_is_for_postgresql_to_compare(shared: Database, tmp_path: Path) -> None:
    deep = "[" * 2_000 + "%s" + "]" * 2_000
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
            f"INSERT INTO t VALUES (1, '{deep % '1.0, 2'}'), (2, '{deep % '1'}')",
        ],
        target=[
            "CREATE TABLE t (id int PRIMARY KEY, v jsonb)",
            f"INSERT INTO t VALUES (1, '{deep % '1.0,2'}'), (2, '{deep % '2'}')",
        ],
    )
    assert [(item.key, item.column) for item in found(report, "t")] == [(2, "v")]


def test_quoted_names(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=[
            'CREATE TABLE "My ""%s"" {c}" ("Id %" INTEGER PRIMARY KEY, "{c}" TEXT, "rowid" TEXT)',
            *(['INSERT INTO "My ""%s"" {c}" VALUES (1, \'a\', \'b\')']),
        ],
        target=[
            'CREATE TABLE "My ""%%s"" {c}" ("Id %%" int PRIMARY KEY, "{c}" text, "rowid" text)'.replace("%%", "%"),
            'INSERT INTO "My ""%s"" {c}" VALUES (1, \'a\', \'B\')',
        ],
    )
    assert [(item.column, item.kind) for item in found(report, 'My "%s" {c}')] == [("rowid", "case_only")]


# -- who looks must not touch -------------------------------------------------------------------------------------


def test_a_role_that_may_only_read_is_enough(shared: Database, tmp_path: Path) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    path = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (k PRIMARY KEY, u)",
        "INSERT INTO t VALUES ('2024-2-1', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')",
        "CREATE TABLE m (a)",
        "INSERT INTO m VALUES ('[1]')",
    )
    before = path.read_bytes()
    execute(
        shared,
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "CREATE TABLE t (k date PRIMARY KEY, u uuid)",
        "INSERT INTO t VALUES ('2024-02-01', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')",
        "CREATE TABLE m (a jsonb)",
        "INSERT INTO m VALUES ('[1.0]')",
        f"CREATE ROLE {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    )
    try:
        name = value(shared, "SELECT current_database()")
        execute(shared, f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        url = (
            shared.url
            + ("&" if "?" in shared.url else "?")
            + f"options=-crole%3D{role}%20-cdefault_transaction_read_only%3Don"
        )
        report = reconcile(path, url, report_folder=tmp_path / "report")
        assert report.exit_code == 0, lines(report, "m") + lines(report, "t")
    finally:
        execute(shared, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert path.read_bytes() == before


def test_differences_are_private_and_the_report_holds_no_secrets(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE t (id INTEGER PRIMARY KEY, access_token)", "INSERT INTO t VALUES (1, 'hunter2')"],
        target=["CREATE TABLE t (id int PRIMARY KEY, access_token text)", "INSERT INTO t VALUES (1, 'hunter3')"],
    )
    assert b"hunter" not in report.to_json()
    (line,) = lines(report, "t")
    assert (line["source"], line["storage"], line["target"]) == ("hunter2", "text", "hunter3")
    assert report.folder is not None
    file = report.folder / "differences" / "t.ndjson"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_report_keeps_a_sample_and_the_file_all(shared: Database, tmp_path: Path) -> None:
    count = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 3000)"
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)", f"INSERT INTO t {count} SELECT n, 'x', n FROM s"],
        target=[
            "CREATE TABLE t (id int PRIMARY KEY, a text, b int)",
            "INSERT INTO t SELECT n, 'X', n + 1 FROM generate_series(1, 3000) n",
        ],
    )
    assert books(report, "t") == (0, 3000, 0, 0)
    assert len(lines(report, "t")) == 6000
    assert {(total.column, total.kind, total.rows) for total in report.difference_kinds} == {
        ("a", "case_only", 3000),
        ("b", "other", 3000),
    }
    assert Counter(item["column"] for item in report.differences) == {"a": 20, "b": 20}


# -- any rows -----------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(allow_nan=False)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(
    st.tuples(
        TEXTS | st.none(),
        INTEGERS | st.none(),
        REALS | st.none(),
        MOMENTS | st.none(),
        st.binary(max_size=8) | st.none(),
        DOCUMENTS | st.none(),
    ),
    min_size=1,
    max_size=8,
)
COLUMNS = "t text, i bigint, r double precision, at timestamptz, b bytea, j jsonb"


def stored(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row as an application would store it in SQLite."""
    text, integer, real, moment, blob, document = row
    return text, integer, real, moment and moment.isoformat(" "), blob, dumped(document, indent=1)


def held(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row as PostgreSQL is given it."""
    text, integer, real, moment, blob, document = row
    return (
        text,
        integer,
        real,
        moment and moment.replace(tzinfo=UTC),
        blob,
        dumped(document, sort_keys=True),
    )


def dumped(document: Any, **layout: Any) -> str | None:
    """JSON text; None is NULL here, not null."""
    return None if document is None else json.dumps(document, **layout)


def fill(database: Database, path: Path, rows: list[tuple[Any, ...]], *, key: str) -> None:
    """The same rows on both sides."""
    with sqlite(path) as connection:
        connection.execute("DROP TABLE IF EXISTS t")
        connection.execute(f"CREATE TABLE t ({key}, t, i, r, at, b, j)")
        for number, row in enumerate(rows):
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", (number, *stored(row)))
    with connected(database) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS t")
        cursor.execute(f"CREATE TABLE t ({key}, {COLUMNS})")
        for number, row in enumerate(rows):
            cursor.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", (number, *held(row)))


@pytest.mark.parametrize("key", ["id INTEGER PRIMARY KEY", "id INTEGER"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_equal_rows_are_equal(shared: Database, tmp_path: Path, rows: list[tuple[Any, ...]], key: str) -> None:
    fill(shared, tmp_path / "source.db", rows, key=key)
    report = reconcile(tmp_path / "source.db", shared.url, tables=("t",), report_folder=tmp_path / "report")
    assert books(report, "t") == (len(rows), 0, 0, 0), lines(report, "t")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, data=st.data())
def test_one_changed_cell_is_found(
    shared: Database, tmp_path: Path, rows: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, 5))
    others = [TEXTS, INTEGERS, REALS, MOMENTS, st.binary(max_size=8), DOCUMENTS]
    other = data.draw((others[column] | st.none()).filter(lambda new: not same(new, rows[place][column])))
    fill(shared, tmp_path / "source.db", rows, key="id INTEGER PRIMARY KEY")
    changed = held(tuple(other if n == column else cell for n, cell in enumerate(rows[place])))[column]
    name = ("t", "i", "r", "at", "b", "j")[column]
    with connected(shared) as connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE t SET {name} = %s WHERE id = %s", (changed, place))
    report = reconcile(tmp_path / "source.db", shared.url, tables=("t",), report_folder=tmp_path / "report")
    assert [(item.key, item.column) for item in found(report, "t")] == [(place, name)]


def same(one: Any, other: Any) -> bool:
    """Equal as values; in JSON true is not 1, but 1 is 1.0, so what Python takes for equal is left out."""
    return json.dumps(one, default=str) == json.dumps(other, default=str) or one == other


# -- the parts ----------------------------------------------------------------------------------------------------


def batches(keys: list[tuple[int, bytes]], size: int) -> Iterator[pa.RecordBatch]:
    """Rows of two key columns in batches of `size`."""
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        yield pa.record_batch(
            {
                "k": pa.array([key[0] for key in part], pa.int64()),
                "l": pa.array([key[1] for key in part], pa.binary()),
                "n": pa.array(range(start, start + len(part)), pa.int64()),
            }
        )


KEY = st.tuples(st.integers(0, 5), st.sampled_from([b"", b"a", b"a\0", b"b", "é".encode()]))


@settings(max_examples=300, deadline=None)
@given(st.lists(KEY, max_size=30), st.lists(KEY, max_size=30), st.integers(1, 7), st.integers(1, 7))
def test_align_is_the_difference_of_multisets(
    left: list[tuple[int, bytes]], right: list[tuple[int, bytes]], left_size: int, right_size: int
) -> None:
    left, right = sorted(left), sorted(right)
    pairs: Counter[tuple[Any, ...]] = Counter()
    missing: Counter[tuple[Any, ...]] = Counter()
    extra: Counter[tuple[Any, ...]] = Counter()
    for part in align(batches(left, left_size), batches(right, right_size), ("k", "l"), ("k", "l")):
        if part.source.num_rows:
            assert part.source.select(["k", "l"]).equals(part.target.select(["k", "l"]))
            pairs.update(zip(*(part.source.column(name).to_pylist() for name in ("k", "l")), strict=True))
        missing.update(zip(*(part.missing.column(name).to_pylist() for name in ("k", "l")), strict=True))
        extra.update(zip(*(part.extra.column(name).to_pylist() for name in ("k", "l")), strict=True))
    assert pairs == Counter(left) & Counter(right)
    assert missing == Counter(left) - Counter(right)
    assert extra == Counter(right) - Counter(left)


def test_align_refuses_a_stream_out_of_order() -> None:
    good, bad = [(1, b"a"), (2, b"a")], [(2, b"a"), (1, b"a")]
    for size in (1, 2):
        with pytest.raises(OrderError):
            list(align(batches(bad, size), batches(good, size), ("k", "l"), ("k", "l")))


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_json_quick_and_careful_agree(one: Any, other: Any) -> None:
    left, right = json.dumps(one, indent=2), json.dumps(other, ensure_ascii=False)
    assert is_json(left, json.dumps(one))
    (quick,) = surely_same(pa.array([left.encode()]), pa.array([right.encode()]), unique=True)
    if quick:
        assert is_json(left, right)


@pytest.mark.parametrize("shift", [timedelta(microseconds=1), timedelta(hours=9), timedelta(days=-400)])
def test_a_shift_is_named_in_seconds(shared: Database, tmp_path: Path, shift: timedelta) -> None:
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, '2024-05-01 12:00:00')"],
        target=[
            "CREATE TABLE t (id int PRIMARY KEY, v timestamptz)",
            f"INSERT INTO t VALUES (1, '{(moment + shift).isoformat()}')",
        ],
    )
    assert [item.shift for item in found(report, "t")] == [shift.total_seconds()]


def test_narrowed_numbers_are_told_but_no_difference(shared: Database, tmp_path: Path) -> None:
    report = side_by_side(
        shared,
        tmp_path,
        source=["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES (1, 0.1), (2, 0.5), (3, NULL)"],
        target=["CREATE TABLE t (id int PRIMARY KEY, v real)", "INSERT INTO t VALUES (1, 0.1), (2, 0.5), (3, NULL)"],
    )
    assert [(total.kind, total.rows) for total in report.difference_kinds] == [("narrowed_by_type", 1)]
    assert report.exit_code == 0
    assert not lines(report, "t")


def test_a_table_report_settles_only_what_matches() -> None:
    plain = TableReport("t", Status.MIGRATED, source_rows=1, matched_rows=1)
    assert plain.settled
    assert not TableReport("t", Status.MIGRATED, extra_rows=2, extra_present_rows=1).settled
    assert TableReport("t", Status.MIGRATED, extra_rows=2, extra_present_rows=2).settled


# -- the 20 tables ------------------------------------------------------------------------------------------------

# Rows of the tables that the sample leaves empty.
MORE_ROWS = (
    """
    INSERT INTO alert_history (type, severity, title, message, data, acknowledged, acknowledged_by, acknowledged_at)
    VALUES ('latency', 'info', 'Slow', 'm', '{"a": 1}', 1, 'u', '2024-01-01 00:00:00')
    """,
    """
    INSERT INTO external_connections (id, user_id, service_type, access_token, refresh_token, token_expires_at,
                                      account_email, account_name, metadata)
    SELECT 'c1', id, 'github', 'a', 'r', '2024-01-01', 'e', 'n', '[1]' FROM users LIMIT 1
    """,
    """
    INSERT INTO external_files (id, connection_id, external_id, file_name, file_type, file_size, web_url, last_synced,
                                cached_content)
    VALUES ('f1', 'c1', 'x', 'n', 't', 12, 'u', '2024-01-01 00:00:00.123456', 'c')
    """,
)
# Type → what is done to a value, and what it has to be called.
TAMPERING = {
    "text": ("{c} || '!'", Kind.CHANGED_TEXT),
    "integer": ("{c} + 1000", Kind.OTHER),
    "real": ("{c} + 7.5", Kind.OTHER),
    "boolean": ("NOT {c}", Kind.BOOLEAN_FLIPPED),
    "timestamp with time zone": ("{c} + interval '9 hours'", Kind.TIME_SHIFTED),
    "jsonb": ("jsonb_build_array({c})", Kind.JSON_CHANGED),
}
COLUMNS_OF_ALL = [(table.name, column.name) for table in metadata.sorted_tables for column in table.columns]


@dataclass(frozen=True)
class Loaded:
    """A loaded sample, open on both sides; what a test changes in the target is rolled back."""

    source: Source
    session: Session
    plans: dict[str, TablePlan]
    folder: Path

    def compare(self, table: str) -> tuple[TableComparison, list[tuple[str | None, str]]]:
        """The books, and (column, kind) of each difference."""
        comparison = compare_table(self.source, self.session, self.plans[table], self.folder)
        return comparison, [(item.column, item.kind) for item in comparison.sample]

    def run(self, statement: str) -> int:
        """Changes the target."""
        return self.session.run(sql.SQL(statement.replace("{", "{{").replace("}", "}}")))


@pytest.fixture(scope="module")
def sample(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """The sample with rows in every table, loaded; foreign keys and checks do not stand in the way of tampering."""
    folder = tmp_path_factory.mktemp("sample")
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    database = Database(server.admin.set(database=name).render_as_string(hide_password=False))
    try:
        make_sample(folder / "sample.db")
        path = make_sqlite(folder / "sample.db", *MORE_ROWS)
        assert load(database, path, folder / "load", create_schema=True).exit_code == 0
        with Source(path) as source, database.engine().connect() as connection:
            session = Session(connection)
            prepare_session(session)
            session.run(sql.SQL("SET session_replication_role = replica"))
            plan = plan_between(source, session)
            for table in plan.tables:
                for check in table.target.checks:
                    session.run(
                        sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                            *map(sql.Identifier, (table.name, check.name))
                        )
                    )
            yield Loaded(source, session, {table.name: table for table in plan.tables}, folder)
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def loaded(sample: Loaded) -> Iterator[Loaded]:
    """The loaded sample, unharmed again after the test."""
    sample.session.run(sql.SQL("SAVEPOINT test"))
    yield sample
    sample.session.run(sql.SQL("ROLLBACK TO SAVEPOINT test"))


@pytest.mark.parametrize("table", metadata.tables)
def test_a_loaded_table_is_equal(loaded: Loaded, table: str) -> None:
    comparison, differences = loaded.compare(table)
    assert comparison.matched_rows == comparison.source_rows == comparison.target_rows > 0
    assert not differences


@pytest.mark.parametrize(("table", "column"), COLUMNS_OF_ALL, ids=lambda name: str(name))
def test_one_tampered_cell_of_any_column(loaded: Loaded, table: str, column: str) -> None:
    plan = loaded.plans[table]
    kind = next(item.type for item in plan.columns if item.target == column)
    change, expected = TAMPERING[kind.sql]
    one = (
        f'UPDATE "{table}" SET "{column}" = ' + '{change} WHERE id IN (SELECT id FROM "{table}" WHERE {where} LIMIT 1)'
    )
    done = loaded.run(
        one.replace("{change}", change.replace("{c}", f'"{column}"'))
        .replace("{table}", table)
        .replace("{where}", f'"{column}" IS NOT NULL')
    )
    comparison, differences = loaded.compare(table)
    if not done:  # the sample holds no value in it
        expected = Kind.NULL_AGAINST_VALUE
        assert loaded.run(
            f'UPDATE "{table}" SET "{column}" = {SOME[kind.sql]} WHERE id IN (SELECT id FROM "{table}" LIMIT 1)'
        )
        comparison, differences = loaded.compare(table)
    if column == "id":
        assert sorted(differences, key=str) == [(None, "extra"), (None, "missing")]
        assert (comparison.missing_rows, comparison.extra_rows, comparison.different_rows) == (1, 1, 0)
    else:
        assert differences == [(column, expected)]
        assert (comparison.missing_rows, comparison.extra_rows, comparison.different_rows) == (0, 0, 1)


SOME = {
    "text": "'x'",
    "integer": "1",
    "real": "1",
    "boolean": "true",
    "timestamp with time zone": "now()",
    "jsonb": "'1'",
}


@pytest.mark.parametrize("table", metadata.tables)
def test_deleted_and_added_rows_of_any_table(loaded: Loaded, table: str) -> None:
    before = loaded.compare(table)[0].matched_rows
    assert loaded.run(f'DELETE FROM "{table}" WHERE id IN (SELECT id FROM "{table}" ORDER BY id DESC LIMIT 1)') == 1
    comparison, differences = loaded.compare(table)
    assert (comparison.matched_rows, comparison.missing_rows, comparison.extra_rows) == (before - 1, 1, 0)
    assert differences == [(None, "missing")]
