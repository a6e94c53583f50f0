"""The families of target types, each described once for loading: its casts, its Arrow type, how COPY takes it.

A new type is a new row here and its casts. The comparison describes the same types on its own (`etl.comparison`), so
that a wrong cast cannot prove itself right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts import clocks, nested, other_classes, plain_texts
from etl.conversion.casts.booleans import NOT_BOOLEAN, boolean_from_integer, boolean_from_real, boolean_from_text
from etl.conversion.casts.cells import VALUE, Cast, Cells, Refusal, RefusalError, Storage, look_singly, where
from etl.conversion.casts.decimals import NOT_NUMBER, numeric_from_integer, numeric_from_real, numeric_from_text
from etl.conversion.casts.floats import float_from_integer, float_from_real, float_from_text
from etl.conversion.casts.integers import NOT_WHOLE, integer_from_integer, integer_from_real, integer_from_text
from etl.conversion.casts.intervals import NOT_INTERVAL, interval_from_text
from etl.conversion.casts.json_text import NOT_JSON, json_from_integer, json_from_real, json_from_text
from etl.conversion.casts.texts import (
    bytes_as_they_are,
    bytes_from_text,
    text_from_integer,
    text_from_real,
    text_from_text,
)
from etl.conversion.casts.timestamps import NOT_TIME, time_from_integer, time_from_real, time_from_text
from etl.core.rejects import RejectRule
from etl.core.time_units import TimeUnit
from etl.core.types import Kind, TargetType

UTC = ZoneInfo("UTC")
_OFFSET = r":[0-9.]+ ?[+-][0-9:]+$"
_ZONE = rf"(?:[Zz]|UTC|{_OFFSET})$"


@dataclass(frozen=True)
class Family:
    """Types that are loaded alike.

    `casts`: by SQLite's storage class; a class that is missing is refused with the reason `otherwise`. `arrow`: the
    type of a converted column. `binary`: PostgreSQL's binary format has exactly the bytes of that Arrow type; else the
    values are texts that the server's input reads. `zoned`: the casts take the zone of times without one. `canonical`:
    the server may write another spelling of the same value, which is counted as rewritten. `any_storage`: the casts of
    further classes, for columns that were made to take them.
    """

    casts: Mapping[Storage, Cast]
    arrow: pa.DataType
    otherwise: Refusal
    binary: bool = False
    zoned: Mapping[Storage, Callable[..., Cells]] | None = None
    canonical: bool = False
    any_storage: Mapping[Storage, Cast] = field(default_factory=dict)

    def cast_of(self, storage: Storage, zone: ZoneInfo, unit: TimeUnit, *, any_storage: bool = False) -> Cast | None:
        """The cast for values of one storage class; None where they are refused. Only times ask for zone and unit."""
        if any_storage and storage in self.any_storage:
            return self.any_storage[storage]
        if self.zoned is not None and storage in self.zoned:
            return partial(self.zoned[storage], zone=zone, unit=unit)
        return self.casts.get(storage)


_TEXT = pa.string()
_BLOB_INTO_TEXT = Refusal(RejectRule.OTHER_STORAGE, f"{VALUE} is a BLOB, the column takes text")


def _text_only(cast: Cast, otherwise: Refusal, *, canonical: bool = False) -> Family:
    return Family({Storage.TEXT: cast}, _TEXT, otherwise, canonical=canonical)


def _cast_parts(values: pa.Array, target: TargetType, *, zone: ZoneInfo) -> Cells:
    """Parts of arrays, ranges and composites, in which the server itself reads each text."""
    if target.kind is Kind.BYTEA:
        fits = pc.match_substring_regex(values, r"^\\x(?:[0-9A-Fa-f]{2})*$")
        return look_singly(values, where(fits, values), _refuse_bytes)
    family = FAMILIES[target.kind]
    cast = family.cast_of(Storage.TEXT, zone, TimeUnit.UNDECIDED)
    if cast is None:
        raise TypeError(f"{target.sql} cannot be a part of another type")
    cells = cast(values, target)
    if target.kind is Kind.TIMESTAMP:
        fits = pc.invert(pc.match_substring_regex(values, _OFFSET))
        refused = look_singly(values, where(fits, values), _refuse_offset)
        return Cells(cells.values, {**refused.faults, **cells.faults})
    if target.kind is Kind.TIMESTAMPTZ and zone != UTC:
        fits = pc.match_substring_regex(values, _ZONE)
        refused = look_singly(values, where(fits, values), partial(_refuse_wall_clock, zone=zone))
        return Cells(cells.values, {**refused.faults, **cells.faults})
    return cells


def _nested(values: pa.Array, target: TargetType, *, zone: ZoneInfo, unit: TimeUnit) -> Cells:  # noqa: ARG001
    return nested.nested_from_text(values, target, cast=partial(_cast_parts, zone=zone))


def _refuse_offset(_text: str) -> str:
    raise RefusalError(RejectRule.PART_LOST, f"{VALUE} has an offset, which PostgreSQL would drop")


def _refuse_wall_clock(_text: str, *, zone: ZoneInfo) -> str:
    words = f"{VALUE} has no offset, and inside of another type PostgreSQL would not read it in {zone.key}; write one"
    raise RefusalError(RejectRule.NO_OFFSET, words)


def _refuse_bytes(_text: str) -> str:
    raise RefusalError(RejectRule.NOT_BYTES, f"{VALUE} is not bytes in hexadecimal (\\x…)")


def _made_of_parts(otherwise: Refusal, *, canonical: bool = False) -> Family:
    return Family({}, _TEXT, otherwise, zoned={Storage.TEXT: _nested}, canonical=canonical)


_TEXTS: Mapping[Storage, Cast] = {
    Storage.INTEGER: text_from_integer,
    Storage.REAL: text_from_real,
    Storage.TEXT: text_from_text,
}
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
_TIMES = {Storage.INTEGER: time_from_integer, Storage.REAL: time_from_real, Storage.TEXT: time_from_text}
_HARDWARE = _text_only(plain_texts.hardware_from_text, plain_texts.NOT_HARDWARE)
_ADDRESS = _text_only(plain_texts.address_from_text, plain_texts.NOT_ADDRESS)
_BITS = _text_only(plain_texts.bits_from_text, plain_texts.NOT_BITS)
_RANGES = _made_of_parts(nested.NOT_RANGE, canonical=True)

FAMILIES: Mapping[Kind, Family] = {
    Kind.BOOLEAN: Family(
        {Storage.INTEGER: boolean_from_integer, Storage.REAL: boolean_from_real, Storage.TEXT: boolean_from_text},
        pa.bool_(),
        NOT_BOOLEAN,
        binary=True,
    ),
    Kind.SMALLINT: Family(_INTEGERS, pa.int16(), NOT_WHOLE, binary=True),
    Kind.INTEGER: Family(_INTEGERS, pa.int32(), NOT_WHOLE, binary=True),
    Kind.BIGINT: Family(_INTEGERS, pa.int64(), NOT_WHOLE, binary=True),
    Kind.REAL: Family(_FLOATS, pa.float32(), NOT_NUMBER, binary=True),
    Kind.DOUBLE: Family(_FLOATS, pa.float64(), NOT_NUMBER, binary=True),
    Kind.NUMERIC: Family(
        {Storage.INTEGER: numeric_from_integer, Storage.REAL: numeric_from_real, Storage.TEXT: numeric_from_text},
        _TEXT,
        NOT_NUMBER,
    ),
    Kind.MONEY: Family(
        {
            Storage.INTEGER: plain_texts.money_from_integer,
            Storage.REAL: plain_texts.money_from_real,
            Storage.TEXT: plain_texts.money_from_text,
        },
        _TEXT,
        NOT_NUMBER,
    ),
    Kind.OID: Family(
        {Storage.INTEGER: plain_texts.oid_from_integer, Storage.TEXT: plain_texts.oid_from_text},
        _TEXT,
        plain_texts.NOT_OID,
    ),
    Kind.TEXT: Family(
        _TEXTS, _TEXT, _BLOB_INTO_TEXT, binary=True, any_storage={Storage.BLOB: other_classes.text_from_blob}
    ),
    Kind.BIT: _BITS,
    Kind.VARBIT: _BITS,
    Kind.TIMESTAMPTZ: Family({}, pa.timestamp("us", "UTC"), NOT_TIME, binary=True, zoned=_TIMES),
    Kind.TIMESTAMP: Family({}, pa.timestamp("us"), NOT_TIME, binary=True, zoned=_TIMES),
    Kind.DATE: _text_only(clocks.date_from_text, clocks.NOT_DATE),
    Kind.TIME: _text_only(clocks.time_of_day_from_text, clocks.NOT_CLOCK),
    Kind.TIMETZ: _text_only(clocks.zoned_time_of_day_from_text, clocks.NOT_ZONED_CLOCK),
    Kind.INTERVAL: _text_only(interval_from_text, NOT_INTERVAL),
    Kind.JSON: Family(
        {Storage.INTEGER: json_from_integer, Storage.REAL: json_from_real, Storage.TEXT: json_from_text},
        _TEXT,
        NOT_JSON,
        binary=True,
    ),
    Kind.BYTEA: Family(
        {
            Storage.BLOB: bytes_as_they_are,
            Storage.TEXT: bytes_from_text,
            Storage.UNDECODABLE: bytes_as_they_are,
        },
        pa.binary(),
        Refusal(RejectRule.OTHER_STORAGE, f"{VALUE} is a number, the column takes bytes"),
        binary=True,
        any_storage={
            Storage.INTEGER: other_classes.bytes_from_integer,
            Storage.REAL: other_classes.bytes_from_real,
        },
    ),
    Kind.UUID: Family(
        {Storage.TEXT: plain_texts.uuid_from_text},
        _TEXT,
        plain_texts.NOT_UUID,
        any_storage={Storage.BLOB: other_classes.uuid_from_blob},
    ),
    Kind.INET: _ADDRESS,
    Kind.CIDR: _ADDRESS,
    Kind.MACADDR: _HARDWARE,
    Kind.MACADDR8: _HARDWARE,
    Kind.ENUM: Family(_TEXTS, _TEXT, _BLOB_INTO_TEXT),
    Kind.ARRAY: _made_of_parts(nested.NOT_ARRAY),
    Kind.RANGE: _RANGES,
    Kind.MULTIRANGE: _RANGES,
    Kind.COMPOSITE: _made_of_parts(nested.NOT_COMPOSITE),
    Kind.OTHER: Family(_TEXTS, _TEXT, _BLOB_INTO_TEXT),
}
"""The rules of loading: every kind has its family."""
