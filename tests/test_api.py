"""The front door for notebooks: `etl.migrate`, `etl.plan`, `etl.read_table`."""

import importlib
import pkgutil
from pathlib import Path

import pytest
from support.database import Database
from support.sources import make_sqlite
from support.targets import query, state

import etl
from etl.core.errors import DriftError, UsageError
from etl.sample.build import make_sample
from etl.schema.unified import create_missing


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    path = tmp_path / "demo.db"
    make_sample(path)
    return path


@pytest.fixture
def target(database: Database) -> Database:
    """The 20 empty tables."""
    with database.engine().begin() as connection:
        create_missing(connection)
    return database


def test_the_functions_stay_functions_whatever_is_imported() -> None:
    """A module of a public function's name would stand in its place as soon as something imports it."""
    for module in pkgutil.walk_packages(etl.__path__, "etl."):
        if module.name.rpartition(".")[2] not in ("__main__", "prepared"):
            importlib.import_module(module.name)
    for name in etl.__all__:
        assert callable(getattr(etl, name))
        assert name in dir(etl)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = etl.nothing  # type: ignore[attr-defined]


def test_a_plan_writes_nothing_and_shows_the_drift(target: Database, demo: Path) -> None:
    make_sqlite(demo, "ALTER TABLE users ADD COLUMN tier", "UPDATE users SET tier = 1")
    before = state(target)
    made = etl.plan(demo, target.url)
    assert [table.name for table in made.tables][:2] == ["users", "conversation_sessions"]
    assert [(drift.table, drift.column, drift.values) for drift in made.drift] == [("users", "tier", 5)]
    with pytest.raises(DriftError, match=r"users\.tier"):
        etl.plan(demo, target.url, extra_columns="stop")
    assert state(target) == before


def test_a_migration_returns_the_report(target: Database, demo: Path, tmp_path: Path) -> None:
    done = etl.migrate(demo, target.url, tables=("users",), validate=False, report_folder=tmp_path / "report")
    assert (done.exit_code, done.total("loaded_rows")) == (0, 5)
    assert query(target, "SELECT count(*) FROM users") == [(5,)]


def test_a_table_reads_as_a_converted_frame(demo: Path) -> None:
    make_sqlite(demo, "UPDATE users SET is_active = 7 WHERE rowid = 2")
    frame = etl.read_table(demo, "users")
    assert frame.index.tolist() == [1, 3, 4, 5]
    assert str(frame["created_at"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert str(frame["is_active"].dtype) == "bool[pyarrow]"
    assert frame.attrs["rejected"]["column"].to_dict() == {2: "is_active"}
    assert etl.read_table(demo, "alert_history").empty
    with pytest.raises(UsageError, match=r"has no table 'nope'\. There is: agent_feedback"):
        etl.read_table(demo, "nope")
