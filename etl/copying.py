"""COPY of a converted frame into a table, without a Python object a cell.

PostgreSQL's binary format where every column's type has an encoder that gives exactly its bytes; CSV otherwise, for
types that only PostgreSQL's own input understands.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb
from psycopg2 import sql

from etl.catalog import Kind, TargetType
from etl.session import Session

# Kinds whose Arrow type in a converted frame has the binary form of the target's type. A numeric travels as exact text.
_BINARY_KINDS = frozenset(Kind) - {Kind.NUMERIC, Kind.OTHER}


@dataclass(frozen=True)
class CopyData:
    """Rows as COPY takes them: for these columns, in this format."""

    columns: tuple[str, ...]
    format: str
    content: bytes


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
    return session.copy_in(statement, io.BytesIO(data.content))


def encode(frame: pd.DataFrame, types: Mapping[str, TargetType] | None = None) -> CopyData:
    """The frame as COPY takes it. `types` says what the columns are in the table, for frames whose dtypes are those of
    `etl.convert`; without it, or where a type has no encoder, the format is CSV.
    """
    columns = tuple(map(str, frame.columns))
    if types is not None and all(types[name].kind in _BINARY_KINDS for name in columns):
        return CopyData(columns, "binary", _as_binary(frame, types))
    return CopyData(columns, "csv", _as_csv(frame))


def _as_binary(frame: pd.DataFrame, types: Mapping[str, TargetType]) -> bytes:
    batch = pa.record_batch([_array(frame.iloc[:, place]) for place in range(frame.shape[1])], names=_places(frame))
    encoders = {field.name: ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in batch.schema}
    for field, name in zip(batch.schema, frame.columns, strict=True):
        if types[name].sql == "jsonb":  # a json is sent as text, a jsonb has a version number in front
            encoders[field.name] = StringEncoderBuilder.new_with_output(field, Jsonb())
    encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(batch.schema, encoders)
    return b"".join([encoder.write_header(), encoder.write_batch(batch), encoder.finish()])


def _as_csv(frame: pd.DataFrame) -> bytes:
    """CSV in which every value is quoted and NULL is not, so that '' and NULL stay apart."""
    data = io.BytesIO()
    table = pa.table([_printable(frame.iloc[:, place]) for place in range(frame.shape[1])], names=_places(frame))
    options = pa.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pa.csv.write_csv(table, data, options)
    return data.getvalue()


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
