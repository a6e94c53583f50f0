"""Schema and suites of the 20 tables are for that application's database; any other is described by itself."""

import json
from pathlib import Path

import pandas as pd
from support.database import Database
from support.loads import load, table_report
from support.sources import make_sqlite
from support.targets import execute

import etl
from etl.runs.known import description_of
from etl.sample.build import make_sample
from etl.source.database import Source
from etl.validation.suites import default_folder

OTHER = (
    "CREATE TABLE users (uuid TEXT PRIMARY KEY, email TEXT, created_at INTEGER)",
    "INSERT INTO users VALUES ('u1', 'no address', 5), ('u2', NULL, 7)",
)


def test_the_application_is_described_by_the_product(tmp_path: Path) -> None:
    make_sample(tmp_path / "sample.db")
    with Source(tmp_path / "sample.db") as source:
        known = description_of(source.tables)
    assert known.suites == default_folder()
    assert known.types_of("users")["created_at"].sql == "timestamp with time zone"
    assert known.types_of("elsewhere") == {}


def test_another_application_is_not(tmp_path: Path) -> None:
    with Source(make_sqlite(tmp_path / "other.db", *OTHER)) as source:
        known = description_of(source.tables)
    assert (known.suites, known.types_of("users")) == (None, {})


def test_another_applications_users_are_loaded_checked_and_read(database: Database, tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "other.db", *OTHER)
    execute(database, "CREATE TABLE users (uuid text PRIMARY KEY, email text, created_at integer)")
    report = load(database, path, tmp_path / "report", validate=True)
    assert (report.exit_code, table_report(report, "users").loaded_rows) == (0, 2)
    assert etl.check_source(path).exit_code == 0
    assert etl.read_table(path, "users")["created_at"].tolist() == [5, 7]


def test_another_applications_frame_is_judged_by_its_own_suite(tmp_path: Path) -> None:
    suite = {
        "name": "users",
        "expectations": [
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "uuid"}, "severity": "critical"},
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "created_at", "min_value": 6},
                "severity": "critical",
            },
        ],
    }
    (tmp_path / "users.json").write_text(json.dumps(suite))
    frame = pd.DataFrame({"uuid": ["u1", None, "u3"], "created_at": [5, 6, 7]})
    validated = etl.validate_frame(frame, "users", expectations=tmp_path)
    assert validated.accepted["uuid"].tolist() == ["u3"]
