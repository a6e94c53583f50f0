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
from etl.core.source_tables import WHOLE_TABLE, RowidRange, SourceTable
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
class _Reading:
    """A part of a table on its way out: what is asked for, and how far it has come."""

    source: Source
    table: SourceTable
    columns: Sequence[str]
    part: RowidRange
    batch_rows: int
    batch_bytes: int
    number: int = 0  # of the latest row
    rowid: int | None = None

    def __post_init__(self) -> None:
        self.number = self.part.rows_before
        self.rowid = self.part.after

    @property
    def rest(self) -> RowidRange:
        """What has not been read yet."""
        return RowidRange(self.rowid, self.part.until, self.number)

    @property
    def has_ended(self) -> bool:
        """Whether there can be no more rows."""
        at_limit = self.part.until is not None and self.rowid is not None and self.rowid >= self.part.until
        return at_limit or self.number >= self.table.row_count

    def advance(self, rows: int, rowid: int | None) -> None:
        self.number += rows
        self.rowid = rowid


def read_batches(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    *,
    part: RowidRange = WHOLE_TABLE,
    batch_rows: int = defaults.BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Batch]:
    """The whole table in order, or a part of it, each batch within `batch_rows` rows and about `batch_bytes` bytes.

    Column dtypes: ArrowDtype int64, double, string or binary where the batch holds one storage class besides NULL;
    ArrowDtype null where it holds none; else object with int, float, str, bytes, `UndecodableText`, `LargeText`
    and None. Raises ValueError for a part of a table without rowids.
    """
    if table.rowid_name is None and part != WHOLE_TABLE:
        raise ValueError(f"The table {table.name} has no rowids: it is read as a whole.")
    reading = _Reading(source, table, columns, part, batch_rows, batch_bytes)
    if table.largest_row_bytes > LARGE_BYTES:
        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own would keep what was freed
    large = table.largest_row_bytes > LARGE_ROW_BYTES  # then not even a sample is taken at once
    expected = [] if large else expected_classes(source, table, columns, part)
    if table.rowid_name is None or large or "blob" in expected or not columns:
        yield from _read_singly(reading)
        return
    careful_rows = batch_rows
    while not reading.has_ended:
        try:
            yield from _read_arrow(reading, expected)
        except UnexpectedClassError:
            for batch in _read_singly(reading, limit=careful_rows):
                yield batch
                expected = learned_classes(expected, batch.frame)
            careful_rows *= 2
        else:
            return


def _read_arrow(reading: _Reading, expected: Sequence[str]) -> Iterator[Batch]:
    """Batches until the end; `UnexpectedClassError` behind the last batch that kept to the expected classes."""
    source, table, columns = reading.source, reading.table, reading.columns
    pending: list[pa.RecordBatch] = []
    unexpected: Exception | None = None
    chunks = fast_chunks(source, table, columns, expected, part=reading.rest, most_rows=reading.batch_rows)
    while True:
        try:
            chunk = next(chunks, None)
        except (UnexpectedClassError, OSError, source.fast.Error) as error:
            chunk, unexpected = None, error
        if pending and (chunk is None or _overfull([*pending, chunk], reading)):
            yield _arrow_batch(pa.Table.from_batches(pending), expected, reading)
            pending = []
        if chunk is not None:
            pending.append(chunk)
        if unexpected is not None:
            raise UnexpectedClassError from unexpected
        if chunk is None:
            return


def _overfull(parts: Sequence[pa.RecordBatch], reading: _Reading) -> bool:
    rows, size = sum(part.num_rows for part in parts), sum(part.nbytes for part in parts)
    return bool(rows > reading.batch_rows or size > reading.batch_bytes)


def _arrow_batch(data: pa.Table, expected: Sequence[str], reading: _Reading) -> Batch:
    rowids = data.column(0).to_numpy()
    frame = frame_of(data, reading.columns, expected, _row_numbers(reading.number, data.num_rows))
    reading.advance(data.num_rows, int(rowids[-1]))
    return Batch(frame, rowids)


# -- value by value -----------------------------------------------------------------------------------------------


def _read_singly(reading: _Reading, limit: int | None = None) -> Iterator[Batch]:
    """Batches from `sqlite3`; a row with a large value is one of its own, and nobody here holds what was given away."""
    rows: list[tuple[StorageValue, ...]] = []
    rowids: list[int | None] = []
    size = 0
    stream = reading.source.stream(reading.table, reading.columns, part=reading.rest, limit=limit)
    for rowid, values in stream:
        bytes_here = size_of(values) + 8 * len(values)
        if rows and bytes_here > LARGE_BYTES:
            yield _emptied_into_batch(rows, rowids, reading)
            size = 0
        rows.append(values)
        rowids.append(rowid)
        size += bytes_here
        del values
        if len(rows) >= reading.batch_rows or size >= reading.batch_bytes or bytes_here > LARGE_BYTES:
            yield _emptied_into_batch(rows, rowids, reading)
            size = 0
    if rows:
        yield _emptied_into_batch(rows, rowids, reading)


def _emptied_into_batch(rows: list[tuple[StorageValue, ...]], rowids: list[int | None], reading: _Reading) -> Batch:
    batch = _python_batch(rows, rowids, reading)
    rows.clear()
    rowids.clear()
    return batch


def _python_batch(rows: list[tuple[StorageValue, ...]], rowids: list[int | None], reading: _Reading) -> Batch:
    index = _row_numbers(reading.number, len(rows))
    by_column = list(zip(*rows, strict=True)) if reading.columns else []
    frame = pd.DataFrame(
        {place: raw_series(values, index) for place, values in enumerate(by_column)},
        index=index,
    )
    frame.columns = pd.Index(reading.columns, dtype=object)
    reading.advance(len(rows), rowids[-1])
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
