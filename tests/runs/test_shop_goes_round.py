"""A tutorial's shop database into an empty PostgreSQL, as the command does it and as the script of `schema` does."""

from pathlib import Path

import pytest
from support.application_sql import application_sql_works
from support.database import Database
from support.loads import books
from support.round_trip import differences, lower_case
from support.shop_database import SHOP
from support.targets import connected, execute, query, state

import etl


def names_of(path: Path) -> dict:
    return {table: names for table, names in lower_case(path).items() if table not in SHOP.virtual}


@pytest.mark.parametrize("way", ["created by the load", "created by the script"])
def test_it_goes_round(database: Database, tmp_path: Path, way: str) -> None:
    path = SHOP.make(tmp_path / "shop.db")
    if way == "created by the script":
        execute(database, etl.propose_schema(path).sql)
    report = etl.migrate(
        path,
        database.url,
        create_schema=way == "created by the load",
        validate=False,
        report_folder=tmp_path / "report",
    )
    assert (report.exit_code, report.total("loaded_rows")) == (0, report.total("source_rows")), report.rejects
    with connected(database) as connection:
        assert [one for one in differences(path, connection, names_of(path)) if one.table in names_of(path)] == []
        assert application_sql_works(SHOP, path, connection) == []
    before = state(database)
    again = etl.migrate(path, database.url, create_schema=True, validate=False, report_folder=tmp_path / "again")
    assert (again.exit_code, again.total("present_rows")) == (0, report.total("loaded_rows"))
    assert state(database) == before


def test_the_script_and_the_load_make_the_same(database: Database, tmp_path: Path) -> None:
    path = SHOP.make(tmp_path / "shop.db")
    etl.migrate(path, database.url, create_schema=True, validate=False, report_folder=tmp_path / "report")
    loaded = state(database)
    execute(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", etl.propose_schema(path).sql)
    etl.migrate(path, database.url, validate=False, report_folder=tmp_path / "other")
    assert state(database) == loaded


def test_what_is_not_carried_is_named(database: Database, tmp_path: Path) -> None:
    path = SHOP.make(tmp_path / "shop.db")
    report = etl.migrate(path, database.url, create_schema=True, validate=False, report_folder=tmp_path / "report")
    left = {(row.kind, row.name) for row in report.frames.not_carried.itertuples()}
    assert left == {("trigger", "NoDelete"), ("virtual table", "ProductSearch")}
    assert "RAISE(ABORT, 'kept')" in (tmp_path / "report" / "schema" / "not_carried.sql").read_text()
    keys = query(
        database, "SELECT count(*) FILTER (WHERE convalidated), count(*) FROM pg_constraint WHERE contype = 'f'"
    )
    assert keys == [(9, 9)]


def test_the_plan_shows_what_would_be_created_and_leaves_nothing(database: Database, tmp_path: Path) -> None:
    path = SHOP.make(tmp_path / "shop.db")
    before = state(database)
    plan = etl.plan(path, database.url, create_schema=True, names="snake")
    columns = {table.target.name: {column.target: column.type.sql for column in table.columns} for table in plan.tables}
    assert columns["order_details"]["unit_price"] == "numeric(10,2)"
    assert state(database) == before


def test_the_dry_run_forecasts_what_the_load_then_does(database: Database, tmp_path: Path) -> None:
    path = SHOP.make(tmp_path / "shop.db")
    before = state(database)
    options = {"create_schema": True, "validate": False}
    forecast = etl.migrate(path, database.url, dry_run=True, report_folder=tmp_path / "dry", **options)
    assert state(database) == before
    report = etl.migrate(path, database.url, report_folder=tmp_path / "report", **options)
    assert books(forecast) == books(report)
    assert forecast.schema == report.schema
