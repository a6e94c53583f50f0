"""One table in both databases, with rows at the edges of their rules, and expressions over it made at random."""

import itertools
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from etl.schema.expressions import Column

Row = tuple[Any, ...]

_FORM = "%Y-%m-%d %H:%M:%S"
_SPECIFICATION: list[tuple[str, str, str, str, dict[str, Any]]] = [
    # name, SQLite's declaration, PostgreSQL's type, storage classes, more
    ("i", "INTEGER", "bigint", "integer", {}),
    ("n", "INT NOT NULL", "integer", "integer", {"not_null": True}),
    ("f", "BOOLEAN", "boolean", "integer", {}),
    ("r", "REAL", "double precision", "real", {}),
    ("m", "DECIMAL(12,2)", "numeric(12,2)", "integer real", {}),
    ("t", "TEXT", "text", "text", {}),
    ("v", "VARCHAR(20) COLLATE NOCASE", "character varying(20)", "text", {"collation": "NOCASE"}),
    ("s", "STRING", "text", "text", {}),  # numeric affinity
    ("a", "", "text", "text", {}),  # no affinity
    ("b", "BLOB", "bytea", "blob", {}),
    ("day", "DATE", "date", "text", {}),
    ("at", "DATETIME", "timestamp with time zone", "text", {"form": _FORM}),
    ("upto", "DATETIME", "timestamp with time zone", "text", {"form": _FORM}),
    ("j", "JSON", "jsonb", "text", {}),
]
COLUMNS = {
    name: Column(name, type_, declared.split(" NOT")[0].split(" COLLATE")[0], frozenset(storage.split()), **more)
    for name, declared, type_, storage, more in _SPECIFICATION
}
SQLITE_TABLE = f"CREATE TABLE x ({', '.join(f'{name} {declared}' for name, declared, *_ in _SPECIFICATION)})"
POSTGRES_TABLE = f"CREATE TABLE x (row_number integer, {', '.join(f'{c.name} {c.type}' for c in COLUMNS.values())})"

_INTEGERS = [None, 0, 1, -1, 2, 7, -3, 1000, 2**31, -(10**6)]
_TEXTS = [
    None,
    "",
    "a",
    "A",
    "ab",
    "aB",
    "AB%",
    "a_b",
    "äÖ",
    "Ä",
    "5",
    "05",
    "5.0",
    "x\\y",
    "it's",
    "\n",
    "😀",
    "[",
    "-",
]
_WORDS = [None, "", "a", "B", "ab", "AB", "Äa", "äA", "a b ", " a", "[x", "b-"]
_VALUES: dict[str, list[Any]] = {
    "i": _INTEGERS,
    "n": [0, 1, -1, 2, 3, 7, 1000, -50],
    "f": [None, 0, 1],
    "r": [None, 0.0, 1.0, -1.5, 0.1, 0.3, 2.0, 1e10, 9007199254740992.0, -7.0],
    "m": [None, 0, 1, 0.1, 0.3, -2.5, 3, 1234.56, 1.1],
    "t": _TEXTS,
    "v": _WORDS,
    "s": _WORDS,
    "a": _WORDS,
    "b": [None, b"", b"\x00", b"ab", b"\xff\x00"],
    "day": [None, "2020-01-01", "1999-12-31", "2024-02-29"],
    "at": [None, "2020-01-01 00:00:00", "1999-12-31 23:59:59", "2024-02-29 12:00:00"],
    "upto": [None, "2020-01-01 00:00:00", "2024-02-29 12:00:01", "1970-01-01 00:00:00"],
    "j": [None, '{"a": "x"}', '{"a": 5, "b": {"a": "5"}}', '["x", "y"]', "null", '{"a": null}', '"x"', '{"a": true}'],
}


def rows() -> list[Row]:
    """Every value of every column, beside others in each round."""
    count = 3 * max(map(len, _VALUES.values()))
    shifted = [itertools.islice(itertools.cycle(v), k * k, k * k + count) for k, v in enumerate(_VALUES.values())]
    return list(zip(*shifted, strict=True))


def sqlite_table() -> sqlite3.Connection:
    """The table in SQLite."""
    connection = sqlite3.connect(":memory:")
    connection.execute(SQLITE_TABLE)
    connection.executemany(f"INSERT INTO x VALUES ({', '.join('?' * len(COLUMNS))})", rows())
    return connection


def converted(name: str, value: Any) -> Any:
    """A value of SQLite's as PostgreSQL's column holds it."""
    if value is None:
        return None
    if name == "f":
        return bool(value)
    if name == "m":
        return Decimal(repr(value))
    if name == "day":
        return date.fromisoformat(value)
    return datetime.strptime(value, _FORM).replace(tzinfo=UTC) if name in ("at", "upto") else value


def plain(value: Any) -> Any:
    """A result of either database as one can compare it."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(_FORM)
    return value.isoformat() if isinstance(value, date) else value


def truth(value: Any) -> bool | None:
    """What a condition's value means."""
    return None if value is None else bool(value)


_LITERALS = ["0", "1", "2", "-1", "7", "0.5", "0.1", "1e2", "NULL", "TRUE", "FALSE", "X'00'", "X'6162'"] + [
    "'" + str(text).replace("'", "''") + "'"
    for text in (*_TEXTS[1:], "2020-01-01", "2020-01-01 00:00:00", "x", "0", "1")
]
_LIKE = ["'a%'", "'%B'", "'_'", "'%ä%'", "'a\\%'", "'%\\_%'", "'%[%'"]
_GLOB = ["'[a-b]*'", "'*[^a-z]*'", "'?'", "'[[]*'", "'*-'", "'[]-]'", "'a*'", "'*'", "''", "'**b'", "'*[0-9]'"]
_BINARY = ["=", "==", "<>", "!=", "<", "<=", ">", ">=", "IS", "IS NOT", "AND", "OR", "+", "-", "*", "/", "%", "||"]
_CALLS = [
    *("length({0})", "lower({0})", "upper({0})", "trim({0})", "ltrim({0}, 'a')", "rtrim({0})", "abs({0})"),
    *("coalesce({0}, {1})", "ifnull({0}, {1})", "nullif({0}, {1})", "iif({0}, {1}, {2})", "typeof({0})"),
    *("substr({0}, 2)", "substr({0}, 1, 2)", "substr({0}, -1)", "substr({0}, 0)", "instr({0}, {1})"),
    *("replace({0}, 'a', {1})", "CASE WHEN {0} THEN {1} ELSE {2} END", "CASE {0} WHEN {1} THEN 1 ELSE 0 END"),
    *("CASE WHEN {0} THEN {1} END", "CAST({0} AS TEXT)", "CAST({0} AS INTEGER)", "CAST({0} AS REAL)"),
    *("CAST({0} AS NUMERIC)", "{0} IN ({1}, {2})", "{0} NOT IN ({1}, 'a')", "{0} IN (1, 0)", "{0} IN ('a', 'B')"),
    *("{0} BETWEEN {1} AND {2}", "{0} NOT BETWEEN {1} AND {2}", "NOT {0}", "-{0}", "+{0}", "({0})"),
    *("{0} IS NULL", "{0} IS NOT NULL", "{0} ISNULL", "{0} NOTNULL", "{0} IS TRUE", "{0} IS NOT FALSE"),
    *("{0} COLLATE NOCASE", "json_extract({0}, '$.a')", "j ->> 'a'", "j -> 'b' ->> 'a'"),
    *("json_type(j)", "json_type(j, '$.a')", "round({0})", "max({0}, {1})", "{0} & {1}", "hex({0})", "~{0}"),
    *(f"{{0}} {word} {pattern}" for word in ("LIKE", "NOT LIKE") for pattern in _LIKE),
    *(f"{{0}} {word} {pattern}" for word in ("GLOB", "NOT GLOB") for pattern in _GLOB),
    *(f"{{0}} LIKE {pattern} ESCAPE '\\'" for pattern in ("'a\\%'", "'%\\_%'", "'%x\\\\y'")),
]


def expressions() -> st.SearchStrategy[str]:
    """Any expression over the table, of any types, most of them without parentheses."""
    names = st.sampled_from(sorted(COLUMNS))
    return st.recursive(st.one_of(names, names, st.sampled_from(_LITERALS)), _larger, max_leaves=5)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, st.sampled_from(_BINARY), inner).map(" ".join)
    calls = st.tuples(st.sampled_from(_CALLS), inner, inner, inner).map(lambda parts: parts[0].format(*parts[1:]))
    return st.one_of(binary, binary.map(lambda text: f"({text})"), calls)
