"""A sync undone, from its record and the rows that it kept: updated rows are as before, deleted ones are back."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.database import Database
from support.targets import connected, contents, execute, state

import etl
from etl.core.undo_record import UndoKind, UndoRecord, UndoTable
from etl.core.undo_report import LeftReason
from etl.files.undo_files import write_undo_record
from etl.reporting.undo import UndoReport

Changes = Sequence[tuple[str, str, str]]
"""What is kept of rows first: table, `updated` or `deleted`, and which rows."""


def synced(
    database: Database,
    folder: Path,
    kept: Changes,
    statements: Sequence[str],
    inserted: Mapping[str, int],
    key: str = "id",
) -> None:
    """Changes the database as a sync does, and leaves what a sync leaves; savepoints included."""
    folder.mkdir()
    (folder / "overwritten").mkdir()
    lines: dict[str, list[str]] = {}
    with connected(database) as connection, connection.cursor() as cursor:
        for table, change, which in kept:
            cursor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = ''",
                (table,),
            )
            names = [name for (name,) in cursor.fetchall()]
            cursor.execute(f"SELECT {', '.join(f'{name}::text' for name in names)} FROM {table} WHERE {which}")
            for values in cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                line = {"change": change, "key": {key: row[key]} if key else {}, "row": row}
                lines.setdefault(table, []).append(json.dumps(line))
        for place, statement in enumerate(statements):
            cursor.execute(f"SAVEPOINT s{place}")
            cursor.execute(statement)
            cursor.execute(f"RELEASE SAVEPOINT s{place}")
        tables = sorted({*lines, *inserted})
        marks: set[int] = set()
        described = []
        cursor.execute(
            "SELECT txid_current(), oid, system_identifier FROM pg_database, pg_control_system() "
            "WHERE datname = current_database()"
        )
        ((number, oid, system),) = cursor.fetchall()
        for table in tables:
            cursor.execute(f"SELECT DISTINCT xmin::text::bigint FROM {table} WHERE age(xmin) <= 0")
            marks |= {mark for (mark,) in cursor.fetchall()}
            cursor.execute("SELECT %s::regclass::oid", (table,))
            changes = [json.loads(line)["change"] for line in lines.get(table, ())]
            described.append(
                UndoTable(
                    "public",
                    table,
                    cursor.fetchall()[0][0],
                    table,
                    (key,) if key else (),
                    inserted.get(table, 0),
                    changes.count("updated"),
                    changes.count("deleted"),
                )
            )
    for table, texts in lines.items():
        (folder / "overwritten" / f"{table}.ndjson").write_text("".join(text + "\n" for text in texts))
    record = UndoRecord("run", UndoKind.SYNC, str(system), oid, number, tuple(described), savepoints=tuple(marks))
    write_undo_record(folder, record)


def undo(database: Database, folder: Path, **options: Any) -> UndoReport:
    return etl.undo(folder, database.url, report_folder=folder.parent / "undo", **options)


@pytest.fixture
def target(database: Database) -> Database:
    execute(
        database,
        "CREATE TABLE p (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, v text, u text NOT NULL UNIQUE, "
        "d timestamptz, n numeric GENERATED ALWAYS AS (id * 2) STORED)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p ON DELETE CASCADE, b bytea)",
        "INSERT INTO p (v, u, d) VALUES ('a', 'ua', '2020-01-01 12:00+09'), (NULL, E'u\\tb\\\\', NULL)",
        "INSERT INTO p (v, u, d) VALUES ('c', 'uc', now())",
        "INSERT INTO c VALUES (1, 1, '\\x00ff'), (2, 2, NULL), (3, 3, '')",
    )
    return database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sync"


def test_a_sync_is_taken_back_row_by_row(target: Database, folder: Path) -> None:
    """Among them a child that had moved to a new parent, whose old one was deleted: cascades reach none of them."""
    before = state(target)
    synced(
        target,
        folder,
        [
            ("p", "updated", "id = 1"),
            ("p", "deleted", "id = 2"),
            ("c", "updated", "id = 2"),
            ("c", "deleted", "id = 3"),
        ],
        [
            "INSERT INTO p (id, v, u) OVERRIDING SYSTEM VALUE VALUES (9, 'new', 'u9')",
            "UPDATE p SET v = 'z', d = NULL WHERE id = 1",
            "UPDATE c SET p = 9, b = 'x' WHERE id = 2",
            "DELETE FROM c WHERE id = 3",
            "DELETE FROM p WHERE id = 2",
        ],
        {"p": 1},
    )
    assert state(target) != before
    forecast = undo(target, folder, dry_run=True)
    report = undo(target, folder)
    assert state(target) == before
    assert (report.exit_code, forecast.exit_code) == (0, 0)
    assert forecast.tables == report.tables
    assert {(t.name, t.removed, t.restored, t.put_back) for t in report.tables} == {("p", 1, 1, 1), ("c", 0, 1, 1)}


def test_values_that_changed_places_change_back(target: Database, folder: Path) -> None:
    before = state(target)
    synced(
        target,
        folder,
        [("p", "updated", "id IN (1, 2)")],
        [
            "UPDATE p SET u = 'x' WHERE id = 1",
            "UPDATE p SET u = 'ua' WHERE id = 2",
            "UPDATE p SET u = E'u\\tb\\\\' WHERE id = 1",
        ],
        {},
    )
    assert undo(target, folder).exit_code == 0
    assert state(target) == before


def test_a_unique_value_that_an_inserted_row_has_taken_comes_back(target: Database, folder: Path) -> None:
    before = state(target)
    synced(
        target,
        folder,
        [("p", "deleted", "id = 3"), ("c", "deleted", "id = 3")],
        [
            "DELETE FROM c WHERE id = 3",
            "DELETE FROM p WHERE id = 3",
            "INSERT INTO p (id, u) OVERRIDING SYSTEM VALUE VALUES (30, 'uc')",
        ],
        {"p": 1},
    )
    assert undo(target, folder).exit_code == 0
    assert state(target) == before


def test_what_others_changed_since_is_left_and_named(target: Database, folder: Path) -> None:
    synced(
        target,
        folder,
        [("p", "updated", "id IN (1, 2)"), ("c", "deleted", "id IN (2, 3)")],
        ["UPDATE p SET v = 'z' WHERE id IN (1, 2)", "DELETE FROM c WHERE id IN (2, 3)"],
        {},
    )
    execute(target, "UPDATE p SET v = 'mine' WHERE id = 1", "INSERT INTO c VALUES (2, 1, 'mine')")
    report = undo(target, folder)
    assert {(rows.table, rows.reason, rows.rows, rows.keys) for rows in report.left} == {
        ("p", LeftReason.CHANGED, 1, ("id = '1'",)),
        ("c", LeftReason.CONFLICT, 1, ("id = '2'",)),
    }
    assert any("duplicate key" in rows.detail for rows in report.left)
    assert report.exit_code == 3
    assert sorted(contents(target, "c")["c"]) == ['(1,1,"\\\\x00ff")', '(2,1,"\\\\x6d696e65")', '(3,3,"\\\\x")']
    line = json.loads((folder.parent / "undo" / "left" / "c.ndjson").read_text())
    assert (line["reason"], line["key"], line["was"]) == ("conflict", {"id": "2"}, "deleted")
    execute(target, "DELETE FROM c WHERE id = 2")
    again = undo(target, folder)
    assert [(table.name, table.put_back) for table in again.tables] == [("c", 1), ("p", 0)]


def test_rows_without_a_key_come_back_once(database: Database, folder: Path) -> None:
    execute(
        database,
        "CREATE TABLE t (v text)",
        "INSERT INTO t VALUES ('a'), ('a'), ('b')",
        "CREATE TABLE o (id integer PRIMARY KEY)",
        "INSERT INTO o VALUES (1)",
    )
    before = contents(database, "t")
    synced(
        database,
        folder,
        [("t", "deleted", "v = 'a'")],
        ["DELETE FROM t WHERE v = 'a'", "INSERT INTO t VALUES ('n')"],
        {"t": 1},
        key="",
    )
    assert undo(database, folder).exit_code == 0
    assert contents(database, "t") == before


def test_columns_that_came_or_went_since_are_no_obstacle(target: Database, folder: Path) -> None:
    synced(
        target,
        folder,
        [("c", "updated", "id = 1"), ("c", "deleted", "id = 2")],
        ["UPDATE c SET p = 2, b = NULL WHERE id = 1", "DELETE FROM c WHERE id = 2"],
        {},
    )
    execute(target, "ALTER TABLE c ADD COLUMN m integer DEFAULT 5", "ALTER TABLE c DROP COLUMN b")
    assert undo(target, folder).exit_code == 0
    assert contents(target, "c")["c"] == ["(1,1,5)", "(2,2,5)", "(3,3,5)"]
