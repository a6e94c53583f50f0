"""SQLite databases as nobody would design them: types, values, names, keys and constraints at random."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

Value = int | float | str | bytes | None

TABLES = ("t", "Order Details", "select", "UserAccounts", "naïve", 'a"b', "x" * 70, "x" * 69 + "y", "table_2", "100%s")
COLUMNS = ("id", "Name", "order", "ctid", "Unit Price", "c" * 64, "é", "is_done", "B", 'q"q', "%s", "C_2")
TYPES = (
    *("INTEGER", "INT", "BIGINT", "TINYINT(1)", "BOOLEAN", "REAL", "DOUBLE PRECISION", "FLOAT", "DECIMAL(8,2)"),
    *("NUMERIC", "MONEY", "VARCHAR(5)", "CHAR(2)", "NVARCHAR(40)", "TEXT", "CLOB", "STRING", "DATE", "DATETIME"),
    *("TIMESTAMP", "TIME", "JSON", "UUID", "BLOB", "VARBINARY(8)", "", "ANY", "GEOMETRY", "text COLLATE NOCASE"),
)
_TEXTS = (
    *("", "a", "A", "abc ", "abcdef", "é", "日本語", "1", "0", "1.50", "1e3", "true", "NaN", "Infinity", "-0"),
    *("2024-02-29", "2024-02-30", "2024-01-31 23:59:59.123456", "2024-01-31T10:00:00Z", "9999-12-31", "0001-01-01"),
    *("10:30", "10:30:15.5", "24:00:00", "{}", '{"a": 1.10}', '{"a": 1, "a": 2}', "[1,", "null", '"\\u0000"'),
    *(
        "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        "6BA7B810-9DAD-41D1-80B4-00C04FD430C8",
        "6ba7b8109dad41d180b400c04fd430c8",
    ),
)
_INTEGERS = (0, 1, -1, 2, 255, 2**31, -(2**63), 2**63 - 1, 1_700_000_000, 1_700_000_000_000)
_REALS = (0.0, -0.0, 0.5, 1.0, 19.99, 1e300, 2.0**53 + 2, 2451545.25, float("inf"), 5e-324, 0.1 + 0.2)
_BLOBS = (b"", b"a", b"\xff\x00", bytes(range(16)), "é".encode(), b"0")
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.sampled_from(_INTEGERS),
    st.sampled_from(_TEXTS),
    st.sampled_from(_REALS),
    st.sampled_from(_BLOBS),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8),
)
_DEFAULTS = (
    "0",
    "1",
    "'a'",
    "NULL",
    "CURRENT_TIMESTAMP",
    "(1 + 1)",
    "x'00'",
    "(datetime('now'))",
    "-1.5",
    "''",
    "TRUE",
)
_CHECKS = ("{c} > 0", "length({c}) < 4", "{c} IN (0, 1)", "{c} IS NOT NULL", "typeof({c}) = 'integer'", "{c} <> ''")
_GENERATED = ("{c} || 'x'", "{c} + 1", "length({c})", "upper({c})", "coalesce({c}, 'none')")
_ACTIONS = ("", " ON DELETE CASCADE", " ON UPDATE SET NULL", " DEFERRABLE INITIALLY DEFERRED")
_INDEXES = (
    "CREATE INDEX {i} ON {t} ({c})",
    "CREATE INDEX {i} ON {t} ({c} DESC)",
    "CREATE UNIQUE INDEX {i} ON {t} ({c})",
    "CREATE UNIQUE INDEX {i} ON {t} ({c} COLLATE NOCASE)",
    "CREATE INDEX {i} ON {t} ({c}) WHERE {c} IS NOT NULL",
    "CREATE INDEX {i} ON {t} (lower({c}))",
    "CREATE VIEW {i} AS SELECT {c} FROM {t} WHERE {c} IS NOT NULL",
    "CREATE TRIGGER {i} AFTER INSERT ON {t} BEGIN DELETE FROM {t} WHERE 0; END",
)


@dataclass(frozen=True)
class AnySchema:
    """Statements that SQLite may refuse, and each table's rows, which its keys may refuse."""

    statements: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[tuple[Value, ...], ...]], ...]
    behind: tuple[str, ...] = ()

    def make(self, path: Path) -> Path:
        """Writes the database; rows break foreign keys and checks, not keys."""
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = 1")
            for statement in self.statements:
                connection.execute(statement)
            for table, width, rows in self.rows:
                insert = f"INSERT OR IGNORE INTO {_quoted(table)} VALUES ({', '.join('?' * width)})"
                for row in rows:
                    with contextlib.suppress(sqlite3.Error):  # no rowid, or none left behind the largest
                        connection.execute(insert, row)
            for statement in self.behind:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute(statement)
            connection.commit()
        return path


@st.composite
def schemas(draw: st.DrawFn) -> AnySchema:
    """One to three tables with up to five columns and eight rows each."""
    names = draw(st.lists(st.sampled_from(TABLES), min_size=1, max_size=3, unique=True))
    statements, rows, behind = [], [], []
    columns_of: dict[str, list[str]] = {}
    for place, name in enumerate(names):
        columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5, unique=True))
        columns_of[name] = columns
        statements.append(draw(_table(name, columns, columns_of)))
        row = st.tuples(*([VALUES] * len(columns)))
        rows.append((name, len(columns), tuple(draw(st.lists(row, max_size=8)))))
        for number in range(draw(st.integers(0, 2))):
            made = draw(st.sampled_from(_INDEXES))
            column = draw(st.sampled_from(columns))
            behind.append(made.format(i=_quoted(f"i{place}_{number}"), t=_quoted(name), c=_quoted(column)))
    return AnySchema(tuple(statements), tuple(rows), tuple(behind))


@st.composite
def _table(draw: st.DrawFn, name: str, columns: list[str], known: dict[str, list[str]]) -> str:
    key = draw(st.sampled_from(("none", "none", "rowid", "one", "several", "autoincrement")))
    parts = [draw(_column(column)) for column in columns]
    ending = ""
    if key == "rowid":
        parts[0] = f"{_quoted(columns[0])} INTEGER PRIMARY KEY"
    elif key == "autoincrement":
        parts[0] = f"{_quoted(columns[0])} INTEGER PRIMARY KEY AUTOINCREMENT"
    elif key in ("one", "several"):
        chosen = columns[:1] if key == "one" else columns[:2]
        parts.append(f"PRIMARY KEY ({', '.join(map(_quoted, chosen))})")
        ending = draw(st.sampled_from(("", " WITHOUT ROWID")))
    if draw(st.booleans()):
        parent = draw(st.sampled_from(list(known)))
        child, other = draw(st.sampled_from(columns)), draw(st.sampled_from(known[parent]))
        action = draw(
            st.sampled_from(("", " ON DELETE CASCADE", " ON UPDATE SET NULL", " DEFERRABLE INITIALLY DEFERRED"))
        )
        parts.append(f"FOREIGN KEY ({_quoted(child)}) REFERENCES {_quoted(parent)} ({_quoted(other)}){action}")
    if key in ("none", "rowid") and draw(st.booleans()):
        # VIRTUAL only where no number becomes a text: versions of SQLite differ in that.
        kind = draw(st.sampled_from(("STORED", "VIRTUAL")))
        expressions = _GENERATED if kind == "STORED" else ("length({c})",)
        expression = draw(st.sampled_from(expressions)).format(c=_quoted(draw(st.sampled_from(columns))))
        place = sum(" PRIMARY KEY (" not in part[:14] and not part.startswith("FOREIGN") for part in parts)
        parts.insert(place, f"computed TEXT GENERATED ALWAYS AS ({expression}) {kind}")
    return f"CREATE TABLE {_quoted(name)} ({', '.join(parts)}){ending}"


@st.composite
def _column(draw: st.DrawFn, name: str) -> str:
    words = [_quoted(name), draw(st.sampled_from(TYPES))]
    if draw(st.integers(0, 3)) == 0:
        words.append("NOT NULL")
    if draw(st.integers(0, 4)) == 0:
        words.append("UNIQUE")
    if draw(st.integers(0, 3)) == 0:
        words.append(f"DEFAULT {draw(st.sampled_from(_DEFAULTS))}")
    if draw(st.integers(0, 3)) == 0:
        words.append(f"CHECK ({draw(st.sampled_from(_CHECKS)).format(c=_quoted(name))})")
    return " ".join(words)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
