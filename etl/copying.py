"""COPY of a converted frame into a table, without a Python object a cell.

PostgreSQL's binary format where every column's type has an encoder that gives exactly its bytes; CSV otherwise, for
types that only PostgreSQL's own input understands.
"""

import io
from collections.abc import Mapping

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


def copy_frame(
    session: Session, table: sql.Composable, frame: pd.DataFrame, types: Mapping[str, TargetType] | None = None
) -> int:
    """Writes `frame` into the columns of `table` that it names; returns the number of rows that the server took.

    `types` says what the columns are in the table, for frames whose dtypes are those of `etl.convert`.
    """
    binary = types is not None and all(types[name].kind in _BINARY_KINDS for name in frame.columns)
    data = _as_binary(frame, types) if binary and types else as_csv(frame)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(
        table, sql.SQL(", ").join(map(sql.Identifier, frame.columns)), sql.SQL("binary" if binary else "csv")
    )
    return session.copy_in(statement, data)


def _as_binary(frame: pd.DataFrame, types: Mapping[str, TargetType]) -> io.BytesIO:
    batch = pa.record_batch([_array(frame.iloc[:, place]) for place in range(frame.shape[1])], names=_places(frame))
    encoders = {field.name: ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in batch.schema}
    for field, name in zip(batch.schema, frame.columns, strict=True):
        if types[name].sql == "jsonb":  # a json is sent as text, a jsonb has a version number in front
            encoders[field.name] = StringEncoderBuilder.new_with_output(field, Jsonb())
    encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(batch.schema, encoders)
    return io.BytesIO(b"".join([encoder.write_header(), encoder.write_batch(batch), encoder.finish()]))


def as_csv(frame: pd.DataFrame) -> io.BytesIO:
    """The frame as CSV in which every value is quoted and NULL is not, so that '' and NULL stay apart."""
    data = io.BytesIO()
    table = pa.table([_printable(frame.iloc[:, place]) for place in range(frame.shape[1])], names=_places(frame))
    options = pa.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pa.csv.write_csv(table, data, options)
    data.seek(0)
    return data


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
