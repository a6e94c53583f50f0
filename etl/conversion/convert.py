"""Raw frame → Converted(frame, rejected): every cell in its target type, or its row set aside with a reason.

The stage does no I/O and guesses nothing; the rules stand in `CASTS` and the modules that it names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.booleans import NOT_BOOLEAN, boolean_from_integer, boolean_from_text
from etl.conversion.casts.cells import LARGE_BYTES, VALUE, Cast, Cells, Storage
from etl.conversion.casts.decimals import NOT_NUMBER, numeric_from_integer, numeric_from_real, numeric_from_text
from etl.conversion.casts.floats import float_from_integer, float_from_real, float_from_text
from etl.conversion.casts.integers import NOT_WHOLE, integer_from_integer, integer_from_real, integer_from_text
from etl.conversion.casts.json_text import NOT_JSON, json_from_integer, json_from_real, json_from_text
from etl.conversion.casts.storage import Part, split
from etl.conversion.casts.texts import (
    bytes_as_they_are,
    bytes_from_text,
    text_from_integer,
    text_from_real,
    text_from_text,
)
from etl.conversion.casts.timestamps import NOT_TIME, time_from_integer, time_from_real, time_from_text
from etl.core import defaults
from etl.core.plan import ColumnPlan
from etl.core.redaction import SHOWN_CHARACTERS, shown
from etl.core.types import SERVER_READ, Kind, TargetType

_INTEGERS: Mapping[Storage, Cast] = {
    Storage.INTEGER: integer_from_integer,
    Storage.REAL: integer_from_real,
    Storage.TEXT: integer_from_text,
}
_FLOATS: Mapping[Storage, Cast] = {
    Storage.INTEGER: float_from_integer,
    Storage.REAL: float_from_real,
    Storage.TEXT: float_from_text,
}
_NUMERIC: Mapping[Storage, Cast] = {
    Storage.INTEGER: numeric_from_integer,
    Storage.REAL: numeric_from_real,
    Storage.TEXT: numeric_from_text,
}
_TEXTS: Mapping[Storage, Cast] = {
    Storage.INTEGER: text_from_integer,
    Storage.REAL: text_from_real,
    Storage.TEXT: text_from_text,
}
_BYTES: Mapping[Storage, Cast] = {
    Storage.BLOB: bytes_as_they_are,
    Storage.TEXT: bytes_from_text,
    Storage.UNDECODABLE: bytes_as_they_are,
}
_JSON: Mapping[Storage, Cast] = {
    Storage.INTEGER: json_from_integer,
    Storage.REAL: json_from_real,
    Storage.TEXT: json_from_text,
}
CASTS: Mapping[Kind, Mapping[Storage, Cast]] = {
    Kind.BOOLEAN: {Storage.INTEGER: boolean_from_integer, Storage.TEXT: boolean_from_text},
    Kind.SMALLINT: _INTEGERS,
    Kind.INTEGER: _INTEGERS,
    Kind.BIGINT: _INTEGERS,
    Kind.REAL: _FLOATS,
    Kind.DOUBLE: _FLOATS,
    Kind.NUMERIC: _NUMERIC,
    Kind.TEXT: _TEXTS,
    **dict.fromkeys(SERVER_READ, _TEXTS),
    Kind.JSON: _JSON,
    Kind.BYTEA: _BYTES,
}
"""The rules: target kind and SQLite storage class → cast; a pair that is missing is refused. Times need a zone too."""

ARROW_TYPES: Mapping[Kind, pa.DataType] = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.SMALLINT: pa.int16(),
    Kind.INTEGER: pa.int32(),
    Kind.BIGINT: pa.int64(),
    Kind.REAL: pa.float32(),
    Kind.DOUBLE: pa.float64(),
    Kind.NUMERIC: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.JSON: pa.string(),
    Kind.BYTEA: pa.binary(),
    **dict.fromkeys(SERVER_READ, pa.string()),
}
"""The type of every converted column."""

_REFUSALS: Mapping[Kind, str] = {
    Kind.BOOLEAN: NOT_BOOLEAN,
    Kind.SMALLINT: NOT_WHOLE,
    Kind.INTEGER: NOT_WHOLE,
    Kind.BIGINT: NOT_WHOLE,
    Kind.REAL: NOT_NUMBER,
    Kind.DOUBLE: NOT_NUMBER,
    Kind.NUMERIC: NOT_NUMBER,
    Kind.TEXT: f"{VALUE} is a BLOB, the column takes text",
    Kind.TIMESTAMPTZ: NOT_TIME,
    Kind.TIMESTAMP: NOT_TIME,
    Kind.JSON: NOT_JSON,
    Kind.BYTEA: f"{VALUE} is a number, the column takes bytes",
    **dict.fromkeys(SERVER_READ, f"{VALUE} is a BLOB, the column takes text"),
}


class Fault(NamedTuple):
    """Why a row is rejected, as the columns of `Converted.rejected` have it."""

    column: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Converted:
    """The rows whose every cell has its target type, and the others.

    `frame`: columns by target name, Arrow dtypes as in `ARROW_TYPES`, NULL as <NA>. `rejected`: columns "column"
    (source name of the first column at fault, in column order), "rule" (the fault without the value, the same for all
    rows that share it) and "reason" (with the value). Both keep the raw frame's index; each row is in one of them.
    """

    frame: pd.DataFrame
    rejected: pd.DataFrame


def convert(
    frame: pd.DataFrame, columns: Sequence[ColumnPlan], *, assume_timezone: str = defaults.TIMEZONE
) -> Converted:
    """Cast the columns of a raw frame to their target types by the rules of `CASTS`.

    Takes integers, reals, text and BLOBs as SQLite stores them: uniform Arrow columns, or `object` columns of any
    mixture. Wall clock times are read in `assume_timezone`. The caller's frame is left as it is, and no row makes it
    raise. KeyError for a column that the frame lacks, TypeError for values that no SQLite column holds, zoneinfo's
    errors for the zone.
    """
    casts = _casts(ZoneInfo(assume_timezone))
    values: dict[str, pa.Array] = {}
    faults: dict[int, Fault] = {}
    for column in columns:
        array, found = _cells(split(frame[column.source]), column, casts[column.type.kind], len(frame))
        values[column.target] = array
        faults = found | faults  # the first column at fault stays
    return _separated(values, faults, frame.index)


def _casts(zone: ZoneInfo) -> Mapping[Kind, Mapping[Storage, Cast]]:
    times: Mapping[Storage, Cast] = {
        Storage.INTEGER: partial(time_from_integer, zone=zone),
        Storage.REAL: partial(time_from_real, zone=zone),
        Storage.TEXT: partial(time_from_text, zone=zone),
    }
    return {**CASTS, Kind.TIMESTAMPTZ: times, Kind.TIMESTAMP: times}


def _cells(
    parts: Iterable[Part], column: ColumnPlan, casts: Mapping[Storage, Cast], rows: int
) -> tuple[pa.Array, dict[int, Fault]]:
    """One column's parts, each cast by its storage class, put together again in the order of the rows."""
    origin = np.full(rows, -1, np.int64)
    chunks: list[pa.Array] = []
    faults: dict[int, Fault] = {}
    offset = 0
    for part in parts:
        cells = _cast(part, column.type, casts)
        faults |= _located(cells.faults, part, column.source)
        chunks.append(cells.values)
        origin[part.positions] = np.arange(offset, offset + len(cells.values))
        offset += len(cells.values)
    return _in_order(chunks, origin, ARROW_TYPES[column.type.kind]), faults


def _cast(part: Part, target: TargetType, casts: Mapping[Storage, Cast]) -> Cells:
    cast = casts.get(part.storage)
    if cast is not None:
        return cast(part.values, target)
    reason = f"{VALUE} is not valid UTF-8" if part.storage is Storage.UNDECODABLE else _REFUSALS[target.kind]
    refused = np.flatnonzero(part.values.is_valid().to_numpy(zero_copy_only=False))
    return Cells(pa.nulls(len(part.values), ARROW_TYPES[target.kind]), dict.fromkeys(refused.tolist(), reason))


def _located(faults: Mapping[int, str], part: Part, column: str) -> dict[int, Fault]:
    """The faults by the row's position in the frame, with the values in their reasons."""
    values = _beginnings(part.values).take(pa.array(list(faults), pa.int64())).to_pylist()
    return {
        int(part.positions[position]): Fault(
            column, rule.replace(VALUE, "value"), rule.replace(VALUE, shown(value, column=column))
        )
        for (position, rule), value in zip(faults.items(), values, strict=True)
    }


def _beginnings(values: pa.Array) -> pa.Array:
    """As much of large texts and BLOBs as a reason shows."""
    if values.nbytes > LARGE_BYTES and pa.types.is_string(values.type):
        return pc.utf8_slice_codeunits(values, 0, SHOWN_CHARACTERS + 1)
    if values.nbytes > LARGE_BYTES and pa.types.is_binary(values.type):
        return pc.binary_slice(values, 0, SHOWN_CHARACTERS + 1)
    return values


def _in_order(chunks: Sequence[pa.Array], origin: npt.NDArray[np.int64], arrow_type: pa.DataType) -> pa.Array:
    if len(chunks) == 1 and len(chunks[0]) == len(origin):
        return chunks[0].cast(arrow_type)
    joined = pa.concat_arrays([chunk.cast(arrow_type) for chunk in chunks] or [pa.nulls(0, arrow_type)])
    return joined.take(pa.array(origin, mask=origin < 0))


def _separated(values: Mapping[str, pa.Array], faults: Mapping[int, Fault], index: pd.Index) -> Converted:
    at_fault = sorted(faults)
    reasons = [faults[position] for position in at_fault]
    rejected = pd.DataFrame(reasons, index=index[at_fault], columns=Fault._fields, dtype=object)
    kept = np.ones(len(index), np.bool_)
    kept[at_fault] = False
    arrays = values if not faults else {name: array.filter(pa.array(kept)) for name, array in values.items()}
    columns = {name: pd.arrays.ArrowExtensionArray(array) for name, array in arrays.items()}
    return Converted(pd.DataFrame(columns, index=index[kept] if faults else index, copy=False), rejected)
