"""`python -m etl schema` as a user runs it: what stands on which stream, exit codes, and the file that it writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.sources import make_sqlite

ROOT = Path(__file__).parents[2]


def schema(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "etl", "schema", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return make_sqlite(
        tmp_path / "library.db",
        "CREATE TABLE BookLoans (id INTEGER PRIMARY KEY, lentOn DATETIME)",
        "INSERT INTO BookLoans VALUES (1, '2024-01-31')",
    )


def test_the_sql_alone_is_printed(library: Path) -> None:
    run = schema(library.parent, library.name)
    assert run.returncode == 0
    assert run.stderr == ""
    assert 'CREATE TABLE "bookloans"' in run.stdout
    assert all(line.startswith("--") for line in run.stdout.splitlines()[:1])
    assert sorted(path.name for path in library.parent.iterdir()) == ["library.db"]


def test_names_and_times_are_chosen(library: Path) -> None:
    run = schema(library.parent, library.name, "--names", "snake", "--times", "timestamp")
    assert '"lent_on" timestamp without time zone' in run.stdout


def test_the_sql_goes_into_a_file(library: Path) -> None:
    printed = schema(library.parent, library.name).stdout
    run = schema(library.parent, library.name, "--sql", "schema.sql")
    assert run.returncode == 0
    assert (library.parent / "schema.sql").read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["library.db", "--nmes", "lower"], "did you mean '--names'?"),
        (["library.db", "--names", "loud"], "invalid choice: 'loud'"),
        (["library.db", "--tables", "BookLoan"], "did you mean 'BookLoans'?"),
    ],
)
def test_wrong_usage_is_exit_2(library: Path, arguments: list[str], said: str) -> None:
    run = schema(library.parent, *arguments)
    assert run.returncode == 2
    assert said in run.stderr
    assert run.stdout == ""


def test_a_file_that_cannot_be_written_is_exit_1(library: Path) -> None:
    run = schema(library.parent, library.name, "--sql", "nowhere/schema.sql")
    assert run.returncode == 1
    assert "nowhere/schema.sql" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_file_that_is_no_database_is_exit_1(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database")
    assert schema(tmp_path, "a.db").returncode == 1
