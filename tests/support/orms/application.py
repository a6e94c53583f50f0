"""An application's database as its ORM makes it, and the SQL that the application goes on sending.

All data are made up by counting. The SQL is written for both databases: names are unquoted, or quoted in lower case, so
that they work where the target's names are in lower case.
"""

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]
START = datetime(2024, 1, 31, 23, 59, 58)


@dataclass(frozen=True)
class Statement:
    """A statement for SQLite, and the same for PostgreSQL where the two differ."""

    sqlite: str
    other: str | None = None

    @property
    def postgres(self) -> str:
        """The statement for PostgreSQL."""
        return self.sqlite if self.other is None else self.other


@dataclass(frozen=True)
class Violation:
    """A statement that a constraint refuses: `kind` is primary key, unique, not null, foreign key or check."""

    kind: str
    statement: Statement


@dataclass(frozen=True)
class Application:
    """One ORM's database.

    schema: the statements that the ORM sends, as a script.
    rows: every table's rows, in an order that keeps the foreign keys.
    after: statements after the rows, such as triggers.
    selects, inserts, violations: the application's own SQL; the inserts give no id.
    """

    name: str
    schema: str
    rows: Mapping[str, Sequence[Row]]
    selects: Sequence[Statement]
    inserts: Sequence[Statement]
    violations: Sequence[Violation]
    after: str = ""
    virtual: frozenset[str] = field(default_factory=frozenset)

    def make(self, path: Path) -> Path:
        """Writes the database to a file that is not there yet."""
        if path.exists():
            raise FileExistsError(path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(self.schema)
            for table, rows in self.rows.items():
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)
            connection.commit()
            connection.executescript(self.after)
        return path


def same(*statements: str) -> list[Statement]:
    """Statements that are the same in both databases."""
    return [Statement(statement) for statement in statements]


def refused(kind: str, sqlite: str, postgres: str | None = None) -> Violation:
    """A statement that a constraint of this kind refuses."""
    return Violation(kind, Statement(sqlite, postgres))


def moment(number: int) -> datetime:
    """A point in time of its own for every number, with microseconds, over some years."""
    return START + timedelta(days=37 * number, seconds=4_271 * number, microseconds=123_457 * number % 1_000_000)


def hexadecimal(number: int, digits: int = 32) -> str:
    """Digits that look random and are the same each time; as a UUID they are of version 4."""
    text = f"{(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 16**32:032x}"
    return (text[:12] + "4" + text[13:16] + "89ab"[number % 4] + text[17:])[:digits]


def uuid_text(number: int) -> str:
    """A UUID's text, in lower case."""
    text = hexadecimal(number)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
