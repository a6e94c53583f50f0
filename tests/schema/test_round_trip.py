"""The second comparison finds what is not the same, and the ORMs' databases are what they say."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2.extensions
import pytest
from support.application_sql import application_sql_works
from support.database import Server, fresh_database
from support.orms import APPLICATIONS, Application, Statement
from support.round_trip import Difference, differences, lower_case
from support.targets import connected

_PAIRS = [
    # SQLite's declaration and value, PostgreSQL's type and value, whether they are the same
    ("BOOLEAN", "1", "boolean", "true", True),
    ("BOOLEAN", "'t'", "boolean", "true", True),
    ("BOOLEAN", "0", "boolean", "true", False),
    ("BOOLEAN", "2", "boolean", "true", False),
    ("INTEGER", "9007199254740993", "bigint", "9007199254740993", True),
    ("INTEGER", "9007199254740993", "bigint", "9007199254740992", False),
    ("REAL", "0.1", "double precision", "0.1", True),
    ("REAL", "0.1", "double precision", "0.10000000000000002", False),
    ("REAL", "0.1", "real", "0.1", True),
    ("DECIMAL", "0.1", "numeric", "0.10", True),
    ("DECIMAL", "0.1", "numeric(3,1)", "0.2", False),
    ("TEXT", "'12.50'", "numeric", "12.5", True),
    ("TEXT", "'Ä '", "text", "'Ä '", True),
    ("TEXT", "'Ä '", "text", "'Ä'", False),
    ("TEXT", "''", "text", "NULL", False),
    ("TEXT", "NULL", "text", "NULL", True),
    ("", "1.0", "text", "'1.0'", True),
    ("", "1", "text", "'1.0'", False),
    ("BLOB", "x'00ff'", "bytea", "'\\x00ff'", True),
    ("BLOB", "x'00ff'", "bytea", "'\\x00fe'", False),
    ("BLOB", "x'c3a4'", "text", "'ä'", True),
    ("GUID", "'9E4B1A5C-0000-4000-8000-0000000000AB'", "uuid", "'9e4b1a5c-0000-4000-8000-0000000000ab'", True),
    ("GUID", "x'9E4B1A5C0000400080000000000000AB'", "uuid", "'9e4b1a5c-0000-4000-8000-0000000000ab'", True),
    ("GUID", "'9E4B1A5C-0000-4000-8000-0000000000AB'", "uuid", "'9e4b1a5c-0000-4000-8000-0000000000ac'", False),
    ("DATE", "'2024-01-31'", "date", "'2024-01-31'", True),
    ("DATE", "'2024-01-31 10:00:00'", "date", "'2024-01-31'", False),
    ("TIME", "'10:30'", "time", "'10:30:00'", True),
    ("DATETIME", "'2024-01-31T10:00:00.5Z'", "timestamptz", "'2024-01-31 12:00:00.5+02'", True),
    ("DATETIME", "'2024-01-31 10:00:00 +02:00'", "timestamptz", "'2024-01-31 08:00:00+00'", True),
    ("DATETIME", "'2024-01-31 10:00:00'", "timestamptz", "'2024-01-31 10:00:01+00'", False),
    ("DATETIME", "'2024-01-31 10:00:00.1234567'", "timestamptz", "'2024-01-31 10:00:00.123457+00'", False),
    ("DATETIME", "'2024-01-31 10:00:00'", "timestamp", "'2024-01-31 10:00:00'", True),
    ("DATETIME", "1706695200", "timestamptz", "'2024-01-31 10:00:00+00'", True),
    ("DATETIME", "1706695200123", "timestamptz", "'2024-01-31 10:00:00.123+00'", True),
    ("DATETIME", "728388000.5", "timestamptz", "'2024-01-31 10:00:00.5+00'", True),
    ("DATETIME", "1706695200", "timestamptz", "'2024-01-31 10:00:01+00'", False),
    ("JSON", """'{"a": 1.50, "b": [true]}'""", "jsonb", """'{"b": [true], "a": 1.50}'""", True),
    ("JSON", "'[1]'", "jsonb", "'[true]'", False),
    ("JSON", "'[12345678901234567890.5]'", "jsonb", "'[12345678901234567890.5]'", True),
]


@pytest.mark.parametrize(("declared", "sqlite_value", "type_", "postgres_value", "same"), _PAIRS)
def test_a_value_is_the_same_or_not(
    postgres: psycopg2.extensions.connection,
    tmp_path: Path,
    declared: str,
    sqlite_value: str,
    type_: str,
    postgres_value: str,
    same: bool,
) -> None:
    path = _sqlite(
        tmp_path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, x {declared})", f"INSERT INTO t VALUES (1, {sqlite_value})"
    )
    _execute(postgres, f"CREATE TABLE t (id bigint, x {type_}); INSERT INTO t VALUES (1, {postgres_value})")
    found = differences(path, postgres, lower_case(path))
    assert [(one.what, one.key, one.column) for one in found] == ([] if same else [("the values differ", (1,), "x")])


def test_rows_tables_and_columns_that_are_on_one_side_alone_are_told(
    postgres: psycopg2.extensions.connection, tmp_path: Path
) -> None:
    path = _sqlite(
        tmp_path,
        "CREATE TABLE A (id INTEGER PRIMARY KEY, x, gone)",
        "INSERT INTO A VALUES (1, 'a', 1), (2, 'b', 1)",
        "CREATE TABLE B (x)",
        "INSERT INTO B VALUES ('twice'), ('twice')",
        "CREATE TABLE C (x)",
        "CREATE TABLE D (x)",
    )
    _execute(
        postgres,
        "CREATE TABLE a (id bigint, x text); INSERT INTO a VALUES (1, 'a'), (3, 'c')",
        "CREATE TABLE b (x text); INSERT INTO b VALUES ('twice')",
    )
    names = {table: found for table, found in lower_case(path).items() if table != "D"}
    assert differences(path, postgres, names) == [
        Difference("A", "the column is not in PostgreSQL", column="gone"),
        Difference("A", "the row is missing in PostgreSQL", (2,)),
        Difference("A", "the row is in PostgreSQL alone", ("3",)),
        Difference("B", "the row is missing in PostgreSQL", ("twice",)),
        Difference("C", "the table is not in PostgreSQL"),
        Difference("D", "the table has no name in PostgreSQL"),
    ]


_SMALL = Application(
    "small",
    "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (name <> ''));"
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p_id INTEGER REFERENCES p (id));",
    {"p": [(1, "a"), (2, "b")], "c": [(1, 1)]},
    selects=[Statement("SELECT name, id > 1 AS late FROM p ORDER BY id")],
    inserts=[Statement("INSERT INTO p (name) VALUES ('c')")],
    violations=[],
)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY (START 3), name text NOT NULL", None),
        ("id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY (START 2), name text NOT NULL", "duplicate key"),
        ("id bigint PRIMARY KEY, name text NOT NULL", "null value"),
        ("id bigint, name varchar(1)", None),
    ],
)
def test_the_applications_inserts_need_an_id(
    postgres: psycopg2.extensions.connection, tmp_path: Path, target: str, complaint: str | None
) -> None:
    path = _SMALL.make(tmp_path / "small.db")
    _execute(postgres, f"CREATE TABLE p ({target}); INSERT INTO p VALUES (1, 'a'), (2, 'b')")
    found = application_sql_works(_SMALL, path, postgres)
    assert bool(found) is (complaint is not None)
    assert complaint is None or complaint in found[0]


def test_a_constraint_that_is_not_there_is_told(postgres: psycopg2.extensions.connection, tmp_path: Path) -> None:
    diesel = next(application for application in APPLICATIONS if application.name == "diesel")
    wanted = [violation for violation in diesel.violations if "followings" in violation.statement.sqlite]
    path = diesel.make(tmp_path / "diesel.db")
    _execute(
        postgres,
        "CREATE TABLE followings (user_id integer, followed_id integer, since integer CHECK (since > 2000),"
        " PRIMARY KEY (user_id, followed_id)); INSERT INTO followings VALUES (1, 2)",
    )
    found = application_sql_works(replace(diesel, selects=[], inserts=[], violations=wanted), path, postgres)
    assert [line.rpartition(": ")[2] for line in found] == [
        "not refused, though it breaks a check",
        "not refused, though it breaks a foreign key",
    ]


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda application: application.name)
def test_an_orms_database_is_the_same_each_time_and_its_sql_is_sound(application: Application, tmp_path: Path) -> None:
    """All that follows from these databases rests on this: rows in every table, and constraints that refuse."""
    path = application.make(tmp_path / "one.db")
    assert _contents(path) == _contents(application.make(tmp_path / "other.db"))
    assert {v.kind for v in application.violations} >= {"unique", "primary key"}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in lower_case(path):
            assert connection.execute(f'SELECT count(*) FROM "{table}"').fetchone() > (0,), table
        for select in application.selects:
            assert connection.execute(select.sqlite).fetchall() not in ([], [(0,)]), select
        for insert in application.inserts:
            connection.execute(insert.sqlite)
        for violation in application.violations:
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(violation.statement.sqlite)


def _contents(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


def _sqlite(folder: Path, *statements: str) -> Path:
    path = folder / "source.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def _execute(postgres: psycopg2.extensions.connection, *statements: str) -> None:
    with postgres.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(scope="module")
def _connection(server: Server) -> Iterator[psycopg2.extensions.connection]:
    with fresh_database(server) as database, connected(database) as connection:
        yield connection


@pytest.fixture
def postgres(_connection: psycopg2.extensions.connection) -> Iterator[psycopg2.extensions.connection]:
    """A connection to a database that is empty again afterwards."""
    yield _connection
    _connection.rollback()
