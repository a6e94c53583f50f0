"""Load, dry run, comparison and source check say how far they are, table by table, and to the end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.database import Database
from support.sources import make_sqlite, series

import etl
from etl.core.plan import TablePlan
from etl.runs.observer import Observer, Stage


class Listener(Observer):
    """Keeps the stages, and the rows of each table that were heard of, by stage."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.rows: dict[tuple[Stage, str], list[int]] = {}

    def stage_begun(self, stage: Stage) -> None:
        self.stages.append(stage)

    def table_restarted(self, plan: TablePlan) -> None:
        self.table_advanced(plan.name, 0, plan.source.row_count)

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        self.table_advanced(plan.name, rows, plan.source.row_count)

    def table_advanced(self, table: str, rows: int, of: int) -> None:
        assert rows <= of
        self.rows.setdefault((self.stages[-1], table), []).append(rows)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = make_sqlite(tmp_path / "t.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "CREATE TABLE empty (id INT)")
    return make_sqlite(path, "INSERT INTO t " + series(250, "n"))


def test_every_long_work_is_heard_of(database: Database, source: Path, tmp_path: Path) -> None:
    works: list[tuple[Stage, Callable[[Listener, Path], object]]] = [
        (Stage.FORECAST, lambda listener, _: etl.check_source(source, observer=listener)),
        (
            Stage.LOAD,
            lambda listener, folder: etl.migrate(
                source,
                database.url,
                create_schema=True,
                batch_rows=100,
                validate=False,
                report_folder=folder,
                observer=listener,
            ),
        ),
        (
            Stage.FORECAST,
            lambda listener, folder: etl.migrate(
                source,
                database.url,
                dry_run=True,
                batch_rows=100,
                validate=False,
                report_folder=folder,
                observer=listener,
            ),
        ),
        (
            Stage.COMPARE,
            lambda listener, folder: etl.compare(source, database.url, report_folder=folder, observer=listener),
        ),
    ]
    for stage, work in works:
        listener = Listener()
        work(listener, tmp_path / stage.name)
        heard = listener.rows[stage, "t"]
        assert (heard[0], heard[-1]) == (0, 250), stage
        assert heard == sorted(heard), stage
        if stage is Stage.LOAD:
            assert listener.rows[Stage.COMPARE, "t"][-1] == 250
            assert listener.stages.index(Stage.LOOK) < listener.stages.index(Stage.LOAD)
            assert listener.stages[-2:] == [Stage.COMMIT, Stage.REPORT]
