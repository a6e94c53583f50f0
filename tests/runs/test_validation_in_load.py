"""Validation as part of the load: a source in which every suite has a failing row for each of its expectations.

SQLite itself keeps NULL out of INTEGER PRIMARY KEY, and a table that has rows cannot have too few: these are left out.
"""

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.database import Database, Server
from support.failing_rows import SUITES, failing_database, fails
from support.loads import books, rejects
from support.sources import make_sqlite, series
from support.targets import contents, execute, query, state

import etl
from etl.core.errors import SuiteError
from etl.core.plan import TablePlan
from etl.core.report import ExpectationReport, Outcome
from etl.reporting.report import Report
from etl.runs.observer import Observer
from etl.schema.unified import create_missing
from etl.validation.suites import default_folder

LATEST = datetime.now(UTC) + timedelta(days=1)
CASES = [(name, place) for name, suite in SUITES.items() for place, item in enumerate(suite.expectations)]
IN_SET = "expect_column_values_to_be_in_set"
OWN = (
    "CREATE TABLE parts (id integer, code text, rank integer, note text)",
    "INSERT INTO parts VALUES (1, 'abc', 1, NULL), (2, 'ABC', 2, 'x'), (3, NULL, 6, ''), (4, 'abcd', 1, 'y')",
    "INSERT INTO parts VALUES (5, '', 5, '')",
)
OWN_TARGET = (
    "CREATE TABLE parts (id bigint PRIMARY KEY, code varchar(3) CHECK (code IN ('abc', 'd''e')), "
    "rank integer NOT NULL CONSTRAINT ranks CHECK (rank BETWEEN 1 AND 5), note text CHECK (length(note) < 2))"
)


class Restarts(Observer):
    """Counts how often each table is read from its beginning."""

    def __init__(self) -> None:
        self.tables: Counter[str] = Counter()

    def table_restarted(self, plan: TablePlan) -> None:
        self.tables[plan.name] += 1


@dataclass(frozen=True)
class Case:
    """A source, its rows by table, and what a load of it in small batches left in `database`."""

    source: Path
    rows: dict[str, list[dict[str, Any]]]
    database: Database
    report: Report
    restarts: Counter[str]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    path = tmp_path_factory.mktemp("source") / "unified.db"
    return path, failing_database(path)


@pytest.fixture(scope="module")
def case(
    server: Server,
    source: tuple[Path, dict[str, list[dict[str, Any]]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Case]:
    """One load for many tests; batches of 4 rows, so that every table comes in several."""
    path, rows = source
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        database = Database(server.admin.set(database=name).render_as_string(hide_password=False))
        make_sqlite(path, *OWN)
        execute(database, OWN_TARGET)
        restarts = Restarts()
        report = etl.migrate(
            path,
            database.url,
            create_schema=True,
            batch_rows=4,
            report_folder=tmp_path_factory.mktemp("report"),
            observer=restarts,
        )
        yield Case(path, rows, database, report, restarts.tables)
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def failing(rows: list[dict[str, Any]], table: str, place: int) -> list[int]:
    """The row numbers that fail an expectation."""
    item = SUITES[table].expectations[place]
    return [number for number, row in enumerate(rows, start=1) if item.columns and fails(item, row, latest=LATEST)]


def result(report: Report, table: str, place: int) -> ExpectationReport:
    """An expectation's totals; the report has a suite's expectations in their order, except for the row count."""
    return [found for found in report.expectations if found.table == table][place]


@pytest.mark.parametrize(("table", "place"), CASES)
def test_every_failing_row_is_found_and_counted_once(case: Case, table: str, place: int) -> None:
    item, found = SUITES[table].expectations[place], result(case.report, table, place)
    expected = failing(case.rows[table], table, place)
    assert (found.expectation, found.column, found.severity, found.notes) == (
        str(item),
        ", ".join(item.columns) or None,
        item.severity,
        item.notes,
    )
    assert (found.unexpected_rows, found.success) == (len(expected), not expected)
    impossible = not item.columns or ("id" in item.columns and isinstance(case.rows[table][0]["id"], int))
    assert bool(expected) is not impossible


@pytest.mark.parametrize("table", SUITES)
def test_critical_rejects_warning_loads(case: Case, table: str) -> None:
    suite, rows = SUITES[table], case.rows[table]
    expected: dict[int, tuple[str, str]] = {}
    for place, item in enumerate(suite.expectations):
        for number in failing(rows, table, place) if item.severity == "critical" else ():
            value = rows[number - 1][item.columns[0]]
            shown = "NULL" if value is None else repr(value)
            expected[number] = item.columns[0], f"{item.columns[0]} = {shown} fails {item}"
    written = rejects(case.report, table)
    assert {line["row_number"]: (line["column"], line["reason"]) for line in written} == expected
    for line in written:
        row = rows[line["row_number"] - 1]
        assert (line["table"], line["stage"], line["key"]) == (table, "validate", {"id": row["id"]})
        assert line["row"].keys() == row.keys()
    assert books(case.report)[table] == (len(rows), len(rows) - len(expected), 0, len(expected))
    loaded = [key for (key,) in query(case.database, f"SELECT id FROM {table}")]
    assert sorted(loaded) == sorted(row["id"] for n, row in enumerate(rows, start=1) if n not in expected)


def lines_of(report: Report, file: str | None) -> list[dict[str, Any]]:
    """The lines of a file of the report folder."""
    assert report.folder is not None
    assert file is not None
    return [json.loads(line) for line in (report.folder / file).read_text().splitlines()]


def test_rows_that_a_warning_is_about_are_kept_and_shown(case: Case) -> None:
    """Also of the tables that were read twice."""
    warnings = [item for item in case.report.expectations if item.unexpected_rows and not item.critical]
    assert {item.table for item in warnings} & {name for name, times in case.restarts.items() if times > 1}
    for item in warnings:
        assert item.file == f"warnings/{item.table}.ndjson"
        kept = [line for line in lines_of(case.report, item.file) if line["expectation"] == item.expectation]
        kept = [line for line in kept if ", ".join(line["values"]) == item.column]
        assert len(kept) == item.unexpected_rows
        assert {line["severity"] for line in kept} == {item.severity}
        rows = [case.rows[item.table][line["row_number"] - 1] for line in kept]
        assert [line["key"] for line in kept] == [{"id": row["id"]} for row in rows]
        assert [example.row_number for example in item.examples] == [line["row_number"] for line in kept[:3]]
        assert [dict(example.key) for example in item.examples] == [line["key"] for line in kept[:3]]


def test_every_group_of_rejects_shows_rows_that_its_file_has(case: Case) -> None:
    for group in case.report.rejects:
        lines = lines_of(case.report, group.file)
        shown = {example.row_number for example in group.examples}
        assert len(shown) == min(3, group.rows)
        assert shown <= {line["row_number"] for line in lines if line["column"] == group.column}
        assert all(list(example.values) == [group.column] for example in group.examples)


def test_a_secret_by_either_name_is_not_shown(database: Database, tmp_path: Path) -> None:
    """The target's name may be the one that says so; the private file has the value."""
    execute(database, "CREATE TABLE people (id integer PRIMARY KEY, password text NOT NULL, born date)")
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE people (id integer PRIMARY KEY, phrase, born)",
        "INSERT INTO people VALUES (1, x'736563726574', '2020-01-01')",
    )
    mapping = {"columns": {"people": {"phrase": "password"}}}
    report = etl.migrate(source, database.url, mapping=mapping, report_folder=tmp_path / "r", validate=False)
    (group,) = report.rejects
    assert group.examples[0].values == {"phrase": "a hidden value"}
    assert "c2VjcmV0" in (tmp_path / "r" / "rejects" / "people.ndjson").read_text()


def test_a_warning_about_everything_keeps_so_many_rows_and_says_so(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.files.reject_files.WARNED_ROWS_KEPT", 4)
    monkeypatch.setattr("etl.reporting.view.WARNED_ROWS_KEPT", 4)
    execute(database, "CREATE TABLE parts (id integer PRIMARY KEY, name text)")
    rows = series(10, "n, ''")
    source = make_sqlite(tmp_path / "a.db", "CREATE TABLE parts (id, name)", f"INSERT INTO parts {rows}")
    blank = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "name", "regex": "\\S"}}
    etl.add_expectation("parts", {**blank, "severity": "warning"}, folder=tmp_path / "suites")
    report = etl.migrate(
        source, database.url, expectations=tmp_path / "suites", batch_rows=3, report_folder=tmp_path / "r"
    )
    (item,) = [item for item in report.expectations if not item.success]
    assert (item.unexpected_rows, len(lines_of(report, item.file)), len(item.examples)) == (10, 4, 3)
    assert "without the last 6" in (tmp_path / "r" / "report.html").read_text()


def test_the_run_ends_in_order_with_rejects(case: Case) -> None:
    assert case.report.outcome is Outcome.DIFFERENCES
    assert (case.report.exit_code, case.report.validated) == (3, True)
    assert case.report.folder is not None
    written = json.loads((case.report.folder / "report.json").read_text())
    assert len(written["expectations"]) == len(case.report.expectations) > len(CASES)
    for group in case.report.rejects:
        assert group.reason.startswith("fails expect_") or group.table == "parts"
        assert "= " not in group.reason or group.table == "parts"  # no values, so that rows can be counted by it


def test_a_table_that_starts_again_is_counted_once(case: Case) -> None:
    assert case.restarts["users"] == 2  # the optimistic way first, then the careful one
    assert result(case.report, "users", 3).judged_rows == len(case.rows["users"])
    assert sum(group.rows for group in case.report.rejects) == case.report.total("rejected_rows")


def test_a_table_without_suite_gets_a_derived_one(case: Case) -> None:
    found = {
        (item.column, item.expectation): (item.severity, item.judged_rows, item.unexpected_rows)
        for item in case.report.expectations
        if item.table == "parts"
    }
    required = "expect_column_values_to_not_be_null"
    assert found == {
        ("id", required): ("critical", 4, 0),
        ("rank", required): ("critical", 4, 0),
        ("code", "expect_column_value_lengths_to_be_between (max_value 3)"): ("critical", 3, 0),
        ("code", f'{IN_SET} (value_set ["abc", "d\'e"])'): ("critical", 3, 2),
        ("rank", "expect_column_values_to_be_between (min_value 1, max_value 5)"): ("critical", 4, 1),
    }
    reasons = {
        line["row_number"]: (line["stage"], line["column"], line["reason"]) for line in rejects(case.report, "parts")
    }
    in_set = f'fails {IN_SET} (value_set ["abc", "d\'e"])'
    assert reasons[2] == ("validate", "code", f"code = 'ABC' {in_set}")
    assert reasons[3] == (
        "validate",
        "rank",
        "rank = 6 fails expect_column_values_to_be_between (min_value 1, max_value 5)",
    )
    assert reasons[4][:2] == ("convert", "code")  # too long for its type: conversion speaks first
    assert reasons[5] == ("validate", "code", f"code = '' {in_set}")
    assert query(case.database, "SELECT id FROM parts") == [(1,)]


def test_dry_run_forecasts_the_same_and_writes_nothing(case: Case, database: Database, tmp_path: Path) -> None:
    create_schema(database)
    before = state(database)
    forecast = etl.migrate(case.source, database.url, dry_run=True, batch_rows=1000, report_folder=tmp_path)
    assert forecast.outcome is Outcome.DRY_RUN
    assert sorted(forecast.expectations, key=str) == sorted(case.report.expectations, key=str)
    assert sorted(forecast.rejects, key=str) == sorted(case.report.rejects, key=str)
    assert books(forecast) == books(case.report)
    assert state(database) == before


def test_skipping_leaves_the_rows_to_postgresql_and_says_so(case: Case, database: Database, tmp_path: Path) -> None:
    create_schema(database)
    report = etl.migrate(case.source, database.url, validate=False, report_folder=tmp_path)
    assert (report.validated, report.expectations, report.exit_code) == (False, (), 3)
    assert books(report) == books(case.report)
    for table in (*SUITES, "parts"):
        before = {(line["row_number"], line["column"]) for line in rejects(case.report, table)}
        lines = rejects(report, table)
        assert {(line["row_number"], line["column"]) for line in lines} == before
        assert {line["stage"] for line in lines} <= {"convert", "load"}
    tables = (*SUITES, "parts")
    assert contents(database, *tables) == contents(case.database, *tables)


def create_schema(database: Database) -> None:
    with database.engine().begin() as connection:
        create_missing(connection)
    execute(database, OWN_TARGET)


def edited_suites(folder: Path, table: str, text: str | None = None, **changes: Any) -> Path:
    """The suites with one table's first warning changed, or with its file's text replaced."""
    shutil.copytree(default_folder(), folder)
    path = folder / f"{table}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    warning = next(item for item in content["expectations"] if item["severity"] == "warning")
    warning.update(changes)
    path.write_text(json.dumps(content) if text is None else text, encoding="utf-8")
    return folder


def test_an_edited_suite_is_obeyed(case: Case, database: Database, tmp_path: Path) -> None:
    create_schema(database)
    folder = edited_suites(tmp_path / "suites", "memory_tags", severity="critical")
    (place,) = [n for n, item in enumerate(SUITES["memory_tags"].expectations) if item.severity == "warning"][:1]
    blank = failing(case.rows["memory_tags"], "memory_tags", place)
    assert blank
    before = {line["row_number"] for line in rejects(case.report, "memory_tags")}
    report = etl.migrate(case.source, database.url, expectations=folder, report_folder=tmp_path / "report")
    lines = rejects(report, "memory_tags")
    assert {line["row_number"] for line in lines} == before | set(blank)
    (line,) = [line for line in lines if line["row_number"] == blank[0]]
    assert line["reason"] == "tag = '\\t\\n ' fails expect_column_values_to_match_regex (regex \"\\\\S\")"
    others = {name: found for name, found in books(report).items() if name != "memory_tags"}
    assert others == {name: found for name, found in books(case.report).items() if name != "memory_tags"}


NO_SENSE = {
    "type": "expect_column_values_to_match_regex_list",
    "kwargs": {"column": "tag", "regex_list": ["x"], "match_on": "some"},  # that only Great Expectations knows
}
BROKEN = [
    ({"text": '{"name": "memory_tags",'}, r"memory_tags\.json, line 1, column"),
    ({"type": "expect_something"}, r"memory_tags\.json, expectation \d+ .*'expect_something' is no expectation"),
    (
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "no"}},
        r"memory_tags\.json, expectation \d+ .*no column 'no'",
    ),
    (NO_SENSE, r"memory_tags\.json, expectation \d+ .*Great Expectations refuses it"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN, ids=["json", "type", "column", "great-expectations"])
def test_a_broken_suite_stops_before_anything_is_written(
    source: tuple[Path, object], database: Database, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    create_schema(database)
    before = state(database)
    folder = edited_suites(tmp_path / "suites", "memory_tags", **changes)
    with pytest.raises(SuiteError, match=message) as caught:
        etl.migrate(source[0], database.url, expectations=folder, report_folder=tmp_path / "report")
    assert caught.value.exit_code == 1
    assert str(folder / "memory_tags.json") in str(caught.value)
    assert state(database) == before
    assert json.loads((tmp_path / "report" / "report.json").read_text())["outcome"] == "failed"


WITHDRAWN = (2, 3, 57, 398)
TOO_DEEP = "[" * 16_380 + "]" * 16_380  # more than any server's stack bears: refused while it is staged


@pytest.mark.parametrize("extra", ["stop", "drop"])
def test_rows_that_were_staged_before_validation_spoke_are_withdrawn(
    database: Database, tmp_path: Path, extra: str
) -> None:
    left = ", left_behind text" if extra == "drop" else ""
    source = make_sqlite(
        tmp_path / "many.db",
        f"CREATE TABLE many (id integer PRIMARY KEY, rank integer, document text{left})",
        "INSERT INTO many "
        + series(400, f"n, CASE WHEN n IN {WITHDRAWN} THEN 9 ELSE 1 END, '[1]'{', 1' if left else ''}"),
        f"UPDATE many SET document = '{TOO_DEEP}' WHERE id IN (3, 100)",
    )
    execute(
        database, "CREATE TABLE many (id bigint PRIMARY KEY, rank integer CHECK (rank BETWEEN 1 AND 5), document jsonb)"
    )
    report = etl.migrate(
        source,
        database.url,
        batch_rows=10,
        keep_constraints=True,
        extra_columns=extra,
        report_folder=tmp_path / "report",
    )
    stages = {line["row_number"]: line["stage"] for line in rejects(report, "many")}
    assert stages == dict.fromkeys(WITHDRAWN, "validate") | {100: "load"}
    assert books(report)["many"] == (400, 395, 0, 5)
    lost = query(database, "SELECT n FROM generate_series(1, 400) n WHERE n NOT IN (SELECT id FROM many) ORDER BY 1")
    assert [number for (number,) in lost] == sorted([*WITHDRAWN, 100])
    if left:
        kept = {line["row_number"] for line in rejects(report, "many", "dropped")}
        assert kept == set(range(1, 401)) - set(WITHDRAWN)  # what is rejected later stands in both files
