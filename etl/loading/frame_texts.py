"""The values of any DataFrame as the texts that COPY takes, each by the type of its column in the target.

For frames that users bring: objects of Python and numpy, mixed columns, categoricals. Frames of our own conversion have
Arrow columns, and go a faster way.

pandas' own method sends typed literals, and the server casts them as an assignment does. So a column of values that the
target's type does not read itself is staged in a type of the values: a number is never read as the text of a time.
"""

import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import psycopg2
import pyarrow as pa

from etl.core.errors import CannotRun
from etl.core.types import Kind, TargetType

_WHOLE = frozenset({Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT})
_NUMBERS = _WHOLE | {Kind.REAL, Kind.DOUBLE, Kind.NUMERIC, Kind.MONEY, Kind.OID, Kind.BOOLEAN}
_NUMERIC = "numeric"
_LISTS = (list, tuple)

_JSON_CLASSES = (dict, list, tuple, bool, int, float, Decimal, date, time, UUID)

ByDriver = Callable[[object], str]
"""Asks driver and server how a value of a class of the driver's own is written, such as `psycopg2.extras.DateRange`."""


@dataclass(frozen=True)
class _Family:
    """Values of these classes are literals of the type `sql`; columns of these `kinds` read their texts alike."""

    classes: tuple[type, ...]
    sql: str
    kinds: frozenset[Kind]
    write: Callable[..., str]


def _interval(value: timedelta) -> str:
    if getattr(value, "nanoseconds", 0):  # pandas' own timedeltas have them
        raise ValueError("is finer than a microsecond, which is PostgreSQL's smallest interval")
    return f"{value.days} days {value.seconds}.{value.microseconds:06d} seconds"


def _moment(value: datetime) -> str:
    return value.isoformat(" ")


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return f"\\x{bytes(value).hex()}"


def _number(value: float | Decimal) -> str:
    return repr(value) if isinstance(value, float) else str(value)


_ADDRESSES = (
    *(ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface),
    *(ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface),
)
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
# The first that fits counts: a bool is an int, and a datetime is a date.
_FAMILIES = (
    _Family((bool,), "boolean", frozenset({Kind.BOOLEAN}), lambda value: "true" if value else "false"),
    _Family((int,), _NUMERIC, _NUMBERS, int.__repr__),
    _Family((float, Decimal), _NUMERIC, _NUMBERS, _number),
    _Family((datetime,), "timestamp", frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ}), _moment),
    _Family((date,), "date", frozenset({Kind.DATE}), date.isoformat),
    _Family((time,), "time", frozenset({Kind.TIME}), time.isoformat),
    _Family((timedelta,), "interval", frozenset({Kind.INTERVAL}), _interval),
    _Family((bytes, bytearray, memoryview), "bytea", frozenset({Kind.BYTEA}), _bytes),
    _Family((UUID,), "uuid", frozenset({Kind.UUID}), str),
    _Family(_ADDRESSES, "inet", frozenset({Kind.INET, Kind.CIDR}), str),
)
_WITH_ZONE = {
    "timestamp": _Family((datetime,), "timestamptz", frozenset({Kind.TIMESTAMPTZ}), _moment),
    "time": _Family((time,), "timetz", frozenset({Kind.TIMETZ}), time.isoformat),
}


@dataclass(frozen=True)
class ColumnTexts:
    """A column of texts, and the type to stage it in where that is not the target's own."""

    texts: pd.Series
    staged_as: str | None


def column_texts(
    values: Iterable[object], target: TargetType, *, name: str, timedelta_unit: str | None, by_driver: ByDriver
) -> ColumnTexts:
    """The texts of a column's values; missing values of every kind are null.

    `timedelta_unit`: pandas hands timedeltas out as whole numbers of this unit; None: they are no timedeltas. Raises
    `CannotRun` for a value that cannot be sent, naming column and row.
    """
    plain = [_plain(value) for value in values]
    if timedelta_unit is not None and target.kind in (Kind.INTERVAL, Kind.TEXT, Kind.TIME):
        plain = [_timedelta(value, timedelta_unit) for value in plain]
    staged_as = _literal_type(plain, target)
    texts = []
    for place, value in enumerate(plain):
        try:
            texts.append(_text(value, target if staged_as is None else None, by_driver))
        except (ValueError, TypeError, psycopg2.ProgrammingError) as error:
            raise CannotRun(
                f"Column {name!r} ({target.sql}), row {place + 1}: a {type(value).__name__} {error}. "
                "Convert the column first."
            ) from error
    return ColumnTexts(pd.Series(pd.arrays.ArrowExtensionArray(pa.array(texts, pa.large_string()))), staged_as)


def _plain(value: object) -> object:
    """A value without what numpy and pandas put around it; None where it is missing."""
    if isinstance(value, list | np.ndarray | pd.Series | pd.Index):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return value
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, np.timedelta64):
        return pd.Timedelta(value)
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    return value.item() if isinstance(value, np.generic) else value


def _timedelta(value: object, unit: str) -> object:
    if not isinstance(value, int):
        return value
    found = np.timedelta64(value, unit)  # type: ignore[call-overload]
    return None if np.isnat(found) else pd.Timedelta(found)


def _literal_type(values: Sequence[object], target: TargetType) -> str | None:
    """The type of the literals that these values are, where the target's type does not read their texts itself."""
    if target.kind is Kind.JSON:
        return None
    lists = [value for value in values if isinstance(value, _LISTS)]
    if lists and target.kind is not Kind.COMPOSITE:
        return _list_type(lists, target)
    unread = {literal.sql for literal in map(_literal, values) if literal and target.kind not in literal.kinds}
    side_by_side = (len(unread) > 1 and not unread <= _MOMENTS) or any(isinstance(value, str) for value in values)
    if not unread or (target.kind is Kind.TEXT and side_by_side):
        return None
    return _NUMERIC if _NUMERIC in unread else max(unread)  # of the moments the one that holds all of them


def _list_type(lists: Iterable[object], target: TargetType) -> str | None:
    element = target.element if target.kind is Kind.ARRAY else None
    inner = _literal_type([*_leaves(lists)], element or TargetType(Kind.OTHER, "unknown"))
    return None if inner is None and element is not None else f"{inner or 'text'}[]"


def _leaves(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, _LISTS):
            yield from _leaves(value)
        else:
            yield value


def _literal(value: object) -> _Family | None:
    found = next((family for family in _FAMILIES if isinstance(value, family.classes)), None)
    with_zone = isinstance(value, datetime | time) and value.tzinfo is not None
    return _WITH_ZONE[found.sql] if found is not None and with_zone else found


def _text(value: object, target: TargetType | None, by_driver: ByDriver) -> str | None:
    """The text of a value; `target` None: of a literal of its own type."""
    if value is None:
        return None
    if target is not None and target.kind is Kind.JSON and isinstance(value, _JSON_CLASSES):
        return _json(value)
    if isinstance(value, tuple) and target is not None and target.kind is Kind.COMPOSITE:
        return _record(value, target, by_driver)
    if isinstance(value, _LISTS):
        return _array(value, None if target is None else target.element, by_driver)
    if isinstance(value, str):
        return str.__str__(value)  # of an enumeration's member the value, as the driver has it
    if isinstance(value, float) and target is not None and target.kind in _WHOLE and value.is_integer():
        return str(int(value))  # numbers beside missing ones are floats in pandas
    family = _literal(value)
    return by_driver(value) if family is None else family.write(value)


def _array(values: Iterable[object], element: TargetType | None, by_driver: ByDriver) -> str:
    return "{" + ",".join(_element(value, element, by_driver) for value in values) + "}"


def _element(value: object, element: TargetType | None, by_driver: ByDriver) -> str:
    if isinstance(value, _LISTS) and (element is None or element.kind not in (Kind.JSON, Kind.COMPOSITE)):
        return _array(value, element, by_driver)
    text = _text(value, element, by_driver)
    return "NULL" if text is None else _quoted(text)


def _record(values: Sequence[object], target: TargetType, by_driver: ByDriver) -> str:
    if len(values) != len(target.fields):
        raise ValueError(f"has {len(values)} values, the type {len(target.fields)} fields")
    texts = [_text(value, kind, by_driver) for value, (_, kind) in zip(values, target.fields, strict=True)]
    return "(" + ",".join("" if text is None else _quoted(text) for text in texts) + ")"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _json(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)  # a number as it stands
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_json_part)


def _json_part(value: object) -> object:
    """What JSON has no form for itself: times and UUIDs are texts; what would change on the way is refused."""
    plain = _plain(value)
    if isinstance(plain, datetime | date | time):
        return plain.isoformat()
    if isinstance(plain, UUID):
        return str(plain)
    if isinstance(plain, Decimal) and Decimal(repr(float(plain))) == plain:
        return float(plain)
    if plain is value:
        raise TypeError(f"has a {type(value).__name__}, which JSON cannot hold")
    return plain
