"""One table of both sides, read without the product: what should become of its rows, and whether it did.

The source is read by `sqlite3`, the target by psycopg2; what a value should become says `any_value`.
"""

import base64
import contextlib
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from etl.core.report import Status, TableReport
from etl.core.source_tables import quoted
from etl.reporting.report import Report
from support.any_database import cut
from support.any_value import REFUSED, Cell, Oracle, Undecodable, canonical, expression, literal, short_type
from support.loads import rejects, table_report

Values = dict[str, Any]
COMPUTED = 2
"""What a column that the target computes holds in every row; such columns are integers."""


def decode(raw: bytes) -> Cell:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Undecodable(raw)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = decode
        yield connection


def source_rows(path: Path, table: str) -> list[tuple[Cell, ...]]:
    """The rows as SQLite holds them, in its order."""
    with _opened(path) as connection:
        return connection.execute(f"SELECT * FROM {quoted(table)} NOT INDEXED").fetchall()


def source_tables(path: Path) -> list[str]:
    """The names of the tables that an application made."""
    with _opened(path) as connection:
        listed = connection.execute("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main'")
        return [name for (name,) in listed if not name.startswith("sqlite_")]


def is_sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    try:
        with _opened(path) as connection:
            return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    except (sqlite3.Error, UnicodeDecodeError):  # its message may quote what is damaged
        return False


def source_columns(path: Path, table: str) -> list[str]:
    """The names of a table's columns."""
    with _opened(path) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_xinfo({quoted(table)})")]


def target_tables(connection: psycopg2.extensions.connection) -> list[str]:
    """The names of the target's tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return [name for (name,) in cursor.fetchall()]


def matched(names: list[str], available: list[str]) -> tuple[dict[str, str], bool]:
    """Pairs of names: equal, else alike but for case, else cut at 63 bytes, else by letters and digits alone; and
    whether that left a choice."""
    pairs: dict[str, str] = {}
    doubtful = False
    left, free = list(names), list(available)
    for same in (str, str.lower, lambda name: cut(name).lower(), letters):
        for name in list(left):
            alike = [other for other in free if same(other) == same(name) != ""]
            rivals = [other for other in left if same(other) == same(name)]
            if not alike or name not in left:
                continue
            if len(alike) == len(rivals) == 1:
                pairs[name] = alike[0]
            doubtful |= len(alike) * len(rivals) > 1
            left = [other for other in left if other not in rivals]
            free = [other for other in free if other not in alike]
    return pairs, doubtful


def letters(name: str) -> str:
    """Letters and digits in lower case."""
    return "".join(filter(str.isalnum, name.lower()))


@dataclass(frozen=True)
class TargetColumn:
    """What PostgreSQL says of a column."""

    name: str
    type: str
    not_null: bool
    has_default: bool
    computed: bool


class Sides:
    """One table of both sides, as it is before the load; `check` looks at what became of it."""

    def __init__(
        self,
        connection: psycopg2.extensions.connection,
        path: Path,
        table: str,
        target: str | None,
        *,
        empty_before: bool = False,
    ) -> None:
        self.connection = connection
        self.table = table
        self.rows = source_rows(path, table)
        self.names = source_columns(path, table)
        self.target = target
        if self.target is None:
            return
        self.columns = self._columns()
        self.pairs, self.doubtful = matched(self.names, [column.name for column in self.columns])
        types = {column.name: column.type for column in self.columns if not column.computed}
        self.types = {name: types[other] for name, other in self.pairs.items() if other in types}
        self.computed = [name for name in self.pairs if name not in self.types and self.holds_values(name)]
        self.before = Counter() if empty_before else self._contents()
        self._expect()

    def _expect(self) -> None:
        oracle = Oracle(self.connection)
        self.expected = [
            {name: oracle.expected(row[self.names.index(name)], type_) for name, type_ in self.types.items()}
            for row in self.rows
        ]
        self.computed_otherwise = {
            number
            for number, row in enumerate(self.rows, start=1)
            if any(oracle.expected(row[self.names.index(name)], "integer") != COMPUTED for name in self.computed)
        }

    def columns_were_added(self) -> None:
        """The target now has the columns that it lacked; they were empty before."""
        if self.target is None:
            return
        added = {column.name: column.type for column in self._columns() if column not in self.columns}
        self.pairs |= {name: name for name in added}
        self.types |= added
        self.before = Counter({(*row, *([None] * len(added))): count for row, count in self.before.items()})
        self._expect()

    def holds_values(self, name: str) -> bool:
        """Whether any row has a value in this column."""
        return any(row[self.names.index(name)] is not None for row in self.rows)

    # -- the target's side

    def _ask(self, query: sql.Composable) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    @property
    def _name(self) -> sql.Identifier:
        return sql.Identifier("public", self.target or "")

    @property
    def _oid(self) -> sql.Composable:
        return sql.SQL("{}::regclass").format(sql.Literal(f"public.{quoted(self.target or '')}"))

    def _columns(self) -> list[TargetColumn]:
        query = (
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull, atthasdef OR attidentity <> '', "
            "attgenerated <> '' FROM pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped"
        )
        rows = self._ask(sql.SQL(query).format(self._oid))
        return [TargetColumn(name, short_type(type_), *rest) for name, type_, *rest in rows]

    def _keys(self) -> list[tuple[str, ...]]:
        query = (
            "SELECT array_agg(attname::text) FROM pg_index JOIN pg_attribute ON attrelid = indrelid "
            "AND attnum = ANY(indkey) WHERE indrelid = {} AND indisunique GROUP BY indexrelid"
        )
        return [tuple(names) for (names,) in self._ask(sql.SQL(query).format(self._oid))]

    def _contents(self) -> Counter[tuple[Any, ...]]:
        """The planned columns of all rows, in a form that can be compared."""
        names = list(self.types)
        columns = [expression(sql.Identifier(self.pairs[name]), self.types[name]) for name in names]
        rows = self._ask(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), self._name))
        return Counter(tuple(canonical(v, self.types[n]) for n, v in zip(names, row, strict=True)) for row in rows)

    # -- what became of the rows

    def check(self, report: Report) -> bool:
        """Every row is where it should be. Returns whether all of them arrived as they are."""
        if self.target is None or not self.types:
            found = table_report(report, self.table)
            assert (found.status, found.source_rows) == (Status.NOT_MIGRATED, len(self.rows))
            return not self.rows
        found = table_report(report, self.target)
        refused = self._check_rejects(report)
        counts = (found.loaded_rows, found.present_rows, found.rejected_rows)
        assert found.unaccounted_rows == 0
        assert found.source_rows == len(self.rows) == sum(count or 0 for count in counts), found
        after = self._contents()
        assert self.before <= after, "rows that were there before are gone"
        loaded = after - self.before
        kept = [self._form(row) for number, row in enumerate(self.expected, start=1) if number not in refused]
        assert loaded <= Counter(kept), (loaded - Counter(kept), Counter(kept) - loaded)
        assert loaded.total() == found.loaded_rows
        present = Counter(kept) - loaded
        assert present.total() == found.present_rows
        self._check_present(present)
        otherwise = self._check_computed(found, refused)
        differences = [d for d in report.differences if d["table"] == self.target and not d["present_before"]]
        assert len(differences) <= 2 * otherwise * len(self.computed), differences
        return not (refused or found.present_different_rows or found.different_rows or otherwise)

    def _check_computed(self, found: TableReport, refused: dict[int, dict[str, Any]]) -> int:
        """A row whose value the target computes otherwise is different or, where it is known by its content alone,
        missing, with the target's own beside it. Returns how many there are; for all others neither is true."""
        otherwise = len(self.computed_otherwise - refused.keys())
        extra = found.extra_rows - found.extra_present_rows
        if found.missing_rows:
            assert (found.missing_rows, found.different_rows) == (otherwise, 0), found
            assert extra <= otherwise, found
        else:
            assert found.different_rows >= otherwise, found
            assert not extra, found
        return otherwise

    def _form(self, row: Values) -> tuple[Any, ...]:
        assert REFUSED not in row.values(), ("loaded or present although it cannot be converted", row)
        return tuple(canonical(value, self.types[name]) for name, value in row.items())

    def _check_present(self, present: Counter[tuple[Any, ...]]) -> None:
        names = list(self.types)
        keys = [tuple(name for name in names if self.pairs[name] in key) for key in self._keys()]
        for row in present:
            same = any(
                all(row[names.index(name)] == other[names.index(name)] for name in key)
                for other in self.before
                for key in keys
                if key
            )
            assert same or row in self.before, ("not present", row, self.before)

    def _check_rejects(self, report: Report) -> dict[int, dict[str, Any]]:
        """The reject file holds its rows as they are, each with a reason that stands up."""
        lines = {line["row_number"]: line for line in rejects(report, self.target or "")}
        for number, line in lines.items():
            original = dict(zip(self.names, self.rows[number - 1], strict=True))
            assert line["row"] == {name: in_json(value) for name, value in original.items()}
            expected = self.expected[number - 1]
            if line["stage"] == "convert":
                assert expected[line["column"]] is REFUSED, (line, expected)
            elif REFUSED in expected.values():  # two faults: the target also requires a value that it lacks
                assert "NOT NULL" in line["reason"], line
                assert original[line["column"]] is None, line
            else:
                assert self._server_refuses(expected) or self._is_second(line, lines), (line, expected)
        return lines

    def _server_refuses(self, row: Values) -> bool:
        """Whether PostgreSQL itself does not take the row, as things are now."""
        columns = sql.SQL(", ").join(sql.Identifier(self.pairs[name]) for name in row)
        values = sql.SQL(", ").join(sql.SQL(literal(self.connection, value)) for value in row.values())
        statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
            self._name, columns, values
        )
        with self.connection.cursor() as cursor:
            cursor.execute("SAVEPOINT trial")
            try:
                cursor.execute(statement)
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            except (psycopg2.IntegrityError, psycopg2.DataError):
                return True
            finally:
                cursor.execute("ROLLBACK TO SAVEPOINT trial")
        return False

    @staticmethod
    def _is_second(line: dict[str, Any], lines: dict[int, dict[str, Any]]) -> bool:
        """Whether an earlier row, rejected for another reason, has the key that this one would take."""
        return "is taken by row number" in line["reason"] and int(line["reason"].rsplit(" ", 1)[1]) in lines


def in_json(value: Cell) -> object:
    """A value of SQLite as the reject file spells it."""
    if isinstance(value, bytes):
        text = {"text": True} if isinstance(value, Undecodable) else {}
        return {"base64": base64.b64encode(value).decode(), **text}
    if isinstance(value, float) and math.isinf(value):
        return {"real": str(value)}
    return json.loads(json.dumps(value))
