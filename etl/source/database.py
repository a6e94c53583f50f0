"""The source: one SQLite file in one consistent state, with its tables and their values."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from etl.concurrency.background import run_in_background
from etl.core.evidence import ColumnEvidence
from etl.core.source_tables import WHOLE_TABLE, RowidRange, SourceTable, quoted
from etl.core.time_units import NumberRange
from etl.core.values import LargeText, StorageValue, UndecodableText
from etl.source.fingerprint import Fingerprint, fingerprint
from etl.source.measure import measure_tables
from etl.source.snapshot import Snapshot
from etl.source.storage_classes import classes_of_tables, storage_classes

T = TypeVar("T")
ROWS_PER_LOOKUP = 500  # well below SQLite's limit of 32,766 bound parameters
_LEAST = -(2**63) + 1  # of which `abs` is a number, too


class Source(Snapshot):
    """An open SQLite database in one read transaction; use it in a `with` statement."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._measured: Future[dict[str, SourceTable]] | None = None
        self._classes: Future[dict[str, dict[str, ColumnEvidence]]] | None = None
        self._begun: list[Future[Any]] = []
        self._fingerprint: Future[Fingerprint | None] | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.left = True
        self._close_after(self._begun)

    def begin(self, work: Callable[[], T], *, name: str) -> "Future[T]":
        """Runs `work`, which reads from here, on a thread called `name`; nothing is closed before it has ended."""
        future = run_in_background(work, name=name)
        self._begun.append(future)
        return future

    def _close_after(self, reading: "Sequence[Future[Any]]") -> None:
        if reading:
            reading[0].add_done_callback(lambda _: self._close_after(reading[1:]))
        else:
            self.close()

    # -- tables -------------------------------------------------------------------------------------------------

    def measure_ahead(self) -> None:
        """Begins on a thread of its own to find out what `tables` will be asked for."""
        self._measured = self.begin(lambda: measure_tables(self), name="etl-measure")

    def count_classes_ahead(self, only: Collection[str] = ()) -> None:
        """Begins on a thread of its own to find out what `storage_classes` will be asked for, of all tables or `only`
        these. Once begun, a second call changes nothing."""
        if self._classes is None:
            self._classes = self.begin(lambda: classes_of_tables(self, only), name="etl-classes")

    def fingerprint_ahead(self) -> None:
        """Begins to compute the file's fingerprint, which nobody has to wait for before the end."""
        self._fingerprint = run_in_background(
            lambda: fingerprint(self.path, stopped=lambda: self.left), name="etl-fingerprint"
        )

    def fingerprint(self, *, wait: bool) -> Fingerprint | None:
        """The file's fingerprint; None where there is none, or (without `wait`) not yet."""
        if self._fingerprint is None or not (wait or self._fingerprint.done()):
            return None
        return self._fingerprint.result()

    @cached_property
    def tables(self) -> dict[str, SourceTable]:
        """The tables by name: SQLite's own, those that modules keep their content in, and virtual ones without rows of
        their own left out."""
        return measure_tables(self) if self._measured is None else self._measured.result()

    def storage_classes(self, table: str, columns: Sequence[str]) -> dict[str, ColumnEvidence]:
        """The storage classes of the values in each of these columns of `table`."""
        known = self._classes.result() if self._classes is not None else {}
        if table in known:
            return {column: known[table][column] for column in columns}
        return storage_classes(self, table, columns)

    # -- values -------------------------------------------------------------------------------------------------

    def query(self, statement: str, parameters: Sequence[StorageValue] = ()) -> list[tuple[StorageValue, ...]]:
        """All rows of a SELECT in this state; for questions that no other method answers."""
        with self.failing_clearly():
            return self.careful.execute(statement, parameters).fetchall()

    def count(self, rows: str) -> int:
        """How many rows there are; `rows` is SQL from its FROM on."""
        with self.failing_clearly():
            return int(self.careful.execute(f"SELECT count(*) {rows}").fetchone()[0])

    def number_ranges(self, table: str, columns: Sequence[str]) -> dict[str, NumberRange | None]:
        """The numbers in each of these columns of `table`: lowest, highest, whether any is a real; None without any."""
        parts = []
        for column in columns:
            number = f"CASE WHEN typeof({quoted(column)}) IN ('integer', 'real') THEN {quoted(column)} END"
            parts += [f"min({number})", f"max({number})", f"min(nullif(abs(max({number}, {_LEAST})), 0))"]
            parts.append(f"max(typeof({quoted(column)}) = 'real')")
        with self.failing_clearly():
            query = f"SELECT {', '.join(parts)} FROM main.{quoted(table)} NOT INDEXED"
            answers = self.careful.execute(query).fetchone()
        return {
            column: None if low is None else NumberRange(low, high, least or 0, bool(reals))
            for column, low, high, least, reals in zip(columns, *(answers[place::4] for place in range(4)), strict=True)
        }

    def count_values(self, table: str, column: str) -> int:
        """How many rows of `table` hold a value (not NULL) in `column`."""
        with self.failing_clearly():
            query = f"SELECT count({quoted(column)}) FROM main.{quoted(table)} NOT INDEXED"
            return int(self.careful.execute(query).fetchone()[0])

    def has_row(self, table: str, key: dict[str, StorageValue], *, exactly: bool = False) -> bool:
        """Whether the source itself has a row of `table` with these values, by its own collations or `exactly`."""
        collation = " COLLATE BINARY" if exactly else ""
        condition = " AND ".join(f"{quoted(column)} = ?{collation}" for column in key)
        values = [_as_parameter(value) for value in key.values()]
        with self.failing_clearly():
            query = f"SELECT 1 FROM main.{quoted(table)} WHERE {condition} LIMIT 1"
            return self.careful.execute(query, values).fetchone() is not None

    def stream(
        self,
        table: SourceTable,
        columns: Sequence[str],
        *,
        part: RowidRange = WHOLE_TABLE,
        limit: int | None = None,
    ) -> Iterator[tuple[int | None, tuple[StorageValue, ...]]]:
        """(rowid, values) of each row in the table's own order, values exactly as stored; TEXT that is not UTF-8 as
        `UndecodableText`, large TEXT as `LargeText`."""
        with self.failing_clearly():
            query = _stream_query(table, columns, part, limit)
            # `map` keeps no row: a large value is held by whoever uses it, and by nobody else.
            yield from map(_rowid_and_values, self.careful.execute(query))

    def rows(
        self, table: SourceTable, numbers: Sequence[int], rowids: Sequence[int | None]
    ) -> Iterator[tuple[int, dict[str, StorageValue]]]:
        """The original rows behind row numbers (found by rowid, or by counting where there is none), in their order."""
        if table.rowid_name is None:
            wanted = set(numbers)
            for number, (_, values) in enumerate(self.stream(table, table.column_names), start=1):
                if number in wanted:
                    wanted.remove(number)
                    yield number, dict(zip(table.column_names, values, strict=True))
            self._miss_none(table, len(wanted))
            return
        by_rowid = sorted(zip(rowids, numbers, strict=True), key=lambda pair: pair[1])
        for start in range(0, len(by_rowid), ROWS_PER_LOOKUP):
            yield from self._lookup(table, by_rowid[start : start + ROWS_PER_LOOKUP])

    def _lookup(
        self, table: SourceTable, wanted: Sequence[tuple[int | None, int]]
    ) -> Iterator[tuple[int, dict[str, StorageValue]]]:
        number_of = dict(wanted)
        columns = ", ".join(map(quoted, table.column_names))
        marks = ", ".join("?" * len(wanted))
        query = (
            f"SELECT {table.rowid_name}, {columns} FROM main.{quoted(table.name)} "
            f"WHERE {table.rowid_name} IN ({marks}) ORDER BY {table.rowid_name}"
        )
        with self.failing_clearly():
            missing = len(wanted)
            for rowid, values in map(_rowid_and_values, self.careful.execute(query, [rowid for rowid, _ in wanted])):
                missing -= 1
                yield number_of[rowid], dict(zip(table.column_names, values, strict=True))
        self._miss_none(table, missing)

    def _miss_none(self, table: SourceTable, missing: int) -> None:
        if missing:
            raise self.damaged(f"rows of table {table.name!r} ({missing:,}) are not found again by their rowid")


def _rowid_and_values(row: tuple[Any, ...]) -> tuple[int | None, tuple[StorageValue, ...]]:
    return row[0], row[1:]


def _stream_query(table: SourceTable, columns: Sequence[str], part: RowidRange, limit: int | None) -> str:
    rowid = table.rowid_name
    names = ", ".join([rowid or "NULL", *map(quoted, columns)])
    query = f"SELECT {names} FROM main.{quoted(table.name)} NOT INDEXED"
    if rowid is not None:
        query += f"{within(rowid, part)} ORDER BY {rowid}"
    return query + (f" LIMIT {limit}" if limit is not None else "")


def within(rowid: str, part: RowidRange) -> str:
    """The WHERE clause for the rows of a part; nothing for those of the whole table."""
    limits = [f"{rowid} {sign} {limit}" for sign, limit in ((">", part.after), ("<=", part.until)) if limit is not None]
    return f" WHERE {' AND '.join(limits)}" if limits else ""


def _as_parameter(value: StorageValue) -> int | float | str | bytes | None:
    if isinstance(value, UndecodableText):
        return bytes(value)
    return str(value) if isinstance(value, LargeText) else value
