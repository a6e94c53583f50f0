"""Databases with odd but legal names, settings and sequences: loaded, compared, and named where something gives way."""

from pathlib import Path

import pytest
from support.database import Database
from support.sources import make_sqlite
from support.targets import execute, query

import etl


def test_columns_with_all_names_of_the_rowid(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (rowid TEXT, _rowid_ TEXT, oid TEXT)",
        "INSERT INTO t VALUES ('a', 'b', 'c'), ('a', 'b', 'c'), (NULL, 'x', '')",
    )
    execute(database, "CREATE TABLE t (rowid text, _rowid_ text, oid text)")
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    assert (report.exit_code, report.tables[0].matched_rows) == (0, 3)
    execute(database, "UPDATE t SET oid = 'changed' WHERE oid = ''")
    compared = etl.compare(source, database.url, report_folder=tmp_path / "compared")
    assert compared.exit_code == 3
    assert (compared.tables[0].matched_rows, compared.tables[0].missing_rows, compared.tables[0].extra_rows) == (
        2,
        1,
        1,
    )


def test_a_sequence_too_narrow_for_what_sqlite_remembers_is_named_and_the_rows_are_loaded(
    database: Database, tmp_path: Path
) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT)",
        "INSERT INTO t VALUES (7, 'kept'), (5000000000, 'deleted')",
        "DELETE FROM t WHERE id > 7",
    )
    execute(database, "CREATE TABLE t (id serial PRIMARY KEY, v text)")
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    assert report.tables[0].loaded_rows == 1
    assert "5000000000" in (tmp_path / "report" / "report.md").read_text().replace(",", "")
    execute(database, "INSERT INTO t (v) VALUES ('next')")
    assert query(database, "SELECT id FROM t ORDER BY id") == [(7,), (8,)]


def test_a_users_table_of_another_application_is_not_judged_by_our_suites(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE users (uuid TEXT PRIMARY KEY, nick TEXT)",
        "INSERT INTO users VALUES ('6f1c', NULL)",
    )
    execute(database, "CREATE TABLE users (uuid text PRIMARY KEY, nick text)")
    report = etl.migrate(source, database.url, report_folder=tmp_path / "report")
    assert (report.exit_code, report.tables[0].loaded_rows) == (0, 1)
    assert {item.notes for item in report.expectations} == {"NOT NULL in the target."}


@pytest.mark.parametrize("setting", ["quote_all_identifiers = on", "search_path = evil, public, pg_catalog"])
def test_settings_of_the_database_change_nothing(database: Database, tmp_path: Path, setting: str) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, doc TEXT, at TEXT)",
        """INSERT INTO t VALUES (1, '{"a": 1}', '2024-01-02 03:04:05'), (2, 'null', NULL)""",
    )
    execute(
        database,
        "CREATE TABLE t (id integer PRIMARY KEY, doc jsonb, at timestamptz)",
        "CREATE SCHEMA evil",
        "CREATE VIEW evil.pg_class AS SELECT oid, relname FROM pg_catalog.pg_class WHERE false",
        "CREATE FUNCTION evil.count(integer) RETURNS bigint LANGUAGE sql AS 'SELECT 42::bigint'",
        f"DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END$$",
    )
    report = etl.migrate(source, database.url, schema="public", validate=False, report_folder=tmp_path / "report")
    assert (report.exit_code, report.tables[0].matched_rows) == (0, 2)
    compared = etl.compare(source, database.url, schema="public", report_folder=tmp_path / "compared")
    assert (compared.exit_code, compared.tables[0].matched_rows) == (0, 2)
