"""Rows that live in virtual tables are loaded, or named with their number; nothing of them is passed over."""

from pathlib import Path

import pytest
from support.database import Database
from support.loads import table_report
from support.sources import make_sqlite, sqlite
from support.targets import contents, execute

import etl
from etl.core.report import Status
from etl.source.database import Source

SEARCH = (
    "CREATE TABLE note (id INTEGER PRIMARY KEY, t TEXT)",
    "INSERT INTO note VALUES (1, 'a')",
    "CREATE VIRTUAL TABLE docs USING fts5(title, body)",
    "INSERT INTO docs VALUES ('x', 'y'), ('z', 'it''s')",
    "CREATE VIRTUAL TABLE elsewhere USING fts5(t, content='note', content_rowid='id')",
    "CREATE VIRTUAL TABLE contentless USING fts5(t, content='')",
)


def test_a_search_table_is_loaded_into_the_table_that_the_target_has_for_it(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", *SEARCH)
    execute(database, "CREATE TABLE note (id integer PRIMARY KEY, t text)", "CREATE TABLE docs (title text, body text)")
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert contents(database, "docs")["docs"] == ["(x,y)", "(z,it's)"]
    assert {table.name for table in report.tables} == {"note", "docs"}
    again = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "again")
    assert (again.exit_code, table_report(again, "docs").present_rows) == (0, 2)
    assert etl.compare(source, database.url, report_folder=tmp_path / "compared").exit_code == 0


def test_a_search_table_that_the_target_lacks_is_named_with_its_rows(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", *SEARCH)
    execute(database, "CREATE TABLE note (id integer PRIMARY KEY, t text)")
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    left = table_report(report, "docs")
    assert (left.status, left.source_rows, report.exit_code) == (Status.NOT_MIGRATED, 2, 3)


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        (SEARCH, {"note": 1, "docs": 2}),
        (["CREATE VIRTUAL TABLE boxes USING rtree(id, low, high)", "INSERT INTO boxes VALUES (7, 0, 1)"], {"boxes": 1}),
        (["CREATE VIRTUAL TABLE old USING fts4(a)", "INSERT INTO old VALUES ('b')"], {"old": 1}),
        (["CREATE VIRTUAL TABLE old USING fts4(content='', a)"], {}),
    ],
)
def test_what_counts_as_a_table(tmp_path: Path, statements: list[str], names: dict[str, int]) -> None:
    with Source(make_sqlite(tmp_path / "source.db", *statements)) as source:
        assert {name: table.row_count for name, table in source.tables.items()} == names


def test_a_module_that_is_missing_here_is_named(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    with sqlite(source) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        declared = "CREATE VIRTUAL TABLE places USING no_such_module(a)"
        connection.execute("INSERT INTO sqlite_schema VALUES ('table', 'places', 'places', 0, ?)", (declared,))
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY)", "CREATE TABLE places (a text)")
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    assert (table_report(report, "places").status, report.exit_code) == (Status.NOT_MIGRATED, 3)
    assert [drift.action for drift in report.drift if drift.table == "places" and "no such module" in drift.action]
