"""Faults of workers, scheduler, coordinator and server in a load by workers: rows once, all or nothing, nothing hidden.

Real worker processes, killed at points that a proxy on their line to PostgreSQL marks.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from distributed import Client
from sqlalchemy import text
from support.database import Database
from support.loads import books
from support.targets import query, state
from support.workers import loading_schemas, parallel, running_workers

from etl.core.errors import CannotRun, UsageError
from etl.runs.observer import Observer
from etl.scaling import cluster as cluster_module
from etl.scaling.cut_off import abandon_run
from etl.scaling.parts import Part
from etl.scaling.work import Answer, Job, load_part
from faults.fault_points import BATCH_ROWS, ROWS
from faults.faulted import OwnServer, Scene, scene, wait_until
from faults.proxy import Line, Point, Proxy
from faults.victim import running

PATH = {"PYTHONPATH": str(Path(__file__).parents[2])}
ROWS_TABLES = """
SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid::regclass::text LIKE 'etl_loading%rows%'
"""
COPY_PART = r'COPY "etl_loading_\w+"\."rows_\d'
NOTE_PART = r'INSERT INTO "etl_loading_\w+".parts'


@pytest.fixture(scope="module")
def workers() -> Iterator[Client]:
    """Two running workers; those that are killed are started again."""
    with running_workers() as client:
        yield client


def kill_worker(line: Line) -> None:
    """The worker process at the other end of this line."""
    port = line.client.getpeername()[1]
    (worker,) = (process for process in psutil.Process().children(recursive=True) if _is_at(process, port))
    worker.kill()  # its nanny waits for it, and starts another
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "it does not die")


def _is_at(process: psutil.Process, port: int) -> bool:
    try:
        return any(item.laddr and item.laddr.port == port for item in process.net_connections())
    except (psutil.NoSuchProcess, FileNotFoundError):  # another one, which has ended meanwhile
        return False


@contextlib.contextmanager
def processes(folder: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes that are gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        with (folder / f"process-{len(started)}").open("wb") as log:
            started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | PATH))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextlib.contextmanager
def hold_parts(database: Database) -> Iterator[None]:
    """No row comes into a loading schema inside: its tables are locked as soon as they are there."""
    connection = database.engine().connect()
    with connection, connection.begin():
        wait_until(lambda: loading_schemas(database), "there is no loading schema")
        for (name,) in query(database, ROWS_TABLES):
            connection.execute(text(f"LOCK TABLE {name}"))
        yield


def all_is_there(story: Scene) -> None:
    """As after an undisturbed load in one process, and no loading schema is left."""
    assert not loading_schemas(story.database)
    story.all_is_there()


def run_of(text: object) -> str:
    """The run that a message names, with both ways on."""
    found = re.search(r"--resume (\S+) goes on with it, --abandon \1 removes it", str(text))
    assert found, text
    return found[1]


@pytest.mark.parametrize(
    "point",
    [Point(COPY_PART, 3), Point(NOTE_PART, 2), Point("COMMIT", 4, answered=True)],
    ids=["in a part", "before its ledger line", "after its COMMIT, before its answer"],
)
def test_a_worker_that_is_killed_costs_no_row_and_doubles_none(story: Scene, workers: Client, point: Point) -> None:
    with Proxy(story.database.url) as proxy:
        proxy.at(point, kill_worker)
        report = parallel(workers, proxy.url, story.source, story.folder / "report")
        assert proxy.acted == [point]
    assert report.exit_code == 0
    assert books(report) == {name: (rows, rows, 0, 0) for name, rows in ROWS.items()}
    all_is_there(story)


def test_a_part_that_runs_twice_at_once_counts_once(
    story: Scene, workers: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one overtakes the first, which is about to write its line."""
    known: dict[str, Job] = {}
    answers: list[Answer] = []
    work = cluster_module.Cluster.work

    def remember(self: cluster_module.Cluster, jobs: dict[str, Job], parts: list[Part], on_done: object) -> None:
        known.update(jobs)
        (third,) = (part for part in parts if part.number == 3)
        known_part.append(third)
        work(self, jobs, parts, lambda answer: (answers.append(answer), on_done(answer)))  # type: ignore[operator]

    def overtake(_: Line) -> None:
        part = known_part[0]
        with running_workers(1) as others:
            answers.append(others.submit(load_part, known[part.table], part, pure=False).result())

    known_part: list[Part] = []
    monkeypatch.setattr(cluster_module.Cluster, "work", remember)
    with Proxy(story.database.url) as proxy:
        point = Point(rf"{NOTE_PART} .*VALUES \(3,")
        proxy.at(point, overtake)
        report = parallel(workers, proxy.url, story.source, story.folder / "report")
        assert proxy.acted == [point]
    assert sorted(answer.first for answer in answers if answer.part == 3) == [False, True]
    assert report.exit_code == 0
    all_is_there(story)


class Heard(Observer):
    """What is said on the way."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remarked(self, text: str) -> None:
        self.remarks.append(text)


@contextlib.contextmanager
def by_hand(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """A scheduler's address, the scheduler, and one worker that nobody starts again: processes of their own."""
    python = [sys.executable, "-W", "ignore", "-m"]
    local = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(folder / "at.json")]
    with processes(folder) as start:
        scheduler = start(*python, "distributed.cli.dask_scheduler", "--port", "0", *local)
        wait_until((folder / "at.json").exists, "the scheduler does not start")
        worker = start(*python, "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *local)
        with Client(scheduler_file=str(folder / "at.json"), set_as_default=False) as client:
            address = client.scheduler.address
        yield address, scheduler, worker


@pytest.mark.parametrize("lost", ["scheduler", "all workers"])
def test_what_is_lost_is_named_and_the_run_goes_on_later(
    story: Scene, workers: Client, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(cluster_module, "LOST_SECONDS", 0.5)
    with by_hand(story.folder) as (address, scheduler, worker), Proxy(story.database.url) as proxy:

        def lose(_: Line) -> None:
            monkeypatch.setattr(cluster_module, "WAIT_SECONDS", 0.5)
            (scheduler if lost == "scheduler" else worker).kill()

        proxy.at(Point(COPY_PART, 2), lose)
        with pytest.raises(CannotRun, match=r"Dask scheduler (was lost|has had no worker)") as caught:
            parallel(address, proxy.url, story.source, story.folder / "report")
    run_id = run_of(caught.value)
    assert state_of_target(story) == story.before
    heard = Heard()
    report = parallel(
        workers, story.database.url, story.source, story.folder / "resumed", resume=run_id, observer=heard
    )
    assert report.run_id == run_id
    assert not heard.remarks, "the run that goes on is none that was cut off"
    assert report.exit_code == 0
    all_is_there(story)


def state_of_target(story: Scene) -> dict[str, object]:
    """The state without the loading schema."""
    return {name: found for name, found in state(story.database).items() if not name.startswith("etl_loading_")}


@pytest.fixture
def half_done(story: Scene, workers: Client) -> str:
    """The id of a run whose coordinator, a process of its own, was killed behind its second part."""
    point = Point("COMMIT", 4, answered=True)
    with Proxy(story.database.url) as proxy:
        arguments = ["--sqlite", story.source, "--pg", proxy.url, "--batch-rows", str(BATCH_ROWS)]
        arguments += ["--skip-validation", "--report", "report", "--scheduler", workers.scheduler.address]
        folder = story.folder / "coordinator"
        victims: list[int] = []
        proxy.at(point, lambda _: os.kill(victims[0], signal.SIGKILL))
        with running("etl.run", *arguments, folder=folder) as victim:
            victims.append(victim.pid)
            assert victim.exit_code() == -signal.SIGKILL
        assert proxy.acted == [point]
    (schema,) = loading_schemas(story.database)
    assert state_of_target(story) == story.before
    # Workers that nobody asks any more end what they are at; it is in the ledger, or it is not.
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'etl part%'"
    wait_until(lambda: query(story.database, busy) == [(0,)], "a worker does not end")
    return schema.removeprefix("etl_loading_")


def test_a_coordinator_that_is_killed_is_resumed_by_another_process(
    story: Scene, workers: Client, half_done: str
) -> None:
    parts = query(story.database, f"SELECT count(*) FROM etl_loading_{half_done}.parts")[0][0]
    assert 2 <= parts <= 3
    heard = Heard()
    report = parallel(workers, story.database.url, story.source, story.folder / "r", resume=half_done, observer=heard)
    assert report.exit_code == 0
    assert books(report) == {name: (rows, rows, 0, 0) for name, rows in ROWS.items()}
    all_is_there(story)


def test_a_run_that_was_cut_off_is_named_by_the_next_one_and_can_be_removed(
    story: Scene, workers: Client, half_done: str
) -> None:
    for name, options in (("single", {}), ("parallel", {"workers": workers})):
        heard = Heard()
        if options:
            report = parallel(workers, story.database.url, story.source, story.folder / name, observer=heard)
        else:
            report = story.load(report=name, observer=heard)
        (said,) = heard.remarks
        assert run_of(said).lower().replace("-", "_") == half_done
        assert re.search(r"cut off with [23] of 3 parts loaded, which nobody sees", said)
        assert said in report.remarks
    with pytest.raises(UsageError, match=r"--resume: the run \S+ loads \S+source.db, not \S+other.db"):
        parallel(workers, story.database.url, story.folder / "other.db", story.folder / "o", resume=half_done)
    with pytest.raises(UsageError, match=r"no run that was cut off called 'another'. There is: 2"):
        abandon_run("another", story.source, story.database.url)
    assert abandon_run(half_done, story.source, story.database.url).schema == f"etl_loading_{half_done}"
    all_is_there(story)


def test_a_run_does_not_go_on_with_a_changed_source(story: Scene, workers: Client, half_done: str) -> None:
    os.utime(story.source)
    with story.source.open("r+b") as file:
        file.seek(24)
        counter = int.from_bytes(file.read(4)) + 1
        for place in (24, 92):
            file.seek(place)
            file.write(counter.to_bytes(4))
    with pytest.raises(CannotRun, match=r"The source was changed since the run .* began.*--abandon"):
        parallel(workers, story.database.url, story.source, story.folder / "r", resume=half_done)
    assert loading_schemas(story.database) == [f"etl_loading_{half_done}"]


def test_a_server_that_crashes_in_a_part_has_lost_nothing_that_the_ledger_has(
    own: OwnServer, workers: Client, tmp_path: Path
) -> None:
    with scene(own.server, tmp_path) as story:
        with Proxy(story.database.url) as proxy:
            proxy.at(Point(COPY_PART, 4), lambda _: own.crash())
            with pytest.raises(CannotRun) as caught:
                parallel(workers, proxy.url, story.source, story.folder / "report")
        run_id = run_of(caught.value)
        own.start()
        assert state_of_target(story) == story.before
        report = parallel(workers, story.database.url, story.source, story.folder / "resumed", resume=run_id)
        assert report.exit_code == 0
        all_is_there(story)


def test_ctrl_c_stops_the_workers_statements(story: Scene, workers: Client) -> None:
    """Which wait for a lock that nobody gives back: without being told they would wait on."""
    with Proxy(story.database.url) as proxy:
        url = f"{proxy.url}&options=-c%20lock_timeout%3D0"
        arguments = ["--sqlite", story.source, "--pg", url, "--report", "report"]
        arguments += ["--skip-validation", "--scheduler", workers.scheduler.address]
        with running("etl.run", *arguments, folder=story.folder / "c") as victim, hold_parts(story.database):
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'"
            wait_until(lambda: query(story.database, waiting) > [(0,)], "the workers do not wait")
            victim.send(signal.SIGINT)
            assert victim.exit_code() == 130
            wait_until(lambda: query(story.database, waiting) == [(0,)], "a worker's statement goes on")
        assert "Interrupted" in victim.err
        run_id = run_of(victim.out)
    abandon_run(run_id, story.source, story.database.url)
    story.nothing_happened()
