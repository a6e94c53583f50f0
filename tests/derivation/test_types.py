"""The declaration proposes a type, the values decide: each row of the table of types, and a load that keeps all."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from support.database import Database
from support.round_trip import differences, lower_case
from support.sources import make_sqlite
from support.targets import connected, query

import etl
from etl.core.proposal import ObjectKind, ProposedColumn, TypeChoice
from etl.core.types import named_type
from etl.derivation.derive import Wishes, derive
from etl.source.database import Source

TIMESTAMPTZ = "timestamp with time zone"


@dataclass(frozen=True)
class Row:
    """A declared type, values as SQL, and the type that they get."""

    declared: str
    values: str
    type: str


ROWS = [
    Row("INTEGER", "1, -9223372036854775808", "bigint"),
    Row("unsigned big int", "7", "bigint"),
    Row("BIGSERIAL", "7", "bigint"),
    Row("INT", "1, 2.5", "numeric"),
    Row("INT", "1, 9e999", "double precision"),
    Row("INT", "1, 'one'", "text"),
    Row("BOOLEAN", "0, 1, 'true'", "boolean"),
    Row("TINYINT(1)", "0, 1", "boolean"),
    Row("BIT", "1", "boolean"),
    Row("bool", "0, 2", "bigint"),
    Row("BOOLEAN", "0, 'maybe'", "text"),
    Row("REAL", "0.1, 1e300", "double precision"),
    Row("DOUBLE PRECISION", "2", "double precision"),
    Row("FLOAT", "0.5, 'half'", "text"),
    Row("DECIMAL(10,2)", "12.5, 3", "numeric(10,2)"),
    Row("NUMERIC(4)", "9999", "numeric(4,0)"),
    Row("DECIMAL(10,2)", "0.125", "numeric"),
    Row("DECIMAL(3,1)", "1000", "numeric"),
    Row("MONEY", "1.25", "numeric"),
    Row("DECIMAL(10,2)", "'1,5'", "text"),
    Row("VARCHAR(3)", "'abc', 'äöü'", "character varying(3)"),
    Row("NVARCHAR(3)", "'abcd'", "text"),
    Row("CHARACTER(2)", "'ab'", "character varying(2)"),
    Row("VARCHAR", "'x'", "text"),
    Row("TEXT", "'x'", "text"),
    Row("CLOB", "'x', CAST('ä' AS BLOB)", "text"),
    Row("TEXT", "'x', x'ff00'", "bytea"),
    Row("DATE", "'2024-02-29'", "date"),
    Row("DATE", "'2024-02-29', '2024-02-29 10:00:00'", TIMESTAMPTZ),
    Row("DATE", "'2024-02-30'", "text"),
    Row("DATETIME", "'2024-02-29 10:00:00', '2024-02-29T10:00:00.5Z', '2024-01-01'", TIMESTAMPTZ),
    Row("TIMESTAMP", "1706695200", TIMESTAMPTZ),
    Row("DATETIME", "''", "text"),
    Row("DATETIME", "5, 7", "bigint"),
    Row("TIME", "'10:30', '10:30:00.5'", "time without time zone"),
    Row("TIME", "'24:30'", "text"),
    Row("JSON", """'{"a": 1}', '[1, 2]'""", "jsonb"),
    Row("JSONB", """'{"a": 1, "a": 2}'""", "text"),
    Row("JSON", "'{a}'", "text"),
    Row("UUID", "'9E4B1A5C-0000-4000-8000-0000000000AB', x'9E4B1A5C0000400080000000000000AC'", "uuid"),
    Row("GUID", "'none'", "text"),
    Row("UNIQUEIDENTIFIER", "x'00ff'", "bytea"),
    Row("BLOB", "x'00ff', 'text'", "bytea"),
    Row("VARBINARY(9)", "x'00ff', 5, 1.5", "bytea"),
    Row("", "1, 2", "bigint"),
    Row("", "1, 2.5", "double precision"),
    Row("", "'x'", "text"),
    Row("", "x'00ff'", "bytea"),
    Row("", "1, 'x'", "text"),
    Row("", "1, 'x', x'00ff'", "bytea"),
    Row("WHATEVER", "1", "bigint"),
]


def insert(table: str, row: Row) -> list[str]:
    """The table with one value a row, and a NULL."""
    values = ", ".join(f"({value})" for value in _split(row.values))
    return [
        f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, x {row.declared})",
        f"INSERT INTO {table} (x) VALUES {values}, (NULL)",
    ]


def _split(values: str) -> list[str]:
    """At the commas between SQL values."""
    parts, current, quoted, depth = [], "", False, 0
    for character in values:
        quoted ^= character == "'"
        depth += (character == "(") - (character == ")") if not quoted else 0
        if character == "," and not quoted and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def column(path: Path, wishes: Wishes | None = None) -> ProposedColumn:
    """The column x of the one table."""
    with Source(path) as source:
        (table,) = derive(source, wishes).tables
    return next(found for found in table.columns if found.source == "x")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.declared or 'none'}: {row.values}")
def test_the_first_type_that_holds_every_value_is_chosen(row: Row, tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", *insert("t", row))
    assert column(path).type.sql == row.type


@pytest.mark.parametrize(
    ("declared", "type_"),
    [
        ("DATETIME", TIMESTAMPTZ),
        ("DATE", "date"),
        ("JSON", "jsonb"),
        ("UUID", "uuid"),
        ("VARCHAR(3)", "character varying(3)"),
        ("DECIMAL(4,1)", "numeric(4,1)"),
        ("BOOLEAN", "boolean"),
        ("INT", "bigint"),
        ("", "text"),
    ],
)
def test_a_column_without_values_gets_what_it_declares(declared: str, type_: str, tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", f"CREATE TABLE t (x {declared})")
    assert column(path).type.sql == type_


def test_every_value_of_the_table_arrives(tmp_path: Path, database: Database) -> None:
    statements = [statement for place, row in enumerate(ROWS) for statement in insert(f"t{place}", row)]
    path = make_sqlite(tmp_path / "a.db", *statements)
    report = etl.migrate(path, database.url, create_schema=True, report_folder=tmp_path / "report")
    with connected(database) as connection:
        assert differences(path, connection, lower_case(path)) == []
    assert report.exit_code == 0


def test_a_load_into_the_script_ends_as_one_that_makes_the_schema(tmp_path: Path, database: Database) -> None:
    statements = [statement for place, row in enumerate(ROWS) for statement in insert(f"t{place}", row)]
    path = make_sqlite(tmp_path / "a.db", *statements)
    with connected(database) as connection, connection.cursor() as cursor:
        cursor.execute(etl.propose_schema(path).sql)
    report = etl.migrate(path, database.url, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    (count,) = query(database, "SELECT count(*) FROM t0")[0]
    assert count == len(_split(ROWS[0].values)) + 1


@pytest.mark.parametrize(
    ("declared", "value", "type_"),
    [("DATE", "'soon'", "date"), ("VARCHAR(2)", "'abc'", "character varying(2)"), ("JSON", "'{'", "jsonb")],
)
def test_declared_types_are_kept_where_they_are_asked_for(
    declared: str, value: str, type_: str, tmp_path: Path
) -> None:
    path = make_sqlite(tmp_path / "a.db", f"CREATE TABLE t (x {declared})", f"INSERT INTO t VALUES ({value})")
    assert column(path, Wishes(types=TypeChoice.DECLARED)).type.sql == type_
    assert column(path).type.sql == "text"


def test_the_users_type_is_taken_and_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (x TEXT)", "INSERT INTO t VALUES ('1'), ('x')")
    with Source(path) as source:
        proposal = derive(source, Wishes(said_types={("t", "x"): named_type("bigint")}))
    assert proposal.tables[0].columns[0].type.sql == "bigint"
    (choice,) = proposal.choices
    assert (choice.values, choice.of_values, choice.example) == (1, 2, "'x'")


def test_timestamps_without_a_zone(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (x DATETIME)", "INSERT INTO t VALUES ('2024-01-01')")
    assert column(path, Wishes(zoned_times=False)).type.sql == "timestamp without time zone"


def test_the_widening_names_the_value_its_row_and_how_many(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (x DATE)",
        "INSERT INTO t VALUES ('2024-01-01'), ('soon'), (NULL), ('later')",
    )
    with Source(path) as source:
        (choice,) = derive(source).choices
    assert (choice.kind, choice.column, choice.declared, choice.became) == (ObjectKind.COLUMN, "x", "DATE", "text")
    assert (choice.values, choice.of_values, choice.example, choice.row) == (2, 3, "'soon'", "rowid 2")


def test_blobs_among_texts_are_named(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (x TEXT)", "INSERT INTO t VALUES ('a'), (CAST('ä' AS BLOB))")
    with Source(path) as source:
        (choice,) = derive(source).choices
    assert (choice.column, choice.values, choice.of_values) == ("x", 1, 2)
    assert "blob" in choice.reason


@pytest.mark.parametrize("value", ["'a' || char(0)", "CAST(x'ff' AS TEXT)"])
def test_texts_that_postgresql_lacks_do_not_widen_a_column(value: str, tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (x VARCHAR(5))", f"INSERT INTO t VALUES ('a'), ({value})")
    assert column(path).type.sql == "character varying(5)"


def test_a_blob_is_refused_by_a_column_that_was_not_made_for_it(tmp_path: Path, database: Database) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (x TEXT)", "INSERT INTO t VALUES ('a'), (CAST('b' AS BLOB))")
    with connected(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x text)")
    report = etl.migrate(path, database.url, report_folder=tmp_path / "report")
    assert report.exit_code == 3
    assert query(database, "SELECT x FROM t") == [("a",)]


@pytest.mark.parametrize("column", ["a", "b", "c"])
def test_a_comparison_sees_what_became_of_other_classes(column: str, tmp_path: Path, database: Database) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c UUID)",
        "INSERT INTO t VALUES (1, CAST('ä' AS BLOB), 5, x'9E4B1A5C0000400080000000000000AB')",
    )
    report = etl.migrate(path, database.url, create_schema=True, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    other = {"a": "'b'", "b": "'\\x36'", "c": "gen_random_uuid()"}[column]
    with connected(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE t SET {column} = {other}")
    found = etl.compare(path, database.url, report_folder=tmp_path / "compared")
    assert found.exit_code == 3
