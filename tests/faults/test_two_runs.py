"""Several at once on one target: two loads, a load and a comparison, a load and the application that writes."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url
from support.commands import Commands, commands
from support.database import Database, Server, fresh_database
from support.loads import books, load
from support.sources import make_sqlite, series
from support.targets import connected, execute, query, state, value

import etl
from etl.core.report import TableReport
from etl.reporting.report import Report
from etl.runs.observer import Observer
from etl.sample.build import make_sample

__all__ = ["commands"]  # a fixture
HANG_SECONDS = 120
OTHER_RUN = re.compile(
    r"✗ Another run is loading into this database: pid \d+ \(user \w+, application \"etl\", .*since 20.* UTC.*\)\. "
    r"Wait until it has finished, then run again\.\n"
)


@pytest.fixture
def target(database: Database) -> Database:
    execute(database, "CREATE TABLE t (id serial PRIMARY KEY, v text)", "CREATE INDEX i ON t (v)")
    return database


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        f"INSERT INTO t {series(300, 'n, n')}",
    )


class Meanwhile(Observer):
    """Does something once, when the table is loaded and nothing committed."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.result: object = None

    def table_finished(self, _: TableReport) -> None:
        self.result = self._act()


def start(source: Path, database: Database, folder: Path, *options: str) -> subprocess.Popen[str]:
    """`python -m etl.run` as a process of its own."""
    command = [sys.executable, "-m", "etl.run", "--sqlite", str(source), "--skip-validation", *options]
    environment = {**os.environ, "DATABASE_URL": database.url}
    return subprocess.Popen(
        [*command, "--report", str(folder)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_commands_that_start_at_once_load_once(database: Database, tmp_path: Path) -> None:
    """Whoever comes second is refused, or comes after the commit and finds everything present."""
    source = tmp_path / "unified.db"
    make_sample(source)
    processes = [start(source, database, tmp_path / f"report{n}", "--create-schema") for n in range(2)]
    ended = [(*process.communicate(timeout=HANG_SECONDS), process.returncode) for process in processes]
    assert {code for _, _, code in ended} <= {0, 1}
    for _, error, code in ended:
        assert error == "" if code == 0 else OTHER_RUN.fullmatch(error)
    loaded = [out for out, _, code in ended if code == 0 and "users: 5 rows migrated\n" in out]
    assert len(loaded) == 1
    assert value(database, "SELECT count(*) FROM conversation_messages") == 342


@contextlib.contextmanager
def held_up(run: Callable[[Observer], Report]) -> Iterator[list[Report]]:
    """While `run` stands still with its table loaded and nothing committed; its report is there afterwards."""
    reached, go_on = threading.Event(), threading.Event()
    observer = Meanwhile(lambda: (reached.set(), go_on.wait(HANG_SECONDS)))
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(run(observer)))
    thread.start()
    try:
        assert reached.wait(HANG_SECONDS)
        yield reports
    finally:
        go_on.set()
        thread.join(HANG_SECONDS)


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--create-schema"]])
def test_a_second_run_is_refused_by_a_line_that_names_the_first(
    target: Database, source: Path, tmp_path: Path, commands: Commands, options: list[str]
) -> None:
    first = partial(load_into, target, source, tmp_path / "first", keep_constraints=True)
    before = state(target)
    with held_up(first) as reports:
        second = commands.load(source, target.url, tmp_path / "second", *options)
        assert state(target) == before
    assert (second.code, reports[0].exit_code) == (1, 0)
    assert OTHER_RUN.fullmatch(second.err)
    assert commands.load(source, target.url, tmp_path / "second").code == 0
    assert value(target, "SELECT count(*) FROM t") == 300


def load_into(database: Database, source: Path, folder: Path, observer: Observer, **options: bool) -> Report:
    """A load with the observer as its last argument."""
    return load(database, source, folder, observer=observer, **options)


def test_runs_into_two_databases_do_not_disturb_each_other(
    server: Server, target: Database, source: Path, tmp_path: Path, commands: Commands
) -> None:
    with fresh_database(server) as beside:
        execute(beside, "CREATE TABLE t (id integer PRIMARY KEY, v text)")
        with held_up(partial(load_into, target, source, tmp_path / "first")) as reports:
            assert commands.load(source, beside.url, tmp_path / "second").code == 0
        assert reports[0].exit_code == 0


def test_a_comparison_during_a_load_that_rebuilds_waits_and_names_the_load(
    target: Database, source: Path, tmp_path: Path, commands: Commands
) -> None:
    """The table was empty before, so there was nothing to compare in it."""
    with held_up(partial(load_into, target, source, tmp_path / "load")) as reports:
        done = commands.reconcile(source, impatient(target), tmp_path / "compared")
    assert (done.code, reports[0].exit_code) == (1, 0)
    assert re.search(r'pid \d+ \(user \w+, application "etl".*holds ACCESS EXCLUSIVE on t\.', done.err)
    assert commands.reconcile(source, target.url, tmp_path / "compared").code == 0


def test_a_load_during_a_comparison_waits_for_it_only_where_it_rebuilds(
    target: Database, source: Path, tmp_path: Path, commands: Commands
) -> None:
    def compare(observer: Observer) -> Report:
        return etl.compare(source, target.url, report_folder=tmp_path / "compared", observer=observer)

    with held_up(compare) as reports:
        rebuilding = commands.load(source, impatient(target), tmp_path / "load")
        assert rebuilding.code == 1
        assert "holds ACCESS SHARE on t" in rebuilding.err
        assert commands.load(source, impatient(target), tmp_path / "load", "--keep-constraints").code == 0
    assert reports[0].total("missing_rows") == 300  # it saw the state of its beginning
    assert commands.reconcile(source, target.url, tmp_path / "again").code == 0


def impatient(database: Database) -> str:
    """The database's URL, with a short time to wait for locks."""
    url = make_url(database.url).update_query_dict({"options": "-c lock_timeout=300ms"})
    return url.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t (v) VALUES ('app')",
        "UPDATE t SET v = 'app' WHERE id = 1",
        "DELETE FROM t WHERE id = 1",
        "TRUNCATE t",
        "SELECT * FROM t WHERE id = 1 FOR UPDATE",
    ],
)
def test_a_writer_on_the_target_waits_for_the_commit_and_then_goes_on(
    target: Database, source: Path, tmp_path: Path, statement: str
) -> None:
    """Its change is neither lost nor counted as the load's. Only a row lock needs not wait."""
    execute(target, "INSERT INTO t VALUES (1, '1')")
    waits = "FOR UPDATE" not in statement
    pid, done = threading.Event(), threading.Event()
    pids: list[int] = []

    def write() -> None:
        with connected(target) as connection, connection.cursor() as cursor:
            pids.append(connection.info.backend_pid)
            pid.set()
            cursor.execute(statement)
        done.set()

    writer = threading.Thread(target=write)

    def meanwhile() -> None:
        writer.start()
        pid.wait()
        if not waits:
            assert done.wait(HANG_SECONDS)
            return
        waiting = f"SELECT count(*) FROM pg_locks WHERE pid = {pids[0]} AND NOT granted"
        while not value(target, waiting):
            assert not done.is_set()

    report = load(target, source, tmp_path / "report", observer=Meanwhile(meanwhile))
    writer.join(HANG_SECONDS)
    assert done.is_set()
    assert (report.exit_code, books(report)["t"]) == (0, (300, 299, 1, 0))
    after = {"INSERT": 301, "UPDATE": 300, "DELETE": 299, "TRUNCATE": 0, "SELECT": 300}[statement.split()[0]]
    assert value(target, "SELECT count(*) FROM t") == after
    assert value(target, "SELECT nextval('t_id_seq')") == (302 if after == 301 else 301)


def test_what_others_insert_where_the_role_may_not_lock_is_not_counted_as_ours(
    target: Database, source: Path, tmp_path: Path
) -> None:
    """With the rights to read and insert alone, other writers cannot be kept out: their rows are no fault."""
    execute(
        target,
        "CREATE ROLE etl_inserter",
        "GRANT SELECT, INSERT ON t TO etl_inserter",
        "GRANT SELECT, UPDATE ON SEQUENCE t_id_seq TO etl_inserter",
        "INSERT INTO t VALUES (5000, 'before')",
    )
    try:
        write = Meanwhile(lambda: execute(target, "INSERT INTO t VALUES (6000, 'meanwhile')"))
        report = load(target, source, tmp_path / "report", role="etl_inserter", observer=write)
        assert books(report)["t"] == (300, 300, 0, 0)
        assert value(target, "SELECT count(*) FROM t") == 302
        again = load(target, source, tmp_path / "again", role="etl_inserter")
        assert (again.exit_code, books(again)["t"]) == (0, (300, 0, 300, 0))
    finally:
        execute(target, "DROP OWNED BY etl_inserter", "DROP ROLE etl_inserter")


def test_a_writer_on_the_source_all_along_changes_nothing(target: Database, source: Path, tmp_path: Path) -> None:
    """What the application adds to one half of the rows it takes from the other in the same transaction."""
    make_sqlite(source, "PRAGMA journal_mode = WAL", "UPDATE t SET v = 0")
    make_sqlite(source, f"INSERT INTO t {series(6000, '300 + n, 0')}")
    stop = threading.Event()
    commits = [0]

    def write() -> None:
        with contextlib.closing(sqlite3.connect(source)) as application:
            application.execute("PRAGMA synchronous = OFF")
            while not stop.is_set():
                application.execute("UPDATE t SET v = v + 1 WHERE id % 2 = 0")
                application.execute("UPDATE t SET v = v - 1 WHERE id % 2 = 1")
                application.commit()
                commits[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while commits[0] < 3:
            assert writer.is_alive()
        begun = commits[0]
        report = load(target, source, tmp_path / "report", batch_rows=100)
        assert commits[0] > begun
    finally:
        stop.set()
        writer.join()
    assert report.exit_code == 0
    ((_, least, most), (_, lowest, highest)) = query(
        target, "SELECT id % 2, min(v::integer), max(v::integer) FROM t GROUP BY 1 ORDER BY 1"
    )
    assert least == most == -lowest == -highest
    assert begun <= most <= commits[0]
