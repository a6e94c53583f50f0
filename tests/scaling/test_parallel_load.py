"""A load by workers tells and does the same as one in a single process, whatever the parts are."""

import json
import os
import pickle
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client
from support.bad_database import BadDatabase, make_bad_database
from support.database import Database, Server, fresh_database
from support.loads import rejects
from support.processes import processes_in, run_module
from support.sources import make_sqlite, series, sqlite
from support.targets import contents, execute, query, state, value
from support.workers import loading_schemas, parallel

import etl
from etl.core.errors import CannotRun, LockedError, UsageError
from etl.core.plan import TablePlan
from etl.reporting.report import Report
from etl.runs.observer import Observer
from etl.scaling import cluster as cluster_module
from etl.scaling.parts import Part, parts_of
from etl.scaling.work import Job
from etl.schema.unified import TABLE_NAMES, create_missing
from etl.source.database import Source
from etl.target.url import resolve


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> BadDatabase:
    return make_bad_database(tmp_path_factory.mktemp("bad") / "bad.db")


def told(report: Report) -> dict[str, Any]:
    """What a report says, without what no two runs share."""
    found = report.to_dict()
    for name in ("run_id", "started_at", "finished_at", "seconds", "timings", "target"):
        del found[name]
    for table in found["tables"]:  # type: ignore[attr-defined]
        del table["seconds"]
    for expectation in found["expectations"]:  # type: ignore[attr-defined]
        expectation["observed"] = expectation["observed"].partition(":")[0]  # workers show no values,
        if expectation["severity"] != "critical":
            del expectation["examples"], expectation["file"]  # and keep no rows of warnings
    found["rejects"] = sorted(found["rejects"], key=str)  # type: ignore[call-overload]
    found["difference_kinds"] = sorted(found["difference_kinds"], key=str)  # type: ignore[call-overload]
    return found


def files(report: Report, kind: str) -> dict[str, list[dict[str, Any]]]:
    """The lines of all reject (or dropped) files."""
    names = [table.name for table in report.tables]
    found = {name: rejects(report, name, kind) for name in names}
    for lines in found.values():
        lines.sort(key=lambda line: line["row_number"])
        for line in lines:
            del line["run_id"]
    return found


def test_books_rejects_suites_and_comparison_are_those_of_a_single_process(
    server: Server, workers: Client, bad: BadDatabase, tmp_path: Path
) -> None:
    """With rejects of each stage, values of dropped columns, and the suites of the 20 tables."""
    with fresh_database(server) as one, fresh_database(server) as other:
        for database in (one, other):
            with database.engine().begin() as connection:
                create_missing(connection)
        options: dict[str, Any] = {"extra_columns": "drop", "validate": True, "batch_rows": 50_000}
        single = etl.migrate(bad.path, one.url, report_folder=tmp_path / "one", **options)
        by_parts = parallel(workers, other.url, bad.path, tmp_path / "other", part_bytes=500_000, **options)
        assert told(by_parts) == told(single)
        assert by_parts.exit_code == 3
        for kind in ("rejects", "dropped"):
            assert files(by_parts, kind) == files(single, kind)
        assert contents(other, *TABLE_NAMES) == contents(one, *TABLE_NAMES)
        assert not loading_schemas(other)


SOURCE = (
    "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT UNIQUE, boss INTEGER REFERENCES person, born TEXT)",
    "CREATE TABLE pair (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID",
    "CREATE TABLE loose (note)",
    "CREATE TABLE empty (id INTEGER PRIMARY KEY)",
    "INSERT INTO person " + series(300, "n * 7, 'p' || n, CASE WHEN n > 1 THEN 7 * (n / 2) END, '2020-01-01'"),
    "INSERT INTO pair " + series(40, "'a' || n, n"),
    "INSERT INTO loose " + series(50, "'same'"),
)


def test_a_created_schema_and_tables_with_rows(workers: Client, database: Database, tmp_path: Path) -> None:
    """The first run creates and fills, the second finds every row present, a changed row is told."""
    source = make_sqlite(tmp_path / "any.db", *SOURCE)
    first = parallel(workers, database.url, source, tmp_path / "first", create_schema=True)
    assert first.exit_code == 0
    assert first.total("loaded_rows") == 390
    assert first.total("matched_rows") == 390
    after = state(database)
    execute(database, "UPDATE person SET name = 'changed' WHERE id = 14")
    again = parallel(workers, database.url, source, tmp_path / "again")
    assert (again.total("loaded_rows"), again.total("present_rows")) == (0, 390)
    assert again.exit_code == 3
    execute(database, "UPDATE person SET name = 'p2' WHERE id = 14")
    parallel(workers, database.url, source, tmp_path / "third")
    assert state(database) == after


class Watcher(Observer):
    """Looks into the target while parts are loaded."""

    def __init__(self, database: Database, table: str) -> None:
        self.database, self.table = database, table
        self.seen: list[int] = []
        self.progress: list[int] = []
        self.said = ""

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        if plan.name == self.table and len(self.seen) < 3:
            self.seen.append(value(self.database, f"SELECT count(*) FROM {self.table}"))
            self.progress.append(rows)

    def workers_ready(self, text: str) -> None:
        self.said = text


def test_nobody_sees_a_row_before_all_are_there(workers: Client, database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "any.db", *SOURCE)
    execute(database, "CREATE TABLE loose (note text)")
    watcher = Watcher(database, "loose")
    report = parallel(
        workers, database.url, source, tmp_path / "report", part_bytes=100, tables="loose", observer=watcher
    )
    assert watcher.seen == [0, 0, 0]
    assert 0 < watcher.progress[0] < watcher.progress[1]
    assert "2 workers" in watcher.said
    assert "dashboard http://127.0.0.1" in watcher.said
    assert report.total("loaded_rows") == value(database, "SELECT count(*) FROM loose") == 50


def test_parts_cover_each_row_once(tmp_path: Path) -> None:
    """With gaps and negative rowids; a table without rowids is one part."""
    path = make_sqlite(
        tmp_path / "any.db", *SOURCE, "UPDATE person SET id = -id WHERE id % 2", "DELETE FROM person WHERE id > 900"
    )
    with Source(path) as source:
        plans = [_plan(source, name) for name in ("person", "pair", "empty")]
        parts = parts_of(source, plans, 400)
        assert [part.number for part in parts] == list(range(1, len(parts) + 1))
        found = []
        for part in (part for part in parts if part.table == "person"):
            rows = [rowid for rowid, _ in source.stream(source.tables["person"], ["id"], part=part.range)]
            assert len(rows) == part.rows
            assert part.range.rows_before == len(found)
            found += rows
        assert found == [rowid for rowid, _ in source.stream(source.tables["person"], ["id"])]
        assert [part.rows for part in parts if part.table == "pair"] == [40]
        assert parts == parts_of(source, plans, 400)


def _plan(source: Source, name: str) -> TablePlan:
    table = source.tables[name]
    return TablePlan(table, None, ())  # type: ignore[arg-type]


def test_a_source_in_use_is_copied_first(workers: Client, database: Database, tmp_path: Path) -> None:
    """What is committed counts, whatever the application does meanwhile; the copy is gone afterwards."""
    path = make_sqlite(tmp_path / "live.db", "PRAGMA journal_mode = WAL", "CREATE TABLE loose (note TEXT)")
    with sqlite(path) as application:  # stays connected
        application.execute("INSERT INTO loose VALUES ('in the log')")
        application.commit()

        class Busy(Observer):
            def workers_ready(self, text: str) -> None:  # noqa: ARG002
                (copy,) = (tmp_path / "report" / "source").glob("*.db")
                assert stat.S_IMODE(copy.stat().st_mode) == 0o600
                make_sqlite(path, "INSERT INTO loose VALUES ('too late')")

        report = parallel(workers, database.url, path, tmp_path / "report", create_schema=True, observer=Busy())
    assert report.exit_code == 0
    assert report.source.path == str(path)
    assert query(database, "SELECT note FROM loose") == [("in the log",)]
    assert not list((tmp_path / "report" / "source").glob("*.db"))


def test_a_worker_that_cannot_see_the_file_says_so_at_once(
    workers: Client, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another machine: the file is gone when the workers are asked, before any part is handed out."""
    source = make_sqlite(tmp_path / "any.db", *SOURCE)
    check = cluster_module.Cluster.check

    def elsewhere(self: cluster_module.Cluster, run_id: str, path: Path) -> None:
        run = self.client.run

        def hidden(*arguments: Any) -> Any:
            path.rename(tmp_path / "elsewhere.db")
            return run(*arguments)

        monkeypatch.setattr(self.client, "run", hidden)
        check(self, run_id, path)

    monkeypatch.setattr(cluster_module.Cluster, "check", elsewhere)
    said = rf"The worker tcp://\S+ does not see the source. \S+ cannot read {source}: No such file"
    with pytest.raises(CannotRun, match=said):
        parallel(workers, database.url, source, tmp_path / "report", create_schema=True)


def test_workers_with_another_package_are_refused(
    workers: Client, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_sqlite(tmp_path / "any.db", *SOURCE)
    monkeypatch.setattr("etl.scaling.fingerprint.__version__", "0.0.9")
    said = r"The worker tcp://127.0.0.1:\d+ differs in the version of the package \(0.1.0, here 0.0.9\)"
    with pytest.raises(CannotRun, match=said):
        parallel(workers, database.url, source, tmp_path / "report", create_schema=True)
    assert not loading_schemas(database)


def test_a_second_run_waits_for_the_first(workers: Client, database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "any.db", *SOURCE)

    class Rival(Observer):
        def workers_ready(self, text: str) -> None:  # noqa: ARG002
            with pytest.raises(LockedError, match="Another run is loading"):
                etl.migrate(source, database.url, report_folder=tmp_path / "rival", validate=False)
            with pytest.raises(LockedError, match="Another run is loading"):
                parallel(workers, database.url, source, tmp_path / "rival")

    assert (
        parallel(workers, database.url, source, tmp_path / "report", create_schema=True, observer=Rival()).exit_code
        == 0
    )


def test_a_scheduler_that_is_not_there(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "WAIT_SECONDS", 1.5)
    source = make_sqlite(tmp_path / "any.db", *SOURCE)
    with pytest.raises(CannotRun, match=r"No Dask scheduler answers at tcp://127.0.0.1:9 .*`dask scheduler`"):
        parallel("tcp://127.0.0.1:9", database.url, source, tmp_path / "report", create_schema=True)
    assert not loading_schemas(database)


def test_a_password_is_in_no_task(
    workers: Client, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in what Dask logs of one; workers of our own inherit it, for as long as they live."""
    source = make_sqlite(tmp_path / "any.db", *SOURCE)
    url = resolve(database.url, {}).set(password="geheim", host="ignored").render_as_string(hide_password=False)  # type: ignore[union-attr]
    work, seen = cluster_module.Cluster.work, []

    def look(self: cluster_module.Cluster, jobs: Mapping[str, Job], parts: Sequence[Part], on_done: Any) -> None:
        seen.extend([pickle.dumps(jobs), repr(jobs).encode()])
        work(self, jobs, parts, on_done)

    monkeypatch.setattr(cluster_module.Cluster, "work", look)
    assert parallel(workers, url, source, tmp_path / "report", create_schema=True).exit_code == 0
    assert len(seen) == 2
    logs = repr([workers.get_scheduler_logs(), workers.get_worker_logs()]).encode()
    assert not any(b"geheim" in text for text in (*seen, logs))


def test_workers_of_our_own_listen_on_this_machine_alone(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "any.db", *SOURCE)
    me = psutil.Process()
    before = workers_of(me)
    with cluster_module.open_cluster(1, None, "postgresql://somebody:geheim@nowhere/none") as cluster:
        cluster.check("run", path)
        (inherited,) = cluster.client.run(os.environ.get, "ETL_WORKER_URL").values()
        assert len(workers_of(me) - before) == 1
        listening = {
            line.laddr.ip
            for process in (me, *me.children(recursive=True))
            for line in process.net_connections("tcp")
            if line.status == psutil.CONN_LISTEN
        }
    assert inherited == "postgresql://somebody:geheim@nowhere/none"
    assert "ETL_WORKER_URL" not in os.environ
    assert listening == {"127.0.0.1"}
    assert workers_of(me) == before


def workers_of(process: psutil.Process) -> set[psutil.Process]:
    """The worker processes below it."""
    return {child for child in process.children(recursive=True) if "spawn_main" in " ".join(child.cmdline())}


def test_workers_of_our_own_end_with_the_command(database: Database, tmp_path: Path) -> None:
    """From the shell: they get the target by their environment alone, and listen on 127.0.0.1 alone."""
    source = make_sqlite(tmp_path / "any.db", *SOURCE)
    options = ["--sqlite", str(source), "--pg", database.url, "--create-schema", "--skip-validation", "--workers", "2"]
    done = run_module("etl.run", *options, "--report", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"✓ 2 workers on this machine \(each may take [\d,]+ MB\), dashboard http://127.0.0.1:\d+", done.stdout
    )
    assert "390" in done.stdout
    assert not done.stderr
    assert not processes_in(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "report" / "parts.ndjson").read_text().splitlines()]
    assert sum(line["rows"] for line in lines) == 390
    assert not loading_schemas(database)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = r"pip install 'sqlite-to-postgres-etl\[dask\]'"
    with pytest.raises(UsageError, match=said), cluster_module.open_cluster(1, None, None):
        pass
