"""Rows of a raw batch as the source holds them: their size, their rowids, and their values one by one."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.core.values import LARGE_BYTES, LargeText, StorageValue, size_of
from etl.source.batches import BATCH_BYTES, Batch

LARGE_BATCH_BYTES = 2 * BATCH_BYTES  # larger batches hold a large value, and are the only one in memory


def is_large(batch: Batch) -> bool:
    """Whether a second batch of its size would be too much for the memory."""
    columns = (batch.frame.iloc[:, place] for place in range(batch.frame.shape[1]))
    return sum(map(_size, columns)) > LARGE_BATCH_BYTES


def _size(column: pd.Series) -> int:
    if column.dtype != object:
        return int(column.memory_usage(index=False))
    return size_of(column.tolist())  # four times as fast as through the column itself


def rowids_of(batch: Batch, numbers: pd.Index) -> list[int | None]:
    """The rowids of the rows of these numbers; None where the table has none."""
    if batch.rowids is None:
        return [None] * len(numbers)
    positions = batch.frame.index.get_indexer(numbers)
    return [int(rowid) for rowid in np.asarray(batch.rowids)[positions]]


def rows_of(frame: pd.DataFrame, numbers: pd.Index) -> pd.DataFrame:
    """The rows of these numbers, not copied where they are all."""
    return frame if len(numbers) == len(frame) else frame.loc[numbers]


def records_of(frame: pd.DataFrame) -> list[dict[str, StorageValue]]:
    """The rows of a raw frame as dictionaries, column by column: a row as a Series would make its integers floats."""
    columns = {str(name): _cells(frame[name]) for name in frame.columns}
    return [
        {name: None if values[place] is pd.NA else values[place] for name, values in columns.items()}
        for place in range(len(frame))
    ]


def _cells(column: pd.Series) -> list[Any]:
    if column.dtype == object or _size(column) <= LARGE_BYTES:
        return column.tolist()
    return [_large_cell(scalar) for scalar in pa.array(column)]


def _large_cell(scalar: pa.Scalar) -> StorageValue:
    if pa.types.is_string(scalar.type) and scalar.is_valid and scalar.as_buffer().size > LARGE_BYTES:
        return LargeText(scalar.as_buffer().to_pybytes())
    value: StorageValue = scalar.as_py()
    return value
