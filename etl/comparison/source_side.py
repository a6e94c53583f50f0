"""The source's side of a comparison: its rows in the order of the key, and single rows as they are stored.

Keys that SQLite would order otherwise than PostgreSQL, and whole rows of tables without a key, are first brought into a
canonical form (`canonical.py`) in a temporary table of the reading connection; nothing is written to the file.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.comparison.canonical import Canonical
from etl.comparison.large import SQLITE_FUNCTIONS
from etl.comparison.wire import Wire, ordinary_key_sql, source_is_native_sql, source_sql
from etl.concurrency.background import Channel
from etl.core.errors import SourceError
from etl.core.plan import ColumnPlan, TablePlan
from etl.core.source_tables import quoted
from etl.core.values import LARGE_BYTES, StorageValue, UndecodableText, size_of
from etl.files.mended_files import MendedRow
from etl.source.database import ROWS_PER_LOOKUP, Source

CHUNK_ROWS = 20_000
CHUNK_BYTES = 8 * 2**20
ROW = "rowid"
_FETCH_BYTES = 32 * 2**20  # the most that is read before its size is looked at
_ORDER = "temp.etl_order"
_COPY = "temp.etl_copy"
_ONLY = "temp.etl_only"
_MENDED = "temp.etl_mended"
_OVERLAY = "temp.etl_overlay"
_OWN_ROWID = "etl_row_id_of_the_copy"


@dataclass(frozen=True)
class SourceRows:
    """How the rows of one table are read. `table` is SQL for FROM; `keys` are Arrow columns that order the rows.

    `canonical` says that the keys are those of the temporary table, bytes that PostgreSQL has to be asked for likewise.
    """

    source: Source
    plan: TablePlan
    wires: tuple[Wire, ...]
    table: str
    rowid: str
    utf8: bool
    canonical: bool
    only: str = ""  # SQL that chooses some of the rows

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the Arrow columns that the rows are ordered by."""
        if self.canonical:
            return tuple(f"k{place}" for place in range(max(1, len(self.plan.key))))
        names = {wire.column.target: wire.name for wire in self.wires}
        return tuple(names[column.target] for column in self.plan.key)

    @property
    def large(self) -> bool:
        """Whether values may be so large that only this connection's own functions keep them bounded."""
        return self.plan.source.largest_row_bytes > LARGE_BYTES

    @property
    def one_connection(self) -> bool:
        """Whether the rows come from the connection that also looks up single rows."""
        return self.canonical or self.large or self.table in (_COPY, _OVERLAY) or bool(self.only)

    @property
    def where(self) -> str:
        """The WHERE clause that chooses the rows; nothing for all of them."""
        return f"WHERE {self.only}" if self.only else ""

    def batches(self) -> Generator[pa.RecordBatch]:
        """All rows in their order: `ROW`, the wires, and the keys if these are `canonical`."""
        with closing(self._canonically_ordered() if self.canonical else self._ordered()) as parts:
            yield from gathered(parts)

    def read(self, channel: Channel[pa.RecordBatch]) -> None:
        """Puts `batches` into `channel`."""
        with closing(self.batches()) as batches:
            for batch in batches:
                channel.put(batch)

    def originals(self, rowids: Sequence[int]) -> dict[int, dict[str, StorageValue]]:
        """Rows as they are stored, all columns by name; TEXT that is not UTF-8 as `UndecodableText`."""
        names = self.plan.source.column_names
        columns = ", ".join(map(quoted, names))
        found: dict[int, dict[str, StorageValue]] = {}
        for start in range(0, len(rowids), ROWS_PER_LOOKUP):
            wanted = rowids[start : start + ROWS_PER_LOOKUP]
            marks = ", ".join("?" * len(wanted))
            query = f"SELECT {self.rowid}, {columns} FROM {self.table} t WHERE {self.rowid} IN ({marks})"
            for rowid, *values in self._execute(query, wanted):
                found[rowid] = dict(zip(names, values, strict=True))
        return found

    def close(self) -> None:
        """Drops the temporary tables."""
        self._execute(f"DROP VIEW IF EXISTS {_OVERLAY}")
        for name in (_ORDER, _MENDED, _COPY, _ONLY):
            self._execute(f"DROP TABLE IF EXISTS {name}")

    def _execute(self, query: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        return execute(self.source, query, parameters)

    # -- the two orders -----------------------------------------------------------------------------------------

    def _selected(self) -> list[tuple[str, pa.DataType, str]]:
        """Arrow name, type and SQL of everything that is read of a row."""
        found = [(ROW, pa.int64(), self.rowid)]
        for wire in self.wires:
            column = f"t.{quoted(wire.column.source)}"
            expression = source_sql(column, wire.column, utf8=self.utf8, large=self.large)
            found.append((wire.name, wire.arrow_type, expression))
            if wire.zoned:
                found.append((wire.native, pa.int64(), source_is_native_sql(column, wire.column.type)))
        return found

    def _ordered(self) -> Generator[pa.RecordBatch]:
        """In the order of the key as SQLite has it, by the fast driver where it sees the table."""
        order = ", ".join(f"t.{quoted(column.source)} COLLATE BINARY" for column in self.plan.key)
        selected = self._selected()
        query = f"SELECT {_list(selected)} FROM {self.table} t {self.where} ORDER BY {order}, {self.rowid}"
        if self.one_connection:
            yield from self._slowly(query, selected)
        else:
            yield from self._fast(query, selected)

    def _canonically_ordered(self) -> Generator[pa.RecordBatch]:
        keys = [(name, pa.binary(), f"o.{name}") for name in self.keys]
        selected = keys + self._selected()
        order = ", ".join(f"o.{name}" for name in self.keys)
        query = (
            f"SELECT {_list(selected)} FROM {_ORDER} o JOIN {self.table} t ON {self.rowid} = o.row "
            f"ORDER BY {order}, o.row"
        )
        yield from self._slowly(query, selected)

    def _fast(self, query: str, selected: Sequence[tuple[str, pa.DataType, str]]) -> Generator[pa.RecordBatch]:
        """ADBC takes a column's type from its first row, which is therefore one of ours."""
        samples = {pa.int64(): "0", pa.float64(): "0.0", pa.binary(): "''"}
        first = ", ".join(samples[kind] for _, kind, _ in selected)
        rows = _fetch_rows(self.plan)
        with self.source.fast.cursor() as cursor:
            try:
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(rows)})
                cursor.execute(f"SELECT {first} UNION ALL SELECT * FROM ({query})")
                for place, batch in enumerate(cursor.fetch_record_batch()):
                    yield _named(batch.slice(1) if place == 0 else batch, selected)
            except (OSError, self.source.fast.Error) as error:
                raise SourceError(
                    f"{self.source.path}: table {self.plan.source.name!r} cannot be read: {error}"
                ) from error

    def _slowly(self, query: str, selected: Sequence[tuple[str, pa.DataType, str]]) -> Generator[pa.RecordBatch]:
        for page in _bounded_pages(self._execute(query)):
            arrays = [
                pa.array(_bytes(column) if kind == pa.binary() else column, kind)
                for column, (_, kind, _) in zip(zip(*page, strict=True), selected, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=[name for name, _, _ in selected])


def open_rows(
    source: Source,
    plan: TablePlan,
    wires: tuple[Wire, ...],
    canonical: Canonical,
    chosen: npt.NDArray[np.int64] | None = None,
    mended: Collection[MendedRow] = (),
) -> SourceRows:
    """The rows of one table, or those `chosen` by rowid, ready to be read in an order that PostgreSQL can follow.

    A table without rowids is copied into a temporary one, whose rowids are the row numbers. Rows that were `mended`
    have the values that were loaded instead of their own.
    """
    table, rowid = f"main.{quoted(plan.source.name)}", f"t.{plan.source.rowid_name}"
    if plan.source.rowid_name is None:
        _copy_rows(source, table)
        table, rowid = _COPY, _copied_rowid(source)
    if mended:
        _lay_over(source, plan, table, rowid, mended)
        table, rowid = _OVERLAY, f"t.{_OWN_ROWID}"
    utf8 = execute(source, "PRAGMA encoding").fetchone()[0] == "UTF-8"
    only = "" if chosen is None else _choose(source, rowid, chosen)
    rows = SourceRows(source, plan, wires, table, rowid, utf8, canonical=False, only=only)
    if rows.large:
        for name, function in SQLITE_FUNCTIONS.items():
            source.careful.create_function(name, 1, function, deterministic=True)
    return rows if _is_ordinary(rows) else make_canonical(rows, canonical)


def _choose(source: Source, rowid: str, chosen: npt.NDArray[np.int64]) -> str:
    execute(source, "CREATE TEMP TABLE etl_only (row INTEGER PRIMARY KEY)")
    executemany(source, f"INSERT INTO {_ONLY} VALUES (?)", ((number,) for number in chosen.tolist()))
    return f"{rowid} IN (SELECT row FROM {_ONLY})"


def make_canonical(rows: SourceRows, canonical: Canonical) -> SourceRows:
    """The same rows, to be read in the order of their canonical keys."""
    ready = replace(rows, canonical=True)
    names = ", ".join(f"{name} BLOB" for name in ready.keys)
    execute(rows.source, f"CREATE TEMP TABLE etl_order ({names}, row INTEGER)")
    marks = ", ".join("?" * (len(ready.keys) + 1))
    columns = rows.plan.key or rows.plan.columns
    for page in _pages(rows, columns):
        keys = canonical.of_columns(columns, [list(column) for column in zip(*page, strict=True)][1:])
        if not rows.plan.key:
            keys = [[row_digest(row) for row in zip(*keys, strict=True)]]
        entries = zip(*keys, [row[0] for row in page], strict=True)
        executemany(rows.source, f"INSERT INTO {_ORDER} VALUES ({marks})", entries)
    return ready


def row_digest(cells: Iterable[bytes | None]) -> bytes:
    """One digest for a whole row, which PostgreSQL computes likewise (`etl.comparison.target_side`)."""
    parts = ("-" if cell is None else hashlib.md5(cell, usedforsecurity=False).hexdigest() for cell in cells)
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest().encode()


def _bounded_pages(cursor: sqlite3.Cursor) -> Iterator[list[tuple[StorageValue, ...]]]:
    """Rows in pages of 20,000, or of about 8 MB."""
    page: list[tuple[StorageValue, ...]] = []
    size = 0
    for row in cursor:
        page.append(row)
        size += size_of(row)
        if len(page) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


def _pages(rows: SourceRows, columns: Sequence[ColumnPlan]) -> Iterator[list[tuple[StorageValue, ...]]]:
    names = ", ".join(f"t.{quoted(column.source)}" for column in columns)
    cursor = execute(rows.source, f"SELECT {rows.rowid}, {names} FROM {rows.table} t {rows.where}")
    size = _fetch_rows(rows.plan)
    while page := list(islice(cursor, size)):
        yield page


def _fetch_rows(plan: TablePlan) -> int:
    return max(1, min(CHUNK_ROWS, _FETCH_BYTES // max(plan.source.largest_row_bytes, 1)))


def _is_ordinary(rows: SourceRows) -> bool:
    """Whether every key is of the form in which both databases order alike."""
    columns = [(f"t.{quoted(column.source)}", column) for column in rows.plan.key]
    conditions = [ordinary_key_sql(name, column, utf8=rows.utf8) for name, column in columns]
    if not conditions or None in conditions:
        return False
    if any("etl_is_utf8" in (condition or "") for condition in conditions):
        rows.source.careful.create_function("etl_is_utf8", 1, _is_utf8, deterministic=True)
    wanted = " AND ".join(filter(None, conditions))
    return execute(rows.source, f"SELECT 1 FROM {rows.table} t WHERE NOT ({wanted}) LIMIT 1").fetchone() is None


def _is_utf8(content: bytes | None) -> bool:
    try:
        return content is None or content.decode() is not None
    except UnicodeDecodeError:
        return False


def _copy_rows(source: Source, table: str) -> None:
    """A copy of a table without rowid, or whose columns bear all three names of the rowid."""
    execute(source, f"CREATE TEMP TABLE etl_copy AS SELECT * FROM {table} NOT INDEXED")
    names = [str(row[1]) for row in execute(source, "PRAGMA temp.table_info(etl_copy)")]
    if {"rowid", "_rowid_", "oid"} <= {name.lower() for name in names}:
        execute(source, "DROP TABLE temp.etl_copy")
        columns = ", ".join(f"{quoted(name)} BLOB" for name in names)
        execute(source, f"CREATE TEMP TABLE etl_copy ({_OWN_ROWID} INTEGER PRIMARY KEY, {columns})")
        listed = ", ".join(map(quoted, names))
        execute(source, f"INSERT INTO temp.etl_copy ({listed}) SELECT {listed} FROM {table} NOT INDEXED")


def _lay_over(source: Source, plan: TablePlan, table: str, rowid: str, mended: Collection[MendedRow]) -> None:
    """A view of the table in which the mended rows stand instead of the source's own."""
    columns = ", ".join(f"t.{quoted(name)}" for name in plan.source.column_names)
    own = f"SELECT {rowid} AS {_OWN_ROWID}, {columns} FROM {table} t"
    execute(source, f"CREATE TEMP TABLE etl_mended AS {own} WHERE 0")
    execute(source, f"CREATE UNIQUE INDEX temp.etl_mended_rows ON etl_mended ({_OWN_ROWID})")
    for row in mended:
        execute(source, f"INSERT INTO {_MENDED} {own} WHERE {rowid} = ?", [row.identity])
        for name, value in row.values.items():
            mark = "CAST(? AS TEXT)" if isinstance(value, UndecodableText) else "?"
            change = f"UPDATE {_MENDED} SET {quoted(name)} = {mark} WHERE {_OWN_ROWID} = ?"
            execute(source, change, [value, row.identity])
    execute(
        source,
        f"CREATE TEMP VIEW etl_overlay AS {own} WHERE {rowid} NOT IN (SELECT {_OWN_ROWID} FROM {_MENDED}) "
        f"UNION ALL SELECT * FROM {_MENDED}",
    )


def _copied_rowid(source: Source) -> str:
    """How the rows of the copy are numbered: by SQLite's rowid, or a column of ours where all its names are taken."""
    taken = {str(row[1]).lower() for row in execute(source, "PRAGMA temp.table_info(etl_copy)")}
    return "t." + next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), _OWN_ROWID)


def execute(source: Source, query: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
    """Runs a statement on the careful connection; a damaged file is a `SourceError`."""
    try:
        return source.careful.execute(query, parameters)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{source.path} cannot be read: {error}.") from error


def executemany(source: Source, statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Runs a statement for each of `rows`."""
    try:
        source.careful.executemany(statement, rows)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{source.path} cannot be read: {error}.") from error


def gathered(batches: Iterable[pa.RecordBatch]) -> Generator[pa.RecordBatch]:
    """Small batches put together to ones that are worth comparing: 20,000 rows or 8 MB."""
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        pending.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield joined(pending)
            pending, rows, size = [], 0, 0
    if pending:
        yield joined(pending)


def joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch of several with the same columns."""
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches).combine_chunks()
    return table.to_batches()[0] if table.num_rows else batches[0]


def without_rows(batch: pa.RecordBatch, rowids: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """The batch without the rows of these rowids (sorted)."""
    if not len(rowids) or not batch.num_rows:
        return batch
    kept = ~np.isin(batch.column(ROW).to_numpy(zero_copy_only=False), rowids)
    return batch if kept.all() else batch.filter(pa.array(kept))


def split_null_keys(batch: pa.RecordBatch, keys: Sequence[str]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows with a whole key, and those that lack a part of it, which no row of the target can match."""
    if not any(batch.column(key).null_count for key in keys):
        return batch, batch.slice(0, 0)
    whole = pc.is_valid(batch.column(keys[0]))
    for key in keys[1:]:
        whole = pc.and_(whole, pc.is_valid(batch.column(key)))
    return batch.filter(whole), batch.filter(pc.invert(whole))


def _list(selected: Sequence[tuple[str, pa.DataType, str]]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, _, expression in selected)


def _named(batch: pa.RecordBatch, selected: Sequence[tuple[str, pa.DataType, str]]) -> pa.RecordBatch:
    arrays = [
        column.cast(kind) if column.type != kind else column
        for column, (_, kind, _) in zip(batch.columns, selected, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=[name for name, _, _ in selected])


def _bytes(values: Iterable[str | bytes | None]) -> list[bytes | None]:
    return [value.encode() if isinstance(value, str) else value for value in values]


def key_of(plan: TablePlan, row: Mapping[str, StorageValue]) -> dict[str, StorageValue]:
    """The key of an original row, by the source's column names."""
    return {column.source: row[column.source] for column in plan.key}
