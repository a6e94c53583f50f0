"""A sync makes both sides equal, with what differs and nothing else; what it overwrites is kept."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.database import Database
from support.loads import load, rejects, table_report
from support.sources import make_sqlite
from support.targets import query, url_as, value

import etl
from etl.core.report import Outcome
from etl.reporting.report import Report


def sync(database: Database, source: Path, folder: Path, **options: Any) -> Report:
    """`etl.sync` into the test's database, without validation unless it is asked for."""
    return etl.sync(source, url_as(database), report_folder=folder, **{"validate": False, **options})


def change(source: Path, *statements: str) -> None:
    """What the application does to its database."""
    with closing(sqlite3.connect(source)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def counts(report: Report, table: str) -> tuple[int | None, ...]:
    """Matched, inserted, updated, kept, rejected, deleted rows of a table; fails where the sum does not hold."""
    found = table_report(report, table)
    parts = (found.matched_rows, found.inserted_rows, found.updated_rows, found.kept_rows, found.rejected_rows)
    assert found.source_rows == sum(part or 0 for part in parts)
    assert not found.unaccounted_rows
    return (*parts, found.deleted_rows)


def lines(report: Report, folder: str, table: str) -> list[dict[str, Any]]:
    """A file of rows in the report's folder."""
    return rejects(report, table, folder)


def equal(database: Database, source: Path, folder: Path) -> bool:
    """Whether a comparison of its own finds both sides equal."""
    return etl.compare(source, url_as(database), report_folder=folder).exit_code == 0


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Path:
    """People and their orders, loaded into a created schema."""
    source = make_sqlite(
        tmp_path / "shop.db",
        "CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, name TEXT)",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES person, total REAL)",
        "INSERT INTO person VALUES (1, 'ann@x', 'Ann'), (2, 'bob@x', 'Bob'), (3, 'cyd@x', NULL)",
        "INSERT INTO orders VALUES (10, 1, 1.5), (11, 2, 2.5), (12, 3, 3.5), (13, 3, 4.5)",
    )
    assert load(database, source, tmp_path / "load", create_schema=True).exit_code == 0
    return source


def test_changes_are_applied_and_proved(database: Database, shop: Path, tmp_path: Path) -> None:
    change(
        shop,
        "UPDATE person SET name = 'Anna' WHERE id = 1",
        "INSERT INTO person VALUES (7, 'dan@x', 'Dan')",
        "INSERT INTO orders VALUES (14, 7, 9)",
        "DELETE FROM orders WHERE id = 13",
    )
    report = sync(database, shop, tmp_path / "sync", delete=True)
    assert (report.exit_code, report.outcome) == (0, Outcome.RECONCILED)
    assert counts(report, "person") == (2, 1, 1, 0, 0, 0)
    assert counts(report, "orders") == (3, 1, 0, 0, 0, 1)
    assert equal(database, shop, tmp_path / "compare")
    assert value(database, "SELECT nextval('person_id_seq')") == 8
    (old,) = lines(report, "overwritten", "person")
    assert old == {
        "change": "updated", "key": {"id": "1"}, "row": {"id": "1", "email": "ann@x", "name": "Ann"}
    }  # fmt: skip
    (gone,) = lines(report, "overwritten", "orders")
    assert (gone["change"], gone["key"], gone["row"]["total"]) == ("deleted", {"id": "13"}, "4.5")
    path = tmp_path / "sync" / "overwritten" / "person.ndjson"
    assert path.stat().st_mode & 0o777 == 0o600
    undo = json.loads((tmp_path / "sync" / "undo.json").read_bytes())
    assert [(item["table"], item["inserted"], item["updated"], item["deleted"]) for item in undo["tables"]] == [
        ("person", 1, 1, 0),
        ("orders", 1, 0, 1),
    ]
    written = query(database, "SELECT xmin::text::bigint FROM person WHERE id IN (1, 7)")
    assert {str(xmin) for (xmin,) in written} <= {undo["transaction"], *undo["savepoints"]}
