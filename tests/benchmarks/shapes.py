"""Databases of other shapes than the chat application's: each has its own bottleneck.

A shape makes its SQLite file, says which tables PostgreSQL has for it, and which of its rows can arrive.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.database import make_benchmark

SEED = 1
_EVERYTHING = ("load-compared", "load", "load-unvalidated", "dry-run", "reconcile", "pgloader", "dlt")
_MOST_RANDOM = 2**31


@dataclass(frozen=True)
class Shape:
    """A database to be loaded: `make` fills a SQLite file at a scale, `target` is the DDL of its tables (None: those of
    the 20 known tables). `arriving`: by table, the condition of the rows that can be loaded, where others are refused;
    our exit code is then 3. `ways`: those that are measured where none are named (empty: all).
    """

    name: str
    title: str
    make: Callable[[Path, float], object]
    target: Sequence[str] | None = None
    arriving: Mapping[str, str] = field(default_factory=dict)
    ways: tuple[str, ...] = _EVERYTHING


def _chat(path: Path, scale: float) -> None:
    make_benchmark(path, scale=scale, seed=SEED)


def _fill(path: Path, statements: Iterable[str]) -> None:
    """In one transaction; a hash of the row's number stands for chance, so that each file comes out the same."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.create_function("hashed", 2, _hashed, deterministic=True)
        for statement in statements:
            connection.execute(statement)


def _hashed(number: int, place: int) -> int:
    return (number * 2_654_435_761 + place * 40_503 + (number >> 7) * 97) % _MOST_RANDOM


def _rows(count: int) -> str:
    return f"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {max(1, count)})"


def _numbers(path: Path, scale: float) -> None:
    columns = "n, hashed(n, 1), hashed(n, 2) % 1000, hashed(n, 3) / 1000.0, hashed(n, 4) / 7.0"
    _fill(
        path,
        [
            "CREATE TABLE numbers (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c REAL, d REAL)",
            f"{_rows(round(3_000_000 * scale))} INSERT INTO numbers SELECT {columns} FROM r",
        ],
    )


# Type in SQLite, type in PostgreSQL, how a value is made from the row's number {n} and the column's place {p}.
_WIDE = (
    ("INTEGER", "bigint", "hashed(n, {p})"),
    ("TEXT", "text", "'value ' || hashed(n, {p})"),
    ("REAL", "double precision", "hashed(n, {p}) / 7.0"),
    ("DATETIME", "timestamptz", "datetime(1600000000 + hashed(n, {p}) % 100000000, 'unixepoch')"),
    ("BOOLEAN", "boolean", "hashed(n, {p}) % 2"),
    ("JSON", "jsonb", """'{{"a": ' || hashed(n, {p}) || ', "b": ["x", null]}}'"""),
)
_WIDE_COLUMNS = 40


def _wide(path: Path, scale: float) -> None:
    kinds = [_WIDE[place % len(_WIDE)] for place in range(_WIDE_COLUMNS)]
    columns = ", ".join(f"c{place} {kind[0]}" for place, kind in enumerate(kinds))
    values = ", ".join(
        f"CASE WHEN hashed(n, {place + 100}) % 100 >= 9 THEN {kind[2].format(p=place)} END"
        for place, kind in enumerate(kinds)
    )
    _fill(
        path,
        [
            f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {columns})",
            f"{_rows(round(150_000 * scale))} INSERT INTO wide SELECT n, {values} FROM r",
        ],
    )


_TABLES = 1_000


def _tables(path: Path, scale: float) -> None:
    statements = []
    for place in range(_TABLES):
        statements += [
            f"CREATE TABLE t{place} (id INTEGER PRIMARY KEY, name TEXT, amount INTEGER)",
            f"{_rows(round(10 * scale))} INSERT INTO t{place} SELECT n, 'name ' || n, hashed(n, {place}) FROM r",
        ]
    _fill(path, statements)


def _texts(path: Path, scale: float) -> None:
    _fill(
        path,
        [
            "CREATE TABLE documents (id INTEGER PRIMARY KEY, title TEXT, body TEXT)",
            (
                f"{_rows(round(400 * scale))} INSERT INTO documents SELECT n, 'document ' || n, "
                "replace(printf('%.*c', 40000, 'x'), 'x', 'a line of words ' || n || char(10)) FROM r"
            ),
        ],
    )


def _rejects(path: Path, scale: float) -> None:
    values = "n, CASE WHEN n % 50 = 0 THEN 2 ELSE n % 2 END, 'event ' || hashed(n, 1), hashed(n, 2)"
    _fill(
        path,
        [
            "CREATE TABLE events (id INTEGER PRIMARY KEY, done INTEGER, name TEXT, amount INTEGER)",
            f"{_rows(round(500_000 * scale))} INSERT INTO events SELECT {values} FROM r",
        ],
    )


SHAPES = (
    Shape("chat", "20 tables of a chat application", _chat, ways=()),
    Shape(
        "numbers",
        "3,000,000 rows of 5 numbers",
        _numbers,
        ["CREATE TABLE numbers (id bigint PRIMARY KEY, a bigint, b bigint, c double precision, d double precision)"],
    ),
    Shape(
        "wide",
        "150,000 rows of 41 columns",
        _wide,
        [
            "CREATE TABLE wide (id bigint PRIMARY KEY, "
            + ", ".join(f"c{place} {_WIDE[place % len(_WIDE)][1]}" for place in range(_WIDE_COLUMNS))
            + ")"
        ],
    ),
    Shape(
        "tables",
        "1,000 tables of 10 rows",
        _tables,
        [f"CREATE TABLE t{place} (id bigint PRIMARY KEY, name text, amount bigint)" for place in range(_TABLES)],
        ways=("load-compared", "load-again", "dry-run", "reconcile", "pgloader"),
    ),
    Shape(
        "texts",
        "400 rows with texts of about 800 kB",
        _texts,
        ["CREATE TABLE documents (id bigint PRIMARY KEY, title text, body text)"],
    ),
    Shape(
        "rejects",
        "500,000 rows, each fiftieth refused",
        _rejects,
        ["CREATE TABLE events (id bigint PRIMARY KEY, done boolean, name text, amount bigint)"],
        {"events": "done < 2"},
        ("load-compared", "load", "dry-run"),
    ),
)


def row_counts(sqlite: Path, arriving: Mapping[str, str] | None = None) -> dict[str, int]:
    """The rows of each table of a SQLite file, or those of them that can arrive."""
    conditions = arriving or {}
    with closing(sqlite3.connect(f"{sqlite.as_uri()}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}" WHERE {conditions.get(name, "1")}').fetchone()[0]
            for name in names
            if not name.startswith("sqlite_")
        }
