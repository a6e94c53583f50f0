"""Rejected rows, mended as a DataFrame and loaded: they arrive, the others are rejected again, the source stays."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.database import Database
from support.loads import books, load
from support.odd_database import make_odd
from support.sources import make_sqlite
from support.targets import execute, query

import etl
from etl.core.errors import DriftError, UsageError
from etl.core.values import UndecodableText
from etl.notebook.repair import storable
from etl.reporting.report import Report


@pytest.fixture(scope="module")
def odd_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_odd(tmp_path_factory.mktemp("odd") / "odd.db")


@pytest.fixture
def loaded(database: Database, odd_path: Path, tmp_path: Path) -> Report:
    return load(database, odd_path, tmp_path / "report", create_schema=True, extra_columns="drop")


def mend(
    rows: pd.DataFrame, table: str, source: Path, database: Database, folder: Path, extra_columns: str = "drop"
) -> Report:
    return etl.load_mended(
        rows, table, source, database.url, extra_columns=extra_columns, validate=False, report_folder=folder
    )


def test_mended_parents_and_then_their_children_arrive(
    loaded: Report, database: Database, odd_path: Path, tmp_path: Path
) -> None:
    before = odd_path.read_bytes()
    rows = etl.read_rejects(loaded, "users")
    rows.loc[2, "is_active"] = 1
    rows["role"] = rows["role"].replace("root", "admin")
    report = mend(rows, "users", odd_path, database, tmp_path / "users")
    assert books(report) == {"users": (3, 2, 0, 1)}
    assert etl.read_rejects(report, "users")["password_hash"].tolist() == [b"secret"]
    last = etl.read_rejects(report, "users").assign(password_hash="new")
    again = mend(last, "users", odd_path, database, tmp_path / "last")
    assert books(again) == {"users": (1, 1, 0, 0)}
    sessions = etl.read_rejects(loaded, "conversation_sessions")
    found = mend(sessions, "conversation_sessions", odd_path, database, tmp_path / "sessions")
    assert books(found) == {"conversation_sessions": (len(sessions), len(sessions) - 1, 0, 1)}
    assert odd_path.read_bytes() == before


def test_what_is_there_already_stays(loaded: Report, database: Database, odd_path: Path, tmp_path: Path) -> None:
    rows = etl.read_rejects(loaded, "users").loc[[3]].assign(role="user")
    assert books(mend(rows, "users", odd_path, database, tmp_path / "1")) == {"users": (1, 1, 0, 0)}
    assert books(mend(rows, "users", odd_path, database, tmp_path / "2")) == {"users": (1, 0, 1, 0)}
    changed = mend(rows.assign(email="other@example.org"), "users", odd_path, database, tmp_path / "3")
    assert changed.tables[0].present_different_rows == 1
    emails = query(database, "SELECT email FROM users")
    assert (rows.loc[3, "email"],) in emails
    assert ("other@example.org",) not in emails


def test_columns_that_the_target_lacks_are_to_be_decided_as_in_any_load(
    loaded: Report, database: Database, odd_path: Path, tmp_path: Path
) -> None:
    rows = etl.read_rejects(loaded, "users")
    with pytest.raises(DriftError, match="nickname"):
        mend(rows, "users", odd_path, database, tmp_path / "1", extra_columns="stop")
    assert mend(rows.drop(columns="nickname"), "users", odd_path, database, tmp_path / "2", extra_columns="stop").tables


def test_any_frame_with_the_sources_columns_will_do(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "t.db", 'CREATE TABLE "T t" (id INTEGER PRIMARY KEY, at "od""d", doc JSON, n TEXT, b)'
    )
    columns = "id int PRIMARY KEY, at timestamptz, doc jsonb, n numeric, b bytea, extra int DEFAULT 7"
    execute(database, f'CREATE TABLE "t t" ({columns})')
    rows = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "at": pd.to_datetime(["2024-02-29T10:00:00+09:00", None, "2024-01-01"], utc=True, format="ISO8601"),
            "doc": [{"a": [1, None]}, ["é"], None],
            "n": [Decimal("1.10"), 2, float("nan")],
            "b": [b"\x00", None, UndecodableText(b"\xff")],
        }
    )
    report = mend(rows, "t t", source, database, tmp_path / "report")
    assert books(report) == {"T t": (3, 3, 0, 0)}
    statement = """SELECT id, at AT TIME ZONE 'UTC', doc, n::text, encode(b, 'hex'), extra FROM "t t" ORDER BY id"""
    assert query(database, statement) == [
        (1, datetime(2024, 2, 29, 1), {"a": [1, None]}, "1.10", "00", 7),
        (2, None, ["é"], "2", None, 7),
        (3, datetime(2024, 1, 1), None, None, "ff", 7),
    ]


@pytest.mark.parametrize(
    ("cell", "stored"),
    [
        (None, None),
        (pd.NA, None),
        (pd.NaT, None),
        (float("nan"), None),
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.bool_(True), 1),
        (False, 0),
        (Decimal("1.10"), "1.10"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 1, tzinfo=UTC), "2024-02-29 01:00:00+00:00"),
        (pd.Timestamp("2024-02-29 01:00:00.5"), "2024-02-29 01:00:00.500000"),
        ({"ä": 1}, '{"ä": 1}'),
        ([1, None], "[1, null]"),
        ("text", "text"),
        (b"\x00", b"\x00"),
    ],
)
def test_cells_become_what_sqlite_stores(cell: object, stored: object) -> None:
    assert storable(cell) == stored
    assert type(storable(cell)) is type(stored)


@pytest.mark.parametrize(
    ("frame", "table", "message"),
    [
        (pd.DataFrame({"id": ["1"]}), "nothing", "no table 'nothing'"),
        (pd.DataFrame({"id": ["1"], "wrong": [1]}), "users", "no column 'wrong'"),
        (pd.DataFrame({"id": [2**70]}), "users", "cannot be stored"),
        (pd.DataFrame({"id": [object()]}), "users", "cannot be stored"),
        (pd.DataFrame({"id": ["\ud800"]}, dtype=object), "users", "cannot be stored"),
        (pd.DataFrame({"reject_reason": ["why"]}), "users", "no columns"),
    ],
)
def test_what_cannot_be_loaded(odd_path: Path, frame: pd.DataFrame, table: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        etl.load_mended(frame, table, odd_path)


def test_no_rows(database: Database, loaded: Report, odd_path: Path, tmp_path: Path) -> None:
    rows = etl.read_rejects(loaded, "users").head(0)
    assert books(mend(rows, "users", odd_path, database, tmp_path / "none")) == {"users": (0, 0, 0, 0)}
