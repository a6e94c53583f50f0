"""Rejected rows, mended as a DataFrame and loaded: they arrive, the others are rejected again, the source stays."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.database import Database
from support.loads import books, load, table_report
from support.odd_database import make_odd
from support.sources import make_sqlite
from support.targets import execute, query

import etl
from etl.core.errors import DriftError, UsageError
from etl.core.values import UndecodableText
from etl.files.private_files import file_name
from etl.notebook.repair import mend_rows, storable
from etl.reporting.report import Report
from etl.reporting.verdict import verdict_of


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


# -- mended, and known to the comparison --------------------------------------------------------------------------

ODD_NAME = """it's $5, "50 %" & $6.db"""


@pytest.fixture
def mended_source(tmp_path: Path) -> Path:
    """Any names; a table whose rowid is its key, one without rowids, one without a key; a row of each is rejected."""
    return make_sqlite(
        tmp_path / ODD_NAME,
        """CREATE TABLE "par$ent 'x'" ("i$d" INTEGER PRIMARY KEY, "na""me" TEXT, n INTEGER)""",
        """INSERT INTO "par$ent 'x'" VALUES (10, 'ten', 1), (20, 'twenty', 'many'), (30, 'thirty', 3)""",
        "CREATE TABLE bare (k TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID",
        "INSERT INTO bare VALUES ('a', 1), ('b', 'x')",
        "CREATE TABLE keyless (n INTEGER, b BLOB)",
        "INSERT INTO keyless VALUES (1, x'00'), ('$y$', NULL), (1, x'00')",
    )


@pytest.fixture
def odd_loaded(database: Database, mended_source: Path, tmp_path: Path) -> Report:
    """Loaded with the declared types, which refuse a row of each table."""
    return etl.migrate(
        mended_source,
        database.url,
        create_schema=True,
        types="declared",
        validate=False,
        report_folder=tmp_path / "report",
    )


MENDED: dict[str, dict[int, dict[str, object]]] = {
    "par$ent 'x'": {2: {"i$d": 25, "n": 7, 'na"me': "it's $"}},
    "bare": {2: {"n": 5}},
    "keyless": {2: {"n": 2, "b": UndecodableText(b"\xff")}},
}


def test_mending_ends_green(odd_loaded: Report, database: Database, mended_source: Path, tmp_path: Path) -> None:
    def compared(load_report: Path | None) -> Report:
        return etl.compare(mended_source, database.url, load_report=load_report, report_folder=tmp_path / "compared")

    folder = odd_loaded.folder
    assert folder is not None
    assert [table.rejected_rows for table in odd_loaded.tables] == [1, 1, 1]
    assert compared(folder).exit_code == 3
    for table, changes in MENDED.items():
        rows = mend_rows(etl.read_rejects(odd_loaded, table), changes)
        report = etl.load_mended(
            rows,
            table,
            mended_source,
            database.url,
            validate=False,
            load_report=odd_loaded,
            report_folder=tmp_path / "again",
        )
        assert report.total("loaded_rows") == 1
        assert (folder / "mended" / file_name(f"{table}.ndjson")).stat().st_mode & 0o777 == 0o600
    green = compared(folder)
    assert green.exit_code == 0
    assert {table.name: (table.matched_rows, table.mended_rows) for table in green.tables} == {
        "par$ent 'x'": (3, 1),
        "bare": (2, 1),
        "keyless": (3, 1),
    }
    sentence = "Every row is accounted for, 3 as mended: 8 rows of 3 tables, value by value."
    assert verdict_of(green).title == sentence
    assert compared(None).exit_code == 3  # without the load's report, nothing is known of mended rows

    execute(database, """UPDATE "par$ent 'x'" SET n = 8 WHERE "i$d" = 25""")
    execute(database, "DELETE FROM bare WHERE k = 'b'")
    red = compared(folder)
    first, bare, keyless = (table_report(red, name) for name in MENDED)
    assert (first.different_rows, first.mended_rows) == (1, 0)
    assert etl.read_differences(red)[["column", "source", "target"]].values.tolist() == [["n", "7", "8"]]
    assert (bare.rejected_rows, bare.mended_rows) == (1, 0)
    assert keyless.mended_rows == 1


def test_what_is_mended_again_counts_as_it_is_now(
    odd_loaded: Report, database: Database, mended_source: Path, tmp_path: Path
) -> None:
    rows = etl.read_rejects(odd_loaded, "bare")

    def mend_to(value: object) -> Report:
        return etl.load_mended(
            mend_rows(rows, {2: {"n": value}}),
            "bare",
            mended_source,
            database.url,
            validate=False,
            load_report=odd_loaded.folder,
            report_folder=tmp_path / "again",
        )

    assert mend_to("still wrong").total("rejected_rows") == 1
    assert odd_loaded.folder is not None
    assert not (odd_loaded.folder / "mended").exists()
    assert mend_to(5).total("loaded_rows") == 1
    execute(database, "DELETE FROM bare WHERE k = 'b'")
    assert mend_to(6).total("loaded_rows") == 1
    found = etl.compare(
        mended_source, database.url, tables="bare", load_report=odd_loaded.folder, report_folder=tmp_path / "compared"
    )
    assert (found.exit_code, found.tables[0].mended_rows) == (0, 1)
    execute(database, "DELETE FROM bare WHERE k = 'b'", "ALTER TABLE bare ALTER n TYPE text")
    as_stored = etl.load_mended(
        rows, "bare", mended_source, database.url, validate=False, load_report=odd_loaded, report_folder=tmp_path / "x"
    )
    assert as_stored.total("loaded_rows") == 1
    assert not (odd_loaded.folder / "mended" / "bare.ndjson").exists()  # it is no mended row any more


def test_only_what_was_rejected_can_be_mended(odd_loaded: Report, mended_source: Path) -> None:
    rows = etl.read_rejects(odd_loaded, "bare")
    with pytest.raises(UsageError, match=r"Not rejected by the load, so not to be mended: row 1\. Rejected: 2"):
        mend_rows(rows, {1: {"n": 5}})
    with pytest.raises(UsageError, match="no column 'm'"):
        mend_rows(rows, {2: {"m": 5}})
    for numbers, message in (([3], "row 3"), ([2, 2], "Mended twice: row 2")):
        other = pd.DataFrame({"k": "c", "n": 1}, index=numbers)
        with pytest.raises(UsageError, match=message):
            etl.load_mended(other, "bare", mended_source, load_report=odd_loaded)
