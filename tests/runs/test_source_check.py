"""Is the source ready: the same verdicts as the load's, without a target and without a trace."""

import json
from collections import Counter
from pathlib import Path

import pytest
from support.failing_rows import SUITES, failing_database, fails
from support.sources import make_sqlite
from test_validation_in_load import LATEST

import etl
from etl.core.errors import SourceError, SuiteError, UsageError
from etl.runs.source_check import Readiness
from etl.sample.build import make_sample


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every expectation fails; a time that cannot be converted, and a table of the user's own, come on top."""
    path = tmp_path_factory.mktemp("failing") / "my.db"
    failing_database(path)
    return make_sqlite(
        path,
        "UPDATE users SET created_at = 'yesterday' WHERE id = 'u1'",
        "CREATE TABLE own (id INTEGER PRIMARY KEY, made TIMESTAMP)",
        "INSERT INTO own VALUES (1, '2026-01-01'), (2, 'never')",
    )


@pytest.fixture(scope="module")
def checked(failing: Path) -> Readiness:
    before = folder_state(failing.parent)
    result = etl.check_source(failing)
    assert folder_state(failing.parent) == before
    return result


def folder_state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_every_failing_row_is_found(failing: Path, checked: Readiness, tmp_path: Path) -> None:
    rows = failing_database(tmp_path / "again.db")
    found = {(item.table, item.expectation, item.column): item.unexpected_rows for item in checked.expectations}
    for table, suite in SUITES.items():
        for item in suite.expectations:
            expected = [row for row in rows[table] if item.columns and fails(item, row, latest=LATEST)]
            assert found[table, str(item), ", ".join(item.columns) or None] == len(expected), (table, str(item))
    assert len(found) == len(checked.expectations)
    assert checked.path == str(failing)


def test_rejects_are_counted_by_table_stage_and_rule(checked: Readiness) -> None:
    by_stage = Counter[str]()
    for group in checked.rejects:
        by_stage[group.stage] += group.rows
    assert by_stage["convert"] == 2
    assert by_stage["validate"] == checked.rejected_rows - 2 > 40
    assert {(group.table, group.column) for group in checked.rejects if group.stage == "convert"} == {
        ("users", "created_at"),
        ("own", "made"),
    }
    assert checked.exit_code == 3
    assert checked.rows["users"] > checked.rows["own"] == 2
    assert list(checked.rows)[-1] == "own"  # behind the known ones


def test_result_prints_and_displays(checked: Readiness) -> None:
    assert str(checked).endswith(f"expectations not met: {len(checked.failed)}")
    lines = list(checked.findings())
    in_set = 'expect_column_values_to_be_in_set (value_set ["admin", "user", "guest"])'
    assert f"1 rows of users.role [validate]: fails {in_set}" in lines
    assert "1 rows of users.email [warning]: expect_column_values_to_match_regex" in "\n".join(lines)
    content = json.loads(checked.to_json())
    assert (content["exit_code"], len(content["expectations"])) == (3, len(checked.expectations))
    assert "<li>1 rows of users.role [validate]: fails" in checked._repr_html_()
    assert "value_set [&quot;admin&quot;" in checked._repr_html_()


def test_good_source_is_ready_and_warnings_stop_nobody(tmp_path: Path) -> None:
    path = tmp_path / "good.db"
    make_sample(path)
    make_sqlite(path, "UPDATE users SET email = 'nowhere' WHERE rowid = 1", "DELETE FROM alert_history")
    result = etl.check_source(path, tables=("users", "alert_history", "memory_tags"))
    assert (result.rejects, result.exit_code, list(result.rows)) == ((), 0, ["users", "alert_history", "memory_tags"])
    assert [(item.table, item.column, item.severity) for item in result.failed] == [("users", "email", "warning")]


def test_too_few_rows_and_a_suite_for_a_table_of_ones_own(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "own.db",
        "CREATE TABLE users (id TEXT, username TEXT)",
        "CREATE TABLE own (id INTEGER, price NUMERIC)",
        "INSERT INTO own VALUES (1, -1), (2, 1)",
        "CREATE TABLE plain (id INTEGER)",
    )
    (tmp_path / "suites").mkdir()
    price = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "price", "min_value": 0}}
    count = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "severity": "warning"}
    etl.add_expectation("own", price, folder=tmp_path / "suites")
    etl.add_expectation("users", count, folder=tmp_path / "suites")
    result = etl.check_source(path, expectations=tmp_path / "suites")
    assert list(result.findings()) == [
        "1 rows of own.price [validate]: fails expect_column_values_to_be_between (min_value 0)",
        "0 rows of users [warning]: expect_table_row_count_to_be_between (min_value 1)",
        "1 rows of own.price [critical]: expect_column_values_to_be_between (min_value 0)",
    ]
    assert result.rows == {"users": 0, "own": 2, "plain": 0}


def test_what_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        etl.check_source(tmp_path / "none.db")
    path = make_sqlite(tmp_path / "some.db", "CREATE TABLE users (id TEXT)")
    with pytest.raises(UsageError, match="the source has no table 'sessions'"):
        etl.check_source(path, tables=("users", "sessions"))
    with pytest.raises(SuiteError, match="no folder"):
        etl.check_source(path, expectations=tmp_path / "nowhere")
