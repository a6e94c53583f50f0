"""Is the source ready: the same verdicts as the load's, into an empty target or a given one, and without a trace."""

import json
from collections import Counter
from pathlib import Path

import pytest
from support.database import Database
from support.failing_rows import SUITES, failing_database, fails
from support.loads import load
from support.sources import make_sqlite
from support.targets import execute
from test_validation_in_load import LATEST

import etl
from etl.core.errors import DriftError, SourceError, SuiteError, UsageError
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
    assert by_stage["convert"] == 1
    assert by_stage["validate"] > 40
    assert by_stage.total() == checked.rejected_rows
    assert [(group.table, group.column) for group in checked.rejects if group.stage == "convert"] == [
        ("users", "created_at")
    ]
    assert checked.exit_code == 3
    assert (
        checked.verdict == f"Not ready: {checked.rejected_rows} of {sum(checked.rows.values())} rows would not arrive."
    )
    assert checked.rows["users"] > checked.rows["own"] == 2
    assert list(checked.rows)[-1] == "own"  # behind the known ones
    assert checked.folder is None


def test_result_prints_and_displays(checked: Readiness) -> None:
    assert str(checked).endswith(f"expectations not met: {len(checked.failed)}")
    lines = list(checked.findings())
    in_set = 'expect_column_values_to_be_in_set (value_set ["admin", "user", "guest"])'
    assert f"1 row of users.role [validate]: fails {in_set}" in lines
    assert (
        "1 row of users.email [warning], expected: the text is an e-mail address (expect_column_values_to_match_regex"
        in "\n".join(lines)
    )
    (became,) = [line for line in lines if "own.made" in line]
    assert became.startswith("1 value of own.made [kept]: TIMESTAMP becomes text: timestamp")
    assert became.endswith("such as 'never' (rowid 2)")
    content = json.loads(checked.to_json())
    assert (content["exit_code"], len(content["expectations"])) == (3, len(checked.expectations))
    assert content["findings"] == lines
    assert "<li>1 row of users.role [validate]: fails" in checked._repr_html_()
    assert "value_set [&quot;admin&quot;" in checked._repr_html_()


@pytest.fixture(scope="module")
def orphaned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample after somebody deleted a user, and another stands there twice."""
    path = tmp_path_factory.mktemp("orphaned") / "my.db"
    make_sample(path)
    return make_sqlite(
        path,
        "DELETE FROM users WHERE id = (SELECT user_id FROM user_memories LIMIT 1)",
        "CREATE TABLE copy AS SELECT * FROM users",
        "INSERT INTO copy SELECT * FROM copy LIMIT 1",
        "DROP TABLE users",
        "ALTER TABLE copy RENAME TO users",
    )


def test_what_the_check_says_is_what_the_load_does(orphaned: Path, database: Database, tmp_path: Path) -> None:
    """Orphans, their children in turn, and duplicates of a unique key, without a target and with one."""
    alone = etl.check_source(orphaned)
    assert {"parent_missing", "parent_rejected", "duplicate_in_source"} <= {group.code for group in alone.rejects}
    with_target = etl.check_source(orphaned, database.url, create_schema=True, report_folder=tmp_path / "check")
    assert with_target.report.to_dict()["rejects"] == alone.report.to_dict()["rejects"]
    loaded = load(database, orphaned, tmp_path / "load", validate=True, create_schema=True)
    assert (loaded.rejects, loaded.exit_code) == (alone.rejects, alone.exit_code)
    assert etl.read_rejects(with_target.folder)["table"].value_counts().to_dict() == (
        etl.read_rejects(loaded)["table"].value_counts().to_dict()
    )
    assert {"report.html", "report.md", "report.json", "rejects"} <= {
        item.name for item in with_target.folder.iterdir()
    }


def test_rows_that_the_target_has_otherwise_are_found(database: Database, tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "one.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)", "INSERT INTO t VALUES (1, 'a')"
    )
    load(database, path, tmp_path / "load", create_schema=True)
    assert etl.check_source(path, database.url).exit_code == 0
    make_sqlite(path, "UPDATE t SET x = 'b'")
    result = etl.check_source(path, database.url)
    assert (result.exit_code, result.verdict) == (3, "Not ready: not every value would arrive as it is.")
    assert list(result.findings()) == [
        "1 row of t [present]: the target has other content under the same key, which stays"
    ]


def test_orphans_in_a_derived_schema_are_findings_and_no_loss(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "pets.db",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, code UUID UNIQUE)",
        "INSERT INTO person VALUES (1, '6f1f0c2e-8a30-4f0e-9a39-3a5f6e7a1b11')",
        "INSERT INTO person SELECT 2, upper(code) FROM person",
        "CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person (id))",
        "INSERT INTO pet VALUES (1, 1), (2, 9)",
    )
    result = etl.check_source(path)
    assert (result.exit_code, result.rejects, result.verdict) == (0, (), "Ready to be loaded.")
    key = "foreign key pet_owner_fkey: FOREIGN KEY (owner) REFERENCES person (id)"
    assert list(result.findings()) == [
        f"1 row of pet [kept]: {key}; PostgreSQL checks it on new rows only (NOT VALID)",
        "person [kept]: UNIQUE (code) becomes index person_code_idx: 1 keys become the same in PostgreSQL's types",
    ]
    assert list(etl.check_source(path, tables="pet").rows) == ["person", "pet"]  # what it refers to goes with it


def test_good_source_is_ready_and_warnings_stop_nobody(tmp_path: Path) -> None:
    path = tmp_path / "good.db"
    make_sample(path)
    make_sqlite(path, "UPDATE users SET email = 'nowhere' WHERE rowid = 1")
    result = etl.check_source(path, tables=("users", "memory_tags"))
    assert (result.rejects, result.exit_code, list(result.rows)) == ((), 0, ["users", "user_memories", "memory_tags"])
    assert [(item.table, item.column, item.severity) for item in result.failed] == [
        ("users", "email", "warning"),
        ("user_memories", "value", "warning"),
    ]


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
        "1 row of own.price [validate]: fails expect_column_values_to_be_between (min_value 0)",
        f"0 rows of users [warning], expected: the number of rows is at least 1 ({count['type']} (min_value 1))",
    ]
    assert result.rows == {"users": 0, "own": 2, "plain": 0}


def test_what_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        etl.check_source(tmp_path / "none.db")
    path = make_sqlite(tmp_path / "some.db", "CREATE TABLE users (id TEXT)")
    with pytest.raises(UsageError, match="the source has no table 'sessions'"):
        etl.check_source(path, tables=("users", "sessions"))
    with pytest.raises(UsageError, match="name the target"):
        etl.check_source(path, schema="app")
    with pytest.raises(SuiteError, match="no folder"):
        etl.check_source(path, expectations=tmp_path / "nowhere")


def test_a_map_to_begin_with_is_not_named_where_it_is_gone(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", "CREATE TABLE Person (id INTEGER PRIMARY KEY, mail TEXT)")
    execute(database, "CREATE TABLE people (id integer PRIMARY KEY, mail text)")
    with pytest.raises(DriftError) as stopped:
        etl.check_source(source, database.url)
    assert "/etl-check-" not in str(stopped.value)
    assert str(stopped.value).endswith("--report DIR leaves a map to begin with.")
    with pytest.raises(DriftError, match=str(tmp_path / "report" / "map.toml")):
        etl.check_source(source, database.url, report_folder=tmp_path / "report")
