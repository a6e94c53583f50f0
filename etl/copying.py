"""COPY of a converted frame: Arrow columns to CSV and into a table, without a Python object a cell."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql

from etl.session import Session


def copy_frame(session: Session, table: sql.Composable, frame: pd.DataFrame) -> int:
    """Writes `frame` into the columns of `table` that it names; returns the number of rows that the server took."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    )
    return session.copy_in(statement, encode(frame))


def encode(frame: pd.DataFrame) -> io.BytesIO:
    """The frame as CSV in which every value is quoted and NULL is not, so that '' and NULL stay apart."""
    data = io.BytesIO()
    table = pa.table([_printable(frame.iloc[:, place]) for place in range(frame.shape[1])], names=_places(frame))
    options = pa.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pa.csv.write_csv(table, data, options)
    data.seek(0)
    return data


def _places(frame: pd.DataFrame) -> list[str]:
    return [str(place) for place in range(frame.shape[1])]


def _printable(column: pd.Series) -> pa.Array:
    array = pa.array(column, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        return pa.array(
            [None if value is None else f"\\x{value.hex()}" for value in array.to_pylist()], pa.large_string()
        )
    if pa.types.is_null(array.type):
        return array.cast(pa.string())
    return array
