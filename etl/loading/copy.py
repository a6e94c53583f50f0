"""COPY of a converted frame into a table, without a Python object a cell.

PostgreSQL's binary format where every column's type has an encoder that gives exactly its bytes; CSV otherwise, for
types that only PostgreSQL's own input understands.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb
from psycopg2 import sql

from etl.conversion.families import FAMILIES
from etl.core.types import TargetType
from etl.target.session import Session

# Kinds whose Arrow type in a converted frame has the binary form of the target's type. A numeric travels as exact text.
_BINARY_KINDS = frozenset(kind for kind, family in FAMILIES.items() if family.binary)
LARGE_VALUE_BYTES = 2**20  # larger values are sent from where they lie, without a copy
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # as COPY's binary format has it: signature, flags, no extension
_TRAILER = b"\xff\xff"
_LENGTH_BYTES = 4  # in front of each field; -1 stands for NULL
_JSONB_VERSION = b"\x01"


Buffer = bytes | memoryview


@dataclass(frozen=True)
class CopyData:
    """Rows as COPY takes them: for these columns, in this format. The parts follow each other; a large one is never
    put together with the others, which would take its memory twice."""

    columns: tuple[str, ...]
    format: str
    parts: Sequence[Buffer]


def copy_frame(
    session: Session, table: sql.Composable, frame: pd.DataFrame, types: Mapping[str, TargetType] | None = None
) -> int:
    """Writes `frame` into the columns of `table` that it names; returns the number of rows that the server took."""
    return copy_encoded(session, table, encode(frame, types))


def copy_encoded(session: Session, table: sql.Composable, data: CopyData) -> int:
    """Writes encoded rows into `table`; returns the number of rows that the server took."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(
        table, sql.SQL(", ").join(map(sql.Identifier, data.columns)), sql.SQL(data.format)
    )
    return session.copy_in(statement, _Reader(data.parts))


class _Reader:
    """The parts, for COPY to read."""

    def __init__(self, parts: Sequence[Buffer]) -> None:
        self._parts = [memoryview(part) for part in reversed(parts)]

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        while self._parts:
            part = self._parts.pop()
            if 0 <= size < len(part):
                self._parts.append(part[size:])
                part = part[:size]
            if len(part):
                return bytes(part)
        return b""


def encode(frame: pd.DataFrame, types: Mapping[str, TargetType] | None = None) -> CopyData:
    """The frame as COPY takes it. `types` says what the columns are in the table, for frames whose dtypes are those of
    `etl.conversion.convert`; without it, or where a type has no encoder, the format is CSV.
    """
    columns = tuple(map(str, frame.columns))
    if types is not None and all(types[name].kind in _BINARY_KINDS for name in columns):
        return CopyData(columns, "binary", _as_binary(frame, types))
    return CopyData(columns, "csv", _as_csv(frame))


def _as_binary(frame: pd.DataFrame, types: Mapping[str, TargetType]) -> Sequence[Buffer]:
    batch = pa.record_batch([_array(frame.iloc[:, place]) for place in range(frame.shape[1])], names=_places(frame))
    encoders = {field.name: ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in batch.schema}
    jsonb = [types[name].base == "jsonb" for name in frame.columns]
    for field, has_version in zip(batch.schema, jsonb, strict=True):
        if has_version:  # a json is sent as text, a jsonb has a version number in front
            encoders[field.name] = StringEncoderBuilder.new_with_output(field, Jsonb())

    def binary(rows: pa.RecordBatch) -> bytes:
        encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(rows.schema, encoders)
        return b"".join([encoder.write_header(), encoder.write_batch(rows), encoder.finish()])

    large = _rows_with_large_values(batch)
    if not large:
        return (binary(batch),)
    prefixes = [_JSONB_VERSION if has_version else b"" for has_version in jsonb]
    return _HEADER, *_rows(batch, large, prefixes, lambda rows: binary(rows)[len(_HEADER) : -len(_TRAILER)]), _TRAILER


def _rows(
    batch: pa.RecordBatch, large: Sequence[int], prefixes: Sequence[bytes], encoded: Callable[[pa.RecordBatch], bytes]
) -> Iterator[Buffer]:
    """The batch's rows in their order; those with a large value singly."""
    done = 0
    for place in large:
        if done < place:
            yield encoded(batch.slice(done, place - done))
        yield from _large_row(batch.slice(place, 1), prefixes, encoded)
        done = place + 1
    if done < batch.num_rows:
        yield encoded(batch.slice(done))


def _rows_with_large_values(batch: pa.RecordBatch) -> list[int]:
    if batch.nbytes <= LARGE_VALUE_BYTES:
        return []
    large = np.zeros(batch.num_rows, np.bool_)
    for column in batch.columns:
        if _is_buffer(column):
            large |= pc.fill_null(_is_large(column), False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(large).tolist()


def _is_buffer(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_binary(column.type))


def _is_large(column: pa.Array) -> pa.BooleanArray:
    return pc.greater(pc.binary_length(column), LARGE_VALUE_BYTES)


def _large_row(
    row: pa.RecordBatch, prefixes: Sequence[bytes], encoded: Callable[[pa.RecordBatch], bytes]
) -> Iterator[Buffer]:
    """One row: encoded with NULL in the place of its large values, which are then put in, each behind its length."""
    large = [_is_buffer(column) and _is_large(column)[0].as_py() is True for column in row.columns]
    columns = [pa.nulls(1, c.type) if is_large else c for c, is_large in zip(row.columns, large, strict=True)]
    fields = encoded(pa.record_batch(columns, schema=row.schema))
    begin, place = 0, 2  # behind the number of fields
    for column, is_large, prefix in zip(row.columns, large, prefixes, strict=True):
        (length,) = struct.unpack_from(">i", fields, place)
        if is_large:
            value = column[0].as_buffer()
            yield fields[begin:place] + struct.pack(">i", len(prefix) + value.size) + prefix
            yield memoryview(value)
            begin = place + _LENGTH_BYTES
        place += _LENGTH_BYTES + max(length, 0)
    yield fields[begin:]


def _as_csv(frame: pd.DataFrame) -> Sequence[Buffer]:
    """CSV in which every value is quoted and NULL is not, so that '' and NULL stay apart."""
    data = pa.BufferOutputStream()
    table = pa.table([_printable(frame.iloc[:, place]) for place in range(frame.shape[1])], names=_places(frame))
    options = pa.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pa.csv.write_csv(table, data, options)
    return (memoryview(data.getvalue()),)


def _places(frame: pd.DataFrame) -> list[str]:
    return [str(place) for place in range(frame.shape[1])]


def _array(column: pd.Series) -> pa.Array:
    array = pa.array(column, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _printable(column: pd.Series) -> pa.Array:
    array = _array(column)
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        texts = [None if value is None else f"\\x{value.hex()}" for value in array.to_pylist()]
        return pa.array(texts, pa.large_string())
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array
