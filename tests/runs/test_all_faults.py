"""A row with several faults names all of them at once, and is counted under one."""

from pathlib import Path

import pytest
from support.database import Database
from support.loads import load, rejects
from support.sources import make_sqlite
from support.targets import execute

import etl
from etl.reporting.report import Report
from etl.sample.build import make_sample


def faults(report: Report, table: str) -> list[list[tuple[str, str, str]]]:
    """For each rejected row its faults: stage, code and column, the one that counts first."""
    return [
        [(item["stage"], item["code"], item["column"]) for item in (line, *line["also"])]
        for line in rejects(report, table)
    ]


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """The sample with a user in whom four cells are bad."""
    path = tmp_path / "four.db"
    make_sample(path)
    return make_sqlite(
        path,
        "PRAGMA ignore_check_constraints = ON",
        "UPDATE users SET role = 'root', created_at = 'soon', is_active = 'perhaps', email = x'00' WHERE rowid = 1",
        "UPDATE users SET role = 'root' WHERE rowid = 2",
    )


BAD = [
    [
        ("convert", "other_storage", "email"),
        ("convert", "not_a_time", "created_at"),
        ("convert", "not_a_boolean", "is_active"),
        ("validate", "expectation", "role"),
    ]
]


def test_four_bad_cells_are_four_faults_of_one_row(four: Path, database: Database, tmp_path: Path) -> None:
    def run(name: str, *, dry_run: bool) -> Report:
        folder = tmp_path / name
        return load(database, four, folder, tables=("users",), validate=True, dry_run=dry_run, create_schema=True)

    forecast, report = run("dry", dry_run=True), run("load", dry_run=False)
    for each in (forecast, report):
        assert faults(each, "users")[:1] == BAD
        assert sum(group.rows for group in each.rejects if group.table == "users") == len(faults(each, "users"))
        assert {(group.column, group.rows) for group in each.other_faults} >= {("created_at", 1), ("is_active", 1)}
        assert etl.open_report(each.folder or "").other_faults == each.other_faults
    judged = next(item for item in report.expectations if item.column == "role" and "in_set" in item.expectation)
    assert (judged.judged_rows, judged.unexpected_rows) == (4, 1)  # the row that is rejected before counts for nothing


def test_the_notebook_and_the_check_name_them(four: Path, tmp_path: Path) -> None:
    checked = etl.check_source(four, tables="users", report_folder=tmp_path / "check")
    page = (tmp_path / "check" / "report.html").read_text()
    assert "What is wrong with them besides" in page
    assert "Further faults of these rows" in (tmp_path / "check" / "report.md").read_text()
    lines = "\n".join(checked.findings())
    assert "1 row of users.is_active [convert, besides]: value is not a boolean" in lines
    also = etl.read_rejects(checked.folder or "", "users")["reject_also"].iloc[0]
    assert [line.partition(":")[0] for line in also.splitlines()] == ["created_at", "is_active", "role"]
    assert "'soon' is not a date and time" in also
    assert etl.read_rejects(checked.folder or "")["also"].iloc[0] == also


def test_missing_values_beside_other_faults_without_validation(database: Database, tmp_path: Path) -> None:
    execute(database, "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text NOT NULL, c text NOT NULL)")
    path = make_sqlite(
        tmp_path / "t.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)",
        "INSERT INTO t VALUES (1, 'x', NULL, 'c'), (2, 1, NULL, NULL), (3, 1, 'b', 'c')",
    )
    assert faults(load(database, path, tmp_path / "load"), "t") == [
        [("convert", "not_a_whole_number", "a"), ("load", "null_in_required", "b")],
        [("load", "null_in_required", "b"), ("load", "null_in_required", "c")],
    ]


@pytest.mark.parametrize("dry_run", [True, False])
def test_checks_and_parents_that_a_row_breaks_at_once(database: Database, tmp_path: Path, dry_run: bool) -> None:
    execute(
        database,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT a_fk REFERENCES p, b int CONSTRAINT b_fk REFERENCES p, "
        "c int, d int, CONSTRAINT c_odd CHECK (c % 2 = 1), CONSTRAINT d_odd CHECK (10 / d > 1))",
    )
    path = make_sqlite(
        tmp_path / "t.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "INSERT INTO p VALUES (1)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d)",
        "INSERT INTO t VALUES (1, 8, 9, 1, 1), (2, 1, 9, 1, 1), (3, 1, 1, 2, 50), (4, 1, 1, 1, 1)",
    )
    report = load(database, path, tmp_path / "load", dry_run=dry_run)
    lines = rejects(report, "t")
    assert faults(report, "t") == [
        [("load", "parent_missing", "a"), ("load", "parent_missing", "b")],
        [("load", "parent_missing", "b")],
        [("load", "check", "c"), ("load", "check", "d")],
    ]
    assert lines[0]["also"][0]["reason"].startswith("foreign key b_fk: p has no row with id = 9")


def test_a_check_that_cannot_be_computed_hides_no_other(database: Database, tmp_path: Path) -> None:
    execute(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, c int, d int, CONSTRAINT c_odd CHECK (c % 2 = 1), "
        "CONSTRAINT d_odd CHECK (10 / d > 1))",
    )
    path = make_sqlite(
        tmp_path / "t.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c, d)",
        "INSERT INTO t VALUES (1, 2, 0), (2, 1, 0), (3, 1, 1)",
    )
    assert [[code for _, code, _ in row] for row in faults(load(database, path, tmp_path / "load"), "t")] == [
        ["check"],
        ["refused"],
    ]
