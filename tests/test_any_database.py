"""Whatever the source and the target are: the books close, what was loaded is right, what was not has a reason.

The expectations come from an independent reading of both sides (`any_value`), not from the product's code.
"""

import base64
import contextlib
import json
import math
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
from any_database import AnyDatabase, Table, databases, make_source, make_target, unfit
from any_value import REFUSED, Cell, Oracle, Undecodable, canonical, expression, literal
from conftest import Database, Server, fresh_database
from hypothesis import given
from psycopg2 import sql
from support import connected, load, rejects, state, table_report

from etl.errors import DriftError, EtlError
from etl.report import Report, Status
from etl.source import quoted

Values = dict[str, Any]


@pytest.fixture(scope="module")
def playground(server: Server) -> Iterator[Database]:
    """One database for all examples; each makes its schema anew."""
    with fresh_database(server) as found:
        yield found


@given(databases())
def test_any_database_closes_its_books(playground: Database, example: AnyDatabase) -> None:
    """Dry run, load and second run of any database."""
    with tempfile.TemporaryDirectory() as folder:
        check(playground, example, Path(folder))


def check(database: Database, example: AnyDatabase, folder: Path) -> None:
    """The whole promise, for one example."""
    path = folder / "any.db"
    make_source(example, path)
    with connected(database) as connection:
        connection.cursor().execute("SET TimeZone = 'UTC'")
        make_target(example, connection, lambda table: list(map(list, source_rows(path, table))))
        pairs, doubtful = matched([table.name for table in example.tables], target_tables(connection))
        sides = [Sides(connection, path, table, pairs.get(table.name)) for table in example.tables]
        connection.rollback()
        before = state(database)
        legitimate = ["could be any of"] if doubtful else reasons_to_refuse(sides, example.extra_columns)
        forecast = attempt(database, example, path, folder / "dry", dry_run=True)
        assert state(database) == before, "a dry run changed the target"
        report = attempt(database, example, path, folder / "run")
        if isinstance(report, EtlError):
            assert isinstance(report, DriftError), report
            assert any(reason in str(report) for reason in legitimate), (legitimate, report)
            assert str(forecast) == str(report)
            assert state(database) == before, "a refused run changed the target"
            return
        assert not legitimate, f"loaded although: {legitimate}"
        assert isinstance(forecast, Report), forecast
        for side in sides:
            if example.extra_columns == "add":
                side.columns_were_added()
            side.check(report)
        check_forecast(forecast, report)
        connection.rollback()
        check_again(database, example, path, folder / "again", report)


def attempt(
    database: Database, example: AnyDatabase, path: Path, folder: Path, *, dry_run: bool = False
) -> Report | EtlError:
    """A run, or why it was refused."""
    try:
        return load(
            database,
            path,
            folder,
            dry_run=dry_run,
            extra_columns=example.extra_columns,
            keep_constraints=example.keep_constraints,
            batch_rows=example.batch_rows,
        )
    except EtlError as error:
        return error


def check_forecast(forecast: Report, report: Report) -> None:
    """A dry run says what the load then does."""
    for expected, found in zip(forecast.tables, report.tables, strict=True):
        for count in ("source_rows", "loaded_rows", "present_rows", "present_different_rows", "rejected_rows"):
            assert getattr(expected, count) == getattr(found, count), (count, expected, found)


def check_again(database: Database, example: AnyDatabase, path: Path, folder: Path, first: Report) -> None:
    """A second run finds everything there."""
    before = state(database)
    second = attempt(database, example, path, folder)
    assert isinstance(second, Report), second
    for one, other in zip(first.tables, second.tables, strict=True):
        assert other.loaded_rows in (0, None), other
        assert other.rejected_rows == one.rejected_rows
        assert not other.unaccounted_rows
    assert state(database) == before, "a second run changed the target"


# -- both sides, read without the product --------------------------------------------------------------------------


def decode(raw: bytes) -> Cell:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Undecodable(raw)


def source_rows(path: Path, table: Table) -> list[tuple[Cell, ...]]:
    """The rows as SQLite holds them, in its order."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = decode
        return connection.execute(f"SELECT * FROM {quoted(table.name)} NOT INDEXED").fetchall()


def target_tables(connection: psycopg2.extensions.connection) -> list[str]:
    """The names of the target's tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return [name for (name,) in cursor.fetchall()]


def matched(names: list[str], available: list[str]) -> tuple[dict[str, str], bool]:
    """Pairs of names, equal or else alike but for case; and whether that left a choice."""
    pairs = {name: name for name in names if name in available}
    free = [name for name in available if name not in pairs]
    doubtful = False
    for name in names:
        if name in pairs:
            continue
        alike = [other for other in free if other.lower() == name.lower()]
        rivals = [other for other in names if other not in available and other.lower() == name.lower()]
        if len(alike) == 1 and len(rivals) == 1:
            pairs[name] = alike[0]
        doubtful |= bool(alike) and len(alike) * len(rivals) > 1
    return pairs, doubtful


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
        self, connection: psycopg2.extensions.connection, path: Path, table: Table, target: str | None
    ) -> None:
        self.connection = connection
        self.table = table
        self.rows = source_rows(path, table)
        self.names = [column.name for column in table.columns]
        self.target = target
        if self.target is None:
            return
        self.columns = self._columns()
        self.pairs, self.doubtful = matched(self.names, [column.name for column in self.columns])
        computed = {column.name for column in self.columns if column.computed}
        types = {column.name: column.type for column in table.columns}
        self.types = {name: types[name] for name, target in self.pairs.items() if target not in computed}
        self.before = self._contents()
        self._expect()

    def _expect(self) -> None:
        oracle = Oracle(self.connection)
        self.expected = [
            {name: oracle.expected(row[self.names.index(name)], type_) for name, type_ in self.types.items()}
            for row in self.rows
        ]

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
        return [TargetColumn(*row) for row in self._ask(sql.SQL(query).format(self._oid))]

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

    def check(self, report: Report) -> None:
        """Every row is where it should be."""
        if self.target is None or not self.types:
            found = table_report(report, self.table.name)
            assert (found.status, found.source_rows) == (Status.NOT_MIGRATED, len(self.rows))
            assert bool(self.rows) <= (report.exit_code == 3)
            return
        found = table_report(report, self.target)
        refused = self._check_rejects(report)
        counts = (found.loaded_rows, found.present_rows, found.rejected_rows)
        assert found.unaccounted_rows == 0
        assert found.source_rows == len(self.rows) == sum(count or 0 for count in counts), found
        after = self._contents()
        assert self.before <= after, "rows that were there before are gone"
        loaded = after - self.before
        kept = [self._form(row) for number, row in enumerate(self.expected, start=1) if number not in refused]
        assert loaded <= Counter(kept), (loaded, kept)
        assert loaded.total() == found.loaded_rows
        present = Counter(kept) - loaded
        assert present.total() == found.present_rows
        self._check_present(present)
        assert not found.missing_rows
        assert found.extra_rows == found.extra_present_rows, report.differences
        assert all(d["present_before"] for d in report.differences if d["table"] == self.target), report.differences
        faults = found.rejected_rows or found.present_different_rows or found.different_rows
        assert bool(faults) <= (report.exit_code == 3)

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


# -- why a run may be refused --------------------------------------------------------------------------------------


def reasons_to_refuse(sides: list[Sides], extra_columns: str) -> list[str]:
    """Words of the messages with which a load of these may, and must, be refused."""
    reasons: list[str] = []
    here = [side for side in sides if side.target is not None]
    if not any(side.types or (extra_columns == "add" and any(map(side.holds_values, side.names))) for side in here):
        reasons = ["is it the right database?", "The target has no tables"]
    for side in here:
        if side.doubtful:
            reasons.append("could be any of")
        extra = [name for name in side.names if name not in side.pairs and side.holds_values(name)]
        if extra and extra_columns == "stop":
            reasons.append("columns with values that the target lacks")
        if extra_columns == "add" and any(map(unfit, extra)):
            reasons.append("PostgreSQL cannot have columns of these names")
        given = set(side.pairs.values())
        required = [c for c in side.columns if c.not_null and not (c.has_default or c.computed or c.name in given)]
        if required and side.rows:
            reasons.append("requires columns that the source lacks")
    return reasons
