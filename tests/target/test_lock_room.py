"""A load that the server's table of locks has no room for is told so before the first row, with the true remedy."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.database import Database
from support.own_server import OwnServer, own_server
from support.sources import make_sqlite
from support.targets import execute, value

import etl
from etl.core.errors import TargetError

TABLES = 105
SMALL = {
    "max_connections": "20",
    "max_locks_per_transaction": "10",
    "max_worker_processes": "0",
    "max_wal_senders": "0",
    "autovacuum_max_workers": "1",
}


@pytest.fixture(scope="module")
def small_server() -> Iterator[OwnServer]:
    with own_server(**SMALL) as server:
        yield server


@pytest.fixture
def small(small_server: OwnServer) -> Iterator[Database]:
    with small_server.database("many_tables") as found:
        in_each(found, "CREATE TABLE t{} (id serial PRIMARY KEY, v text UNIQUE)")
        yield found


def in_each(database: Database, statement: str) -> None:
    """The statement for each table, some tables in a transaction, as more would need too many locks."""
    for start in range(0, TABLES, TABLES // 7):
        execute(database, *(statement.format(n) for n in range(start, start + TABLES // 7)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = [f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v TEXT)" for n in range(TABLES)]
    return make_sqlite(tmp_path / "source.db", *made, *(f"INSERT INTO t{n} VALUES (1, 'a')" for n in range(TABLES)))


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_load_that_needs_too_many_locks_is_foreseen(
    small: Database, source: Path, tmp_path: Path, dry_run: bool
) -> None:
    in_each(small, "INSERT INTO t{} VALUES (9, 'z')")
    with pytest.raises(TargetError) as refused:
        etl.migrate(source, small.url, validate=False, dry_run=dry_run, report_folder=tmp_path / "report")
    message = str(refused.value)
    assert re.search(rf"The load of {TABLES} tables holds about \d+ locks at once", message)
    assert re.search(r"Set max_locks_per_transaction to \d+ \(it is 10\), restart the server", message)
    assert value(small, "SELECT count(*) FROM t0") == 1


def test_some_of_the_tables_at_a_time_are_loaded(small: Database, source: Path, tmp_path: Path) -> None:
    in_each(small, "INSERT INTO t{} VALUES (9, 'z')")
    some = [f"t{n}" for n in range(10)]
    report = etl.migrate(source, small.url, tables=some, validate=False, report_folder=tmp_path / "report")
    assert (report.exit_code, report.total("loaded_rows")) == (0, len(some))
