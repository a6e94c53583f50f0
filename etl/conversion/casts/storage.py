"""A raw column taken apart by SQLite storage class, so that mixed columns go the same ways as uniform ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from etl.conversion.casts.cells import Storage
from etl.core.values import LargeText, UndecodableText

_STORAGE_OF_CLASS: dict[type, Storage] = {
    int: Storage.INTEGER,
    float: Storage.REAL,
    str: Storage.TEXT,
    bytes: Storage.BLOB,
    UndecodableText: Storage.UNDECODABLE,
    LargeText: Storage.TEXT,
}
_ARROW_OF_STORAGE = {
    Storage.INTEGER: pa.int64(),
    Storage.REAL: pa.float64(),
    Storage.TEXT: pa.string(),
    Storage.BLOB: pa.binary(),
    Storage.UNDECODABLE: pa.binary(),
}


@dataclass(frozen=True)
class Part:
    """The values of one storage class and where in the column they stand; uniform columns may hold nulls."""

    storage: Storage
    values: pa.Array
    positions: npt.NDArray[np.int64]


def split(column: pd.Series) -> list[Part]:
    """The column's parts, one per storage class that occurs; NULLs of `object` columns are in none of them.

    Raises TypeError for values that no SQLite column holds.
    """
    return _of_objects(column) if column.dtype == object else _of_arrow(column)


def _of_arrow(column: pd.Series) -> list[Part]:
    values = pa.array(column, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_null(values.type):
        return []
    storage = _storage_of(values.type)
    return [Part(storage, values.cast(_ARROW_OF_STORAGE[storage]), np.arange(len(values)))]


def _storage_of(arrow_type: pa.DataType) -> Storage:
    if pa.types.is_integer(arrow_type):
        return Storage.INTEGER
    if pa.types.is_floating(arrow_type):
        return Storage.REAL
    if pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type):
        return Storage.TEXT
    if pa.types.is_binary(arrow_type) or pa.types.is_large_binary(arrow_type):
        return Storage.BLOB
    raise TypeError(f"a raw column holds SQLite values, not {arrow_type}")


def _of_objects(column: pd.Series) -> list[Part]:
    objects = column.to_numpy()
    classes = np.fromiter(map(type, objects), dtype=object, count=len(objects))
    parts = []
    for python_class in set(classes.tolist()) - {type(None), type(pd.NA)}:
        if python_class not in _STORAGE_OF_CLASS:
            raise TypeError(f"a raw column holds SQLite values, not {python_class.__name__}")
        positions = np.flatnonzero(classes == python_class)
        storage = _STORAGE_OF_CLASS[python_class]
        chosen = [value.utf8 for value in objects[positions]] if python_class is LargeText else objects[positions]
        values = pa.array(chosen, _ARROW_OF_STORAGE[storage], from_pandas=False)
        parts.append(Part(storage, values, positions))
    return parts
