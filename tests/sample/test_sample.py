"""The sample database: the guide's counts, the application's declarations, sound data, an honest file."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.database import make_benchmark
from sqlalchemy import text
from support.database import Database

from etl.core.errors import SourceError
from etl.sample.build import make_sample, new_database
from etl.schema.unified import create_missing, metadata

ROWS = {
    "users": 5,
    "conversation_sessions": 12,
    "custom_agents": 8,
    "conversation_messages": 342,
    "agent_usage_logs": 156,
    "agent_feedback": 23,
    "audit_logs": 89,
    "alert_history": 0,
    "user_memories": 45,
    "memory_tags": 67,
    "research_sessions": 3,
    "research_steps": 12,
    "agent_marketplace": 2,
    "agent_reviews": 1,
    "agent_installations": 2,
    "canvas_documents": 8,
    "canvas_versions": 15,
    "external_connections": 0,
    "external_files": 0,
    "api_usage": 30,
}

DECLARED = {
    "users": "TEXT TEXT TEXT TEXT TEXT DATETIME DATETIME DATETIME INTEGER",
    "conversation_sessions": "TEXT TEXT TEXT DATETIME DATETIME JSON",
    "conversation_messages": "INTEGER TEXT TEXT TEXT TEXT TEXT TEXT INTEGER INTEGER DATETIME",
    "user_memories": "TEXT TEXT TEXT TEXT TEXT REAL INTEGER DATETIME TEXT DATETIME DATETIME DATETIME",
    "api_usage": "INTEGER TEXT TEXT INTEGER INTEGER INTEGER REAL JSON DATETIME DATETIME",
}

# earlier time, later time
ORDERED = (
    ("users", "created_at", "updated_at"),
    ("users", "created_at", "last_login"),
    ("conversation_sessions", "created_at", "updated_at"),
    ("custom_agents", "created_at", "updated_at"),
    ("user_memories", "created_at", "updated_at"),
    ("user_memories", "updated_at", "last_accessed"),
    ("user_memories", "updated_at", "expires_at"),
    ("research_sessions", "created_at", "updated_at"),
    ("research_sessions", "created_at", "completed_at"),
    ("agent_marketplace", "created_at", "updated_at"),
    ("agent_marketplace", "created_at", "published_at"),
    ("canvas_documents", "created_at", "updated_at"),
    ("api_usage", "created_at", "updated_at"),
)

ISO = "____-__-__T__:__:__.___Z"
SQL = "____-__-__ __:__:__"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("sample") / "demo.db"
    make_sample(path)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def declared(kind: str) -> list[tuple[str, str]]:
    """Table and column of every column whose PostgreSQL type is `kind`."""
    return [
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if column.type.__visit_name__ == kind
    ]


def test_counts_are_those_of_the_guide(sample: sqlite3.Connection) -> None:
    found = {table: sample.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ROWS}
    assert found == ROWS
    assert sum(found.values()) == 820


def test_messages_are_numbered_from_1_to_342(sample: sqlite3.Connection) -> None:
    assert sample.execute("SELECT min(id), max(id) FROM conversation_messages").fetchone() == (1, 342)
    assert ("conversation_messages", 342) in sample.execute("SELECT * FROM sqlite_sequence").fetchall()


@pytest.mark.parametrize("table", DECLARED)
def test_columns_are_declared_as_the_application_does(sample: sqlite3.Connection, table: str) -> None:
    found = [kind for _, _, kind, *_ in sample.execute(f"PRAGMA table_info({table})")]
    assert " ".join(found) == DECLARED[table]


def test_integer_keys_are_never_reused(sample: sqlite3.Connection) -> None:
    query = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"
    assert [name for (name,) in sample.execute(query)] == [
        "agent_installations",
        "agent_usage_logs",
        "alert_history",
        "api_usage",
        "audit_logs",
        "canvas_versions",
        "conversation_messages",
        "memory_tags",
        "research_steps",
    ]


def test_application_defaults(sample: sqlite3.Connection) -> None:
    sample.execute("INSERT INTO users (id, username, password_hash) VALUES ('99', 'new', 'x')")
    row = sample.execute("SELECT role, created_at LIKE ?, is_active FROM users WHERE id = '99'", (SQL,)).fetchone()
    sample.rollback()
    assert row == ("user", 1, 1)


def test_references_hold(sample: sqlite3.Connection) -> None:
    assert sample.execute("PRAGMA foreign_key_check").fetchall() == []
    assert sample.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_both_time_formats_are_mixed(sample: sqlite3.Connection) -> None:
    for table in ("conversation_messages", "agent_usage_logs"):
        column = "timestamp" if table == "agent_usage_logs" else "created_at"
        query = f"SELECT sum({column} LIKE ?), sum({column} LIKE ?), count(*) FROM {table}"
        iso, sql, count = sample.execute(query, (ISO, SQL)).fetchone()
        assert iso + sql == count
        assert min(iso, sql) > count / 3


@pytest.mark.parametrize(("table", "column"), declared("datetime"))
def test_times_lie_between_december_and_february(sample: sqlite3.Connection, table: str, column: str) -> None:
    query = f"SELECT count(*) FROM {table} WHERE julianday({column}) NOT BETWEEN julianday(?) AND julianday(?)"
    assert sample.execute(query, ("2025-12-01", "2026-03-01")).fetchone() == (0,)
    unreadable = f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND julianday({column}) IS NULL"
    assert sample.execute(unreadable).fetchone() == (0,)


@pytest.mark.parametrize(("table", "earlier", "later"), ORDERED)
def test_times_are_in_order(sample: sqlite3.Connection, table: str, earlier: str, later: str) -> None:
    query = f"SELECT count(*) FROM {table} WHERE julianday({earlier}) > julianday({later})"
    assert sample.execute(query).fetchone() == (0,)


def test_json_comes_in_every_shape(sample: sqlite3.Connection) -> None:
    shapes = set()
    for table, column in declared("JSONB"):
        for (value,) in sample.execute(f"SELECT {column} FROM {table}"):
            # JSON is no text type to SQLite: a number among the texts is stored as a number.
            shapes.add(type(json.loads(str(value))).__name__ if value is not None else "NULL")
    assert shapes >= {"dict", "list", "str", "int", "bool", "NoneType", "NULL"}


def test_texts_hold_what_breaks_careless_tools(sample: sqlite3.Connection) -> None:
    words = " ".join(content for (content,) in sample.execute("SELECT content FROM conversation_messages"))
    for needle in ("'", '"', "\\", "\n", "\t", "한글", "😊"):
        assert needle in words
    assert sample.execute("SELECT count(*) FROM conversation_messages WHERE thinking = ''").fetchone() > (0,)


def test_addresses_are_made_up(sample: sqlite3.Connection) -> None:
    assert all(
        email.endswith("@example.org") for (email,) in sample.execute("SELECT email FROM users WHERE email > ''")
    )


def test_same_file_every_time(tmp_path: Path) -> None:
    make_sample(tmp_path / "one.db")
    make_sample(tmp_path / "two.db")
    assert (tmp_path / "one.db").read_bytes() == (tmp_path / "two.db").read_bytes()


def test_replaces_an_older_file_and_its_leftovers(tmp_path: Path) -> None:
    path = tmp_path / "data" / "demo.db"
    make_sample(path)
    fresh = path.read_bytes()
    for name in ("demo.db", "demo.db-wal", "demo.db-shm"):
        (path.parent / name).write_bytes(b"stale")
    make_sample(path)
    assert path.read_bytes() == fresh
    assert [file.name for file in path.parent.iterdir()] == ["demo.db"]


def test_write_ahead_log_is_on(tmp_path: Path) -> None:
    make_sample(tmp_path / "demo.db")
    assert (tmp_path / "demo.db").read_bytes()[18:20] == b"\x02\x02"  # the header's read and write versions: WAL


def test_failure_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    path.write_bytes(b"older")
    with pytest.raises(sqlite3.IntegrityError), new_database(path) as connection:
        connection.executemany("INSERT INTO memory_tags (memory_id, tag) VALUES (?, ?)", [("1", "a"), (None, "b")])
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["demo.db"]


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"demo\.db"):
        make_sample(tmp_path / "file" / "demo.db")


def load_with_postgres_own_casts(source: Path, database: Database) -> dict[str, int]:
    """Insert every row as text that PostgreSQL itself casts; return the rows of each table that it took."""
    with closing(sqlite3.connect(source)) as sqlite, database.engine().begin() as target:
        create_missing(target)
        for table in metadata.tables.values():
            names = ", ".join(f'"{column.name}"' for column in table.columns)
            casts = ", ".join(
                f"CAST(CAST(:{column.name} AS text) AS {column.type.compile(target.dialect)})"
                for column in table.columns
            )
            rows = sqlite.execute(f"SELECT {names} FROM {table.name}").fetchall()
            bound = [
                {
                    name: None if value is None else str(value)
                    for name, value in zip(table.columns.keys(), row, strict=True)
                }
                for row in rows
            ]
            if bound:
                target.execute(text(f"INSERT INTO {table.name} ({names}) VALUES ({casts})"), bound)
        return {name: target.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in metadata.tables}


def test_postgres_takes_every_row(tmp_path: Path, database: Database) -> None:
    make_sample(tmp_path / "demo.db")
    assert load_with_postgres_own_casts(tmp_path / "demo.db", database) == ROWS


@pytest.mark.parametrize("scale", [0.0003, 0.002])
def test_benchmark_database_is_as_sound(tmp_path: Path, database: Database, scale: float) -> None:
    path = tmp_path / "bench.db"
    rows = make_benchmark(path, scale=scale)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    loaded = load_with_postgres_own_casts(path, database)
    assert sum(loaded.values()) == rows
    assert loaded["conversation_messages"] == round(548_000 * scale)
