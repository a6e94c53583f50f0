"""Batches of rows out of the source, as raw frames: every value exactly as SQLite stores it.

There are two ways. The fast one (`etl.source.arrow_reader`) lets ADBC build Arrow columns and works while each column
keeps to the storage classes that it was seen to hold. Where another class turns up, `sqlite3` reads on, value by value,
and the fast way is tried again behind it.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from etl.core import defaults
from etl.core.source_tables import SourceTable
from etl.core.values import LARGE_BYTES, LargeText, StorageValue, UndecodableText, size_of
from etl.source.arrow_reader import UnexpectedClassError, expected_classes, fast_chunks, frame_of, learned_classes
from etl.source.database import Source

BATCH_BYTES = 16 * 2**20
LARGE_ROW_BYTES = 2**20  # larger rows are read one by one, so that memory is bounded exactly
ROW_NUMBER = "row_number"


@dataclass(frozen=True)
class Batch:
    """Rows of one table: `frame` by row number (1-based, in the table's order), `rowids` beside it (None without)."""

    frame: pd.DataFrame
    rowids: npt.NDArray[np.int64] | None


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
    batch_rows: int = defaults.BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Batch]:
    """The whole table in order, each batch within `batch_rows` rows and about `batch_bytes` bytes.

    Column dtypes: ArrowDtype int64, double, string or binary where the batch holds one storage class besides NULL;
    ArrowDtype null where it holds none; else object with int, float, str, bytes, `UndecodableText`, `LargeText`
    and None.
    """
    position = _Position()
    if table.largest_row_bytes > LARGE_BYTES:
        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own would keep what was freed
    large = table.largest_row_bytes > LARGE_ROW_BYTES  # then not even a sample is taken at once
    expected = [] if large else expected_classes(source, table, columns)
    if table.rowid_name is None or large or "blob" in expected or not columns:
        yield from _read_singly(source, table, columns, position, batch_rows, batch_bytes)
        return
    careful_rows = batch_rows
    while position.number < table.row_count:
        try:
            yield from _read_arrow(source, table, columns, expected, position, batch_rows, batch_bytes)
        except UnexpectedClassError:
            for batch in _read_singly(source, table, columns, position, batch_rows, batch_bytes, limit=careful_rows):
                yield batch
                expected = learned_classes(expected, batch.frame)
            careful_rows *= 2
        else:
            return


def _read_arrow(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    expected: Sequence[str],
    position: _Position,
    batch_rows: int,
    batch_bytes: int,
) -> Iterator[Batch]:
    """Batches until the end; `UnexpectedClassError` behind the last batch that kept to the expected classes."""
    pending: list[pa.RecordBatch] = []
    unexpected: Exception | None = None
    chunks = fast_chunks(source, table, columns, expected, after=position.rowid, most_rows=batch_rows)
    while True:
        try:
            chunk = next(chunks, None)
        except (UnexpectedClassError, OSError, source.fast.Error) as error:
            chunk, unexpected = None, error
        if pending and (chunk is None or _overfull(pending, chunk, batch_rows, batch_bytes)):
            yield _arrow_batch(pa.Table.from_batches(pending), columns, expected, position)
            pending = []
        if chunk is not None:
            pending.append(chunk)
        if unexpected is not None:
            raise UnexpectedClassError from unexpected
        if chunk is None:
            return


def _overfull(pending: Sequence[pa.RecordBatch], chunk: pa.RecordBatch, batch_rows: int, batch_bytes: int) -> bool:
    parts = [*pending, chunk]
    return bool(sum(part.num_rows for part in parts) > batch_rows or sum(part.nbytes for part in parts) > batch_bytes)


def _arrow_batch(data: pa.Table, columns: Sequence[str], expected: Sequence[str], position: _Position) -> Batch:
    rowids = data.column(0).to_numpy()
    frame = frame_of(data, columns, expected, _row_numbers(position.number, data.num_rows))
    position.advance(data.num_rows, int(rowids[-1]))
    return Batch(frame, rowids)


# -- value by value -----------------------------------------------------------------------------------------------


def _read_singly(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    position: _Position,
    batch_rows: int,
    batch_bytes: int,
    limit: int | None = None,
) -> Iterator[Batch]:
    """Batches from `sqlite3`; a row with a large value is one of its own, and nobody here holds what was given away."""
    rows: list[tuple[StorageValue, ...]] = []
    rowids: list[int | None] = []
    size = 0
    for rowid, values in source.stream(table, columns, after=position.rowid, limit=limit):
        bytes_here = size_of(values) + 8 * len(values)
        if rows and bytes_here > LARGE_BYTES:
            yield _emptied_into_batch(rows, rowids, columns, position)
            size = 0
        rows.append(values)
        rowids.append(rowid)
        size += bytes_here
        del values
        if len(rows) >= batch_rows or size >= batch_bytes or bytes_here > LARGE_BYTES:
            yield _emptied_into_batch(rows, rowids, columns, position)
            size = 0
    if rows:
        yield _emptied_into_batch(rows, rowids, columns, position)


def _emptied_into_batch(
    rows: list[tuple[StorageValue, ...]], rowids: list[int | None], columns: Sequence[str], position: _Position
) -> Batch:
    batch = _python_batch(rows, rowids, columns, position)
    rows.clear()
    rowids.clear()
    return batch


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
    if len(values) == 1 and isinstance(values[0], LargeText | bytes) and not isinstance(values[0], UndecodableText):
        return pd.Series(pd.arrays.ArrowExtensionArray(_of_one(values[0])), index=index)
    if LargeText in kinds and kinds <= {LargeText, str}:
        values = [value.utf8 if isinstance(value, LargeText) else value for value in values]
        kinds = {str}  # Arrow takes UTF-8 for a string column as well
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


def _of_one(value: LargeText | bytes) -> pa.Array:
    """An array of this one value, which is not copied."""
    text = isinstance(value, LargeText)
    content = value.utf8 if isinstance(value, LargeText) else value
    buffers = [None, pa.py_buffer(struct.pack("=ii", 0, len(content))), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string() if text else pa.binary(), 1, buffers)


def _row_numbers(before: int, count: int) -> pd.RangeIndex:
    return pd.RangeIndex(before + 1, before + 1 + count, name=ROW_NUMBER)
