"""Expectations of one's own in a load: mistakes are told at once, and a whole table is judged in warnings."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.database import Database
from support.sources import make_sqlite

import etl
from etl.core.errors import SuiteError
from etl.core.report import ExpectationReport
from etl.reporting.report import Report

UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "title"}, "severity": "warning"}
MEAN = {
    "type": "expect_column_mean_to_be_between",
    "kwargs": {"column": "pages", "max_value": 150},
    "severity": "warning",
}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    return make_sqlite(
        tmp_path / "books.db",
        "CREATE TABLE Books (id INTEGER PRIMARY KEY, title TEXT, pages INTEGER)",
        "INSERT INTO Books VALUES (1, 'a', 100), (2, 'b', 200), (3, 'a', 'many')",
        "CREATE TABLE Authors (id INTEGER PRIMARY KEY)",
        "CREATE TABLE empty (title TEXT)",
    )


def suites(folder: Path, **tables: Any) -> Path:
    """A folder with a suite for each table."""
    folder.mkdir()
    for table, expectations in tables.items():
        (folder / f"{table}.json").write_text(json.dumps({"name": table, "expectations": expectations}))
    return folder


def load(database: Database, source: Path, folder: Path, *, tables: tuple[str, ...] = ()) -> Report:
    return etl.migrate(
        source,
        database.url,
        tables=tables,
        types="declared",
        create_schema=True,
        expectations=str(folder),
        report_folder=folder.parent / "report",
        batch_rows=2,
    )


def test_a_whole_table_is_judged_over_its_batches(books: Path, database: Database, tmp_path: Path) -> None:
    folder = suites(tmp_path / "suites", books=[UNIQUE, MEAN], empty=[UNIQUE])
    report = load(database, books, folder)
    found = {(item.table, item.column): item for item in report.expectations if item.severity == "warning"}
    unique, mean = found["Books", "title"], found["Books", "pages"]
    assert (unique.success, unique.unexpected_rows, unique.judged_rows) == (True, 0, 2)  # the third is not converted
    assert (mean.success, mean.meaning, mean.observed) == (True, "the mean is at most 150", "the mean is 150")
    assert found["empty", "title"] == ExpectationReport(
        "empty", UNIQUE["type"], "title", "warning", 0, 0, True, "", meaning="no value stands in two rows"
    )
    make_sqlite(books, "UPDATE Books SET title = 'a', pages = 300")
    checked = etl.check_source(books, expectations=folder)
    assert checked.exit_code == 0
    unique, mean = checked.findings()
    assert unique == (
        "3 rows of Books.title [warning], expected: no value stands in two rows (expect_column_values_to_be_unique); "
        "3 of 3 rows (100 %) share their value with another: 'a' (3 times)"
    )
    assert mean.startswith(
        "0 rows of Books.pages [warning], expected: the mean is at most 150 (expect_column_mean_to_be"
    )
    assert mean.endswith("; the mean is 300")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"books": [{**UNIQUE, "kwargs": {"column": "titel"}}]}, "no column 'titel' .did you mean 'title'"),
        ({"bokks": [UNIQUE]}, "a suite for no table of the target: 'bokks' .did you mean 'books'"),
        ({"Books": [UNIQUE]}, "a suite for no table of the target: 'Books' .did you mean 'books'"),
    ],
)
def test_a_mistake_is_told_at_once_and_nothing_is_written(
    books: Path, database: Database, tmp_path: Path, tables: dict[str, Any], message: str
) -> None:
    folder = suites(tmp_path / "suites", **tables)
    with pytest.raises(SuiteError, match=message):
        load(database, books, folder)
    with pytest.raises(SuiteError, match=message):
        etl.check_source(books, expectations=folder)
    with database.engine().connect() as connection:
        assert not connection.exec_driver_sql("SELECT 1 FROM pg_tables WHERE tablename = 'books'").fetchall()


def test_a_missing_folder_is_told_before_anything_is_opened(books: Path, tmp_path: Path) -> None:
    for call in (etl.migrate, etl.check_source):
        with pytest.raises(SuiteError, match=r"no folder .*nowhere"):
            call(books, "postgresql://nobody@localhost:1/none", expectations=str(tmp_path / "nowhere"))
    with pytest.raises(SuiteError, match=r"no folder .*nowhere"):
        etl.validate_frame(etl.read_table(books, "Books"), "books", expectations=tmp_path / "nowhere")


def test_suites_of_tables_that_are_not_loaded_now_are_no_mistake(
    books: Path, database: Database, tmp_path: Path
) -> None:
    folder = suites(tmp_path / "suites", books=[UNIQUE], authors=[{**UNIQUE, "kwargs": {"column": "id"}}])
    report = load(database, books, folder, tables=("Books",))
    assert {item.table for item in report.expectations} == {"Books"}
