"""Any SQLite database and a target for it: hypothesis strategies, and what makes both of them.

Names, declared types, keys, values and target types are drawn without regard to each other, so that most examples are
databases that no application would keep. The target is made as an application would make it: PostgreSQL cuts names to
63 bytes and refuses some; what it refuses is not there.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
import psycopg2.extensions
from hypothesis import strategies as st

from etl.core.source_tables import quoted
from support.any_value import REFUSED, TYPES, Cell, Oracle, Undecodable, literal

# -- names ---------------------------------------------------------------------------------------------------------

NASTY_NAMES = [
    *("a", "B", "id", "user id", "Order", "select", "table", "o'brien", 'say "hi"', 'x"; DROP TABLE a; --', "--", "/*"),
    *("%", "%s", "%(a)s", "100%", "{}", "{0}", "{c}", "$$", "$1", "?", ":a", "@a", "\\", "\n", "\t", " ", "", "a/b"),
    *("etl_row__", "etl_rowid__", "etl_present__", "stage", "rule", "detail", "faulty", "content", "first_row", "n"),
    *("s", "t", "o", "p", "mine", "theirs", "c", "c0", "k0", "t0", "value", "result", "gone", "excluded", "row_number"),
    *("rowid", "oid", "_rowid_", "ctid", "xmin", "tableoid", "index", "key", "column", "reason", "0", "level_0"),
    *(
        "Ünï",
        "ünï",
        "e\u0301",
        "é",
        "É",
        "日本",
        "İ",
        "ſ",
        "ß",
        "\u202e",
        "\x1b[31m",
        "<b>",
        "=1+1",
        ".hidden",
        "../up",
    ),
    *("x" * 63, "x" * 64, "x" * 65, "é" * 31, "é" * 32, "日" * 40, "pg_temp", "public", "main"),
]
SYSTEM_COLUMNS = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
POSTGRES_NAME_BYTES = 63


def _folded(name: str) -> str:
    """SQLite tells names apart but for the case of ASCII letters."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


_LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NAMES = st.sampled_from(NASTY_NAMES) | st.text(_LETTERS, min_size=1, max_size=8)
TABLE_NAMES = NAMES.filter(lambda name: not _folded(name).startswith("sqlite_"))


def unfit(name: str) -> bool:
    """Whether no column of PostgreSQL can bear the name."""
    return not name or cut(name) != name or name in SYSTEM_COLUMNS


def cut(name: str) -> str:
    """What PostgreSQL makes of a name."""
    return name.encode()[:POSTGRES_NAME_BYTES].decode(errors="ignore")


# -- values --------------------------------------------------------------------------------------------------------

_TIMES = [
    *("2024-02-29", "2024-02-30", "2024-01-01 10:00", "2024-01-01T10:00:00.123456Z", "2024-01-01 10:00:00+05:30"),
    *(
        "0000-00-00",
        "2024-01-01 24:00",
        "9999-12-31 23:59:59.999999",
        "0001-01-01",
        "now",
        "today",
        "epoch",
        "infinity",
    ),
    *("01/02/2024", "10:30", "2024-01-01 10:00:00.1234567", "2024-1-1", "1 day", "20240101"),
]
_TEXTS = [
    *(
        "",
        "0",
        "1",
        "t",
        "TRUE",
        "yes",
        "abc",
        "abcde",
        "abcdef",
        "ab ",
        " 1",
        "-7",
        "+007",
        "12.50",
        "1e400",
        ".5",
        "5.",
    ),
    *(
        "NaN",
        "Infinity",
        "-0",
        "9223372036854775808",
        "1_0",
        "１",
        "\\N",
        "\\.",
        '"',
        ",",
        "a\0b",
        "\0",
        "e\u0301",
        "é",
        "\r\n",
    ),
    *(
        "{}",
        '{"a": [1, 2.50], "a": null}',
        "[1",
        '"\\u0000"',
        '"\\ud800"',
        "[1e400, -0.0]",
        "null",
        '"x"',
        "{1,2}",
        "{}{}",
    ),
    *(
        "happy",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "\\x00ff",
        "x" * 300,
        "👩‍👩‍👧",
        "\ufeff",
        "\u2028",
        "\U0010ffff",
    ),
]
_INTEGERS = [0, 1, 2, -1, 7, 32767, 32768, -32769, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 1700000000, 1700000000123]
_REALS = [0.5, 1.0, -0.0, 2.5, 0.1, 1e15, 1e16, 9.5e18, 1e39, 1e-50, 5e-324, 1.7976931348623157e308, float("inf")]
_REALS += [float("-inf"), 2451545.25, 1700000000.25, 123456.78, 12345.67, 3.14]
_BLOBS: list[Cell] = [b"", b"\x00\xff", b"1", b"abc", b"2024-01-01", b"{}"]
_UNDECODABLE: list[Cell] = [
    Undecodable(b"\xff"),
    Undecodable(b"\xed\xa0\x80"),
    Undecodable(b"a\xc3"),
    Undecodable(b"\xc0\x80"),
]
_FEW: list[Cell] = [None, 1, 2, 1.0, "1", "a", "A", b"a", ""]
_UTF8 = st.characters(exclude_categories=["Cs"])
ANY_CELL: st.SearchStrategy[Cell] = st.one_of(
    st.none(),
    st.sampled_from(_FEW),
    st.sampled_from([*_INTEGERS, *_REALS, *_TEXTS, *_TIMES, *_BLOBS, *_UNDECODABLE]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(_UTF8, max_size=6),
    st.binary(max_size=4),
)
_FITTING: dict[str, Sequence[Cell]] = {
    "boolean": [0, 1, "t", "False", "1"],
    "smallint": [0, 1, 7, "12", 2.0],
    "integer": [0, 1, 7, "12", 2.0, 2**31 - 1],
    "bigint": [0, 1, 2, 7, 2**53 + 1, "9223372036854775807", 2.0],
    "real": [0.5, 1, "2.5", 0.1, float("inf")],
    "double precision": [0.5, 1, "2.5", 0.1, 5e-324, float("-inf")],
    "numeric": [0.1, 1, "12.50", "1e30", 2**63 - 1],
    "numeric(6,2)": [0.5, 1, "12.50", "9999.99", -7],
    "json": ["{}", "[1, 2]", '{"b":1,"a":2}', 7, 0.1, "null"],
    "jsonb": ["{}", "[1, 2]", '{"b":1,"a":2}', 7, 0.1, "null"],
    "timestamptz": [*_TIMES[2:5], "2024-02-29", 1700000000, 1700000000123, 2451545.25, 1700000000.25],
    "timestamp": [*_TIMES[2:5], "2024-02-29", 1700000000, 1700000000123, 2451545.25],
    "date": ["2024-02-29", "2024-01-01"],
    "time": ["10:30", "23:59:59.5"],
    "interval": ["1 day", "24:00"],
    "bytea": [b"", b"\x00\xff", "abc", Undecodable(b"\xff")],
    "uuid": ["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "{6BA7B8109DAD11D180B400C04FD430C9}"],
    "integer[]": ["{}", "{1,2}", "{NULL}"],
    "text[]": ["{}", "{a,b}", '{"NULL",""}'],
    "varchar(3)[]": ["{abc}", "{abcd}"],
    '"mo$$d {} %s"': ["happy", "sad"],
    "positive": [1, "2"],
    "present": ["a", ""],
}


def cells(type_: str, *, wild: bool) -> st.SearchStrategy[Cell]:
    """Values of a column: such as fit its target type, or where it is `wild` any others as well."""
    fitting = st.sampled_from([*_FITTING.get(type_, ["a", "b", "abc", 1, 0.5, "é", ""])])
    if not wild:
        return st.one_of(fitting, fitting, fitting, st.none())
    if type_ in ("timestamptz", "timestamp"):  # numbers depend on each other: the unit belongs to the column
        return st.one_of(fitting, fitting, ANY_CELL.filter(lambda cell: not isinstance(cell, int | float)))
    return st.one_of(fitting, fitting, fitting, fitting, st.sampled_from(_FEW), ANY_CELL)


_IDS: dict[str, str] = {
    "boolean": "{0}",
    "timestamptz": "2024-01-{1:02} 10:00",
    "timestamp": "2024-01-{1:02}",
    "date": "2024-02-{1:02}",
    "time": "10:{0:02}",
    "interval": "{0} days",
    "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c{0}",
    "integer[]": "{{{0}}}",
    "text[]": "{{{0}}}",
    "varchar(3)[]": "{{{0}}}",
    "json": "[{0}]",
    "jsonb": "[{0}]",
    "real": "{0}.5",
    "double precision": "{0}.5",
    "numeric": "{0}.25",
    "numeric(6,2)": "{0}.25",
    '"mo$$d {} %s"': "happy",
}
_NUMBERED = {"smallint", "integer", "bigint", "positive"}
_FIT_FOR_ROWIDS = ["bigint", "integer", "smallint", "bigint", "integer", "text", "numeric", "positive", "varchar(5)"]


def distinct(type_: str, number: int) -> Cell:
    """A value of a key: another one for each number below 10, where the type has so many."""
    if type_ in _NUMBERED:
        return number + 1
    if type_ == "bytea":
        return bytes([number])
    return _IDS.get(type_, "k{0}").format(number, number + 1)


# -- the database as a value ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A column on both sides; `target` None where the target lacks it, `computed` what SQLite generates it from."""

    name: str
    declared: str
    type: str
    target: str | None
    computed: str = ""


@dataclass(frozen=True)
class Table:
    """A table on both sides. `rules` are what is then done to the target's, in which {t}, {c}, {d} are names."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    source_key: str = ""  # "", "rowid", "autoincrement", "single", "composite"
    options: str = ""
    target: str | None = None
    target_key: tuple[int, ...] = ()
    rules: tuple[tuple[str, int, int], ...] = ()
    references: tuple[tuple[int, int, str], ...] = ()  # column, parent table, how
    prefilled: tuple[tuple[int, int | None], ...] = ()  # a row that is there before, the column of it that is NULL


@dataclass(frozen=True)
class AnyDatabase:
    """Tables, and how they are to be loaded."""

    tables: tuple[Table, ...]
    extra_columns: str = "drop"
    keep_constraints: bool = False
    batch_rows: int = 50_000


COMPUTED = "ALTER TABLE {t} DROP {c}, ADD {c} integer GENERATED ALWAYS AS (1 + 1) STORED"
RULES = [
    "ALTER TABLE {t} ALTER {c} SET NOT NULL",
    "ALTER TABLE {t} ADD UNIQUE ({c})",
    "ALTER TABLE {t} ADD UNIQUE NULLS NOT DISTINCT ({c})",
    'ALTER TABLE {t} ADD CONSTRAINT "u {{}} %s $$" UNIQUE ({c}, {d})',
    "ALTER TABLE {t} ADD CHECK ({c} IS NOT NULL OR {d} IS NOT NULL)",
    'ALTER TABLE {t} ADD CONSTRAINT "check {{}} %s" CHECK ({c} <> 7)',
    "ALTER TABLE {t} ADD CHECK (length({c}) < 4 AND {c} <> '100%s {{}}')",
    "ALTER TABLE {t} ALTER {c} SET NOT NULL, ALTER {c} ADD GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE {t} ALTER {c} SET NOT NULL, ALTER {c} ADD GENERATED BY DEFAULT AS IDENTITY",
    'CREATE INDEX "index {{}} %s" ON {t} ({c})',
    "CREATE INDEX ON {t} USING hash ({c})",
    'ALTER TABLE {t} ADD "with default" integer NOT NULL DEFAULT 7',
    'ALTER TABLE {t} ADD "serial" serial',
    'ALTER TABLE {t} ADD "computed by target" integer GENERATED ALWAYS AS (1 + 1) STORED',
    'ALTER TABLE {t} ADD "%s {{}}" text CHECK ("%s {{}}" <> \'\')',
    "ALTER TABLE {t} DROP {c}",
    COMPUTED,
]
REQUIRED = 'ALTER TABLE {t} ADD "required" integer NOT NULL'
REFERENCES = ["", "ON DELETE CASCADE", "DEFERRABLE INITIALLY DEFERRED", "MATCH FULL", "NOT VALID"]

_DECLARED = ["", "INTEGER", "INT", "TEXT", "BLOB", "REAL", "NUMERIC", "BOOLEAN", "DATETIME", "VARCHAR(3)", "STRING"]
_DECLARED += ["JSON", '"weird ty""pe"', "FLOATING POINT", "DECIMAL(10, 2)", "TEXT COLLATE NOCASE", "TEXT UNIQUE"]
_STRICT = ["INT", "INTEGER", "TEXT", "BLOB", "REAL", "ANY"]


# -- strategies ----------------------------------------------------------------------------------------------------


@st.composite
def databases(draw: st.DrawFn) -> AnyDatabase:
    """One to three tables with references between them."""
    names = draw(st.lists(TABLE_NAMES, min_size=1, max_size=3, unique_by=_folded))
    tables = [draw(_tables(name)) for name in names]
    targets: set[str | None] = set()
    for place, table in enumerate(tables):
        if table.target in targets or not table.target:
            tables[place] = replace(table, target=None)
        targets.add(table.target)
    for place in range(len(tables)):
        if draw(st.booleans()):
            tables[place] = draw(_referring(tables, place))
    return AnyDatabase(
        tuple(tables),
        draw(st.sampled_from(["drop", "drop", "drop", "add", "stop"])),
        draw(st.booleans()),
        draw(st.sampled_from([1, 3, 50_000])),
    )


@st.composite
def _tables(draw: st.DrawFn, name: str) -> Table:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=_folded))
    strict = draw(st.integers(0, 7)) == 7
    columns: list[Column] = []
    for place, column in enumerate(names):
        columns.append(draw(_columns(column, strict, {c.target for c in columns}, first=place == 0)))
    key = draw(st.sampled_from(["", "rowid", "autoincrement", "single", "composite", "rowid"]))
    rowid = key in ("rowid", "autoincrement")
    if rowid:
        type_ = draw(st.sampled_from([*_FIT_FOR_ROWIDS, columns[0].type]))
        columns[0] = replace(columns[0], declared="INTEGER", type=type_)
    options = ["STRICT"] if strict else []
    if key in ("single", "composite") and draw(st.booleans()):
        options.append("WITHOUT ROWID")
    target_key = draw(st.sampled_from([(0,), (0,), (0, 1), (), (1,)]))
    columns_of_key = tuple(place for place in target_key if place < len(columns))
    rules = draw(st.lists(st.tuples(st.sampled_from(RULES), st.integers(0, 3), st.integers(0, 3)), max_size=2))
    if draw(st.integers(0, 19)) == 19:
        rules.append((REQUIRED, 0, 0))
    wild = draw(st.sampled_from([{0}, {1}, set(), set(range(4))]))
    strategies = [cells(column.type, wild=place in wild) for place, column in enumerate(columns)]
    rows = draw(st.lists(st.tuples(*strategies), min_size=draw(st.sampled_from([0, 1, 1, 3])), max_size=7))
    if draw(st.integers(0, 3)):
        rows = [
            _with_id(row, number, columns, 0 if rowid else min(columns_of_key, default=0), rowid)
            for number, row in enumerate(rows)
        ]
    return Table(
        name=name,
        columns=tuple(columns),
        rows=tuple(rows),
        source_key=key,
        options=", ".join(options),
        target=_target_name(draw, name),
        target_key=columns_of_key,
        rules=tuple(rules),
        prefilled=draw(_prefilled(len(rows), len(columns))),
    )


def _with_id(
    row: tuple[Cell, ...], number: int, columns: Sequence[Column], place: int, rowid: bool
) -> tuple[Cell, ...]:
    """The row with a value in its key that no other row has."""
    value = number + 1 if rowid else distinct(columns[place].type, number)
    return (*row[:place], value, *row[place + 1 :])


def _target_name(draw: st.DrawFn, name: str) -> str | None:
    """As it is, but for what PostgreSQL cuts; now and then in the case that an unquoted name gets, or not at all."""
    way = draw(st.integers(0, 11))
    if way == 11 or not name:
        return None
    return cut(name.lower() if way == 10 else name)


@st.composite
def _columns(draw: st.DrawFn, name: str, strict: bool, taken: set[str | None], *, first: bool) -> Column:
    target = _target_name(draw, name)
    if target in taken or target in SYSTEM_COLUMNS:
        target = None
    computed = (
        "" if first or strict or draw(st.integers(0, 9)) < 9 else draw(st.sampled_from(["1 + 1", "x'00'", "'a'"]))
    )
    declared = draw(st.sampled_from(_STRICT if strict else _DECLARED))
    return Column(name, declared, draw(st.sampled_from(TYPES)), target, computed)


@st.composite
def _prefilled(draw: st.DrawFn, rows: int, columns: int) -> tuple[tuple[int, int | None], ...]:
    if not rows or draw(st.booleans()):
        return ()
    blank = st.none() | st.integers(0, columns - 1)
    return tuple(draw(st.lists(st.tuples(st.integers(0, rows - 1), blank), max_size=3, unique_by=lambda pair: pair[0])))


@st.composite
def _referring(draw: st.DrawFn, tables: Sequence[Table], place: int) -> Table:
    """The table with a foreign key to one of them, itself perhaps, and values of which many have a parent."""
    table = tables[place]
    column = draw(st.integers(0, len(table.columns) - 1))
    parent_place = draw(st.integers(0, len(tables) - 1))
    parent = tables[parent_place]
    if parent.target_key == () or (parent_place == place and column in parent.target_key):
        return table
    key = parent.target_key[0]
    columns = list(table.columns)
    columns[column] = replace(columns[column], type=parent.columns[key].type)
    known = [row[key] for row in parent.rows] or [None]
    rows = []
    for row in table.rows:
        value = draw(st.sampled_from([*known, *known, None]) | ANY_CELL)
        rows.append((*row[:column], value, *row[column + 1 :]))
    reference = (column, parent_place, draw(st.sampled_from(REFERENCES)))
    return replace(table, columns=tuple(columns), rows=tuple(rows), references=(reference,))


# -- both sides made -----------------------------------------------------------------------------------------------


def make_source(example: AnyDatabase, path: Path) -> None:
    """The SQLite file; rows that SQLite itself refuses are not there."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table in example.tables:
            connection.execute(_create_source(table))
            stored = [place for place, column in enumerate(table.columns) if not column.computed]
            names = ", ".join(quoted(table.columns[place].name) for place in stored)
            for row in table.rows:
                values = [row[place] for place in stored]
                marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, Undecodable) else "?" for value in values)
                # "full": AUTOINCREMENT has no id behind the largest one
                with contextlib.suppress(sqlite3.IntegrityError, sqlite3.OperationalError):
                    connection.execute(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({marks})", values)
        connection.commit()


def _create_source(table: Table) -> str:
    single = {"rowid": "PRIMARY KEY", "autoincrement": "PRIMARY KEY AUTOINCREMENT", "single": "PRIMARY KEY"}
    parts = []
    for place, column in enumerate(table.columns):
        words = [quoted(column.name), column.declared]
        if place == 0:
            words.append(single.get(table.source_key, ""))
        if column.computed:
            words.append(f"AS ({column.computed})")
        parts.append(" ".join(words))
    if table.source_key == "composite":
        key = [column for column in table.columns if not column.computed][:2]
        parts.append(f"PRIMARY KEY ({', '.join(quoted(column.name) for column in key)})")
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)}) {table.options}"


PREPARE = """
DROP SCHEMA IF EXISTS public CASCADE;
CREATE SCHEMA public;
CREATE TYPE "mo$$d {} %s" AS ENUM ('happy', 'sad');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN present AS text NOT NULL;
"""


def make_target(
    example: AnyDatabase, connection: psycopg2.extensions.connection, rows: Callable[[Table], list[list[Cell]]]
) -> None:
    """The target's tables with their rules and with the rows that are there before; committed.

    `rows` gives the source's rows of a table. Whatever PostgreSQL refuses is left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(PREPARE)
        tables = [table for table in example.tables if table.target is not None]
        for table in tables:
            columns = [f"{quoted(c.target)} {c.type}" for c in table.columns if c.target is not None]
            cursor.execute(f"CREATE TABLE public.{quoted(table.target or '')} ({', '.join(columns)})")
        for table in tables:
            _attempt(cursor, _key(table))
            for rule, one, other in table.rules:
                _attempt(cursor, _rule(table, rule, one, other))
        for table in tables:
            for reference in table.references:
                _attempt(cursor, _reference(example, table, reference))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        oracle = Oracle(connection)
        for table in tables:
            _prefill(cursor, oracle, table, rows(table))
    connection.commit()


def _attempt(cursor: psycopg2.extensions.cursor, statement: str) -> None:
    if not statement:
        return
    cursor.execute("SAVEPOINT attempt")
    try:
        cursor.execute(statement)
    except psycopg2.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT attempt")
    cursor.execute("RELEASE SAVEPOINT attempt")


def _key(table: Table) -> str:
    names = [table.columns[place].target for place in table.target_key]
    if not names or None in names:
        return ""
    return (
        f"ALTER TABLE public.{quoted(table.target or '')} ADD PRIMARY KEY ({', '.join(quoted(n or '') for n in names)})"
    )


def _rule(table: Table, rule: str, one: int, other: int) -> str:
    names = [quoted(column.target) for column in table.columns if column.target is not None]
    if not names:
        return ""
    name = f"public.{quoted(table.target or '')}"
    return rule.format(t=name, c=names[one % len(names)], d=names[other % len(names)])


def _reference(example: AnyDatabase, table: Table, reference: tuple[int, int, str]) -> str:
    column, parent_place, how = reference
    parent = example.tables[parent_place]
    child_name, parent_name = table.columns[column].target, parent.columns[parent.target_key[0]].target
    if child_name is None or parent_name is None or parent.target is None:
        return ""
    return (
        f"ALTER TABLE public.{quoted(table.target or '')} ADD FOREIGN KEY ({quoted(child_name)}) "
        f"REFERENCES public.{quoted(parent.target)} ({quoted(parent_name)}) {how}"
    )


def _prefill(cursor: psycopg2.extensions.cursor, oracle: Oracle, table: Table, rows: list[list[Cell]]) -> None:
    for number, blank in table.prefilled:
        if number >= len(rows):
            continue
        names, values = [], []
        for place, (column, cell) in enumerate(zip(table.columns, rows[number], strict=True)):
            expected = None if place == blank else oracle.expected(cell, column.type)
            if column.target is not None and expected is not REFUSED:
                names.append(quoted(column.target))
                values.append(literal(cursor.connection, expected))
        if names:
            _attempt(
                cursor,
                f"INSERT INTO public.{quoted(table.target or '')} ({', '.join(names)}) OVERRIDING SYSTEM VALUE "
                f"VALUES ({', '.join(values)})",
            )
