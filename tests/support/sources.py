"""SQLite files by statement."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a SQLite file, committed and closed at the end."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
        connection.commit()


def make_sqlite(path: Path, *statements: str) -> Path:
    """A SQLite file made by these statements, or changed by them where there is one."""
    with sqlite(path) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def series(count: int, select: str) -> str:
    """`SELECT select` for n = 1 … count, as SQLite spells it."""
    return f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT {select} FROM s"
