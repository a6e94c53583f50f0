"""Batches of rows out of the source, as raw frames: every value exactly as SQLite stores it.

There are two lanes. The fast one lets ADBC build Arrow columns and holds while each column keeps to one storage class;
the query itself is written so that a stray value cannot pass unnoticed. Where one turns up, the careful lane reads
on with `sqlite3`, value by value, and the fast lane is tried again behind it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from etl.source import Source, SourceTable, StorageValue, quoted

BATCH_ROWS = 50_000
BATCH_BYTES = 32 * 2**20
CHUNK_BYTES = 16 * 2**20  # the most that the fast lane reads before it looks at the size again
CHUNK_ROWS = 8_192
SAMPLE_ROWS = 100
LARGE_ROW_BYTES = 2**20  # larger rows are read one by one, so that memory is bounded exactly
ROW_NUMBER = "row_number"

# What a column is expected to hold → (Arrow type, sentinel for the first row, expression). ADBC infers types from the
# first rows and upcasts among those, so the first row is a sentinel of the expected class. Later it raises for most
# strangers, but takes a BLOB for TEXT and an INTEGER for REAL: there the expression turns strangers into a BLOB,
# which for TEXT is invalid UTF-8 and for REAL does not fit. Observed with adbc-driver-sqlite 1.13.
_EXPECTED: dict[str, tuple[pa.DataType, str, str]] = {
    "integer": (pa.int64(), "0", "{column}"),
    "real": (
        pa.float64(),
        "0.0",
        "CASE typeof({column}) WHEN 'real' THEN {column} WHEN 'null' THEN NULL ELSE x'FF' END",
    ),
    "text": (pa.string(), "''", "CASE typeof({column}) WHEN 'text' THEN {column} WHEN 'null' THEN NULL ELSE x'FF' END"),
}
_CLASS_OF: dict[type, str] = {int: "integer", float: "real", str: "text", bytes: "blob"}


@dataclass(frozen=True)
class Batch:
    """Rows of one table: `frame` by row number (1-based, in the table's order), `rowids` beside it (None without)."""

    frame: pd.DataFrame
    rowids: npt.NDArray[np.int64] | None


class _StrangerError(Exception):
    """A value of another storage class than the column's expected one, somewhere in the next chunk."""


@dataclass
class _Position:
    number: int = 0
    rowid: int | None = None

    def advance(self, rows: int, rowid: int | None) -> None:
        self.number += rows
        self.rowid = rowid


def read_batches(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    *,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Batch]:
    """The whole table in order, each batch within `batch_rows` rows and about `batch_bytes` bytes.

    Column dtypes: ArrowDtype int64, double, string or binary where the batch holds one storage class besides NULL;
    ArrowDtype null where it holds none; else object with int, float, str, bytes, `UndecodableText` and None.
    """
    position = _Position()
    expected = _expected_classes(source, table, columns)
    if table.rowid_name is None or table.largest_row_bytes > LARGE_ROW_BYTES or "blob" in expected or not columns:
        yield from _careful(source, table, columns, position, batch_rows, batch_bytes)
        return
    careful_rows = batch_rows
    while position.number < table.row_count:
        try:
            yield from _fast(source, table, columns, expected, position, batch_rows, batch_bytes)
        except _StrangerError:
            yield from _careful(source, table, columns, position, batch_rows, batch_bytes, limit=careful_rows)
            careful_rows *= 2
        else:
            return


def _expected_classes(source: Source, table: SourceTable, columns: Sequence[str]) -> list[str]:
    """The storage class of each column, from its first rows, else from what its declared type makes likely."""
    sample = [values for _, values in source.stream(table, columns, limit=SAMPLE_ROWS)]
    declared = {column.name: column.declared_type for column in table.columns}
    classes = []
    for place, column in enumerate(columns):
        found = next((type(row[place]) for row in sample if row[place] is not None), None)
        classes.append(_CLASS_OF.get(found, "text") if found else _likely_class(declared[column]))
    return classes


def _likely_class(declared_type: str) -> str:
    upper = declared_type.upper()
    if "INT" in upper or "BOOL" in upper:
        return "integer"
    if any(part in upper for part in ("REAL", "FLOA", "DOUB")):
        return "real"
    return "text"


# -- the fast lane ------------------------------------------------------------------------------------------------


def _fast(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    expected: Sequence[str],
    position: _Position,
    batch_rows: int,
    batch_bytes: int,
) -> Iterator[Batch]:
    """Batches until the end; `_StrangerError` behind the last batch that kept to the expected classes."""
    pending: list[pa.RecordBatch] = []
    stranger: Exception | None = None
    chunks = _fast_chunks(source, table, columns, expected, position.rowid, batch_rows)
    while True:
        try:
            chunk = next(chunks, None)
        except (_StrangerError, OSError, source.fast.Error) as error:
            chunk, stranger = None, error
        if pending and (chunk is None or _overfull(pending, chunk, batch_rows, batch_bytes)):
            yield _arrow_batch(pa.Table.from_batches(pending), columns, position)
            pending = []
        if chunk is not None:
            pending.append(chunk)
        if stranger is not None:
            raise _StrangerError from stranger
        if chunk is None:
            return


def _overfull(pending: Sequence[pa.RecordBatch], chunk: pa.RecordBatch, batch_rows: int, batch_bytes: int) -> bool:
    parts = [*pending, chunk]
    return sum(part.num_rows for part in parts) > batch_rows or sum(part.nbytes for part in parts) > batch_bytes


def _fast_chunks(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    expected: Sequence[str],
    after: int | None,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    chunk_rows = max(16, min(CHUNK_ROWS, batch_rows, CHUNK_BYTES // max(table.largest_row_bytes, 1)))
    types = [pa.int64(), *(_EXPECTED[kind][0] for kind in expected)]
    with source.fast.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(chunk_rows)})
        cursor.execute(_fast_query(table, columns, expected, after))
        first = True
        for chunk in cursor.fetch_record_batch():
            if first and chunk.schema.types != types:
                raise _StrangerError
            chunk = chunk.slice(1) if first else chunk
            first = False
            _check(chunk)
            yield from (chunk.slice(start, batch_rows) for start in range(0, chunk.num_rows, batch_rows))


def _fast_query(table: SourceTable, columns: Sequence[str], expected: Sequence[str], after: int | None) -> str:
    parts = [_EXPECTED[kind] for kind in expected]
    sentinels = ", ".join(["0", *(sentinel for _, sentinel, _ in parts)])
    values = ", ".join(
        [
            f"{table.rowid_name} AS c",
            *(
                f"{expression.format(column=quoted(column))} AS c{place}"
                for place, (column, (_, _, expression)) in enumerate(zip(columns, parts, strict=True))
            ),
        ]
    )
    where = f" WHERE {table.rowid_name} > {after}" if after is not None else ""
    return (
        f"SELECT {sentinels} UNION ALL SELECT * FROM "
        f"(SELECT {values} FROM main.{quoted(table.name)} NOT INDEXED{where} "
        f"ORDER BY {table.rowid_name})"
    )


def _check(chunk: pa.RecordBatch) -> None:
    """Invalid UTF-8, a stranger's marker among it, and rows out of order end the fast lane."""
    try:
        chunk.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _StrangerError from error
    rowids = chunk.column(0).to_numpy()
    if chunk.num_rows > 1 and not bool((np.diff(rowids) > 0).all()):
        raise _StrangerError


def _arrow_batch(data: pa.Table, columns: Sequence[str], position: _Position) -> Batch:
    rowids = data.column(0).to_numpy()
    frame = pd.DataFrame(
        {place: pd.arrays.ArrowExtensionArray(data.column(place + 1)) for place in range(len(columns))},
        index=_row_numbers(position.number, data.num_rows),
    )
    frame.columns = pd.Index(columns)
    position.advance(data.num_rows, int(rowids[-1]))
    return Batch(frame, rowids)


# -- the careful lane ---------------------------------------------------------------------------------------------


def _careful(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    position: _Position,
    batch_rows: int,
    batch_bytes: int,
    limit: int | None = None,
) -> Iterator[Batch]:
    rows: list[tuple[StorageValue, ...]] = []
    rowids: list[int | None] = []
    size = 0
    for rowid, values in source.stream(table, columns, after=position.rowid, limit=limit):
        rows.append(values)
        rowids.append(rowid)
        size += sum(len(value) for value in values if isinstance(value, str | bytes)) + 8 * len(values)
        if len(rows) >= batch_rows or size >= batch_bytes:
            yield _python_batch(rows, rowids, columns, position)
            rows, rowids, size = [], [], 0
    if rows:
        yield _python_batch(rows, rowids, columns, position)


def _python_batch(
    rows: list[tuple[StorageValue, ...]], rowids: list[int | None], columns: Sequence[str], position: _Position
) -> Batch:
    index = _row_numbers(position.number, len(rows))
    by_column = list(zip(*rows, strict=True)) if columns else []
    frame = pd.DataFrame(
        {place: raw_series(values, index) for place, values in enumerate(by_column)},
        index=index,
    )
    frame.columns = pd.Index(columns, dtype=object)
    position.advance(len(rows), rowids[-1])
    known = rowids[-1] is not None
    return Batch(frame, np.array(rowids, dtype=np.int64) if known else None)


def raw_series(values: Sequence[StorageValue], index: pd.Index) -> pd.Series:
    """One column of a raw frame from Python values: Arrow where all are of one storage class, else object."""
    kinds = {type(value) for value in values} - {type(None)}
    arrow_type = {
        frozenset(): pa.null(),
        frozenset({int}): pa.int64(),
        frozenset({float}): pa.float64(),
        frozenset({str}): pa.string(),
        frozenset({bytes}): pa.binary(),
    }.get(frozenset(kinds))
    if arrow_type is None:
        return pd.Series(list(values), index=index, dtype=object)
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, arrow_type)), index=index)


def _row_numbers(before: int, count: int) -> pd.RangeIndex:
    return pd.RangeIndex(before + 1, before + 1 + count, name=ROW_NUMBER)
