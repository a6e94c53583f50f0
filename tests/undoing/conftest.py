"""What the tests of undoing share: a source of parents and children, a target for it, and a load."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.database import Database
from support.loads import load
from support.sources import make_sqlite, series
from support.targets import execute

import etl
from etl.reporting.report import Report
from etl.reporting.undo import UndoReport

Load = Callable[..., Report]
Undo = Callable[..., UndoReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p, v TEXT)",
        f"INSERT INTO p {series(20, 'n, n')}",
        f"INSERT INTO c {series(40, 'n, (n + 1) / 2, n')}",
    )


@pytest.fixture
def target(database: Database) -> Database:
    execute(
        database,
        "CREATE TABLE p (id serial PRIMARY KEY, v text)",
        "CREATE TABLE c (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, p integer REFERENCES p, v text)",
        "CREATE INDEX i ON c (v)",
    )
    return database


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Loads a source into a database; the report lies in `load`."""

    def run(database: Database, source: Path, **options: Any) -> Report:
        return load(database, source, tmp_path / "load", **options)

    return run


@pytest.fixture
def undo(tmp_path: Path) -> Undo:
    """Undoes what lies in `load`; the report lies in `undo`."""

    def run(database: Database, **options: Any) -> UndoReport:
        return etl.undo(tmp_path / "load", database.url, report_folder=tmp_path / "undo", **options)

    return run
