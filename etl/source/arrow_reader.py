"""The fast way to read the source: ADBC builds Arrow columns, by a query in which a stray value cannot pass unnoticed.

ADBC infers types from the first rows and upcasts among those, so the first row is a sentinel of the expected class.
Later it raises for most strangers, but takes a BLOB for TEXT and an INTEGER for REAL: there the expression turns
strangers into the BLOB FF, which for TEXT is invalid UTF-8 and for REAL does not fit. Observed with
adbc-driver-sqlite 1.13. A column known to mix integers, reals and texts travels as one column for each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.core.source_tables import RowidRange, SourceTable, quoted
from etl.core.values import StorageValue
from etl.source.database import Source, within

CHUNK_BYTES = 16 * 2**20  # the most that is read before the size is looked at again
CHUNK_ROWS = 4_096
SAMPLE_ROWS = 100
MIXED = "mixed"


class UnexpectedClassError(Exception):
    """A value of a storage class that the column was not expected to hold, somewhere in the next chunk."""


@dataclass(frozen=True)
class _Part:
    """One Arrow column of the query's result: its type, its value in the sentinel row, and its expression."""

    type: pa.DataType
    sentinel: str
    expression: str


_PARTS: dict[str, tuple[_Part, ...]] = {
    "integer": (_Part(pa.int64(), "0", "{c}"),),
    "real": (_Part(pa.float64(), "0.0", "CASE typeof({c}) WHEN 'real' THEN {c} WHEN 'null' THEN NULL ELSE x'FF' END"),),
    "text": (_Part(pa.string(), "''", "CASE typeof({c}) WHEN 'text' THEN {c} WHEN 'null' THEN NULL ELSE x'FF' END"),),
    MIXED: (
        _Part(pa.string(), "''", "CASE typeof({c}) WHEN 'text' THEN {c} WHEN 'blob' THEN x'FF' END"),
        _Part(pa.int64(), "0", "CASE typeof({c}) WHEN 'integer' THEN {c} END"),
        _Part(pa.float64(), "0.0", "CASE typeof({c}) WHEN 'real' THEN {c} END"),
    ),
}
_CLASS_OF: dict[type, str] = {int: "integer", float: "real", str: "text"}


def expected_classes(source: Source, table: SourceTable, columns: Sequence[str], part: RowidRange) -> list[str]:
    """The storage class of each column, from its first rows, else from what its declared type makes likely."""
    sample = [values for _, values in source.stream(table, columns, part=part, limit=SAMPLE_ROWS)]
    declared = {column.name: column.declared_type for column in table.columns}
    return [
        _class_of([row[place] for row in sample]) or _likely_class(declared[column])
        for place, column in enumerate(columns)
    ]


def _class_of(values: Sequence[StorageValue]) -> str | None:
    found = {_CLASS_OF.get(type(value), "blob") for value in values if value is not None}
    if "blob" in found:
        return "blob"
    return MIXED if len(found) > 1 else next(iter(found), None)


def _likely_class(declared_type: str) -> str:
    upper = declared_type.upper()
    if "INT" in upper or "BOOL" in upper:
        return "integer"
    if any(part in upper for part in ("REAL", "FLOA", "DOUB")):
        return "real"
    return "text"


def learned_classes(expected: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """What to expect behind a batch that was read carefully: columns in which it met several classes are mixed."""
    return [MIXED if frame.iloc[:, place].dtype == object else known for place, known in enumerate(expected)]


def fast_chunks(
    source: Source,
    table: SourceTable,
    columns: Sequence[str],
    expected: Sequence[str],
    *,
    part: RowidRange,
    most_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Rows in the order of the rowid: the rowid, then the parts of each column.

    Raises `UnexpectedClassError`, or what ADBC raises, before the first chunk that holds something unexpected.
    """
    chunk_rows = max(16, min(CHUNK_ROWS, most_rows, CHUNK_BYTES // max(table.largest_row_bytes, 1)))
    types = [pa.int64(), *(part.type for kind in expected for part in _PARTS[kind])]
    with source.fast.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(chunk_rows)})
        cursor.execute(_query(table, columns, expected, part))
        first = True
        for chunk in cursor.fetch_record_batch():
            if first and chunk.schema.types != types:
                raise UnexpectedClassError
            chunk = chunk.slice(1) if first else chunk
            first = False
            _check(chunk)
            yield from (chunk.slice(start, most_rows) for start in range(0, chunk.num_rows, most_rows))


def _query(table: SourceTable, columns: Sequence[str], expected: Sequence[str], rows: RowidRange) -> str:
    parts = [(quoted(column), part) for column, kind in zip(columns, expected, strict=True) for part in _PARTS[kind]]
    sentinels = ", ".join(["0", *(part.sentinel for _, part in parts)])
    values = [f"{part.expression.format(c=column)} AS c{place}" for place, (column, part) in enumerate(parts)]
    where = within(str(table.rowid_name), rows)
    return (
        f"SELECT {sentinels} UNION ALL SELECT * FROM "
        f"(SELECT {', '.join([f'{table.rowid_name} AS c', *values])} FROM main.{quoted(table.name)} NOT INDEXED{where} "
        f"ORDER BY {table.rowid_name})"
    )


def _check(chunk: pa.RecordBatch) -> None:
    """Invalid UTF-8, the marker of an unexpected class among it, and rows out of order end the fast way."""
    try:
        chunk.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnexpectedClassError from error
    rowids = chunk.column(0).to_numpy()
    if chunk.num_rows > 1 and not bool((np.diff(rowids) > 0).all()):
        raise UnexpectedClassError


def frame_of(data: pa.Table, columns: Sequence[str], expected: Sequence[str], index: pd.Index) -> pd.DataFrame:
    """The columns put together from their parts, as a raw frame."""
    arrays: dict[int, pd.api.extensions.ExtensionArray | np.ndarray] = {}
    place = 1
    for number, kind in enumerate(expected):
        parts = [data.column(place + part) for part in range(len(_PARTS[kind]))]
        arrays[number] = _assembled(parts)
        place += len(parts)
    frame = pd.DataFrame(arrays, index=index)
    frame.columns = pd.Index(columns)
    return frame


def _assembled(parts: Sequence[pa.ChunkedArray]) -> pd.api.extensions.ExtensionArray | np.ndarray:
    """One column: Arrow where at most one of its parts holds values, else Python objects with None for NULL."""
    held = [part for part in parts if part.null_count < len(part)]
    if len(held) < 2:
        return pd.arrays.ArrowExtensionArray(held[0] if held else parts[0])
    values = np.full(len(parts[0]), None, dtype=object)
    for part in held:
        valid = part.is_valid().to_numpy()
        values[valid] = np.array([*part.drop_null().to_pylist(), None], dtype=object)[:-1]
    return values
