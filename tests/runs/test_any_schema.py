"""Any database into an empty PostgreSQL: every row, the keys, and the application's own SQL afterwards."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from support.application_sql import application_sql_works
from support.database import Database
from support.loads import rejects, table_report
from support.orms import APPLICATIONS, Application
from support.processes import run_module
from support.round_trip import differences, lower_case
from support.sources import make_sqlite
from support.targets import connected, execute, query, state, value

import etl
from etl.core.errors import DriftError, EtlError


def create(source: Path, database: Database, folder: Path, **options: object) -> etl.reporting.report.Report:
    return etl.migrate(source, database.url, create_schema=True, report_folder=folder, **options)


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda application: application.name)
def test_an_orms_database_goes_round(application: Application, database: Database, tmp_path: Path) -> None:
    path = application.make(tmp_path / "source.db")
    report = create(path, database, tmp_path / "report", validate=False)
    names = {table: found for table, found in lower_case(path).items() if table not in application.virtual}
    with connected(database) as connection:
        assert [one for one in differences(path, connection, names) if one.table in names] == []
        assert application_sql_works(application, path, connection) == []
    assert report.exit_code == 0, report.to_json()
    before = state(database)
    again = create(path, database, tmp_path / "again", validate=False)
    assert (again.exit_code, again.total("loaded_rows")) == (0, 0)
    assert state(database) == before


@pytest.mark.parametrize("application", APPLICATIONS[:4], ids=lambda application: application.name)
def test_the_printed_schema_serves_as_well(application: Application, database: Database, tmp_path: Path) -> None:
    path = application.make(tmp_path / "source.db")
    sql = etl.propose_schema(path).sql
    assert etl.propose_schema(path).sql == sql
    execute(database, *_statements(sql))
    report = etl.migrate(path, database.url, validate=False, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    with connected(database) as connection:
        assert application_sql_works(application, path, connection) == []


def _statements(sql: str) -> list[str]:
    return [sql.replace("BEGIN;", "").replace("COMMIT;", "")]


DIRTY = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE COLLATE NOCASE)",
    """CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INT REFERENCES parent ON DELETE CASCADE,
    n INT CHECK (n > 0), flag BOOLEAN NOT NULL DEFAULT 1)""",
    "CREATE VIEW late AS SELECT id FROM child WHERE n > 1",
    "CREATE VIEW odd AS SELECT random() AS r FROM child",
    "CREATE TRIGGER t AFTER INSERT ON child BEGIN DELETE FROM parent WHERE id = 99; END",
    "INSERT INTO parent VALUES (1, 'a'), (2, 'B')",
    "INSERT INTO child VALUES (1, 1, 5, 1), (2, 77, 6, 0)",
    "PRAGMA ignore_check_constraints = 1",
    "INSERT INTO child VALUES (3, 2, -1, 1)",
)


def test_orphans_and_broken_checks_are_kept_and_named(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "s.db", *DIRTY)
    report = create(source, database, tmp_path / "report", validate=False)
    assert (report.exit_code, report.total("loaded_rows")) == (0, 5)
    assert report.schema is not None
    broken = {item.name: item.rows for item in report.schema.unvalidated}
    assert broken == {"child_check": 1, "child_parent_id_fkey": 1}
    lost = {(item.kind, item.name) for item in report.schema.not_carried}
    assert lost == {("trigger", "t"), ("view", "odd")}
    assert "CREATE TRIGGER t" in (tmp_path / "report" / "schema" / "not_carried.sql").read_text()
    rows = (tmp_path / "report" / "schema" / "broken_rows" / "child.ndjson").read_text().splitlines()
    assert [json.loads(line)["row"]["id"] for line in rows] == [3, 2]
    ours = "conrelid = 'child'::regclass AND contype IN ('c', 'f')"
    valid = query(database, f"SELECT conname, convalidated FROM pg_constraint WHERE {ours} ORDER BY 1")
    assert valid == [("child_check", False), ("child_parent_id_fkey", False)]
    for refused in ("INSERT INTO child VALUES (9, 98, 1)", "INSERT INTO child VALUES (9, 1, -5)"):
        with pytest.raises(Exception, match="violates"):
            execute(database, refused)
    with pytest.raises(Exception, match="parent_code_key_lower"):
        execute(database, "INSERT INTO parent VALUES (3, 'A')")
    assert query(database, "SELECT id FROM late ORDER BY id") == [(1,), (2,)]
    again = create(source, database, tmp_path / "again", validate=False)
    assert (again.exit_code, again.total("present_rows"), again.total("rejected_rows")) == (0, 5, 0)


def test_the_report_shows_it_and_is_read_back(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "s.db", *DIRTY)
    create(source, database, tmp_path / "report", validate=False)
    page = (tmp_path / "report" / "report.html").read_text()
    brief = (tmp_path / "report" / "report.md").read_text()
    for text in (page, brief):
        assert "child_parent_id_fkey" in text
        assert "triggers are never carried" in text
    read = etl.open_report(tmp_path / "report")
    assert read.frames.unvalidated["rows"].tolist() == [1, 1]
    assert set(read.frames.not_carried["kind"]) == {"trigger", "view"}
    assert read.frames.choices["became"].tolist().count("NOT VALID") == 2
    assert read.to_json() == (tmp_path / "report" / "report.json").read_bytes()


def test_without_the_option_the_message_offers_it(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "s.db", *DIRTY)
    with pytest.raises(DriftError, match="Add --create-schema"):
        etl.migrate(source, database.url, report_folder=tmp_path / "report")
    assert state(database) == {"columns": [], "constraints": [], "indexes": []}


def test_a_dry_run_forecasts_and_leaves_nothing(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "s.db", *DIRTY)
    before = state(database)
    report = create(source, database, tmp_path / "report", validate=False, dry_run=True)
    assert (report.exit_code, report.total("loaded_rows")) == (0, 5)
    assert state(database) == before


def test_a_failure_leaves_nothing(database: Database, tmp_path: Path) -> None:
    """The second table cannot be made: a type of its name is in the way."""
    source = make_sqlite(tmp_path / "s.db", "CREATE TABLE a (x)", "CREATE TABLE b (x)", "INSERT INTO a VALUES (1)")
    execute(database, "CREATE TYPE b AS ENUM ('x')")
    before = state(database)
    with pytest.raises(EtlError, match='"b" cannot be created'):
        create(source, database, tmp_path / "report", validate=False)
    assert state(database) == before


def test_only_what_is_missing_is_made(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "s.db",
        "CREATE TABLE Authors (AuthorId INTEGER PRIMARY KEY, FullName TEXT NOT NULL)",
        "CREATE TABLE books (id INTEGER PRIMARY KEY, author INT REFERENCES Authors, title TEXT)",
        "INSERT INTO Authors VALUES (1, 'x')",
        "INSERT INTO books VALUES (1, 1, 'y')",
    )
    execute(database, "CREATE TABLE authors (author_id integer PRIMARY KEY, full_name text NOT NULL)")
    report = create(source, database, tmp_path / "report", validate=False)
    assert report.exit_code == 0
    assert report.schema is not None
    assert report.schema.tables == ("books",)
    assert query(database, "SELECT full_name FROM authors") == [("x",)]


def test_names_that_cannot_be_are_found_again(database: Database, tmp_path: Path) -> None:
    long = "a" * 70
    source = make_sqlite(
        tmp_path / "s.db",
        f"CREATE TABLE {long}1 (ctid TEXT, xmin INT, {long}1 INT, {long}2 INT)",
        f"CREATE TABLE {long}2 (id INTEGER PRIMARY KEY)",
        'CREATE TABLE "pg_class" ("" INT, "select" INT)',
        f"INSERT INTO {long}1 VALUES ('c', 1, 2, 3)",
        f"INSERT INTO {long}2 VALUES (1)",
        'INSERT INTO "pg_class" VALUES (1, 2)',
    )
    for folder in ("report", "again"):
        report = create(source, database, tmp_path / folder, validate=False)
        assert report.exit_code == 0
        assert report.total("source_rows") == 3
    assert value(database, "SELECT count(*) FROM pg_class_") == 1
    compared = etl.compare(source, database.url, report_folder=tmp_path / "compared")
    assert (compared.exit_code, compared.total("matched_rows")) == (0, 3)
    execute(
        database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *_statements(etl.propose_schema(source).sql)
    )
    loaded = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "script")
    assert (loaded.exit_code, loaded.total("loaded_rows")) == (0, 3)


@pytest.mark.parametrize("style", ["lower", "keep", "snake"])
def test_names_in_each_style(database: Database, tmp_path: Path, style: str) -> None:
    source = make_sqlite(
        tmp_path / "s.db",
        'CREATE TABLE "Order Details" (OrderID INT, ProductName TEXT, PRIMARY KEY (OrderID))',
        """INSERT INTO "Order Details" VALUES (1, 'x')""",
    )
    expected = {
        "lower": ("order details", "orderid", "productname"),
        "keep": ("Order Details", "OrderID", "ProductName"),
        "snake": ("order_details", "order_id", "product_name"),
    }
    report = create(source, database, tmp_path / "report", validate=False, names=style)
    assert report.exit_code == 0
    table, *columns = expected[style]
    assert query(database, f'SELECT "{columns[0]}", "{columns[1]}" FROM "{table}"') == [(1, "x")]


def test_virtual_tables_are_named_or_loaded(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "s.db",
        "CREATE TABLE note (id INTEGER PRIMARY KEY)",
        "INSERT INTO note VALUES (1)",
        "CREATE VIRTUAL TABLE search USING fts5(title, body)",
        "INSERT INTO search VALUES ('t', 'b')",
    )
    skipped = create(source, database, tmp_path / "skipped", validate=False)
    assert skipped.exit_code == 3
    assert skipped.schema is not None
    assert [(item.kind, item.name, item.rows) for item in skipped.schema.not_carried] == [
        ("virtual table", "search", 1)
    ]
    loaded = create(source, database, tmp_path / "loaded", validate=False, virtual_tables="load")
    assert loaded.exit_code == 0
    assert query(database, "SELECT title, body FROM search") == [("t", "b")]


def test_declared_types_reject_what_does_not_fit(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "s.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(3), day DATE)",
        "INSERT INTO t VALUES (1, 'abc', '2024-01-31'), (2, 'abcd', '2024-01-31'), (3, 'a', '2024-02-30')",
    )
    report = create(source, database, tmp_path / "report", validate=False, types="declared")
    assert (report.exit_code, report.total("loaded_rows")) == (3, 1)
    assert [line["key"] for line in rejects(report, "t")] == [{"id": 2}, {"id": 3}]
    assert report.schema is not None
    assert {choice.column: choice.values for choice in report.schema.choices} == {"name": 1, "day": 1}


def test_the_embedded_server_needs_no_option(tmp_path: Path) -> None:
    make_sqlite(
        tmp_path / "library.db",
        "CREATE TABLE book (isbn TEXT PRIMARY KEY, title TEXT NOT NULL, price DECIMAL(8,2))",
        "INSERT INTO book VALUES ('1', 'a', 9.90), ('2', 'b', 12)",
    )
    done = run_module("etl", "run", "library.db", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Created 1 missing table" in done.stdout
    again = run_module("etl", "run", "library.db", cwd=tmp_path)
    assert again.returncode == 0
    assert "Created" not in again.stdout


def test_the_command_prints_what_psql_runs(database: Database, tmp_path: Path) -> None:
    make_sqlite(tmp_path / "s.db", *DIRTY)
    done = run_module("etl", "schema", "s.db", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "-- ALTER TABLE" in done.stdout
    saved = run_module("etl", "schema", "s.db", "--sql", "s.sql", cwd=tmp_path)
    assert (saved.returncode, saved.stdout) == (0, "")
    assert (tmp_path / "s.sql").read_text() == done.stdout
    execute(database, *_statements(done.stdout))
    report = etl.migrate(tmp_path / "s.db", database.url, validate=False, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert table_report(report, "child").loaded_rows == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope.db"], 1, "does not exist"),
        (["s.db", "--nams", "keep"], 2, "did you mean '--names'"),
        (["s.db", "--names", "upper"], 2, "invalid choice"),
        (["s.db", "--tables", "chlid"], 2, "did you mean 'child'"),
        (["s.db", "--sql", "no/such/folder.sql"], 1, "cannot be written"),
        (["broken.db"], 1, "not a SQLite database"),
    ],
)
def test_what_the_command_says_of_mistakes(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    make_sqlite(tmp_path / "s.db", *DIRTY)
    (tmp_path / "broken.db").write_bytes(b"x" * 5_000)
    done = run_module("etl", "schema", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_source_with_a_collation_of_its_application(database: Database, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
        connection.executescript(
            "CREATE TABLE deck (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE unicase UNIQUE);"
            "CREATE TABLE card (id INTEGER PRIMARY KEY, deck TEXT REFERENCES deck (name));"
            "INSERT INTO deck VALUES (1, 'A'), (2, 'b'); INSERT INTO card VALUES (1, 'A');"
        )
    report = create(tmp_path / "s.db", database, tmp_path / "report", validate=False)
    assert report.exit_code == 0
    assert report.schema is not None
    assert [choice.declared for choice in report.schema.choices] == ["COLLATE UNICASE"]


MAP = {
    "tables": {"Album": "records", "Old": False},
    "columns": {"Album": {"Title": "name", "Cover": False}},
    "types": {"Album": {"Price": "numeric(12,2)", "Rank": "smallint"}},
    "times": {"Album": {"Bought": "ms"}},
}


def test_a_map_decides_about_created_tables(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "s.db",
        "CREATE TABLE Album (Id INTEGER PRIMARY KEY, Title TEXT, Cover BLOB, Price REAL, Rank INT, Bought DATETIME)",
        "CREATE INDEX by_cover ON Album (Cover)",
        "CREATE TABLE Old (x)",
        "INSERT INTO Album VALUES (1, 't', x'00', 9.5, 3, 76204800000)",
        "INSERT INTO Old VALUES (1)",
    )
    sql = etl.propose_schema(source, mapping=MAP).sql
    report = create(source, database, tmp_path / "report", validate=False, mapping=MAP)
    assert report.exit_code == 0
    types = query(
        database,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'records'::regclass "
        "AND attnum > 0 ORDER BY attnum",
    )
    assert types == [
        ("id", "bigint"),
        ("name", "text"),
        ("price", "numeric(12,2)"),
        ("rank", "smallint"),
        ("bought", "timestamp with time zone"),
    ]
    assert query(database, "SELECT name, price::text, bought::date::text FROM records") == [
        ("t", "9.50", "1972-06-01"),
    ]
    assert '"records"' in sql
    assert '"old"' not in sql
    assert [line["values"] for line in rejects(report, "Album", "dropped")] == [{"Cover": {"base64": "AA=="}}]
    again = create(source, database, tmp_path / "again", validate=False, mapping=MAP)
    assert (again.exit_code, again.total("present_rows")) == (0, 1)
