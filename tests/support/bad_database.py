"""A `unified.db` with something of everything that goes wrong: the sample, 100,000 good messages, and bad rows.

The tables have lost their constraints (CREATE TABLE … AS keeps none), as in a file that somebody once repaired. Every
bad row is described with the column at fault, the reason to be given, and the value that mends it.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etl.core.values import UndecodableText
from etl.sample.build import make_sample
from etl.schema.unified import TABLE_NAMES
from support.sources import series, sqlite

Cell = int | float | str | bytes | None
LATE = 100_000
GOOD_STRANGERS = 3


@dataclass(frozen=True)
class Fault:
    """One bad row: good but for `values`. `mended` makes it good; it is empty for the child of a bad row."""

    table: str
    values: dict[str, Cell]
    column: str | None
    reason: str
    mended: dict[str, Cell]


def cells(table: str, column: str, bad: list[Cell], reason: str, mended: Cell) -> list[Fault]:
    """Faults of single values."""
    return [Fault(table, {column: value}, column, reason, {column: mended}) for value in bad]


TIMES: list[Cell] = [
    "",
    "0000-00-00",
    "2023-02-30",
    "2024-01-01 24:00",
    "now",
    "01/02/2024",
    12345,
    -1.5,
    b"2024-01-01",
]
FAULTS: list[Fault] = [
    # DESIGN's table of conversions, its last column
    *cells("users", "is_active", [2, -1, 0.5, "yes", "", b"1"], "boolean", 1),
    *cells("users", "last_login", TIMES, "time|date|offset", "2024-01-01"),
    *cells("users", "email", ["a\0b", UndecodableText(b"a\xff"), b"a@b.c"], "NUL|UTF-8|BLOB", "a@b.c"),
    *cells(
        "audit_logs",
        "details",
        ["{", "", "NaN", "[Infinity]", '{"a": "\\u0000"}', '"\\ud800"', float("inf"), b"{}"],
        "JSON|u0000|surrogate",
        '{"a": 1}',
    ),
    *cells("api_usage", "requests", [1.5, 2**31, 2**63 - 1, "12x", "", 1e20, b"1"], "whole number|out of range", "12"),
    *cells("api_usage", "avg_response_time", ["fast", "", 1e39, b"1"], "number|out of range", 1),
    # what PostgreSQL would refuse
    *cells("users", "role", ["root", ""], "CHECK|in_set", "guest"),
    *cells("users", "username", [None], "NULL|null", "no longer null"),
    *cells("users", "id", [None], "NULL|null", "mended-null"),
    *cells("agent_feedback", "rating", [0, 6], "CHECK|between", "3"),
    *cells("conversation_messages", "id", [None], "NULL|null", 700_001),
    # keys that are taken: by row 1 of the sample, by the bad row before
    Fault("users", {"username": "twin"}, None, "", {}),
    Fault(
        "users",
        {"username": "twin"},
        "username",
        r"unique constraint users_username_key \(username\) is taken by row number",
        {"username": "2"},
    ),
    Fault("user_memories", {"key": "same"}, None, "", {}),
    Fault("user_memories", {"key": "same"}, "user_id", "unique constraint user_memories_user_id_c", {"key": "other"}),
    Fault("api_usage", {"id": 1}, "id", r"api_usage_pkey \(id\) is taken by row number 1", {"id": 800_001}),
    # orphans: two levels below a parent that never was, and below one that is rejected
    Fault(
        "conversation_sessions",
        {"id": "lost", "user_id": "nobody"},
        "user_id",
        "users has no row with id = 'nobody'",
        {"user_id": None},
    ),
    Fault(
        "conversation_messages",
        {"session_id": "lost"},
        "session_id",
        r"its parent in conversation_sessions \(id = 'lost'\) was rejected",
        {},
    ),
    Fault("users", {"id": "bad parent", "is_active": "perhaps"}, "is_active", "boolean", {"is_active": "T"}),
    Fault(
        "conversation_sessions",
        {"id": "of bad", "user_id": "bad parent"},
        "user_id",
        r"its parent in users \(id = 'bad parent'\) was rejected",
        {},
    ),
    Fault(
        "conversation_messages",
        {"session_id": "of bad"},
        "session_id",
        r"its parent in conversation_sessions \(id = 'of bad'\) was rejected",
        {},
    ),
    # strangers behind 100,000 good rows
    *cells("conversation_messages", "tokens", ["many", 0.5, b"\x01"], "whole number", 1),
    *cells("conversation_messages", "content", [b"\x00\x01", UndecodableText(b"\xc3")], "BLOB|UTF-8", ""),
    *cells("conversation_messages", "created_at", ["later"], "time", 1_700_000_000),
]  # fmt: skip
"""In the order in which they are inserted. Those without a reason are good rows that a later one collides with."""


@dataclass(frozen=True)
class BadDatabase:
    """The file, and the rowid of each fault's row."""

    path: Path
    rowids: tuple[int, ...]

    def faults(self, table: str) -> list[tuple[int, Fault]]:
        """(rowid, fault) of the table's bad rows, in the order of the table."""
        found = zip(self.rowids, FAULTS, strict=True)
        return sorted(
            ((rowid, fault) for rowid, fault in found if fault.table == table and fault.reason), key=lambda f: f[0]
        )

    def mend(self) -> None:
        """Puts right what is wrong in the source."""
        with sqlite(self.path) as connection:
            for rowid, fault in zip(self.rowids, FAULTS, strict=True):
                for column, value in fault.mended.items():
                    connection.execute(f"UPDATE {fault.table} SET {column} = ? WHERE rowid = ?", (value, rowid))


def make_bad_database(path: Path) -> BadDatabase:
    """Writes the file."""
    make_sample(path)
    with sqlite(path) as connection:
        for table in TABLE_NAMES:
            connection.execute(f"ALTER TABLE {table} RENAME TO old")
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM old")
            connection.execute("DROP TABLE old")
        _insert_good_messages(connection)
        rowids = tuple(_insert_faults(connection))
        _insert_good_strangers(connection)
    return BadDatabase(path, rowids)


def _insert_good_messages(connection: sqlite3.Connection) -> None:
    rows = series(LATE, "n + 1000, (SELECT min(id) FROM conversation_sessions), 'user', 'text ' || n, n")
    connection.execute(f"INSERT INTO conversation_messages (id, session_id, role, content, tokens) {rows}")


def _insert_faults(connection: sqlite3.Connection) -> Iterator[int]:
    (user,) = connection.execute("SELECT min(id) FROM users").fetchone()
    (session,) = connection.execute("SELECT min(id) FROM conversation_sessions").fetchone()
    for number, fault in enumerate(FAULTS):
        row = _good_row(fault.table, number, user, session) | fault.values
        marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, UndecodableText) else "?" for value in row.values())
        cursor = connection.execute(
            f"INSERT INTO {fault.table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )
        assert cursor.lastrowid is not None
        yield cursor.lastrowid


def _insert_good_strangers(connection: sqlite3.Connection) -> None:
    """Other storage classes that mean a whole number all the same, behind the bad ones."""
    rows = "(600001, '12'), (600002, 13.0), (600003, NULL)"
    connection.execute(
        "INSERT INTO conversation_messages (id, session_id, role, content, tokens) "
        f"SELECT column1, (SELECT min(id) FROM conversation_sessions), 'user', '', column2 FROM (VALUES {rows})"
    )


def _good_row(table: str, number: int, user: str, session: str) -> dict[str, Cell]:
    text_id, id_ = f"bad-{number}", 900_000 + number
    rows: dict[str, dict[str, Cell]] = {
        "users": {"id": text_id, "username": f"bad {number}", "password_hash": "x", "role": "user"},
        "conversation_sessions": {"id": text_id, "user_id": user, "title": "a title"},
        "conversation_messages": {"id": id_, "session_id": session, "role": "user", "content": "x"},
        "api_usage": {"id": id_, "date": "2026-01-01", "api_key_id": text_id},
        "audit_logs": {"id": id_, "action": "x"},
        "user_memories": {"id": text_id, "user_id": user, "category": "fact", "key": f"k{number}", "value": "v"},
        "agent_feedback": {"id": text_id, "agent_id": "a", "user_id": user, "rating": 5},
    }
    return rows[table]
