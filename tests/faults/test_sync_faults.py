"""Faults in every stage of a sync: the target is as before or as after, and the next sync brings it to its end."""

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.database import Database, Server, fresh_database
from support.loads import load
from support.sources import make_sqlite, series
from support.targets import execute, query, state, url_as

import etl
from etl.core.errors import LockedError, TargetError
from etl.core.report import TableReport
from etl.reporting.report import Report
from etl.runs.observer import Observer
from faults.fault_points import COMMIT, COMMITTED, make_source, make_target
from faults.faulted import striking, wait_until
from faults.proxy import Line, Point, Proxy
from faults.victim import Victim, running

POINTS = {
    "locking": Point("LOCK TABLE"),
    "comparing": Point(r"COPY \(SELECT", 2, answered=True),
    "finding surplus rows": Point("CREATE TEMP TABLE .*extra"),
    "staging": Point('COPY "pg_temp"'),
    "keeping old rows": Point(r"COPY \(SELECT.*overwritten|COPY \(SELECT.*updated", answered=True),
    "stepping aside": Point(r'UPDATE "public"."authors" o'),
    "inserting": Point('INSERT INTO "public"."notes"'),
    "updating": Point('UPDATE "public"."notes" t'),
    "deleting": Point('WITH "gone0"'),
    "verifying": Point(r"COPY \(SELECT.*written", answered=True),
    "sequences": Point("ALTER SEQUENCE"),
}
CHANGES = (
    "UPDATE authors SET name = 'for the moment' WHERE id = 1",  # two names change places
    "UPDATE authors SET name = 'author 1' WHERE id = 2",
    "UPDATE authors SET name = 'author 2' WHERE id = 1",
    "INSERT INTO authors VALUES (11, 'author 11')",
    "UPDATE notes SET note = 'changed', author = 11 WHERE id % 7 = 0",
    "INSERT INTO notes " + series(20, "100 + n, 11, 'new ' || n, n"),
    "DELETE FROM tags WHERE id = 20",
    "DELETE FROM notes WHERE id = 40",
)


@dataclass(frozen=True)
class Scene:
    """A target that was loaded, a source that has changed since, and what an undisturbed sync makes of it."""

    database: Database
    source: Path
    folder: Path
    before: dict[str, object]
    after: dict[str, object]

    def sync(self, url: str | None = None, report: str = "report", **options: Any) -> Report:
        """The sync, in this process, through `url`."""
        target = url or url_as(self.database)
        return etl.sync(self.source, target, delete=True, validate=False, report_folder=self.folder / report, **options)

    def is_done_by_the_next(self) -> None:
        """Run again, and it is done."""
        assert self.sync(report="again").exit_code == 0
        assert state(self.database) == self.after


def make_scene(database: Database, source: Path, folder: Path) -> None:
    make_target(database)
    execute(database, "DELETE FROM tags")
    make_source(source)
    assert load(database, source, folder).exit_code == 0
    make_sqlite(source, *CHANGES)


@pytest.fixture(scope="module")
def after(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The state after a sync that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with fresh_database(server) as database:
        make_scene(database, folder / "source.db", folder / "load")
        scene = Scene(database, folder / "source.db", folder, {}, {})
        with Proxy(database.url) as proxy:
            for point in POINTS.values():
                proxy.at(point, lambda _: None)
            assert scene.sync(proxy.url).exit_code == 0
            assert set(proxy.acted) == set(POINTS.values())  # the points are on the way
        return state(database)


@pytest.fixture
def scene(database: Database, tmp_path: Path, after: dict[str, object]) -> Scene:
    make_scene(database, tmp_path / "source.db", tmp_path / "load")
    return Scene(database, tmp_path / "source.db", tmp_path, state(database), after)


@pytest.mark.parametrize("name", POINTS)
def test_a_network_that_is_cut_leaves_all_as_before(scene: Scene, name: str) -> None:
    with Proxy(scene.database.url) as proxy:
        proxy.at(POINTS[name], lambda line: line.cut())
        with pytest.raises(TargetError, match="Nothing was committed"):
            scene.sync(proxy.url)
        assert proxy.acted == [POINTS[name]]
    assert state(scene.database) == scene.before
    scene.is_done_by_the_next()


@contextlib.contextmanager
def syncing(scene: Scene, url: str) -> Iterator[Victim]:
    """`python -m etl sync` through `url`."""
    arguments = ["--sqlite", scene.source, "--pg", url, "--delete", "--skip-validation", "--report", "report"]
    with running("etl.console.sync", *arguments, folder=scene.folder / "victim") as victim:
        yield victim


@pytest.mark.parametrize(
    ("number", "name", "code"),
    [(signal.SIGKILL, "inserting", -9), (signal.SIGINT, "updating", 130), (signal.SIGTERM, "verifying", 143)],
)
def test_a_signal_leaves_all_as_before(scene: Scene, number: signal.Signals, name: str, code: int) -> None:
    with (
        Proxy(scene.database.url) as proxy,
        striking(proxy, POINTS[name], lambda _, victim: victim.send(number)) as introduce,
        syncing(scene, proxy.url) as victim,
    ):
        introduce(victim)
        assert victim.exit_code() == code, victim.err
    assert state(scene.database) == scene.before
    scene.is_done_by_the_next()


def test_ctrl_c_is_how_a_watch_ends(scene: Scene) -> None:
    """With the code of the last round; the rounds before are committed."""
    arguments = ["--sqlite", scene.source, "--pg", scene.database.url, "--delete", "--skip-validation"]
    with running("etl.console.sync", *arguments, "--watch", "1", folder=scene.folder / "victim") as victim:
        out = scene.folder / "victim" / "out"
        wait_until(lambda: out.exists() and "inserted" in victim.out, "no round comes to its end")
        victim.send(signal.SIGINT)
        assert victim.exit_code() == 0, victim.err
    assert re.search(
        r"✓ ..:..:.. 21 inserted, 9 updated, 2 deleted; \d+\.\d s, behind by \d+\.\d s; reports/", victim.out
    )
    assert state(scene.database) == scene.after


@pytest.mark.parametrize(("point", "done"), [(COMMIT, False), (COMMITTED, True)], ids=["before", "behind"])
def test_killed_at_its_commit_all_or_nothing_is_there(scene: Scene, point: Point, done: bool) -> None:
    def kill(line: Line, victim: Victim) -> None:
        victim.send(signal.SIGKILL)
        line.cut()

    with (
        Proxy(scene.database.url) as proxy,
        striking(proxy, point, kill) as introduce,
        syncing(scene, proxy.url) as victim,
    ):
        introduce(victim)
        assert victim.exit_code() == -9
    assert state(scene.database) == (scene.after if done else scene.before)
    scene.is_done_by_the_next()


class Holding(Observer):
    """Stands still at the first table that is finished, until it may go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def table_finished(self, table: TableReport) -> None:  # noqa: ARG002 - whichever it is
        self.reached.set()
        assert self.go_on.wait(60)


@pytest.mark.parametrize("first", ["sync", "load"])
def test_a_second_run_is_refused(scene: Scene, first: str) -> None:
    holding = Holding()
    runs = {
        "sync": partial(scene.sync, report="first", observer=holding),
        "load": partial(load, scene.database, scene.source, scene.folder / "first", observer=holding),
    }
    thread = threading.Thread(target=runs[first])
    thread.start()
    try:
        assert holding.reached.wait(60)
        with pytest.raises(LockedError, match="Another run is loading into this database"):
            scene.sync()
        if first == "sync":
            with pytest.raises(LockedError, match="Another run is loading into this database"):
                load(scene.database, scene.source, scene.folder / "second")
    finally:
        holding.go_on.set()
        thread.join(60)


def test_other_writers_wait(scene: Scene) -> None:
    """So that what was compared is what is written; readers go on."""
    holding = Holding()
    thread = threading.Thread(target=partial(scene.sync, observer=holding))
    thread.start()
    try:
        assert holding.reached.wait(60)
        assert len(scene.before) == len(state(scene.database))  # reads
        locks = query(
            scene.database,
            "SELECT DISTINCT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
            "WHERE c.relnamespace = 'public'::regnamespace AND l.pid <> pg_backend_pid() "
            "AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock') ORDER BY 1",
        )
        assert locks == [(name, "ShareRowExclusiveLock") for name in ("authors", "notes", "tags")]
        with pytest.raises(Exception, match="lock timeout"):
            execute(scene.database, "SET lock_timeout = '200ms'", "UPDATE notes SET size = 0")
    finally:
        holding.go_on.set()
        thread.join(60)
    assert state(scene.database) == scene.after
