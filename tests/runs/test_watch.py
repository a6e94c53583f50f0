"""A watch syncs after each change of the source, saves the rounds between, and outlives a round that fails."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.database import Database
from support.loads import load
from support.sources import make_sqlite
from support.targets import connected, execute, url_as, value

from etl.core.report import ReportData
from etl.runs.load_session import ADVISORY_LOCK
from etl.runs.settings import SyncSettings
from etl.runs.watch import WatchObserver, watch


@pytest.fixture(params=["delete", "wal"])
def application(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An application that keeps its database open, and goes on after the load."""
    source = make_sqlite(
        tmp_path / "app.db",
        f"PRAGMA journal_mode = {request.param}",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        "INSERT INTO t VALUES (1, 'a')",
    )
    execute(database, "CREATE TABLE t (id int PRIMARY KEY, v text)")
    assert load(database, source, tmp_path / "load").exit_code == 0
    with closing(sqlite3.connect(source, check_same_thread=False, isolation_level=None)) as connection:
        yield connection


class Story(WatchObserver):
    """Does one thing after the other, each when a round is through or was saved; then presses Ctrl-C."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)
        self.heard: list[str] = []

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        if not self._steps:
            raise KeyboardInterrupt
        self._steps.pop(0)()

    def round_finished(self, report: ReportData, behind: float) -> None:
        assert 0 <= behind < 120
        self._hear(f"{report.total('inserted_rows')} inserted, {report.total('updated_rows')} updated")

    def round_saved(self) -> None:
        self._hear("saved")

    def round_failed(self, error: Exception, seconds: int) -> None:
        self._hear(f"failed: {error}".split(":")[0] + f", again in {seconds} s")


def settings(database: Database, tmp_path: Path) -> SyncSettings:
    return SyncSettings.of(tmp_path / "app.db", pg=url_as(database), validate=False, report_folder=tmp_path / "report")


def test_rounds_without_a_change_are_saved(application: sqlite3.Connection, database: Database, tmp_path: Path) -> None:
    def nothing() -> None:
        pass

    story = Story(
        nothing,
        lambda: application.execute("INSERT INTO t VALUES (2, 'b')"),
        nothing,
        lambda: application.execute("UPDATE t SET v = 'c'"),
        nothing,
    )
    assert watch(settings(database, tmp_path), 0, story) == 0
    assert story.heard == [
        "0 inserted, 0 updated", "saved", "1 inserted, 0 updated", "saved", "0 inserted, 2 updated", "saved"
    ]  # fmt: skip


def test_a_round_that_fails_is_tried_again(application: sqlite3.Connection, database: Database, tmp_path: Path) -> None:
    with connected(database) as other, other.cursor() as cursor:

        def hold() -> None:
            application.execute("INSERT INTO t VALUES (2, 'b')")
            cursor.execute(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")

        def release() -> None:
            cursor.execute(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})")

        story = Story(hold, release)
        assert watch(settings(database, tmp_path), 0, story) == 0
    assert story.heard == ["0 inserted, 0 updated", "failed, again in 0 s", "1 inserted, 0 updated"]
    assert value(database, "SELECT count(*) FROM t") == 2
