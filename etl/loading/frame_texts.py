"""The values of any DataFrame as the texts that COPY takes, each by the type of its column in the target.

For frames that users bring: objects of Python and numpy, mixed columns, categoricals. Frames of our own conversion have
Arrow columns, and go a faster way.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.core.types import Kind, TargetType

_WHOLE = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)


def texts_of(values: Sequence[object], target: TargetType | None) -> pd.Series:
    """A column of texts; missing values of every kind are null."""
    return pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array([_text(value, target) for value in values], pa.large_string()))
    )


def _text(value: object, target: TargetType | None) -> str | None:
    if isinstance(value, dict | list | tuple | np.ndarray):
        return _nested(value.tolist() if isinstance(value, np.ndarray) else value, target)
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and target is not None and target.kind in _WHOLE and value.is_integer():
        return str(int(value))  # numbers beside missing ones are floats in pandas
    if target is not None and target.kind is Kind.JSON and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    return next((write(value) for kind, write in _WRITERS.items() if isinstance(value, kind)), None) or str(value)


def _nested(value: object, target: TargetType | None) -> str:
    if target is not None and target.kind is Kind.ARRAY and isinstance(value, list | tuple):
        return _array(value, target.element)
    return json.dumps(value, ensure_ascii=False, default=str)


def _array(values: Sequence[object], element: TargetType | None) -> str:
    parts = []
    for value in values:
        if isinstance(value, list | tuple) and (element is None or element.kind is not Kind.JSON):
            parts.append(_array(value, element))
            continue
        text = _text(value, element)
        escaped = None if text is None else text.replace("\\", "\\\\").replace('"', '\\"')
        parts.append("NULL" if escaped is None else f'"{escaped}"')
    return "{" + ",".join(parts) + "}"


def _interval(value: timedelta) -> str:
    """Exact to the microsecond, or to the nanosecond that pandas has and PostgreSQL rounds."""
    return f"{value.days} days {value.seconds}.{value.microseconds:06d} seconds"


_WRITERS: Mapping[type, Callable[..., str]] = {
    bool: lambda value: "true" if value else "false",
    bytes: lambda value: f"\\x{value.hex()}",
    bytearray: lambda value: f"\\x{value.hex()}",
    memoryview: lambda value: f"\\x{value.hex()}",
    datetime: lambda value: value.isoformat(" "),
    date: date.isoformat,
    time: time.isoformat,
    timedelta: _interval,
    float: repr,
    Decimal: str,
    UUID: str,
}
