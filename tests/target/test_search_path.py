"""A search path that names pg_catalog: a user's views and functions do not stand for the system's."""

from pathlib import Path

from support.database import Database
from support.sources import make_sqlite
from support.targets import execute, query

import etl


def test_a_view_of_a_user_never_stands_for_the_systems(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT)", "INSERT INTO t VALUES (1, 'a')"
    )
    execute(
        database,
        "CREATE TABLE t (id integer PRIMARY KEY, at varchar(3))",
        "CREATE VIEW public.pg_class AS SELECT oid, relname, relkind FROM pg_catalog.pg_class WHERE false",
        """DO $$BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
        END$$""",
    )
    assert query(database, "SELECT * FROM pg_class") == []
    (planned,) = etl.plan(source, database.url).tables
    assert [column.type.sql for column in planned.columns] == ["integer", "character varying(3)"]
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert query(database, "SELECT id, at FROM t") == [(1, "a")]
    compared = etl.compare(source, database.url, report_folder=tmp_path / "compared")
    assert compared.exit_code == 0
